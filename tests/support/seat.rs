//! Who may run beside whom. Most tests wait for processes, so that several share the machine; those that assert
//! milliseconds have it alone.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// So many tests run side by side for each processor: enough that it has work while they wait. The harness has more
/// threads (.cargo/config.toml), since those that are to be alone wait in theirs until the others are through: to clear
/// the room in between costs the end of the slowest each time.
const SIDE_BY_SIDE_PER_PROCESSOR: usize = 5;

struct Room {
    shared: usize,
    alone: bool,
}

static ROOM: Mutex<Room> = Mutex::new(Room { shared: 0, alone: false });
static LEFT: Condvar = Condvar::new();

thread_local! {
    static SEATS: Cell<usize> = const { Cell::new(0) };
}

/// Nobody waits longer: two tests that start servers in threads of their own may wait for each other.
const BOUND: Duration = Duration::from_mins(40);

/// A seat in the room; a test that starts a second server, in its own thread, sits already.
#[derive(Debug)]
pub struct Seat {
    alone: bool,
    counted: bool,
}

impl Seat {
    /// Waits for a seat.
    pub fn take(alone: bool) -> Self {
        let counted = SEATS.get() == 0;
        SEATS.set(SEATS.get() + 1);
        if counted && alone {
            wait_while(|room| room.alone || room.shared > 0).alone = true;
        } else if counted {
            let side_by_side =
                SIDE_BY_SIDE_PER_PROCESSOR * thread::available_parallelism().map_or(1, usize::from);
            wait_while(|room| room.alone || room.shared >= side_by_side).shared += 1;
        }
        Self { alone, counted }
    }
}

fn lock() -> MutexGuard<'static, Room> {
    ROOM.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_while(condition: impl FnMut(&mut Room) -> bool) -> MutexGuard<'static, Room> {
    let (room, timeout) =
        LEFT.wait_timeout_while(lock(), BOUND, condition).unwrap_or_else(PoisonError::into_inner);
    assert!(!timeout.timed_out(), "no seat within {BOUND:?}");
    room
}

impl Drop for Seat {
    fn drop(&mut self) {
        SEATS.set(SEATS.get().saturating_sub(1));
        if self.counted {
            let mut room = lock();
            if self.alone {
                room.alone = false;
            } else {
                room.shared -= 1;
            }
            LEFT.notify_all();
        }
    }
}

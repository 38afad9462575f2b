//! Who may run beside whom. Tests that assert milliseconds run alone in their binary, the others side by
//! side.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, PoisonError};

struct Room {
    shared: usize,
    alone: bool,
    waiting_alone: usize,
}

static ROOM: Mutex<Room> = Mutex::new(Room { shared: 0, alone: false, waiting_alone: 0 });
static LEFT: Condvar = Condvar::new();

thread_local! {
    static SEATS: Cell<usize> = const { Cell::new(0) };
}

/// A seat in the room; a test that starts a second server sits already.
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
        if counted {
            let mut room = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
            if alone {
                room.waiting_alone += 1;
                room = LEFT
                    .wait_while(room, |room| room.alone || room.shared > 0)
                    .unwrap_or_else(PoisonError::into_inner);
                room.waiting_alone -= 1;
                room.alone = true;
            } else {
                room = LEFT
                    .wait_while(room, |room| room.alone || room.waiting_alone > 0)
                    .unwrap_or_else(PoisonError::into_inner);
                room.shared += 1;
            }
        }
        Self { alone, counted }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        SEATS.set(SEATS.get().saturating_sub(1));
        if self.counted {
            let mut room = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
            if self.alone {
                room.alone = false;
            } else {
                room.shared -= 1;
            }
            LEFT.notify_all();
        }
    }
}

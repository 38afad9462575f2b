//! `fork`, allowed only while the process has a single thread.

use std::io;
use std::marker::PhantomData;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, Pid};

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Forked {
    /// The parent, with the child's pid.
    Parent(Pid),
    /// The child.
    Child(FreshChild),
}

/// Proof that this process has just been forked: nobody but the holder uses its copy of the descriptor table. Only
/// [`fork`] makes one:
///
/// ```compile_fail,E0451
/// let child = forkpool::sys::FreshChild { thread: std::marker::PhantomData };
/// ```
#[derive(Debug)]
pub struct FreshChild {
    /// It stays on the one thread that the child has.
    thread: PhantomData<*const ()>,
}

/// How many threads this process has (entries of `/proc/self/task`).
pub fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Forks; an error if this process has more than one thread, since a lock held by another would stay locked
/// in the child for ever.
pub fn fork() -> io::Result<Forked> {
    let threads = thread_count()?;
    if threads != 1 {
        return Err(io::Error::other(format!(
            "the process has {threads} threads; only a single-threaded one may fork"
        )));
    }
    // SAFETY: the process has one thread (checked above; only that thread could make another), so no other
    // thread can hold a lock or be halfway through a change that the child would inherit.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Forked::Parent(child)),
        ForkResult::Child => Ok(Forked::Child(FreshChild { thread: PhantomData })),
    }
}

/// Sets a variable of the environment, for what this process will execute. An error if it has more than one
/// thread.
pub fn set_variable(name: &str, value: &str) -> io::Result<()> {
    if thread_count()? != 1 {
        return Err(io::Error::other("only a single-threaded process may change its environment"));
    }
    // SAFETY: the process has one thread (checked above), so nobody reads the environment meanwhile.
    unsafe { std::env::set_var(name, value) };
    Ok(())
}

/// Makes a write to a pipe that nobody reads an error rather than this process's end.
pub fn ignore_broken_pipes() -> io::Result<()> {
    // SAFETY: to ignore a signal runs no code of ours in a handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) }?;
    Ok(())
}

/// Lets the process that this command starts end with the thread that starts it: a kill of a parent leaves no
/// child behind.
pub fn end_with_parent(command: &mut Command) {
    let parent = Pid::this().as_raw();
    let arm = move || {
        // SAFETY: prctl with these arguments and getppid take no memory and no locks: a child just forked may
        // call them.
        let (armed, above) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
        if armed != 0 {
            return Err(io::Error::last_os_error());
        }
        // The parent may have ended before the signal was armed.
        if above == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
    };
    // SAFETY: between fork and exec `arm` makes the two system calls above and nothing else; it allocates
    // nothing and locks nothing.
    unsafe { command.pre_exec(arm) };
}

/// Leaves at once, without destructors or exit handlers: for forked children, which hold copies of another
/// process's state.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit touches no memory and does not return.
    unsafe { libc::_exit(status) }
}

/// Gives the signals that a parent may have ignored or handled their default action (SIGPIPE too, for what a
/// task executes).
pub fn default_signals() -> io::Result<()> {
    for which in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGCHLD] {
        // SAFETY: the default action runs no code of ours in a handler.
        unsafe { signal(which, SigHandler::SigDfl) }?;
    }
    Ok(())
}

//! The Python side, embedded: the interpreter runs [`STUB`], which reads and executes [`BOOTSTRAP`].

/// The argument of `python3 -I -c`.
pub const STUB: &str = include_str!("python/stub.py");
/// Zygote and worker in Python; see the protocol. What stands behind a NUL is compiled when it is first
/// needed.
pub const BOOTSTRAP: &str = concat!(
    include_str!("python/bootstrap/values.py"),
    include_str!("python/bootstrap/worker.py"),
    include_str!("python/bootstrap/zygote.py"),
    "\0",
    include_str!("python/bootstrap/rare.py"),
    include_str!("python/bootstrap/late.py"),
    "\0",
    include_str!("python/bootstrap/line.py"),
    include_str!("python/bootstrap/objects.py"),
    "\0",
    include_str!("python/bootstrap/types.py"),
);

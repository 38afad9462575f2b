//! The Python side, embedded: the interpreter runs [`STUB`], which reads and executes [`BOOTSTRAP`].

/// The argument of `python3 -I -c`.
pub const STUB: &str = include_str!("python/stub.py");
/// Zygote and worker in Python, as the packets that the interpreter is sent first; see the protocol. What stands
/// behind a NUL, and all of the second packet, is compiled when it is first needed.
pub const BOOTSTRAP: &[&str] = &[
    concat!(
        include_str!("python/bootstrap/values.py"),
        include_str!("python/bootstrap/worker.py"),
        include_str!("python/bootstrap/restore.py"),
        include_str!("python/bootstrap/describe.py"),
        include_str!("python/bootstrap/zygote.py"),
        "\0",
        include_str!("python/bootstrap/rare.py"),
        include_str!("python/bootstrap/late.py"),
        include_str!("python/bootstrap/unloaded.py"),
    ),
    concat!(
        include_str!("python/bootstrap/call_socket.py"),
        include_str!("python/bootstrap/objects.py"),
        "\0",
        include_str!("python/bootstrap/types.py"),
        include_str!("python/bootstrap/classes.py"),
        include_str!("python/bootstrap/choose.py"),
    ),
];

/// Bytes that the interpreter reads at once: a longer packet would be cut.
const PACKET_BYTES_MAX: usize = 131_072;
const _: () = assert!(BOOTSTRAP[0].len() <= PACKET_BYTES_MAX && BOOTSTRAP[1].len() <= PACKET_BYTES_MAX);

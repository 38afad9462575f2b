//! The only unsafe code: fork, descriptors, pidfds, mapped memory, the allocator; and what `/proc` says.
//!
//! Each function is a safe wrapper of one system call (or of the one sequence that is safe as a whole). No
//! policy here.
#![allow(unsafe_code, reason = "the one room where it may stand")]

mod blocks;
mod cgroup;
mod fds;
mod fork;
mod heap;
mod page;
mod pidfd;
mod proc;
mod readiness;
mod shared;
mod socket;

pub use blocks::{Blocks, reserve_blocks};
pub use cgroup::group_folders;
pub use fds::{close_on_exec_from, reopen_for_reading, take_stdin};
pub use fork::{
    Forked, FreshChild, default_signals, end_with_parent, exit_now, fork, ignore_broken_pipes, set_variable,
    thread_count,
};
pub use heap::{keep_freed_memory, merge_freed_blocks};
pub use page::{PAGE_BYTES, PageReader, PageWriter, create_page};
pub use pidfd::{Ended, PidFd, peek_ended_child};
pub use proc::{Role, children_of, has_ended, is_ignored, processes, variable_of};
pub use readiness::{Peer, peer_of, watch_pidfd, watch_socket};
pub use shared::{SharedBlock, SharedItems, Width};
pub use socket::{packet_pair, receive_packet, send_packet, send_some, stream_pair, unread_bytes};

//! Workers as processes: what they hold, whose children they are, how they differ.

use std::thread;

use serde_json::json;

use crate::support::{Server, proc};

#[test]
fn a_worker_at_rest_holds_at_most_ten_descriptors() {
    let server = Server::start(&["--builtin"]);
    let client = server.keeping();
    (0..20).for_each(|i| assert_eq!(client.apply("square", &json!([i])).value(), i * i));
    for worker in [server.workers(), server.workers_of("native")].concat() {
        let open = proc::descriptors(worker.pid);
        assert!(open.len() <= 10, "{open:#?}");
        assert!(
            (3..=5).all(|fd| open.iter().any(|line| line.starts_with(&format!("{fd} -> ")))),
            "{open:#?}"
        );
    }
}

#[test]
fn the_server_is_their_parent() {
    let server = Server::start(&[]);
    assert_eq!(server.apply("parent", &json!([])).value(), server.pid());
}

#[test]
fn random_numbers_differ_between_workers() {
    let server = Server::start(&["--workers", "4"]);
    let meeting = tempfile::tempdir().expect("a folder can be made");
    let place = json!([[meeting.path(), 4]]);
    let draws: Vec<_> = thread::scope(|scope| {
        let drawing: Vec<_> = (0..4).map(|_| scope.spawn(|| server.apply("draw", &place).value())).collect();
        drawing.into_iter().map(|one| one.join().expect("the client thread ends well")).collect()
    });
    for (i, one) in draws.iter().enumerate() {
        for other in &draws[..i] {
            assert_ne!(one[0], other[0], "those that meet are in different workers");
            assert_ne!(one[1], other[1], "their random numbers differ");
        }
    }
}

#[test]
fn the_server_never_forks() {
    let server = Server::start(&["--builtin"]);
    let natives: Vec<i32> = server.workers_of("native").iter().map(|worker| worker.pid).collect();
    let mut left = server.zygotes();
    left.retain(|pid| !natives.contains(pid));
    assert_eq!(left.len(), 2, "two zygotes beside the workers: {left:?}");
    for zygote in left {
        assert_eq!(proc::threads(zygote), 1, "a zygote has one thread");
    }
}

#[test]
fn workers_do_not_sit_in_the_servers_process_group() {
    let server = Server::start(&[]);
    for worker in server.workers() {
        let group = proc::stat(worker.pid).map(|stat| stat.group);
        assert_eq!(group, Some(worker.pid), "Ctrl-C in the server's terminal must not reach it");
    }
}

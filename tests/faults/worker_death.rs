//! f01-f08, f32: a worker dies. Only its running task fails, at once; the pool is whole again; nothing is
//! left.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Answer, Noise, Server, on_time, proc, promised, wait_until};

const TOLD: Duration = Duration::from_millis(100);
const WHOLE: Duration = Duration::from_millis(300);

/// Kills a process and waits for the answer that another thread is waiting for: the answer, and when it came.
fn kill_and_wait(server: &Server, victim: i32, signal: Signal, id: &str) -> (Answer, Instant, Duration) {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let answer = server.result(id, 20.0);
            (answer, Instant::now())
        });
        // The wait is registered before the kill: its connection is open and its thread of the server at
        // rest.
        thread::sleep(Duration::from_millis(50));
        let killed = Instant::now();
        proc::signal(victim, signal);
        let (answer, told) = waiting.join().expect("the client thread ends well");
        (answer, killed, told.duration_since(killed))
    })
}

fn pids(server: &Server) -> Vec<i32> {
    server.workers().iter().map(|worker| worker.pid).collect()
}

#[test]
fn f01_kill_9_mid_job() {
    on_time(|| {
        let server = Server::alone(&[]);
        server.apply("square", &json!([2])).value();
        let before = server.fds();
        let (beside, victim) = (server.submit("nap", &json!([1.0])), server.submit("nap", &json!([30])));
        let worker = server.worker_of(&victim);
        let neighbour = server.worker_of(&beside);
        let queued: Vec<String> = (0..20).map(|i| server.submit("square", &json!([i]))).collect();

        let (answer, killed, took) = kill_and_wait(&server, worker.pid, Signal::SIGKILL, &victim);
        let problem = answer.outcome("worker-died");
        assert_eq!(problem["signal"], "SIGKILL", "{problem}");
        assert!(problem.get("exit_code").is_none(), "{problem}");
        promised(took, TOLD, "the death is told");
        server.whole_again(killed, WHOLE, 2, &[worker.pid]);

        assert_eq!(server.result(&beside, 10.0).value(), 1.0, "the job beside it");
        for (i, id) in queued.iter().enumerate() {
            assert_eq!(server.result(id, 10.0).value(), i * i, "a job that waited");
        }
        assert!(pids(&server).contains(&neighbour.pid), "the neighbour lives on");
        let job = server.job(&victim);
        assert_eq!(
            (&job["state"], &job["error"]["code"]),
            (&json!("failed"), &json!("worker-died")),
            "{job}"
        );
        server.nothing_left(before);
    });
}

#[test]
fn f01_what_waits_in_the_dead_workers_pipe_succeeds() {
    on_time(|| {
        let server = Server::alone(&["--workers", "1"]);
        // Quick so often that the server lets others wait behind it.
        let client = server.keeping();
        (0..1_000).for_each(|_| drop(client.apply("nap", &json!([0])).value()));
        (0..50).for_each(|i| assert_eq!(client.apply("square", &json!([i])).value(), i * i));
        drop(client);
        let before = server.fds();
        let victim = server.submit("nap", &json!([30]));
        let behind: Vec<String> = (0..50).map(|i| server.submit("square", &json!([i]))).collect();
        let worker = server.worker_of(&victim);
        let (answer, killed, took) = kill_and_wait(&server, worker.pid, Signal::SIGKILL, &victim);
        assert_eq!(answer.outcome("worker-died")["signal"], "SIGKILL");
        promised(took, TOLD, "the death is told");
        server.whole_again(killed, WHOLE, 1, &[worker.pid]);
        for (i, id) in behind.iter().enumerate() {
            assert_eq!(server.result(id, 10.0).value(), i * i, "a job that waited in its pipe");
        }
        server.nothing_left(before);
    });
}

#[test]
fn f01_a_native_worker_is_replaced_in_100_ms() {
    on_time(|| {
        let server = Server::alone(&["--builtin"]);
        let before = server.fds();
        let body = json!({"function": "builtin.sleep", "args": [30]});
        let id = server.post("/v1/apply_async", &body).accepted();
        let mut victim = 0;
        wait_until(Duration::from_secs(5), "a native worker is busy", || {
            let busy = server
                .workers_of("native")
                .into_iter()
                .find(|worker| worker.all["current_job"] == id.as_str());
            victim = busy.map_or(0, |worker| worker.pid);
            victim != 0
        });
        let (answer, killed, took) = kill_and_wait(&server, victim, Signal::SIGKILL, &id);
        assert_eq!(answer.outcome("worker-died")["signal"], "SIGKILL");
        promised(took, TOLD, "the death is told");
        crate::support::wait_from(
            killed,
            Duration::from_millis(100),
            "the native pool is whole again",
            || {
                let workers = server.workers_of("native");
                workers.len() == 2
                    && workers.iter().all(|worker| worker.state == "idle" && worker.pid != victim)
            },
        );
        server.nothing_left(before);
    });
}

#[test]
fn f02_kill_9_of_an_idle_worker_is_nobodys_error() {
    on_time(|| {
        let server = Server::alone(&[]);
        server.apply("square", &json!([2])).value();
        let before = server.fds();
        for _ in 0..3 {
            let victim = pids(&server)[0];
            let killed = Instant::now();
            proc::signal(victim, Signal::SIGKILL);
            server.whole_again(killed, WHOLE, 2, &[victim]);
            for i in 0..20 {
                assert_eq!(server.apply("square", &json!([i])).value(), i * i);
            }
        }
        server.nothing_left(before);
    });
}

#[test]
fn f03_kill_9_around_the_answer_gives_the_value_or_the_death() {
    on_time(|| {
        let server = Server::alone(&["--workers", "1"]);
        let mut noise = Noise::new(0x5eed);
        // Fewer than ten deaths: no brake may act.
        for i in 0..9_u64 {
            let victim = pids(&server)[0];
            let id = server.submit("square", &json!([i]));
            thread::sleep(Duration::from_micros(noise.below(2_000)));
            proc::signal(victim, Signal::SIGKILL);
            let answer = server.result(&id, 10.0);
            match answer.status {
                200 => assert_eq!(answer.value(), i * i),
                _ => assert_eq!(answer.outcome("worker-died")["signal"], "SIGKILL"),
            }
            server.whole_again(Instant::now(), Duration::from_secs(2), 1, &[victim]);
            assert_eq!(server.apply("echo", &json!([i])).value(), i, "the next job has its own value");
        }
    });
}

#[test]
fn f06_exit_in_a_function() {
    on_time(|| {
        let server = Server::alone(&[]);
        server.apply("square", &json!([2])).value();
        let before = server.fds();
        for code in [3, 0, 255] {
            let old = pids(&server);
            let start = Instant::now();
            let answer = server.apply("exit_now", &json!([code]));
            let told = start.elapsed();
            let problem = answer.outcome("worker-died");
            assert_eq!(problem["exit_code"], code, "{problem}");
            assert!(problem.get("signal").is_none(), "{problem}");
            promised(told, TOLD, &format!("telling of exit {code}"));
            let dead: Vec<i32> = old.into_iter().filter(|pid| proc::is_gone(*pid)).collect();
            assert_eq!(dead.len(), 1, "one worker died");
            server.whole_again(start, WHOLE, 2, &dead);
            assert_eq!(server.apply("square", &json!([code])).value(), code * code);
        }
        server.nothing_left(before);
    });
}

#[test]
fn f08_signals_of_its_own_making() {
    on_time(|| {
        let server = Server::alone(&[]);
        server.apply("square", &json!([2])).value();
        let before = server.fds();
        let no_args = json!([]);
        let kills: [(&str, Value, &str); 5] = [
            ("segfault", no_args.clone(), "SIGSEGV"),
            ("abort", no_args.clone(), "SIGABRT"),
            ("kill_myself", json!([7]), "SIGBUS"),
            ("kill_myself", json!([9]), "SIGKILL"),
            ("kill_myself", json!([15]), "SIGTERM"),
        ];
        for (function, args, signal) in &kills {
            let start = Instant::now();
            let problem = server.apply(function, args).outcome("worker-died");
            let told = start.elapsed();
            assert_eq!(problem["signal"], *signal, "{function}{args}: {problem}");
            assert!(problem.get("exit_code").is_none(), "{problem}");
            promised(told, TOLD, &format!("telling of {function}{args}"));
            server.whole_again(start, WHOLE, 2, &[]);
        }
        assert_eq!(server.apply("core_limit", &no_args).value()[0], 0, "no core files");
        server.nothing_left(before);
    });
}

#[test]
fn f32_all_workers_killed_at_once() {
    on_time(|| {
        let server = Server::alone(&["--workers", "4"]);
        server.apply("square", &json!([2])).value();
        let before = server.fds();
        let running: Vec<String> = (0..4).map(|_| server.submit("nap", &json!([30]))).collect();
        let victims: Vec<i32> = running.iter().map(|id| server.worker_of(id).pid).collect();
        let queued: Vec<String> = (0..50).map(|i| server.submit("square", &json!([i]))).collect();
        let killed = Instant::now();
        victims.iter().for_each(|pid| proc::signal(*pid, Signal::SIGKILL));
        for id in &running {
            assert_eq!(server.result(id, 5.0).outcome("worker-died")["signal"], "SIGKILL");
        }
        server.whole_again(killed, Duration::from_secs(2), 4, &victims);
        for (i, id) in queued.iter().enumerate() {
            assert_eq!(server.result(id, 10.0).value(), i * i);
        }
        server.nothing_left(before);
    });
}

#[test]
fn deaths_below_the_brake_are_all_healed_at_once() {
    on_time(|| {
        let server = Server::alone(&[]);
        for i in 0..9 {
            server.apply("exit_now", &json!([1])).outcome("worker-died");
            let start = Instant::now();
            assert_eq!(server.apply("square", &json!([i])).value(), i * i);
            server.whole_again(start, WHOLE, 2, &[]);
        }
        assert_eq!(server.get("/readyz").status, 200);
    });
}

#[test]
fn a_synchronous_call_is_told_of_the_kill_too() {
    on_time(|| {
        let server = Server::alone(&[]);
        thread::scope(|scope| {
            let call = scope.spawn(|| {
                let answer = server.apply("nap", &json!([30]));
                (answer, Instant::now())
            });
            let mut victim = 0;
            wait_until(Duration::from_secs(5), "a worker is busy", || {
                let busy = server.workers().into_iter().find(|worker| worker.state == "busy");
                victim = busy.map_or(0, |worker| worker.pid);
                victim != 0
            });
            let killed = Instant::now();
            proc::signal(victim, Signal::SIGKILL);
            let (answer, told) = call.join().expect("the client thread ends well");
            assert_eq!(answer.outcome("worker-died")["signal"], "SIGKILL");
            promised(told.duration_since(killed), TOLD, "telling of the kill");
        });
    });
}

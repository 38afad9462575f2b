//! The rest of the introduction: Process, Queue, Pipe, Lock, shared memory, Manager, with its own functions in
//! processes of their own.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Step, Tour};

const NUMBERS: &str = "[0,1,2,3,4,5,6,7,8,9]";
/// Processes that print under one lock.
const PRINTERS: u64 = 10;

/// A Process that was started.
struct Started {
    path: String,
    pid: Value,
    parent: Value,
}

impl Tour {
    /// All of it, in the introduction's order.
    pub(super) fn seed(&mut self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\nProcess, Queue, Pipe, Lock, shared memory and Manager, over HTTP.")?;
        self.process(out)?;
        self.queue_and_pipe(out)?;
        self.lock(out)?;
        self.shared_state(out)?;
        self.manager(out)
    }

    fn process(&mut self, out: &mut impl Write) -> io::Result<()> {
        for (python, function, argument, last) in [
            ("p = Process(target=info, args=('main line',)); p.start()", "info", "main line", None),
            ("p = Process(target=f, args=('bob',)); p.start()", "f", "bob", Some("hello bob")),
        ] {
            self.heading(out, python)?;
            let process = self.start(out, &format!("process.{function}"), &format!("[\"{argument}\"]"))?;
            self.heading(out, "p.join()")?;
            self.join(out, &process)?;
            self.comment(out, "what it printed")?;
            let title = if last.is_some() { "function f" } else { argument };
            let (parent, pid) = (&process.parent, &process.pid);
            let mut lines = vec![
                title.to_owned(),
                "module name: process".to_owned(),
                format!("parent process: {parent}"),
                format!("process id: {pid}"),
            ];
            lines.extend(last.map(str::to_owned));
            self.output(out, &process, &lines.join("\n"))?;
        }
        Ok(())
    }

    fn queue_and_pipe(&mut self, out: &mut impl Write) -> io::Result<()> {
        let hello = json!([42, null, "hello"]);
        self.heading(out, "q = Queue(); p = Process(target=f, args=(q,)); p.start()")?;
        self.make(out, "/v1/queues/q", "{}")?;
        let process = self.start(out, "queue_example.f", r#"[{"$forkpool":"/v1/queues/q"}]"#)?;
        self.heading(out, "q.get()    # prints \"[42, None, 'hello']\"")?;
        self.value(out, "/v1/queues/q/get", r#"{"timeout":10}"#, &hello)?;
        self.heading(out, "p.join()")?;
        self.join(out, &process)?;

        self.heading(out, "parent_conn, child_conn = Pipe(); p = Process(target=f, args=(child_conn,))")?;
        self.make(out, "/v1/pipes/p", "{}")?;
        let process = self.start(out, "pipe.f", r#"[{"$forkpool":"/v1/pipes/p/1"}]"#)?;
        self.heading(out, "parent_conn.recv()    # prints \"[42, None, 'hello']\"")?;
        self.value(out, "/v1/pipes/p/0/recv", r#"{"timeout":10}"#, &hello)?;
        self.heading(out, "p.join()")?;
        self.join(out, &process)
    }

    fn lock(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.heading(out, "for num in range(10): Process(target=f, args=(lock, num)).start()")?;
        self.make(out, "/v1/locks/lock", "{}")?;
        let mut started = Vec::new();
        for number in 0..PRINTERS {
            let args = format!(r#"[{{"$forkpool":"/v1/locks/lock"}},{number}]"#);
            started.push(self.start(out, "lock.f", &args)?);
        }
        self.comment(out, "each has printed a whole line")?;
        for (number, process) in (0..PRINTERS).zip(&started) {
            self.await_end(process)?;
            self.output(out, process, &format!("hello world {number}"))?;
        }
        Ok(())
    }

    #[allow(clippy::approx_constant, reason = "the introduction's own number")]
    fn shared_state(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.heading(out, "num = Value('d', 0.0); arr = Array('i', range(10))")?;
        self.make(out, "/v1/values/num", r#"{"typecode":"d","value":0.0}"#)?;
        self.make(out, "/v1/arrays/arr", &format!(r#"{{"typecode":"i","values":{NUMBERS}}}"#))?;
        self.heading(out, "p = Process(target=f, args=(num, arr)); p.start(); p.join()")?;
        let args = r#"[{"$forkpool":"/v1/values/num"},{"$forkpool":"/v1/arrays/arr"}]"#;
        let process = self.start(out, "shared_state.f", args)?;
        self.join(out, &process)?;
        self.heading(out, "num.value, arr[:]")?;
        self.value(out, "/v1/values/num/get", "{}", &json!(3.1415927))?;
        let negative: Vec<i64> = (0..10).map(|number| -number).collect();
        self.value(out, "/v1/arrays/arr/get", "{}", &json!(negative))
    }

    fn manager(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.heading(out, "d = manager.dict(); l = manager.list(range(10))")?;
        self.make(out, "/v1/dicts/d", "{}")?;
        self.make(out, "/v1/lists/l", &format!(r#"{{"values":{NUMBERS}}}"#))?;
        self.heading(out, "p = Process(target=f, args=(d, l)); p.start(); p.join()")?;
        let args = r#"[{"$forkpool":"/v1/dicts/d"},{"$forkpool":"/v1/lists/l"}]"#;
        let process = self.start(out, "manager.f", args)?;
        self.join(out, &process)?;
        self.heading(
            out,
            "d, l    # {0.25: None, 1: '1', '2': 2}: pairs, so that the keys keep their types",
        )?;
        let pairs = [json!([0.25, null]), json!([1, "1"]), json!(["2", 2])];
        let right = |items: &Value| {
            let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
            items.len() == pairs.len() && pairs.iter().all(|pair| items.contains(pair))
        };
        self.step(
            out,
            &Step {
                method: "POST",
                path: "/v1/dicts/d/items",
                body: Some("{}"),
                status: 200,
                expected: "[[0.25,null],[1,\"1\"],[\"2\",2]] in any order",
                right: &right,
            },
        )?;
        let reversed: Vec<i64> = (0..10).rev().collect();
        self.value(out, "/v1/lists/l/copy", "{}", &json!(reversed))
    }

    /// Makes an object.
    fn make(&mut self, out: &mut impl Write, path: &str, body: &str) -> io::Result<()> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let right = |object: &Value| object["name"] == name;
        let expected = "the object";
        let step = Step { method: "PUT", path, body: Some(body), status: 200, expected, right: &right };
        self.step(out, &step).map(drop)
    }

    /// `Process(target, args).start()`.
    fn start(&mut self, out: &mut impl Write, target: &str, args: &str) -> io::Result<Started> {
        let body = format!(r#"{{"target":"{target}","args":{args}}}"#);
        let right = |process: &Value| process["target"] == target && process["pid"].is_u64();
        let step = Step {
            method: "POST",
            path: "/v1/processes",
            body: Some(&body),
            status: 201,
            expected: "the process, started",
            right: &right,
        };
        let process = self.step(out, &step)?;
        let id = process["id"].as_str().unwrap_or("unknown");
        let path = format!("/v1/processes/{id}");
        Ok(Started { path, pid: process["pid"].clone(), parent: process["parent_pid"].clone() })
    }

    /// `p.join()`.
    fn join(&mut self, out: &mut impl Write, process: &Started) -> io::Result<()> {
        let path = format!("{}/join", process.path);
        let right = |process: &Value| process["alive"] == false && process["exitcode"] == 0;
        let step = Step {
            method: "POST",
            path: &path,
            body: None,
            status: 200,
            expected: "its end, exitcode 0",
            right: &right,
        };
        self.step(out, &step).map(drop)
    }

    /// The same, untold.
    fn await_end(&mut self, process: &Started) -> io::Result<()> {
        self.client.request("POST", &format!("{}/join", process.path), None).map(drop)
    }

    /// What a process printed.
    fn output(&mut self, out: &mut impl Write, process: &Started, text: &str) -> io::Result<()> {
        let right = |said: &Value| said.as_str().map(str::trim_end) == Some(text);
        self.read(out, &format!("{}/output", process.path), text, &right).map(drop)
    }
}

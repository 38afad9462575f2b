//! The tour: the multiprocessing introduction as HTTP requests, each with the answer that is right. Here its
//! Pool.

mod seed;

use std::io::{self, Write};
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::client::{Answer, Client};

/// A tour about to be made.
#[derive(Debug)]
pub struct Tour {
    client: Client,
    base: String,
    workers: usize,
    bold: bool,
    asked: usize,
    wrong: usize,
}

/// How the tour went.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Requests made.
    pub asked: usize,
    /// Answers that are not as they should be.
    pub wrong: usize,
}

/// One request and what is right about its answer.
struct Step<'a> {
    method: &'a str,
    path: &'a str,
    body: Option<&'a str>,
    status: u16,
    /// In words, for when it is wrong.
    expected: &'a str,
    right: &'a dyn Fn(&Value) -> bool,
}

impl Tour {
    /// Of a server with so many workers in its pools; headings are bold on a terminal.
    pub fn new(client: Client, address: SocketAddr, workers: usize, bold: bool) -> Self {
        Self { client, base: format!("http://{address}"), workers, bold, asked: 0, wrong: 0 }
    }

    /// Makes it, telling each request and answer.
    pub fn run(mut self, out: &mut impl Write) -> io::Result<Outcome> {
        let pool = format!("Pool({})", self.workers);
        writeln!(out, "The Pool of the multiprocessing introduction, over HTTP ({pool}).")?;
        self.maps(out, &pool)?;
        self.asynchronous(out)?;
        self.impatient(out)?;
        self.beyond(out)?;
        self.seed(out)?;
        match self.wrong {
            0 => writeln!(out, "\nAll {} answers are right.", self.asked)?,
            wrong => writeln!(out, "\n{wrong} of {} answers are wrong.", self.asked)?,
        }
        Ok(Outcome { asked: self.asked, wrong: self.wrong })
    }

    fn maps(&mut self, out: &mut impl Write, pool: &str) -> io::Result<()> {
        self.heading(out, &format!("{pool}.map(f, [1, 2, 3])"))?;
        let body = r#"{"function":"pool.f","iterable":[1,2,3]}"#;
        self.value(out, "/v1/map", body, &json!([1, 4, 9]))?;

        self.heading(out, "pool.map(f, range(10))")?;
        let body = r#"{"function":"pool.f","iterable":[0,1,2,3,4,5,6,7,8,9]}"#;
        self.value(out, "/v1/map", body, &json!([0, 1, 4, 9, 16, 25, 36, 49, 64, 81]))
    }

    fn asynchronous(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.heading(out, "res = pool.apply_async(f, (20,))")?;
        let job = self.submit(out, "pool.f", r#"{"function":"pool.f","args":[20]}"#)?;
        self.heading(out, "res.get(timeout=1)")?;
        self.get(out, &job, "400", &|value| *value == 400)?;

        self.heading(out, "res = pool.apply_async(os.getpid, ())")?;
        let getpid = r#"{"function":"os.getpid"}"#;
        let job = self.submit(out, "os.getpid", getpid)?;
        self.heading(out, "res.get(timeout=1)")?;
        let mut pids = vec![self.get(out, &job, "a pid", &Value::is_u64)?];

        self.heading(out, "multiple_results = [pool.apply_async(os.getpid, ()) for i in range(4)]")?;
        let jobs = (0..4).map(|_| self.submit(out, "os.getpid", getpid)).collect::<io::Result<Vec<_>>>()?;
        self.heading(out, "[res.get(timeout=1) for res in multiple_results]")?;
        for job in &jobs {
            pids.push(self.get(out, job, "a pid", &Value::is_u64)?);
        }

        self.comment(out, "these pids are workers' of the pool")?;
        let are_workers = |workers: &Value| pids.iter().all(|pid| has_worker(workers, pid));
        self.read(
            out,
            "/v1/pools/python/workers",
            "a list of workers with each of these pids",
            &are_workers,
        )?;
        Ok(())
    }

    fn impatient(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.heading(out, "res = pool.apply_async(time.sleep, (10,))")?;
        let job = self.submit(out, "time.sleep", r#"{"function":"time.sleep","args":[10]}"#)?;
        self.heading(out, "res.get(timeout=1)")?;
        self.step(
            out,
            &Step {
                method: "GET",
                path: &format!("/v1/jobs/{job}/result?timeout=1"),
                body: None,
                status: 408,
                expected: "a TimeoutError",
                right: &|problem| problem["title"] == "TimeoutError" && problem["code"] == "result-timeout",
            },
        )?;
        self.comment(out, "beyond the library: end it, rather than wait")?;
        self.step(
            out,
            &Step {
                method: "POST",
                path: &format!("/v1/jobs/{job}/cancel"),
                body: None,
                status: 200,
                expected: "the job, cancelled",
                right: &|job| job["state"] == "cancelled",
            },
        )?;
        Ok(())
    }

    fn beyond(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.heading(out, "p.map(g, [1, 2, 3])     # g isn't there: a Pool would hang")?;
        self.step(
            out,
            &Step {
                method: "POST",
                path: "/v1/map",
                body: Some(r#"{"function":"pool.g","iterable":[1,2,3]}"#),
                status: 404,
                expected: "unknown-function, naming pool.f",
                right: &|problem| {
                    problem["code"] == "unknown-function" && problem.to_string().contains("pool.f")
                },
            },
        )?;
        self.comment(out, "a native function, written in Rust, beside the Python ones")?;
        self.value(out, "/v1/apply", r#"{"function":"builtin.square","args":[12]}"#, &json!(144))
    }

    /// A synchronous call with a known value.
    fn value(&mut self, out: &mut impl Write, path: &str, body: &str, value: &Value) -> io::Result<()> {
        let right = |answer: &Value| answer == value;
        let expected = value.to_string();
        self.step(
            out,
            &Step { method: "POST", path, body: Some(body), status: 200, expected: &expected, right: &right },
        )?;
        Ok(())
    }

    /// `apply_async`; the job's id.
    fn submit(&mut self, out: &mut impl Write, function: &str, body: &str) -> io::Result<String> {
        let right = |job: &Value| job["id"].is_string() && job["function"] == function;
        let path = "/v1/apply_async";
        let expected = "the job, accepted";
        let job = self.step(
            out,
            &Step { method: "POST", path, body: Some(body), status: 202, expected, right: &right },
        )?;
        Ok(job["id"].as_str().unwrap_or("unknown").to_owned())
    }

    /// `res.get(timeout=1)`.
    fn get(
        &mut self,
        out: &mut impl Write,
        job: &str,
        expected: &str,
        right: &dyn Fn(&Value) -> bool,
    ) -> io::Result<Value> {
        // On a machine with other work a second may pass before the job has run.
        self.client.request("GET", &format!("/v1/jobs/{job}?wait=15"), None)?;
        let path = format!("/v1/jobs/{job}/result?timeout=1");
        self.read(out, &path, expected, right)
    }

    fn read(
        &mut self,
        out: &mut impl Write,
        path: &str,
        expected: &str,
        right: &dyn Fn(&Value) -> bool,
    ) -> io::Result<Value> {
        let (method, body, status) = ("GET", None, 200);
        self.step(out, &Step { method, path, body, status, expected, right })
    }

    /// Asks, tells both sides, and judges.
    fn step(&mut self, out: &mut impl Write, step: &Step<'_>) -> io::Result<Value> {
        writeln!(out, "{}", curl(&self.base, step))?;
        out.flush()?;
        let answer = self.client.request(step.method, step.path, step.body)?;
        self.asked += 1;
        // What is no JSON is output, a text.
        let text = || String::from_utf8_lossy(&answer.body).into_owned();
        let value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| Value::String(text()));
        let right = answer.status == step.status && (step.right)(&value);
        self.wrong += usize::from(!right);
        let verdict = match right {
            true => "✓".to_owned(),
            false => format!("✗ expected: {} {}", step.status, step.expected),
        };
        writeln!(out, "{}  {verdict}", shown(&answer, step.status))?;
        Ok(value)
    }

    /// A line of Python as the introduction has it.
    fn heading(&self, out: &mut impl Write, python: &str) -> io::Result<()> {
        match self.bold {
            true => writeln!(out, "\n\x1b[1m>>> {python}\x1b[0m"),
            false => writeln!(out, "\n>>> {python}"),
        }
    }

    fn comment(&self, out: &mut impl Write, text: &str) -> io::Result<()> {
        match self.bold {
            true => writeln!(out, "\n\x1b[1m# {text}\x1b[0m"),
            false => writeln!(out, "\n# {text}"),
        }
    }
}

/// The request as a line for a shell. Where 200 isn't what comes, curl shows the status behind the
/// body.
fn curl(base: &str, step: &Step<'_>) -> String {
    let status = if step.status == 200 { "" } else { " -w ' %{http_code}\\n'" };
    let how = match (step.body, step.method) {
        // No quote occurs in what the tour sends.
        (Some(body), "POST") => format!(" --json '{body}'"),
        (Some(body), method) => format!(" -X {method} --json '{body}'"),
        (None, "GET") => String::new(),
        (None, method) => format!(" -X {method}"),
    };
    // A question mark means something to some shells.
    let quote = if step.path.contains('?') { "'" } else { "" };
    format!("curl -s{status}{how} {quote}{base}{}{quote}", step.path)
}

/// As that curl line shows it; the status also where it is wrong.
fn shown(answer: &Answer, expected: u16) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    let body = body.trim_end();
    match (answer.status, expected) {
        (200, 200) => body.to_owned(),
        (status, _) => format!("{body} {status}"),
    }
}

fn has_worker(workers: &Value, pid: &Value) -> bool {
    workers["items"].as_array().is_some_and(|items| items.iter().any(|worker| worker["pid"] == *pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step<'a>(method: &'a str, path: &'a str, status: u16) -> Step<'a> {
        Step { method, path, body: None, status, expected: "", right: &|_| true }
    }

    #[test]
    fn requests_are_told_as_curl_lines() {
        let told = |step: &Step<'_>| curl("http://127.0.0.1:80", step);
        let body = Some("{\"function\":\"pool.f\"}");
        assert_eq!(
            told(&Step { body, ..step("POST", "/v1/map", 200) }),
            "curl -s --json '{\"function\":\"pool.f\"}' http://127.0.0.1:80/v1/map"
        );
        assert_eq!(
            told(&step("GET", "/v1/jobs/1/result?timeout=1", 408)),
            "curl -s -w ' %{http_code}\\n' 'http://127.0.0.1:80/v1/jobs/1/result?timeout=1'"
        );
        assert_eq!(
            told(&step("POST", "/v1/jobs/1/cancel", 200)),
            "curl -s -X POST http://127.0.0.1:80/v1/jobs/1/cancel"
        );
    }

    #[test]
    fn an_answer_shows_its_status_unless_all_is_well() {
        let answer = |status| Answer { status, body: b"{}\n".to_vec() };
        assert_eq!(shown(&answer(200), 200), "{}");
        assert_eq!(shown(&answer(200), 408), "{} 200");
        assert_eq!(shown(&answer(404), 404), "{} 404");
    }

    #[test]
    fn pids_are_looked_for_in_the_list() {
        let workers = json!({"items": [{"pid": 7}, {"pid": 8}]});
        assert!(has_worker(&workers, &json!(8)) && !has_worker(&workers, &json!(9)));
        assert!(!has_worker(&json!({}), &json!(8)));
    }
}

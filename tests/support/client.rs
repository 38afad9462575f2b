//! A client of the API. It reports what came and raises for nothing but a lost connection.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

use super::{Answer, contract};

/// No request of a test may take longer.
const BOUND: Duration = Duration::from_secs(60);
const BODY_MAX: u64 = 1 << 30;

/// A worker as `GET /v1/pools/{pool}/workers` shows it.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Its process id.
    pub pid: i32,
    /// `starting`, `idle`, `busy` or `stopping`.
    pub state: String,
    /// Everything that was said of it.
    pub all: Value,
}

/// Speaks to one server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    agent: Agent,
}

impl Client {
    /// `keep`: whether connections are used again.
    pub fn new(base: &str, keep: bool) -> Self {
        let idle = if keep { 4 } else { 0 };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_idle_connections(idle)
            .max_idle_connections_per_host(idle)
            .timeout_global(Some(BOUND))
            .build();
        Self { base: base.to_owned(), agent: config.new_agent() }
    }

    /// Another client of the same server, with connections of its own that it keeps.
    pub fn keeping(&self) -> Self {
        Self::new(&self.base, true)
    }

    /// `http://HOST:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Any request; the error says how the connection was lost.
    #[track_caller]
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, String> {
        let (start, sent) = (Instant::now(), (headers, body));
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let say = |error: &dyn std::fmt::Display| format!("{method} {path}: {error}");
        let response = match body {
            Some(body) => self.agent.run(request.body(body).map_err(|e| say(&e))?),
            None => self.agent.run(request.body(()).map_err(|e| say(&e))?),
        };
        let mut response = response.map_err(|e| say(&e))?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BODY_MAX).read_to_vec().map_err(|e| say(&e))?;
        let answer = Answer { status, headers, body, took: start.elapsed() };
        contract::hold(method, path, &answer);
        contract::record(method, path, sent, &answer);
        Ok(answer)
    }

    /// Any request that must be answered.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        self.try_send(method, path, headers, body).unwrap_or_else(|error| panic!("{error}"))
    }

    /// GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }

    /// POST of a JSON body.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// POST of a body that is sent as it is, as JSON.
    #[track_caller]
    pub fn post_text(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], Some(body.as_bytes()))
    }

    /// POST without a body: `Content-Length: 0`.
    #[track_caller]
    pub fn post_empty(&self, path: &str) -> Answer {
        self.send("POST", path, &[], Some(b""))
    }

    /// `POST /v1/apply` of a function of the fixture.
    #[track_caller]
    pub fn apply(&self, function: &str, args: &Value) -> Answer {
        self.post("/v1/apply", &json!({"function": format!("faults.{function}"), "args": args}))
    }

    /// `POST /v1/map` of a function of the fixture.
    #[track_caller]
    pub fn map(&self, function: &str, iterable: &Value) -> Answer {
        self.post("/v1/map", &json!({"function": format!("faults.{function}"), "iterable": iterable}))
    }

    /// `POST /v1/apply_async` of a function of the fixture: the job's id.
    #[track_caller]
    pub fn submit(&self, function: &str, args: &Value) -> String {
        self.post("/v1/apply_async", &json!({"function": format!("faults.{function}"), "args": args}))
            .accepted()
    }

    /// `GET /v1/jobs/{id}`.
    #[track_caller]
    pub fn job(&self, id: &str) -> Value {
        self.get(&format!("/v1/jobs/{id}")).value()
    }

    /// `GET /v1/jobs/{id}/result?timeout=…`.
    #[track_caller]
    pub fn result(&self, id: &str, timeout: f64) -> Answer {
        self.get(&format!("/v1/jobs/{id}/result?timeout={timeout}"))
    }

    /// `POST /v1/jobs/{id}/cancel`.
    #[track_caller]
    pub fn cancel(&self, id: &str) -> Answer {
        self.post_empty(&format!("/v1/jobs/{id}/cancel"))
    }

    /// The workers of a pool.
    #[track_caller]
    pub fn workers_of(&self, pool: &str) -> Vec<Worker> {
        let page = self.get(&format!("/v1/pools/{pool}/workers")).value();
        let items = page["items"].as_array().unwrap_or_else(|| panic!("a list without items: {page}"));
        let read = |item: &Value| Worker {
            pid: item["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0),
            state: item["state"].as_str().unwrap_or("absent").to_owned(),
            all: item.clone(),
        };
        items.iter().map(read).collect()
    }

    /// Comes back once the Python pool has taken what was submitted before: its requests are in one line.
    #[track_caller]
    pub fn pools_turn(&self) {
        self.get("/v1/pools/python").value();
    }

    /// Whether the clients of all listed jobs are known to have left, and their leaving has been acted upon.
    #[track_caller]
    pub fn is_left_alone(&self) -> bool {
        let page = self.get("/v1/jobs").value();
        let left =
            page["items"].as_array().is_some_and(|jobs| jobs.iter().all(|job| job["disconnected"] == true));
        self.pools_turn();
        left
    }

    /// The workers of the Python pool.
    #[track_caller]
    pub fn workers(&self) -> Vec<Worker> {
        self.workers_of("python")
    }
}

//! Tests over real sockets, and what they share.

mod lifetimes;
mod requests;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(3_600);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct Running {
    address: SocketAddr,
    stage: watch::Sender<ServerStage>,
    served: JoinHandle<()>,
}

impl Running {
    async fn start(router: Router, options: ServerOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stage, receiver) = watch::channel(ServerStage::Serving);
        let served = tokio::spawn(serve(Listener::Tcp(listener), router, options, receiver));
        Self { address, stage, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Closes, and returns how long it took.
    async fn close(self) -> Duration {
        let started = Instant::now();
        self.stage.send_replace(ServerStage::Closing);
        timeout(BOUND, self.served).await.unwrap().unwrap();
        started.elapsed()
    }
}

fn patient() -> ServerOptions {
    ServerOptions {
        connections_max: 1_000,
        head_timeout: LONG,
        idle_timeout: LONG,
        write_stall_timeout: LONG,
        grace: LONG,
        answers: AnswerBytes::new(usize::MAX),
        asks_after: |_| Duration::ZERO,
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// Reads one answer with a known length; head and body as text.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let whole = std::str::from_utf8(&text).unwrap();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            if body.len() >= length.parse().unwrap() {
                return whole.to_owned();
            }
        }
        let read = timeout(BOUND, stream.read_buf(&mut text)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {text:?}");
    }
}

/// Reads until the server closes, by whatever means.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _reset = timeout(BOUND, stream.read_to_end(&mut bytes)).await.unwrap();
    bytes
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = timeout(BOUND, async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

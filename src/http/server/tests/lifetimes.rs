//! What closes a connection, what does not, and what is left.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use axum::body::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::*;

#[tokio::test]
async fn a_head_that_drips_is_cut_in_time() {
    let server = Running::start(hello(), ServerOptions { head_timeout: SHORT, ..patient() }).await;
    let started = Instant::now();
    let mut stream = server.connect().await;
    // The second head of the connection, so that the phase of the first must have ended.
    stream.write_all(GET).await.unwrap();
    answer(&mut stream).await;
    let (mut reader, mut writer) = stream.into_split();
    let drip = async {
        for byte in GET.iter().cycle().filter(|byte| byte.is_ascii_alphabetic()) {
            if writer.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let mut bytes = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = reader.read_to_end(&mut bytes) => {}
        () = sleep(BOUND) => panic!("still open"),
    }
    assert!(bytes.is_empty());
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = Running::start(hello(), ServerOptions { idle_timeout: SHORT, ..patient() }).await;
    let started = Instant::now();
    let mut silent = server.connect().await;
    let mut used = server.connect().await;
    used.write_all(GET).await.unwrap();
    assert!(answer(&mut used).await.ends_with("hello"));
    assert!(rest(&mut silent).await.is_empty());
    assert!(rest(&mut used).await.is_empty());
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_request_at_work_is_not_cut() {
    let router = Router::new().route(
        "/",
        get(|| async {
            sleep(SHORT * 5).await;
            "late"
        }),
    );
    let options =
        ServerOptions { head_timeout: SHORT, idle_timeout: SHORT, write_stall_timeout: SHORT, ..patient() };
    let server = Running::start(router, options).await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    assert!(answer(&mut stream).await.ends_with("late"));
}

/// A value is one piece: hyper has all of it at once, and the client takes a while.
#[tokio::test]
async fn an_answer_on_its_way_is_not_idle() {
    const LENGTH: usize = 64 << 20;
    let router = Router::new().route("/", get(|| async { vec![b'x'; LENGTH] }));
    let server = Running::start(router, ServerOptions { idle_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    let started = Instant::now();
    let mut taken = 0;
    let mut bytes = vec![0; 256 << 10];
    while started.elapsed() < SHORT * 5 {
        sleep(SHORT / 20).await;
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "cut after {taken} bytes");
        taken += read;
    }
    taken += rest(&mut stream).await.len();
    assert!(taken > LENGTH, "cut after {taken} bytes");
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// An answer without an end; `dropped` tells when the server has let go of it.
fn endless(dropped: &Arc<AtomicBool>) -> Router {
    let dropped = Arc::clone(dropped);
    let handler = move || async move { Response::new(Body::new(Endless(Dropped(dropped)))) };
    Router::new().route("/", get(handler))
}

/// An answer's body whose pieces a test hands over.
struct Pieces(mpsc::Receiver<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }
}

struct Endless(#[expect(dead_code, reason = "dropped with it")] Dropped);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let piece = Bytes::from_static(&[b'x'; 16 << 10]);
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_left_and_a_slow_one_is_not() {
    let dropped = Arc::new(AtomicBool::new(false));
    let options = ServerOptions { write_stall_timeout: SHORT, ..patient() };
    let server = Running::start(endless(&dropped), options).await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    let started = Instant::now();
    let mut bytes = vec![0; 4 << 20];
    while started.elapsed() < SHORT * 5 {
        sleep(SHORT / 20).await;
        assert!(stream.read(&mut bytes).await.unwrap() > 0);
    }
    assert!(!dropped.load(SeqCst));
    until("the body is dropped", || dropped.load(SeqCst)).await;
}

/// Handlers that wait without end, and are counted while they do.
fn counting(waiting: &Arc<AtomicUsize>) -> Router {
    struct Waiting(Arc<AtomicUsize>);
    impl Drop for Waiting {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let of_handlers = Arc::clone(waiting);
    let handler = move || {
        of_handlers.fetch_add(1, SeqCst);
        let counted = Waiting(Arc::clone(&of_handlers));
        async move {
            let _counted = counted;
            pending::<()>().await;
        }
    };
    Router::new().route("/", get(handler.clone()).post(handler))
}

#[tokio::test]
async fn handlers_of_clients_that_left_are_dropped() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let server = Running::start(counting(&waiting), patient()).await;
    let post = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}".as_slice();
    for _ in 0..5 {
        let mut streams = Vec::new();
        for request in [GET, post].iter().cycle().take(200) {
            let mut stream = server.connect().await;
            stream.write_all(request).await.unwrap();
            streams.push(stream);
        }
        until("all wait", || waiting.load(SeqCst) == 200).await;
        drop(streams);
        until("none waits", || waiting.load(SeqCst) == 0).await;
    }
    // Were a connection left, the server would wait for it.
    server.close().await;
}

/// hyper looks for a client's end only while it has nothing else from it.
#[tokio::test]
async fn bytes_behind_a_request_hide_no_leaving() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let server = Running::start(counting(&waiting), patient()).await;
    let mut streams = Vec::new();
    let post = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}".as_slice();
    for request in [GET, post] {
        for more in [b"\r\n".as_slice(), GET, b"x"] {
            let mut stream = server.connect().await;
            stream.write_all(&[request, more].concat()).await.unwrap();
            streams.push(stream);
        }
    }
    until("all wait", || waiting.load(SeqCst) == 6).await;
    drop(streams.split_off(3));
    until("three wait", || waiting.load(SeqCst) == 3).await;
    for stream in &mut streams {
        stream.shutdown().await.unwrap();
    }
    // To half-close is not to leave.
    sleep(SHORT).await;
    assert_eq!(waiting.load(SeqCst), 3);
    drop(streams);
    until("none waits", || waiting.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn a_client_that_sends_ahead_and_stays_is_served() {
    let slow = || async {
        sleep(SHORT * 3).await;
        "slow"
    };
    let options = ServerOptions { idle_timeout: SHORT, ..patient() };
    let server = Running::start(Router::new().route("/", get(slow)), options).await;
    let mut stream = server.connect().await;
    stream.write_all(&[GET, GET].concat()).await.unwrap();
    let text = String::from_utf8(rest(&mut stream).await).unwrap();
    assert_eq!(text.matches("slow").count(), 2, "{text}");
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = Running::start(hello(), ServerOptions { connections_max: 2, ..patient() }).await;
    let mut held = [server.connect().await, server.connect().await];
    for stream in &mut held {
        stream.write_all(GET).await.unwrap();
        answer(stream).await;
    }
    let mut third = server.connect().await;
    third.write_all(GET).await.unwrap();
    let text = String::from_utf8(rest(&mut third).await).unwrap();
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    assert!(text.contains("\r\nretry-after: 1\r\n") && text.contains("\"overloaded\""), "{text}");
    drop(held);
    let served = timeout(BOUND, async {
        loop {
            let mut stream = server.connect().await;
            stream.write_all(GET).await.unwrap();
            if answer(&mut stream).await.starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    });
    served.await.unwrap();
}

#[tokio::test]
async fn closing_lets_what_runs_finish() {
    let (running, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (runs, ends) = (Arc::clone(&running), Arc::clone(&may_end));
    let slow = move || async move {
        runs.notify_one();
        ends.notified().await;
        "done"
    };
    let server = Running::start(hello().route("/slow", get(slow)), patient()).await;
    let mut idle = server.connect().await;
    idle.write_all(GET).await.unwrap();
    answer(&mut idle).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    timeout(BOUND, running.notified()).await.unwrap();

    let address = server.address;
    let closing = tokio::spawn(server.close());
    assert!(rest(&mut idle).await.is_empty());
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!closing.is_finished());
    may_end.notify_one();
    let text = String::from_utf8(rest(&mut busy).await).unwrap();
    assert!(text.ends_with("done") && text.contains("\r\nconnection: close\r\n"), "{text}");
    timeout(BOUND, closing).await.unwrap().unwrap();
}

/// An answer that had begun before: it cannot say that it is the last, but is.
#[tokio::test]
async fn closing_lets_an_answer_end() {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let handler = move || async move {
        let pieces = receiver.lock().take().unwrap();
        Response::new(Body::new(Pieces(pieces)))
    };
    let server = Running::start(Router::new().route("/", get(handler)), patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    stream.readable().await.unwrap();
    let closing = tokio::spawn(server.close());
    for piece in ["one ", "two ", "three"] {
        sleep(SHORT / 4).await;
        sender.send(Bytes::from_static(piece.as_bytes())).await.unwrap();
    }
    drop(sender);
    let text = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(text.ends_with("three\r\n0\r\n\r\n"), "{text}");
    timeout(BOUND, closing).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_connection_alone() {
    async fn panics() -> &'static str {
        panic!("as the test wants")
    }
    let router = hello().route("/panic", get(panics));
    let server = Running::start(router, patient()).await;
    let mut other = server.connect().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.is_empty());
    other.write_all(GET).await.unwrap();
    assert!(answer(&mut other).await.ends_with("hello"));
    server.close().await;
}

#[tokio::test]
async fn closing_ends_with_the_grace() {
    let dropped = Arc::new(AtomicBool::new(false));
    let server = Running::start(endless(&dropped), ServerOptions { grace: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(GET).await.unwrap();
    stream.readable().await.unwrap();
    assert!(server.close().await >= SHORT);
    until("the connection is dropped", || dropped.load(SeqCst)).await;
}

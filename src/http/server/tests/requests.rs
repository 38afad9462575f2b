//! Requests and answers: bodies, their limits, wrong heads, pipelining.

use axum::extract::Request as Extracted;
use axum::http::StatusCode;
use axum::routing::post;

use super::*;
use crate::http::edge::body::{BodyError, declared_length, read_body};

/// Answers with what became of the body: its length, or 413 or 408.
fn measuring(stall: Duration) -> Router {
    let measure = move |request: Extracted| async move {
        let (head, body) = request.into_parts();
        let declared = declared_length(&body, &head.headers);
        let mut room = crate::jobs::Admission::new(1, usize::MAX).reserve();
        match read_body(body, declared, 1_000, stall, &mut room).await {
            Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
            Err(error @ (BodyError::TooLarge { .. } | BodyError::TooLargeHere)) => {
                (StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            Err(error @ (BodyError::Stalled { .. } | BodyError::TooSlow { .. })) => {
                (StatusCode::REQUEST_TIMEOUT, error.to_string())
            }
            Err(error @ BodyError::Broken(_)) => (StatusCode::BAD_REQUEST, error.to_string()),
            Err(error @ BodyError::Overloaded(_)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    };
    Router::new().route("/", post(measure))
}

const WITH_CHUNKS: &str = "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn bodies_come_whole_in_any_framing() {
    let server = Running::start(measuring(LONG), patient()).await;
    let mut stream = server.connect().await;
    for (length, pieces) in [(0, 1), (1_000, 1), (1_000, 7)] {
        let body = "x".repeat(length);
        let sized = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
        let chunk = format!("{length:x}\r\n{body}\r\n");
        let end = "0\r\n\r\n";
        let chunked = format!("{WITH_CHUNKS}{}{end}", if length > 0 { &chunk } else { "" });
        for request in [sized, chunked] {
            for piece in request.as_bytes().chunks(request.len().div_ceil(pieces)) {
                stream.write_all(piece).await.unwrap();
                sleep(Duration::from_millis(2)).await;
            }
            let text = answer(&mut stream).await;
            assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with(&format!("\n{length}")), "{text}");
        }
    }
}

/// Clients that send everything before they read must see the answer as well.
#[tokio::test]
async fn bodies_over_the_limit_are_answered_while_they_are_sent() {
    let server = Running::start(measuring(LONG), patient()).await;
    let length = 16 << 20;
    let sized = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    let chunked = format!("{WITH_CHUNKS}{length:x}\r\n");
    for head in [sized, chunked] {
        let mut stream = server.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        timeout(BOUND, stream.write_all(&vec![b'x'; length])).await.unwrap().unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 413 ") && text.ends_with("1000 bytes"), "{text}");
        assert!(rest(&mut stream).await.is_empty());
    }
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up() {
    let server = Running::start(measuring(SHORT), patient()).await;
    for head in ["POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n", WITH_CHUNKS] {
        let mut stream = server.connect().await;
        stream.write_all(format!("{head}1\r\n").as_bytes()).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    }
}

/// hyper's own answers: the status is right, the body is empty.
#[tokio::test]
async fn wrong_heads_are_answered() {
    let server = Running::start(hello(), patient()).await;
    let large = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101));
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(HEAD_BYTES_MAX));
    for (head, status) in [(&*large, 431), (&*many, 431), (&*long, 431), ("GET\r\n\r\n", 400)] {
        let mut stream = server.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let text = String::from_utf8(rest(&mut stream).await).unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{status} {text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }
}

#[tokio::test]
async fn pipelined_requests_and_unix_sockets_are_served() {
    let server = Running::start(hello(), patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(&GET.repeat(100)).await.unwrap();
    let mut text = Vec::new();
    while text.windows(5).filter(|window| window == b"hello").count() < 100 {
        assert!(timeout(BOUND, stream.read_buf(&mut text)).await.unwrap().unwrap() > 0);
    }
    server.close().await;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
    let (_stage, receiver) = watch::channel(ServerStage::Serving);
    tokio::spawn(serve(listener, hello(), patient(), receiver));
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    timeout(BOUND, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.ends_with("hello"), "{text}");
}

#[tokio::test]
async fn accepted_connections_inherit_no_delay() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::Tcp(listener);
    listener.prepare();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.next());
    client.unwrap();
    match accepted.unwrap() {
        Stream::Tcp(stream) => assert!(stream.nodelay().unwrap()),
        Stream::Unix(_) => panic!("a TCP listener gave a Unix socket"),
    }
}

//! A job's life as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use serde::Serialize;

use super::problem::Problem;
use crate::api::{Job, event_of};
use crate::service::{Follower, JobShown, JobUpdate};

/// Their media type.
pub const EVENT_STREAM: &str = "text/event-stream";
/// Proxies close what is silent for a minute.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes of a frame of events, about.
const FRAME_BYTES: usize = 64 << 10;

/// The events of a follower as a body; `base_url` is what links begin with.
pub fn events_body(follower: Follower, base_url: &str) -> Body {
    Body::new(Events(Some(Box::pin(next_frame(follower, base_url.to_owned())))))
}

/// Waits for the next events; `None` after the last.
async fn next_frame(mut follower: Follower, base_url: String) -> Option<(Bytes, Follower, String)> {
    if follower.has_ended() {
        return None;
    }
    let Some(first) = follower.next(Instant::now() + KEEP_ALIVE).await else {
        return Some((Bytes::from_static(b": keep-alive\n\n"), follower, base_url));
    };
    let mut frame = Vec::new();
    write_event(&mut frame, &follower, first, &base_url);
    while frame.len() < FRAME_BYTES
        && let Some(event) = follower.try_next()
    {
        write_event(&mut frame, &follower, event, &base_url);
    }
    Some((frame.into(), follower, base_url))
}

fn write_event(frame: &mut Vec<u8>, follower: &Follower, event: JobUpdate, base_url: &str) {
    let ends = event == JobUpdate::End;
    let (name, data) = event_of(event);
    let data = match data {
        Some(data) => json(&data),
        None if ends => json(&Job::of(&JobShown::of(Arc::clone(follower.handle())), base_url)),
        None => Problem::draining().about(follower.handle()).text(),
    };
    frame.extend_from_slice(format!("id: {}\nevent: {name}\ndata: ", follower.cursor()).as_bytes());
    // The data is one line: in JSON, line ends stand between tokens alone.
    frame.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    frame.extend_from_slice(b"\n\n");
}

fn json(event: &impl Serialize) -> Vec<u8> {
    // A struct of strings and numbers always has a JSON text.
    serde_json::to_vec(event).unwrap_or_default()
}

type NextFrame = Pin<Box<dyn Future<Output = Option<(Bytes, Follower, String)>> + Send>>;

/// The answer's body: the wait for the next events. Dropped, nobody follows any more.
struct Events(Option<NextFrame>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.0 else { return Poll::Ready(None) };
        let Poll::Ready(told) = next.as_mut().poll(cx) else { return Poll::Pending };
        let Some((frame, follower, base_url)) = told else {
            self.0 = None;
            return Poll::Ready(None);
        };
        self.0 = Some(Box::pin(next_frame(follower, base_url)));
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}

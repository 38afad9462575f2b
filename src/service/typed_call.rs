//! The arguments of a typed call: by name in the request, by position and by name in the call.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::refusal::Refusal;
use crate::json;
use crate::pool::Function;
use crate::schema::{Arranged, Misfit};

/// Larger ones are laid out beside the server's only thread.
const AT_ONCE_BYTES_MAX: usize = 64 << 10;
/// So many of them at once: the arguments may be a copy of the body.
static LARGE: Semaphore = Semaphore::const_new(2);

/// The arguments of the call, as the function takes them; an empty text is `{}`.
pub(super) async fn arrange(
    function: &Arc<Function>,
    arguments: Bytes,
    depth_max: usize,
) -> Result<Arranged, Refusal> {
    if arguments.len() <= AT_ONCE_BYTES_MAX {
        return arrange_now(function, &arguments, depth_max);
    }
    let function = Arc::clone(function);
    Box::pin(async move {
        // It is never closed.
        let _turn = LARGE.acquire().await;
        let arranging = tokio::task::spawn_blocking(move || arrange_now(&function, &arguments, depth_max));
        // It can't be cancelled, and one that panics is no reason to end the connection.
        let unread = || Refusal::Arguments(Misfit::whole("the arguments can't be read"));
        arranging.await.unwrap_or_else(|_| Err(unread()))
    })
    .await
}

fn arrange_now(function: &Function, arguments: &Bytes, depth_max: usize) -> Result<Arranged, Refusal> {
    let empty = Bytes::from_static(b"{}");
    let text = if arguments.is_empty() { &empty } else { arguments };
    let members = json::envelope(text, depth_max).map_err(Refusal::NotAnObject)?;
    function.types.arrange(text, &members).map_err(Refusal::Arguments)
}

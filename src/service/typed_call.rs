//! The arguments of a typed call: by name in the request, by position and by name in the call.

use std::sync::Arc;

use bytes::Bytes;

use super::refusal::Refusal;
use crate::catalog::Function;
use crate::json;
use crate::offload::offload;
use crate::schema::Arranged;

/// The arguments of the call, as the function takes them; an empty text is `{}`.
pub(super) async fn arrange(
    function: &Arc<Function>,
    arguments: Bytes,
    depth_max: usize,
) -> Result<Arranged, Refusal> {
    let function = Arc::clone(function);
    let text = if arguments.is_empty() { Bytes::from_static(b"{}") } else { arguments };
    offload(text.len(), move || {
        let members = json::envelope(&text, depth_max).map_err(Refusal::NotAnObject)?;
        function.types.arrange(&text, &members).map_err(Refusal::Arguments)
    })
    .await
}

//! Headers of this API's own, and the id of a request.

use axum::http::{HeaderName, HeaderValue};

use crate::jobs::{JobId, REQUEST_ID_CHARS_MAX, RequestId};

/// Every answer that is about a job says which.
pub const JOB_HEADER: HeaderName = HeaderName::from_static("forkpool-job");

/// The id of a request: in its own headers, if it came with one, and in those of its answer.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id as a header's value.
pub fn request_id_value(id: &RequestId) -> HeaderValue {
    let value = match id.parts() {
        (text, None) => HeaderValue::from_str(text),
        (prefix, Some(number)) => {
            let mut digits = itoa::Buffer::new();
            let (digits, mut text) = (digits.format(number).as_bytes(), [0; REQUEST_ID_CHARS_MAX]);
            let length = prefix.len() + digits.len();
            text[..prefix.len()].copy_from_slice(prefix.as_bytes());
            text[prefix.len()..length].copy_from_slice(digits);
            HeaderValue::from_bytes(&text[..length])
        }
    };
    // Visible ASCII is always one.
    value.unwrap_or(HeaderValue::from_static("?"))
}

/// A job's id as a header's value.
pub fn id_value(id: JobId) -> HeaderValue {
    // Hexadecimal digits and dashes are always one.
    HeaderValue::from_str(id.encode(&mut [0; 36])).unwrap_or(HeaderValue::from_static("?"))
}

//! Headers of this API's own.

use axum::http::{HeaderName, HeaderValue};

use crate::jobs::JobId;

/// Every answer that is about a job says which.
pub const JOB_HEADER: HeaderName = HeaderName::from_static("forkpool-job");

/// A job's id as a header's value.
pub fn id_value(id: JobId) -> HeaderValue {
    // Hexadecimal digits and dashes are always one.
    HeaderValue::from_str(id.encode(&mut [0; 36])).unwrap_or(HeaderValue::from_static("?"))
}

//! The documents as they are asked for: each is written once for a catalog of functions, away from the server's
//! thread and one at a time, and kept as gzip. Clients that don't take that get it inflated while they read.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Buf;
use bytes::buf::Reader;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;
use utoipa::{IntoParams, ToSchema};

use super::edition::{self, Described, Edition, Part, Version};
use super::text::Layout;
use crate::api::{Invalid, Query, ReadProblems};
use crate::catalog::{Catalog, Function};
use crate::http::app::{App, Handled};
use crate::http::edge::negotiate::{accepts_gzip, check_accept};
use crate::offload::offload;

/// Documents of more bytes together, compressed, aren't kept: those that were asked for longest ago are dropped. One
/// is kept whatever it has.
const KEPT_BYTES_MAX: usize = 8 << 20;
/// So much is inflated at a time: well below a millisecond.
const PIECE_BYTES: usize = 32 << 10;
/// Bytes of the hash in an entity tag.
const TAG_BYTES: usize = 16;

/// A document, compressed.
#[derive(Debug, Default)]
struct Packed {
    gzip: Bytes,
    /// How many it has when it is inflated.
    plain_bytes: u64,
    /// Without quotes.
    tag: String,
}

impl Packed {
    fn of(app: &App, catalog: Option<&Catalog>, edition: Edition) -> Self {
        let functions = catalog.into_iter().flat_map(Catalog::functions);
        let functions: Vec<&Function> = functions.map(|function| &**function).collect();
        let server = Described { base_url: &app.base_url, has_tokens: app.has_tokens };
        let written = || {
            let out = GzEncoder::new(Vec::new(), Compression::default());
            let (out, plain_bytes) = edition::write(out, Layout::Compact, edition, server, &functions)?;
            io::Result::Ok((out.finish()?, plain_bytes))
        };
        // Memory takes what is written.
        let (mut gzip, plain_bytes) = written().unwrap_or_default();
        gzip.shrink_to_fit();
        tracing::debug!(?edition, bytes = plain_bytes, gzip = gzip.len(), "a document was written");
        let hash = Sha256::digest(&gzip);
        let tag = hash.iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self { gzip: gzip.into(), plain_bytes, tag }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let is_packed = accepts_gzip(headers);
        // Other bytes, another tag.
        let tag = if is_packed { format!("\"{}-gzip\"", self.tag) } else { format!("\"{}\"", self.tag) };
        let mut response = if is_known(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if is_packed {
            let coding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            ([coding], Body::from(self.gzip.clone())).into_response()
        } else {
            let reader = GzDecoder::new(self.gzip.clone().reader());
            Body::new(Inflating { reader, left: self.plain_bytes }).into_response()
        };
        let has_body = response.status() == StatusCode::OK;
        let own = response.headers_mut();
        if has_body {
            own.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // Hexadecimal digits are always a header's value.
        own.insert(header::ETAG, tag.parse().unwrap_or(HeaderValue::from_static("\"\"")));
        own.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        // Functions come and go: whoever has it asks again, and is told in few bytes that it is the same.
        own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

/// Whether the client has it: `If-None-Match` compares weakly.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = values.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// Inflates while it is read.
struct Inflating {
    reader: GzDecoder<Reader<Bytes>>,
    left: u64,
}

impl hyper::body::Body for Inflating {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = self.reader.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
        self.left = self.left.saturating_sub(piece.len() as u64);
        Poll::Ready(Some(read.map(|_| Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The documents of a server.
#[derive(Debug)]
pub struct DocumentCache {
    app: Arc<App>,
    /// Those that were asked for last come last.
    kept: Mutex<Vec<Kept>>,
    /// Held by the one that is written.
    turn: Arc<AsyncMutex<()>>,
}

/// A document that is kept.
#[derive(Debug)]
struct Kept {
    /// Of which functions; of nobody's, before all code is loaded.
    catalog: Weak<Catalog>,
    edition: Edition,
    packed: Arc<Packed>,
}

impl DocumentCache {
    /// Nothing is written yet.
    pub fn new(app: Arc<App>) -> Arc<Self> {
        Arc::new(Self { app, kept: Mutex::default(), turn: Arc::default() })
    }

    async fn get(self: Arc<Self>, edition: Edition) -> Arc<Packed> {
        let catalog = self.app.service.catalog();
        let key = catalog.as_ref().map(Arc::downgrade).unwrap_or_default();
        if let Some(packed) = self.known(&key, edition) {
            return packed;
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // Whoever had the turn before may have written it.
        if let Some(packed) = self.known(&key, edition) {
            return packed;
        }
        // All functions may be thousands. If the client leaves meanwhile, the next one finds it written.
        offload(usize::MAX, move || {
            let packed = Arc::new(Packed::of(&self.app, catalog.as_deref(), edition));
            self.keep(Kept { catalog: key, edition, packed: Arc::clone(&packed) });
            drop(turn);
            packed
        })
        .await
    }

    fn known(&self, catalog: &Weak<Catalog>, edition: Edition) -> Option<Arc<Packed>> {
        let mut kept = self.kept.lock();
        let at = kept.iter().position(|kept| kept.edition == edition && kept.catalog.ptr_eq(catalog))?;
        let found = kept.remove(at);
        let packed = Arc::clone(&found.packed);
        kept.push(found);
        Some(packed)
    }

    fn keep(&self, new: Kept) {
        let mut kept = self.kept.lock();
        // Those of another catalog are nobody's any more.
        kept.retain(|kept| kept.catalog.ptr_eq(&new.catalog));
        kept.push(new);
        let bytes = |kept: &[Kept]| kept.iter().map(|kept| kept.packed.gzip.len()).sum::<usize>();
        while kept.len() > 1 && bytes(&kept) > KEPT_BYTES_MAX {
            kept.remove(0);
        }
    }
}

/// How much of the API a document has.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it describes the parameter, which is read as a text")]
enum Only {
    Functions,
}

/// What may be asked of a document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "as above")]
pub struct DocumentQuery {
    /// `functions`: the operations of the functions that are offered and what waits for their results, nothing else
    /// and in brief.
    #[param(inline)]
    only: Option<Only>,
}

fn part_of(query: Option<&str>) -> Result<Part, Invalid> {
    match Query::parse(query, &["only"])?.text("only") {
        None => Ok(Part::Whole),
        Some("functions") => Ok(Part::Functions),
        Some(other) => {
            let shown: String = other.chars().take(100).collect();
            let detail =
                format!("only must be functions, not {shown:?}; without it the whole API is described");
            Err(Invalid::new("only", detail))
        }
    }
}

/// This document.
///
/// It comes as gzip to those who take that, and with an `ETag`, by which they ask whether it is still the same.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operations", params(DocumentQuery),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Map<String, serde_json::Value>,
               content_type = "application/json",
               example = json!({"openapi": "3.1.0", "info": {"title": "forkpool"}})),
              (status = 304, description = "It is the one of `If-None-Match`"), ReadProblems))]
pub async fn openapi(
    State(documents): State<Arc<DocumentCache>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    served(documents, Version::V31, query.as_deref(), &headers).await
}

/// This document as OpenAPI 3.0, for tools that don't read 3.1.
///
/// What 3.0 has no word for is said less strictly, never differently.
#[utoipa::path(get, path = "/openapi-3.0.json", operation_id = "openapi30", tag = "operations",
    params(DocumentQuery),
    responses((status = 200, description = "OpenAPI 3.0", body = serde_json::Map<String, serde_json::Value>,
               content_type = "application/json",
               example = json!({"openapi": "3.0.3", "info": {"title": "forkpool"}})),
              (status = 304, description = "It is the one of `If-None-Match`"), ReadProblems))]
pub async fn openapi_30(
    State(documents): State<Arc<DocumentCache>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    served(documents, Version::V30, query.as_deref(), &headers).await
}

async fn served(
    documents: Arc<DocumentCache>,
    version: Version,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Handled {
    check_accept(headers)?;
    let part = part_of(query)?;
    Ok(documents.get(Edition { version, part }).await.answer(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let known = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_static("\"x\""));
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            is_known(&headers, "\"a\"")
        };
        for same in ["\"a\"", "W/\"a\"", "\"b\" , \"a\"", "*"] {
            assert!(known(same), "{same}");
        }
        for other in ["\"b\"", "a", "\"a-gzip\"", ""] {
            assert!(!known(other), "{other}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}

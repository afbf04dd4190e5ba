//! Reads the body of a sign request.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CONTENT_ENCODING;
use hyper::http::request::Parts;

use crate::server::{BodyError, collect_body};
use crate::tezos::wire;

use super::Proxy;
use super::error::ProxyError;

/// The largest body of a sign request.
pub(super) const LIMIT: usize = 64 << 10;

/// The bytes to sign.
pub(super) async fn read(
    proxy: &Proxy,
    parts: &Parts,
    body: Incoming,
) -> Result<Bytes, ProxyError> {
    if let Some(encoding) = parts.headers.get(CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(ProxyError::Malformed(
            "the body must not be compressed".to_owned(),
        ));
    }
    let body = collect_body(body, LIMIT, proxy.body_time)
        .await
        .map_err(|error| match error {
            BodyError::TooLarge => ProxyError::BodyTooLarge { limit: LIMIT },
            BodyError::TooSlow | BodyError::Broken => ProxyError::Malformed(error.to_string()),
        })?;
    let bytes =
        wire::decode_sign_body(&body).map_err(|error| ProxyError::Malformed(error.to_string()))?;
    Ok(Bytes::from(bytes))
}

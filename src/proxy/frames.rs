//! The doors that speak the socket protocol of Octez: a frame becomes a call like any other, and its answer a frame.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use crate::server::{FrameHandler, Peer, Reply};
use crate::tezos::Route;
use crate::tezos::frame::{
    Request, decode_request, error_reply, reply_from_body, supports_nonces_reply,
};
use crate::tezos::wire::ErrorKind;

use super::error::ProxyError;
use super::refused::Asked;
use super::requester::Requester;
use super::stack::{CONCURRENT, Call};
use super::{Proxy, decided, respond};

/// The service of the socket doors. Clones share their limit.
#[derive(Clone, Debug)]
pub struct FramesService {
    proxy: Arc<Proxy>,
    places: Arc<Semaphore>,
}

impl FramesService {
    /// A service that works on as many requests at a time as the one of HTTP.
    #[must_use]
    pub fn new(proxy: Arc<Proxy>) -> Self {
        Self {
            proxy,
            places: Arc::new(Semaphore::new(CONCURRENT)),
        }
    }

    /// Answers a request; the body is what HTTP would say.
    async fn call(
        &self,
        requester: &Requester,
        route: Route,
        bytes: Vec<u8>,
    ) -> Result<String, ProxyError> {
        let arrived = Instant::now();
        let call = Call {
            requester: requester.clone(),
            route,
            bytes: Bytes::from(bytes),
            arrived,
        };
        // Nobody asks again over a socket when he is refused, so who waits for a place is not refused while he would wait.
        let places = self.places.acquire();
        let patience = requester.patience.unwrap_or_default();
        let Ok(Ok(_place)) = timeout(patience, places).await else {
            if call.is_sign() {
                decided::nonsense(&self.proxy, &ProxyError::Overload);
            }
            return Err(ProxyError::Overload);
        };
        call.answer(&self.proxy).await
    }

    async fn route(&self, requester: Requester, route: Route, bytes: Vec<u8>) -> Vec<u8> {
        let span = tracing::debug_span!("request", baker = requester.name);
        let answered = self.call(&requester, route.clone(), bytes);
        let error = match answered.instrument(span).await {
            Ok(body) => match reply_from_body(&route, true, body.as_bytes()) {
                Ok(reply) => return reply,
                // An answer of ours always has a form; a list of keys could be too long for one.
                Err(error) => ProxyError::NoAnswer(error.to_string()),
            },
            Err(error) => error,
        };
        let asked = Asked {
            requester,
            method: match route {
                Route::Sign { .. } => Method::POST,
                Route::AuthorizedKeys
                | Route::KnownKeys
                | Route::PublicKey(_)
                | Route::ProvePossession { .. } => Method::GET,
            },
            path: "(socket)".to_owned(),
        };
        self.proxy.refusals.note(&asked, &error);
        // Errors always have a form.
        reply_from_body(&route, false, respond::body(&error).as_bytes()).unwrap_or_default()
    }
}

impl FrameHandler for FramesService {
    async fn answer(&self, message: Vec<u8>, peer: &Peer) -> Reply {
        let request = decode_request(&message);
        drop(message);
        let message = match request {
            Ok(Request::Route(route, bytes)) => {
                let requester = Requester::over_socket(peer);
                self.route(requester, route, bytes).await
            }
            Ok(Request::SupportsNonces(_)) => supports_nonces_reply(),
            Ok(Request::Nonce(key)) => {
                let reason = format!("deterministic nonces of {key} are not given by this proxy");
                error_of(&ProxyError::Policy(reason))
            }
            Err(error) => {
                let error = ProxyError::Malformed(error.to_string());
                tracing::debug!(
                    address = peer.address.map(tracing::field::display),
                    %error,
                    "frame refused"
                );
                return Reply {
                    message: error_of(&error),
                    last: true,
                };
            }
        };
        Reply {
            message,
            last: false,
        }
    }

    fn refusal(&self, cause: &str) -> Vec<u8> {
        error_reply(ErrorKind::Temporary, &format!("[overload] {cause}"))
    }
}

fn error_of(error: &ProxyError) -> Vec<u8> {
    let (_, code, kind) = respond::placed(error);
    error_reply(kind, &format!("[{code}] {error}"))
}

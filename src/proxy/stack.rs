//! The one function that builds the tower stack of the baker's port, and the route below it.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt as _};
use tracing::Instrument as _;

use crate::server::Peer;
use crate::signer::{INSTANCE_HEADER, LOOPED};
use crate::tezos::{ConsensusKind, Curve, Route, RouteError};

use super::error::ProxyError;
use super::refused::Asked;
use super::requester::Requester;
use super::sign::SignRequest;
use super::{Proxy, body, decided, metadata, respond, sign};

/// Requests worked on at a time; each is small, and most wait for a signer. What has not come whole is not among
/// them: a body that never ends costs its connection and nobody else.
pub(super) const CONCURRENT: usize = 512;

/// The service of the baker's port.
pub type BakerService = BoxCloneSyncService<Request<Incoming>, Response<Full<Bytes>>, Infallible>;

/// Builds the service: outermost first.
#[must_use]
pub fn service(proxy: Arc<Proxy>) -> BakerService {
    let inner = Arc::clone(&proxy);
    let limited = ServiceBuilder::new()
        // Over the limit a baker is told to ask again, at once, instead of waiting unseen.
        .load_shed()
        // Bounds the work in progress and with it the memory.
        .concurrency_limit(CONCURRENT)
        .service_fn(move |call| answer(Arc::clone(&inner), call));
    // Whatever went wrong below becomes an answer here; above nothing can fail.
    BoxCloneSyncService::new(tower::service_fn(move |request| {
        let (limited, proxy) = (limited.clone(), Arc::clone(&proxy));
        async move {
            let asked = asked(&proxy, &request);
            let own_probe = request.headers().get(INSTANCE_HEADER) == Some(&proxy.instance);
            let span = tracing::debug_span!("request", baker = asked.requester.name);
            let handled = async {
                if own_probe {
                    return Err(ProxyError::Malformed(LOOPED.to_owned()));
                }
                let call = read(&proxy, asked.requester.clone(), request).await?;
                let is_sign = call.is_sign();
                // `answer` never fails, so an error here is the load shed's.
                let answered = limited.oneshot(call).await;
                answered.unwrap_or_else(|_shed| {
                    if is_sign {
                        decided::nonsense(&proxy, &ProxyError::Overload);
                    }
                    Err(ProxyError::Overload)
                })
            };
            let mut response = match handled.instrument(span).await {
                Ok(body) => respond::ok(body),
                Err(error) => {
                    proxy.refusals.note(&asked, &error);
                    respond::error(&error)
                }
            };
            if own_probe {
                // How the prober knows.
                let instance = proxy.instance.clone();
                response.headers_mut().insert(INSTANCE_HEADER, instance);
            }
            Ok(response)
        }
    }))
}

fn asked(proxy: &Proxy, request: &Request<Incoming>) -> Asked {
    let peer = request.extensions().get::<Peer>();
    Asked {
        requester: Requester::over_http(peer, request.headers(), &proxy.forwarded_from),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
    }
}

/// Reads what is asked, to its last byte.
async fn read(
    proxy: &Proxy,
    requester: Requester,
    request: Request<Incoming>,
) -> Result<Call, ProxyError> {
    let arrived = Instant::now();
    let (parts, incoming) = request.into_parts();
    let route = Route::parse(parts.method.as_str(), parts.uri.path(), parts.uri.query());
    let route = route
        .map_err(|error| unroutable(&error))
        .inspect_err(|error| {
            if parts.method == Method::POST {
                decided::nonsense(proxy, error);
            }
        })?;
    let bytes = match &route {
        Route::Sign { key, .. } => {
            let read = body::read(proxy, &parts, incoming).await;
            read.inspect_err(|error| decided::unread(proxy, &requester.name, *key, error))?
        }
        Route::AuthorizedKeys
        | Route::KnownKeys
        | Route::PublicKey(_)
        | Route::ProvePossession { .. } => Bytes::new(),
    };
    Ok(Call {
        requester,
        route,
        bytes,
        arrived,
    })
}

async fn answer(proxy: Arc<Proxy>, call: Call) -> Result<Result<String, ProxyError>, Infallible> {
    Ok(call.answer(&proxy).await)
}

/// A request of the protocol, whatever door it came through.
pub(super) struct Call {
    pub(super) requester: Requester,
    pub(super) route: Route,
    /// What is to be signed.
    pub(super) bytes: Bytes,
    pub(super) arrived: Instant,
}

impl Call {
    pub(super) fn is_sign(&self) -> bool {
        matches!(self.route, Route::Sign { .. })
    }

    /// Whether it asks for a vote or a block. Only its first byte is looked at: who lies gains nothing that the
    /// policy does not take away.
    fn is_consensus(&self) -> bool {
        let kind = self.bytes.first().copied();
        self.is_sign() && kind.and_then(ConsensusKind::from_code).is_some()
    }

    /// The body of the answer, if the client has a place left.
    pub(super) async fn answer(self, proxy: &Arc<Proxy>) -> Result<String, ProxyError> {
        let place = proxy
            .clients
            .admit(self.requester.client, self.is_consensus());
        let _place = place.inspect_err(|error| {
            if self.is_sign() {
                decided::nonsense(proxy, error);
            }
        })?;
        match self.route {
            Route::AuthorizedKeys => metadata::authorized_keys(proxy).await,
            Route::KnownKeys => metadata::known_keys(proxy),
            Route::PublicKey(key) => metadata::public_key(proxy, key).await,
            Route::ProvePossession { key, subject } => {
                // No signer needs to be asked what the protocol rules out.
                if key.curve() != Curve::Bls {
                    let reason = format!("only tz4 keys prove possession, {key} is none");
                    return Err(ProxyError::Malformed(reason));
                }
                metadata::prove_possession(proxy, key, subject).await
            }
            Route::Sign {
                key,
                authentication,
                version,
            } => {
                let request = SignRequest {
                    key,
                    bytes: self.bytes,
                    authentication,
                    version,
                    requester: self.requester.name,
                    certified: self.requester.certified,
                    patience: self.requester.patience,
                    arrived: self.arrived,
                };
                let signature = sign::sign(proxy, request).await?;
                Ok(crate::tezos::wire::signature_body(&signature))
            }
        }
    }
}

fn unroutable(error: &RouteError) -> ProxyError {
    match error {
        RouteError::NotFound => ProxyError::NotFound,
        RouteError::MethodNotAllowed { allow } => ProxyError::MethodNotAllowed { allow },
        RouteError::Malformed { .. } => ProxyError::Malformed(error.to_string()),
    }
}

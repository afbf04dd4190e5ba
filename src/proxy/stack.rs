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
use crate::tezos::{Curve, Route, RouteError};

use super::error::ProxyError;
use super::refused::Asked;
use super::requester::Requester;
use super::sign::SignRequest;
use super::{Proxy, body, decided, metadata, respond, sign};

/// Requests worked on at a time; each is small, and most wait for a signer.
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
        .service_fn(move |request| handle(Arc::clone(&inner), request));
    // Whatever went wrong below becomes an answer here; above nothing can fail.
    BoxCloneSyncService::new(tower::service_fn(move |request| {
        let (limited, proxy) = (limited.clone(), Arc::clone(&proxy));
        async move {
            let asked = asked(&proxy, &request);
            let handled = limited.oneshot(request).await;
            // `handle` never fails, so an error here is the load shed's.
            Ok(handled.unwrap_or_else(|_shed| {
                proxy.refusals.note(&asked, &ProxyError::Overload);
                if asked.method == Method::POST {
                    decided::nonsense(&proxy, &ProxyError::Overload);
                }
                respond::error(&ProxyError::Overload)
            }))
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

async fn handle(
    proxy: Arc<Proxy>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let asked = asked(&proxy, &request);
    let own_probe = request.headers().get(INSTANCE_HEADER) == Some(&proxy.instance);
    let handled = async {
        if own_probe {
            return Err(ProxyError::Malformed(LOOPED.to_owned()));
        }
        answer(&proxy, &asked.requester, request).await
    };
    let mut response = match handled
        .instrument(tracing::debug_span!(
            "request",
            baker = asked.requester.name
        ))
        .await
    {
        Ok(body) => respond::ok(body),
        Err(error) => {
            proxy.refusals.note(&asked, &error);
            respond::error(&error)
        }
    };
    if own_probe {
        // How the prober knows.
        response
            .headers_mut()
            .insert(INSTANCE_HEADER, proxy.instance.clone());
    }
    Ok(response)
}

async fn answer(
    proxy: &Arc<Proxy>,
    requester: &Requester,
    request: Request<Incoming>,
) -> Result<String, ProxyError> {
    let arrived = Instant::now();
    let (parts, incoming) = request.into_parts();
    let admitted = async {
        let place = proxy.clients.admit(requester.client)?;
        let route = Route::parse(parts.method.as_str(), parts.uri.path(), parts.uri.query());
        Ok((place, route.map_err(|error| unroutable(&error))?))
    };
    let (_place, route) = admitted.await.inspect_err(|error| {
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
    let call = Call {
        requester,
        route,
        bytes,
        arrived,
    };
    call.answer(proxy).await
}

/// A request of the protocol, whatever door it came through.
pub(super) struct Call<'a> {
    pub(super) requester: &'a Requester,
    pub(super) route: Route,
    /// What is to be signed.
    pub(super) bytes: Bytes,
    pub(super) arrived: Instant,
}

impl Call<'_> {
    /// The body of the answer.
    pub(super) async fn answer(self, proxy: &Arc<Proxy>) -> Result<String, ProxyError> {
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
                    requester: self.requester.name.clone(),
                    certified: self.requester.certified.clone(),
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

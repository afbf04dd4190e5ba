//! The admin port: probes, metrics and status. Read-only; whatever changes something goes through the
//! control socket.

mod status;
mod token;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use tokio::sync::watch;
use tower::util::BoxCloneSyncService;

use crate::guard::Condition;
use crate::node::Outlook;
use crate::proxy::Proxy;
use crate::server::response;
use crate::telemetry::metrics::label;
use crate::tls::Certificates;

pub use token::Token;

pub use status::{
    AuthorizedKeysStatus, CertificateStatus, DeepProbeStatus, EvidenceStatus, KeyStatus,
    LastSigned, PathStatus, SignerStatus, Status, StoreStatus,
};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const READY: &str = "/readyz";
const READY_WITH_STORE: &str = "/readyz/store";

/// A store that is silent for so long is out of this replica's reach. An election of etcd is over sooner.
const SILENCE: Duration = Duration::from_secs(2);

/// The service of the admin port.
pub type AdminService = BoxCloneSyncService<Request<Incoming>, Response<Full<Bytes>>, Infallible>;

/// What the admin port looks at.
#[derive(Debug)]
pub struct Admin {
    /// The proxy.
    pub proxy: Arc<Proxy>,
    /// Hash of the effective configuration.
    pub config_hash: String,
    /// When the process started.
    pub started: Timestamp,
    /// Warnings of the configuration.
    pub warnings: Vec<String>,
    /// What the chain is known to show; absent without a node.
    pub evidence: Option<watch::Receiver<Outlook>>,
    /// Certificates of listeners and paths.
    pub certificates: Certificates,
    /// Set when every listener is bound and served.
    pub bound: AtomicBool,
    /// Set when the drain begins.
    pub draining: AtomicBool,
}

impl Admin {
    /// A port that is not bound yet.
    #[must_use]
    pub fn new(
        proxy: Arc<Proxy>,
        config_hash: String,
        warnings: Vec<String>,
        evidence: Option<watch::Receiver<Outlook>>,
        certificates: Certificates,
    ) -> Self {
        Self {
            proxy,
            config_hash,
            warnings,
            evidence,
            certificates,
            started: crate::time::now(),
            bound: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        }
    }

    /// Whether the process may get requests: bound, not draining, and the store can commit. Never a
    /// matter of the signers, or a balancer would empty itself and answer in our place.
    ///
    /// # Errors
    /// Why not, in one sentence.
    pub fn readiness(&self) -> Result<(), String> {
        if !self.bound.load(Ordering::Acquire) {
            return Err("starting".to_owned());
        }
        if self.draining.load(Ordering::Acquire) {
            return Err("draining".to_owned());
        }
        let store = self.proxy.guard.report();
        match store.condition {
            // Without a store no key has a watermark yet: metadata is served all the same.
            Condition::Absent | Condition::Ready => Ok(()),
            Condition::Refusing => Err(store.reason.unwrap_or_default()),
        }
    }

    /// [`Self::readiness`], and whether somebody has answered for the store: what a balancer of several replicas asks. Where
    /// this one alone is cut off from the store, the others are not.
    ///
    /// # Errors
    /// Why not, in one sentence.
    pub fn reach(&self) -> Result<(), String> {
        self.readiness()?;
        let store = self.proxy.guard.report();
        match store.silent_for {
            Some(time) if time >= SILENCE => Err(store.reason.unwrap_or_default()),
            Some(_) | None => Ok(()),
        }
    }

    /// The status now.
    #[must_use]
    pub fn status(&self) -> Status {
        status::status(self)
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/livez" => text(StatusCode::OK, "alive\n"),
            READY => readiness(self.readiness()),
            READY_WITH_STORE => readiness(self.reach()),
            "/metrics" => {
                self.refresh_levels();
                let metrics = self.proxy.metrics.encode();
                response(StatusCode::OK, OPEN_METRICS, Bytes::from(metrics))
            }
            "/status" => match serde_json::to_string(&self.status()) {
                Ok(status) => response(StatusCode::OK, JSON, Bytes::from(status + "\n")),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
            },
            _ => text(StatusCode::NOT_FOUND, "no such page\n"),
        }
    }

    /// Floors as they are now, also those that an operator raised.
    fn refresh_levels(&self) {
        for report in self.proxy.guard.streams() {
            let labels = label::Stream {
                chain: report.stream.chain.to_string(),
                key: report.stream.key.to_string(),
                kind: report.stream.kind.name().to_owned(),
            };
            let level = i64::from(report.floor.level.get());
            self.proxy
                .metrics
                .watermark_level
                .get_or_create(&labels)
                .set(level);
        }
    }
}

fn readiness(is_ready: Result<(), String>) -> Response<Full<Bytes>> {
    match is_ready {
        Ok(()) => text(StatusCode::OK, "ready\n"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{reason}\n")),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    response(status, TEXT, Bytes::copy_from_slice(body.as_bytes()))
}

/// Builds the service. With a `token`, all but the probes need it.
#[must_use]
pub fn service(admin: Arc<Admin>, token: Option<Token>) -> AdminService {
    let token = token.map(Arc::new);
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Incoming>| {
        let (admin, token) = (Arc::clone(&admin), token.clone());
        async move {
            let is_probe = matches!(request.uri().path(), "/livez" | READY | READY_WITH_STORE);
            if let Some(token) = token.filter(|_| !is_probe)
                && !token.is_shown_by(request.headers())
            {
                return Ok(token::unauthorized());
            }
            if request.method() != Method::GET && request.method() != Method::HEAD {
                let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "this port is read-only\n");
                answer
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                return Ok(answer);
            }
            Ok(admin.answer(request.uri().path()))
        }
    }))
}

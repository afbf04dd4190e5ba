//! The signer's HTTP service: routes, bodies and the faults that strike a request.
//!
//! A payload is recorded the moment its body has been read, before anything else can happen to it. A
//! signature once begun is finished even if the baker hangs up, as in octez-signer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, StatusCode};

use super::answer::{self, Answer};
use super::connection::{self, Dropped, read};
use super::device::{Device, SignRequest, forge};
use super::faults::{Faults, Scope};
use super::link::{Cut, Link};
use super::listener::Listener;
use super::metadata;
use crate::task::Tasks;
use crate::tezos::{self, PublicKeyHash, Route, Signature};

/// Serves bakers until the tasks shut down.
pub(super) async fn run(listener: Listener, device: Arc<Device>, tasks: Tasks) {
    let connect = |link: Link| {
        device.counters().connections.add();
        let cut = link.cut();
        if resets_connections(&device.switches().current()) {
            cut.reset();
            return None;
        }
        let (device, shared) = (Arc::clone(&device), tasks.clone());
        let service = service_fn(move |request| {
            let exchange = Exchange {
                device: Arc::clone(&device),
                tasks: shared.clone(),
                cut: cut.clone(),
            };
            exchange.answer(request)
        });
        Some(connection::serve(link, service, tasks.shutdown()))
    };
    connection::run(&listener, &tasks, "dev-signer-connection", connect).await;
}

/// With a limit on their number, requests must be read to be counted.
fn resets_connections(faults: &Faults) -> bool {
    faults.reset == Scope::All && faults.times.is_none()
}

/// One request and the connection that it came over.
struct Exchange {
    device: Arc<Device>,
    tasks: Tasks,
    cut: Cut,
}

impl Exchange {
    async fn answer(self, request: Request<Incoming>) -> Result<Answer, Dropped> {
        let uri = request.uri();
        let route = Route::parse(request.method().as_str(), uri.path(), uri.query());
        self.count(route.as_ref().ok());
        match route {
            Ok(Route::Sign {
                key,
                authentication,
                version,
            }) => {
                let (head, body) = request.into_parts();
                let bytes = read(body).await?;
                self.sign(&head.headers, bytes, key, authentication, version)
                    .await
            }
            Ok(Route::AuthorizedKeys) => {
                let faults = self.unstruck().await?;
                Ok(metadata::authorized_keys(&self.device, &faults))
            }
            Ok(Route::KnownKeys) => {
                self.unstruck().await?;
                Ok(metadata::known_keys(&self.device))
            }
            Ok(Route::PublicKey(key)) => {
                let faults = self.unstruck().await?;
                Ok(metadata::public_key(&self.device, &faults, &key))
            }
            Ok(Route::ProvePossession { key, subject }) => {
                self.unstruck().await?;
                Ok(metadata::possession(&self.device, &key, subject.as_ref()))
            }
            Err(error) => {
                self.unstruck().await?;
                Ok(answer::unrouted(&error))
            }
        }
    }

    fn count(&self, route: Option<&Route>) {
        let counters = self.device.counters();
        match route {
            Some(Route::AuthorizedKeys) => &counters.authorized_keys,
            Some(Route::KnownKeys) => &counters.known_keys,
            Some(Route::PublicKey(_)) => &counters.public_key,
            Some(Route::ProvePossession { .. }) => &counters.prove_possession,
            Some(Route::Sign { .. }) => &counters.sign,
            None => &counters.other,
        }
        .add();
    }

    /// Lets the faults act that strike requests other than sign requests.
    async fn unstruck(&self) -> Result<Faults, Dropped> {
        let faults = self.device.switches().current();
        if faults.reset == Scope::All {
            return Err(self.reset());
        }
        if faults.stall == Scope::All {
            return Err(self.stall().await);
        }
        tokio::time::sleep(Duration::from_millis(faults.get_latency_ms)).await;
        Ok(faults)
    }

    fn reset(&self) -> Dropped {
        self.cut.reset();
        Dropped
    }

    /// Waits for the baker to hang up, which drops this future, or for the end of the signer.
    async fn stall(&self) -> Dropped {
        self.tasks.shutdown().cancelled().await;
        Dropped
    }

    async fn sign(
        self,
        headers: &HeaderMap,
        body: Option<Bytes>,
        key: PublicKeyHash,
        authentication: Option<Signature>,
        version: Option<u8>,
    ) -> Result<Answer, Dropped> {
        let Some(body) = body else {
            return Ok(answer::empty(StatusCode::PAYLOAD_TOO_LARGE));
        };
        let bytes = tezos::decode_sign_body(&body);
        let received = bytes
            .as_ref()
            .map_or(Ok(()), |bytes| self.device.receive(key, bytes));
        let faults = self.device.switches().take();
        if faults.reset != Scope::None {
            return Err(self.reset());
        }
        if faults.stall != Scope::None {
            return Err(self.stall().await);
        }
        if let Err(error) = received {
            return Ok(answer::failure(&format!(
                "the signer cannot write its log: {error}"
            )));
        }
        if faults.status500 {
            return Ok(answer::failure("the device does not answer"));
        }
        if !is_json(headers) {
            return Ok(answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        if version.is_some_and(|version| version > faults.max_version) {
            return Ok(answer::malformed("cannot parse the query argument version"));
        }
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return Ok(answer::malformed(error.to_string())),
        };
        let request = SignRequest {
            key,
            bytes,
            authentication,
            version,
        };
        self.make(request, faults).await
    }

    /// Makes the signature in a task of its own, so that a baker that hangs up does not undo it.
    async fn make(self, request: SignRequest, faults: Faults) -> Result<Answer, Dropped> {
        let (device, shutdown) = (Arc::clone(&self.device), self.tasks.shutdown());
        let task = async move {
            let signed = tokio::select! {
                signed = device.sign(&request, &faults) => signed,
                () = shutdown.cancelled() => return None,
            };
            Some((request, faults, signed))
        };
        let Ok(Some((request, faults, signed))) = self.tasks.spawn("dev-signer-sign", task).await
        else {
            return Err(Dropped);
        };
        let signature = match signed {
            Ok(signature) => signature,
            Err(refusal) => return Ok(answer::failure(&refusal.to_string())),
        };
        if faults.sign_then_reset {
            return Err(self.reset());
        }
        if faults.truncate {
            self.cut.truncate();
        }
        if faults.garbage {
            return Ok(answer::json("{\"signature\":\"not a sig"));
        }
        let forged = if faults.wrong_signature {
            forge(&request)
        } else {
            None
        };
        let signature = forged.unwrap_or(signature);
        Ok(answer::json(tezos::signature_body(
            &signature.encode(request.key.curve()),
        )))
    }
}

/// Whether a body claims to be JSON, which it also does by claiming nothing.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|value| {
        let kind = value
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    })
}

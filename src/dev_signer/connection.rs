//! What the baker's port and the control port share: the accept loop, HTTP/1.1 and bodies.
//!
//! Keeps no timers between requests: a development signer waits for its peers as long as they like.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::link::Link;
use super::listener::Listener;
use crate::task::Tasks;

/// Longest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// How long a body may take to arrive.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may take to end once the signer is told to, half a request or half an answer
/// included.
const GRACE: Duration = Duration::from_secs(1);

/// A connection that is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
pub(super) struct Dropped;

/// Accepts connections until the tasks shut down; `connect` makes the task of each, or none.
pub(super) async fn run<C>(
    listener: &Listener,
    tasks: &Tasks,
    name: &'static str,
    mut connect: impl FnMut(Link) -> Option<C>,
) where
    C: Future<Output = ()> + Send + 'static,
{
    let shutdown = tasks.shutdown();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((link, permit)) = accepted else { return };
        if let Some(connection) = connect(link) {
            tasks.spawn(name, async move {
                connection.await;
                drop(permit);
            });
        }
    }
}

/// Serves one connection until it ends or, soon after `shutdown`, with the request in flight.
pub(super) async fn serve<S>(link: Link, service: S, shutdown: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Answer, Error = Dropped>,
{
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(link), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "development signer connection ended early");
    }
}

/// Reads a body; `None` when it is too long.
pub(super) async fn read(body: Incoming) -> Result<Option<Bytes>, Dropped> {
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect());
    match whole.await {
        Ok(Ok(body)) => Ok(Some(body.to_bytes())),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Ok(None),
        Ok(Err(_)) | Err(_) => Err(Dropped),
    }
}

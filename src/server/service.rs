//! The service as hyper sees it: marks where an answer begins and where it has been taken.
//!
//! It also keeps two promises for every service behind it: the length is always there and true, and
//! the last answer of a connection says that it is the last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::{Request, Response, Version};
use tower::ServiceExt as _;

use super::Peer;
use super::connection::Shared;

/// What a service has to be to stand behind the edge.
pub trait Handler:
    tower::Service<
        Request<Incoming>,
        Response = Response<Full<Bytes>>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
}

impl<S> Handler for S where
    S: tower::Service<
            Request<Incoming>,
            Response = Response<Full<Bytes>>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + 'static
{
}

/// One connection's view of the service.
#[derive(Debug)]
pub(super) struct Marked<S> {
    pub(super) inner: S,
    pub(super) peer: Peer,
    pub(super) shared: Arc<Shared>,
}

impl<S: Handler> hyper::service::Service<Request<Incoming>> for Marked<S> {
    type Response = Response<Taken>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.shared));
        let version = request.version();
        request.extensions_mut().insert(self.peer.clone());
        Box::pin(async move {
            let Ok(mut response) = inner.oneshot(request).await;
            // A value of the service's own could be wrong, and hyper would believe it.
            response.headers_mut().remove(TRANSFER_ENCODING);
            let length = response.body().size_hint().exact().unwrap_or(0);
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
            if version == Version::HTTP_10 || shared.is_last() {
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if !shared.answer_returned() {
                // hyper would write it at once; the driver ends this connection after the present poll.
                std::future::pending::<()>().await;
            }
            Ok(response.map(|body| Taken { body, shared }))
        })
    }
}

/// An answer's body that says when hyper has taken all of it: it is dropped then.
#[derive(Debug)]
pub(super) struct Taken {
    body: Full<Bytes>,
    shared: Arc<Shared>,
}

impl Body for Taken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.shared.progress().answer_taken();
    }
}

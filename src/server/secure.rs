//! TLS of a connection that was let in.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::server::TlsStream;

use crate::tls::{Inward, names, words};

use super::admission::Slot;
use super::{Edge, Peer};

/// Makes TLS of a connection, within the time of a first byte; nothing when it cannot be made, its place is needed
/// for another, or the drain begins. Until it is made the connection counts as idle.
pub(super) async fn secure<I>(
    io: I,
    peer: Peer,
    tls: &Inward,
    edge: &Edge,
    slot: &Slot,
) -> Option<(TlsStream<I>, Peer)>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let config = tls.config().ok()?;
    let shaken = TlsAcceptor::from(config).accept(io);
    let stream = tokio::select! {
        biased;
        () = slot.evicted().cancelled_owned() => return None,
        () = edge.drain.cancelled() => return None,
        shaken = tokio::time::timeout(edge.limits.first_byte, shaken) => shaken.ok()?,
    };
    match stream {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            let leaf = session.peer_certificates().and_then(<[_]>::first);
            let certified: Option<Arc<[String]>> = leaf.map(|der| names(der).into());
            Some((stream, Peer { certified, ..peer }))
        }
        Err(error) => {
            let reason = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .map_or_else(|| error.to_string(), words);
            tracing::debug!(
                address = peer.address.map(tracing::field::display),
                reason,
                "connection is not secured"
            );
            None
        }
    }
}

/// The certificates that the peer has shown.
pub(super) fn chain<I>(io: &TlsStream<I>) -> Vec<CertificateDer<'static>> {
    let (_, session) = io.get_ref();
    let shown = session.peer_certificates().unwrap_or_default();
    shown
        .iter()
        .cloned()
        .map(CertificateDer::into_owned)
        .collect()
}

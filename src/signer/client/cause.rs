//! What a failed connect or exchange says about a path.

use std::error::Error as _;
use std::io;

use super::super::cause::Cause;

/// The cause of a failed connect.
pub(super) fn of_connect(error: &io::Error) -> Cause {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "io::ErrorKind is not ours and grows"
    )]
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::NotFound => Cause::NoSocket,
        io::ErrorKind::ConnectionReset => Cause::Closed,
        _ => Cause::Unreachable(error.to_string()),
    }
}

/// The cause of a stream that failed while it was used.
pub(super) fn of_stream(error: &io::Error) -> Cause {
    of_tls(error).unwrap_or(Cause::Closed)
}

/// What TLS says, if it is TLS that says it.
pub(super) fn of_tls(error: &io::Error) -> Option<Cause> {
    let inner = error.get_ref()?;
    let error = inner.downcast_ref::<rustls::Error>()?;
    Some(Cause::Tls(crate::tls::words(error)))
}

/// The cause of a failed exchange.
pub(super) fn of_http(error: &hyper::Error) -> Cause {
    let stream = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    if let Some(cause) = stream.and_then(of_tls) {
        cause
    } else if error.is_parse() || error.is_parse_too_large() {
        Cause::Garbage(error.to_string())
    } else if error
        .source()
        .is_some_and(<dyn std::error::Error>::is::<io::Error>)
        || error.is_incomplete_message()
        || error.is_canceled()
        || error.is_closed()
    {
        Cause::Closed
    } else {
        Cause::Garbage(error.to_string())
    }
}

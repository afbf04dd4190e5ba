//! What is wrong with a path or signer, in the words that logs, status and bakers see.
//!
//! Each reads on after the path's name: `home-a (http://127.0.0.1:8443) connection refused since ...`.

use std::fmt;

use crate::tezos::PublicKeyHash;

/// A cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was sent a higher position of the key before, and it has one position over all kinds.
    Behind,
    /// The connection ended without an answer.
    Closed,
    /// Signatures of it were given up too often while its other answers look well.
    Abandoned,
    /// As many requests wait for it as may.
    Full,
    /// An answer that is not the signer protocol.
    Garbage(String),
    /// Our own probe came back to us.
    LeadsToItself,
    /// The Unix socket is not there.
    NoSocket,
    /// The port is closed.
    Refused,
    /// The signer answered that it will not sign, in its words.
    Refuses(String),
    /// Accepts connections and never answers.
    Silent,
    /// An HTTP status that says something is wrong.
    Status(u16, String),
    /// TLS fails, in words.
    Tls(String),
    /// Not asked any more: its time was over, or another had signed.
    TooLate,
    /// The path's protocol has no form for it.
    Unspeakable(String),
    /// No connection can be made, in the system's words.
    Unreachable(String),
    /// The public key shown is not the one of the key hash.
    WrongKey(PublicKeyHash),
    /// A signature that does not verify.
    WrongSignature,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abandoned => f.write_str("answers probes but leaves signatures unanswered"),
            Self::Behind => f.write_str("has gone further already"),
            Self::Closed => f.write_str("closes the connection without an answer"),
            Self::Full => f.write_str("has too many requests waiting"),
            Self::Garbage(what) => write!(
                f,
                "answers something that is not the signer protocol ({what})"
            ),
            Self::LeadsToItself => f.write_str("leads back to this proxy"),
            Self::NoSocket => f.write_str("socket does not exist"),
            Self::Refused => f.write_str("connection refused"),
            Self::Refuses(words) => write!(f, "refuses: {words}"),
            Self::Silent => f.write_str("accepts but does not answer"),
            Self::Status(code, words) if words.is_empty() => write!(f, "answers status {code}"),
            Self::Status(code, words) => write!(f, "answers status {code}: {words}"),
            Self::Tls(words) => write!(f, "fails to make a secure connection ({words})"),
            Self::TooLate => f.write_str("was not asked any more"),
            Self::Unspeakable(what) => {
                write!(
                    f,
                    "speaks the socket protocol, which cannot ask this ({what})"
                )
            }
            Self::Unreachable(words) => write!(f, "cannot be reached ({words})"),
            Self::WrongKey(key) => write!(f, "shows a public key that does not hash to {key}"),
            Self::WrongSignature => f.write_str("gave a signature that does not verify"),
        }
    }
}

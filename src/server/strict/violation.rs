//! What can be wrong with a message, each with the sentence that the peer reads.

use crate::server::refusal::{Refusal, RefusalKind};

/// A message that is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Violation {
    BareCarriageReturn,
    BareLineFeed,
    BothFramings,
    ChunkExtension,
    ChunkFraming,
    ChunkSize,
    Coding,
    CodingInOldVersion,
    Connect,
    Connection,
    ControlByte,
    EmptyFirstLine,
    Ended,
    Expectation,
    FieldName,
    FieldValue,
    Fold,
    HeadTooLarge,
    Host,
    HostMissing,
    HostRepeated,
    Length,
    LengthRepeated,
    Method,
    RequestLine,
    Target,
    TooManyFields,
    Trailer,
    Upgrade,
    Version,
}

impl Violation {
    /// The refusal that answers it.
    pub(in crate::server) fn refusal(self) -> Refusal {
        Refusal {
            kind: self.kind(),
            cause: self.cause(),
        }
    }

    fn kind(self) -> RefusalKind {
        match self {
            Self::Expectation => RefusalKind::Expectation,
            Self::HeadTooLarge | Self::TooManyFields => RefusalKind::HeadTooLarge,
            Self::BareCarriageReturn
            | Self::BareLineFeed
            | Self::BothFramings
            | Self::ChunkExtension
            | Self::ChunkFraming
            | Self::ChunkSize
            | Self::Coding
            | Self::CodingInOldVersion
            | Self::Connect
            | Self::Connection
            | Self::ControlByte
            | Self::EmptyFirstLine
            | Self::Ended
            | Self::FieldName
            | Self::FieldValue
            | Self::Fold
            | Self::Host
            | Self::HostMissing
            | Self::HostRepeated
            | Self::Length
            | Self::LengthRepeated
            | Self::Method
            | Self::RequestLine
            | Self::Target
            | Self::Trailer
            | Self::Upgrade
            | Self::Version => RefusalKind::Malformed,
        }
    }

    fn cause(self) -> &'static str {
        match self {
            Self::BareCarriageReturn => "a carriage return is not followed by a line feed",
            Self::BareLineFeed => "a line ends without a carriage return",
            Self::BothFramings => "the head has both content-length and transfer-encoding",
            Self::ChunkExtension => "a chunk has an extension",
            Self::ChunkFraming => "a chunk does not end where its size says",
            Self::ChunkSize => "a chunk's size is not one to eight hexadecimal digits",
            Self::Coding => "transfer-encoding is not exactly one chunked",
            Self::CodingInOldVersion => "transfer-encoding is not part of HTTP/1.0",
            Self::Connect => "this is no forward proxy, CONNECT is refused",
            Self::Connection => "connection names a field that the message cannot do without",
            Self::ControlByte => "the head has a control byte",
            Self::EmptyFirstLine => "the request begins with an empty line",
            Self::Ended => "the connection was closed within the head",
            Self::Expectation => "only the expectation 100-continue can be met",
            Self::FieldName => "a header field's name is missing or malformed",
            Self::FieldValue => "a header field's value is malformed",
            Self::Fold => "a header field is folded over two lines",
            Self::HeadTooLarge => "the head is larger than allowed",
            Self::Host => "the host field is malformed",
            Self::HostMissing => "the host field is missing",
            Self::HostRepeated => "there is more than one host field",
            Self::Length => "content-length is not a plain number",
            Self::LengthRepeated => "there is more than one content-length",
            Self::Method => "the method is malformed",
            Self::RequestLine => {
                "the request line is not method, target and version with single spaces"
            }
            Self::Target => "the target is not a path that begins with a slash",
            Self::TooManyFields => "the head has too many fields",
            Self::Trailer => "a chunked body has trailer fields",
            Self::Upgrade => "upgrades to another protocol are refused",
            Self::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
        }
    }
}

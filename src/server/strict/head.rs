//! A request's head, checked line by line as its bytes arrive.

use std::net::Ipv6Addr;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;

use super::{Framing, Violation};

/// Fields in one head; hyper would refuse more with an answer of its own.
const FIELDS: usize = 100;

/// What is known of a head so far.
#[derive(Debug)]
pub(super) struct Head {
    limit: usize,
    /// Bytes already looked at.
    scanned: usize,
    /// Where the unfinished line begins.
    line_start: usize,
    after_carriage_return: bool,
    version: Option<Version>,
    fields: usize,
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

impl Head {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            scanned: 0,
            line_start: 0,
            after_carriage_return: false,
            version: None,
            fields: 0,
            host: false,
            length: None,
            chunked: false,
        }
    }

    /// Looks at what has come since the last call; `bytes` always begins with the head's first byte.
    /// Returns the head's length and its body's framing when it is complete.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<(usize, Framing)>, Violation> {
        for (at, byte) in bytes.iter().enumerate().skip(self.scanned) {
            if at >= self.limit {
                return Err(Violation::HeadTooLarge);
            }
            if self.after_carriage_return {
                if *byte != b'\n' {
                    return Err(Violation::BareCarriageReturn);
                }
                self.after_carriage_return = false;
                let line = bytes
                    .get(self.line_start..at.saturating_sub(1))
                    .unwrap_or_default();
                let end = at.saturating_add(1);
                if line.is_empty() {
                    return Ok(Some((end, self.framing()?)));
                }
                self.line_start = end;
                self.line(line)?;
                continue;
            }
            match byte {
                b'\r' => self.after_carriage_return = true,
                b'\n' => return Err(Violation::BareLineFeed),
                b'\t' | 0x20..=0x7e | 0x80..=0xff => {}
                0..=0x1f | 0x7f => return Err(Violation::ControlByte),
            }
        }
        self.scanned = bytes.len();
        if self.scanned >= self.limit {
            return Err(Violation::HeadTooLarge);
        }
        Ok(None)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Violation> {
        if self.version.is_none() {
            self.version = Some(request_line(line)?);
            return Ok(());
        }
        self.fields = self.fields.saturating_add(1);
        if self.fields > FIELDS {
            return Err(Violation::TooManyFields);
        }
        self.field(line)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Violation> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Violation::Fold);
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            return Err(Violation::FieldName);
        };
        let name = HeaderName::from_bytes(name).map_err(|_| Violation::FieldName)?;
        let value = trim(value);
        HeaderValue::from_bytes(value).map_err(|_| Violation::FieldValue)?;
        match name.as_str() {
            "content-length" => {
                if self.length.is_some() {
                    return Err(Violation::LengthRepeated);
                }
                self.length = Some(plain_number(value).ok_or(Violation::Length)?);
            }
            "transfer-encoding" => {
                if self.chunked || value != b"chunked" {
                    return Err(Violation::Coding);
                }
                self.chunked = true;
            }
            "host" => {
                if self.host {
                    return Err(Violation::HostRepeated);
                }
                self.host = true;
                if !is_host(value) {
                    return Err(Violation::Host);
                }
            }
            "connection" if names_message_field(value) => return Err(Violation::Connection),
            "expect" if !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(Violation::Expectation);
            }
            "upgrade" | "http2-settings" => return Err(Violation::Upgrade),
            _ => {}
        }
        Ok(())
    }

    fn framing(&self) -> Result<Framing, Violation> {
        let version = self.version.ok_or(Violation::EmptyFirstLine)?;
        if version == Version::Http11 && !self.host {
            return Err(Violation::HostMissing);
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Violation::BothFramings),
            (true, None) if version == Version::Http10 => Err(Violation::CodingInOldVersion),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Sized(length.unwrap_or(0))),
        }
    }
}

fn request_line(line: &[u8]) -> Result<Version, Violation> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Violation::RequestLine);
    };
    Method::from_bytes(method).map_err(|_| Violation::Method)?;
    if method == b"CONNECT" {
        return Err(Violation::Connect);
    }
    let version = match version {
        b"HTTP/1.0" => Version::Http10,
        b"HTTP/1.1" => Version::Http11,
        _ => return Err(Violation::Version),
    };
    if !target.iter().copied().all(is_target_byte)
        || target.first() != Some(&b'/')
        || PathAndQuery::try_from(target).is_err()
    {
        return Err(Violation::Target);
    }
    Ok(version)
}

/// What RFC 3986 lets a path or a query consist of: programs differ in what they make of anything else,
/// such as a backslash. A fragment would be cut off silently, so what the service sees would not be
/// what was sent.
fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte)
}

/// A name, an IPv4 address or an IPv6 address in brackets, with or without a port.
fn is_host(value: &[u8]) -> bool {
    // An empty host is what a client sends that knows none, as RFC 9112 section 3.2 wants it.
    if value.is_empty() {
        return true;
    }
    let Ok(value) = std::str::from_utf8(value) else {
        return false;
    };
    if let Some(literal) = value.strip_prefix('[') {
        return literal.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (name, port) = value.split_once(':').unwrap_or((value, ""));
    // The rest of what RFC 3986 allows is in no name that anybody gives to a host, and a comma would
    // make a list of two.
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_name_byte) && is_port(port)
}

/// May be empty, as RFC 3986 has it.
fn is_port(port: &str) -> bool {
    port.is_empty()
        || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// Whether `connection` names a field that says what the message is. A program that takes fields for one
/// hop away, as it should, would hand on another message than the one that came.
fn names_message_field(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').map(trim).any(|option| {
        ["content-length", "transfer-encoding", "host"]
            .iter()
            .any(|name| option.eq_ignore_ascii_case(name.as_bytes()))
    })
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last.saturating_add(1));
    value.get(start..end).unwrap_or_default()
}

fn plain_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    // hyper keeps the two highest values for itself, and nobody here reads bodies of that size.
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        number
            .checked_mul(10)?
            .checked_add(u64::from(digit))
            .filter(|number| *number <= u64::MAX / 2)
    })
}

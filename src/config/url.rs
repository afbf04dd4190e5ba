//! Urls of paths and of the node: `http://host:port`, `https://host:port`, `tcp://host:port`,
//! `http+unix:///socket` and `unix:///socket`.
//!
//! Parsed by hand on purpose: of a general url we would refuse nearly everything, and each refusal needs
//! a sentence of its own.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use crate::settings::SignerUrl;

/// Longest path of a Unix socket, in bytes: the kernel's field holds 108 with the closing zero.
pub(super) const MAX_SOCKET_PATH: usize = 107;

/// Longest host name of DNS.
const MAX_HOST: usize = 253;

/// What is wrong with a url, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UrlError {
    /// What is wrong.
    pub(super) problem: String,
    /// What to write instead.
    pub(super) remedy: String,
}

/// Parses a url; `place_for_path` says where the part after the port belongs.
pub(super) fn parse(text: &str, place_for_path: &str) -> Result<SignerUrl, UrlError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return refuse(
            "has no scheme",
            "write it as http://host:port or http+unix:///path",
        );
    };
    if text.contains('?') {
        return refuse(
            "has a query",
            "leave out everything from the question mark on",
        );
    }
    if text.contains('#') {
        return refuse("has a fragment", "leave out everything from the # on");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("has white space or control characters", "leave them out");
    }
    match scheme.to_ascii_lowercase().as_str() {
        scheme @ ("http" | "https" | "tcp") => {
            let (host, port) = address(scheme, rest, place_for_path)?;
            Ok(match scheme {
                "https" => SignerUrl::Https { host, port },
                "tcp" => SignerUrl::Tcp { host, port },
                _ => SignerUrl::Http { host, port },
            })
        }
        scheme @ ("http+unix" | "unix") => {
            let path = socket(scheme, rest)?;
            Ok(match scheme {
                "unix" => SignerUrl::Unix { path },
                _ => SignerUrl::HttpUnix { path },
            })
        }
        _ => refuse(
            &format!("unknown scheme {scheme:?}"),
            "use http://, https://, http+unix://, tcp:// or unix://",
        ),
    }
}

/// The part of a url that has a host and a port.
fn address(scheme: &str, rest: &str, place_for_path: &str) -> Result<(String, u16), UrlError> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return refuse(
            "has a user or a password",
            "leave out everything up to the @",
        );
    }
    if !path.is_empty() {
        return refuse("has a path after the port", place_for_path);
    }
    let (host, port) = host_and_port(authority)?;
    let Some(port) = port else {
        return refuse(
            "has no port",
            &format!(
                "add it, such as {scheme}://{authority}:{}",
                usual_port(scheme)
            ),
        );
    };
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && port != 0 => Ok((host, port)),
        Ok(_) | Err(_) => refuse(&format!("bad port {port:?}"), "use a port from 1 to 65535"),
    }
}

/// The port that octez-signer listens on by default.
fn usual_port(scheme: &str) -> u16 {
    match scheme {
        "https" => 443,
        "tcp" => 7732,
        _ => 6732,
    }
}

/// Splits an authority; the port, if there is one, is not looked at.
fn host_and_port(authority: &str) -> Result<(String, Option<&str>), UrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else {
            return refuse("has a [ without a ]", "write it as http://[::1]:6732");
        };
        let Ok(address) = host.parse::<Ipv6Addr>() else {
            return refuse(
                &format!("bad IPv6 address {host:?}"),
                "write it as http://[::1]:6732",
            );
        };
        return match port.strip_prefix(':') {
            Some(port) => Ok((address.to_string(), Some(port))),
            None if port.is_empty() => Ok((address.to_string(), None)),
            None => refuse(
                "has something between ] and the port",
                "write it as http://[::1]:6732",
            ),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if port.is_some_and(|port| port.contains(':')) {
        return refuse(
            "has an IPv6 address without brackets",
            "write it as http://[::1]:6732",
        );
    }
    check_host(host)?;
    Ok((host.to_ascii_lowercase(), port))
}

fn check_host(host: &str) -> Result<(), UrlError> {
    if host.is_empty() {
        return refuse("has no host", "write it as http://host:port");
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.len() > MAX_HOST || !host.chars().all(fits) {
        return refuse(
            &format!("bad host {host:?}"),
            "use a DNS name or an IP address",
        );
    }
    // Digits and dots alone can only be meant as an address; a resolver may read 127.1 in its own way.
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return refuse(
            &format!("bad IPv4 address {host:?}"),
            "write four numbers from 0 to 255",
        );
    }
    Ok(())
}

/// The part of a url that is a path of a socket.
fn socket(scheme: &str, rest: &str) -> Result<PathBuf, UrlError> {
    let example = format!("write it as {scheme}:///run/signers/a.sock, with three slashes");
    let example = example.as_str();
    if !rest.starts_with('/') {
        return refuse("the path of the socket is not absolute", example);
    }
    if rest.ends_with('/') {
        return refuse("names a directory, not a socket", example);
    }
    if rest.len() > MAX_SOCKET_PATH {
        return refuse(
            "the path of the socket is too long",
            &format!("use at most {MAX_SOCKET_PATH} bytes"),
        );
    }
    Ok(PathBuf::from(rest))
}

fn refuse<T>(problem: &str, remedy: &str) -> Result<T, UrlError> {
    Err(UrlError {
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    })
}

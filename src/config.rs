//! The configuration file: from TOML text and environment variables to [`crate::settings::Settings`].
//!
//! All problems of a file are reported at once, each with its line, its key, the value that was found,
//! what is wrong with it and what to write instead. `check-config` and start-up both come through here,
//! so that they can never disagree.
//!
//! It opens no socket and writes nothing: the only I/O is reading the file and asking whether the state
//! directory exists.
//!
//! Invariants: settings are built only when there is no finding; the effective text, loaded again, gives
//! the same settings and the same text; a value that looks like a secret is never repeated in a finding.

mod check;
mod effective;
mod environment;
mod exposed;
mod finding;
mod keys;
mod listen;
mod load;
mod reader;
mod scalar;
mod shown;
mod signers;
mod store;
mod table;
mod tables;
mod unknown;
mod url;

pub use self::finding::{Finding, Report};
pub use self::load::{Loaded, from_text, load};

/// An `http://host:port` url of the command line, checked as one of the file is.
///
/// # Errors
/// What is wrong with it and what to write.
pub fn http_url(text: &str) -> Result<crate::settings::SignerUrl, String> {
    url::parse(text, "leave it out").map_err(|error| format!("{}; {}", error.problem, error.remedy))
}

#[cfg(test)]
mod tests;

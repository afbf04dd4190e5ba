//! From a file, or a text, to settings or a report.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::effective;
use super::environment::Overrides;
use super::finding::{Finding, Report};
use super::reader::Reader;
use super::tables;
use crate::settings::Settings;
use crate::tezos;

/// Longest file that is read, in bytes: a configuration has kilobytes, a wrong path may be anything.
const MAX_FILE: u64 = 1024 * 1024;

/// Hex digits of a configuration's hash.
const HASH_DIGITS: usize = 16;

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What every module takes its part of.
    pub settings: Settings,
    /// What is allowed and still worth a word.
    pub warnings: Vec<Finding>,
    /// The effective configuration as TOML, with every default filled in; loads to the same settings.
    pub effective: String,
}

/// Reads a configuration file; `env` are the environment variables that may override it.
///
/// `std::env::vars` panics on a variable that is not Unicode: give `vars_os` and leave such ones out.
///
/// Blocks on the file system: call it before the runtime starts, or on the blocking pool.
///
/// # Errors
///
/// Every problem at once. A file that cannot be read is one finding.
pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let text = read(path).map_err(|error| Report {
        findings: vec![Finding {
            file: name.clone(),
            line: None,
            key: String::new(),
            value: None,
            problem: format!("cannot read the configuration: {error}"),
            remedy: String::new(),
            variable: None,
        }],
    })?;
    let mut loaded = from_text(&name, &text, env)?;
    loaded
        .warnings
        .extend(missing_state(&name, &loaded.settings));
    Ok(loaded)
}

/// Reads a configuration from its text; `name` stands for the file in findings.
///
/// Touches nothing outside its arguments.
///
/// # Errors
///
/// Every problem at once.
pub fn from_text(
    name: &str,
    text: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Report> {
    // Editors on Windows put a byte order mark first; it means nothing in UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::new(name, text, Overrides::collect(env));
    let draft = reader.document(text, tables::document);
    let (findings, warnings) = reader.into_findings();
    if !findings.is_empty() {
        return Err(Report { findings });
    }
    let effective = effective::text(&draft);
    let digest = tezos::digest(effective.as_bytes()).to_string();
    let settings = Settings {
        config_hash: digest.chars().take(HASH_DIGITS).collect(),
        ..draft
    };
    Ok(Loaded {
        settings,
        warnings,
        effective,
    })
}

/// The file's text, if it is text and not absurdly long.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than allowed tells a file that is too long from one that just fits.
    File::open(path)?
        .take(MAX_FILE.saturating_add(1))
        .read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= MAX_FILE) {
        return Ok(text);
    }
    Err(io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("longer than {MAX_FILE} bytes"),
    ))
}

/// A warning when the state directory is not there: `run` will refuse to sign without it.
fn missing_state(file: &str, settings: &Settings) -> Option<Finding> {
    let directory = &settings.state.directory;
    if directory.is_dir() {
        return None;
    }
    Some(Finding {
        file: file.to_owned(),
        line: None,
        key: "state.directory".to_owned(),
        value: Some(format!("{:?}", directory.display().to_string())),
        problem: "this directory does not exist yet".to_owned(),
        remedy: "`signer-proxy watermark init` creates it".to_owned(),
        variable: None,
    })
}

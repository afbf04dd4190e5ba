//! `status`, `drain` and `undrain`: what a running proxy says and does.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hyper::StatusCode;
use hyper::header::AUTHORIZATION;

use crate::admin::{CertificateStatus, Status, Token};
use crate::control::{self, AskError, Command, Reply};
use crate::settings::{Path, SignerUrl};
use crate::signer::{Gate, Outgoing, client::Client};
use crate::task::Tasks;
use crate::tls::Outward;

use super::{Failure, Outcome, code, load, print, reachable};

/// An answer of the admin port is given this long.
const TIMEOUT: Duration = Duration::from_secs(3);

/// `status`
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The configuration file of the running proxy.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "admin",
        required_unless_present = "admin"
    )]
    config: Option<PathBuf>,
    /// The admin port, such as `http://127.0.0.1:9632`.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// The whole status for machines.
    #[arg(long)]
    json: bool,
    /// Only whether it may get requests (`/readyz`): for health checks of containers.
    #[arg(long)]
    ready: bool,
}

/// `drain` and `undrain`
#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    /// Name of the signer.
    signer: String,
    /// The configuration file of the running proxy.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn status(args: StatusArgs) -> Outcome {
    let port = match (&args.admin, &args.config) {
        (Some(url), _) => Port {
            url: crate::config::http_url(url).map_err(|error| Failure::new(code::USAGE, error))?,
            certificate: None,
            token: None,
        },
        (None, Some(config)) => Port::of(config)?,
        (None, None) => return Err(Failure::new(code::USAGE, "--config or --admin")),
    };
    let url = &port.url;
    if args.ready {
        let (status, body) = port.fetch("/readyz").await?;
        return if status == 200 {
            print(&body)
        } else {
            Err(Failure::new(code::PROBLEM, body.trim_end()))
        };
    }
    let (_, body) = port.fetch("/status").await?;
    let status: Status = serde_json::from_str(&body)
        .map_err(|error| Failure::new(code::IO, format!("{url} is no admin port: {error}")))?;
    if args.json {
        print(&body)?;
    } else {
        print(&text(&status)?)?;
    }
    if status.state == "ok" {
        Ok(())
    } else {
        Err(Failure::new(code::PROBLEM, ""))
    }
}

/// The admin port that is asked.
struct Port {
    url: SignerUrl,
    /// The one it shows, if it has one.
    certificate: Option<PathBuf>,
    token: Option<Token>,
}

impl Port {
    /// The one of a configuration.
    fn of(config: &std::path::Path) -> Result<Self, Failure> {
        let admin = load(config)?.settings.admin;
        let address = admin.listen;
        let address =
            address.ok_or_else(|| Failure::new(code::PROBLEM, "the admin port is off"))?;
        let address = reachable(address);
        let (host, port) = (address.ip().to_string(), address.port());
        let token = admin.token_file.as_deref().map(Token::read).transpose();
        let token = token.map_err(|reason| Failure::new(code::CONFIG, reason))?;
        let certificate = admin.tls.map(|tls| tls.identity.certificate);
        let url = match certificate {
            Some(_) => SignerUrl::Https { host, port },
            None => SignerUrl::Http { host, port },
        };
        Ok(Self {
            url,
            certificate,
            token,
        })
    }

    async fn fetch(&self, target: &str) -> Result<(u16, String), Failure> {
        let url = &self.url;
        let settings = Path {
            name: "admin".to_owned(),
            url: url.clone(),
            prefix: String::new(),
            max_connections: 1,
            tls: crate::settings::PathTls::default(),
        };
        let mut client = Client::new(&settings, Tasks::new());
        if let (Some(file), Some((host, _))) = (&self.certificate, url.host_and_port()) {
            client = client.securing(Outward::pinned(file, host));
        }
        let shown = self.token.as_ref().and_then(Token::header);
        let outgoing = Outgoing {
            header: shown.map(|value| (AUTHORIZATION, value)),
            ..Outgoing::get(target.to_owned())
        };
        let gate = Gate::open();
        let answer = tokio::time::timeout(TIMEOUT, client.send(&outgoing, &gate))
            .await
            .map_err(|_| Failure::new(code::PROBLEM, format!("{url} does not answer")))?
            .map_err(|error| Failure::new(code::PROBLEM, format!("{url}: {}", error.cause)))?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let remedy = match self.token {
                None => "ask with --config, which names the file of the token",
                Some(_) => {
                    "it was started with another token than is in admin.token-file now: restart it"
                }
            };
            let problem = format!("{url} wants another token: {remedy}");
            return Err(Failure::new(code::PROBLEM, problem));
        }
        Ok((
            answer.status.as_u16(),
            String::from_utf8_lossy(&answer.body).into_owned(),
        ))
    }
}

fn text(status: &Status) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let cause =
        |cause: &Option<String>| cause.as_ref().map(|c| format!(": {c}")).unwrap_or_default();
    writeln!(text, "{}: {}", status.state, status.summary)?;
    for signer in &status.signers {
        let active = if signer.active { " (active)" } else { "" };
        writeln!(
            text,
            "signer {} {}{active} since {}{}",
            signer.name,
            signer.state,
            signer.since,
            cause(&signer.cause)
        )?;
        if let Some(deep) = &signer.deep_probe {
            let (state, since) = (&deep.state, deep.since);
            let cause = cause(&deep.cause);
            writeln!(text, "  deep probe {state} since {since}{cause}")?;
        }
        for path in &signer.paths {
            writeln!(
                text,
                "  path {} {} {} since {}{}",
                path.name,
                path.url,
                path.state,
                path.since,
                cause(&path.cause)
            )?;
        }
    }
    for key in &status.keys {
        writeln!(text, "key {} {}{}", key.hash, key.state, cause(&key.cause))?;
        for last in &key.last_signed {
            writeln!(
                text,
                "  {} level {} round {} at {}",
                last.kind, last.level, last.round, last.at
            )?;
        }
    }
    writeln!(
        text,
        "store {} {}{}",
        words(&status.store.kind),
        status.store.state,
        cause(&status.store.cause)
    )?;
    if let Some(evidence) = &status.store.evidence {
        writeln!(
            text,
            "  chain {} since {}{}",
            evidence.state,
            evidence.since,
            cause(&evidence.cause)
        )?;
    }
    certificates(&mut text, &status.certificates)?;
    for warning in &status.warnings {
        writeln!(text, "warning: {warning}")?;
    }
    Ok(text)
}

fn certificates(text: &mut String, all: &[CertificateStatus]) -> fmt::Result {
    for certificate in all {
        let expires = certificate.expires.map(|at| format!(" until {at}"));
        let expires = expires.unwrap_or_default();
        let cause = certificate.cause.as_ref().map(|cause| format!(": {cause}"));
        let cause = cause.unwrap_or_default();
        let (name, state) = (&certificate.name, &certificate.state);
        writeln!(text, "certificate {name} {state}{expires}{cause}")?;
    }
    Ok(())
}

pub(super) async fn drain(args: DrainArgs, drain: bool) -> Outcome {
    let settings = load(&args.config)?.settings;
    let signer = args.signer;
    let command = if drain {
        Command::Drain { signer }
    } else {
        Command::Undrain { signer }
    };
    match control::ask(&settings.admin.socket, &command).await {
        Ok(Reply::Done(text)) => print(&(text + "\n")),
        Ok(Reply::Failed(reason)) => Err(Failure::new(code::PROBLEM, reason)),
        Ok(Reply::Watermarks(_) | Reply::Document(_)) => {
            Err(Failure::new(code::IO, "unexpected answer"))
        }
        Err(error @ AskError::NotRunning) => Err(Failure::new(code::PROBLEM, error)),
        Err(error @ AskError::Broken(_)) => Err(Failure::new(code::IO, error)),
    }
}

/// A kind of store with what it means for other proxies.
fn words(kind: &str) -> String {
    match kind {
        "embedded" => "embedded (for this proxy alone)".to_owned(),
        "etcd" => "etcd (shared with other proxies)".to_owned(),
        other => other.to_owned(),
    }
}

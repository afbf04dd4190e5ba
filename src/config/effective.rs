//! The effective configuration as TOML: what `check-config` prints and what the hash is over.
//!
//! Written from the settings and not from the file, so that it shows what is used. Optional keys that
//! are not set stand as comments.

use std::fmt::Display;
use std::path::Path as FilePath;
use std::time::Duration;

use crate::settings::{Allow, Chain, DeepProbe, Key, Path, Repeat, Settings, Signer};

/// The text; loads to the same settings, and to the same text.
pub(super) fn text(settings: &Settings) -> String {
    let mut out = Lines::default();
    out.table("[listen]");
    out.key("http", quoted(settings.listen.http));
    out.key("known-keys", settings.listen.known_keys);
    out.table("[admin]");
    if let Some(listen) = settings.admin.listen {
        out.key("listen", quoted(listen));
    }
    out.key("socket", path(&settings.admin.socket));
    out.table("[state]");
    out.key("directory", path(&settings.state.directory));
    match &settings.state.lineage {
        Some(lineage) => out.key("lineage", quoted(lineage)),
        None => out.comment("lineage: not pinned"),
    }
    match &settings.state.witness {
        Some(witness) => out.key("witness", quoted(witness.display().to_string())),
        None => out.comment("witness: none"),
    }
    out.table("[store]");
    out.key("kind", quoted("embedded"));
    if let Some(node) = &settings.node {
        out.table("[node]");
        out.key("url", quoted(&node.url));
    }
    for chain in &settings.chains {
        self::chain(&mut out, chain);
    }
    out.table("[guard]");
    out.key("level-gap", settings.guard.level_gap);
    for layout in &settings.guard.vote_layouts {
        out.table("[[guard.vote-layout]]");
        out.key("tag", layout.tag);
        out.key("level-offset", layout.level_offset);
    }
    out.table("[deadline]");
    match settings.deadline.consensus {
        Some(limit) => out.key("consensus", duration(limit)),
        None => out.comment("consensus: by kind and round"),
    }
    out.key("other", duration(settings.deadline.other));
    out.table("[auth]");
    out.key("mode", quoted("pass-through"));
    out.key("authorized-keys", list(&settings.auth.authorized_keys));
    for key in &settings.keys {
        self::key(&mut out, key);
    }
    for signer in &settings.signers {
        self::signer(&mut out, signer);
    }
    out.table("[probe]");
    out.key("period", duration(settings.probe.period));
    out.key("timeout", duration(settings.probe.timeout));
    out.finish()
}

fn chain(out: &mut Lines, chain: &Chain) {
    out.table("[[chain]]");
    out.key("id", quoted(chain.id));
    out.key("block-time", duration(chain.block_time));
    out.key("round-increment", duration(chain.round_increment));
}

fn key(out: &mut Lines, key: &Key) {
    out.table("[[key]]");
    out.key("hash", quoted(key.hash));
    match &key.public_key {
        Some(public_key) => out.key("public-key", quoted(public_key)),
        None => out.comment("public-key: learnt from a signer"),
    }
    out.key("allow", list(&words(&key.allow)));
    out.key("deterministic", key.deterministic);
}

fn signer(out: &mut Lines, signer: &Signer) {
    out.table("[[signer]]");
    out.key("name", quoted(&signer.name));
    out.key("priority", signer.priority);
    out.key("capacity", signer.capacity);
    let repeat = match signer.repeat {
        Repeat::Refuse => "refuse",
        Repeat::Replay => "replay",
        Repeat::Resign => "resign",
    };
    out.key("repeat", quoted(repeat));
    out.key("shared-watermark", signer.shared_watermark);
    if let Some(DeepProbe { path, period }) = &signer.deep_probe {
        let (path, period) = (quoted(path), duration(*period));
        out.key(
            "deep-probe",
            format!("{{ path = {path}, period = {period} }}"),
        );
    }
    for path in &signer.paths {
        signer_path(out, path);
    }
}

fn signer_path(out: &mut Lines, path: &Path) {
    out.table("[[signer.path]]");
    out.key("name", quoted(&path.name));
    out.key("url", quoted(&path.url));
    out.key("prefix", quoted(&path.prefix));
    out.key("max-connections", path.max_connections);
}

/// The words of an `allow` list.
fn words(allow: &Allow) -> Vec<&'static str> {
    let mut words: Vec<&'static str> = allow.consensus.iter().map(|kind| kind.name()).collect();
    words.extend(allow.generic.then_some("generic"));
    words.extend(allow.michelson.then_some("michelson"));
    words
}

fn duration(value: Duration) -> String {
    quoted(humantime::format_duration(value))
}

fn path(value: &FilePath) -> String {
    quoted(value.display())
}

fn list(values: &[impl Display]) -> String {
    let quoted: Vec<String> = values.iter().map(quoted).collect();
    format!("[{}]", quoted.join(", "))
}

/// A TOML string, escaped as it needs to be.
fn quoted(value: impl Display) -> String {
    toml::Value::String(value.to_string()).to_string()
}

/// The text while it is written.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn table(&mut self, header: &str) {
        if !self.0.is_empty() {
            self.0.push(String::new());
        }
        self.0.push(header.to_owned());
    }

    fn key(&mut self, key: &str, value: impl Display) {
        self.0.push(format!("{key} = {value}"));
    }

    fn comment(&mut self, text: &str) {
        self.0.push(format!("# {text}"));
    }

    fn finish(mut self) -> String {
        self.0.push(String::new());
        self.0.join("\n")
    }
}

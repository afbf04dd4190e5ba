//! The effective configuration as TOML: what `check-config` prints and what the hash is over.
//!
//! Written from the settings and not from the file, so that it shows what is used. Optional keys that
//! are not set stand as comments.

use std::fmt::Display;
use std::path::Path as FilePath;
use std::time::Duration;

use crate::settings::{
    Admin, Allow, AuthMode, Chain, DeepProbe, Key, Listen, ListenTls, Path, PathTls, Repeat,
    Settings, Signer, Sources, Store, TlsIdentity,
};

/// The text; loads to the same settings, and to the same text.
pub(super) fn text(settings: &Settings) -> String {
    let mut out = Lines::default();
    out.table("[listen]");
    out.key("http", quoted(settings.listen.http));
    doors(&mut out, &settings.listen);
    out.table("[admin]");
    admin(&mut out, &settings.admin);
    out.table("[limits]");
    out.key("client-concurrency", settings.limits.client_concurrency);
    match settings.limits.client_rate {
        Some(rate) => out.key("client-rate", rate),
        None => out.comment("client-rate: any"),
    }
    out.key("client-burst", settings.limits.client_burst);
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
    store(&mut out, &settings.store);
    if let Some(node) = &settings.node {
        out.table("[node]");
        out.key("url", quoted(&node.url));
    }
    for chain in &settings.chains {
        self::chain(&mut out, chain);
    }
    out.table("[guard]");
    out.key("level-gap", settings.guard.level_gap);
    out.key("two-bakers", settings.guard.two_bakers);
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
    let mode = match settings.auth.mode {
        AuthMode::PassThrough => "pass-through",
        AuthMode::Own => "own",
    };
    out.key("mode", quoted(mode));
    if let Some(file) = &settings.auth.signing_key_file {
        out.key("signing-key-file", path(file));
    }
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

/// Where bakers come in, besides `http`.
fn doors(out: &mut Lines, listen: &Listen) {
    match listen.https {
        Some(https) => out.key("https", quoted(https)),
        None => out.comment("https: none"),
    }
    match listen.tcp {
        Some(tcp) => out.key("tcp", quoted(tcp)),
        None => out.comment("tcp: none"),
    }
    match &listen.unix {
        Some(unix) => out.key("unix", path(unix)),
        None => out.comment("unix: none"),
    }
    out.key("known-keys", listen.known_keys);
    out.key("forwarded-from", list(&listen.forwarded_from));
    if let Some(tls) = &listen.tls {
        listen_tls(out, "[listen.tls]", tls);
    }
    let Sources { http, https, tcp } = &listen.sources;
    if listen.sources != Sources::default() {
        out.table("[listen.sources]");
        out.key("http", list(http));
        out.key("https", list(https));
        out.key("tcp", list(tcp));
    }
}

fn admin(out: &mut Lines, admin: &Admin) {
    if let Some(listen) = admin.listen {
        out.key("listen", quoted(listen));
    }
    out.key("socket", path(&admin.socket));
    match &admin.token_file {
        Some(file) => out.key("token-file", path(file)),
        None => out.comment("token-file: none"),
    }
    if let Some(tls) = &admin.tls {
        listen_tls(out, "[admin.tls]", tls);
    }
}

fn listen_tls(out: &mut Lines, header: &str, tls: &ListenTls) {
    out.table(header);
    out.key("certificate", path(&tls.identity.certificate));
    out.key("key", path(&tls.identity.key));
    if let Some(client_ca) = &tls.client_ca {
        out.key("client-ca", path(client_ca));
    }
}

fn store(out: &mut Lines, store: &Store) {
    let Store::Etcd(etcd) = store else {
        out.key("kind", quoted("embedded"));
        out.comment(
            "for this proxy alone: a second one with these keys needs a store that both share",
        );
        return;
    };
    out.key("kind", quoted("etcd"));
    out.comment("shared by all proxies with these endpoints and this prefix");
    out.key("endpoints", list(&etcd.endpoints));
    out.key("prefix", quoted(&etcd.prefix));
    out.key("timeout", duration(etcd.timeout));
    if let (Some(user), Some(file)) = (&etcd.user, &etcd.password_file) {
        out.key("user", quoted(user));
        out.key("password-file", path(file));
    }
    inline_tls(out, &etcd.tls);
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
    if let Some(clients) = &key.clients {
        out.key("clients", list(clients));
    }
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
    if let Some(file) = &signer.auth_key {
        out.key("auth-key", path(file));
    }
    for path in &signer.paths {
        signer_path(out, path);
    }
}

fn signer_path(out: &mut Lines, settings: &Path) {
    out.table("[[signer.path]]");
    out.key("name", quoted(&settings.name));
    out.key("url", quoted(&settings.url));
    out.key("prefix", quoted(&settings.prefix));
    out.key("max-connections", settings.max_connections);
    inline_tls(out, &settings.tls);
}

fn inline_tls(out: &mut Lines, settings: &PathTls) {
    let PathTls {
        ca,
        identity,
        server_name,
    } = settings;
    let mut tls = Vec::new();
    if let Some(ca) = ca {
        tls.push(format!("ca = {}", path(ca)));
    }
    if let Some(TlsIdentity { certificate, key }) = identity {
        tls.push(format!("certificate = {}", path(certificate)));
        tls.push(format!("key = {}", path(key)));
    }
    if let Some(server_name) = server_name {
        tls.push(format!("server-name = {}", quoted(server_name)));
    }
    if !tls.is_empty() {
        out.key("tls", format!("{{ {} }}", tls.join(", ")));
    }
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

//! A configuration file in the making.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use signer_proxy::tezos::PublicKey;

use super::ports;
use super::scene::Scene;

/// What the file will say, with addresses of its own.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) baker_port: u16,
    pub(crate) admin_port: u16,
    pub(crate) state: PathBuf,
    pub(crate) file: PathBuf,
    text: String,
}

impl Config {
    /// A configuration without signers.
    pub(crate) fn new(scene: &Scene) -> Self {
        let (baker_port, admin_port) = (ports::free(), ports::free());
        let state = scene.file("state");
        let text = format!(
            "[listen]\nhttp = \"127.0.0.1:{baker_port}\"\n\n[admin]\nlisten = \"127.0.0.1:{admin_port}\"\n\
             socket = \"{}\"\n\n[state]\ndirectory = \"{}\"\n\n",
            scene.socket("control.sock").display(),
            state.display()
        );
        Self {
            baker_port,
            admin_port,
            state,
            file: scene.file("config.toml"),
            text,
        }
    }

    /// Adds lines to `[listen]`.
    pub(crate) fn listen(mut self, lines: &str) -> Self {
        let http = format!("http = \"127.0.0.1:{}\"\n", self.baker_port);
        self.text = self.text.replace(&http, &format!("{http}{lines}\n"));
        self
    }

    /// Adds lines to `[admin]`.
    pub(crate) fn admin(mut self, lines: &str) -> Self {
        self.text = self
            .text
            .replace("[admin]\n", &format!("[admin]\n{lines}\n"));
        self
    }

    /// Adds tables as they are written.
    pub(crate) fn table(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self.text.push_str("\n\n");
        self
    }

    /// Lists `keys` as those that are served.
    pub(crate) fn keys<'k>(mut self, keys: impl IntoIterator<Item = &'k PublicKey>) -> Self {
        for key in keys {
            writeln!(self.text, "[[key]]\nhash = \"{}\"\n", key.hash()).unwrap();
        }
        self
    }

    /// Adds a signer; `settings` are further lines of its table.
    pub(crate) fn signer(
        mut self,
        name: &str,
        priority: u8,
        settings: &str,
        urls: &[String],
    ) -> Self {
        writeln!(
            self.text,
            "[[signer]]\nname = \"{name}\"\npriority = {priority}\n{settings}"
        )
        .unwrap();
        for url in urls {
            writeln!(self.text, "[[signer.path]]\nurl = \"{url}\"").unwrap();
        }
        self.text.push('\n');
        self
    }

    /// Rewrites the file with `to` in the place of `from`.
    pub(crate) fn replace(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "no {from} in {}", self.text);
        self.text = self.text.replace(from, to);
        self.write();
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> &Path {
        std::fs::write(&self.file, &self.text).unwrap();
        &self.file
    }
}

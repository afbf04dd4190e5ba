//! A proxy right before its signers, for threats that need no tunnel.

use signer_proxy::tezos::{Curve, PublicKey};

use super::baker::Baker;
use super::checker;
use super::config::Config;
use super::proxy::Proxy;
use super::scene::Scene;
use super::signer::Signer;
use super::wait::until;

/// The watermark that every key is given.
pub(crate) const FLOOR: u32 = 1_000;

/// Names of signers, in the order of their priority.
pub(crate) const NAMES: [&str; 2] = ["home-a", "home-b"];

/// Signers with one key of each curve, all the same, and a proxy that has found them up.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) baker: Baker,
    pub(crate) proxy: Proxy,
    pub(crate) signers: Vec<Signer>,
    // Last, so that it outlives what writes into it.
    pub(crate) scene: Scene,
}

impl Direct {
    /// One signer for each of `arguments`, which are those of `dev-signer`.
    pub(crate) async fn start(arguments: &[&[&str]]) -> Self {
        Self::with(arguments, "", "").await
    }

    /// The same, with `settings` in each signer's table and further `tables`.
    pub(crate) async fn with(arguments: &[&[&str]], settings: &str, tables: &str) -> Self {
        let mut all = Self::cold(arguments, settings, tables).await;
        all.proxy.init(all.signers[0].keys(), FLOOR).await;
        all.proxy.start().await;
        all.proxy
            .until_signers(&NAMES[..arguments.len()], "up")
            .await;
        all
    }

    /// The same without watermarks and with the proxy not started.
    pub(crate) async fn cold(arguments: &[&[&str]], settings: &str, tables: &str) -> Self {
        let scene = Scene::new();
        let mut signers = Vec::new();
        let mut config = Config::new(&scene).table(tables);
        for ((name, priority), arguments) in NAMES.iter().zip(1..).zip(arguments) {
            let signer = Signer::start(&scene, name, arguments).await;
            let url = format!("http://{}", signer.address());
            config = config.signer(name, priority, settings, &[url]);
            signers.push(signer);
        }
        let proxy = Proxy::new(config.keys(signers[0].keys()));
        let baker = proxy.baker(signers[0].keys());
        Self {
            baker,
            proxy,
            signers,
            scene,
        }
    }

    pub(crate) fn key(&self, curve: Curve) -> PublicKey {
        self.signers[0].key(curve)
    }

    /// How many payloads have arrived at all signers together.
    pub(crate) async fn received(&self) -> usize {
        let mut received = 0;
        for signer in &self.signers {
            received += signer.received().await;
        }
        received
    }

    /// Waits until `count` payloads in all have arrived anywhere.
    pub(crate) async fn until_received(&self, count: usize) {
        until(&format!("{count} payloads at the signers"), async || {
            (self.received().await >= count).then_some(())
        })
        .await;
    }

    /// See [`checker::assert_clean`].
    pub(crate) fn assert_clean(&self, signed: usize) {
        let signers: Vec<_> = self.signers.iter().collect();
        checker::assert_clean(&signers, signed);
    }
}

//! Two homes with the same keys, and the proxy where their tunnels end.

use super::baker::Baker;
use super::checker;
use super::ground::{Entrances, Ground};
use super::proxy::Proxy;
use super::scene::Scene;
use super::signer::Signer;
use super::sshd::Sshd;
use super::tunnel::Tunnel;

/// Everything is up when this has been made; the first tunnel is the preferred one.
#[derive(Debug)]
pub(crate) struct Homes {
    pub(crate) baker: Baker,
    pub(crate) proxy: Proxy,
    pub(crate) tunnels: [Tunnel; 2],
    pub(crate) signers: [Signer; 2],
    // Named for Drop alone; the folders last, because they outlive what writes into them.
    _sshd: Sshd,
    _scene: Scene,
}

impl Homes {
    /// Two keys of each curve; `tables` go into the configuration.
    pub(crate) async fn start(tables: &str) -> Self {
        let keys = ["--curve", "tz1,tz2,tz3,tz4", "--keys-per-curve", "2"];
        Self::with(&keys, "", tables).await
    }

    /// Signers started with `arguments`, and `settings` in the table of each.
    pub(crate) async fn with(arguments: &[&str], settings: &str, tables: &str) -> Self {
        let ground = Ground::start(Entrances::Ports, arguments).await;
        let proxy = ground.proxy(settings, tables).await;
        Self {
            baker: proxy.baker(ground.signers[0].keys()),
            proxy,
            tunnels: ground.tunnels,
            signers: ground.signers,
            _sshd: ground.sshd,
            _scene: ground.scene,
        }
    }

    /// See [`checker::assert_clean`].
    pub(crate) fn assert_clean(&self, signed: usize) {
        checker::assert_clean(&[&self.signers[0], &self.signers[1]], signed);
    }
}

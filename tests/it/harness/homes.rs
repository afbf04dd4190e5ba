//! Two signers at two homes with the same keys, each behind its own tunnel, and the proxy where the
//! tunnels end.

use super::baker::Baker;
use super::checker;
use super::config::Config;
use super::direct::{FLOOR, NAMES};
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
        let scene = Scene::new();
        let sshd = Sshd::start(&scene).await;
        let signers = [
            Signer::with_keys(&scene, NAMES[0], arguments).await,
            Signer::with_keys(&scene, NAMES[1], arguments).await,
        ];
        let mut tunnels = [
            Tunnel::tcp(&sshd, "tunnel-a", signers[0].port()),
            Tunnel::tcp(&sshd, "tunnel-b", signers[1].port()),
        ];
        let mut config = Config::new(&scene).table(tables);
        for ((tunnel, name), priority) in tunnels.iter_mut().zip(NAMES).zip(1..) {
            tunnel.open().await;
            config = config.signer(name, priority, settings, &[tunnel.url()]);
        }
        let mut proxy = Proxy::new(config.keys(signers[0].keys()));
        proxy.init(signers[0].keys(), FLOOR).await;
        proxy.start().await;
        proxy.until_signers(&NAMES, "up").await;
        let baker = proxy.baker(signers[0].keys());
        Self {
            baker,
            proxy,
            tunnels,
            signers,
            _sshd: sshd,
            _scene: scene,
        }
    }

    /// See [`checker::assert_clean`].
    pub(crate) fn assert_clean(&self, signed: usize) {
        checker::assert_clean(&[&self.signers[0], &self.signers[1]], signed);
    }
}

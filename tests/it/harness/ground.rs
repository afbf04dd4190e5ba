//! Two signers at two homes with the same keys, each behind its own tunnel: everything that stands behind
//! whatever bakers ask.

use signer_proxy::dev_signer::log::{Conflict, Summary};

use super::checker;
use super::config::Config;
use super::direct::{FLOOR, NAMES};
use super::proxy::Proxy;
use super::scene::Scene;
use super::signer::Signer;
use super::sshd::Sshd;
use super::tunnel::Tunnel;

/// What the tunnels end in on the proxy's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrances {
    Ports,
    Sockets,
}

/// Every tunnel is open when this has been made; the first one is the preferred one.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) tunnels: [Tunnel; 2],
    pub(crate) signers: [Signer; 2],
    pub(crate) sshd: Sshd,
    // Last, so that it outlives what writes into it.
    pub(crate) scene: Scene,
}

impl Ground {
    /// Signers started with `arguments`.
    pub(crate) async fn start(entrances: Entrances, arguments: &[&str]) -> Self {
        let scene = Scene::new();
        let sshd = Sshd::start(&scene).await;
        let signers = [
            Signer::with_keys(&scene, NAMES[0], arguments).await,
            Signer::with_keys(&scene, NAMES[1], arguments).await,
        ];
        let tunnel = |home: usize, name: &str| match entrances {
            Entrances::Ports => Tunnel::tcp(&sshd, name, signers[home].port()),
            Entrances::Sockets => {
                let socket = scene.socket(&format!("{name}.sock"));
                Tunnel::unix(&sshd, name, socket, signers[home].port())
            }
        };
        let mut tunnels = [tunnel(0, "tunnel-a"), tunnel(1, "tunnel-b")];
        for tunnel in &mut tunnels {
            tunnel.open().await;
        }
        Self {
            tunnels,
            signers,
            sshd,
            scene,
        }
    }

    /// A proxy that has found both signers up, with `settings` in the table of each and further `tables`.
    pub(crate) async fn proxy(&self, settings: &str, tables: &str) -> Proxy {
        let mut config = Config::new(&self.scene).table(tables);
        for ((tunnel, name), priority) in self.tunnels.iter().zip(NAMES).zip(1..) {
            config = config.signer(name, priority, settings, &[tunnel.url()]);
        }
        let keys = self.signers[0].keys();
        let mut proxy = Proxy::new(config.keys(keys));
        proxy.init(keys, FLOOR).await;
        proxy.start().await;
        proxy.until_signers(&NAMES, "up").await;
        proxy
    }

    /// See [`checker::judge`].
    pub(crate) fn judge(&self) -> Result<Summary, Vec<Conflict>> {
        checker::judge(&[&self.signers[0], &self.signers[1]])
    }
}

//! The listeners: bound first, secured, and served last.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin, Token};
use crate::proxy::{self, FramesService};
use crate::server::{self, Bound, Edge, RefusalBodies};
use crate::settings::{ListenTls, Settings};
use crate::signer::Roster;
use crate::task::Tasks;
use crate::tls::{Certificates, Inward};

use super::StartError;

/// Owner and group may connect to the bakers' socket.
const SOCKET_MODE: u32 = 0o660;

/// Every listener for HTTP, TLS and frames, bound and not served yet.
pub(super) struct Doors {
    pub(super) http: Bound,
    https: Option<(Bound, Arc<Inward>)>,
    tcp: Option<Bound>,
    unix: Option<Bound>,
    pub(super) admin: Option<Bound>,
    admin_tls: Option<Arc<Inward>>,
    admin_token: Option<Token>,
}

impl Doors {
    /// Binds all of them, and reads their certificates and the token.
    pub(super) async fn bind(settings: &Settings) -> Result<Self, StartError> {
        let listen = &settings.listen;
        let http = bind(listen.http).await?;
        let https = match (listen.https, &listen.tls) {
            (Some(address), Some(tls)) => {
                let tls = inward("listen.tls", tls)?;
                Some((bind(address).await?, tls))
            }
            (Some(_) | None, _) => None,
        };
        let tcp = match listen.tcp {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let unix = match &listen.unix {
            Some(path) => Some(bind_unix(path).await?),
            None => None,
        };
        let admin = match settings.admin.listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let admin_tls = match &settings.admin.tls {
            Some(tls) => Some(inward("admin.tls", tls)?),
            None => None,
        };
        let token = settings.admin.token_file.as_deref().map(Token::read);
        let admin_token = token.transpose().map_err(|reason| StartError::Material {
            key: "admin.token-file".to_owned(),
            reason,
        })?;
        Ok(Self {
            http,
            https,
            tcp,
            unix,
            admin,
            admin_tls,
            admin_token,
        })
    }

    /// Where bakers come in besides plain HTTP, as urls.
    pub(super) fn others(&self) -> Vec<String> {
        let https = self.https.as_ref().map(|(bound, _)| ("https://", bound));
        let tcp = self.tcp.as_ref().map(|bound| ("tcp://", bound));
        let unix = self.unix.as_ref().map(|bound| ("unix:", bound));
        let all = [https, tcp, unix].into_iter().flatten();
        all.map(|(scheme, bound)| format!("{scheme}{}", bound.local_addr()))
            .collect()
    }

    /// Every certificate, those of paths included.
    pub(super) fn certificates(&self, roster: &Roster) -> Certificates {
        let mut all = Certificates::default();
        let ours = self.https.iter().map(|(_, tls)| tls);
        for inward in ours.chain(&self.admin_tls) {
            all.add_inward(Arc::clone(inward));
        }
        for (signer, path) in roster.paths() {
            if let Some(outward) = path.client().tls() {
                let what = format!("signer {} path {}", signer.name(), path.name());
                all.add_outward(what, Arc::clone(outward));
            }
        }
        all
    }

    /// Serves all of them; gives the tasks of the bakers' doors, which end with the drain. The admin port is served
    /// until `admin_served` is cancelled.
    pub(super) fn serve(
        self,
        settings: &Settings,
        admin: &Arc<Admin>,
        edge_tasks: &Tasks,
        tasks: &Tasks,
        admin_served: &CancellationToken,
    ) -> Vec<JoinHandle<()>> {
        let sources = &settings.listen.sources;
        let edge = |sources: &[IpNet]| Edge {
            sources: sources.into(),
            ..Edge::new(edge_tasks.clone(), proxy::refusals())
        };
        let service = proxy::service(Arc::clone(&admin.proxy));
        let frames = FramesService::new(Arc::clone(&admin.proxy));
        let mut served = Vec::new();
        let http = server::serve(self.http, service.clone(), edge(&sources.http));
        served.push(edge_tasks.spawn("http door", http));
        if let Some((bound, tls)) = self.https {
            let edge = Edge {
                tls: Some(tls),
                ..edge(&sources.https)
            };
            served.push(edge_tasks.spawn("https door", server::serve(bound, service, edge)));
        }
        if let Some(bound) = self.tcp {
            let serving = server::serve_frames(bound, frames.clone(), edge(&sources.tcp));
            served.push(edge_tasks.spawn("tcp door", serving));
        }
        if let Some(bound) = self.unix {
            let serving = server::serve_frames(bound, frames, edge(&[]));
            served.push(edge_tasks.spawn("unix door", serving));
        }
        if let Some(bound) = self.admin {
            let edge = Edge {
                drain: admin_served.clone(),
                tls: self.admin_tls,
                ..Edge::new(tasks.clone(), RefusalBodies::plain_text())
            };
            let service = admin::service(Arc::clone(admin), self.admin_token);
            tasks.spawn("admin port", server::serve(bound, service, edge));
        }
        served
    }
}

fn inward(what: &str, settings: &ListenTls) -> Result<Arc<Inward>, StartError> {
    let inward = Inward::new(what, settings).map_err(|reason| StartError::Material {
        key: what.to_owned(),
        reason,
    })?;
    Ok(Arc::new(inward))
}

async fn bind(address: SocketAddr) -> Result<Bound, StartError> {
    server::bind_tcp(address)
        .await
        .map_err(|source| StartError::Bind {
            address: address.to_string(),
            source,
        })
}

async fn bind_unix(path: &Path) -> Result<Bound, StartError> {
    server::bind_unix(path, SOCKET_MODE)
        .await
        .map_err(|source| StartError::Bind {
            address: path.display().to_string(),
            source,
        })
}

/// Whether others than the owner can read a file.
pub(super) fn is_readable_by_others(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|there| there.permissions().mode() & 0o077 != 0)
}

//! How many files may be open: each connection is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::server::Limits;
use crate::settings::Settings;

/// For signers, the store, the logs and what else the process has open.
const OTHERS: u64 = 1_024;

/// Takes all that the system grants: usually as few as 1024 are set and far more are allowed. Without files every
/// signer would look dead, so too few are told.
pub(super) fn take_all(settings: &Settings) {
    let (now, most) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            tracing::warn!(%error, "how many files may be open is not known");
            return;
        }
    };
    if now < most
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, most, most)
    {
        tracing::warn!(now, most, %error, "no more files may be open");
        return;
    }
    let needed = needed(settings);
    if most < needed {
        tracing::warn!(
            most,
            needed,
            "few files may be open: many clients at once can keep signers from being asked; raise the limit \
             (LimitNOFILE of systemd, --ulimit nofile of docker)"
        );
    }
}

/// What all doors may hold at once, and as much again as all else needs.
fn needed(settings: &Settings) -> u64 {
    let listen = &settings.listen;
    let doors = [
        true,
        listen.https.is_some(),
        listen.tcp.is_some(),
        listen.unix.is_some(),
    ];
    let doors = doors.into_iter().filter(|open| *open).count();
    let connections = doors.saturating_mul(Limits::default().connections);
    u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHERS)
}

//! Warnings about doors that stand open to the world, and rules between doors, keys and signers.

use std::net::SocketAddr;

use super::check::Listeners;
use super::reader::{Located, Place, Reader};
use crate::settings::{AuthMode, Settings};

/// Warns of everything that lets strangers ask.
pub(super) fn warnings(reader: &mut Reader, settings: &Settings, listeners: &Listeners) {
    let signed = !settings.auth.authorized_keys.is_empty();
    let certified = settings
        .listen
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_ca.is_some());
    let doors = &listeners.doors;
    for (door, is_guarded, remedy) in [
        (
            &doors.http,
            signed,
            "listen on 127.0.0.1, or list the bakers' keys in auth.authorized-keys",
        ),
        (
            &doors.https,
            signed || certified,
            "list the bakers' keys in auth.authorized-keys, or ask for their certificates by listen.tls.client-ca",
        ),
        (
            &doors.tcp,
            signed,
            "listen on 127.0.0.1, or list the bakers' keys in auth.authorized-keys",
        ),
    ] {
        if let Some(door) = door.as_ref().filter(|door| !is_guarded && is_public(door)) {
            let problem = "whoever can reach this address can ask for signatures";
            reader.warn(&door.place, problem, remedy);
        }
    }
    let admin = &settings.admin;
    let is_open = admin.tls.is_none() || admin.token_file.is_none();
    if let Some(door) = listeners
        .admin
        .as_ref()
        .filter(|door| is_open && is_public(door))
    {
        reader.warn(
            &door.place,
            "whoever can reach this address can read the status of keys and signers",
            "listen on 127.0.0.1, or set admin.token-file and [admin.tls]",
        );
    }
    rules(reader, settings, certified);
}

fn is_public(door: &Located<SocketAddr>) -> bool {
    !door.value.ip().to_canonical().is_loopback()
}

/// What does not go together.
fn rules(reader: &mut Reader, settings: &Settings, certified: bool) {
    for (index, key) in settings.keys.iter().enumerate() {
        if key.clients.is_some() && !certified {
            reader.complain(
                &Place::of_key(format!("key[{index}].clients")),
                "bakers show no certificates",
                "set listen.https and listen.tls.client-ca",
            );
        }
    }
    let own = settings.auth.mode == AuthMode::Own;
    let has_default = settings.auth.signing_key_file.is_some();
    if has_default && !own {
        reader.complain(
            &Place::of_key("auth.signing-key-file"),
            "is used in mode own only",
            "write auth.mode = \"own\", or leave it out",
        );
    }
    if own && settings.auth.authorized_keys.is_empty() && !certified {
        reader.warn(
            &Place::of_key("auth.mode"),
            "in mode own whoever reaches a door is vouched for to the signers",
            "list the bakers' keys in auth.authorized-keys",
        );
    }
    for (index, signer) in settings.signers.iter().enumerate() {
        let place = Place::of_key(format!("signer[{index}].auth-key"));
        if signer.auth_key.is_some() && !own {
            reader.complain(
                &place,
                "is used in mode own only",
                "write auth.mode = \"own\", or leave it out",
            );
        }
        if own && !has_default && signer.auth_key.is_none() {
            reader.complain(
                &place,
                "mode own has no key to authenticate to this signer with",
                "set auth.signing-key-file, or auth-key of each signer",
            );
        }
    }
}

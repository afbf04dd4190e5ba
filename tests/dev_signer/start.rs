//! What a signer starts with: addresses and keys.

use signer_proxy::dev_signer::{Error, Listen, Options, keys_from_seed, start};
use signer_proxy::task::Tasks;
use signer_proxy::tezos::{Curve, PublicKeyHash};

use crate::harness::{Signer, attestation};

#[tokio::test]
async fn a_unix_socket_serves_and_takes_the_place_of_a_stale_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signer.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let signer = Signer::with(|options| options.listen = Listen::Unix(path.clone())).await;
    signer
        .sign(&attestation(1, 0, 0))
        .await
        .unwrap()
        .signature();

    let mut second = Options::loopback(keys_from_seed("test", &[Curve::Ed25519]));
    second.listen = Listen::Unix(path.clone());
    assert!(matches!(
        start(second, &Tasks::new()).await,
        Err(Error::Bind { .. })
    ));

    signer.tasks.begin_shutdown();
    signer.tasks.finished().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn addresses_beyond_loopback_need_force() {
    let options = || Options::loopback(keys_from_seed("test", &[Curve::Ed25519]));
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let open = Options {
        listen: Listen::Tcp(everywhere),
        ..options()
    };
    assert!(matches!(
        start(open, &Tasks::new()).await,
        Err(Error::Public(_))
    ));
    let open_control = Options {
        control: Some(everywhere),
        ..options()
    };
    assert!(matches!(
        start(open_control, &Tasks::new()).await,
        Err(Error::Public(_))
    ));
    let forced = Options {
        listen: Listen::Tcp(everywhere),
        force_public: true,
        ..options()
    };
    let tasks = Tasks::new();
    assert!(start(forced, &tasks).await.is_ok());
    tasks.begin_shutdown();
}

#[tokio::test]
async fn a_signer_without_keys_does_not_start() {
    assert!(matches!(
        start(Options::loopback(Vec::new()), &Tasks::new()).await,
        Err(Error::NoKeys)
    ));
}

#[test]
fn keys_depend_on_the_text_and_their_place_in_their_curve_alone() {
    let hashes = |curves: &[Curve]| -> Vec<PublicKeyHash> {
        keys_from_seed("text", curves)
            .iter()
            .map(|key| key.public_key().hash())
            .collect()
    };
    let [both, one] = [
        hashes(&[Curve::Ed25519, Curve::Ed25519]),
        hashes(&[Curve::P256, Curve::Ed25519]),
    ];
    assert_eq!(both[0], one[1]);
    assert_ne!(both[0], both[1]);
    assert_ne!(
        keys_from_seed("other", &[Curve::Ed25519])[0]
            .public_key()
            .hash(),
        both[0]
    );
}

//! to come
use signer_proxy::tezos::Curve;
use crate::harness::*;
#[tokio::test(flavor = "multi_thread")]
async fn direct() {
    let scene = scene::Scene::new();
    let sshd = sshd::Sshd::start(&scene).await;
    let a = signer::Signer::with_keys(&scene, "a", &["--curve","tz1,tz2,tz3,tz4","--keys-per-curve","2"]).await;
    let mut t = tunnel::Tunnel::tcp(&sshd, "t", a.port());
    t.open().await;
    let baker = baker::Baker::new(t.url().strip_prefix("http://").unwrap(), a.keys());
    let load = load::Load::new(40, 40);
    let r = load.run(&baker, 1000).await;
    r.assert_all(40);
    checker::assert_clean(&[&a], 40);
    t.kill();
    t.open().await;
    t.stall();
    t.resume();
    let mut u = tunnel::Tunnel::unix(&sshd, "t", scene.socket("a"), a.port());
    u.open().await;
    let _ = Curve::Bls;
}

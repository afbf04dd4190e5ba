//! Several proxies before the same signers, with one store in a real etcd of three members.

mod access;
mod deaths;
mod quorum;
mod reset;

use signer_proxy::tezos::{Curve, PublicKey, Signature};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::harness::baker::{Baker, Outcome};
use crate::harness::checker::judge;
use crate::harness::config::Config;
use crate::harness::direct::FLOOR;
use crate::harness::http;
use crate::harness::payload::{Kind, attestation, slot};
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;
use crate::harness::wait::until;

/// Signs anything at any time: all that stands between such a signer and two signatures are the proxies.
pub(crate) const WILLING: &[&str] = &["--no-watermark", "--random-nonce"];

/// Proxies with a state directory each, on one store.
struct Replicas {
    proxies: Vec<Proxy>,
    signers: Vec<Signer>,
    keys: Vec<PublicKey>,
    // Last, so that they outlive what uses them.
    cluster: Cluster,
    _scenes: Vec<Scene>,
}

/// `[store]` for `cluster`.
pub(crate) fn etcd_table(cluster: &Cluster) -> String {
    let endpoints: Vec<_> = cluster
        .endpoints()
        .iter()
        .map(|port| format!("\"http://127.0.0.1:{port}\""))
        .collect();
    format!(
        "[store]\nkind = \"etcd\"\nendpoints = [{}]\nprefix = \"/it\"\n",
        endpoints.join(", ")
    )
}

impl Replicas {
    async fn start(members: usize, proxies: usize) -> Self {
        Self::start_with(members, proxies, "").await
    }

    /// The same, with more of a configuration.
    async fn start_with(members: usize, proxies: usize, more: &str) -> Self {
        let cluster = Cluster::start(members).await;
        let mut scenes = vec![Scene::new()];
        let mut signers = Vec::new();
        for name in ["home-a", "home-b"] {
            signers.push(Signer::start(&scenes[0], name, WILLING).await);
        }
        let keys = signers[0].keys().to_vec();
        let store = format!("{}timeout = \"700ms\"\n{more}", etcd_table(&cluster));
        let mut all = Vec::new();
        for _ in 0..proxies {
            let scene = Scene::new();
            let mut config = Config::new(&scene).table(&store).keys(&keys);
            for (signer, priority) in signers.iter().zip(1..) {
                let url = format!("http://{}", signer.address());
                config = config.signer(
                    ["", "home-a", "home-b"][priority],
                    u8::try_from(priority).unwrap(),
                    "",
                    &[url],
                );
            }
            all.push(Proxy::new(config));
            scenes.push(scene);
        }
        all[0].init(&keys, FLOOR).await;
        for proxy in &mut all {
            std::fs::create_dir_all(&proxy.config.state).unwrap();
            proxy.start().await;
            proxy.until_signers(&["home-a", "home-b"], "up").await;
        }
        Self {
            proxies: all,
            signers,
            keys,
            cluster,
            _scenes: scenes,
        }
    }

    /// Asks one replica.
    async fn ask(&self, replica: usize, key: &PublicKey, bytes: &[u8]) -> Outcome {
        let baker = self.proxies[replica].baker(&self.keys);
        baker.sign(key, bytes).await
    }

    /// Fails on two payloads for one slot at any signer.
    fn assert_no_conflict(&self) {
        let signers: Vec<_> = self.signers.iter().collect();
        judge(&signers).unwrap_or_else(|conflicts| panic!("{conflicts:#?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_at_any_replica_gets_the_one_signature_and_other_bytes_are_refused_at_all() {
    let all = Replicas::start(3, 3).await;
    for key in &all.keys {
        let vote = |fill| attestation(FLOOR + 1).bytes(key.curve(), fill);
        let first = all.ask(0, key, &vote(1)).await.signature();
        for replica in [1, 2, 0] {
            let again = all.ask(replica, key, &vote(1)).await.signature();
            assert_eq!(again, first);
            let refused = all.ask(replica, key, &vote(2)).await.refusal(409);
            assert!(refused.starts_with("[watermark] "), "{refused}");
        }
    }
    let received = all.signers[0].received().await + all.signers[1].received().await;
    assert_eq!(received, all.keys.len());
    let status = all.proxies[0].command(&["status"], &[]).await.stdout;
    let store = "store etcd (shared with other proxies) ready";
    assert!(status.contains(store), "{status}");
    all.assert_no_conflict();
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_at_two_replicas_end_in_one_signature_and_one_call_of_the_device() {
    let all = Replicas::start(1, 2).await;
    let key = all
        .keys
        .iter()
        .find(|key| key.curve() == Curve::P256)
        .unwrap();
    let mut received = 0;
    for level in 1..=5 {
        let bytes = attestation(FLOOR + level).bytes(key.curve(), 1);
        let (one, two) = tokio::join!(all.ask(0, key, &bytes), all.ask(1, key, &bytes));
        assert_eq!(one.signature(), two.signature());
        received += 1;
    }
    let there = all.signers[0].received().await + all.signers[1].received().await;
    assert_eq!(there, received);
    all.assert_no_conflict();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_requests_are_held_and_go_on_when_it_is_back() {
    let mut all = Replicas::start(3, 1).await;
    let key = all.keys[0].clone();
    let bytes = |level| slot(Kind::Block, FLOOR + level, 4).bytes(key.curve(), 1);
    let first = all.ask(0, &key, &bytes(1)).await.signature();
    all.cluster.members[0].kill();
    all.cluster.members[1].kill();
    // What was signed is given, what is known is told, the port stays ready.
    assert_eq!(all.ask(0, &key, &bytes(1)).await.signature(), first);
    let ready = all.proxies[0].ready().await;
    assert_eq!(ready, 200);
    // A balancer that has others to ask is told.
    let reaches = async |wanted| {
        let answer = http::get(&all.proxies[0].admin(), "/readyz/store").await;
        answer.is_ok_and(|answer| answer.status == wanted)
    };
    until("the store to be out of reach", async || {
        reaches(503).await.then_some(())
    })
    .await;
    let baker = all.proxies[0].baker(&all.keys);
    let mut held = JoinSet::new();
    let (asked, next) = (key.clone(), bytes(2));
    held.spawn(async move { baker.sign(&asked, &next).await });
    let begun = Instant::now();
    all.cluster.start_all();
    let signed = held.join_next().await.unwrap().unwrap();
    signed.signature();
    println!(
        "signed {:?} after the members were started again",
        begun.elapsed()
    );
    assert!(reaches(200).await);
    all.assert_no_conflict();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_told_to_end_without_a_quorum_ends() {
    let mut all = Replicas::start_with(3, 1, "[deadline]\nconsensus = \"1s\"").await;
    let key = all.keys[0].clone();
    all.cluster.members[0].kill();
    all.cluster.members[1].kill();
    let bytes = attestation(FLOOR + 1).bytes(key.curve(), 1);
    let refused = all.ask(0, &key, &bytes).await.refusal(500);
    assert!(refused.starts_with("[store] "), "{refused}");
    // The claim has no outcome and never will have one.
    all.proxies[0].stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_lost_everything_is_accepted_replica_by_replica_and_signs_above_what_was_signed()
 {
    let mut all = Replicas::start(1, 2).await;
    let key = all.keys[0].clone();
    let bytes = |level, fill| attestation(FLOOR + level).bytes(key.curve(), fill);
    all.ask(0, &key, &bytes(5, 1)).await.signature();
    for proxy in &mut all.proxies {
        proxy.stop().await;
    }
    all.cluster.kill_all();
    std::fs::remove_dir_all(&all.cluster.members[0].data).unwrap();
    all.cluster.start_all();
    all.cluster.ready().await;
    for proxy in &mut all.proxies {
        proxy.start_refusing().await;
    }
    for replica in [0, 1] {
        let refused = all.ask(replica, &key, &bytes(5, 2)).await.refusal(500);
        assert!(
            refused.starts_with("[store] ") && refused.contains("watermark accept"),
            "{refused}"
        );
    }
    let level = (FLOOR + 4).to_string();
    let mut lineage: Option<String> = None;
    for proxy in &mut all.proxies {
        proxy.stop().await;
        let mut arguments = vec!["--level", &level];
        if let Some(lineage) = &lineage {
            arguments.extend(["--lineage", lineage]);
        }
        let accepted = proxy.command(&["watermark", "accept"], &arguments).await;
        let told = accepted.ok().stdout;
        let (_, rest) = told.split_once("lineage of the accepted store: ").unwrap();
        let stands = rest.lines().next().unwrap().to_owned();
        let before = lineage.replace(stands);
        assert!(
            before.is_none() || before == lineage,
            "{before:?}, {lineage:?}"
        );
        proxy.start().await;
        proxy.until_signers(&["home-a", "home-b"], "up").await;
    }
    for replica in [0, 1] {
        // What was signed lies above the level, and the witness knows it.
        all.ask(replica, &key, &bytes(5, 2)).await.refusal(409);
    }
    all.ask(0, &key, &bytes(6, 1)).await.signature();
    all.ask(1, &key, &bytes(6, 2)).await.refusal(409);
    all.assert_no_conflict();
}

/// Asks for one signature as a balancer lets a baker do: a replica that does not answer, or cannot now, is left for the
/// next one, with the same bytes.
pub(crate) async fn ask_on(
    bakers: &[Baker],
    first: usize,
    key: &PublicKey,
    bytes: &[u8],
) -> Option<Signature> {
    for step in 0..bakers.len() {
        let baker = &bakers[(first + step) % bakers.len()];
        let outcome = baker.sign(key, bytes).await;
        if outcome.signature.is_ok() || outcome.status == Some(409) {
            return outcome.signature.ok();
        }
    }
    None
}

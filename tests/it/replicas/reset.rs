//! `watermark reset` on a store in etcd, from the command line.

use crate::harness::direct::FLOOR;
use crate::harness::payload::attestation;

use super::Replicas;

/// The lineage that `text` tells.
fn lineage(text: &str, before: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{text}"));
    rest.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_watermark_too_high_begins_anew_and_the_other_replica_stops() {
    let mut all = Replicas::start(1, 2).await;
    let key = all.keys[0].clone();
    let bytes = |level, fill| attestation(FLOOR + level).bytes(key.curve(), fill);
    all.ask(0, &key, &bytes(500, 1)).await.signature();
    let hash = key.hash().to_string();
    let proxy = &mut all.proxies[0];
    proxy.stop().await;
    let shown = proxy.command(&["watermark", "show"], &[]).await.ok().stdout;
    let was = lineage(&shown, "lineage");
    let was = was.trim_matches(|c: char| !c.is_ascii_hexdigit());
    let (low, seen) = ((FLOOR + 100).to_string(), (FLOOR + 500).to_string());
    let reset = async |lineage: &str, level: &str, more: &[&str]| {
        let given = [
            "--danger",
            "--lineage",
            lineage,
            "--key",
            &hash,
            "--level",
            level,
        ];
        proxy
            .command(&["watermark", "reset"], &[&given, more].concat())
            .await
    };
    let other = reset("0011223344556677", &low, &["--below-head"]).await;
    assert!(
        other.stderr.contains("is not the lineage of this store"),
        "{other:?}"
    );
    let below = reset(was, &low, &[]).await;
    assert!(below.stderr.contains(&format!("level {seen}")), "{below:?}");
    let done = reset(was, &low, &["--below-head"]).await.ok().stdout;
    for part in [
        "what it held was saved as",
        "begins anew",
        "every other replica",
        "the witness before is kept as",
    ] {
        assert!(done.contains(part), "{part}: {done}");
    }
    assert_ne!(lineage(&done, "lineage of the new store: "), was);
    proxy.start().await;
    proxy.until_signers(&["home-a", "home-b"], "up").await;
    all.ask(0, &key, &bytes(101, 2)).await.signature();
    let refused = all.ask(1, &key, &bytes(600, 1)).await.refusal(500);
    assert!(
        refused.contains("was accepted or reset at another replica"),
        "{refused}"
    );
}

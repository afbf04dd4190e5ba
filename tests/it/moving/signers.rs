//! Watermarks of octez-signer and Signatory, as their files are found on a disk.

use std::path::PathBuf;

use crate::harness::checker;

use super::*;

/// A folder of the scene with these files.
fn folder(scene: &Scene, name: &str, files: &[(&str, String)]) -> PathBuf {
    let folder = scene.file(name);
    for (name, content) in files {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    folder
}

fn octez(key: &PublicKey, level: u32) -> String {
    let hash = "1f".repeat(32);
    format!(
        "{{ \"NetXdQprcVkpaWU\":\n  {{ \"{}\": {{ \"level\": {level}, \"round\": 0, \"hash\": \"{hash}\" }} }} }}",
        key.hash()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watermarks_of_octez_signer_are_taken_over() {
    let all = Direct::cold(&[&[]], "", "").await;
    let key = all.key(CURVE);
    let source = folder(
        &all.scene,
        "octez",
        &[
            ("block_high_watermarks", octez(&key, 2_000)),
            ("attestation_high_watermarks", octez(&key, 2_010)),
            ("endorsement_high_watermarks", octez(&key, 1_500)),
            ("secret_keys", "no watermarks".to_owned()),
            ("wallet_lock", String::new()),
        ],
    );
    for (arguments, code, said) in [
        (&[][..], 1, "octez-signer may still sign"),
        (&["--stopped-at", "2009"], 1, "--stopped-at 2009 cannot be"),
        (&["--stopped-at", "soon"], 64, "a level is a whole number"),
    ] {
        let refused = import(&all.proxy, &source, arguments).await;
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.stderr.contains(said), "{refused:?}");
        assert!(!all.proxy.config.state.exists());
    }
    let dry = import(&all.proxy, &source, &["--stopped-at", "2020", "--dry-run"])
        .await
        .ok();
    assert_eq!(
        dry.stdout.matches("none -> level 2020 all rounds").count(),
        5,
        "{dry:?}"
    );
    assert!(dry.stdout.contains("nothing was changed"), "{dry:?}");
    assert!(!all.proxy.config.state.exists());
    import(&all.proxy, &source, &["--stopped-at", "2020"])
        .await
        .ok();
    let mut proxy = all.proxy;
    proxy.start().await;
    proxy.until_signers(&["home-a"], "up").await;
    for slot in [attestation(2_020), block(2_020)] {
        assert!(!signs(&proxy, &key, slot, 1, "[watermark]").await);
    }
    for slot in [attestation(2_021), block(2_021)] {
        assert!(signs(&proxy, &key, slot, 1, "").await);
    }
    // Once more it changes nothing, through the running proxy too.
    let again = import(&proxy, &source, &["--stopped-at", "2020"])
        .await
        .ok();
    assert!(
        again.stdout.contains("no watermark had to be changed"),
        "{again:?}"
    );
    assert!(
        again
            .stdout
            .contains("level 2021 round 0, stays (the source has"),
        "{again:?}"
    );
    checker::assert_clean(&[&all.signers[0]], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watermarks_of_signatory_are_taken_over() {
    let all = Direct::cold(&[&[]], "", "").await;
    let key = all.key(CURVE);
    let mark = |level| format!("{{ \"level\": {level}, \"round\": 0, \"hash\": null }}");
    let content = format!(
        "{{\n    \"{}\": {{\n        \"attestation\": {},\n        \"block\": {}\n    }}\n}}",
        key.hash(),
        mark(3_000),
        mark(3_001)
    );
    let files = [
        ("watermark_v2/NetXdQprcVkpaWU.json", content),
        ("signatory.yaml", "x".to_owned()),
    ];
    let base = folder(&all.scene, "signatory", &files);
    let below = base.join("watermark_v2");
    let mut plans = Vec::new();
    for source in [&base, &below, &below.join("NetXdQprcVkpaWU.json")] {
        let dry = import(&all.proxy, source, &["--stopped-at", "3001", "--dry-run"]).await;
        plans.push(dry.ok().stdout);
    }
    assert!(plans[0].starts_with("from Signatory:"), "{plans:?}");
    let strange = below.join("NetXdQprcVkpaWV.json");
    std::fs::write(&strange, "{}").unwrap();
    for source in [&base, &below] {
        let refused = import(&all.proxy, source, &["--stopped-at", "3001"]).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = "NetXdQprcVkpaWV.json: not a file of watermarks";
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    std::fs::remove_file(&strange).unwrap();
    assert!(plans.iter().all(|plan| *plan == plans[0]), "{plans:?}");
    import(&all.proxy, &base, &["--stopped-at", "3001"])
        .await
        .ok();
    let mut proxy = all.proxy;
    proxy.start().await;
    proxy.until_signers(&["home-a"], "up").await;
    assert!(!signs(&proxy, &key, attestation(3_001), 1, "[watermark]").await);
    assert!(signs(&proxy, &key, attestation(3_002), 1, "").await);
    checker::assert_clean(&[&all.signers[0]], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_source_with_one_bad_file_nothing_is_imported() {
    let all = Direct::cold(&[&[]], "", "").await;
    let key = all.key(CURVE);
    let good = ("block_high_watermarks", octez(&key, 2_000));
    let cut = octez(&key, 2_000).replace(" } } }", "");
    for (nth, (name, content, said)) in [
        (
            "attestation_high_watermarks",
            String::new(),
            "the file is empty",
        ),
        ("attestation_high_watermarks", cut, "not JSON"),
        (
            "attestation_high_watermarks",
            octez(&key, 1).replace("tz1", "tz1x"),
            "is not a public key hash",
        ),
        (
            "ballot_high_watermarks",
            octez(&key, 1),
            "is not a file that octez-signer is known to write",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let source = folder(
            &all.scene,
            &format!("bad-{nth}"),
            &[good.clone(), (name, content)],
        );
        let refused = import(&all.proxy, &source, &["--stopped-at", "2020"]).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.stderr.contains(name) && refused.stderr.contains(said),
            "{refused:?}"
        );
        assert!(!all.proxy.config.state.exists());
    }
    let empty = folder(
        &all.scene,
        "empty",
        &[("watermark_v1/NetXdQprcVkpaWU.json", "{}".to_owned())],
    );
    let refused = import(&all.proxy, &empty, &["--stopped-at", "2020"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("no file of watermarks here"),
        "{refused:?}"
    );
    assert!(
        refused
            .stderr
            .contains("watermark_v1 is of an old Signatory"),
        "{refused:?}"
    );
    let missing = import(&all.proxy, Path::new("/nonexistent"), &[]).await;
    assert_eq!(missing.code, Some(74), "{missing:?}");
}

//! A healthy signer: what it shows, signs and refuses.

use signer_proxy::dev_signer::log::{Event, check};
use signer_proxy::dev_signer::{Faults, keys_from_seed};
use signer_proxy::tezos::{
    Curve, Scheme, SecretKey, Signature, authentication_bytes, sign_body, verify, verify_possession,
};

use crate::harness::{Signer, attestation, block, bls_attestation, post, preattestation};

#[tokio::test]
async fn it_shows_its_keys() {
    let signer = Signer::start(Faults::default()).await;
    for public in signer.running.public_keys() {
        let answer = signer
            .get(&format!("/keys/{}", public.hash()))
            .await
            .unwrap();
        assert_eq!(answer.json()["public_key"], public.to_string());
        assert!(
            answer.head.contains("content-type: application/json"),
            "{answer:?}"
        );
        assert!(answer.head.contains("content-length: "), "{answer:?}");
    }
    let known = signer.get("/known_keys").await.unwrap().json();
    assert_eq!(known["known_keys"].as_array().unwrap().len(), 4);
    assert_eq!(
        signer.get("//authorized_keys").await.unwrap().json(),
        serde_json::json!({})
    );
}

#[tokio::test]
async fn it_answers_wrong_requests_in_the_octez_dialect() {
    let signer = Signer::start(Faults::default()).await;
    let unknown = keys_from_seed("other", &[Curve::Ed25519])[0]
        .public_key()
        .hash();
    let missing = signer.get(&format!("/keys/{unknown}")).await.unwrap();
    assert_eq!((missing.status, missing.body.as_str()), (404, ""));
    let refused = signer
        .sign_at(&format!("/keys/{unknown}"), &attestation(1, 0, 0))
        .await
        .unwrap();
    assert!(refused.refusal().contains(&unknown.to_string()));

    let malformed = signer.get("/keys/tz1nonsense").await.unwrap();
    assert_eq!(malformed.status, 400);
    assert!(
        malformed.head.contains("content-type: text/plain"),
        "{malformed:?}"
    );
    assert_eq!(signer.get("/elsewhere").await.unwrap().status, 404);
    let wrong_method = signer.send(&post("/authorized_keys", "")).await.unwrap();
    assert_eq!(wrong_method.status, 405);
    assert!(wrong_method.head.contains("allow: get"), "{wrong_method:?}");

    let path = format!("/keys/{}", signer.key(Curve::Ed25519));
    assert_eq!(
        signer.send(&post(&path, "\"zz\"")).await.unwrap().status,
        400
    );
    let body = sign_body(&attestation(1, 0, 0));
    assert_eq!(
        signer
            .send(&post(&format!("{path}?version=9"), &body))
            .await
            .unwrap()
            .status,
        400
    );
    let binary = post(&path, &body).replace("application/json", "text/html");
    assert_eq!(signer.send(&binary).await.unwrap().status, 415);
    assert_eq!(
        signer
            .send(&post(&path, &"0".repeat(70_000)))
            .await
            .unwrap()
            .status,
        413
    );
}

#[tokio::test]
async fn every_curve_signs_blocks_and_votes_with_valid_signatures() {
    let signer = Signer::start(Faults::default()).await;
    for public in signer.running.public_keys() {
        let (scheme, vote) = match public.curve() {
            Curve::Bls => (Scheme::Pop, bls_attestation(5)),
            Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa => {
                (Scheme::Standard, attestation(5, 0, 1))
            }
        };
        for bytes in [block(5), vote] {
            let answer = signer
                .sign_at(&format!("/keys/{}?version=3", public.hash()), &bytes)
                .await
                .unwrap();
            assert_eq!(
                verify(&public, scheme, &bytes, &answer.signature()),
                Ok(()),
                "{public}"
            );
        }
    }
}

#[tokio::test]
async fn a_chunked_body_is_read() {
    let signer = Signer::start(Faults::default()).await;
    let body = sign_body(&attestation(1, 0, 0));
    let (first, rest) = body.split_at(7);
    let request = format!(
        "POST /keys/{} HTTP/1.1\r\nhost: signer\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
         7\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
        signer.key(Curve::Ed25519),
        rest.len()
    );
    signer.send(&request).await.unwrap().signature();
}

#[tokio::test]
async fn only_consensus_payloads_of_listed_chains_are_signed() {
    let signer = Signer::start(Faults::default()).await;
    assert_eq!(
        signer.sign(&[0x03; 64]).await.unwrap().refusal(),
        "magic byte 0x03 not allowed"
    );
    assert_eq!(
        signer.sign(&[0x05; 64]).await.unwrap().refusal(),
        "magic byte 0x05 not allowed"
    );
    let mut elsewhere = attestation(1, 0, 0);
    elsewhere[1] ^= 1;
    assert!(
        signer
            .sign(&elsewhere)
            .await
            .unwrap()
            .refusal()
            .starts_with("chain Net")
    );
    let cut = attestation(1, 0, 0);
    signer.sign(&cut[..40]).await.unwrap().refusal();
    assert_eq!(signer.sign(&[]).await.unwrap().status, 500);
    assert!(!signer.events().contains(&Event::Signed));
}

#[tokio::test]
async fn the_watermark_replays_equal_bytes_and_refuses_others() {
    let signer = Signer::start(Faults::default()).await;
    let first = signer
        .sign(&attestation(5, 1, 1))
        .await
        .unwrap()
        .signature();
    assert_eq!(
        signer
            .sign(&attestation(5, 1, 1))
            .await
            .unwrap()
            .signature(),
        first
    );
    let table = [
        (
            attestation(5, 1, 2),
            "attestation level 5 and round 1 already signed with different data",
        ),
        (
            attestation(5, 0, 1),
            "attestation level 5 and round 0 not above high watermark (5,1)",
        ),
        (
            attestation(4, 9, 1),
            "attestation level 4 below high watermark 5",
        ),
    ];
    for (bytes, sentence) in table {
        assert_eq!(signer.sign(&bytes).await.unwrap().refusal(), sentence);
    }
    signer
        .sign(&preattestation(4, 0, 1))
        .await
        .unwrap()
        .signature();
    signer.sign(&block(4)).await.unwrap().signature();
    signer
        .sign(&attestation(6, 0, 1))
        .await
        .unwrap()
        .signature();
}

#[tokio::test]
async fn tz4_signs_under_the_scheme_of_the_version() {
    let signer = Signer::start(Faults::default()).await;
    let public = signer.public_key(Curve::Bls);
    for (level, version, scheme) in [
        (1, "", Scheme::Pop),
        (2, "?version=1", Scheme::Aug),
        (3, "?version=2", Scheme::Pop),
        (4, "?version=3", Scheme::Pop),
    ] {
        let bytes = bls_attestation(level);
        let answer = signer
            .sign_at(&format!("/keys/{}{version}", public.hash()), &bytes)
            .await
            .unwrap();
        assert_eq!(
            verify(&public, scheme, &bytes, &answer.signature()),
            Ok(()),
            "{version}"
        );
    }
    let old = signer
        .sign_at(
            &format!("/keys/{}?version=0", public.hash()),
            &bls_attestation(9),
        )
        .await
        .unwrap();
    old.refusal();
}

#[tokio::test]
async fn tz4_keys_prove_their_possession() {
    let signer = Signer::start(Faults::default()).await;
    let public = signer.public_key(Curve::Bls);
    let proof = |text: &serde_json::Value| {
        Signature::parse(text["bls_prove_possession"].as_str().unwrap())
            .unwrap()
            .0
    };
    let path = format!("/bls_prove_possession/{}", public.hash());
    let own = signer.get(&path).await.unwrap().json();
    assert_eq!(verify_possession(&public, None, &proof(&own)), Ok(()));

    let other = keys_from_seed("other", &[Curve::Bls])[0]
        .public_key()
        .clone();
    let of_other = signer
        .get(&format!("{path}?bls_pk={other}"))
        .await
        .unwrap()
        .json();
    assert_eq!(
        verify_possession(&public, Some(&other), &proof(&of_other)),
        Ok(())
    );

    let tz1 = format!("/bls_prove_possession/{}", signer.key(Curve::Ed25519));
    assert_ne!(signer.get(&tz1).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_demanded_authentication_must_be_by_a_listed_key() {
    let baker = keys_from_seed("baker", &[Curve::Ed25519]).remove(0);
    let stranger = keys_from_seed("stranger", &[Curve::Ed25519]).remove(0);
    let signer = Signer::with(|options| {
        options.authorized_keys = vec![baker.public_key().clone()];
        options.faults.demand_authentication = true;
    })
    .await;
    let listed = signer.get("/authorized_keys").await.unwrap().json();
    assert_eq!(
        listed["authorized_keys"],
        serde_json::json!([baker.public_key().hash().to_string()])
    );

    let (key, bytes) = (signer.key(Curve::Ed25519), attestation(1, 0, 0));
    let by = |secret: &SecretKey| {
        let text = secret
            .sign(Scheme::Standard, &authentication_bytes(&key, &bytes))
            .encode(Curve::Ed25519);
        format!("/keys/{key}?authentication={text}")
    };
    let missing = signer.sign(&bytes).await.unwrap().refusal();
    assert_eq!(missing, "missing authentication signature field");
    let wrong = signer
        .sign_at(&by(&stranger), &bytes)
        .await
        .unwrap()
        .refusal();
    assert_eq!(wrong, "invalid authentication signature");
    signer
        .sign_at(&by(&baker), &bytes)
        .await
        .unwrap()
        .signature();
}

#[tokio::test]
async fn the_log_file_holds_every_payload_and_its_judge_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("a.log"), folder.path().join("b.log")];
    let a = Signer::with(|options| options.log = Some(files[0].clone())).await;
    let b = Signer::with(|options| options.log = Some(files[1].clone())).await;
    a.sign(&attestation(5, 0, 1)).await.unwrap().signature();
    a.sign(&attestation(5, 0, 1)).await.unwrap().signature();
    b.sign(&attestation(5, 0, 1)).await.unwrap().signature();
    b.sign(&[0x03; 64]).await.unwrap().refusal();
    assert_eq!(
        a.events(),
        [
            Event::Received,
            Event::Signed,
            Event::Received,
            Event::Replayed
        ]
    );
    let summary = check(&files).unwrap();
    assert_eq!(
        (
            summary.entries,
            summary.received,
            summary.signed,
            summary.slots
        ),
        (8, 4, 2, 1)
    );

    // The same slot with other data: refused by its signer, and still a conflict, because it was sent.
    a.sign(&attestation(5, 0, 2)).await.unwrap().refusal();
    assert_eq!(check(&files).unwrap_err().len(), 1);
}

//! Damaged payloads and payloads from a far future.

use std::fmt::Write as _;

use signer_proxy::dev_signer::log::Event;
use signer_proxy::tezos::{Curve, PublicKey};

use crate::harness::config::Config;
use crate::harness::direct::{Direct, FLOOR, NAMES};
use crate::harness::http;
use crate::harness::payload::{attestation, block};
use crate::harness::proxy::Proxy;
use crate::harness::scene::Scene;
use crate::harness::signer::Signer;

/// Payloads of real bakers: name, curve, chain, kind, level, round, bytes.
const VECTORS: &str = include_str!("vectors.txt");

struct Vector {
    name: &'static str,
    curve: Curve,
    chain: &'static str,
    kind: &'static str,
    level: u32,
    round: u32,
    bytes: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let mut vectors: Vec<_> = VECTORS.lines().map(parse).collect();
    // As they would be asked for; a stream only goes up.
    vectors.sort_by_key(|vector| (vector.level, vector.round));
    vectors
}

fn parse(line: &'static str) -> Vector {
    let words: Vec<_> = line.split(' ').collect();
    let mut curves = Curve::ALL.into_iter();
    let curve = curves.find(|curve| curve.name() == words[1]);
    Vector {
        name: words[0],
        curve: curve.unwrap(),
        chain: words[2],
        kind: words[3],
        level: words[4].parse().unwrap(),
        round: words[5].parse().unwrap(),
        bytes: hex::decode(words[6]).unwrap(),
    }
}

impl Vector {
    fn is_block(&self) -> bool {
        self.kind == "block"
    }

    /// Where level and round stand.
    fn fields(&self) -> (usize, usize) {
        match (self.is_block(), self.curve) {
            (true, _) => (5, 83 + usize::from(self.bytes[86])),
            (false, Curve::Bls) => (38, 42),
            (false, _) => (40, 44),
        }
    }

    /// The payload with `field` at `offset`.
    fn with(&self, offset: usize, field: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[offset..offset + 4].copy_from_slice(&field.to_be_bytes());
        bytes
    }

    /// Payloads that are almost this one and must never be signed, each with what was done to it.
    fn damaged(&self) -> Vec<(String, Vec<u8>)> {
        let (level, round) = self.fields();
        let mut damaged = vec![
            ("negative level".to_owned(), self.with(level, 0x8000_0001)),
            ("negative round".to_owned(), self.with(round, u32::MAX)),
            ("round 1001".to_owned(), self.with(round, 1_001)),
        ];
        // What may be cut off is opaque to a parser, or of variable length.
        let shortest = match self.name {
            "B3" => 198,
            "D1" => 81,
            _ => self.bytes.len(),
        };
        for length in [1, 4, 5, 37, 38, 46, 48, shortest - 1] {
            damaged.push((format!("cut to {length}"), self.bytes[..length].to_vec()));
        }
        if self.is_block() {
            damaged.push((
                "level of the fitness".to_owned(),
                self.with(96, self.level + 1),
            ));
            damaged.push((
                "level of the header".to_owned(),
                self.with(5, self.level + 1),
            ));
            damaged.push(("no fitness".to_owned(), self.with(83, 0)));
            damaged.push(("endless fitness".to_owned(), self.with(83, u32::MAX)));
            // Lengths and the version within the fitness.
            damaged.extend([86, 90, 91, 95, 103].map(|at| self.flipped(at)));
        } else {
            damaged.push(self.flipped(37));
            if self.name != "D1" {
                let longer = [&self.bytes[..], &[0]].concat();
                damaged.push(("a byte more".to_owned(), longer));
            }
        }
        damaged
    }

    fn flipped(&self, at: usize) -> (String, Vec<u8>) {
        let mut bytes = self.bytes.clone();
        bytes[at] ^= 0x40;
        (format!("byte {at}"), bytes)
    }
}

/// A proxy that signs for all chains of the vectors, with watermarks below them.
async fn start(scene: &Scene) -> (Signer, Proxy) {
    let vectors = vectors();
    let mut arguments = vec!["--curve", "tz1,tz4"];
    let mut chains: Vec<_> = vectors.iter().map(|vector| vector.chain).collect();
    chains.sort_unstable();
    chains.dedup();
    let mut tables = "[guard]\nlevel-gap = 1000000".to_owned();
    for chain in &chains {
        arguments.extend(["--chain", *chain]);
        write!(tables, "\n[[chain]]\nid = \"{chain}\"").unwrap();
    }
    let signer = Signer::with_keys(scene, NAMES[0], &arguments).await;
    let url = format!("http://{}", signer.address());
    let config = Config::new(scene).table(&tables).keys(signer.keys());
    let mut proxy = Proxy::new(config.signer(NAMES[0], 1, "", &[url]));
    for key in signer.keys() {
        for chain in &chains {
            proxy.init_on(key, chain, 1).await;
        }
    }
    proxy.start().await;
    proxy.until_signers(&NAMES[..1], "up").await;
    (signer, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_payloads_are_refused_and_never_reach_a_signer() {
    let scene = Scene::new();
    let (signer, proxy) = start(&scene).await;
    let baker = proxy.baker(signer.keys());
    let mut tried = 0;
    for vector in vectors() {
        let key = signer.key(vector.curve);
        for (what, bytes) in vector.damaged() {
            let answer = baker.post(&key, "?version=3", &bytes).await.unwrap();
            assert_eq!(answer.status, 400, "{} {what}: {answer:?}", vector.name);
            let refusal = answer.refusal(400);
            assert!(refusal.starts_with("[malformed] "), "{refusal}");
            tried += 1;
        }
        if !vector.is_block() {
            // The layout of the other curve.
            let other = if vector.curve == Curve::Bls {
                Curve::Ed25519
            } else {
                Curve::Bls
            };
            let key = signer.key(other);
            let answer = baker.post(&key, "?version=3", &vector.bytes).await.unwrap();
            answer.refusal(400);
        }
    }
    assert!(tried > 200, "{tried}");
    assert_eq!(signer.counts().await.sign, 0);

    // Nothing of it has moved a floor: the vectors themselves are signed, at the positions they state.
    for vector in vectors() {
        let key = signer.key(vector.curve);
        baker.sign(&key, &vector.bytes).await.signature();
        let newest = signer.entries().await.pop().unwrap();
        assert_eq!(newest.event, Event::Signed);
        let chain = newest.chain.map(|chain| chain.to_string());
        assert_eq!(
            (
                chain.as_deref(),
                &newest.kind[..],
                newest.level,
                newest.round
            ),
            (
                Some(vector.chain),
                vector.kind,
                Some(vector.level),
                Some(vector.round)
            ),
            "{}",
            vector.name
        );
    }
}

/// Attests every thousandth level up to `distance` above the floor.
async fn attest_up_to(all: &Direct, key: &PublicKey, distance: u32) {
    for level in (FLOOR + 1_000..=FLOOR + distance).step_by(1_000) {
        let bytes = attestation(level).bytes(key.curve(), 1);
        all.baker.sign(key, &bytes).await.signature();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baker_that_rarely_proposes_may_propose() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Secp256k1);
    let first = block(FLOOR + 1).bytes(Curve::Secp256k1, 1);
    all.baker.sign(&key, &first).await.signature();
    attest_up_to(&all, &key, 150_000).await;
    let next = block(FLOOR + 150_001).bytes(Curve::Secp256k1, 1);
    all.baker.sign(&key, &next).await.signature();
    all.assert_clean(152);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_from_the_far_future_are_refused_however_many_come() {
    let all = Direct::start(&[&[]]).await;
    let key = all.key(Curve::Ed25519);
    for step in 1..=10 {
        let bytes = attestation(FLOOR + step * 90_000).bytes(Curve::Ed25519, 1);
        let refusal = all.baker.sign(&key, &bytes).await.refusal(409);
        assert!(refusal.starts_with("[watermark] "), "{refusal}");
    }
    assert_eq!(all.signers[0].counts().await.sign, 0);
    let bytes = attestation(FLOOR + 1).bytes(Curve::Ed25519, 1);
    all.baker.sign(&key, &bytes).await.signature();
    all.assert_clean(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_two_parsers_would_read_differently_is_refused() {
    let all = Direct::start(&[&[]]).await;
    let (key, address) = (all.key(Curve::Ed25519), all.baker.address());
    let first = hex::encode(attestation(FLOOR + 1).bytes(Curve::Ed25519, 1));
    let second = hex::encode(attestation(FLOOR + 1).bytes(Curve::Ed25519, 2));
    let path = format!("/keys/{}", key.hash());
    let sized = http::sized_post(address, &path, &format!("\"{first}\""));
    let chunked = format!("{:x}\r\n\"{second}\"\r\n0\r\n\r\n", second.len() + 2);
    let both = sized.replacen("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n", 1);
    let both = both.replace(&format!("\"{first}\""), &chunked);
    let twice = sized.replacen("content-length", "content-length: 3\r\ncontent-length", 1);
    for request in [both, twice] {
        let answer = http::exchange(address, &request).await.unwrap();
        let refusal = answer.refusal(400);
        assert!(refusal.starts_with("[malformed] "), "{refusal}");
    }
    assert_eq!(all.signers[0].counts().await.sign, 0);
}

//! Payloads of real bakers, decoded through the public interface, and what damage does to them.
#![cfg(test)]

use std::ops::Range;

use proptest::prelude::*;
use signer_proxy::tezos::{
    ConsensusKind, ConsensusPayload, Curve, Level, Payload, PayloadError, Position, PublicKeyHash,
    Round, authentication_bytes, digest,
};

/// Name, key, chain, kind, level, round and payload. B2 is locked, B3 has a seed nonce hash, D1 attests
/// slots; A, B and P were captured, D and L are Octez samples behind a chain id.
const VECTORS: &str = "
B1 tz1 NetXxkAx4woPLyu block 20878 0 11ed9d217c0000518e0118425847ac255b6d7c30ce8fec23b8eaf13b741de7d18509ac2ef83c741209630000000061947af504805682ea5d089837764b3efcc90b91db24294ff9ddb66019f332ccba17cc4741000000210000000102000000040000518e0000000000000004ffffffff0000000400000000eb1320a71e8bf8b0162a3ec315461e9153a38b70d00d5dde2df85eb92748f8d068d776e356683a9e23c186ccfb72ddc6c9857bb1704487972922e7c89a7121f800000000a8e1dd3c000000000000
B2 tz1 NetXdQprcVkpaWU block 11 6 117a06a7700000000b01d1c454c941a0fcbe34d309c279c401cfc1ed289313526986bcb95e036fd008b400000000619f5ac10484affb4fd02e659d927e1e4d2cdfbf2a529e5584415b5225b29c43b43459f0ee000000250000000102000000040000000b000000040000000500000004ffffffee0000000400000006c46f17069d60e70dd57878f68355c4123b2028b200a4c452361bae523175d47400d0f19b5e0b0bd159f6f7e409d5984bf809bfb588b8852b9973e096b0e797860000000506088de5000000000000
B3 tz1 NetXdQprcVkpaWU block 12 0 117a06a7700000000c0272b9c070cec8364f71d3361b0196ff250451241dc70933fefbda3b4c0eff329700000000619d27ce0401589994c43f991baf797f80702ba7f11075ea11eaed813c3b2eaf769b42ca30000000210000000102000000040000000c0000000000000004ffffffff0000000400000000c146ae2d2ada6afc75c4e2d84d994366d0944f1d5448f8ce5c99365ab8f7aa05532d7119ff62aeeea609473addaafc033aa264c5cf6ab8af70e1154ed44cb3d800000000ef9ad9f900000000ff408781a014bbc88d879ae2847cb65e31318c61aab34cd000ae27a9103a718b5b00
B4 tz1 NetXo5iVw1vBoxM block 7 2 11b3d79f9900000007184572152267169504aff4d7cb486684d7e36ffed77523565eb2981d05f00f95520000000069a8c397042b9ee182b36afeb571d6d7218853177fff8d2aca0738eaf9a32284eb932bca3500000021000000010200000004000000070000000000000004ffffffff0000000400000002be32a3976c093ad2a4ce5168b38e0756589b740ca2477fc07c5fa52f55c241f222497e0fc752e228440e90f23f104c8de0aec6b5c502dfbfe8e5e21857bacf01000000025a3ca147680601000000
B5 tz1 NetXo5iVw1vBoxM block 34 4 11b3d79f990000002218954ac461a1b7642a78880e485b1db8da1e96f6cac6ee7dae541c7b6a8e66840b0000000069a8c3a3043c218c11c12df01faa1113bb827d7de00cc6f95993e220901ca35ff0cec5954000000021000000010200000004000000220000000000000004ffffffff0000000400000004ecbf5c99c96392b252bb846394c12c422e0cb2e050aa018dcc2a880f9c9c636858335430566f4b95401c110f33e74d3a324f83ad6003ed9d5e93ce617fa11e4400000004d7d4b0aea9d000000000
P1 tz1 NetXxkAx4woPLyu preattestation 2 4 12ed9d217c2f50673bab6b20dfb0a88ca93b4a0c72a34c807af5dffbece2cba3d2b509835f14006000000002000000041f1ebb39759cc957216f88fb4d005abc206fb00a53f8d57ac01be00c084cba97
P2 tz1 NetXdQprcVkpaWU preattestation 11 6 127a06a770d1c454c941a0fcbe34d309c279c401cfc1ed289313526986bcb95e036fd008b41400000000000b0000000600d0f19b5e0b0bd159f6f7e409d5984bf809bfb588b8852b9973e096b0e79786
P3 tz1 NetXxkAx4woPLyu preattestation 20877 0 12ed9d217cfc81eee810737b04018acef4db74d056b79edc43e6be46cae7e4c217c22a82f01400120000518d0000000003e7ea1f67dbb0bb6cfa372cb092cd9cf786b4f1b5e5139da95b915fb95e698d
P4 tz1 NetXo5iVw1vBoxM preattestation 34 4 12b3d79f993222f293d2f293230ec36b0bef1caead619f1a7206ff54a0c198f07ae25bb151140014000000220000000458335430566f4b95401c110f33e74d3a324f83ad6003ed9d5e93ce617fa11e44
A1 tz1 NetXxkAx4woPLyu attestation 20877 0 13ed9d217cfc81eee810737b04018acef4db74d056b79edc43e6be46cae7e4c217c22a82f01500120000518d0000000003e7ea1f67dbb0bb6cfa372cb092cd9cf786b4f1b5e5139da95b915fb95e698d
A2 tz1 NetXdQprcVkpaWU attestation 11 0 137a06a770fa9d62d722a910dc710e32d1e7784bc18ce3ef0e1948806457bb8b10883bc3141500000000000b0000000035dd16cfb423dfe6ba2fc7885270799fb971b3dd120437b6b24dbe205456aab0
A3 tz1 NetXLH1uAxK7CCh attestation 218063 0 131395aa01961837e74d50c9ce304c83e3baa60061f956d9c8703df1d6374e86417b3b753315000c000353cf00000000c18896cfe7d09893bc25997f24b46515e1e6c58a0deaba0a5f17dc0dc59ae038
A4 tz1 NetXo5iVw1vBoxM attestation 34 4 13b3d79f993222f293d2f293230ec36b0bef1caead619f1a7206ff54a0c198f07ae25bb151150015000000220000000458335430566f4b95401c110f33e74d3a324f83ad6003ed9d5e93ce617fa11e44
D1 tz1 NetXdQprcVkpaWU attestation 1331 0 137a06a7700e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8170000000005330000000000000000000000000000000000000000000000000000000000000000000000008020
L1 tz4 NetXdQprcVkpaWU preattestation 1331 0 127a06a7700e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a82800000533000000000000000000000000000000000000000000000000000000000000000000000000
L2 tz4 NetXdQprcVkpaWU attestation 1331 0 137a06a7700e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a82900000533000000000000000000000000000000000000000000000000000000000000000000000000
";

/// An operation, hence no consensus payload.
const BALLOT: &str = "03d144833e2b0d12be5c424ffb5f024a9a18664518b050aa7af13406fb47cd650406008cf825f71b4ca4055bd2c1d4b33df8c114a8b24f00000049d0a3f07b8adfcf61f5ca60f244ca9a876e76cbad9140980f6c88d0bf900ac6d800";

struct Vector {
    name: &'static str,
    curve: Curve,
    slot: ConsensusPayload,
    bytes: Vec<u8>,
}

impl Vector {
    fn decode(&self, bytes: &[u8]) -> Result<Payload, PayloadError> {
        Payload::decode(self.curve, bytes)
    }

    fn is_block(&self) -> bool {
        self.slot.kind == ConsensusKind::Block
    }

    /// The copy of the level that must equal the other one, if the layout has two.
    fn second_level(&self) -> Range<usize> {
        if self.is_block() { 92..96 } else { 0..0 }
    }

    /// Level and round, or the round alone where the level stands twice.
    fn position(&self) -> Range<usize> {
        match (self.slot.kind, self.curve) {
            (ConsensusKind::Block, _) if self.bytes[86] == 37 => 120..124,
            (ConsensusKind::Block, _) => 116..120,
            (_, Curve::Bls) => 38..46,
            _ => 40..48,
        }
    }

    /// Bytes that can have one value only: the lengths and the version of a fitness, the tag of a vote.
    fn constants(&self) -> Vec<usize> {
        if self.is_block() {
            (83..92).chain(96..104).collect()
        } else {
            vec![37]
        }
    }
}

fn vectors() -> Vec<Vector> {
    VECTORS.trim().lines().map(parse).collect()
}

fn parse(line: &'static str) -> Vector {
    let [name, key, chain, kind, level, round, bytes] = line.split(' ').collect::<Vec<_>>()[..]
    else {
        panic!("a vector has seven words: {line}");
    };
    let position = Position {
        level: Level::new(level.parse().unwrap()).unwrap(),
        round: Round::new(round.parse().unwrap()).unwrap(),
    };
    Vector {
        name,
        curve: Curve::ALL
            .into_iter()
            .find(|curve| curve.name() == key)
            .unwrap(),
        slot: ConsensusPayload {
            chain: chain.parse().unwrap(),
            kind: kind.parse().unwrap(),
            position,
        },
        bytes: hex::decode(bytes).unwrap(),
    }
}

fn vector(name: &str) -> Vector {
    vectors()
        .into_iter()
        .find(|vector| vector.name == name)
        .unwrap()
}

#[test]
fn every_vector_decodes_to_its_slot() {
    for vector in vectors() {
        assert_eq!(
            vector.decode(&vector.bytes),
            Ok(Payload::Consensus(vector.slot)),
            "{}",
            vector.name
        );
    }
}

#[test]
fn a_ballot_is_no_consensus_payload() {
    let bytes = hex::decode(BALLOT).unwrap();
    assert_eq!(
        Payload::decode(Curve::Ed25519, &bytes),
        Ok(Payload::Other { magic: 0x03 })
    );
}

#[test]
fn votes_of_one_curve_are_refused_for_the_other() {
    for vector in vectors().iter().filter(|vector| !vector.is_block()) {
        let other = if vector.curve == Curve::Bls {
            Curve::P256
        } else {
            Curve::Bls
        };
        let decoded = Payload::decode(other, &vector.bytes);
        assert!(
            matches!(decoded, Err(PayloadError::VoteTagOfOtherCurve { .. })),
            "{}",
            vector.name
        );
    }
}

#[test]
fn tz4_keys_sign_blocks_in_the_common_layout() {
    for vector in vectors().iter().filter(|vector| vector.is_block()) {
        let decoded = Payload::decode(Curve::Bls, &vector.bytes);
        assert_eq!(
            decoded,
            Ok(Payload::Consensus(vector.slot)),
            "{}",
            vector.name
        );
    }
}

#[test]
fn every_truncation_is_refused() {
    for vector in vectors() {
        // The seed nonce hash of a block and the attested slots are opaque and may be shorter.
        let shortest = match vector.name {
            "B3" => 198,
            "D1" => 81,
            _ => vector.bytes.len(),
        };
        for len in 0..shortest {
            let decoded = vector.decode(&vector.bytes[..len]);
            assert!(
                decoded.is_err(),
                "{} cut to {len}: {decoded:?}",
                vector.name
            );
        }
    }
}

#[test]
fn bytes_behind_a_vote_are_refused() {
    for vector in vectors()
        .iter()
        .filter(|vector| !vector.is_block() && vector.name != "D1")
    {
        let longer = [&vector.bytes[..], &[0]].concat();
        assert!(matches!(
            vector.decode(&longer),
            Err(PayloadError::TooLong { extra: 1, .. })
        ));
    }
}

#[test]
fn a_changed_length_version_or_tag_is_refused() {
    for vector in vectors() {
        for at in vector.constants() {
            for change in 1..=u8::MAX {
                let mut bytes = vector.bytes.clone();
                bytes[at] ^= change;
                let decoded = vector.decode(&bytes);
                assert!(
                    decoded.is_err(),
                    "{} byte {at} ^ {change:#04x}: {decoded:?}",
                    vector.name
                );
            }
        }
    }
}

#[test]
fn a_changed_byte_moves_the_slot_only_where_the_slot_is_written() {
    for vector in vectors() {
        let position = vector.position();
        // The first byte chooses the kind and with it another layout.
        for at in 1..vector.bytes.len() {
            let of_slot = (1..5).contains(&at) || position.contains(&at);
            for change in [0x01, 0x02, 0x7f, 0x80, 0xff] {
                let mut bytes = vector.bytes.clone();
                bytes[at] ^= change;
                let decoded = vector.decode(&bytes);
                let moved = decoded != Ok(Payload::Consensus(vector.slot));
                if of_slot || vector.second_level().contains(&at) {
                    assert!(moved, "{} byte {at}", vector.name);
                } else if let Ok(payload) = decoded {
                    assert!(!moved, "{} byte {at}: {payload:?}", vector.name);
                }
            }
        }
    }
}

#[test]
fn the_digest_of_an_attestation_is_the_published_one() {
    assert_eq!(
        digest(&vector("A1").bytes).to_string(),
        "849f6a8561a1a6b8da04248e49cafa50565d20b9fc97ebbb6d94c9345a31f0d4"
    );
}

#[test]
fn authentication_covers_the_curve_the_key_and_the_bytes_to_sign() {
    let key: PublicKeyHash = "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx".parse().unwrap();
    let bytes = vector("A1").bytes;
    let expected = format!(
        "04010002298c03ed7d454a101eb7022bc95f7e5f41ac78{}",
        hex::encode(&bytes)
    );
    assert_eq!(hex::encode(authentication_bytes(&key, &bytes)), expected);
}

proptest! {
    #[test]
    fn damaged_vectors_never_panic(
        index in any::<prop::sample::Index>(),
        patches in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        curve in prop::sample::select(&Curve::ALL[..]),
    ) {
        let mut bytes = index.get(&vectors()).bytes.clone();
        bytes.extend(tail);
        for (at, value) in patches {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        prop_assert_eq!(Payload::decode(curve, &bytes), Payload::decode(curve, &bytes));
    }
}

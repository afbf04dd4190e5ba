//! More at once than etcd takes in one transaction.

use signer_proxy::guard::{
    Answer, Change, Halt, Raise, Refusal, StoreError, Stream, WatermarkStore as _,
};
use signer_proxy::tezos::{ConsensusKind, Curve, SecretKey};

use super::cluster::Cluster;
use super::values::{account, ask, ask_kind, at, floors, now, record, second, stream};

const PREFIX: &str = "/many";
const KIND: ConsensusKind = ConsensusKind::Attestation;

#[tokio::test(flavor = "multi_thread")]
async fn evidence_halts_a_key_however_many_of_its_claims_end_by_it() {
    let cluster = Cluster::start(1).await;
    let (one, two) = (cluster.replica(PREFIX), cluster.replica(PREFIX));
    one.store.raise(floors(100), now()).await.unwrap();
    let slots = |round| ask_kind(KIND, at(101, round), 1);
    for round in 0..150 {
        let claimed = one.store.claim(slots(round), now()).await;
        assert_eq!(claimed, Ok(Answer::Permit), "{round}");
    }
    // One has its signature, which nothing takes back.
    one.store.record(slots(7), record(7)).await.unwrap();
    let halt = Halt::new(second(3_000), "why".to_owned());
    let raises = floors(300).into_iter().map(Change::Raise);
    let changes = raises.chain([Change::Halt {
        account: account(),
        halt,
    }]);
    one.store.amend(changes.collect(), now()).await.unwrap();
    two.store.connect().await.unwrap();
    for replica in [&one, &two] {
        assert!(replica.store.account(account()).halt.is_some());
        let reports = replica.store.streams();
        assert!(reports.iter().all(|report| report.floor == at(300, 0)));
        for round in 0..150 {
            let row = replica.store.lookup(&slots(round).slot);
            assert_eq!(row.is_some(), round == 7, "{round}");
        }
    }
    let refused = two.store.claim(slots(8), now()).await;
    assert!(
        matches!(refused, Ok(Answer::Refused(Refusal::BelowFloor { .. }))),
        "{refused:?}"
    );
    let withheld = two.store.record(slots(9), record(9)).await;
    assert!(
        matches!(withheld, Err(StoreError::Withheld(_))),
        "{withheld:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_keys_than_etcd_takes_at_once_are_refused_with_the_way_round_and_change_nothing() {
    let cluster = Cluster::start(1).await;
    let one = cluster.replica(PREFIX);
    one.store.raise(floors(100), now()).await.unwrap();
    let claimed = one.store.claim(ask(101, 1), now()).await;
    assert_eq!(claimed, Ok(Answer::Permit));
    let raise = |nth: u8| {
        let secret = SecretKey::from_seed(Curve::Ed25519, &[nth; 32]).unwrap();
        let key = secret.public_key().hash();
        ConsensusKind::ALL.map(|kind| Raise {
            stream: Stream {
                key,
                kind,
                ..stream(kind)
            },
            floor: at(200, 0),
        })
    };
    let raises = (1..=60).flat_map(raise).collect();
    let refused = one.store.raise(raises, now()).await;
    let Err(StoreError::Unavailable(words)) = refused else {
        panic!("{refused:?}");
    };
    assert!(words.contains("an import with --key"), "{words}");
    one.store.refresh().await.unwrap();
    assert_eq!(one.store.streams().len(), 3);
    assert!(one.store.lookup(&ask(101, 1).slot).is_some());
}

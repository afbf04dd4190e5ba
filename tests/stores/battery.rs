//! What every store promises, whatever it is made of.

use std::sync::Arc;

use signer_proxy::guard::{
    Answer, Change, Condition, Halt, Raise, Refusal, StoreError, WatermarkStore,
};
use signer_proxy::tezos::{ConsensusKind, Scheme};
use tokio::task::JoinSet;

use super::values::{account, ask, ask_kind, at, floors, now, record, second, stream};

/// A kind of store.
pub(crate) trait Shop {
    /// An empty store.
    async fn fresh(&mut self) -> Arc<dyn WatermarkStore>;

    /// The store as the next process finds it. Whoever asks has let go of the last one.
    async fn again(&mut self) -> Arc<dyn WatermarkStore>;
}

/// All of it.
pub(crate) async fn holds_for(shop: &mut impl Shop) {
    absent(shop).await;
    claims(shop).await;
    signatures(shop).await;
    pruning(shop).await;
    raises(shop).await;
    halts_and_stops(shop).await;
    seal(shop).await;
    races(shop).await;
}

async fn with_floors(shop: &mut impl Shop) -> Arc<dyn WatermarkStore> {
    let store = shop.fresh().await;
    store.raise(floors(100), second(500)).await.unwrap();
    store
}

async fn absent(shop: &mut impl Shop) {
    let store = shop.fresh().await;
    assert_eq!(store.report().condition, Condition::Absent);
    assert_eq!(store.report().lineage, None);
    let refused = store.claim(ask(101, 1), now()).await;
    assert!(
        matches!(
            refused,
            Ok(Answer::Refused(Refusal::NoWatermark { .. })) | Err(StoreError::Unavailable(_))
        ),
        "{refused:?}"
    );
    let stopped = Change::StopAt {
        account: account(),
        level: at(5, 0).level,
    };
    let refused = store.amend(vec![stopped], now()).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    store.raise(floors(100), now()).await.unwrap();
    let report = store.report();
    assert_eq!(report.condition, Condition::Ready, "{report:?}");
    drop(store);
    let store = shop.again().await;
    assert_eq!(store.report().lineage, report.lineage);
    assert_eq!(store.streams().len(), 3);
}

async fn claims(shop: &mut impl Shop) {
    let mut store = with_floors(shop).await;
    let (first, other) = (ask(101, 1), ask(101, 2));
    assert_eq!(store.claim(first, second(600)).await, Ok(Answer::Permit));
    for again in [false, true] {
        if again {
            drop(store);
            store = shop.again().await;
        }
        let in_flight = store.claim(first, second(700)).await;
        let since = second(600);
        assert_eq!(in_flight, Ok(Answer::InFlight { since }));
        assert!(conflicts(&store.claim(other, now()).await));
        let mut scheme = first;
        scheme.scheme = Scheme::Pop;
        let refused = store.claim(scheme, now()).await;
        assert!(
            matches!(refused, Ok(Answer::Refused(Refusal::Scheme { .. }))),
            "{refused:?}"
        );
        for level in [99, 100] {
            let refused = store.claim(ask(level, 1), now()).await;
            assert!(is_below(&refused), "{refused:?}");
        }
        let row = store.lookup(&first.slot).unwrap();
        assert_eq!((row.digest, row.claimed_at), (first.digest, second(600)));
    }
    // A round above, and streams of their own.
    let round = ask_kind(ConsensusKind::Attestation, at(101, 1), 3);
    assert_eq!(store.claim(round, now()).await, Ok(Answer::Permit));
    let block = ask_kind(ConsensusKind::Block, at(101, 0), 1);
    assert_eq!(store.claim(block, now()).await, Ok(Answer::Permit));
    let head = store
        .head(first.slot.stream.chain, first.slot.stream.key)
        .unwrap();
    assert_eq!(head.level.get(), 101);
}

async fn signatures(shop: &mut impl Shop) {
    let mut store = with_floors(shop).await;
    let (first, next) = (ask(101, 1), ask(102, 1));
    let homeless = store.record(first, record(1)).await;
    assert_eq!(homeless, Err(StoreError::Homeless));
    for candidate in [first, next] {
        assert_eq!(store.claim(candidate, now()).await, Ok(Answer::Permit));
    }
    let other = store.record(ask(101, 2), record(1)).await;
    assert_eq!(other, Err(StoreError::Homeless));
    // A later claim does not make it homeless, and the first one stands.
    assert_eq!(store.record(first, record(1)).await, Ok(record(1)));
    assert_eq!(store.record(first, record(2)).await, Ok(record(1)));
    for again in [false, true] {
        if again {
            drop(store);
            store = shop.again().await;
        }
        let recorded = store.claim(first, now()).await;
        assert_eq!(recorded, Ok(Answer::Recorded(record(1))));
        assert_eq!(store.lookup(&first.slot).unwrap().record, Some(record(1)));
        assert!(conflicts(&store.claim(ask(101, 2), now()).await));
    }
    let reports = store.streams();
    let kind = ConsensusKind::Attestation;
    let report = reports
        .iter()
        .find(|report| report.stream.kind == kind)
        .unwrap();
    assert_eq!(report.floor, at(102, 0));
    assert_eq!(report.last_signed, Some((at(101, 0), second(1_000))));
}

async fn pruning(shop: &mut impl Shop) {
    let mut store = with_floors(shop).await;
    for level in 101..=170 {
        assert_eq!(store.claim(ask(level, 1), now()).await, Ok(Answer::Permit));
    }
    for again in [false, true] {
        if again {
            drop(store);
            store = shop.again().await;
        }
        for level in [101, 105] {
            assert_eq!(store.lookup(&ask(level, 1).slot), None);
            let refused = store.claim(ask(level, 1), now()).await;
            assert!(is_below(&refused), "{level}: {refused:?}");
        }
        assert!(store.lookup(&ask(106, 1).slot).is_some());
        let kept = store.claim(ask(106, 1), now()).await;
        assert!(matches!(kept, Ok(Answer::InFlight { .. })), "{kept:?}");
    }
    assert_eq!(
        store.record(ask(101, 1), record(1)).await,
        Err(StoreError::Homeless)
    );
}

async fn raises(shop: &mut impl Shop) {
    let store = with_floors(shop).await;
    let (signed, claimed) = (ask(101, 1), ask(102, 1));
    for candidate in [signed, claimed] {
        assert_eq!(store.claim(candidate, now()).await, Ok(Answer::Permit));
    }
    store.record(signed, record(1)).await.unwrap();
    store.raise(floors(50), now()).await.unwrap();
    assert!(store.lookup(&claimed.slot).is_some());
    let raise = |level| {
        vec![Raise {
            stream: stream(ConsensusKind::Attestation),
            floor: at(level, 0),
        }]
    };
    store.raise(raise(102), now()).await.unwrap();
    assert_eq!(store.lookup(&claimed.slot), None);
    assert_eq!(
        store.record(claimed, record(2)).await,
        Err(StoreError::Homeless)
    );
    let refused = store.claim(claimed, now()).await;
    assert!(is_below(&refused), "{refused:?}");
    assert_eq!(
        store.claim(signed, now()).await,
        Ok(Answer::Recorded(record(1)))
    );
    store.raise(raise(200), now()).await.unwrap();
    drop(store);
    let store = shop.again().await;
    assert!(is_below(&store.claim(ask(200, 1), now()).await));
    assert_eq!(store.claim(ask(201, 1), now()).await, Ok(Answer::Permit));
}

async fn halts_and_stops(shop: &mut impl Shop) {
    let store = with_floors(shop).await;
    let account = account();
    let (first, second_one) = (ask(101, 1), ask(102, 1));
    assert_eq!(store.claim(first, now()).await, Ok(Answer::Permit));
    let halt = Halt::new(second(3_000), "home-a signed other bytes".to_owned());
    let halted = Change::Halt { account, halt };
    store.amend(vec![halted], now()).await.unwrap();
    let withheld = store.record(first, record(1)).await;
    assert!(
        matches!(withheld, Err(StoreError::Withheld(Refusal::Halted { .. }))),
        "{withheld:?}"
    );
    for candidate in [first, second_one] {
        let refused = store.claim(candidate, now()).await;
        assert!(
            matches!(refused, Ok(Answer::Refused(Refusal::Halted { .. }))),
            "{refused:?}"
        );
    }
    let later = Halt::new(second(4_000), "another".to_owned());
    let halted = Change::Halt {
        account,
        halt: later,
    };
    store.amend(vec![halted], now()).await.unwrap();
    drop(store);
    let store = shop.again().await;
    let stands = store.account(account).halt.unwrap();
    assert_eq!(
        (stands.at, stands.reason.as_str()),
        (second(3_000), "home-a signed other bytes")
    );
    assert_eq!(store.accounts().len(), 1);
    store
        .amend(vec![Change::Resume { account }], now())
        .await
        .unwrap();
    assert_eq!(store.record(first, record(1)).await, Ok(record(1)));
    for (level, stop) in [(110, 110), (120, 110), (105, 105)] {
        let change = Change::StopAt {
            account,
            level: at(level, 0).level,
        };
        store.amend(vec![change], now()).await.unwrap();
        assert_eq!(store.account(account).stop_at, Some(at(stop, 0).level));
    }
    assert_eq!(store.claim(ask(105, 1), now()).await, Ok(Answer::Permit));
    let refused = store.claim(ask(106, 1), now()).await;
    assert!(
        matches!(refused, Ok(Answer::Refused(Refusal::Stopped { .. }))),
        "{refused:?}"
    );
}

async fn seal(shop: &mut impl Shop) {
    let mut store = with_floors(shop).await;
    let (signed, claimed) = (ask(101, 1), ask(102, 1));
    for candidate in [signed, claimed] {
        assert_eq!(store.claim(candidate, now()).await, Ok(Answer::Permit));
    }
    store.record(signed, record(1)).await.unwrap();
    store
        .amend(vec![Change::Seal], second(5_000))
        .await
        .unwrap();
    // What was claimed before may be recorded still: whoever takes over starts above it.
    assert_eq!(store.record(claimed, record(2)).await, Ok(record(2)));
    for again in [false, true] {
        if again {
            drop(store);
            store = shop.again().await;
        }
        let refused = store.claim(ask(103, 1), now()).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
        assert_eq!(
            store.claim(signed, now()).await,
            Ok(Answer::Recorded(record(1)))
        );
        let report = store.report();
        assert_eq!(report.condition, Condition::Refusing);
        assert_eq!(report.sealed, Some(second(5_000)));
    }
}

/// Whoever comes first has the slot, and everybody hears the same.
async fn races(shop: &mut impl Shop) {
    let store = with_floors(shop).await;
    for level in 101..=110 {
        let mut racing = JoinSet::new();
        for nth in 0..8_u8 {
            let store = Arc::clone(&store);
            let candidate = ask(level, nth % 2);
            racing.spawn(async move { (candidate, store.claim(candidate, now()).await) });
        }
        let (mut permitted, mut others) = (Vec::new(), Vec::new());
        while let Some(raced) = racing.join_next().await {
            let (candidate, answer) = raced.unwrap();
            match answer {
                Ok(Answer::Permit | Answer::InFlight { .. }) => permitted.push(candidate),
                answer => others.push((candidate, answer)),
            }
        }
        let winner = permitted[0];
        assert!(permitted.iter().all(|candidate| *candidate == winner));
        for (candidate, answer) in others {
            assert_ne!(candidate, winner);
            assert!(conflicts(&answer));
        }
    }
}

fn conflicts(answer: &Result<Answer, StoreError>) -> bool {
    matches!(answer, Ok(Answer::Refused(Refusal::Conflict { .. })))
}

fn is_below(answer: &Result<Answer, StoreError>) -> bool {
    matches!(answer, Ok(Answer::Refused(Refusal::BelowFloor { .. })))
}

//! What several replicas of one store see of each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signer_proxy::guard::{Answer, Change, Halt, Refusal, StoreError, WatermarkStore as _};
use signer_proxy::tezos::ConsensusKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::{Cluster, Replica};
use super::values::{account, ask, ask_kind, at, floors, now, record, second};
use super::wait::lasts;

const PREFIX: &str = "/shared";

async fn two(cluster: &Cluster) -> (Replica, Replica) {
    let (one, two) = (cluster.replica(PREFIX), cluster.replica(PREFIX));
    one.store.raise(floors(100), now()).await.unwrap();
    two.store.connect().await.unwrap();
    (one, two)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_one_replica_claimed_is_no_other_bytes_at_another_however_old_its_knowledge() {
    let cluster = Cluster::start(3).await;
    let (one, two) = two(&cluster).await;
    let claimed = one.store.claim(ask(101, 1), now()).await;
    assert_eq!(claimed, Ok(Answer::Permit));
    // It has not looked since.
    assert_eq!(two.store.lookup(&ask(101, 1).slot), None);
    let refused = two.store.claim(ask(101, 2), now()).await;
    assert!(
        matches!(refused, Ok(Answer::Refused(Refusal::Conflict { .. }))),
        "{refused:?}"
    );
    let below = two.store.claim(ask(100, 1), now()).await;
    assert!(
        matches!(below, Ok(Answer::Refused(Refusal::BelowFloor { .. }))),
        "{below:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_at_another_replica_gets_the_signature_that_comes_meanwhile() {
    let cluster = Cluster::start(1).await;
    let (one, two) = two(&cluster).await;
    let candidate = ask(101, 1);
    assert_eq!(one.store.claim(candidate, now()).await, Ok(Answer::Permit));
    let signs = async {
        // Once the other waits, which it does for at least one look.
        tokio::task::yield_now().await;
        one.store.record(candidate, record(7)).await
    };
    let (repeat, recorded) = tokio::join!(two.store.claim(candidate, now()), signs);
    assert_eq!(recorded, Ok(record(7)));
    assert_eq!(repeat, Ok(Answer::Recorded(record(7))));
    // Whoever was faster: there is one.
    assert_eq!(two.store.record(candidate, record(8)).await, Ok(record(7)));
    assert_eq!(one.store.record(candidate, record(9)).await, Ok(record(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_nobody_follows_up_is_waited_on_for_a_moment_and_then_permitted_again() {
    let cluster = Cluster::start(1).await;
    let (one, two) = two(&cluster).await;
    let candidate = ask(101, 1);
    let claimed_at = now();
    assert_eq!(
        one.store.claim(candidate, claimed_at).await,
        Ok(Answer::Permit)
    );
    drop(one);
    let begun = Instant::now();
    let repeat = two.store.claim(candidate, now()).await;
    assert_eq!(repeat, Ok(Answer::InFlight { since: claimed_at }));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_at_one_replica_holds_at_all() {
    let cluster = Cluster::start(1).await;
    let (one, two) = two(&cluster).await;
    let account = account();
    let claimed = ask(101, 1);
    assert_eq!(two.store.claim(claimed, now()).await, Ok(Answer::Permit));
    let halt = Halt::new(second(3_000), "why".to_owned());
    let halted = Change::Halt { account, halt };
    one.store.amend(vec![halted], now()).await.unwrap();
    let refused = two.store.claim(ask(102, 1), now()).await;
    assert!(
        matches!(refused, Ok(Answer::Refused(Refusal::Halted { .. }))),
        "{refused:?}"
    );
    let withheld = two.store.record(claimed, record(1)).await;
    assert!(
        matches!(withheld, Err(StoreError::Withheld(_))),
        "{withheld:?}"
    );
    one.store
        .amend(vec![Change::Resume { account }], now())
        .await
        .unwrap();
    // What was refused a moment ago is looked at again.
    assert_eq!(
        two.store.claim(ask(102, 1), now()).await,
        Ok(Answer::Permit)
    );
    assert_eq!(two.store.record(claimed, record(1)).await, Ok(record(1)));
    one.store.amend(vec![Change::Seal], now()).await.unwrap();
    let sealed = two.store.claim(ask(103, 1), now()).await;
    assert!(
        matches!(sealed, Err(StoreError::Unavailable(_))),
        "{sealed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_race_for_slots_never_both_win_with_other_bytes() {
    let cluster = Cluster::start(3).await;
    let (one, two) = two(&cluster).await;
    let three = cluster.replica(PREFIX);
    three.store.connect().await.unwrap();
    let stores = [&one, &two, &three].map(|replica| Arc::clone(&replica.store));
    for level in 101..=130 {
        let mut racing = JoinSet::new();
        for nth in 0..9_u8 {
            let store = Arc::clone(&stores[usize::from(nth) % 3]);
            let candidate = ask(level, nth % 2);
            racing.spawn(async move {
                let answer = store.claim(candidate, now()).await;
                let signed = match answer {
                    Ok(Answer::Permit | Answer::InFlight { .. }) => {
                        Some(store.record(candidate, record(nth)).await.unwrap())
                    }
                    Ok(Answer::Recorded(record)) => Some(record),
                    Ok(Answer::Refused(Refusal::Conflict { .. })) => None,
                    other => panic!("{other:?}"),
                };
                (candidate, signed)
            });
        }
        let mut released = Vec::new();
        while let Some(raced) = racing.join_next().await {
            let (candidate, signed) = raced.unwrap();
            released.extend(signed.map(|record| (candidate.digest, record)));
        }
        assert!(
            released.windows(2).all(|two| two[0] == two[1]),
            "{level}: {released:?}"
        );
    }
}

/// Hands requests and answers on; while it cuts, each request is made and its answer does not come.
async fn cutter(to: u16) -> (u16, Arc<AtomicBool>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_cutting = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_cutting);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            connections.spawn(hand_on(near, far, Arc::clone(&told)));
        }
    });
    (port, is_cutting, serving)
}

/// Ends with either side, or with an answer that is cut.
async fn hand_on(mut near: TcpStream, mut far: TcpStream, is_cutting: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            Ok(read @ 1..) = near.read(&mut asked) => {
                far.write_all(&asked[..read]).await.unwrap();
            }
            Ok(read @ 1..) = far.read(&mut answered) => {
                // etcd has answered, so it is done; nobody hears of it.
                if is_cutting.load(Ordering::SeqCst) || near.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_outcome_is_unknown_is_asked_again_and_belongs_to_its_bytes() {
    let cluster = Cluster::start(1).await;
    let (one, _two) = two(&cluster).await;
    let (port, is_cutting, _serving) = cutter(cluster.endpoints()[0]).await;
    let deaf = Replica::new(&[port], PREFIX);
    deaf.store.connect().await.unwrap();
    for level in 101..=105 {
        let (candidate, other) = (ask(level, 1), ask(level, 2));
        is_cutting.store(true, Ordering::SeqCst);
        let unknown = deaf.store.claim(candidate, now()).await;
        assert!(
            matches!(unknown, Err(StoreError::Unknown(_))),
            "{unknown:?}"
        );
        is_cutting.store(false, Ordering::SeqCst);
        // It stands: for its bytes, here, and for no others, anywhere.
        let again = deaf.store.claim(candidate, now()).await;
        assert!(matches!(again, Ok(Answer::InFlight { .. })), "{again:?}");
        for replica in [&one, &deaf] {
            let refused = replica.store.claim(other, now()).await;
            assert!(
                matches!(refused, Ok(Answer::Refused(Refusal::Conflict { .. }))),
                "{refused:?}"
            );
        }
        is_cutting.store(true, Ordering::SeqCst);
        let unknown = deaf.store.record(candidate, record(1)).await;
        assert!(
            matches!(unknown, Err(StoreError::Unknown(_))),
            "{unknown:?}"
        );
        is_cutting.store(false, Ordering::SeqCst);
        // What was recorded unheard is the signature, whatever is recorded after it.
        assert_eq!(one.store.record(candidate, record(2)).await, Ok(record(1)));
        assert_eq!(deaf.store.record(candidate, record(1)).await, Ok(record(1)));
    }
    // The member that is asked first makes the transaction and says nothing; the next one knows.
    is_cutting.store(true, Ordering::SeqCst);
    let either = Replica::new(&[port, cluster.endpoints()[0]], PREFIX);
    let claimed = either.store.claim(ask(110, 1), now()).await;
    assert!(
        matches!(claimed, Ok(Answer::Permit | Answer::InFlight { .. })),
        "{claimed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_leaves_more_rows_behind_than_etcd_removes_at_once_is_granted() {
    let cluster = Cluster::start(1).await;
    let (one, two) = two(&cluster).await;
    let kind = ConsensusKind::Attestation;
    let slots = |level, round| ask_kind(kind, at(level, round), 1);
    for round in 0..140 {
        let claimed = one.store.claim(slots(101, round), now()).await;
        assert_eq!(claimed, Ok(Answer::Permit), "{round}");
    }
    let count_kept = |replica: &Replica| {
        let kept =
            (0..140).filter(|round| replica.store.lookup(&slots(101, *round).slot).is_some());
        kept.count()
    };
    let far = one.store.claim(slots(400, 0), now()).await;
    assert_eq!(far, Ok(Answer::Permit));
    // What memory forgot is what etcd removed.
    two.store.refresh().await.unwrap();
    let three = cluster.replica(PREFIX);
    three.store.connect().await.unwrap();
    assert_eq!(count_kept(&three), count_kept(&one));
    assert!(count_kept(&three) > 0);
    // A row that is left over gives its slot to no other bytes.
    let other = ask_kind(kind, at(101, 139), 2);
    let refused = three.store.claim(other, now()).await;
    assert!(
        matches!(refused, Ok(Answer::Refused(Refusal::Conflict { .. }))),
        "{refused:?}"
    );
    let next = three.store.claim(slots(401, 0), now()).await;
    assert_eq!(next, Ok(Answer::Permit));
    assert_eq!(count_kept(&three), 0);
    let four = cluster.replica(PREFIX);
    four.store.connect().await.unwrap();
    assert_eq!(count_kept(&four), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_is_claimed_and_with_it_again_it_goes_on() {
    let mut cluster = Cluster::start(3).await;
    let (one, _two) = two(&cluster).await;
    assert_eq!(
        one.store.claim(ask(101, 1), now()).await,
        Ok(Answer::Permit)
    );
    one.store.record(ask(101, 1), record(1)).await.unwrap();
    cluster.members[0].kill();
    cluster.members[1].kill();
    let unknown = one.store.claim(ask(102, 1), now()).await;
    assert!(
        matches!(unknown, Err(StoreError::Unknown(_))),
        "{unknown:?}"
    );
    // What was signed may be given still.
    let replay = one.store.claim(ask(101, 1), now()).await;
    assert_eq!(replay, Ok(Answer::Recorded(record(1))));
    cluster.start_all();
    cluster.ready().await;
    let claimed = one.store.claim(ask(102, 1), now()).await;
    assert!(
        matches!(claimed, Ok(Answer::Permit | Answer::InFlight { .. })),
        "{claimed:?}"
    );
    assert_eq!(
        one.store.record(ask(102, 1), record(2)).await,
        Ok(record(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_claims_without_an_answer_none_waits_for_all_others() {
    let cluster = Cluster::start(1).await;
    let (one, _two) = two(&cluster).await;
    cluster.members[0].freeze();
    // Longer than what is known is taken for new.
    lasts(Instant::now(), Duration::from_millis(3_100)).await;
    let begun = Instant::now();
    let mut claims = JoinSet::new();
    for level in 101..131 {
        let store = Arc::clone(&one.store);
        claims.spawn(async move { store.claim(ask(level, 1), now()).await });
    }
    for claimed in claims.join_all().await {
        assert!(
            matches!(claimed, Err(StoreError::Unknown(_))),
            "{claimed:?}"
        );
    }
    let took = begun.elapsed();
    cluster.members[0].thaw();
    // Each has a limit of a second and a pause of at most one more; one after the other they would take a minute.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_frozen_costs_no_claim_and_gives_no_slot_to_two() {
    let cluster = Cluster::start(3).await;
    let (one, two) = two(&cluster).await;
    for (nth, level) in (0..3).zip(101..) {
        let member = &cluster.members[nth];
        member.freeze();
        // The leader may be the one; then it takes an election, and what was asked meanwhile has no outcome.
        let claimed = loop {
            match one.store.claim(ask(level, 1), now()).await {
                Err(StoreError::Unknown(_)) => {}
                claimed => break claimed,
            }
        };
        assert!(
            matches!(claimed, Ok(Answer::Permit | Answer::InFlight { .. })),
            "{claimed:?}"
        );
        member.thaw();
        // It may take up what it was asked before.
        let refused = two.store.claim(ask(level, 2), now()).await;
        assert!(
            matches!(refused, Ok(Answer::Refused(Refusal::Conflict { .. }))),
            "{refused:?}"
        );
    }
}

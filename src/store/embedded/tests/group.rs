//! Group commit: claims that arrive together share a commit, and none is answered before it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fixture::{ask, secret};
use crate::guard::{Answer, Stream};
use crate::task::Tasks;
use crate::tezos::Curve;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_claims_from_sixteen_tasks_share_commits_and_all_are_durable() {
    let folder = crate::fixture::folder();
    let lock = DirectoryLock::acquire(folder.path()).unwrap();
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    let store = EmbeddedStore::open(lock, None, move |seconds| {
        assert!(seconds > 0.0);
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let store = Arc::new(store);
    let streams: Vec<Stream> = (1..=16)
        .map(|nth| Stream {
            key: secret(Curve::Ed25519, nth).public_key().hash(),
            ..crate::fixture::stream(ConsensusKind::Attestation)
        })
        .collect();
    let floor = at(100, 0);
    let raises = streams.iter().map(|stream| Raise {
        stream: *stream,
        floor,
    });
    store.raise(raises.collect(), second(1_000)).await.unwrap();
    commits.store(0, Ordering::Relaxed);
    let tasks = Tasks::new();
    let claims: Vec<_> = streams
        .iter()
        .map(|stream| {
            let (store, stream) = (Arc::clone(&store), *stream);
            tasks.spawn("claims", async move {
                for level in 101..=163 {
                    let mut candidate = ask(at(level, 0), 1);
                    candidate.slot.stream = stream;
                    let answer = store.claim(candidate, second(1_000)).await.unwrap();
                    assert_eq!(answer, Answer::Permit);
                }
            })
        })
        .collect();
    for claim in claims {
        claim.await.unwrap();
    }
    let commits = commits.load(Ordering::Relaxed);
    assert!(
        (63..504).contains(&commits),
        "{commits} commits for 1008 claims"
    );
    drop(Arc::try_unwrap(store).unwrap());
    let store = open(&folder);
    for report in store.streams() {
        assert_eq!(report.floor, at(163, 0));
    }
    assert_eq!(store.streams().len(), 16);
}

#[test]
fn of_claims_that_share_a_commit_the_first_wins_the_slot() {
    let folder = crate::fixture::folder();
    block_on(async {
        let store = open(&folder);
        raise_all(&store).await;
        let queue = read(&store.shared.queue).clone().unwrap();
        let mut answers = Vec::new();
        for name in [1, 2, 1, 3] {
            let (reply, answer) = oneshot::channel();
            let operation = Operation::Claim(ask(at(101, 0), name), second(1_000), reply);
            queue.send(operation).await.ok().unwrap();
            answers.push(answer);
        }
        let mut permitted = Vec::new();
        for answer in answers {
            permitted.push(match answer.await.unwrap().unwrap() {
                Answer::Permit => "first",
                Answer::InFlight { .. } => "again",
                Answer::Recorded(_) | Answer::Refused(_) => "no",
            });
        }
        assert_eq!(permitted, ["first", "no", "again", "no"]);
    });
}

#[test]
fn a_claim_whose_requester_left_stands() {
    let folder = crate::fixture::folder();
    block_on(async {
        let store = open(&folder);
        raise_all(&store).await;
        let queue = read(&store.shared.queue).clone().unwrap();
        let (reply, answer) = oneshot::channel();
        drop(answer);
        let operation = Operation::Claim(ask(at(101, 0), 1), second(1_000), reply);
        queue.send(operation).await.ok().unwrap();
        let other = store
            .claim(ask(at(101, 0), 2), second(1_000))
            .await
            .unwrap();
        assert!(matches!(other, Answer::Refused(_)), "{other:?}");
    });
}

#[test]
fn a_dropped_store_has_written_what_was_queued_before_the_directory_is_free() {
    let folder = crate::fixture::folder();
    for round in 0..20 {
        let level = 101 + round;
        block_on(async {
            let store = open(&folder);
            if round == 0 {
                raise_all(&store).await;
            }
            let queue = read(&store.shared.queue).clone().unwrap();
            let (reply, _answer) = oneshot::channel();
            let operation = Operation::Claim(ask(at(level, 0), 1), second(1_000), reply);
            queue.send(operation).await.ok().unwrap();
            drop(queue);
            drop(store);
        });
        let store = open(&folder);
        assert_eq!(store.report().condition, Condition::Ready);
        assert!(store.lookup(&ask(at(level, 0), 1).slot).is_some());
    }
}

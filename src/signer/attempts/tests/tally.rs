//! What one operation may try next, without a network and with the clock standing still.

use super::super::exchange::Failure;
use super::super::tally::{Budget, Next, Tally};
use super::*;

fn roster(names: &[&str]) -> Roster {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let signers: Vec<_> = names.iter().map(|name| signer(name, &[nowhere])).collect();
    Roster::new(&signers, &Tasks::new(), Arc::new(Metrics::new()))
}

/// The name of the signer that is next, or after how long something is.
fn next(tally: &Tally, roster: &Roster) -> Result<String, Option<Duration>> {
    let now = Instant::now();
    match tally.next(roster.signers(), |_, _| false, true, &budget(now)) {
        Next::Ready(signer, _) => Ok(signer.name().to_owned()),
        Next::NotBefore(at) => Err(Some(at.duration_since(now))),
        Next::Nothing => Err(None),
    }
}

fn fail(tally: &mut Tally, signer: &Signer) {
    let failure = Failure::not_sent(Cause::Refused);
    tally.failed(signer, &signer.paths()[0], failure);
}

#[tokio::test(start_paused = true)]
async fn pauses_between_tries_of_a_path_double_up_to_a_second() {
    let roster = roster(&["a"]);
    let mut tally = Tally::default();
    for expected in [100, 200, 400, 800, 1_000, 1_000] {
        assert_eq!(next(&tally, &roster), Ok("a".to_owned()));
        fail(&mut tally, &roster.signers()[0]);
        assert_eq!(
            next(&tally, &roster),
            Err(Some(Duration::from_millis(expected)))
        );
        tokio::time::advance(Duration::from_millis(expected)).await;
    }
    assert_eq!(tally.forwards(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_came_back_is_tried_at_once() {
    let roster = roster(&["a"]);
    let signer = &roster.signers()[0];
    let path = &signer.paths()[0];
    let mut tally = Tally::default();
    for _ in 0..2 {
        fail(&mut tally, signer);
        roster.observe(signer, path, Observation::Miss(Cause::Refused));
    }
    assert_eq!(next(&tally, &roster), Err(Some(Duration::from_millis(200))));
    roster.observe(signer, path, Observation::Hit);
    assert_eq!(next(&tally, &roster), Ok("a".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn untried_signers_come_before_those_that_failed_a_moment_ago() {
    let roster = roster(&["a", "b"]);
    let mut tally = Tally::default();
    fail(&mut tally, &roster.signers()[0]);
    assert_eq!(next(&tally, &roster), Ok("b".to_owned()));
    fail(&mut tally, &roster.signers()[1]);
    assert_eq!(next(&tally, &roster), Err(Some(Duration::from_millis(100))));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_is_down_is_tried_only_if_nothing_else_is_under_way() {
    let roster = roster(&["a"]);
    let signer = &roster.signers()[0];
    for _ in 0..2 {
        roster.observe(signer, &signer.paths()[0], Observation::Miss(Cause::Silent));
    }
    let tally = Tally::default();
    assert_eq!(next(&tally, &roster), Ok("a".to_owned()));
    let companion = tally.next(
        roster.signers(),
        |_, _| false,
        false,
        &budget(Instant::now()),
    );
    assert!(matches!(companion, Next::Nothing), "{companion:?}");
}

#[tokio::test(start_paused = true)]
async fn only_what_may_have_arrived_counts_as_forwarded() {
    let roster = roster(&["a"]);
    let signer = &roster.signers()[0];
    let table = [
        (FailureClass::NotSent, 0),
        (FailureClass::MaybeSent, 1),
        (FailureClass::Malformed, 1),
        (FailureClass::Rejected, 0),
    ];
    for (class, forwards) in table {
        let mut tally = Tally::default();
        let failure = Failure {
            class,
            cause: Cause::Closed,
            blame: Blame::Nobody,
        };
        tally.failed(signer, &signer.paths()[0], failure);
        assert_eq!(tally.forwards(), forwards, "{class:?}");
    }
}

fn budget(now: Instant) -> Budget {
    let deadline = now.checked_add(Duration::from_millis(600)).unwrap();
    Budget::new(now, deadline, 6)
}

#[tokio::test(start_paused = true)]
async fn of_those_that_lost_requests_the_one_that_lost_the_fewest_is_asked_again_first() {
    let roster = roster(&["a", "b"]);
    for signer in roster.signers() {
        roster.observe(signer, &signer.paths()[0], Observation::Hit);
    }
    let [a, b] = roster.signers() else {
        panic!("two signers")
    };
    let mut tally = Tally::default();
    for signer in [a, a, b] {
        let lost = crate::signer::SendError {
            class: FailureClass::MaybeSent,
            cause: Cause::Closed,
        };
        tally.failed(signer, &signer.paths()[0], lost.into());
    }
    tokio::time::advance(PATIENCE).await;
    assert_eq!(next(&tally, &roster), Ok("b".to_owned()));
}

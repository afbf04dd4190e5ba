//! Who is left for a key, and when that is said.

use crate::fixture::{key, logged, second};
use crate::telemetry::metrics::label;

use super::*;

/// What is said of keys while `run` runs, without the level.
fn said(run: impl FnOnce()) -> Vec<String> {
    let about_keys = |line: &String| line.contains("for key") || line.contains("key has");
    logged(run).into_iter().filter(about_keys).collect()
}

fn miss(roster: &Roster, index: usize) {
    let signer = &roster.signers()[index];
    roster.probed(
        signer,
        &signer.paths()[0],
        Observation::Miss(Cause::Refused),
    );
}

fn hit(roster: &Roster, index: usize) {
    let signer = &roster.signers()[index];
    roster.probed(signer, &signer.paths()[0], Observation::Hit);
}

fn gauge(roster: &Roster) -> i64 {
    let labels = label::Key {
        key: key().to_string(),
    };
    roster.metrics.key_signers.get_or_create(&labels).get()
}

#[test]
fn the_moment_one_signer_is_left_it_is_an_event_and_a_metric() {
    let roster = roster_of(&[1, 1]);
    assert_eq!(gauge(&roster), 2);
    // A single missed probe is no loss.
    let nothing = said(|| {
        miss(&roster, 1);
        hit(&roster, 1);
        miss(&roster, 1);
    });
    assert!(nothing.is_empty(), "{nothing:?}");
    let one = said(|| miss(&roster, 1));
    let [one] = one.as_slice() else {
        panic!("{one:?}")
    };
    for word in [
        "WARN",
        "one signer left for key",
        "left=\"a\"",
        "missing=\"b\"",
    ] {
        assert!(one.contains(word), "{word}: {one}");
    }
    assert!(one.contains("cause=\"b connection refused\""), "{one}");
    assert!(one.contains(&key().to_string()), "{one}");
    assert_eq!(gauge(&roster), 1);
    // It goes on, which is no news.
    let nothing = said(|| (0..10).for_each(|_| miss(&roster, 1)));
    assert!(nothing.is_empty(), "{nothing:?}");
    let none = said(|| (0..2).for_each(|_| miss(&roster, 0)));
    assert!(none[0].contains("ERROR no signer left for key"), "{none:?}");
    assert_eq!((none.len(), gauge(&roster)), (1, 0));
    let back = said(|| {
        for index in [0, 0, 1, 1] {
            hit(&roster, index);
        }
    });
    assert!(back[0].contains("one signer left for key"), "{back:?}");
    assert!(
        back[1].contains("key has several signers again"),
        "{back:?}"
    );
    assert_eq!((back.len(), gauge(&roster)), (2, 2));
}

#[test]
fn one_that_fails_at_signing_or_is_drained_is_not_left() {
    let roster = roster_of(&[1, 1]);
    let hung = said(|| (0..2).for_each(|_| fail(&roster, Cause::Abandoned)));
    assert!(hung[0].contains("left=\"b\""), "{hung:?}");
    assert_eq!((hung.len(), gauge(&roster)), (1, 1));
    let again = said(|| roster.exonerated(&roster.signers()[0]));
    assert_eq!((again.len(), gauge(&roster)), (1, 2));
    let drained = said(|| roster.set_draining("a", Some(second(1))).unwrap());
    assert!(
        drained[0].contains("drained by the operator"),
        "{drained:?}"
    );
    assert_eq!((drained.len(), gauge(&roster)), (1, 1));
    let left = roster.left_for(key());
    assert_eq!(left[0].name(), "b");
}

#[test]
fn at_the_start_it_is_said_when_every_signer_was_heard_or_given_up() {
    let settings = [settings(0, 1), settings(1, 1)];
    let roster = Roster::new(&settings, &Tasks::new(), Arc::default());
    let a = &roster.signers()[0];
    let nothing = said(|| {
        roster.served(a, key(), Served::Proved);
        hit(&roster, 0);
        roster.spoken(a, false);
        miss(&roster, 1);
    });
    assert!(nothing.is_empty(), "{nothing:?}");
    let one = said(|| miss(&roster, 1));
    assert!(one[0].contains("one signer left for key"), "{one:?}");
    // One that has come and never shows this key was never missing.
    let nothing = said(|| {
        for index in [1, 1] {
            hit(&roster, index);
        }
        roster.served(&roster.signers()[1], key(), Served::Denied);
    });
    assert!(nothing.is_empty(), "{nothing:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_never_says_what_it_demands_does_not_silence_the_others() {
    let settings = [settings(0, 1), settings(1, 1), settings(2, 1)];
    let roster = Roster::new(&settings, &Tasks::new(), Arc::default());
    for signer in roster.signers() {
        roster.served(signer, key(), Served::Proved);
        hit(&roster, signer.index());
    }
    roster.spoken(&roster.signers()[0], false);
    roster.spoken(&roster.signers()[1], false);
    tokio::time::advance(Duration::from_secs(5)).await;
    let one = said(|| (0..2).for_each(|_| miss(&roster, 1)));
    assert!(one[0].contains("missing=\"b, c\""), "{one:?}");
}

#[test]
fn of_a_key_that_one_signer_alone_has_nothing_is_said() {
    let roster = roster_of(&[1, 1]);
    let alone = crate::fixture::secret(crate::tezos::Curve::P256, 1);
    let alone = alone.public_key().hash();
    roster.served(&roster.signers()[0], alone, Served::Proved);
    let one = said(|| (0..2).for_each(|_| miss(&roster, 0)));
    assert_eq!(one.len(), 1, "{one:?}");
    assert!(!one[0].contains(&alone.to_string()), "{one:?}");
}

//! What proves the checker: stories that break a rule, and worlds whose proxy is made to do wrong.

mod story;

use std::time::Duration;

use super::checker;
use super::options::{Mistake, Options};
use super::trace::{End, Outcome, Reason, Work};
use story::{Story, block, options, vote};

/// Worlds that a mistake is given to show.
const WORLDS: u64 = 300;

fn findings(story: &Story) -> Vec<String> {
    checker::check(&options(), &story.0).broken
}

#[test]
fn a_story_in_which_all_goes_well_breaks_no_rule() {
    let mut story = Story::default();
    story.signed(10_000, 1, vote(1));
    story.signed(11_000, 2, vote(2));
    assert_eq!(findings(&story), Vec::<String>::new());
}

#[test]
fn a_second_payload_for_a_slot_is_seen() {
    let mut story = Story::default();
    story.signed(10_000, 1, vote(1));
    story.asked(10_500, 2, vote(1), Reason::Twin, 4_000);
    story.left_with(10_501, 2, 0, vote(1), 2);
    story.ended(10_600, 2, End::Refused);
    story.answered(10_600, 2, Outcome::Unclaimed);
    assert_one(&findings(&story), "a second payload for a slot");
}

#[test]
fn what_leaves_after_its_deadline_is_seen() {
    let mut story = Story::default();
    story.asked(10_000, 1, vote(1), Reason::Twin, 4_000);
    story.left(14_001, 1, 0, vote(1));
    story.answered(14_000, 1, Outcome::Unclaimed);
    assert_one(&findings(&story), "left after its deadline");
}

#[test]
fn a_position_that_falls_at_a_ledger_is_seen_unless_the_higher_one_was_refused() {
    for (end, broken) in [
        (End::Signed, true),
        (End::Closed, true),
        (End::Refused, false),
    ] {
        let mut story = Story::default();
        story.asked(10_000, 1, vote(1), Reason::Own, 4_000);
        story.left(10_001, 1, 1, vote(1));
        story.ended(10_050, 1, end);
        story.left(10_051, 2, 0, vote(1));
        story.worked(10_070, 2, Work::Signed);
        story.ended(10_080, 2, End::Signed);
        story.answered(10_080, 1, Outcome::Signed { verifies: true });
        story.asked(10_300, 2, block(1), Reason::Own, 4_000);
        story.left(10_301, 3, 1, block(1));
        story.ended(10_400, 3, End::Signed);
        story.answered(10_401, 2, Outcome::Signed { verifies: true });
        let found = findings(&story);
        if broken {
            assert_one(&found, "a position fell");
        } else {
            assert_eq!(found, Vec::<String>::new());
        }
    }
}

#[test]
fn two_at_a_device_for_one_are_seen_unless_the_first_is_abandoned() {
    for (outcome, at, broken) in [
        (Outcome::Signed { verifies: true }, 10_050, true),
        (Outcome::Signed { verifies: true }, 12_050, false),
        (Outcome::NoSigner, 10_050, false),
    ] {
        let mut story = Story::default();
        story.asked(10_000, 1, vote(1), Reason::Own, 4_000);
        story.left(10_001, 1, 0, vote(1));
        if outcome == Outcome::NoSigner {
            story.answered(10_040, 1, outcome);
        } else {
            story.left(10_002, 2, 1, vote(1));
            story.ended(10_040, 2, End::Signed);
            story.answered(10_040, 1, outcome);
        }
        story.signed(at, 3, vote(2));
        let found = findings(&story);
        let seen = found
            .iter()
            .any(|it| it.contains("under way at a device for 1"));
        assert_eq!(seen, broken, "{outcome:?} {found:#?}");
    }
}

#[test]
fn one_request_too_many_for_a_slot_is_seen_and_a_copy_is_not() {
    for (signed_after, broken) in [(6, false), (7, true)] {
        let mut story = Story::default();
        story.asked(10_000, 1, vote(1), Reason::Own, 4_000);
        let count = signed_after.max(7);
        for nth in 1..=count {
            let at = 10_000 + 10 * nth;
            let job = usize::try_from(nth).unwrap();
            story.left(at, job, 0, vote(1));
            let end = if nth == signed_after {
                End::Signed
            } else {
                End::Closed
            };
            story.ended(at + 5, job, end);
        }
        story.answered(10_200, 1, Outcome::Signed { verifies: true });
        let found = findings(&story);
        if broken {
            assert_one(&found, "number 7 for its slot");
        } else {
            assert_eq!(found, Vec::<String>::new());
        }
    }
}

#[test]
fn answers_that_must_not_be_are_seen() {
    for (outcome, at, phrase) in [
        (
            Outcome::Signed { verifies: false },
            10_200,
            "does not verify",
        ),
        (Outcome::Signed { verifies: true }, 10_050, "no signer gave"),
        (
            Outcome::Signed { verifies: true },
            14_500,
            "after its deadline",
        ),
        (Outcome::Superseded, 10_200, "given up"),
        (Outcome::Wrong("shed"), 10_200, "shed"),
    ] {
        let mut story = Story::default();
        story.asked(10_000, 1, vote(1), Reason::Own, 4_000);
        story.left(10_001, 1, 0, vote(1));
        story.ended(10_100, 1, End::Signed);
        story.answered(at, 1, outcome);
        let found = findings(&story);
        assert!(
            found.iter().any(|it| it.contains(phrase)),
            "{phrase}: {found:#?}"
        );
    }
    let mut story = Story::default();
    story.asked(10_000, 1, vote(1), Reason::Own, 4_000);
    let found = findings(&story);
    assert!(found.iter().any(|it| it.contains("never answered")));
}

#[test]
fn a_request_that_a_healthy_signer_could_have_answered_is_seen() {
    let mut story = Story::default();
    story.asked(11_000, 1, vote(1), Reason::Own, 4_000);
    story.answered(15_000, 1, Outcome::NoSigner);
    assert_one(&findings(&story), "no signature though nothing is wrong");
    // The same while there is a fault elsewhere.
    let mut troubled = options();
    troubled
        .faults
        .push(story::trouble_at_the_second(9_000, 16_000));
    let found = checker::check(&troubled, &story.0).broken;
    assert_one(&found, "could have signed by");
    // And when it comes late, though in time.
    let mut late = Story::default();
    late.asked(11_000, 1, vote(1), Reason::Own, 4_000);
    late.left(14_800, 1, 0, vote(1));
    late.ended(14_900, 1, End::Signed);
    late.answered(14_900, 1, Outcome::Signed { verifies: true });
    assert_one(
        &checker::check(&troubled, &late.0).broken,
        "could have signed by",
    );
}

fn assert_one(found: &[String], phrase: &str) {
    assert!(
        found.len() == 1 && found[0].contains(phrase),
        "{phrase}: {found:#?}"
    );
}

/// Some world shows the mistake in these words.
fn shows(mistake: Mistake, phrase: &str) {
    let shown = (0..WORLDS).any(|seed| {
        let mut options = Options::of(seed);
        options.mistake = Some(mistake);
        let entries = super::live(options.clone());
        let broken = checker::check(&options, &entries).broken;
        broken.iter().any(|it| it.contains(phrase))
    });
    assert!(shown, "{mistake:?} shows in none of {WORLDS} worlds");
}

#[test]
fn a_proxy_that_takes_a_device_for_a_larger_one_is_seen() {
    shows(Mistake::Crowds, "under way at a device for 1");
}

#[test]
fn a_proxy_that_lets_positions_fall_is_seen() {
    shows(Mistake::ForgetsPositions, "a position fell");
}

#[test]
fn a_proxy_that_asks_after_the_deadline_is_seen() {
    shows(Mistake::IsLate, "left after its deadline");
}

#[test]
fn a_proxy_without_failover_between_paths_is_seen() {
    shows(Mistake::KnowsOnePath, "could have signed by");
}

#[test]
fn a_proxy_without_failover_between_signers_is_seen() {
    shows(Mistake::KnowsOneSigner, "could have signed by");
}

#[test]
fn a_proxy_that_does_not_probe_is_seen() {
    shows(Mistake::StopsProbes, "not everything recovered");
}

#[test]
fn two_proxies_without_a_common_store_are_seen() {
    shows(Mistake::TwoStores, "a second payload for a slot");
}

/// What a story counts from.
const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

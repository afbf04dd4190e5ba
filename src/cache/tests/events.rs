//! What the log says of signers that demand authentication or disagree about it: once, and the truth.

use crate::fixture::logged;

use super::{Home, NONE, baker, list, save};

#[test]
fn the_event_of_a_disagreement_names_the_signer_whose_list_is_shown() {
    for (first, second, shown) in [
        // The most preferred list counts, whoever speaks last.
        (("a", list(&[1])), ("b", list(&[2])), "a"),
        (("b", list(&[2])), ("a", list(&[1])), "a"),
        // A list beats none, also one of a signer that is preferred less.
        (("a", NONE), ("c", list(&[2])), "c"),
        (("c", list(&[2])), ("a", NONE), "c"),
        (("b", list(&[])), ("c", list(&[3])), "c"),
    ] {
        let home = Home::new();
        let cache = home.load();
        home.say(&cache, first.0, first.1);
        let (name, answer) = second;
        let lines = logged(|| home.say(&cache, name, answer.clone()));
        let event = format!("WARN signers disagree on authorized keys shown=\"{shown}\"");
        assert!(lines.contains(&event), "{lines:?}");
        let again = logged(|| home.say(&cache, name, answer.clone()));
        assert_eq!(again, [""; 0]);
    }
}

#[test]
fn a_demand_that_cannot_be_met_is_one_warning_and_its_end_one_line() {
    let home = Home::new();
    let cache = home.load();
    let lines = logged(|| {
        home.say(&cache, "a", NONE);
        home.say(&cache, "a", list(&[1]));
        home.say(&cache, "a", list(&[1, 2]));
        home.say(&cache, "b", list(&[1, 2]));
    });
    let of_demand: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("nothing is signed"))
        .collect();
    assert_eq!(of_demand.len(), 1, "{lines:?}");
    assert!(of_demand[0].starts_with("WARN"), "{lines:?}");
    assert!(of_demand[0].contains("signer=\"a\""), "{lines:?}");
    let lines = logged(|| {
        home.say(&cache, "a", NONE);
        home.say(&cache, "b", NONE);
        home.say(&cache, "b", NONE);
    });
    let ended = "INFO no signer demands authentication any more".to_owned();
    let ends = lines.iter().filter(|line| **line == ended).count();
    assert_eq!(ends, 1, "{lines:?}");
    assert_eq!(lines.last(), Some(&ended));
}

#[test]
fn a_refusal_for_want_of_authentication_is_the_same_warning() {
    let home = Home::new();
    let cache = home.load();
    home.say(&cache, "b", NONE);
    let lines = logged(|| cache.note_demand("b"));
    assert!(
        lines.iter().any(|line| line.contains("nothing is signed")),
        "{lines:?}"
    );
}

#[test]
fn with_bakers_of_our_own_a_demand_is_no_trouble() {
    let mut home = Home::new();
    home.settings.bakers = vec![baker(1)];
    let cache = home.load();
    assert_eq!(logged(|| home.say(&cache, "a", list(&[1]))), [""; 0]);
}

#[tokio::test]
async fn a_demand_from_an_earlier_run_is_told_at_the_start() {
    let home = Home::new();
    let cache = home.load();
    home.say(&cache, "a", list(&[1]));
    save(&cache).await;
    let lines = logged(|| drop(home.load()));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("nothing is signed"), "{lines:?}");
}

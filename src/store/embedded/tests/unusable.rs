//! A witness that says nothing: a damaged one is lost, one that cannot be read or understood may know much, and
//! one of another store knows nothing of this one.

use std::path::Path;

use super::witness::{Home, claim, refusal};
use super::*;

/// Puts something that cannot be read where the witness is.
fn make_unreadable(witness: &Path) {
    // A real EIO: there is nothing at the beginning of the memory of a process. In one step, because the keeper
    // may be at work.
    let made = witness.with_extension("made");
    std::os::unix::fs::symlink("/proc/self/mem", &made).unwrap();
    std::fs::rename(&made, witness).unwrap();
}

fn is_unreadable(witness: &Path) -> bool {
    std::fs::symlink_metadata(witness).unwrap().is_symlink()
}

/// Makes the witness that of a newer program.
fn make_newer(witness: &Path) {
    let text = std::fs::read_to_string(witness).unwrap();
    let newer = text.replace("\"version\": 1,", "\"version\": 2,");
    let made = witness.with_extension("made");
    std::fs::write(&made, newer).unwrap();
    std::fs::rename(&made, witness).unwrap();
}

fn is_newer(witness: &Path) -> bool {
    let text = std::fs::read_to_string(witness).unwrap();
    text.contains("\"version\": 2,")
}

type Way = (fn(&Path), fn(&Path) -> bool, &'static str);

const WAYS: [Way; 2] = [
    (make_unreadable, is_unreadable, "cannot be read"),
    (make_newer, is_newer, "is of a newer program"),
];

#[tokio::test]
async fn a_witness_that_cannot_be_read_or_understood_is_told_and_not_written_over() {
    for (make, is_left_alone, said) in WAYS {
        let home = Home::new();
        drop(home.copied().await);
        let store = home.open();
        let mut level = 100;
        let mut go_on = async || {
            level += 1;
            assert_eq!(claim(&store, level).await, Ok(Answer::Permit));
        };
        // The keeper may be about to write what it looked for before.
        until(
            said,
            || store.vitals().witness == Some(false),
            async || {
                if !is_left_alone(&home.witness()) {
                    make(&home.witness());
                }
                go_on().await;
            },
        )
        .await;
        let trouble = read(&store.shared.keeper).as_ref().unwrap().trouble();
        let trouble = trouble.unwrap();
        assert!(trouble.contains(said), "{trouble}");
        for _ in 0..20 {
            go_on().await;
        }
        assert_eq!(store.report().condition, Condition::Ready);
        assert!(is_left_alone(&home.witness()));
        // Once it is gone, it is kept again.
        std::fs::remove_file(home.witness()).unwrap();
        until(
            "a new witness",
            || store.vitals().witness == Some(true),
            &mut go_on,
        )
        .await;
        drop(store);
        assert_eq!(home.open().report().condition, Condition::Ready);
    }
}

#[tokio::test]
async fn a_start_leaves_a_witness_alone_that_it_cannot_read_or_understand() {
    for (make, is_left_alone, _) in WAYS {
        let home = Home::new();
        drop(home.copied().await);
        make(&home.witness());
        let reason = refusal(&home.open());
        assert!(is_left_alone(&home.witness()), "{reason}");
    }
}

#[tokio::test]
async fn accepting_needs_a_witness_that_is_understood_absent_or_damaged() {
    for (make, is_left_alone, said) in WAYS {
        let home = Home::new();
        drop(home.copied().await);
        make(&home.witness());
        let before = std::fs::read(home.file()).unwrap();
        let error = home.accept(300).unwrap_err();
        assert!(error.contains(said), "{error}");
        assert!(is_left_alone(&home.witness()));
        assert!(std::fs::read(home.file()).unwrap() == before);
        std::fs::remove_file(home.witness()).unwrap();
        assert!(home.accept(300).is_ok());
    }
    let home = Home::new();
    drop(home.copied().await);
    std::fs::write(home.witness(), "{").unwrap();
    assert!(home.accept(300).is_ok());
}

#[tokio::test]
async fn the_witness_of_another_store_raises_and_does_not_vouch() {
    let (home, stranger) = (Home::new(), Home::new());
    for (home, level) in [(&home, 200), (&stranger, 150)] {
        let store = home.open();
        raise_all(&store).await;
        assert_eq!(claim(&store, level).await, Ok(Answer::Permit));
    }
    let own = std::fs::read(home.witness()).unwrap();
    let of = |home: &Home| std::fs::read(home.witness()).unwrap();
    std::fs::write(home.witness(), of(&stranger)).unwrap();
    let contents = || EmbeddedStore::inspect(&home.lock()).unwrap();
    let before = contents();
    let error = home.accept(199).unwrap_err();
    assert!(error.contains("199 lies below 200"), "{error}");
    assert_eq!(contents(), before);
    // Its own one vouches.
    std::fs::write(home.witness(), own).unwrap();
    home.accept(199).unwrap();
    // What another one knows of the same key counts all the same.
    let store = stranger.open();
    assert_eq!(claim(&store, 400).await, Ok(Answer::Permit));
    drop(store);
    std::fs::write(home.witness(), of(&stranger)).unwrap();
    home.accept(300).unwrap();
    let store = home.open();
    assert!(matches!(claim(&store, 400).await, Ok(Answer::Refused(_))));
    assert_eq!(claim(&store, 401).await, Ok(Answer::Permit));
}

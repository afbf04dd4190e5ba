//! Clients that hold connections and do nothing with them, beside a baker: nobody is locked out, nothing is lost,
//! and what they cost in time and memory is bounded.
//!
//! `scripts/slow` makes the whole table of `docs/slow.md` with `slowhttptest`. Without it raw sockets do the same
//! for a moment, more of them than the proxy lets in.

mod crowd;
mod row;
mod target;

use crate::harness::scene::turn;

use crowd::{By, Manner};
use row::{Case, Row, Size};
use target::{Neighbour, Through};

/// More than the proxy lets in of all addresses together.
const ALL_PLACES: usize = 1_024 + 76;

/// The rows that `SLOW` names by their words, or all; absent without it.
fn asked() -> Option<Vec<Manner>> {
    let text = std::env::var("SLOW").ok()?;
    if text == "all" {
        return Some(Manner::ALL.to_vec());
    }
    let named = |word: &str| {
        let manner = Manner::ALL.into_iter().find(|one| one.words().0 == word);
        manner.unwrap_or_else(|| panic!("SLOW: nothing is called {word}"))
    };
    Some(text.split_whitespace().map(named).collect())
}

/// The proxy at its HTTP door, and a baker at another address.
const fn slowness(manner: Manner, by: By, crowd: usize) -> Case {
    Case {
        manner,
        by,
        through: Through::Http,
        neighbour: Neighbour::OtherAddress,
        crowd,
    }
}

const fn silence(through: Through, neighbour: Neighbour, crowd: usize) -> Case {
    Case {
        manner: Manner::Silence,
        by: By::Sockets,
        through,
        neighbour,
        crowd,
    }
}

async fn hold(cases: &[Case], size: Size) {
    let _turn = turn().await;
    // After what the test runner has written on the line.
    println!("\n{}", Row::HEAD);
    let mut broken = Vec::new();
    for case in cases {
        let row = Row::measure(*case, size).await;
        println!("{row}");
        broken.extend(row.broken(size));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_take_no_signature_from_a_baker_at_another_address() {
    if let Some(asked) = asked() {
        let all = asked.into_iter().filter(|one| *one != Manner::Silence);
        let cases: Vec<_> = all
            .map(|manner| slowness(manner, By::Slowhttptest, 1_000))
            .collect();
        hold(&cases, Size::WHOLE).await;
    } else {
        let sockets = |manner| slowness(manner, By::Sockets, ALL_PLACES);
        let cases = [Manner::Heads, Manner::Bodies, Manner::Reads].map(sockets);
        hold(&cases, Size::SHORT).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_lock_out_nobody_not_even_their_own_address() {
    let (same, other) = (Neighbour::SameAddress, Neighbour::OtherAddress);
    let (cases, crowd, size) = match asked() {
        // Who gets in from there gets in from anywhere.
        None => (
            vec![(Through::Http, same), (Through::Tcp, same)],
            ALL_PLACES,
            Size::SHORT,
        ),
        Some(asked) if asked.contains(&Manner::Silence) => {
            let both = [Through::Http, Through::Tcp].map(|door| [(door, other), (door, same)]);
            (both.concat(), 1_024, Size::WHOLE)
        }
        Some(_) => return,
    };
    let cases: Vec<_> = cases
        .into_iter()
        .map(|(through, neighbour)| silence(through, neighbour, crowd))
        .collect();
    hold(&cases, size).await;
}

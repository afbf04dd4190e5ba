//! What a baker sees of each fault through HAProxy, as it was set up and as well as it can be, and through
//! the proxy: the same load, the same tunnels, everything built anew for each row.
//!
//! `scripts/faults` makes the whole table of `docs/faults.md`. Without it a short load goes through what
//! `tunnel.rs` leaves out, and through HAProxy once, so that the comparison is known to work.

mod contestant;
mod fault;
mod row;

use crate::harness::scene::turn;

use contestant::Contestant;
use fault::Fault;
use row::{Row, Size};

/// The faults that `FAULTS` names by their words, or all.
fn asked() -> Option<Vec<Fault>> {
    let text = std::env::var("FAULTS").ok()?;
    if text == "all" {
        return Some(Fault::ALL.to_vec());
    }
    let named = |word: &str| Fault::ALL.into_iter().find(|fault| fault.words().0 == word);
    let words = text.split_whitespace();
    let faults = words
        .map(|word| named(word).unwrap_or_else(|| panic!("FAULTS: no fault is called {word}")));
    Some(faults.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_is_kept_where_haproxy_loses_requests() {
    let asked = asked();
    let faults = asked.clone().unwrap_or_else(|| vec![Fault::Killed]);
    // After what the test runner has written on the line.
    println!("\n{}", Row::HEAD);
    let mut broken = Vec::new();
    for fault in faults {
        let size = asked.as_ref().map_or(Size::SHORT, |_| Size::whole(fault));
        for contestant in Contestant::ALL {
            let _turn = turn().await;
            let row = Row::measure(fault, contestant, size).await;
            println!("{row}");
            // It takes three checks, of which there is one in 15 s.
            if (fault, contestant) == (Fault::Killed, Contestant::Original) {
                let lost = row.lost() > size.requests / 2;
                assert!(lost, "this cannot have been HAProxy: {row}");
            }
            broken.extend(row.broken);
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A short load through the proxy.
async fn nothing_is_lost(fault: Fault) {
    let _turn = turn().await;
    let row = Row::measure(fault, Contestant::Ours, Size::SHORT).await;
    assert!(row.broken.is_empty(), "{row}: {:#?}", row.broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_preferred_signer_becomes_ten_times_slower() {
    nothing_is_lost(Fault::Slow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_preferred_signer_answers_500_from_now_on() {
    nothing_is_lost(Fault::Status500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_preferred_signer_answers_garbage_from_now_on() {
    nothing_is_lost(Fault::Garbage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_preferred_signer_signs_wrongly_from_now_on() {
    nothing_is_lost(Fault::WrongSignature).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_connections_are_reset_after_signing_from_now_on() {
    nothing_is_lost(Fault::ResetAfterSigning).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_a_device_hangs_behind_answers_that_look_well() {
    nothing_is_lost(Fault::Hung).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_sshd_ends_with_all_its_sessions_and_comes_back() {
    nothing_is_lost(Fault::SshdRestarted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_a_stale_session_holds_the_port_of_the_preferred_home() {
    nothing_is_lost(Fault::StaleListener).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_a_session_takes_the_socket_of_a_stalled_one() {
    nothing_is_lost(Fault::SocketRebound).await;
}

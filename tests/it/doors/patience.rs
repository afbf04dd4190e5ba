//! The socket doors, whose clients wait 8 s for an answer and then ask again.

use crate::decision_log::{entries, until_noted};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn repeats_of_a_client_that_lost_patience_share_one_operation() {
    let (signer, doors) = plain(&[], "", "").await;
    signer.faults(&json!({"stall": "sign"})).await;
    let key = doors.keys[0].clone();
    // A block of a late round: of use for longer than Octez waits on a socket.
    let bytes = slot(crate::harness::payload::Kind::Block, FLOOR + 1, 4).bytes(key.curve(), 1);
    let request = sign_request(&key, &bytes, None);
    let asked = crate::harness::wait::until("the signer to be asked", async || {
        (signer.received().await > 0).then_some(())
    });
    tokio::select! {
        answer = doors.tcp.ask(&request) => panic!("{answer:?}"),
        () = asked => {}
    }
    // The first has hung up.
    let (again, ()) = tokio::join!(doors.unix.ask(&request), signer.heal());
    let again = again.unwrap();
    assert_eq!(again[0], 0, "{again:?}");
    assert_eq!(doors.tcp.ask(&request).await.unwrap(), again);
    until_noted(&doors.proxy, "released", 1).await;
    let entries = entries(&doors.proxy).await;
    let noted = |event: &str| {
        entries
            .iter()
            .filter(|entry| entry["event"] == event)
            .count()
    };
    assert_eq!(
        (noted("claimed"), noted("claimed-again")),
        (1, 0),
        "{entries:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_answered_before_octez_loses_patience() {
    let (signer, doors) = plain(&[], "", "").await;
    signer.faults(&json!({"stall": "all"})).await;
    let key = &doors.keys[0];
    let bytes = slot(crate::harness::payload::Kind::Block, FLOOR + 1, 4).bytes(key.curve(), 1);
    let begun = Instant::now();
    let refused = doors.tcp.sign(key, &bytes, None).await.unwrap_err();
    let took = begun.elapsed();
    assert!(refused.starts_with("[no-signer] "), "{refused}");
    // The round lasts 18 s; a read of Octez 8 s.
    let patience = Duration::from_secs(7)..Duration::from_secs(8);
    assert!(patience.contains(&took), "{took:?}");
}

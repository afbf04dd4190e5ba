//! The slow look at the device, and that nothing depends on it.

use super::*;

async fn world() -> World {
    let deep = DeepProbe {
        path: "/statusz/{key}?ledger_url=ledger://x".to_owned(),
        period: ms(15_000),
    };
    World::looking_deep(&[(1, 1)], 4, Some(deep)).await
}

impl World {
    /// Waits until so many deep probes have gone out.
    async fn until_deep(&self, count: usize) {
        let begun = Instant::now();
        while self.net.deep("a.1").len() < count {
            assert!(begun.elapsed() < ms(60_000));
            pause(ms(10)).await;
        }
        pause(ms(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deep_probe_that_fails_is_told_and_changes_nothing() {
    let world = world().await;
    assert_eq!(world.signer().deep_view(), None);
    world.until_deep(1).await;
    let key = secret(Curve::Ed25519, 1).public_key().hash();
    assert_eq!(
        world.net.deep("a.1"),
        [format!("/statusz/{key}?ledger_url=ledger://x")]
    );
    assert_eq!(world.signer().deep_view().unwrap().cause, None);
    world.net.set_deep("a.1", "503 Service Unavailable");
    let begun = Instant::now();
    world.until_deep(2).await;
    assert!(begun.elapsed() > ms(13_000), "{:?}", begun.elapsed());
    let cause = world.signer().deep_view().unwrap().cause;
    assert_eq!(cause, Some(Cause::Status(503, String::new())));
    assert_eq!(world.path(0).state(), PathState::Up);
    assert_eq!(world.signer().state(), SignerState::Up);
}

#[tokio::test(start_paused = true)]
async fn no_deep_probe_goes_out_while_a_signature_is_under_way_or_the_path_is_down() {
    let world = world().await;
    let signing = world.signer().begin_signing();
    pause(ms(60_000)).await;
    assert!(world.net.deep("a.1").is_empty());
    drop(signing);
    world.until_deep(1).await;
    world.net.set("a.1", Mode::Refuses);
    world.until(world.path(0), PathState::Down).await;
    pause(ms(60_000)).await;
    assert_eq!(world.net.deep("a.1").len(), 1);
}

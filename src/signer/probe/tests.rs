//! What probes make of the ways in which paths fail, under a paused clock and without a socket.

mod deep;
mod net;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::fixture::secret;
use crate::settings::{
    DeepProbe, Path as PathSettings, Repeat, Signer as SignerSettings, SignerUrl,
};
use crate::signer::health::{PathState, SignerState};
use crate::signer::outside::Outside;
use crate::telemetry::Metrics;
use crate::tezos::Curve;
use listed::Keys;
use net::{Middle, Mode, Net, Shared, pause};

const AT_ONCE: Mode = Mode::Answers(Duration::ZERO);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Probes of some signers.
struct World {
    roster: Arc<Roster>,
    net: Arc<Net>,
    tasks: Tasks,
}

impl World {
    /// Signers with so many paths each, of so many connections; every path answers at once. The first key
    /// number of each is the one that it has.
    async fn start(signers: &[(usize, u8)], max_connections: usize) -> Self {
        Self::looking_deep(signers, max_connections, None).await
    }

    /// The same, with a deep probe of each signer.
    async fn looking_deep(
        signers: &[(usize, u8)],
        max_connections: usize,
        deep_probe: Option<DeepProbe>,
    ) -> Self {
        let net = Arc::new(Net::default());
        let mut settings = Vec::new();
        for (index, (paths, key)) in signers.iter().enumerate() {
            let name = ["a", "b", "c"][index];
            let mut all = Vec::new();
            for nth in 1..=*paths {
                let host = format!("{name}.{nth}");
                net.add(&host, secret(Curve::Ed25519, *key).public_key().clone());
                all.push(path(nth, host, max_connections));
            }
            settings.push(SignerSettings {
                name: name.to_owned(),
                priority: 1,
                capacity: 1,
                repeat: Repeat::Replay,
                shared_watermark: false,
                deep_probe: deep_probe.clone(),
                auth_key: None,
                paths: all,
            });
        }
        let outside = Outside {
            connector: Arc::new(Shared(Arc::clone(&net))),
            chance: Arc::new(Middle),
        };
        let tasks = Tasks::new();
        let metrics = Arc::new(Metrics::new());
        let roster = Arc::new(Roster::over(&settings, &tasks, metrics, &outside));
        let hash = |(_, key): &(usize, u8)| secret(Curve::Ed25519, *key).public_key().hash();
        let mut keys: Vec<_> = signers.iter().map(hash).collect();
        keys.sort();
        keys.dedup();
        let probe = Settings {
            period: ms(500),
            timeout: ms(400),
        };
        let instance = HeaderValue::from_static("tests");
        let prober = Prober::new(Arc::clone(&roster), Arc::new(Keys(keys)), probe, instance);
        Arc::new(prober).start(&tasks);
        let world = Self { roster, net, tasks };
        pause(ms(2_000)).await;
        for (_, path) in world.roster.paths() {
            assert_eq!(path.state(), PathState::Up);
        }
        world
    }

    fn signer(&self) -> &Arc<Signer> {
        &self.roster.signers()[0]
    }

    fn path(&self, nth: usize) -> &Arc<Path> {
        &self.signer().paths()[nth]
    }

    /// How long it takes until a path is in this state.
    async fn until(&self, path: &Path, state: PathState) -> Duration {
        let begun = Instant::now();
        while path.state() != state {
            assert!(begun.elapsed() < ms(60_000), "{path:?}");
            pause(ms(1)).await;
        }
        begun.elapsed()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.begin_shutdown();
    }
}

fn path(nth: usize, host: String, max_connections: usize) -> PathSettings {
    PathSettings {
        name: nth.to_string(),
        url: SignerUrl::Http { host, port: 1 },
        prefix: String::new(),
        max_connections,
        tls: crate::settings::PathTls::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_that_swallows_or_refuses_is_ejected_within_one_and_a_half_seconds() {
    for (mode, most) in [(Mode::Swallows, 1_500), (Mode::Refuses, 1_100)] {
        let world = World::start(&[(1, 1)], 4).await;
        // Right after a probe, which is the worst moment.
        let asked = world.net.asked("a.1");
        while world.net.asked("a.1") == asked {
            pause(ms(1)).await;
        }
        world.net.set("a.1", mode);
        let took = world.until(world.path(0), PathState::Down).await;
        assert!(took <= ms(most), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_probe_counts_although_the_signer_signs_on_its_other_path() {
    let world = World::start(&[(2, 1)], 4).await;
    world.net.set("a.2", Mode::Refuses);
    for _ in 0..4 {
        let _signing = world.signer().begin_signing();
        pause(ms(300)).await;
    }
    assert_eq!(world.path(1).state(), PathState::Down);
    assert_eq!(world.path(0).state(), PathState::Up);
}

#[tokio::test(start_paused = true)]
async fn silence_of_a_device_that_signs_or_has_just_signed_is_no_miss() {
    let world = World::start(&[(1, 1)], 4).await;
    let up_since = world.path(0).health().entered();
    for _ in 0..10 {
        let asked = world.net.asked("a.1");
        world.net.set("a.1", Mode::Swallows);
        let signing = world.signer().begin_signing();
        while world.net.asked("a.1") == asked {
            pause(ms(1)).await;
        }
        // The probe is given up after the signature has come.
        pause(ms(50)).await;
        drop(signing);
        world.net.set("a.1", AT_ONCE);
        pause(ms(360)).await;
        assert_eq!(world.path(0).health().entered(), up_since);
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_whose_only_connection_hangs_is_found_dead_before_patience_ends() {
    let world = World::start(&[(1, 1)], 1).await;
    world.net.set("a.1", Mode::Swallows);
    let hung = Outgoing::get("/keys".to_owned());
    let (path, gate) = (Arc::clone(world.path(0)), Gate::open());
    // Between two probes.
    while path.client().saturated() {
        pause(ms(1)).await;
    }
    let _signing = world.signer().begin_signing();
    let request = async {
        let answer = path.client().send(&hung, &gate).await;
        panic!("{answer:?}");
    };
    let took = tokio::select! {
        biased;
        () = request => unreachable!(),
        took = world.until(&path, PathState::Down) => took,
    };
    assert!(took < ms(1_700), "{took:?}");
    assert!(took < world.signer().patience());
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_no_dead_one() {
    let world = World::start(&[(1, 1)], 1).await;
    let up_since = world.path(0).health().entered();
    world.net.set("a.1", Mode::Answers(ms(500)));
    let path = Arc::clone(world.path(0));
    for _ in 0..20 {
        let _signing = world.signer().begin_signing();
        let outgoing = Outgoing::get("/keys".to_owned());
        path.client().send(&outgoing, &Gate::open()).await.unwrap();
    }
    assert_eq!(path.health().entered(), up_since);
}

#[tokio::test(start_paused = true)]
async fn a_far_path_stays_up() {
    let world = World::start(&[(1, 1)], 4).await;
    world.net.set("a.1", Mode::Answers(ms(600)));
    // The first two answers come late, and are taken in.
    pause(ms(1_250)).await;
    world.until(world.path(0), PathState::Up).await;
    let (up_since, revivals) = (world.path(0).health().entered(), world.path(0).revivals());
    pause(ms(60_000)).await;
    assert_eq!(world.path(0).health().entered(), up_since);
    assert_eq!(revivals, 0);
}

#[tokio::test(start_paused = true)]
async fn probes_hurry_when_a_key_has_no_signer_left_and_only_then() {
    // How often a path that is down is asked in ten seconds.
    let cadence = async |signers: &[(usize, u8)]| {
        let world = World::start(signers, 4).await;
        world.net.set("a.1", Mode::Refuses);
        world.until(world.path(0), PathState::Down).await;
        let asked = world.net.asked("a.1");
        pause(ms(10_000)).await;
        world.net.asked("a.1").checked_sub(asked).unwrap()
    };
    for signers in [&[(1, 1)][..], &[(1, 1), (1, 2)]] {
        let asked = cadence(signers).await;
        assert!((40..=100).contains(&asked), "{signers:?}: {asked}");
    }
    for signers in [&[(1, 1), (1, 1)][..], &[(2, 1)]] {
        let asked = cadence(signers).await;
        assert!((15..=25).contains(&asked), "{signers:?}: {asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_port_is_left_alone_for_longer_and_longer_and_its_end_is_seen_at_once() {
    let world = World::start(&[(1, 1)], 4).await;
    world.net.set("a.1", Mode::Swallows);
    world.until(world.path(0), PathState::Down).await;
    pause(ms(10)).await;
    assert!(world.path(0).is_left_alone());
    let asked = world.net.asked("a.1");
    pause(ms(60_000)).await;
    // Nobody connects for so long that sshd asks its client whether it lives.
    let again = world.net.asked("a.1").checked_sub(asked).unwrap();
    assert!((3..=5).contains(&again), "{again}");
    world.net.set("a.1", AT_ONCE);
    world.net.cut();
    let took = world.until(world.path(0), PathState::Up).await;
    // It takes work after the first answer, at once; the second comes with the next tick.
    assert!(took < ms(600), "{took:?}");
    assert!(!world.path(0).is_left_alone());
}

#[tokio::test(start_paused = true)]
async fn a_port_that_was_silent_once_and_answers_is_probed_as_ever() {
    let world = World::start(&[(1, 1)], 4).await;
    world.net.set("a.1", Mode::Swallows);
    world.until(world.path(0), PathState::Down).await;
    world.net.set("a.1", AT_ONCE);
    world.net.cut();
    world.until(world.path(0), PathState::Up).await;
    let asked = world.net.asked("a.1");
    pause(ms(10_000)).await;
    let often = world.net.asked("a.1").checked_sub(asked).unwrap();
    // Two a tick: this network's lists cannot be read, so they are asked for again.
    assert!((30..=50).contains(&often), "{often}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_port_with_one_connection_shows_its_end_at_once_as_well() {
    let world = World::start(&[(1, 1)], 1).await;
    world.net.set("a.1", Mode::Swallows);
    world.until(world.path(0), PathState::Down).await;
    pause(ms(20_000)).await;
    world.net.set("a.1", AT_ONCE);
    world.net.cut();
    let took = world.until(world.path(0), PathState::Up).await;
    assert!(took < ms(600), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_refused_connections_meanwhile_is_left_alone_for_a_short_time_again() {
    let world = World::start(&[(1, 1)], 4).await;
    world.net.set("a.1", Mode::Swallows);
    pause(ms(60_000)).await;
    // The session is gone; another comes and dies.
    world.net.set("a.1", Mode::Refuses);
    world.net.cut();
    pause(ms(2_000)).await;
    world.net.set("a.1", Mode::Swallows);
    pause(ms(1_500)).await;
    let asked = world.net.asked("a.1");
    pause(ms(8_000)).await;
    let again = world.net.asked("a.1").checked_sub(asked).unwrap();
    assert!((2..=3).contains(&again), "{again}");
}

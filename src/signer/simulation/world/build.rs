//! How a world is put together.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::sync::watch;

use crate::fixture::{BookStore, at, second, secret};
use crate::guard::{Raise, SigningGuard, Stream, WatermarkStore as _};
use crate::settings::{Path as PathSettings, Probe, Signer as SignerSettings, SignerUrl};
use crate::task::Tasks;
use crate::telemetry::Metrics;
use crate::tezos::{ChainId, ConsensusKind, Curve, PublicKeyHash, SecretKey};

use super::super::super::attempts::Attempts;
use super::super::super::board::Board;
use super::super::super::outside::Outside;
use super::super::super::probe::Prober;
use super::super::super::roster::Roster;
use super::super::baker::{Baker, FLOOR};
use super::super::device::Device;
use super::super::draw::{Draw, Spread};
use super::super::network::{Network, Shared, host};
use super::super::options::{Mistake, Options, SignerOptions};
use super::super::trace::Trace;
use super::{AllTasks, NobodyElse, World};
use crate::signer::probe::listed::Keys;

/// The signers as the proxy is told of them.
fn settings(options: &Options) -> Vec<SignerSettings> {
    let mut all = told(options);
    for settings in &mut all {
        match options.mistake {
            Some(Mistake::Crowds) => settings.capacity = 4,
            Some(Mistake::ForgetsPositions) => settings.shared_watermark = false,
            Some(Mistake::KnowsOnePath) => settings.paths.truncate(1),
            _ => {}
        }
    }
    if options.mistake == Some(Mistake::KnowsOneSigner) {
        all.truncate(1);
    }
    all
}

fn told(options: &Options) -> Vec<SignerSettings> {
    let signers = options.signers.iter().enumerate();
    let of = |(index, signer): (usize, &SignerOptions)| {
        let paths = signer.paths.iter().enumerate();
        let paths = paths.map(|(nth, path)| PathSettings {
            name: nth.to_string(),
            url: SignerUrl::Http {
                host: host(index, nth),
                port: 1,
            },
            prefix: String::new(),
            max_connections: path.max_connections,
            tls: crate::settings::PathTls::default(),
        });
        SignerSettings {
            name: format!("signer-{index}"),
            priority: signer.priority,
            capacity: signer.capacity,
            deep_probe: None,
            auth_key: None,
            repeat: signer.repeat,
            shared_watermark: signer.shared_watermark,
            paths: paths.collect(),
        }
    };
    signers.map(of).collect()
}

async fn guard(store: Arc<BookStore>, hashes: &[PublicKeyHash]) -> SigningGuard {
    let mut raises = Vec::new();
    for key in hashes {
        for kind in ConsensusKind::ALL {
            let (chain, key) = (ChainId::MAINNET, *key);
            raises.push(Raise {
                stream: Stream { chain, key, kind },
                floor: at(FLOOR, 0),
            });
        }
    }
    store.raise(raises, second(1_000)).await.unwrap();
    let (_, node) = watch::channel(None);
    SigningGuard::new(store, Vec::new(), 1_000, node)
}

/// The world of `options`, at its start; its network, and who is told of faults.
pub(super) async fn build(
    options: Options,
    tasks: &AllTasks,
    metrics: &Arc<Metrics>,
) -> (Arc<World>, Arc<Network>, Arc<Board>) {
    let options = Arc::new(options);
    let mut draw = options.draw.clone();
    let trace = Arc::new(Trace::new());
    let edges = Arc::new(Board::default());
    let keys = 1..=u8::try_from(options.bakers.len()).unwrap();
    let secrets: Vec<_> = keys.map(|nth| secret(Curve::Ed25519, nth)).collect();
    let (secrets, trace_too) = (Arc::new(secrets), Arc::clone(&trace));
    let hashes: Vec<_> = secrets.iter().map(|it| it.public_key().hash()).collect();
    let parts = (&options, &trace, &secrets);
    let network = Arc::new(network(parts, (&mut draw, &edges), &tasks.far));
    let outside = Outside {
        connector: Arc::new(Shared(Arc::clone(&network))),
        chance: Arc::new(Spread(Mutex::new(draw.fork()))),
    };
    let (settings, metrics) = (settings(&options), Arc::clone(metrics));
    let roster = Roster::over(
        &settings,
        &tasks.connections,
        Arc::clone(&metrics),
        &outside,
    );
    let roster = Arc::new(roster);
    let lookout = Arc::new(NobodyElse(trace_too));
    let losers = tasks.losers.clone();
    let world = Arc::new(World {
        guard: guard(Arc::default(), &hashes).await,
        other_guard: guard(Arc::default(), &hashes).await,
        options: Arc::clone(&options),
        trace,
        secrets,
        roster: Arc::clone(&roster),
        attempts: Attempts::new(Arc::clone(&roster), metrics, losers, lookout),
        requests: Tasks::new(),
        asked: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    });
    start_probes(roster, hashes, &tasks.probes);
    for key in 0..options.bakers.len() {
        let (world, draw) = (Arc::clone(&world), draw.fork());
        let baker = Baker { world, key, draw };
        tasks.bakers.spawn("baker", baker.run());
    }
    (world, network, edges)
}

fn start_probes(roster: Arc<Roster>, keys: Vec<PublicKeyHash>, tasks: &Tasks) {
    let probe = Probe {
        period: Duration::from_millis(500),
        timeout: Duration::from_millis(400),
    };
    let instance = HeaderValue::from_static("simulation");
    let prober = Prober::new(roster, Arc::new(Keys(keys)), probe, instance);
    Arc::new(prober).start(tasks);
}

fn network(
    (options, trace, secrets): (&Arc<Options>, &Arc<Trace>, &Arc<Vec<SecretKey>>),
    (draw, edges): (&mut Draw, &Arc<Board>),
    tasks: &Tasks,
) -> Network {
    let faults = Arc::new(options.faults.clone());
    let signers = options.signers.iter().enumerate();
    let devices = signers.map(|(index, signer)| {
        let shared = (Arc::clone(&faults), Arc::clone(trace));
        let draw = draw.fork();
        Arc::new(Device::new(
            index,
            signer.clone(),
            draw,
            Arc::clone(edges),
            shared,
        ))
    });
    let closing = |signer: &SignerOptions| {
        let paths = signer.paths.iter();
        paths.map(|_| Board::default()).collect()
    };
    Network {
        devices: devices.collect(),
        options: Arc::clone(options),
        faults: Arc::clone(&faults),
        secrets: Arc::clone(secrets),
        foreign: secret(Curve::Ed25519, 99),
        closing: options.signers.iter().map(closing).collect(),
        jobs: AtomicUsize::new(0),
        trace: Arc::clone(trace),
        tasks: tasks.clone(),
    }
}

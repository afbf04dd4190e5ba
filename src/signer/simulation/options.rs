//! What a seed stands for: the signers, the bakers and the faults of one world.

use std::time::Duration;

use crate::settings::Repeat;

use super::draw::Draw;
use super::faults::{self, Fault};

/// Bakers begin to ask.
pub(super) const BEGIN: Duration = Duration::from_secs(2);
/// The chain's `round-increment`.
const ROUND_INCREMENT: Duration = Duration::from_secs(3);

/// Everything that is drawn before a world begins.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) signers: Vec<SignerOptions>,
    /// One for each key.
    pub(super) bakers: Vec<BakerOptions>,
    pub(super) faults: Vec<Fault>,
    pub(super) block_time: Duration,
    /// A fixed limit for every request; without it by kind and round.
    pub(super) fixed_limit: Option<Duration>,
    /// For the sequences of the parts of the world.
    pub(super) draw: Draw,
    /// Never drawn.
    pub(super) mistake: Option<Mistake>,
}

/// What a proxy is made to do wrong, to see that the rules show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// It takes every device for one with room for four signatures at a time.
    Crowds,
    /// It does not know of devices with one position over all kinds.
    ForgetsPositions,
    /// It takes deadlines to be three seconds later.
    IsLate,
    /// It knows the first path of each signer only.
    KnowsOnePath,
    /// It knows the first signer only.
    KnowsOneSigner,
    /// It never probes again after the start.
    StopsProbes,
    /// Two proxies with a store each.
    TwoStores,
}

/// A signer.
#[derive(Clone, Debug)]
pub(super) struct SignerOptions {
    pub(super) priority: u32,
    pub(super) capacity: usize,
    pub(super) repeat: Repeat,
    pub(super) shared_watermark: bool,
    /// The least and the longest time of a signature.
    pub(super) latency: (Duration, Duration),
    /// Whether it drops what it hung on when it comes to itself, instead of finishing it.
    pub(super) forgets: bool,
    /// The keys that it has, by number.
    pub(super) keys: Vec<usize>,
    pub(super) paths: Vec<PathOptions>,
}

/// A path.
#[derive(Clone, Debug)]
pub(super) struct PathOptions {
    pub(super) round_trip: Duration,
    pub(super) max_connections: usize,
}

/// A baker, which signs one thing at a time with its key.
#[derive(Clone, Debug)]
pub(super) struct BakerOptions {
    /// How many levels of a hundred it bakes.
    pub(super) blocks: u64,
    /// How many levels of a hundred go to a second round.
    pub(super) rounds: u64,
    /// How many requests of a hundred it hangs up on.
    pub(super) hang_ups: u64,
    /// How many requests of a hundred are also made with other bytes by somebody else.
    pub(super) twins: u64,
    /// How many requests of a hundred that failed are made again.
    pub(super) again: u64,
    /// Whether its key signs deterministically, as the proxy is told.
    pub(super) deterministic: bool,
}

impl Options {
    /// The world of `seed`.
    pub(super) fn of(seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let keys = draw.index(3) + 1;
        let count = draw.pick(&[1, 2, 2, 2, 3, 3]);
        let block_time = draw.pick(&[4, 6, 6, 8]);
        let load = (keys, block_time);
        let mut signers: Vec<_> = (0..count).map(|_| signer(&mut draw, load)).collect();
        for key in 0..keys {
            if !signers.iter().any(|signer| signer.keys.contains(&key)) {
                signers[0].keys.push(key);
            }
        }
        let bakers = (0..keys).map(|_| baker(&mut draw)).collect();
        let faults = faults::schedule(&mut draw, &signers);
        Self {
            signers,
            bakers,
            faults,
            block_time: Duration::from_secs(block_time),
            fixed_limit: draw.percent(20).then(|| draw.ms(3_000, 8_000)),
            draw,
            mistake: None,
        }
    }

    /// When the last fault is over.
    pub(super) fn quiet_from(&self) -> Duration {
        let ends = self.faults.iter().map(|fault| fault.to);
        ends.max().unwrap_or(BEGIN)
    }

    /// How long a round lasts.
    pub(super) fn round(&self, round: u32) -> Duration {
        self.block_time + ROUND_INCREMENT * round
    }
}

fn signer(draw: &mut Draw, (keys, block_time): (usize, u64)) -> SignerOptions {
    let ledger = draw.percent(30);
    // A Ledger does one thing at a time.
    let capacity = if ledger {
        1
    } else {
        draw.pick(&[1, 1, 1, 2, 4])
    };
    // One alone must be able to sign everything in less than half of the time: three signatures for each key and
    // level.
    let rarely = u64::try_from(keys * 3 * 10 / capacity).unwrap();
    let most = (block_time * 1_000 * 4 / rarely).min(1_150);
    let usual = match draw.index(4) {
        0 => draw.between(3, 20),
        1 | 2 => draw.between(20, 300),
        _ => draw.between(300, 1_150),
    }
    .min(most);
    let paths = draw.index(2) + 1;
    SignerOptions {
        priority: draw.pick(&[1, 1, 2]),
        capacity,
        repeat: if ledger && draw.percent(80) {
            Repeat::Refuse
        } else {
            draw.pick(&[
                Repeat::Replay,
                Repeat::Replay,
                Repeat::Resign,
                Repeat::Refuse,
            ])
        },
        shared_watermark: ledger,
        latency: (
            Duration::from_millis(usual * 7 / 10),
            Duration::from_millis(usual * 13 / 10),
        ),
        forgets: draw.percent(50),
        keys: (0..keys).filter(|_| draw.percent(90)).collect(),
        paths: (0..paths)
            .map(|_| PathOptions {
                round_trip: draw.ms(1, 80),
                max_connections: draw.pick(&[4, 4, 8]),
            })
            .collect(),
    }
}

fn baker(draw: &mut Draw) -> BakerOptions {
    BakerOptions {
        blocks: draw.pick(&[0, 30, 60]),
        rounds: draw.pick(&[0, 10, 40]),
        hang_ups: draw.pick(&[0, 0, 15]),
        twins: draw.pick(&[0, 20]),
        again: draw.pick(&[0, 0, 50]),
        deterministic: draw.percent(70),
    }
}

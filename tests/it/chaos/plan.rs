//! Which fault strikes where, when and for how long: all of it drawn before the first one, from a seed.
//!
//! Each place has a sequence of its own, so that a longer run begins as a shorter one with the same seed.
//! Gaps are longer than faults: most of the time some signer must be well, or nothing could be lost.

use std::time::Duration;

use crate::harness::luck::Luck;

use super::field::KINDS;
use super::timeline::Place;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    // Of a tunnel.
    Killed,
    Stalled,
    Flapping,
    /// A stalled session keeps the port, and the next one cannot have it.
    StaleListener,
    /// The next session takes the Unix socket of a stalled one.
    Rebound,
    // Of a device, or of the program in front of it.
    Slow,
    Status500,
    Garbage,
    WrongSignature,
    SignThenReset,
    /// No signature and no error, while all else is answered.
    Hung,
    /// Taken out by the operator.
    Drained,
    // Of the server where all tunnels end.
    Restarted,
}

const OF_PORTS: &[Fault] = &[
    Fault::Killed,
    Fault::Stalled,
    Fault::Flapping,
    Fault::StaleListener,
];
const OF_SOCKETS: &[Fault] = &[
    Fault::Killed,
    Fault::Stalled,
    Fault::Flapping,
    Fault::Rebound,
];
const OF_DEVICES: &[Fault] = &[
    Fault::Slow,
    Fault::Status500,
    Fault::Garbage,
    Fault::WrongSignature,
    Fault::SignThenReset,
    Fault::Hung,
    Fault::Drained,
];
const OF_SERVERS: &[Fault] = &[Fault::Restarted];

/// One fault; when it takes long to lift, what follows at its place comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) at: Duration,
    pub(super) lasts: Duration,
    pub(super) fault: Fault,
}

/// Seconds, from and below.
struct Rhythm {
    pause: (u32, u32),
    trouble: (u32, u32),
}

impl Place {
    const fn signer(self) -> usize {
        match self {
            Self::Device(signer) | Self::Path(signer, _) => signer,
            Self::Server => 0,
        }
    }

    const fn faults(self) -> &'static [Fault] {
        match self {
            Self::Device(_) => OF_DEVICES,
            Self::Path(_, 0) => OF_PORTS,
            Self::Path(_, _) => OF_SOCKETS,
            Self::Server => OF_SERVERS,
        }
    }

    const fn rhythm(self) -> Rhythm {
        match self {
            Self::Device(_) => Rhythm {
                pause: (6, 24),
                trouble: (2, 9),
            },
            // Some stalls are long enough to be given up by both ends after ten seconds.
            Self::Path(_, _) => Rhythm {
                pause: (6, 24),
                trouble: (1, 13),
            },
            // Shorter than the deadline of a vote, or longer than that of a block.
            Self::Server => Rhythm {
                pause: (15, 45),
                trouble: (1, 8),
            },
        }
    }
}

/// What happens at each of `places` within `length`.
pub(super) fn draw(
    places: &[Place],
    length: Duration,
    luck: &mut Luck,
) -> Vec<(Place, Vec<Strike>)> {
    let order = luck.split();
    let places = places.iter().map(|place| {
        let faults = shuffled(place.faults(), &mut order.clone());
        (*place, strikes(*place, &faults, length, luck.split()))
    });
    places.collect()
}

/// Signers go through the same faults in the same order and begin at different ones, so that a short run has
/// most of them.
fn strikes(place: Place, faults: &[Fault], length: Duration, mut luck: Luck) -> Vec<Strike> {
    let Rhythm { pause, trouble } = place.rhythm();
    let mut seconds = |(from, below): (u32, u32)| {
        Duration::from_secs(from.into()) + luck.length(Duration::from_secs((below - from).into()))
    };
    let first = place.signer() * faults.len() / KINDS.len();
    let (mut at, mut all) = (seconds((0, pause.1)), Vec::new());
    for fault in faults.iter().cycle().skip(first) {
        if at >= length {
            break;
        }
        let lasts = seconds(trouble);
        let fault = *fault;
        all.push(Strike { at, lasts, fault });
        at += lasts + seconds(pause);
    }
    all
}

fn shuffled(faults: &[Fault], luck: &mut Luck) -> Vec<Fault> {
    let (mut left, mut all) = (faults.to_vec(), Vec::new());
    while !left.is_empty() {
        let fault = luck.one_of(&left);
        left.retain(|other| *other != fault);
        all.push(fault);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_faults_and_a_longer_run_begins_as_a_shorter_one() {
        let places = [Place::Device(0), Place::Device(1), Place::Device(2)];
        let draw = |seed, seconds| {
            let length = Duration::from_secs(seconds);
            draw(&places, length, &mut Luck::new(seed))
        };
        assert_eq!(draw(7, 60), draw(7, 60));
        assert_ne!(draw(7, 60), draw(8, 60));
        let (short, long) = (draw(7, 60), draw(7, 600));
        for ((_, short), (_, long)) in short.iter().zip(&long) {
            assert_eq!(*short, long[..short.len()]);
        }
        let all = long.iter().flat_map(|(_, strikes)| strikes);
        let all: BTreeSet<_> = all.map(|strike| strike.fault).collect();
        assert_eq!(all.len(), OF_DEVICES.len());
    }
}

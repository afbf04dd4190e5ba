//! What goes wrong in a world, and when: drawn before it begins, so that the checker knows it as well.

use std::time::Duration;

use super::draw::Draw;
use super::options::{BEGIN, SignerOptions};

/// No fault lasts beyond this.
const LAST: Duration = Duration::from_secs(14);
/// Between two sides of a flapping path.
const FLAP: (u64, u64) = (300, 2_000);

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Trouble {
    /// The port is closed; connections end.
    Refuses,
    /// It takes so long until a connection is made.
    SlowConnect(Duration),
    /// Connections are accepted and stay silent, old ones as well.
    Swallows,
    /// Connections are accepted and end as soon as something is asked.
    Resets,
    /// What is asked arrives, then the connection ends or stays silent.
    LosesAnswers { silent: bool },
    /// Half an answer comes, then the connection ends.
    HalvesAnswers,
    /// So much longer for each direction.
    Slow(Duration),
    /// It leads to a signer with one other key.
    WrongKey,
    /// The device signs nothing; everything else is answered.
    Hangs,
    /// Ten times as slow as usual.
    SlowDevice,
    /// The device answers 500.
    Errors,
    /// The device signs and answers nonsense.
    Garbage,
    /// The device gives signatures that do not verify.
    WrongSignature,
    /// The operator takes it out.
    Drain,
}

/// A trouble of one path or, without one, of all paths of a signer or of its device.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) signer: usize,
    pub(super) path: Option<usize>,
    pub(super) trouble: Trouble,
    pub(super) from: Duration,
    pub(super) to: Duration,
}

impl Fault {
    /// Whether it touches what is asked over this path.
    pub(super) fn is_of_path(&self, signer: usize, path: usize) -> bool {
        self.signer == signer
            && self.trouble.is_of_path()
            && self.path.is_none_or(|mine| mine == path)
    }

    /// Whether it touches the device, or keeps it out of selection.
    pub(super) fn is_of_device(&self, signer: usize) -> bool {
        self.signer == signer && !self.trouble.is_of_path()
    }
}

impl Trouble {
    pub(super) fn is_of_path(self) -> bool {
        match self {
            Self::Refuses
            | Self::SlowConnect(_)
            | Self::Swallows
            | Self::Resets
            | Self::LosesAnswers { .. }
            | Self::HalvesAnswers
            | Self::Slow(_)
            | Self::WrongKey => true,
            Self::Hangs
            | Self::SlowDevice
            | Self::Errors
            | Self::Garbage
            | Self::WrongSignature
            | Self::Drain => false,
        }
    }

    /// Whether open connections end when it begins.
    pub(super) fn ends_connections(self) -> bool {
        matches!(self, Self::Refuses | Self::Resets | Self::WrongKey)
    }
}

/// The trouble of a path at `now`, if any: the first that is listed.
pub(super) fn of_path(
    all: &[Fault],
    (signer, path): (usize, usize),
    now: Duration,
) -> Option<Trouble> {
    let is_now = |fault: &&Fault| fault.from <= now && now < fault.to;
    let mine = |fault: &&Fault| fault.is_of_path(signer, path);
    let first = all.iter().filter(is_now).find(mine)?;
    Some(first.trouble)
}

/// The trouble of a device at `now`, if any: the first that is listed. A drain is none.
pub(super) fn of_device(all: &[Fault], signer: usize, now: Duration) -> Option<Trouble> {
    let is_now = |fault: &&Fault| fault.from <= now && now < fault.to;
    let mine = |fault: &&Fault| fault.is_of_device(signer) && fault.trouble != Trouble::Drain;
    let first = all.iter().filter(is_now).find(mine)?;
    Some(first.trouble)
}

/// Draws what goes wrong. Each world knows some kinds of trouble only: else all worlds would be alike.
pub(super) fn schedule(draw: &mut Draw, signers: &[SignerOptions]) -> Vec<Fault> {
    let kinds: Vec<u64> = (0..16).filter(|_| draw.percent(35)).collect();
    let mut faults = Vec::new();
    if kinds.is_empty() {
        return faults;
    }
    let last = u64::try_from(LAST.as_millis()).unwrap();
    for _ in 0..draw.between(1, 6) {
        let signer = draw.index(signers.len());
        let one_path = draw.index(signers[signer].paths.len());
        let path = draw.percent(60).then_some(one_path);
        let kind = draw.pick(&kinds);
        // Some are there from the start.
        let earliest = if draw.percent(15) { 0 } else { 1_000 };
        let from = draw.ms(earliest, last - 3_000);
        let most = if draw.percent(50) { 3_000 } else { 10_000 };
        let to = (from + draw.ms(200, most)).min(LAST);
        if kind == 13 {
            flap(draw, &mut faults, (signer, path), (from, to));
            continue;
        }
        if kind == 15 {
            outage(draw, &mut faults, signers.len(), (from, to));
            continue;
        }
        let trouble = trouble(draw, kind);
        faults.push(Fault {
            signer,
            path: path.filter(|_| trouble.is_of_path()),
            trouble,
            from,
            to,
        });
    }
    faults
}

fn trouble(draw: &mut Draw, kind: u64) -> Trouble {
    match kind {
        0 => Trouble::Refuses,
        1 => Trouble::Swallows,
        2 => Trouble::Resets,
        3 => Trouble::LosesAnswers {
            silent: draw.percent(50),
        },
        4 => Trouble::HalvesAnswers,
        5 => Trouble::Slow(draw.ms(100, 750)),
        6 => Trouble::WrongKey,
        7 => Trouble::SlowDevice,
        8 => Trouble::Errors,
        9 => Trouble::Garbage,
        10 => Trouble::WrongSignature,
        11 => Trouble::Drain,
        14 => Trouble::SlowConnect(draw.ms(200, 2_500)),
        _ => Trouble::Hangs,
    }
}

/// Nothing can be reached.
fn outage(
    draw: &mut Draw,
    faults: &mut Vec<Fault>,
    signers: usize,
    (from, to): (Duration, Duration),
) {
    let trouble = draw.pick(&[Trouble::Refuses, Trouble::Refuses, Trouble::Swallows]);
    faults.extend((0..signers).map(|signer| Fault {
        signer,
        path: None,
        trouble,
        from,
        to,
    }));
}

/// A path that comes and goes.
fn flap(
    draw: &mut Draw,
    faults: &mut Vec<Fault>,
    (signer, path): (usize, Option<usize>),
    (from, to): (Duration, Duration),
) {
    let trouble = draw.pick(&[Trouble::Refuses, Trouble::Swallows]);
    let mut at = from;
    while at < to {
        let ends = at + draw.ms(FLAP.0, FLAP.1);
        faults.push(Fault {
            signer,
            path,
            trouble,
            from: at,
            to: ends.min(LAST),
        });
        at = ends + draw.ms(FLAP.0, FLAP.1);
    }
}

/// Long enough after [`BEGIN`] for more than one round with trouble and one without.
const _: () = assert!(LAST.as_millis() > BEGIN.as_millis() + 3_000);

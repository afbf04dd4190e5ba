//! By when one signer must have answered a request, from what is known of its faults and of its work.

use std::time::Duration;

use crate::settings::Repeat;
use crate::tezos::ConsensusKind;

use super::super::faults::{Fault, Trouble};
use super::super::options::{Options, SignerOptions};
use super::super::trace::End;
use super::history::{Ask, History, Job};

/// What was well for so long has been seen well by probes: two answers, each after a period of 500 ms and a
/// tenth, the first of which may have to wait for the end of one that is missed.
const SETTLED: Duration = Duration::from_millis(2_500);
/// A probe comes at the latest so long after a path has come back: the period of 500 ms and a tenth.
const PERIOD: Duration = Duration::from_millis(550);
/// The same when nothing at all can be reached.
const HURRY: Duration = Duration::from_millis(250);
/// What refuses for so long is known to be down.
const OUT: Duration = Duration::from_millis(1_200);
/// A probe under way is given up after this, or four smoothed round trips of a path that was slow.
const PROBE: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(2));
/// Before the first signature this is assumed to be usual, or the longer one of devices like a Ledger.
const COLD: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(1_500));
/// An attempt is left alone at least and at most this long.
const ALONE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Before another signer is asked for a block of a key that does not sign deterministically.
const BLOCK_DELAY: Duration = Duration::from_millis(1_500);
/// The longest pause before a path is tried again that was not even reached.
const BACK_OFF: Duration = Duration::from_secs(1);
/// Looks, gathering of those who were held, and coarse timers.
const SPARE: Duration = Duration::from_millis(150);
/// Of one slot, before its signature exists.
const MOST_SENT: usize = 6;

/// By when `signer` must have given the signature, if it must.
pub(super) fn bound(
    options: &Options,
    history: &History,
    ask: &Ask,
    signer: usize,
) -> Option<Duration> {
    let paths = 0..options.signers[signer].paths.len();
    let reach = |path| Reach {
        options,
        history,
        ask,
        signer,
        path,
    };
    paths.filter_map(|path| reach(path).bound()).min()
}

/// One way to a signature.
struct Reach<'a> {
    options: &'a Options,
    history: &'a History,
    ask: &'a Ask,
    signer: usize,
    path: usize,
}

impl Reach<'_> {
    fn it(&self) -> &SignerOptions {
        &self.options.signers[self.signer]
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        let before = |fault: &&Fault| fault.from <= self.ask.deadline;
        self.options.faults.iter().filter(before)
    }

    fn bound(&self) -> Option<Duration> {
        if !self.it().keys.contains(&self.ask.slot.key) {
            return None;
        }
        let clean = self.clean_from()?;
        let from = self.free_from(clean.max(self.ask.at))?;
        let mine: Vec<_> = self.own_jobs(from).collect();
        if self.it().repeat == Repeat::Refuse && self.may_have_signed(from) {
            return None;
        }
        let mut needed = Duration::ZERO;
        if clean + SETTLED > self.ask.at {
            needed += self.detection(clean);
        }
        if clean > self.ask.at {
            needed += self.back_off(clean).max(self.share(from, mine.len()));
        }
        let silent = |job: &&&Job| job.path == self.path && job.is_open(from);
        if let Some(last) = mine.iter().filter(silent).map(|job| job.left).max() {
            // It was swallowed: that shows when the path has answered others for long enough.
            let lost = last + self.alone(self.signer).max(ALONE.1 / 4) * 4;
            needed += lost.saturating_sub(from);
        }
        let bound = from + needed + self.before(from) + self.signing(from) + SPARE;
        (self.sent(bound) < MOST_SENT).then_some(bound)
    }

    /// The same over another path.
    fn over(&self, signer: usize, path: usize) -> Self {
        Reach {
            signer,
            path,
            ..*self
        }
    }

    /// Every way to a signature.
    fn all(&self) -> impl Iterator<Item = Self> {
        let signers = self.options.signers.iter().enumerate();
        let with_key = signers.filter(|(_, it)| it.keys.contains(&self.ask.slot.key));
        with_key
            .flat_map(|(signer, it)| (0..it.paths.len()).map(move |path| (signer, path)))
            .map(|(signer, path)| self.over(signer, path))
    }

    /// Whether it answers as well if it is tried from `from` on.
    fn is_clear(&self, from: Duration) -> bool {
        let refuses = self.it().repeat == Repeat::Refuse && self.may_have_signed(from);
        let clean = self.clean_from().is_some_and(|clean| clean <= from);
        clean && !refuses && self.free_from(from) == Some(from)
    }

    /// When the last fault of path and device before the deadline is over; `None` if one is not.
    fn clean_from(&self) -> Option<Duration> {
        let mine = |fault: &&Fault| {
            fault.is_of_path(self.signer, self.path) || fault.is_of_device(self.signer)
        };
        let ends = self.faults().filter(mine).map(|fault| fault.to);
        let clean = ends.max().unwrap_or(Duration::ZERO);
        // A signer that is drained, or that all paths miss, is not waited for: nobody knows for how long.
        let is_out = |fault: &Fault| {
            let is_out = matches!(fault.trouble, Trouble::Drain | Trouble::WrongKey);
            is_out && fault.signer == self.signer && fault.to > self.ask.at
        };
        if self.faults().any(is_out) {
            return None;
        }
        (clean <= self.ask.deadline).then_some(clean)
    }

    /// When nothing is stuck at the device any more of what it was asked before `from`, or over a path with
    /// trouble: the device is at work on it, or the proxy cannot know that it is not.
    fn free_from(&self, from: Duration) -> Option<Duration> {
        let mut free = from;
        let stuck = |job: &&Job| job.signer == self.signer && job.left <= from;
        for job in self.history.jobs.iter().filter(stuck) {
            if job.arrived.is_some() {
                free = free.max(job.worked?.0);
            }
            if job.digest != self.ask.digest {
                free = free.max(job.ended?.0);
            }
        }
        Some(free)
    }

    /// What was sent to this signer of the very same bytes before `from`.
    fn own_jobs(&self, from: Duration) -> impl Iterator<Item = &Job> {
        let mine = move |job: &&Job| {
            job.signer == self.signer && job.digest == self.ask.digest && job.left < from
        };
        self.history.jobs.iter().filter(mine)
    }

    /// Whether it may have signed these very bytes in vain: before `from`, or for an answer that was lost on the
    /// way. It does not repeat itself.
    fn may_have_signed(&self, from: Duration) -> bool {
        let mut jobs = self
            .history
            .jobs
            .iter()
            .filter(|job| (job.signer, job.digest) == (self.signer, self.ask.digest));
        jobs.any(|job| {
            let answered = matches!(job.ended, Some((_, End::Signed | End::Refused)));
            job.left < from || !answered
        })
    }

    /// How long it may take until a path that has come back at `clean` is seen to be back.
    fn detection(&self, clean: Duration) -> Duration {
        let trip = self.it().paths[self.path].round_trip * 2;
        // When nothing at all can be reached, probes hurry; what is refused keeps none of them waiting.
        let all_refuse = self.options.signers.iter().enumerate().all(|(signer, it)| {
            (0..it.paths.len()).all(|path| {
                self.faults().any(|fault| {
                    fault.is_of_path(signer, path)
                        && fault.trouble == Trouble::Refuses
                        && fault.from + OUT <= clean
                        && fault.to >= clean
                })
            })
        });
        if all_refuse {
            return HURRY + trip;
        }
        let slow =
            |fault: &Fault| matches!(fault.trouble, Trouble::Slow(_) | Trouble::SlowConnect(_));
        let mine = |fault: &Fault| fault.is_of_path(self.signer, self.path) && slow(fault);
        let missed = if self.faults().any(mine) {
            PROBE.1
        } else {
            PROBE.0
        };
        PERIOD.max(missed) + trip
    }

    /// The pause before a path is tried again that could not be reached until `clean`. One that was down is as
    /// good as untried when it comes back; before it counts as that, pauses have doubled up to a bound.
    fn back_off(&self, clean: Duration) -> Duration {
        let last = self.faults().filter(|fault| fault.to == clean);
        let begun = last.map(|fault| fault.from).min().unwrap_or(clean);
        let out = clean.saturating_sub(begun);
        if out >= OUT {
            Duration::ZERO
        } else {
            BACK_OFF.min(out + BACK_OFF / 10)
        }
    }

    /// The even share of the time that is left, after which a path that swallowed a request is asked again.
    fn share(&self, from: Duration, sent: usize) -> Duration {
        if sent == 0 {
            return Duration::ZERO;
        }
        let left = MOST_SENT.saturating_sub(self.sent(from)) + 1;
        self.ask.deadline.saturating_sub(from) / u32::try_from(left).unwrap()
    }

    /// The longest time of a signature of `signer` over any of its paths, trouble aside.
    fn longest(&self, signer: usize) -> Duration {
        let it = &self.options.signers[signer];
        let trips = it.paths.iter().map(|path| path.round_trip);
        it.latency.1 + trips.max().unwrap_or_default()
    }

    /// The longest time that an attempt at `signer` is left alone: what has been usual for it, and for those
    /// before it in its queue.
    fn alone(&self, signer: usize) -> Duration {
        let it = &self.options.signers[signer];
        let cold = if it.shared_watermark || it.repeat == Repeat::Refuse {
            COLD.1
        } else {
            COLD.0
        };
        let before = |job: &&Job| job.signer == signer && job.left <= self.ask.deadline;
        let (mut first, mut usual) = (None, self.longest(signer));
        for job in self.history.jobs.iter().filter(before) {
            if let Some((ended, End::Signed)) = job.ended {
                first = Some(first.map_or(ended, |first: Duration| first.min(ended)));
                usual = usual.max(ended.saturating_sub(job.left));
            }
        }
        if first.is_none_or(|first| first >= self.ask.at) {
            usual = usual.max(cold);
        }
        let others = self.options.bakers.len() - 1;
        // One turn more may be taken by what is left of the request before, or by its own first attempt.
        let turns = u32::try_from(others.div_ceil(it.capacity) + 2).unwrap();
        (usual * turns).clamp(ALONE.0, ALONE.1)
    }

    /// How long it may take until this way is tried, or another that is clear: all others may come first.
    fn before(&self, from: Duration) -> Duration {
        let mut before = Duration::ZERO;
        for other in self.all() {
            if !other.is_clear(from) && !self.is_known_down(other.signer, other.path) {
                before += self.alone(other.signer);
            }
        }
        let patient = self.ask.slot.kind == ConsensusKind::Block && !self.ask.deterministic;
        if patient && self.options.signers.len() > 1 {
            before += BLOCK_DELAY;
        }
        before
    }

    /// Whether a path has been closed for so long that it is known, and stays so: it takes no companions.
    fn is_known_down(&self, signer: usize, path: usize) -> bool {
        self.faults().any(|fault| {
            let closed = matches!(fault.trouble, Trouble::Refuses | Trouble::Resets);
            // One that is silent may be excused for a while by signatures under way.
            let silent = fault.trouble == Trouble::Swallows
                && self.options.signers[signer].paths.len() == 1
                && fault.from + SETTLED * 3 <= self.ask.at;
            (closed || silent)
                && fault.is_of_path(signer, path)
                && fault.from + SETTLED <= self.ask.at
                && fault.to >= self.ask.deadline
        })
    }

    /// How long those who wait for the device take, each of which may first ask over another path.
    fn turn(&self) -> Duration {
        let others = self.options.bakers.len() - 1;
        let turns = u32::try_from(others.div_ceil(self.it().capacity)).unwrap();
        let detours = u32::try_from(self.it().paths.len() - 1).unwrap();
        (self.longest(self.signer) + self.alone(self.signer) * detours) * turns
    }

    /// How long the slowest of the ways that are clear takes, of which any may be tried first.
    fn signing(&self, from: Duration) -> Duration {
        let clear = self.all().filter(|other| other.is_clear(from));
        let times = clear.map(|other| other.turn() + other.longest(other.signer));
        let mine = self.turn() + self.longest(self.signer);
        times.max().unwrap_or_default().max(mine)
    }

    /// Requests of the slot by `at` after which a signature may exist, but for the right one.
    fn sent(&self, at: Duration) -> usize {
        let sent = self.history.jobs.iter().filter(|job| {
            let signed = matches!(job.ended, Some((_, End::Signed)));
            job.digest == self.ask.digest && job.left <= at && !job.was_refused(at) && !signed
        });
        sent.count()
    }
}

//! What must happen: a request is answered while some signer could have answered it.
//!
//! For each signer the moment is computed by which its signature must be there, from the faults that were
//! drawn and from what it was asked; see [`super::reach`]. The earliest of these moments counts, if it is
//! before the deadline.

use std::time::Duration;

use super::super::options::Options;
use super::super::trace::{Outcome, Reason};
use super::history::{Ask, History};
use super::{Findings, reach};

/// So long after the last fault every request is answered, whatever came before: by then nothing hangs at a
/// device any more, and every path has been seen well.
const QUIET: Duration = Duration::from_secs(8);

/// Holds the history against the bounds.
pub(super) fn check(options: &Options, history: &History, findings: &mut Findings) {
    for ask in &history.asks {
        if ask.reason != Reason::Own || ask.hung_up {
            continue;
        }
        findings.asked += 1;
        let in_hand = match ask.answered {
            Some((at, Outcome::Signed { .. })) => Some(at),
            _ => None,
        };
        if ask.at > options.quiet_from() + QUIET && in_hand.is_none() {
            findings.broken.push(format!(
                "no signature though nothing is wrong any more: {ask:?}"
            ));
            continue;
        }
        let Some((bound, signer)) = bound(options, history, ask) else {
            continue;
        };
        findings.bound += 1;
        if in_hand.is_none_or(|at| at > bound) {
            let came = in_hand.map(|at| at.as_secs_f64());
            findings.broken.push(format!(
                "signer {signer} could have signed by {:.3}, signed {came:?}: {ask:?}",
                bound.as_secs_f64()
            ));
        }
    }
}

/// By when the signature must be there, and because of which signer; `None` if no signer must give it in time.
fn bound(options: &Options, history: &History, ask: &Ask) -> Option<(Duration, usize)> {
    let mut bounds = Vec::new();
    for signer in 0..options.signers.len() {
        let bound = reach::bound(options, history, ask, signer);
        bounds.extend(bound.map(|bound| (bound, signer)));
    }
    bounds
        .into_iter()
        .min()
        .filter(|(at, _)| *at <= ask.deadline)
}

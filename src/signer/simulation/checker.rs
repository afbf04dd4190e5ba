//! The rules that hold in every world, judged by what signers received and bakers got, never by what the proxy
//! says of itself.

mod history;
mod liveness;
mod reach;
mod safety;

use super::options::Options;
use super::trace::Entry;
pub(super) use history::History;

/// What was found in a world.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// A sentence for each rule that was broken.
    pub(super) broken: Vec<String>,
    /// Requests of bakers that waited for an answer.
    pub(super) asked: usize,
    /// Those for which a bound was known.
    pub(super) bound: usize,
}

/// Holds a trace against the rules.
pub(super) fn check(options: &Options, entries: &[Entry]) -> Findings {
    let history = History::of(entries);
    let mut findings = Findings::default();
    findings.broken.extend(history.broken.iter().cloned());
    safety::check(options, &history, &mut findings.broken);
    liveness::check(options, &history, &mut findings);
    findings
}

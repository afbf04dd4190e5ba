//! What the last deep probe of a signer showed: told, and of no consequence.

use jiff::Timestamp;

use crate::telemetry::metrics::label;

use super::super::cause::Cause;
use super::{Roster, Signer};

/// What deep probes show of one signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeepView {
    /// What is wrong, if anything is.
    pub cause: Option<Cause>,
    /// Since when it is well, or not.
    pub since: Timestamp,
}

impl DeepView {
    /// The next view; true if it became well or ceased to be.
    fn next(before: Option<Self>, cause: Option<Cause>, now: Timestamp) -> (Self, bool) {
        match before {
            Some(before) if before.cause.is_some() == cause.is_some() => {
                let since = before.since;
                (Self { cause, since }, false)
            }
            before => {
                // The first one is news only if something is wrong.
                let is_news = before.is_some() || cause.is_some();
                (Self { cause, since: now }, is_news)
            }
        }
    }
}

impl Roster {
    /// Takes in what a deep probe showed; logs a change.
    pub fn deep_probed(&self, signer: &Signer, outcome: Result<(), Cause>) {
        let (view, is_news) = {
            let mut deep = signer.deep();
            let (view, is_news) = DeepView::next(deep.take(), outcome.err(), crate::time::now());
            *deep = Some(view.clone());
            (view, is_news)
        };
        let labels = label::Signer {
            signer: signer.name().to_owned(),
        };
        self.metrics
            .deep_probe_up
            .get_or_create(&labels)
            .set(i64::from(view.cause.is_none()));
        let signer = signer.name();
        match view.cause {
            Some(cause) if is_news => tracing::warn!(signer, %cause, "deep probe fails"),
            None if is_news => tracing::info!(signer, "deep probe is well again"),
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::second;

    use super::*;

    #[test]
    fn only_a_change_between_well_and_unwell_is_news() {
        let silent = || Some(Cause::Silent);
        let refused = || Some(Cause::Status(503, "no device".to_owned()));
        let mut view = None;
        for (at, cause, since, is_news) in [
            (1, None, 1, false),
            (2, None, 1, false),
            (3, silent(), 3, true),
            // Other words for the same trouble.
            (4, refused(), 3, false),
            (5, None, 5, true),
        ] {
            let expected = DeepView {
                cause: cause.clone(),
                since: second(since),
            };
            let next = DeepView::next(view.take(), cause, second(at));
            assert_eq!(next, (expected.clone(), is_news), "{at}");
            view = Some(expected);
        }
        let (_, is_news) = DeepView::next(None, silent(), second(1));
        assert!(is_news);
    }
}

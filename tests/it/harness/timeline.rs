//! What was wrong where and when: the model that lost slots are held against. Pure.
//!
//! A place counts as ill from before a fault is applied until after it was seen to be over, so that the
//! model never calls something healthy that was not. Moments are lengths of time since the run began.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// A time of trouble.
#[derive(Clone, Debug)]
pub(crate) struct Span<Place, Fault> {
    pub(crate) place: Place,
    pub(crate) fault: Fault,
    pub(crate) from: Duration,
    /// Absent while it lasts.
    pub(crate) to: Option<Duration>,
}

impl<Place, Fault> Span<Place, Fault> {
    fn overlaps(&self, window: &Range<Duration>) -> bool {
        self.from < window.end && self.to.is_none_or(|to| to > window.start)
    }
}

/// All troubles of a run.
#[derive(Debug)]
pub(crate) struct Timeline<Place, Fault> {
    spans: Vec<Span<Place, Fault>>,
    applied: BTreeMap<Fault, usize>,
}

impl<Place, Fault> Default for Timeline<Place, Fault> {
    fn default() -> Self {
        Self {
            spans: Vec::new(),
            applied: BTreeMap::new(),
        }
    }
}

impl<Place: PartialEq, Fault: Ord> Timeline<Place, Fault> {
    /// Counts a fault, wherever it shows.
    pub(crate) fn note(&mut self, fault: Fault) {
        *self.applied.entry(fault).or_default() += 1;
    }

    pub(crate) fn applied(&self) -> &BTreeMap<Fault, usize> {
        &self.applied
    }

    /// A place is ill from now on; gives the number with which that ends.
    pub(crate) fn begin(&mut self, place: Place, fault: Fault, at: Duration) -> usize {
        self.spans.push(Span {
            place,
            fault,
            from: at,
            to: None,
        });
        self.spans.len() - 1
    }

    pub(crate) fn end(&mut self, number: usize, at: Duration) {
        self.spans[number].to = Some(at);
    }

    /// Troubles that touch `window`, the oldest first.
    pub(crate) fn during(&self, window: &Range<Duration>) -> Vec<&Span<Place, Fault>> {
        let mut during: Vec<_> = self.spans.iter().filter(|s| s.overlaps(window)).collect();
        during.sort_by_key(|span| span.from);
        during
    }

    /// Times within `window` in which none of `places` was ill.
    pub(crate) fn well(&self, places: &[Place], window: &Range<Duration>) -> Vec<Range<Duration>> {
        let (mut all, mut from) = (Vec::new(), window.start);
        for span in self.during(window) {
            if !places.contains(&span.place) {
                continue;
            }
            if from < span.from {
                all.push(from..span.from);
            }
            from = from.max(span.to.unwrap_or(window.end));
        }
        if from < window.end {
            all.push(from..window.end);
        }
        all
    }
}

pub(crate) fn length(time: &Range<Duration>) -> Duration {
    time.end.saturating_sub(time.start)
}

/// The times that are in none of `all` within `window`.
pub(crate) fn gaps(mut all: Vec<Range<Duration>>, window: &Range<Duration>) -> Vec<Duration> {
    all.sort_by_key(|time| time.start);
    let (mut gaps, mut from) = (Vec::new(), window.start);
    for time in all {
        gaps.extend(time.start.checked_sub(from).filter(|gap| !gap.is_zero()));
        from = from.max(time.end);
    }
    gaps.extend(window.end.checked_sub(from).filter(|gap| !gap.is_zero()));
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_path_is_well_while_neither_it_nor_its_device_is_ill() {
        let mut timeline = Timeline::default();
        for (place, from, to) in [("path", 1, 3), ("device", 2, 5), ("another", 0, 20)] {
            let number = timeline.begin(place, "killed", s(from));
            timeline.end(number, s(to));
        }
        timeline.begin("device", "hung", s(8));
        let well = timeline.well(&["device", "path"], &(s(0)..s(10)));
        assert_eq!(well, [s(0)..s(1), s(5)..s(8)]);
        assert_eq!(timeline.well(&["path"], &(s(1)..s(2))), []);
        assert_eq!(gaps(well, &(s(0)..s(10))), [s(4), s(2)]);
    }
}

//! What is printed of a lost slot: all that a reader needs to find out why.

use std::time::Duration;

use serde_json::Value;

use super::field::{Field, KINDS};
use super::verdict::{Lost, Well};

/// What came before a request and may explain it.
const BEFORE: Duration = Duration::from_secs(8);

impl Field {
    /// What became of a slot, in two lines.
    pub(super) fn headline(lost: &Lost, well: Option<&Well>) -> String {
        let Lost {
            slot,
            key,
            asked,
            ended,
            limit,
            error,
            ..
        } = lost;
        let path = well.map_or("no healthy path in time".to_owned(), |well| {
            let name = KINDS[well.signer].name;
            format!(
                "path {} of {name} was well at {:.3?}",
                well.path + 1,
                well.time
            )
        });
        format!(
            "LOST {slot:?} of {key}: {path}\n  asked {asked:.3?}, of use for {limit:?}, over \
             {ended:.3?}: {error}"
        )
    }

    /// The headline, the states, the faults, what signers did for it and the proxy's log.
    pub(super) fn report(&self, lost: &Lost, well: Option<&Well>) -> String {
        let window = lost.window();
        let window = window.start.saturating_sub(BEFORE)..window.end;
        let mut lines = vec![
            Self::headline(lost, well),
            format!("  states right after: {}", lost.state),
        ];
        for span in self.timeline().during(&window) {
            let end = span.to.map_or("on".to_owned(), |to| format!("{to:.3?}"));
            let (place, fault) = (span.place, span.fault);
            lines.push(format!(
                "  fault {:.3?} to {end} {place:?} {fault:?}",
                span.from
            ));
        }
        let mut events = Vec::new();
        for (signer, kind) in KINDS.iter().enumerate() {
            for entry in self.entries(signer, 0) {
                if lost.is_about(&entry) {
                    let text = format!("{}: {:?} these bytes", kind.name, entry.event);
                    events.push((self.moment(entry.at), text));
                }
            }
        }
        for entry in self.proxy.logged("") {
            let at = entry["timestamp"].as_str().unwrap().parse().unwrap();
            let at = self.moment(at);
            if window.contains(&at) {
                events.push((at, format!("proxy: {}", brief(entry))));
            }
        }
        events.sort_by_key(|(at, _)| *at);
        let events = events.iter().map(|(at, text)| format!("  {at:.3?} {text}"));
        lines.extend(events);
        lines.join("\n")
    }
}

/// An event without what every event has.
fn brief(mut entry: Value) -> String {
    let message = entry["message"].take();
    let fields = entry.as_object().unwrap().iter();
    let kept = fields.filter(|(name, _)| {
        !matches!(
            name.as_str(),
            "timestamp" | "level" | "target" | "message" | "url" | "digest"
        )
    });
    let kept: Vec<_> = kept
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{message} {}", kept.join(" "))
}

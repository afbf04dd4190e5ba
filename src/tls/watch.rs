//! Looks after all certificates: what is replaced is taken into use, what ends soon is told in time.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Inward, Outward};

/// Files are looked at so often.
const PERIOD: Duration = Duration::from_secs(2);
/// A certificate's end is told so long before it.
const AHEAD_SECONDS: i64 = 14 * 24 * 3600;

/// Everything that has a certificate.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    inward: Vec<Arc<Inward>>,
    /// With the names that operators know them by.
    outward: Vec<(String, Arc<Outward>)>,
}

/// A certificate, or what should have been one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateView {
    /// Whose it is: `listen.tls`, or a signer and path.
    pub what: String,
    /// The file it is in; absent for one that a signer shows.
    pub file: Option<String>,
    /// When it ends, in seconds since 1970, if that is known.
    pub not_after: Option<i64>,
    /// Why what is on the disk cannot be used.
    pub trouble: Option<String>,
}

impl CertificateView {
    /// Whether it ends within 14 days.
    #[must_use]
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        let stage = self.not_after.map(|at| Stage::of(at, now.as_second()));
        stage.is_some_and(|stage| stage > Stage::Far)
    }
}

/// How near the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Far,
    Near,
    Over,
}

impl Stage {
    fn of(not_after: i64, now: i64) -> Self {
        if not_after <= now {
            Self::Over
        } else if not_after.saturating_sub(now) <= AHEAD_SECONDS {
            Self::Near
        } else {
            Self::Far
        }
    }
}

impl Certificates {
    /// Adds a listener's.
    pub fn add_inward(&mut self, inward: Arc<Inward>) {
        self.inward.push(inward);
    }

    /// Adds a path's, called `what`.
    pub fn add_outward(&mut self, what: String, outward: Arc<Outward>) {
        self.outward.push((what, outward));
    }

    /// What is known of each certificate now.
    #[must_use]
    pub fn views(&self) -> Vec<CertificateView> {
        let mut views = Vec::new();
        for inward in &self.inward {
            let view = inward.view();
            views.push(CertificateView {
                what: view.what,
                file: view.expiry.as_ref().and_then(file),
                not_after: view.expiry.map(|expiry| expiry.not_after),
                trouble: view.trouble,
            });
        }
        for (what, outward) in &self.outward {
            let ours = outward.view();
            if ours.expiry.is_some() || ours.trouble.is_some() {
                views.push(CertificateView {
                    what: what.clone(),
                    file: ours.expiry.as_ref().and_then(file),
                    not_after: ours.expiry.map(|expiry| expiry.not_after),
                    trouble: ours.trouble,
                });
            }
            if let Some(theirs) = outward.peer_expiry() {
                views.push(CertificateView {
                    what: format!("{what}, shown by the signer"),
                    file: None,
                    not_after: Some(theirs.not_after),
                    trouble: None,
                });
            }
        }
        views
    }

    /// Looks after them until `shutdown`; `report` is given all of them after each look, `now` says what time it is.
    /// Returns at once when there are none.
    pub fn watch(
        self,
        now: fn() -> Timestamp,
        report: impl Fn(&[CertificateView]) + Send + 'static,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send {
        let mut told = BTreeMap::new();
        async move {
            if self.inward.is_empty() && self.outward.is_empty() {
                return;
            }
            let mut looks = interval(PERIOD);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    _ = looks.tick() => {}
                }
                let all = self.clone();
                let looked = tokio::task::spawn_blocking(move || {
                    all.inward.iter().for_each(|inward| inward.refresh());
                    all.outward
                        .iter()
                        .for_each(|(_, outward)| outward.refresh());
                    all.views()
                });
                let Ok(views) = looked.await else { return };
                for view in &views {
                    tell(view, now(), &mut told);
                }
                report(&views);
            }
        }
    }
}

fn file(expiry: &super::Expiry) -> Option<String> {
    Some(expiry.file.as_ref()?.display().to_string())
}

/// Says once that a certificate ends soon, and once that it has.
fn tell(view: &CertificateView, now: Timestamp, told: &mut BTreeMap<(String, i64), Stage>) {
    let Some(not_after) = view.not_after else {
        return;
    };
    let stage = Stage::of(not_after, now.as_second());
    let before = told.insert((view.what.clone(), not_after), stage);
    if before.unwrap_or(Stage::Far) >= stage {
        return;
    }
    let CertificateView { what, file, .. } = view;
    let at = Timestamp::from_second(not_after).map_or_else(|_| String::new(), |at| at.to_string());
    let file = file.as_deref();
    match stage {
        Stage::Far => {}
        Stage::Near => tracing::warn!(
            what,
            file,
            at,
            "certificate ends within 14 days; replace it"
        ),
        Stage::Over => tracing::error!(what, file, at, "certificate has expired; replace it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_once_when_it_is_near_and_once_when_it_is_there() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let mut told = BTreeMap::new();
        let view = |days: i64| CertificateView {
            what: "listen.tls".to_owned(),
            file: None,
            not_after: Some(1_000_000_000 + days * 24 * 3600),
            trouble: None,
        };
        let log = crate::fixture::logged(|| {
            tell(&view(15), now, &mut told);
            tell(&view(14), now, &mut told);
            tell(&view(14), now, &mut told);
            tell(&view(0), now, &mut told);
            tell(&view(0), now, &mut told);
        })
        .join("\n");
        assert_eq!(log.matches("ends within 14 days").count(), 1, "{log}");
        assert_eq!(log.matches("has expired").count(), 1, "{log}");
    }
}

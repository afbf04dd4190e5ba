//! Why a store refuses, and what cures it.

use std::io;
use std::sync::{Arc, RwLock};

use super::committer::{read, write};

/// What lets the store sign again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cure {
    /// A new process, on a healthy disk or with the operator's word.
    Restart,
    /// Space on the volume: then the file is opened anew, as a new process would.
    Space,
    /// The file in its place again: nothing was written meanwhile.
    Return,
}

/// Why nothing is claimed or recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ailment {
    /// A sentence, with the remedy.
    pub(super) reason: String,
    pub(super) cure: Cure,
}

/// What nothing is known to cure needs a restart.
impl From<String> for Ailment {
    fn from(reason: String) -> Self {
        let cure = Cure::Restart;
        Self { reason, cure }
    }
}

impl Ailment {
    /// What an error of the database is, in its words.
    pub(super) fn of_database(error: impl Into<redb::Error>) -> Self {
        let error = error.into();
        let full = is_full(&error);
        Self::of_disk(error.to_string(), full)
    }

    /// What an error of a file is, in the words of `reason`.
    pub(super) fn of_file(error: &io::Error, reason: String) -> Self {
        Self::of_disk(reason, is_full_volume(error))
    }

    fn of_disk(reason: String, full: bool) -> Self {
        let cure = if full { Cure::Space } else { Cure::Restart };
        Self { reason, cure }
    }
}

/// The ailment of a store, if it has one; shared by all who ask it.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<RwLock<Option<Ailment>>>);

impl Health {
    pub(super) fn ailment(&self) -> Option<Ailment> {
        read(&self.0).clone()
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.ailment().map(|ailment| ailment.reason)
    }

    /// Falls ill, and says so once. What needs a restart, or space, stays what it is: a file that is back in
    /// its place would cure neither.
    pub(super) fn fall_ill(&self, reason: String, cure: Cure) {
        let mut health = write(&self.0);
        let stays = |old: &Ailment| match old.cure {
            Cure::Restart => true,
            Cure::Space => cure == Cure::Return,
            Cure::Return => false,
        };
        let new = Ailment { reason, cure };
        if health.as_ref().is_some_and(|old| stays(old) || *old == new) {
            return;
        }
        tracing::error!(reason = new.reason, "store refuses to sign");
        *health = Some(new);
    }

    /// Recovers from what `cure` cures, and says so.
    pub(super) fn recover(&self, cure: Cure) {
        let mut health = write(&self.0);
        if let Some(ailment) = health.take_if(|ailment| ailment.cure == cure) {
            tracing::info!(was = ailment.reason, "store signs again");
        }
    }
}

/// Whether an error says that the volume is full.
pub(super) fn is_full(error: &redb::Error) -> bool {
    let redb::Error::Io(error) = error else {
        return false;
    };
    is_full_volume(error)
}

fn is_full_volume(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_back_cures_neither_a_full_disk_nor_a_broken_one() {
        for cure in [Cure::Space, Cure::Restart] {
            let health = Health::default();
            health.fall_ill("the first".to_owned(), cure);
            health.fall_ill("moved away".to_owned(), Cure::Return);
            health.recover(Cure::Return);
            assert_eq!(health.reason().unwrap(), "the first");
        }
        let health = Health::default();
        health.fall_ill("moved away".to_owned(), Cure::Return);
        health.fall_ill("full".to_owned(), Cure::Space);
        assert_eq!(health.reason().unwrap(), "full");
        health.recover(Cure::Space);
        assert_eq!(health.reason(), None);
    }
}

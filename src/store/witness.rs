//! The witness: a copy of the floors and of the number of commits on another volume, which shows that a store
//! has gone back.
//!
//! A state directory that is restored from a snapshot or a backup is whole and well, only old; nothing
//! inside it can tell. The witness lies outside. It follows the store a moment later and is never on the way
//! of a signature, so it can be behind the store and never ahead of it, unless the store went back.

mod keeper;

use std::io;
use std::path::Path;

use jiff::Timestamp;

use crate::guard::{Account, Book};
use crate::transfer::{Document, DocumentAccount};

use super::contents::Contents;
pub(super) use keeper::{Keeper, Reminder};

/// The command that accepts what the witness contradicts.
const ACCEPT: &str = "if this store is really the right one, accept it by raising all its watermarks above \
    everything ever signed: stop the proxy and run `signer-proxy watermark accept --config FILE --level LEVEL` \
    (or --from-node URL)";

/// What the witness of the store `lineage` says of `contents` at `now`, by the hand of `writer`.
pub(super) fn document(
    lineage: &str,
    contents: &Contents,
    writer: &str,
    now: Timestamp,
) -> Document {
    Document {
        commits: Some(contents.commits),
        writer: Some(writer.to_owned()),
        ..Document::of_book(lineage, &contents.book, now)
    }
}

/// Whether `there` says all that there is to say of `contents`, by whatever hand.
pub(super) fn is_up_to_date(there: &Document, lineage: &str, contents: &Contents) -> bool {
    let wanted = Document {
        writer: there.writer.clone(),
        ..document(lineage, contents, "", there.created)
    };
    *there == wanted
}

/// What a process knows of the witness that it keeps.
#[derive(Clone, Debug)]
pub(super) struct Hand {
    /// What this process signs its witnesses with.
    pub(super) writer: String,
    /// What was there when the store was opened, from the process before.
    pub(super) found: Option<Document>,
    /// The newest number of commits that was there then, or that this process has written since.
    pub(super) commits: Option<u64>,
}

impl Hand {
    /// The hand of a process that finds `found`.
    pub(super) fn new(writer: String, found: Option<Document>) -> Self {
        let commits = found.as_ref().and_then(|found| found.commits);
        Self {
            writer,
            found,
            commits,
        }
    }

    /// Takes down that `document` was written.
    pub(super) fn wrote(&mut self, document: &Document) {
        self.commits = self.commits.max(document.commits);
    }

    /// Whether `there` was written by another process since this one has the store open. A volume that loses what
    /// was written last can bring back an older one of ours, what was found, or what was there before that; a copy
    /// of the store that is at work writes something as new with a hand of its own.
    fn is_of_another(&self, there: &Document) -> bool {
        there.writer.as_ref() != Some(&self.writer)
            && self.found.as_ref() != Some(there)
            && self.commits.is_some()
            && self.commits <= there.commits
    }
}

/// Why a witness that is there says nothing: a sentence, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It was cut or changed, or is no witness at all: nothing is lost with it.
    #[error("{0}")]
    Damaged(String),
    /// Its volume does not give it: it may say much.
    #[error("{0}")]
    Unreadable(String),
    /// A newer program wrote it: it says what this one does not understand.
    #[error("{0}")]
    Newer(String),
}

impl From<Unusable> for String {
    fn from(unusable: Unusable) -> Self {
        unusable.to_string()
    }
}

/// Reads the witness at `path`; `None` if there is none. Blocking.
///
/// # Errors
/// [`Unusable`]; only a damaged one may be treated as if it were not there.
pub fn read(path: &Path) -> Result<Option<Document>, Unusable> {
    let shown = path.display();
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Unusable::Unreadable(format!(
                "the witness {shown} cannot be read: {error}; mend its volume, or, if it is lost for good, let \
                 state.witness name another file"
            )));
        }
    };
    match Document::read(&shown.to_string(), &text) {
        Ok(document) => Ok(Some(document)),
        Err(error) if Document::is_newer(&text) => Err(Unusable::Newer(format!(
            "the witness {shown} is of a newer program than this one: {error}; start that program, or, if there is \
             none, take the file for damaged and move it away"
        ))),
        Err(error) => Err(Unusable::Damaged(format!(
            "the witness {shown} cannot be used: {error}; {ACCEPT}"
        ))),
    }
}

/// Why the witness must not be written over: it says that another process keeps it. `contents` were read after the
/// witness, so they are behind it only if somebody else wrote it.
pub(super) fn kept_by_another(
    path: &Path,
    there: &Document,
    hand: &Hand,
    lineage: &str,
    contents: &Contents,
) -> Option<String> {
    let what = if there.lineage != lineage {
        format!("it belongs to the watermark store {} now", there.lineage)
    } else if let Some(what) = behind(there, contents, path) {
        what
    } else if hand.is_of_another(there) {
        "it was written meanwhile, and not by this process".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "another process keeps the witness {} of this watermark store: {what}. So two copies of one store may be \
         running, and each signs what the other does not know; nothing is signed until this process is restarted: \
         stop both first, and {ACCEPT}",
        path.display()
    ))
}

/// Why a store is not believed beside its witness.
///
/// `witnessed` is what the store says of itself: that it had a witness before.
pub(super) fn contradiction(
    path: &Path,
    witness: Option<&Document>,
    lineage: &str,
    contents: &Contents,
    witnessed: bool,
) -> Option<String> {
    let shown = path.display();
    let Some(witness) = witness else {
        return witnessed.then(|| {
            format!(
                "the witness {shown} of this watermark store is gone; is its volume mounted? Without it \
                 nobody can tell whether the store has gone back; {ACCEPT}"
            )
        });
    };
    if witness.lineage != lineage {
        return Some(format!(
            "the witness {shown} belongs to the watermark store {} and not to this one, {lineage}: one of \
             the two is of another proxy; mount the right volume, or {ACCEPT}",
            witness.lineage
        ));
    }
    behind(witness, contents, path).map(|what| {
        format!(
            "the watermark store has gone back, as after the restore of a backup or a snapshot: {what}. \
             What was signed since is not known here any more; {ACCEPT}"
        )
    })
}

/// What the store does not know although its witness does, if anything.
fn behind(witness: &Document, contents: &Contents, path: &Path) -> Option<String> {
    let shown = path.display();
    let Contents { book, commits } = contents;
    let mut accounts = witness.accounts.iter();
    if let Some(what) = accounts.find_map(|account| behind_in(account, book)) {
        return Some(what);
    }
    if let (Some(sealed), None) = (witness.sealed, book.sealed) {
        return Some(format!(
            "its witness {shown} knows that it was sealed at {sealed}"
        ));
    }
    // Last: what the store forgot says more than how much. A witness of an older program does not count.
    let known = witness.commits.filter(|known| commits < known)?;
    Some(format!(
        "it holds {commits} changes, and its witness {shown} {known}; a signature can be all that it lost"
    ))
}

/// What the store has forgotten of one key, if anything.
fn behind_in(account: &DocumentAccount, book: &Book) -> Option<String> {
    let DocumentAccount { chain, key, .. } = *account;
    for mark in &account.watermarks {
        let stream = crate::guard::Stream {
            chain,
            key,
            kind: mark.kind,
        };
        let floor = book.streams.get(&stream).map(|state| state.floor);
        if floor.is_none_or(|floor| floor < mark.position) {
            let here = floor.map_or("nothing".to_owned(), |floor| floor.to_string());
            return Some(format!(
                "it holds {here} for the {} of {key} on {chain}, and its witness {}",
                mark.kind, mark.position
            ));
        }
    }
    let stop = book
        .accounts
        .get(&Account { chain, key })
        .and_then(|state| state.stop_at);
    let witnessed = account.stop_at?;
    stop.is_none_or(|stop| stop > witnessed).then(|| {
        format!("it has forgotten that {key} on {chain} stops at level {witnessed}, as its witness knows")
    })
}

#[cfg(test)]
mod tests;

//! The store's file: making an empty one, opening one and reading all of it.
//!
//! Opening repairs what a crash left and checks every page against its checksum. What cannot be read in
//! full is an error in words; nothing is guessed and nothing skipped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::Database;
use redb::backends::FileBackend;

use crate::guard::Book;
use crate::transfer::Document;

use super::super::ailment::{Ailment, Cure};
use super::super::contents::Contents;
use super::super::place::Place;
use super::super::tables::{self, FORMAT, Identity};
use super::super::{calls, file, owner};

/// The whole store is far smaller; redb's own default cache would be 1 GiB.
const CACHE_BYTES: usize = 4 << 20;

/// An open store.
pub(in crate::store) struct Loaded {
    pub(in crate::store) database: Database,
    pub(in crate::store) lineage: String,
    /// Whether it ever had a witness.
    pub(in crate::store) witnessed: bool,
    pub(in crate::store) contents: Contents,
    /// Where its file is, if it has one.
    pub(in crate::store) places: Vec<Place>,
}

/// Copies the store's file, syncs it and its directory, and reads the copy; see [`file::rewrite`].
///
/// # Errors
/// What is wrong with the store, and what to do; a full volume is cured by space.
pub(in crate::store) fn open_durably(path: &Path, directory: &Path) -> Result<Loaded, Ailment> {
    let damaged = |what: &str| {
        Ailment::from(format!(
            "the watermark store {} cannot be used: {what}; replace it by one with \
             watermarks above everything ever signed, with `signer-proxy watermark reset --danger`",
            path.display()
        ))
    };
    let full = |what: &str| {
        format!(
            "the watermark store {} cannot be opened: {what}; nothing is signed until there is space",
            path.display()
        )
    };
    file::rewrite(path).map_err(|error| {
        // Moving away a store that is only unreadable would be the way to a second signature.
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            let remedy = owner::remedy(&error, directory);
            return Ailment::from(format!(
                "the watermark store {} cannot be read: {error}{remedy}",
                path.display()
            ));
        }
        // The disk's trouble says nothing about the store: it is not to be replaced for that.
        let reason = format!(
            "the watermark store {} cannot be copied to be sure that it is on the disk: {error}; mend the disk \
             and restart",
            path.display()
        );
        let ailment = Ailment::of_file(&error, reason);
        match ailment.cure {
            Cure::Space => Ailment {
                reason: full(&error.to_string()),
                ..ailment
            },
            Cure::Restart | Cure::Return => ailment,
        }
    })?;
    let place = Place::of(path).map_err(|error| damaged(&error.to_string()))?;
    // A damaged file can make the database panic; that must not take the metadata down with it.
    let save = |identity: &Identity, book: &Book| save_aside(directory, identity, book);
    let read = || read_file(path, save);
    let mut loaded = catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| damaged("the database panicked on it"))?
        .map_err(|ailment| match ailment.cure {
            Cure::Space => Ailment {
                reason: full(&ailment.reason),
                ..ailment
            },
            Cure::Restart | Cure::Return => damaged(&ailment.reason),
        })?;
    loaded.places.push(place);
    Ok(loaded)
}

/// Writes what an older store holds beside it, before its format changes.
fn save_aside(directory: &Path, identity: &Identity, book: &Book) -> Result<(), Ailment> {
    let path = directory.join(format!("watermarks-format-{}.json", identity.format));
    let document = Document::of_book(&identity.lineage, book, crate::time::now());
    file::write_durably(&path, document.to_text().as_bytes()).map_err(|error| {
        let reason = format!("{} cannot be written: {error}", path.display());
        Ailment::of_file(&error, reason)
    })?;
    tracing::info!(
        from = identity.format,
        to = FORMAT,
        export = %path.display(),
        "store brought to a newer format"
    );
    Ok(())
}

/// Opens and reads the store; `before_migration` is called with what an older store holds, before the
/// file is brought to the present format.
fn read_file(
    path: &Path,
    before_migration: impl FnOnce(&Identity, &Book) -> Result<(), Ailment>,
) -> Result<Loaded, Ailment> {
    read_database(open(path)?, before_migration)
}

/// Opens the database without reading it.
pub(super) fn open(path: &Path) -> Result<Database, Ailment> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder.open(path).map_err(Ailment::of_database)
}

pub(super) fn read_database(
    mut database: Database,
    before_migration: impl FnOnce(&Identity, &Book) -> Result<(), Ailment>,
) -> Result<Loaded, Ailment> {
    // Opening trusts the pages of a store that was closed in good order; a flipped bit would show as
    // a lower floor. What it can mend holds no data of ours.
    database.check_integrity().map_err(Ailment::of_database)?;
    let (identity, book) = tables::load(&database)?;
    if identity.format != FORMAT {
        before_migration(&identity, &book)?;
        tables::initialise(&database, &identity.lineage).map_err(Ailment::of_database)?;
    }
    Ok(Loaded {
        database,
        lineage: identity.lineage,
        witnessed: identity.witnessed,
        contents: Contents {
            book,
            commits: identity.commits,
        },
        places: Vec::new(),
    })
}

/// Makes an empty store under a temporary name and renames it, so that a crash leaves none or a whole one. Its
/// lineage is drawn, whatever is configured: two stores never look alike.
pub(super) fn create_file(path: &Path) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // A volume mounted late can bring a store that was not here at the start: never replace one.
    if path.try_exists().map_err(|e| text(&e))? {
        return Err(
            "there is one now that was not there at the start; start the process anew".to_owned(),
        );
    }
    let directory = path.parent().ok_or("the store has no directory")?;
    let temporary = path.with_extension("redb.making");
    let made = owner::remove_leftover(&temporary)
        .and_then(|()| owner::create(&temporary, directory))
        .map_err(|e| format!("{e}{}", owner::remedy(&e, directory)))?;
    let database = Database::builder()
        .create_with_backend(FileBackend::new(made).map_err(|e| text(&e))?)
        .map_err(|e| text(&e))?;
    tables::initialise(&database, &random_id()?).map_err(|e| text(&e))?;
    drop(database);
    calls::rename(&temporary, path).map_err(|e| text(&e))?;
    calls::sync_directory(directory).map_err(|e| text(&e))
}

/// 32 hexadecimal digits that nobody else has.
pub(super) fn random_id() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(hex::encode(bytes))
}

//! The store's file: making an empty one, opening one and reading all of it.
//!
//! Opening repairs what a crash left and checks every page against its checksum. What cannot be read in
//! full is an error in words; nothing is guessed and nothing skipped.

use std::collections::HashMap;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, Durability, ReadableDatabase as _, TableDefinition};

use crate::guard::{Stream, StreamState};

use super::super::committer::{FLOORS, ROWS, load_all};
use super::super::{file, owner};

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
/// Format of the file; an older program refuses a newer one.
const FORMAT: &str = "1";
/// The whole store is far smaller; redb's own default cache would be 1 GiB.
const CACHE_BYTES: usize = 4 << 20;

pub(super) type Loaded = (Database, String, HashMap<Stream, StreamState>);

pub(super) fn read_file(path: &Path) -> Result<Loaded, String> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .open(path)
        .map_err(|error| error.to_string())?;
    read_database(database)
}

pub(super) fn read_database(mut database: Database) -> Result<Loaded, String> {
    // Opening trusts the pages of a store that was closed in good order; a flipped bit would show as
    // a lower floor. What it can mend holds no data of ours.
    database
        .check_integrity()
        .map_err(|error| error.to_string())?;
    let (format, lineage) = read_meta(&database)?;
    if format != FORMAT {
        return Err(format!(
            "its format is {format}, this program knows format {FORMAT}"
        ));
    }
    let streams = load_all(&database)?;
    Ok((database, lineage, streams))
}

fn read_meta(database: &Database) -> Result<(String, String), String> {
    let transaction = database.begin_read().map_err(|e| e.to_string())?;
    let meta = transaction.open_table(META).map_err(|e| e.to_string())?;
    let value = |name: &str| -> Result<String, String> {
        let value = meta.get(name).map_err(|e| e.to_string())?;
        Ok(value.ok_or(format!("it has no {name}"))?.value().to_owned())
    };
    Ok((value("format")?, value("lineage")?))
}

/// Makes an empty store under a temporary name and renames it, so that a crash leaves none or a whole one.
pub(super) fn create_file(path: &Path, lineage: &str) -> Result<(), String> {
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
    initialise(&database, lineage)?;
    drop(database);
    std::fs::rename(&temporary, path).map_err(|e| text(&e))?;
    file::sync_directory(directory).map_err(|e| text(&e))
}

/// Writes the tables of an empty store in one durable commit.
pub(super) fn initialise(database: &Database, lineage: &str) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut transaction = database.begin_write().map_err(|e| text(&e))?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|e| text(&e))?;
    transaction.set_two_phase_commit(true);
    {
        let mut meta = transaction.open_table(META).map_err(|e| text(&e))?;
        meta.insert("format", FORMAT).map_err(|e| text(&e))?;
        meta.insert("lineage", lineage).map_err(|e| text(&e))?;
        meta.insert("created", crate::time::now().to_string().as_str())
            .map_err(|e| text(&e))?;
        transaction.open_table(FLOORS).map_err(|e| text(&e))?;
        transaction.open_table(ROWS).map_err(|e| text(&e))?;
    }
    transaction.commit().map_err(|e| text(&e))
}

pub(super) fn new_lineage() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(hex::encode(bytes))
}

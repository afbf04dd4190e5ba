//! The tables of the store's file: what is written where, and how all of it is read back.
//!
//! Knows nothing of files, threads and memory. Reading is total: what cannot be understood in full is an
//! error in words, nothing is guessed and nothing skipped.

use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    WriteTransaction,
};

use crate::guard::{Book, Row, Slot, StreamState, Touched};

use super::encoding;

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

const FLOORS: Table = TableDefinition::new("floors");
const ROWS: Table = TableDefinition::new("rows");
/// Stops and halts; since format 2.
const ACCOUNTS: Table = TableDefinition::new("accounts");
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// Format of the file; an older program refuses a newer one.
pub(super) const FORMAT: &str = "2";
/// The format without stops, halts and seals; brought to the present one when it is opened.
pub(super) const FORMAT_1: &str = "1";

/// Who the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) format: String,
    pub(super) lineage: String,
    /// Whether it ever had a witness.
    pub(super) witnessed: bool,
    /// How many commits made it what it is; see [`super::contents::Contents`].
    pub(super) commits: u64,
}

/// Makes what operations touched durable, as `book` holds it now, in one commit, the `commits`th of the store.
pub(super) fn commit(
    database: &Database,
    book: &Book,
    touched: &Touched,
    commits: u64,
) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    write(&transaction, book, touched)?;
    count(&transaction, commits)?;
    transaction.commit()?;
    Ok(())
}

/// Makes durable that the store has a witness, as its `commits`th commit.
pub(super) fn mark_witnessed(database: &Database, commits: u64) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    transaction.open_table(META)?.insert("witnessed", "yes")?;
    count(&transaction, commits)?;
    transaction.commit()?;
    Ok(())
}

fn count(transaction: &WriteTransaction, commits: u64) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(META)?;
    meta.insert("commits", commits.to_string().as_str())?;
    Ok(())
}

/// A transaction that is on the disk when its commit returns.
fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

fn write(
    transaction: &WriteTransaction,
    book: &Book,
    touched: &Touched,
) -> Result<(), redb::Error> {
    let mut floors = transaction.open_table(FLOORS)?;
    let mut rows = transaction.open_table(ROWS)?;
    for stream in &touched.floors {
        if let Some(state) = book.streams.get(stream) {
            let value = encoding::encode_floor(state.floor, state.floor_at);
            floors.insert(encoding::stream_key(stream).as_slice(), value.as_slice())?;
        }
    }
    for slot in &touched.rows {
        let row = book
            .streams
            .get(&slot.stream)
            .and_then(|state| state.rows.get(&slot.position));
        if let Some(row) = row {
            let key = encoding::slot_key(&slot.stream, slot.position);
            rows.insert(key.as_slice(), encoding::encode_row(row).as_slice())?;
        }
    }
    for slot in &touched.gone {
        rows.remove(encoding::slot_key(&slot.stream, slot.position).as_slice())?;
    }
    if !touched.accounts.is_empty() {
        let mut accounts = transaction.open_table(ACCOUNTS)?;
        for account in &touched.accounts {
            if let Some(state) = book.accounts.get(account) {
                let value = encoding::encode_account(state);
                accounts.insert(encoding::account_key(account).as_slice(), value.as_slice())?;
            }
        }
    }
    if let Some(at) = book.sealed.filter(|_| touched.sealed) {
        let mut meta = transaction.open_table(META)?;
        meta.insert("sealed", at.to_string().as_str())?;
    }
    Ok(())
}

/// Reads the whole store. A damaged one is an error in words.
pub(super) fn load(database: &Database) -> Result<(Identity, Book), String> {
    let words = |error: redb::Error| error.to_string();
    let identity = read_identity(database).map_err(words)??;
    if identity.format != FORMAT && identity.format != FORMAT_1 {
        return Err(format!(
            "its format is {}, this program knows format {FORMAT} and older ones; run the newer program \
             that wrote it",
            identity.format
        ));
    }
    let book = read_book(database, identity.format == FORMAT).map_err(words)??;
    Ok((identity, book))
}

fn read_identity(database: &Database) -> Result<Result<Identity, String>, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(META)?;
    let value = |name: &str| -> Result<Option<String>, redb::Error> {
        Ok(meta.get(name)?.map(|value| value.value().to_owned()))
    };
    let (format, lineage) = (value("format")?, value("lineage")?);
    let witnessed = value("witnessed")?.is_some();
    let commits = match value("commits")?.map_or(Ok(0), |commits| commits.parse()) {
        Ok(commits) => commits,
        Err(error) => return Ok(Err(format!("the number of its commits is none: {error}"))),
    };
    Ok(match (format, lineage) {
        (Some(format), Some(lineage)) => Ok(Identity {
            format,
            lineage,
            witnessed,
            commits,
        }),
        (None, _) => Err("it has no format".to_owned()),
        (_, None) => Err("it has no lineage".to_owned()),
    })
}

/// Outer error: the database's; inner: a value that this program did not write.
fn read_book(database: &Database, accounts: bool) -> Result<Result<Book, String>, redb::Error> {
    let transaction = database.begin_read()?;
    let mut book = Book::default();
    for entry in transaction.open_table(FLOORS)?.iter()? {
        let (key, value) = entry?;
        if let Err(damage) = enter_floor(&mut book, key.value(), value.value()) {
            return Ok(Err(damage));
        }
    }
    for entry in transaction.open_table(ROWS)?.iter()? {
        let (key, value) = entry?;
        if let Err(damage) = enter_row(&mut book, key.value(), value.value()) {
            return Ok(Err(damage));
        }
    }
    if !accounts {
        return Ok(Ok(book));
    }
    for entry in transaction.open_table(ACCOUNTS)?.iter()? {
        let (key, value) = entry?;
        if let Err(damage) = enter_account(&mut book, key.value(), value.value()) {
            return Ok(Err(damage));
        }
    }
    if let Some(sealed) = transaction.open_table(META)?.get("sealed")? {
        match sealed.value().parse() {
            Ok(at) => book.sealed = Some(at),
            Err(error) => return Ok(Err(format!("its seal has no time: {error}"))),
        }
    }
    Ok(Ok(book))
}

fn enter_floor(book: &mut Book, key: &[u8], value: &[u8]) -> Result<(), String> {
    let stream = encoding::decode_stream(key).map_err(|e| e.to_string())?;
    let (floor, at) = encoding::decode_floor(value).map_err(|e| e.to_string())?;
    book.streams
        .insert(stream, StreamState::with_floor(floor, at));
    Ok(())
}

fn enter_account(book: &mut Book, key: &[u8], value: &[u8]) -> Result<(), String> {
    let account = encoding::decode_account_key(key).map_err(|e| e.to_string())?;
    let state = encoding::decode_account(value).map_err(|e| e.to_string())?;
    book.accounts.insert(account, state);
    Ok(())
}

fn enter_row(book: &mut Book, key: &[u8], value: &[u8]) -> Result<(), String> {
    let slot: Slot = encoding::decode_slot(key).map_err(|e| e.to_string())?;
    let row: Row = encoding::decode_row(value).map_err(|e| e.to_string())?;
    let state = book
        .streams
        .get_mut(&slot.stream)
        .ok_or("a claimed slot belongs to no stream")?;
    // A row above its floor would mean that a claim was kept and its floor was not.
    if slot.position > state.floor {
        return Err(format!(
            "a claimed slot at {} lies above its floor {}",
            slot.position, state.floor
        ));
    }
    state.rows.insert(slot.position, row);
    Ok(())
}

/// Writes the tables of an empty store, or brings one of format 1 to the present format, in one durable
/// commit. What is there stays.
pub(super) fn initialise(database: &Database, lineage: &str) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("lineage", lineage)?;
        if meta.get("created")?.is_none() {
            meta.insert("created", crate::time::now().to_string().as_str())?;
        }
        transaction.open_table(FLOORS)?;
        transaction.open_table(ROWS)?;
        transaction.open_table(ACCOUNTS)?;
    }
    transaction.commit()?;
    Ok(())
}

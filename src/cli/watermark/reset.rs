//! `watermark reset`: the one way down, and out of a store that cannot be used. Only while no proxy runs.
//!
//! Each check stands between an operator in a hurry and a key that signs a level twice, so each has its sentence.

mod shared;

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::{Failure, Outcome, code, load, print};
use crate::config::Loaded;
use crate::decision_log::{Entry, Event};
use crate::guard::{Account, Book, WatermarkStore as _};
use crate::settings::{Chain, Settings, Store};
use crate::store::{EmbeddedStore, Found, Replaced, Unusable, read_witness, write_durably};
use crate::tezos::{ChainId, Level, PublicKeyHash};
use crate::transfer::{Document, begin_anew};

use super::floor::{Beside, Floor, below_sentence, beside_head, floor_of};
use super::{chain, run};

/// What an operator gives for the lineage of a store that has none that can be read.
const UNREADABLE: &str = "unreadable";

/// `watermark reset`
#[derive(Debug, Args)]
pub(in crate::cli) struct Reset {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// I know that everything above the level that I give can be signed again with other bytes.
    #[arg(long, required = true)]
    danger: bool,
    /// The lineage of the store that is replaced, as `watermark show` prints it, or the word `unreadable`.
    #[arg(long, value_name = "LINEAGE")]
    lineage: String,
    /// Begin anew with this key only; without it with every key on the chain.
    #[arg(long, value_name = "PKH")]
    key: Option<PublicKeyHash>,
    /// The chain; may be left out if the configuration has one only.
    #[arg(long, value_name = "ID")]
    chain: Option<ChainId>,
    #[command(flatten)]
    floor: Floor,
    /// Accept a level below the head of the [node], or a node that cannot be asked: this is how keys get slashed.
    #[arg(long)]
    below_head: bool,
}

pub(super) async fn reset(reset: Reset) -> Outcome {
    let Loaded { settings, .. } = load(&reset.config)?;
    if let Store::Etcd(etcd) = &settings.store {
        return shared::reset(&settings, etcd, reset).await;
    }
    let chain = chain(&settings, reset.chain)?;
    let lock = run::lock(&settings)?;
    let found = EmbeddedStore::inspect(&lock).map_err(|error| Failure::new(code::IO, error))?;
    let absent = "there is no store to replace; `signer-proxy watermark init` makes one, or, if its witness is there, \
                  `signer-proxy watermark accept`";
    let (lineage, book) = what_is_there(found, absent)?;
    check_lineage(&reset.lineage, lineage.as_deref())?;
    let accounts = beginners(&settings, &chain, (lineage.as_deref(), &book), reset.key)?;
    let level = floor_of(reset.floor, &chain).await?;
    if !reset.below_head {
        check_head(&settings, &chain, level).await?;
        check_witness(settings.state.witness.as_deref(), chain.id, level)?;
    }
    let now = crate::time::now();
    if let Some(lineage) = &lineage {
        let saved = save(lock.directory(), lineage, &book)?;
        print(&format!("what it held was saved as {}\n", saved.display()))?;
    }
    let anew = begin_anew(&book, &accounts, level, now);
    let trust = run::trust(&settings);
    let replaced = EmbeddedStore::replace(&lock, &trust, &anew, now)
        .map_err(|error| Failure::new(code::IO, error))?;
    note(
        &settings,
        (lineage.as_deref(), &replaced.lineage),
        &accounts,
        level,
    );
    tell(&accounts, level, &replaced)?;
    // The first opening writes the first witness, and says what still keeps the store from signing.
    let report = EmbeddedStore::open_trusting(lock, trust, |_| {}).report();
    match report.reason {
        Some(reason) => Err(problem(format!("{reason}; the reset itself is done"))),
        None => Ok(()),
    }
}

/// Lineage and contents; neither of a store that cannot be read.
fn what_is_there(found: Found, absent: &str) -> Result<(Option<String>, Book), Failure> {
    match found {
        Found::Absent => Err(problem(absent)),
        Found::Whole { lineage, book } => Ok((Some(lineage), *book)),
        Found::Unreadable { reason } => {
            print(&format!("the store cannot be read: {reason}\n"))?;
            Ok((None, Book::default()))
        }
    }
}

/// The keys that begin anew.
fn beginners(
    settings: &Settings,
    chain: &Chain,
    (lineage, book): (Option<&str>, &Book),
    key: Option<PublicKeyHash>,
) -> Result<Vec<Account>, Failure> {
    match lineage {
        Some(_) => known(book, chain, key),
        None => configured(settings, chain, key),
    }
}

/// Refuses a level below the highest that `who` knows of.
fn check_highest(highest: Option<Level>, level: Level, who: &str) -> Outcome {
    match highest {
        Some(highest) if level < highest => Err(problem(format!(
            "level {level} lies below what {who}, level {highest}; give a level of at least that, or --below-head; \
             nothing was changed"
        ))),
        Some(_) | None => Ok(()),
    }
}

fn problem(message: impl std::fmt::Display) -> Failure {
    Failure::new(code::PROBLEM, message)
}

fn check_lineage(said: &str, is: Option<&str>) -> Result<(), Failure> {
    match is {
        Some(is) if said == is => Ok(()),
        None if said == UNREADABLE => Ok(()),
        Some(_) => Err(problem(format!(
            "{said} is not the lineage of this store; `signer-proxy watermark show` prints it; nothing was changed"
        ))),
        None => Err(problem(format!(
            "this store cannot be read, so its lineage cannot be compared; if it is to be replaced all the same, \
             give --lineage {UNREADABLE}; nothing was changed"
        ))),
    }
}

/// The keys of a store that begin anew.
fn known(book: &Book, chain: &Chain, key: Option<PublicKeyHash>) -> Result<Vec<Account>, Failure> {
    let streams = book.streams.keys().map(|stream| Account::from(*stream));
    let mut accounts: Vec<_> = streams
        .chain(book.accounts.keys().copied())
        .filter(|account| account.chain == chain.id && key.is_none_or(|key| key == account.key))
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    if accounts.is_empty() {
        let who = key.map_or_else(|| "no key".to_owned(), |key| key.to_string());
        return Err(problem(format!(
            "the store knows {who} on {}; a first watermark is set with `signer-proxy watermark init`; nothing \
             was changed",
            chain.id
        )));
    }
    Ok(accounts)
}

/// The keys that a store begins with whose predecessor cannot say which it had.
fn configured(
    settings: &Settings,
    chain: &Chain,
    key: Option<PublicKeyHash>,
) -> Result<Vec<Account>, Failure> {
    let keys = match key {
        Some(key) => vec![key],
        None => settings.keys.iter().map(|key| key.hash).collect(),
    };
    if keys.is_empty() {
        return Err(problem(
            "the store cannot say which keys it had, and the configuration lists none: name one with --key, and \
             set the watermarks of the others with `signer-proxy watermark init` afterwards; nothing was changed",
        ));
    }
    let chain = chain.id;
    Ok(keys.into_iter().map(|key| Account { chain, key }).collect())
}

/// What a store that cannot be read has forgotten, its witness may know.
fn check_witness(path: Option<&Path>, chain: ChainId, level: Level) -> Outcome {
    let Some(path) = path else {
        return Ok(());
    };
    let witness = match read_witness(path) {
        Ok(Some(witness)) => witness,
        // One that is damaged says nothing.
        Ok(None) | Err(Unusable::Damaged(_)) => return Ok(()),
        Err(Unusable::Unreadable(error) | Unusable::Newer(error)) => {
            return Err(problem(format!(
                "{error}; nothing was changed (--below-head goes on without what it knows)"
            )));
        }
    };
    let shown = path.display();
    let accounts = witness.accounts.iter();
    let marks = accounts
        .filter(|account| account.chain == chain)
        .flat_map(|account| &account.watermarks);
    let highest = marks.map(|mark| mark.position.level).max();
    check_highest(highest, level, &format!("the witness {shown} knows"))
}

async fn check_head(settings: &Settings, chain: &Chain, level: Level) -> Result<(), Failure> {
    match beside_head(settings, chain, level).await {
        Beside::NoNode | Beside::Reaches => Ok(()),
        Beside::Below(head) => Err(problem(below_sentence(level, head))),
        Beside::Unknown(error) => Err(problem(format!(
            "the head of the [node] is not known, so the level cannot be compared with it: {error}; nothing was \
             changed (--below-head goes on without)"
        ))),
    }
}

/// Writes what the store holds as a document beside it.
fn save(directory: &Path, lineage: &str, book: &Book) -> Result<PathBuf, Failure> {
    let now = crate::time::now();
    let time = now.strftime("%Y%m%dT%H%M%S%.3fZ");
    let file = directory.join(format!("watermarks-before-reset-{time}.json"));
    let text = Document::of_book(lineage, book, now).to_text();
    write_durably(&file, text.as_bytes()).map_err(|error| {
        let file = file.display();
        Failure::new(
            code::IO,
            format!("cannot save what the store holds as {file}: {error}; nothing was changed"),
        )
    })?;
    Ok(file)
}

/// Notes it in the log and in the decision log.
fn note(settings: &Settings, (was, is): (Option<&str>, &str), accounts: &[Account], level: Level) {
    let was = was.unwrap_or(UNREADABLE);
    tracing::warn!(
        was,
        is,
        level = level.get(),
        "store replaced by the operator"
    );
    let reason = format!("the store was replaced: lineage was {was}, is {is}");
    let changes = accounts
        .iter()
        .map(|account| Entry::of_account(*account, Event::Reset, Some(level)).because(&reason));
    run::note(&settings.state.directory, changes.collect());
}

fn tell(accounts: &[Account], level: Level, replaced: &Replaced) -> Outcome {
    for account in accounts {
        print(&format!(
            "{} on {} begins anew: nothing at or below level {level} will be signed\n",
            account.key, account.chain
        ))?;
    }
    for kept in &replaced.kept {
        print(&format!("kept: {}\n", kept.display()))?;
    }
    print(&format!("lineage of the new store: {}\n", replaced.lineage))
}

#[cfg(test)]
mod tests {
    use crate::fixture::{at, folder, raise, second};
    use crate::guard::Touched;
    use crate::tezos::ConsensusKind;

    use super::*;

    /// What a check says beside a witness with these bytes.
    fn said(text: &[u8], level: u32) -> Result<(), String> {
        let folder = folder();
        let path = folder.path().join("witness.json");
        std::fs::write(&path, text).unwrap();
        let level = at(level, 0).level;
        check_witness(Some(&path), ChainId::MAINNET, level).map_err(|failure| failure.message)
    }

    #[test]
    fn a_reset_goes_on_beside_a_damaged_witness_and_not_beside_one_that_may_know_more() {
        let mut book = Book::default();
        let floor = crate::guard::Change::Raise(raise(ConsensusKind::Block, at(500, 0)));
        book.amend(floor, second(1), &mut Touched::default());
        let text = Document::of_book("mine", &book, second(2)).to_text();
        assert_eq!(said(text.as_bytes(), 500), Ok(()));
        let below = said(text.as_bytes(), 499).unwrap_err();
        assert!(below.contains("level 500"), "{below}");
        assert_eq!(said(b"{", 1), Ok(()));
        let newer = text.replace("\"version\": 1,", "\"version\": 2,");
        let refused = said(newer.as_bytes(), 600).unwrap_err();
        assert!(
            refused.contains("is of a newer program") && refused.contains("nothing was changed"),
            "{refused}"
        );
        let folder = folder();
        let level = at(600, 0).level;
        // A folder cannot be read as a file.
        let refused = check_witness(Some(folder.path()), ChainId::MAINNET, level).unwrap_err();
        let refused = refused.message;
        assert!(refused.contains("cannot be read"), "{refused}");
        let absent = folder.path().join("absent");
        assert!(check_witness(Some(&absent), ChainId::MAINNET, level).is_ok());
    }
}

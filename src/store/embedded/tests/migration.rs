//! A store of an older format: saved aside, brought to the present one, and as strict as before.

use redb::TableDefinition;

use crate::fixture::{ask, at, record, second};
use crate::transfer::Document;

use super::*;

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
const ACCOUNTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("accounts");

/// Makes the store in `folder` one of format 1, which had no table of accounts.
fn make_old(folder: &tempfile::TempDir) {
    let database = Database::open(folder.path().join(STORE_FILE)).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.delete_table(ACCOUNTS).unwrap();
    let mut meta = transaction.open_table(META).unwrap();
    meta.insert("format", "1").unwrap();
    drop(meta);
    transaction.commit().unwrap();
}

#[tokio::test]
async fn a_store_of_format_1_is_exported_and_then_brought_to_the_present_format() {
    let folder = crate::fixture::folder();
    let export = folder.path().join("watermarks-format-1.json");
    let store = open(&folder);
    raise_all(&store).await;
    let signed = ask(at(101, 0), 1);
    let answer = store.claim(signed, second(1_000)).await;
    assert_eq!(answer, Ok(Answer::Permit));
    store.record(signed, record(7)).await.unwrap();
    let lineage = store.report().lineage.unwrap();
    drop(store);
    make_old(&folder);
    assert!(!export.exists());
    let store = open(&folder);
    let document = Document::read("export", &std::fs::read(&export).unwrap()).unwrap();
    assert_eq!(document.lineage, lineage);
    let marks = &document.accounts[0].watermarks;
    let floor = |kind| {
        marks
            .iter()
            .find(|mark| mark.kind == kind)
            .unwrap()
            .position
    };
    assert_eq!(floor(signed.slot.stream.kind), at(101, 0));
    assert_eq!(floor(ConsensusKind::Block), at(100, 0));
    assert_eq!(store.lookup(&signed.slot).unwrap().record, Some(record(7)));
    let other = store.claim(ask(at(101, 0), 2), second(1_000)).await;
    assert!(matches!(other, Ok(Answer::Refused(_))), "{other:?}");
    store
        .amend(vec![Change::Seal], second(2_000))
        .await
        .unwrap();
    drop(store);
    // Once only; and what the new format has is kept.
    std::fs::remove_file(&export).unwrap();
    assert!(open(&folder).report().sealed.is_some());
    assert!(!export.exists());
}

#[tokio::test]
async fn without_its_export_an_older_store_is_left_as_it_is_and_refused() {
    let folder = crate::fixture::folder();
    let store = open(&folder);
    raise_all(&store).await;
    drop(store);
    make_old(&folder);
    let export = folder.path().join("watermarks-format-1.json");
    std::fs::create_dir(&export).unwrap();
    let store = open(&folder);
    let reason = store.report().reason.unwrap();
    assert!(reason.contains("watermarks-format-1.json"), "{reason}");
    drop(store);
    std::fs::remove_dir(&export).unwrap();
    assert_eq!(open(&folder).report().condition, Condition::Ready);
    assert!(export.exists(), "it was still of format 1");
}

//! Stops, halts and the seal outlive the process; a store of format 1 is brought to the present format.

use crate::fixture::{ask, at, second, stream};
use crate::guard::{Account, AccountState, Halt};

use super::*;

#[tokio::test]
async fn stops_halts_and_the_seal_survive_opening() {
    let folder = crate::fixture::folder();
    let account = Account::from(stream(KINDS[0]));
    let halt = Halt::new(second(3_000), "home-a signed other bytes".to_owned());
    let (stop_at, halted) = (Some(at(110, 0).level), Some(halt.clone()));
    let stop = Change::StopAt {
        account,
        level: at(110, 0).level,
    };
    let store = open(&folder);
    raise_all(&store).await;
    let changes = vec![stop, Change::Halt { account, halt }];
    store.amend(changes, second(3_000)).await.unwrap();
    drop(store);
    let store = open(&folder);
    let halt = halted;
    assert_eq!(store.account(account), AccountState { stop_at, halt });
    let reported: Vec<_> = store.accounts().iter().map(|one| one.account).collect();
    assert_eq!(reported, [account]);
    let resume = vec![Change::Resume { account }];
    store.amend(resume, second(4_000)).await.unwrap();
    drop(store);
    let store = open(&folder);
    let halt = None;
    assert_eq!(store.account(account), AccountState { stop_at, halt });
    store
        .amend(vec![Change::Seal], second(5_000))
        .await
        .unwrap();
    let mut store = store;
    for _ in 0..2 {
        let report = store.report();
        assert_eq!(report.sealed, Some(second(5_000)));
        assert_eq!(report.condition, Condition::Refusing);
        let claim = store.claim(ask(at(101, 0), 1), second(6_000)).await;
        assert_eq!(claim, Err(StoreError::Unavailable(report.reason.unwrap())));
        drop(store);
        store = open(&folder);
    }
}

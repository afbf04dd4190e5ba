//! A disk that stalls: what waits for it is bounded, and what was turned away is not done later.

use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::Poll;

use crate::fixture::ask;
use crate::guard::StoreError;

use super::*;

#[tokio::test]
async fn a_claim_for_which_there_is_no_place_is_refused_at_once_and_never_made() {
    let folder = crate::fixture::folder();
    let lock = DirectoryLock::acquire(folder.path()).unwrap();
    // Once it stalls, a commit ends when nobody holds the other end.
    let (stall, end) = mpsc::channel::<()>();
    let (end, stalls) = (Mutex::new(end), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&stalls);
    let store = EmbeddedStore::open(lock, None, move |_| {
        if told.load(Ordering::SeqCst) {
            assert!(end.lock().unwrap().recv().is_err(), "nobody sends");
        }
    });
    raise_all(&store).await;

    stalls.store(true, Ordering::SeqCst);
    let mut waiting = Vec::new();
    let mut level = 100;
    let refused = loop {
        level += 1;
        let mut claim = store.claim(ask(at(level, 0), 1), second(1_000));
        match poll_fn(|context| Poll::Ready(claim.as_mut().poll(context))).await {
            Poll::Pending => waiting.push(claim),
            Poll::Ready(answer) => break answer,
        }
        assert!(waiting.len() < 10_000, "there is always a place");
    };
    let Err(StoreError::Unavailable(reason)) = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("stalls: 1024 changes wait"), "{reason}");

    drop(stall);
    for claim in waiting {
        assert_eq!(claim.await, Ok(Answer::Permit));
    }
    // Nobody has the slot that was refused.
    let other = store.claim(ask(at(level, 0), 2), second(1_000)).await;
    assert_eq!(other, Ok(Answer::Permit));
}

//! A board on which changes are told: who waits for one longest hears of it first.
//!
//! A watch channel wakes those who wait in an order that it draws. Here requests that were held go in the order
//! in which they came, and a simulation can be repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The board. It knows no more than how often something was told.
#[derive(Debug, Default)]
pub(in crate::signer) struct Board(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    version: AtomicU64,
    told: Notify,
}

/// One who reads a board.
#[derive(Debug)]
pub struct Reader {
    board: Arc<Inside>,
    seen: u64,
}

impl Board {
    /// Tells everybody who waits, or looks next.
    pub(in crate::signer) fn tell(&self) {
        self.0.version.fetch_add(1, Ordering::AcqRel);
        self.0.told.notify_waiters();
    }

    /// A reader who has seen everything so far.
    pub(in crate::signer) fn reader(&self) -> Reader {
        Reader {
            seen: self.0.version(),
            board: Arc::clone(&self.0),
        }
    }
}

impl Inside {
    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

impl Reader {
    /// Takes note of everything so far: only what comes after it is a change.
    pub fn catch_up(&mut self) {
        self.seen = self.board.version();
    }

    /// Returns when something was told that this reader has not seen. Cancel-safe.
    pub async fn changed(&mut self) {
        loop {
            let told = self.board.told.notified();
            tokio::pin!(told);
            // From here on nothing is missed, whatever is told before the wait.
            told.as_mut().enable();
            let version = self.board.version();
            if version != self.seen {
                self.seen = version;
                return;
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use crate::task::Tasks;

    use super::*;

    #[tokio::test]
    async fn what_was_told_before_a_reader_waits_is_not_missed() {
        let board = Board::default();
        let mut reader = board.reader();
        board.tell();
        reader.changed().await;
        board.tell();
        reader.catch_up();
        tokio::select! {
            biased;
            () = reader.changed() => panic!("nothing was told since"),
            () = std::future::ready(()) => {}
        }
        board.tell();
        reader.changed().await;
    }

    #[tokio::test]
    async fn who_waits_longest_is_told_first() {
        let (board, order, tasks) = (Board::default(), Arc::new(Mutex::default()), Tasks::new());
        for nth in 0..40 {
            let (mut reader, order) = (board.reader(), Arc::<Mutex<Vec<_>>>::clone(&order));
            tasks.spawn("reader", async move {
                reader.changed().await;
                order.lock().unwrap().push(nth);
            });
        }
        tokio::task::yield_now().await;
        board.tell();
        tasks.finished().await;
        let order = order.lock().unwrap().clone();
        assert_eq!(order, (0..40).collect::<Vec<_>>());
    }
}

//! One operation's turn at one device, shared by its attempts over all paths.
//!
//! The turn is waited for once. It ends when the last attempt that uses it is gone, or when the operation
//! knows earlier that the device is free. What the queue cannot know, this does: time, and whether anything
//! that was done with the turn can have reached the device.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::super::client::Gate;
use super::super::queue::{DeviceQueue, Place, Ticket, Turned};
use super::Signer;

/// Requests that were held because of one signer have this long to come to its queue when it is back.
const GATHER: Duration = Duration::from_millis(5);

impl Signer {
    /// Puts those who were held because of it in order before the first of them goes.
    pub(super) fn gather(&self) {
        if let Some(until) = Instant::now().checked_add(GATHER) {
            self.queue().gather(until);
        }
    }
}

/// A turn, waited for or held; clones are the same turn.
#[derive(Clone, Debug)]
pub(in crate::signer) struct Turn(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    queue: Arc<DeviceQueue>,
    place: Place,
    not_after: Instant,
    came: OnceCell<Instant>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    ticket: Option<Ticket>,
    /// The gates of the requests that use it and were not definitely refused.
    gates: Vec<Gate>,
}

impl Held {
    fn free(&mut self) -> Option<Ticket> {
        let mut ticket = self.ticket.take()?;
        if !self.gates.iter().any(Gate::is_sent) {
            ticket.nothing_arrived();
        }
        Some(ticket)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(held.free());
    }
}

impl Turn {
    /// A turn at the device of `queue`, not waited for as yet; none is given after `not_after`.
    pub(in crate::signer) fn at(
        queue: &Arc<DeviceQueue>,
        place: Place,
        not_after: Instant,
    ) -> Self {
        Self(Arc::new(Inside {
            queue: Arc::clone(queue),
            place,
            not_after,
            came: OnceCell::new(),
            held: Mutex::default(),
        }))
    }

    /// Waits until it comes. Cancel-safe: when everybody has stopped waiting, the place in the queue is given up.
    ///
    /// # Errors
    /// [`Turned`]: it never comes.
    pub(in crate::signer) async fn wait(&self) -> Result<(), Turned> {
        let come = || async {
            let ticket = self.acquire().await?;
            self.held().ticket = Some(ticket);
            Ok(Instant::now())
        };
        self.0.came.get_or_try_init(come).await.map(|_| ())
    }

    /// Whether it has not come.
    pub(in crate::signer) fn is_awaited(&self) -> bool {
        !self.0.came.initialized()
    }

    /// When it came, if it has.
    pub(in crate::signer) fn came_at(&self) -> Option<Instant> {
        self.0.came.get().copied()
    }

    /// A request with this gate uses it.
    pub(in crate::signer) fn used_by(&self, gate: &Gate) {
        self.held().gates.push(gate.clone());
    }

    /// The request with this gate was definitely refused: the device did not move.
    pub(in crate::signer) fn was_refused(&self, gate: &Gate) {
        self.held().gates.retain(|other| !other.is_same(gate));
    }

    /// Gives the device back, although some attempts that used it may still be alive.
    pub(in crate::signer) fn free(&self) {
        let ticket = self.held().free();
        drop(ticket);
    }

    /// See [`Ticket::abandon`].
    pub(in crate::signer) fn abandon(&self) {
        let ticket = self.held().ticket.take();
        if let Some(mut ticket) = ticket {
            ticket.abandon();
            self.held().ticket = Some(ticket);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn acquire(&self) -> Result<Ticket, Turned> {
        let Inside {
            queue,
            place,
            not_after,
            ..
        } = &*self.0;
        let acquired = queue.acquire(*place, *not_after);
        tokio::pin!(acquired);
        // A place first: a queue closes only while nobody waits, so what it says after that holds.
        let at_once = poll_fn(|context| Poll::Ready(acquired.as_mut().poll(context))).await;
        if let Poll::Ready(turn) = at_once {
            return turn;
        }
        loop {
            let Some(opens) = queue.opens_at() else {
                return acquired.await;
            };
            tokio::select! {
                biased;
                turn = &mut acquired => return turn,
                () = tokio::time::sleep_until(opens) => queue.open(),
            }
        }
    }
}

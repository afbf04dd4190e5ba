//! What the decision log is told by the baker's port, in the words of the answers.
//!
//! Everything that the guard decided and every release is noted one by one. Requests that were refused
//! before they asked for a slot touched nothing and anybody can send them: those for a key are limited, and
//! of others only the number is kept.

use std::borrow::Cow;

use crate::decision_log::{Entry, Event};
use crate::guard::Record;
use crate::tezos::{Digest, Payload, PublicKeyHash};

use super::error::ProxyError;
use super::sign::{SignRequest, kind_name};
use super::{Proxy, respond};

/// A request as entries describe it: all that is known before anything is decided.
pub(super) fn asked(request: &SignRequest, payload: Option<&Payload>, digest: Digest) -> Entry {
    let mut entry = of_key(&request.requester, request.key);
    entry.digest = Some(digest);
    let Some(payload) = payload else {
        return entry;
    };
    entry.kind = Some(Cow::Borrowed(kind_name(payload)));
    if let Payload::Consensus(payload) = payload {
        entry.chain = Some(payload.chain);
        entry.level = Some(payload.position.level.get());
        entry.round = Some(payload.position.round.get());
    }
    entry
}

fn of_key(requester: &str, key: PublicKeyHash) -> Entry {
    let mut entry = Entry::new(Event::Refused);
    entry.key = Some(key);
    entry.requester = Some(requester.to_owned());
    entry
}

/// A request that ended before it asked for a slot.
pub(super) fn turned_away(proxy: &Proxy, asked: &Entry, error: &ProxyError) {
    let entry = asked.becoming(Event::Refused).because(&error.to_string());
    proxy.decisions.note_limited(respond::outcome(error), entry);
}

/// The same for one whose body could not be read.
pub(super) fn unread(proxy: &Proxy, requester: &str, key: PublicKeyHash, error: &ProxyError) {
    turned_away(proxy, &of_key(requester, key), error);
}

/// A request for a signature that did not even name a key.
pub(super) fn nonsense(proxy: &Proxy, error: &ProxyError) {
    proxy.decisions.count(respond::outcome(error));
}

/// A slot was claimed, or was already by the same bytes. Late means that its requester had been refused by then.
pub(super) fn claimed(proxy: &Proxy, asked: &Entry, again: bool, late: bool) {
    let event = if again {
        Event::ClaimedAgain
    } else {
        Event::Claimed
    };
    let entry = asked.becoming(event);
    proxy.decisions.note(if late {
        entry.because("it became durable after the request's deadline")
    } else {
        entry
    });
}

/// No signature, after a slot was asked for.
pub(super) fn refused(proxy: &Proxy, asked: &Entry, error: &ProxyError) {
    let code = respond::refusal_reason(error).unwrap_or_else(|| respond::outcome(error));
    let entry = asked.becoming(Event::Refused).coded(code);
    proxy.decisions.note(entry.because(&error.to_string()));
}

/// A signature was kept, and nobody waits for it.
pub(super) fn recorded(proxy: &Proxy, asked: &Entry, record: &Record) {
    given(proxy, asked, Event::Recorded, record);
}

/// A signature leaves for this requester.
pub(super) fn released(proxy: &Proxy, asked: &Entry, record: &Record) {
    given(proxy, asked, Event::Released, record);
}

/// A signature recorded before leaves for this requester.
pub(super) fn replayed(proxy: &Proxy, asked: &Entry, record: &Record) {
    given(proxy, asked, Event::Replayed, record);
}

fn given(proxy: &Proxy, asked: &Entry, event: Event, record: &Record) {
    let mut entry = asked.becoming(event);
    entry.signer = Some(record.signer.clone());
    proxy.decisions.note(entry);
}

//! What signers say about authentication, what bakers are told of it, and what operators must know.
//!
//! Only memory and the log; nothing is verified here.

use crate::tezos::wire;

use super::{Authorized, List, MetadataCache, State};

impl MetadataCache {
    /// What bakers are told; `None` while nobody has ever said and none is configured.
    ///
    /// A list beats `{}`, an empty list is never shown, lists are not mixed: where signers disagree the
    /// most preferred one counts. With bakers of our own the answer is those that the signer accepts too.
    #[must_use]
    pub fn authorized(&self) -> Option<Authorized> {
        self.told(&self.lock())
    }

    fn told(&self, state: &State) -> Option<Authorized> {
        if self.settings.own {
            let own = &self.settings.bakers;
            return Some(Authorized {
                keys: (!own.is_empty()).then(|| own.clone()),
                at: None,
                source: "configuration".to_owned(),
            });
        }
        let lists = || {
            self.settings
                .signers
                .iter()
                .filter_map(|name| Some((name, state.lists.get(name)?)))
        };
        let with_keys = lists().find_map(|(name, list)| match &list.answer {
            wire::AuthorizedKeys::Keys(keys) if !keys.is_empty() => Some((name, list, keys)),
            wire::AuthorizedKeys::Keys(_) | wire::AuthorizedKeys::NotRequired => None,
        });
        let own = &self.settings.bakers;
        if !own.is_empty() {
            let both: Vec<_> = match &with_keys {
                Some((_, _, keys)) => own
                    .iter()
                    .filter(|key| keys.contains(key))
                    .copied()
                    .collect(),
                None => Vec::new(),
            };
            let keys = if both.is_empty() { own.clone() } else { both };
            return Some(Authorized {
                keys: Some(keys),
                at: None,
                source: "configuration".to_owned(),
            });
        }
        if let Some((name, list, keys)) = with_keys {
            let source = name.clone();
            return Some(Authorized {
                keys: Some(keys.clone()),
                at: Some(list.at),
                source,
            });
        }
        let (name, list) =
            lists().find(|(_, list)| list.answer == wire::AuthorizedKeys::NotRequired)?;
        Some(Authorized {
            keys: None,
            at: Some(list.at),
            source: name.clone(),
        })
    }

    /// The signer that is known to demand the baker's authentication, if any.
    #[must_use]
    pub fn demanding_signer(&self) -> Option<String> {
        if self.settings.own {
            return None;
        }
        demanding(&self.lock())
    }

    /// Whether this signer demands authentication, if it has ever said.
    #[must_use]
    pub fn demands(&self, signer: &str) -> Option<bool> {
        let state = self.lock();
        let list = state.lists.get(signer)?;
        Some(list.answer != wire::AuthorizedKeys::NotRequired)
    }

    /// A signer refused a request for want of authentication, whatever it said before.
    pub fn note_demand(&self, signer: &str) {
        let mut state = self.lock();
        let list = List {
            answer: wire::AuthorizedKeys::Keys(Vec::new()),
            at: crate::time::now(),
        };
        match state.lists.get(signer) {
            Some(known) if known.answer != wire::AuthorizedKeys::NotRequired => return,
            Some(_) | None => {}
        }
        state.lists.insert(signer.to_owned(), list);
        tracing::warn!(signer, "signer demands authentication");
        self.note_unmet(&mut state);
        drop(state);
        self.tell();
    }

    /// Takes in a signer's answer; the log has an event when signers begin or cease to disagree.
    pub(super) fn take_list(&self, signer: &str, answer: wire::AuthorizedKeys) {
        let mut state = self.lock();
        let list = List {
            answer,
            at: crate::time::now(),
        };
        let known = state.lists.insert(signer.to_owned(), list.clone());
        let is_news = known.is_none_or(|known| known.answer != list.answer);
        let mut answers = state.lists.values().map(|list| &list.answer);
        let first = answers.next().cloned();
        let disagree = answers.any(|answer| Some(answer) != first.as_ref());
        let was = std::mem::replace(&mut state.disagreement, disagree);
        if disagree && !was {
            let shown = self.told(&state).map(|told| told.source);
            tracing::warn!(shown, "signers disagree on authorized keys");
        } else if was && !disagree {
            tracing::info!("signers agree on authorized keys again");
        }
        self.note_unmet(&mut state);
        drop(state);
        if is_news {
            self.tell();
        }
    }

    /// Tells the operator once when a signer demands what this proxy cannot verify, and once when that is
    /// over: meanwhile every sign request is refused.
    pub(super) fn note_unmet(&self, state: &mut State) {
        let is_unverified = self.settings.bakers.is_empty() && !self.settings.own;
        let unmet = demanding(state).filter(|_| is_unverified);
        let was = std::mem::replace(&mut state.unmet, unmet.is_some());
        match unmet {
            Some(signer) if !was => tracing::warn!(
                signer,
                remedy = "list the bakers' public keys in [auth] authorized-keys",
                "nothing is signed: authentication is demanded and cannot be verified"
            ),
            None if was => tracing::info!("no signer demands authentication any more"),
            Some(_) | None => {}
        }
    }
}

fn demanding(state: &State) -> Option<String> {
    let demands = |list: &List| list.answer != wire::AuthorizedKeys::NotRequired;
    let mut lists = state.lists.iter();
    lists
        .find(|(_, list)| demands(list))
        .map(|(name, _)| name.clone())
}

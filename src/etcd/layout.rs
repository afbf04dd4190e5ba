//! Where everything lies in etcd, and how values are written: the encodings of the embedded store, each with a
//! checksum that binds it to its key.
//!
//! | key below the prefix | value |
//! |---|---|
//! | `meta` | the lineage, and when it was made |
//! | `sealed` | when it was sealed; rewritten together with `meta` |
//! | `f/STREAM` | the floor of a stream |
//! | `r/STREAM/POSITION` | a claimed slot, with its signature once there is one |
//! | `a/ACCOUNT` | stop and halt of a key |
//! | `i/INSTANCE` | a replica's sign of life |
//!
//! Anything else is left alone.

use jiff::Timestamp;

use crate::guard::{Account, AccountState, Row, Slot, Stream};
use crate::store::encoding;
use crate::tezos::{Position, digest};

/// Bytes of a checksum.
const CHECK: usize = 8;
/// The version of `meta`, and with it of the whole layout.
const FORMAT: &str = "1";

/// The prefix of one store.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    prefix: String,
}

/// One thing that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Meta {
        lineage: String,
    },
    Sealed(Timestamp),
    Floor(Stream, Position, Timestamp),
    Row(Slot, Row),
    Account(Account, AccountState),
    /// A replica's sign of life, or what a later version keeps.
    Other,
}

/// What a key stands for, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Meta,
    Sealed,
    Floor(Stream),
    Row(Slot),
    Account(Account),
    Other,
}

impl Layout {
    /// `prefix` without a slash at its end.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{}/", prefix.trim_end_matches('/')),
        }
    }

    /// Everything.
    pub(super) fn all(&self) -> String {
        self.prefix.clone()
    }

    /// Every key that decides, but for `meta` and `sealed`.
    pub(super) fn contents(&self) -> Vec<String> {
        ["f/", "r/", "a/"]
            .map(|part| format!("{}{part}", self.prefix))
            .to_vec()
    }

    pub(super) fn meta(&self) -> String {
        format!("{}meta", self.prefix)
    }

    pub(super) fn sealed(&self) -> String {
        format!("{}sealed", self.prefix)
    }

    pub(super) fn floor(&self, stream: &Stream) -> String {
        format!(
            "{}f/{}",
            self.prefix,
            hex::encode(encoding::stream_key(stream))
        )
    }

    /// All rows of a stream.
    pub(super) fn rows(&self, stream: &Stream) -> String {
        format!(
            "{}r/{}/",
            self.prefix,
            hex::encode(encoding::stream_key(stream))
        )
    }

    pub(super) fn row(&self, slot: &Slot) -> String {
        let Position { level, round } = slot.position;
        format!(
            "{}{:08x}{:08x}",
            self.rows(&slot.stream),
            level.get(),
            round.get()
        )
    }

    pub(super) fn account(&self, account: &Account) -> String {
        format!(
            "{}a/{}",
            self.prefix,
            hex::encode(encoding::account_key(account))
        )
    }

    pub(super) fn instance(&self, name: &str) -> String {
        format!("{}i/{name}", self.prefix)
    }

    /// What a key stands for.
    ///
    /// # Errors
    /// It is in a place of ours and has a form that this program never writes.
    pub(super) fn place(&self, key: &str) -> Result<Place, String> {
        let strange = || format!("{key} is no key of a watermark store");
        let rest = key.strip_prefix(&self.prefix).ok_or_else(strange)?;
        let bytes = |text: &str| hex::decode(text).map_err(|_| strange());
        match rest.split_once('/') {
            None if rest == "meta" => Ok(Place::Meta),
            None if rest == "sealed" => Ok(Place::Sealed),
            Some(("f", stream)) => {
                let stream = encoding::decode_stream(&bytes(stream)?).map_err(|_| strange())?;
                Ok(Place::Floor(stream))
            }
            Some(("r", slot)) => {
                let slot = encoding::decode_slot(&bytes(&slot.replace('/', ""))?);
                Ok(Place::Row(slot.map_err(|_| strange())?))
            }
            Some(("a", account)) => {
                let account = encoding::decode_account_key(&bytes(account)?);
                Ok(Place::Account(account.map_err(|_| strange())?))
            }
            // A sign of life, what a later version keeps, or what somebody put there by mistake: nothing decides by
            // it, and one such key must not stop every replica.
            None | Some(_) => Ok(Place::Other),
        }
    }

    /// The item of a key and its value.
    ///
    /// # Errors
    /// What is damaged, or written by a newer program.
    pub(super) fn item(&self, key: &str, value: &[u8]) -> Result<Item, String> {
        let place = self.place(key)?;
        if place == Place::Other {
            return Ok(Item::Other);
        }
        let damaged = |why: &str| format!("the value of {key} is damaged: {why}");
        let value = unsealed(key, value).ok_or_else(|| damaged("its checksum is wrong"))?;
        let failed = |error: encoding::Damaged| damaged(error.0);
        Ok(match place {
            Place::Meta => {
                let text = std::str::from_utf8(value).map_err(|_| damaged("it is no text"))?;
                let (format, lineage) = text.split_once(' ').unwrap_or((text, ""));
                if format != FORMAT {
                    return Err(format!(
                        "{key} is of format {format}, and this program knows {FORMAT}: a newer one wrote it"
                    ));
                }
                Item::Meta {
                    lineage: lineage.to_owned(),
                }
            }
            Place::Sealed => {
                let ms = value.try_into().map(i64::from_be_bytes);
                let at = ms.ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
                Item::Sealed(at.ok_or_else(|| damaged("it is no time"))?)
            }
            Place::Floor(stream) => {
                let (floor, at) = encoding::decode_floor(value).map_err(failed)?;
                Item::Floor(stream, floor, at)
            }
            Place::Row(slot) => Item::Row(slot, encoding::decode_row(value).map_err(failed)?),
            Place::Account(account) => {
                Item::Account(account, encoding::decode_account(value).map_err(failed)?)
            }
            Place::Other => Item::Other,
        })
    }

    /// Key and value of an item.
    pub(super) fn pair(&self, item: &Item) -> (String, Vec<u8>) {
        let (key, value) = match item {
            Item::Meta { lineage } => (self.meta(), format!("{FORMAT} {lineage}").into_bytes()),
            Item::Sealed(at) => (self.sealed(), at.as_millisecond().to_be_bytes().to_vec()),
            Item::Floor(stream, floor, at) => {
                (self.floor(stream), encoding::encode_floor(*floor, *at))
            }
            Item::Row(slot, row) => (self.row(slot), encoding::encode_row(row)),
            Item::Account(account, state) => {
                (self.account(account), encoding::encode_account(state))
            }
            Item::Other => (self.instance("nobody"), Vec::new()),
        };
        let value = sealed(&key, value);
        (key, value)
    }
}

/// A value with the checksum of key and value behind it.
fn sealed(key: &str, mut value: Vec<u8>) -> Vec<u8> {
    let check = check(key, &value);
    value.extend_from_slice(&check);
    value
}

fn unsealed<'v>(key: &str, value: &'v [u8]) -> Option<&'v [u8]> {
    let (value, sum) = value.split_at_checked(value.len().checked_sub(CHECK)?)?;
    (check(key, value) == sum).then_some(value)
}

fn check(key: &str, value: &[u8]) -> [u8; CHECK] {
    let mut input = key.as_bytes().to_vec();
    input.push(0);
    input.extend_from_slice(value);
    let mut sum = [0; CHECK];
    for (to, from) in sum.iter_mut().zip(digest(&input).bytes()) {
        *to = *from;
    }
    sum
}

#[cfg(test)]
mod tests {
    use crate::fixture::{ask, at, record, second, stream};
    use crate::guard::Halt;
    use crate::tezos::ConsensusKind;

    use super::*;

    fn items() -> Vec<Item> {
        let candidate = ask(at(101, 2), 1);
        let row = Row {
            digest: candidate.digest,
            scheme: candidate.scheme,
            claimed_at: second(1_000),
            record: Some(record(7)),
        };
        let stream = stream(ConsensusKind::Block);
        let account = AccountState {
            stop_at: Some(at(110, 0).level),
            halt: Some(Halt::new(second(2_000), "why".to_owned())),
        };
        vec![
            Item::Meta {
                lineage: "5f0c2a9e77d14b38".to_owned(),
            },
            Item::Sealed(second(5_000)),
            Item::Floor(stream, at(100, 1), second(900)),
            Item::Row(candidate.slot, row.clone()),
            Item::Row(
                candidate.slot,
                Row {
                    record: None,
                    ..row
                },
            ),
            Item::Account(stream.into(), account),
        ]
    }

    #[test]
    fn every_item_is_read_as_it_was_written() {
        let layout = Layout::new("/signer-proxy/");
        for item in items() {
            let (key, value) = layout.pair(&item);
            assert!(key.starts_with("/signer-proxy/"), "{key}");
            assert_eq!(layout.item(&key, &value), Ok(item));
        }
        assert_eq!(
            layout.item("/signer-proxy/i/x", b"anything"),
            Ok(Item::Other)
        );
    }

    #[test]
    fn a_value_that_is_damaged_or_under_another_key_is_refused() {
        let layout = Layout::new("/signer-proxy");
        let pairs: Vec<_> = items().iter().map(|item| layout.pair(item)).collect();
        for (key, value) in &pairs {
            for (other, _) in pairs.iter().filter(|(other, _)| other != key) {
                assert!(layout.item(other, value).is_err(), "{key} as {other}");
            }
            for index in 0..value.len() {
                let mut damaged = value.clone();
                damaged[index] ^= 0x20;
                let error = layout.item(key, &damaged).unwrap_err();
                assert!(error.contains("checksum is wrong"), "{error}");
            }
            assert!(layout.item(key, &value[..value.len() - 1]).is_err());
            assert!(layout.item(key, &[]).is_err());
        }
        for key in [
            "/other/meta",
            "/signer-proxy/f/00",
            "/signer-proxy/f/",
            "/signer-proxy/r/zz",
            "/signer-proxy/r/00/00",
            "/signer-proxy/a/00",
        ] {
            assert!(layout.place(key).is_err(), "{key}");
        }
    }

    #[test]
    fn what_others_put_beside_our_keys_is_no_concern() {
        let layout = Layout::new("/signer-proxy");
        for key in ["x", "x/y", "f", "metadata", "meta/1", ""] {
            let key = format!("/signer-proxy/{key}");
            assert_eq!(layout.item(&key, b"anything"), Ok(Item::Other), "{key}");
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let layout = Layout::new("/p");
        let value = sealed("/p/meta", b"2 lineage".to_vec());
        let error = layout.item("/p/meta", &value).unwrap_err();
        assert!(error.contains("a newer one wrote it"), "{error}");
    }

    #[test]
    fn rows_of_one_stream_sort_by_position_and_lie_together() {
        let layout = Layout::new("/p");
        let (low, high) = (ask(at(9, 300), 1).slot, ask(at(10, 0), 1).slot);
        assert!(layout.row(&low) < layout.row(&high));
        assert!(layout.row(&low).starts_with(&layout.rows(&low.stream)));
    }
}

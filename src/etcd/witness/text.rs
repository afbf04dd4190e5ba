//! The file of the witness.

use std::collections::HashMap;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::{Halt, Stream};
use crate::store::encoding;
use crate::tezos::{Digest, Level, Position, Round};

use super::Seen;
use super::signed::Signed;

/// The version of the form.
const FORMAT: u32 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    cluster: Option<u64>,
    lineage: Option<String>,
    revision: i64,
    /// Streams in hexadecimal, with level and round.
    floors: Vec<(String, u32, u32)>,
    /// Chain and key in hexadecimal, with level.
    #[serde(default)]
    stops: Vec<(String, u32)>,
    /// Chain and key in hexadecimal, with milliseconds since 1970 and the reason.
    #[serde(default)]
    halts: Vec<(String, i64, String)>,
    /// Streams in hexadecimal, with level and round, the digest of the payload and the beginning of the signature.
    #[serde(default)]
    signed: Vec<(String, u32, u32, String, String)>,
    #[serde(default)]
    sealed: bool,
    #[serde(default)]
    instance: String,
    #[serde(default)]
    doubt: Option<String>,
}

/// The bytes of the file. The same contents give the same bytes.
pub(super) fn written(seen: &Seen) -> io::Result<Vec<u8>> {
    let floors = seen.floors.iter().map(|(stream, floor)| {
        let stream = hex::encode(encoding::stream_key(stream));
        (stream, floor.level.get(), floor.round.get())
    });
    let mut floors: Vec<_> = floors.collect();
    floors.sort();
    let stops = seen.stops.iter().map(|(account, stop)| {
        let account = hex::encode(encoding::account_key(account));
        (account, stop.get())
    });
    let mut stops: Vec<_> = stops.collect();
    stops.sort();
    let halts = seen.halts.iter().map(|(account, halt)| {
        let account = hex::encode(encoding::account_key(account));
        (account, halt.at.as_millisecond(), halt.reason.clone())
    });
    let mut halts: Vec<_> = halts.collect();
    halts.sort();
    let each = seen.signed.iter().flat_map(|(stream, all)| {
        let stream = hex::encode(encoding::stream_key(stream));
        all.iter().map(move |signed| (stream.clone(), signed))
    });
    let signed = each.map(|(stream, signed)| {
        let Position { level, round } = signed.position;
        let payload = hex::encode(signed.payload.bytes());
        let signature = hex::encode(signed.signature);
        (stream, level.get(), round.get(), payload, signature)
    });
    let mut signed: Vec<_> = signed.collect();
    signed.sort();
    let text = Text {
        format: FORMAT,
        cluster: seen.cluster,
        lineage: seen.lineage.clone(),
        revision: seen.revision,
        floors,
        stops,
        halts,
        signed,
        sealed: seen.sealed,
        instance: seen.instance.clone(),
        doubt: seen.doubt.clone(),
    };
    serde_json::to_vec(&text).map_err(io::Error::other)
}

/// What a file says.
///
/// # Errors
/// In words: it is of another form, or has values that are none.
pub(super) fn read(bytes: &[u8]) -> Result<Seen, String> {
    let text: Text = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    seen(text).ok_or_else(|| "it has values that are none".to_owned())
}

fn seen(text: Text) -> Option<Seen> {
    let mut floors = HashMap::new();
    for (stream, level, round) in text.floors {
        let stream = encoding::decode_stream(&hex::decode(stream).ok()?).ok()?;
        let floor = Position::new(Level::new(level)?, Round::new(round)?);
        floors.insert(stream, floor);
    }
    let account = |text: String| encoding::decode_account_key(&hex::decode(text).ok()?).ok();
    let mut stops = HashMap::new();
    for (key, stop) in text.stops {
        stops.insert(account(key)?, Level::new(stop)?);
    }
    let mut halts = HashMap::new();
    for (key, at, reason) in text.halts {
        let at = Timestamp::from_millisecond(at).ok()?;
        halts.insert(account(key)?, Halt::new(at, reason));
    }
    let bytes = |text: String| <[u8; 32]>::try_from(hex::decode(text).ok()?).ok();
    let mut signed: HashMap<Stream, Vec<Signed>> = HashMap::new();
    for (stream, level, round, payload, signature) in text.signed {
        let stream = encoding::decode_stream(&hex::decode(stream).ok()?).ok()?;
        let position = Position::new(Level::new(level)?, Round::new(round)?);
        let (payload, signature) = (Digest::from(bytes(payload)?), bytes(signature)?);
        signed.entry(stream).or_default().push(Signed {
            position,
            payload,
            signature,
        });
    }
    for all in signed.values_mut() {
        all.sort_by_key(|signed| std::cmp::Reverse(signed.position));
    }
    (text.format == FORMAT).then_some(Seen {
        cluster: text.cluster,
        lineage: text.lineage,
        revision: text.revision,
        floors,
        stops,
        halts,
        signed,
        sealed: text.sealed,
        instance: text.instance,
        doubt: text.doubt,
        is_news: false,
    })
}

#[cfg(test)]
mod tests {
    use crate::fixture::{at, second, stream};
    use crate::guard::Account;
    use crate::tezos::ConsensusKind;

    use super::*;

    #[test]
    fn everything_that_was_seen_is_read_as_it_was_written() {
        let stream = stream(ConsensusKind::Block);
        let account = Account::from(stream);
        let all = Seen {
            cluster: Some(u64::MAX),
            lineage: Some("5f0c2a9e77d14b38".to_owned()),
            revision: i64::MAX,
            floors: HashMap::from([(stream, at(100, 3))]),
            stops: HashMap::from([(account, at(110, 0).level)]),
            halts: HashMap::from([(account, Halt::new(second(7), "why".to_owned()))]),
            signed: HashMap::from([(
                stream,
                [at(100, 2), at(99, 11), at(99, 2)]
                    .map(|position| Signed {
                        position,
                        payload: Digest::from([1; 32]),
                        signature: [2; 32],
                    })
                    .to_vec(),
            )]),
            sealed: true,
            doubt: Some("why".to_owned()),
            instance: "00112233".to_owned(),
            is_news: false,
        };
        for seen in [all, Seen::default()] {
            assert_eq!(read(&written(&seen).unwrap()), Ok(seen));
        }
    }

    #[test]
    fn a_file_of_an_earlier_form_is_read_and_one_of_a_later_is_not() {
        let earlier = br#"{"format":1,"cluster":7,"lineage":"a","revision":9,"floors":[]}"#;
        let seen = read(earlier).unwrap();
        assert_eq!((seen.cluster, seen.revision), (Some(7), 9));
        let later = br#"{"format":2,"cluster":7,"lineage":"a","revision":9,"floors":[]}"#;
        assert!(read(later).is_err());
        let unknown =
            br#"{"format":1,"cluster":7,"lineage":"a","revision":9,"floors":[],"more":1}"#;
        assert!(read(unknown).unwrap_err().contains("unknown field"));
    }
}

//! Our own versioned encoding of keys and values, independent of the database below.
//!
//! Fixed order, big-endian, every value starts with a format byte. Decoding is total: it names what is
//! wrong and never panics.

use jiff::Timestamp;

use crate::guard::{Account, AccountState, Halt, Record, Row, Slot, Stream};
use crate::tezos::{
    ChainId, ConsensusKind, Digest, Level, Position, PublicKeyHash, Round, Scheme, Signature,
};

/// Version of the values below.
const VERSION: u8 = 1;
/// Bytes of a stream key: chain 4, kind 1, curve and hash 21.
pub(crate) const STREAM_LEN: usize = 26;

/// A value that this program did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored record is damaged: {0}")]
pub(crate) struct Damaged(pub(crate) &'static str);

pub(crate) fn stream_key(stream: &Stream) -> Vec<u8> {
    let mut key = Vec::with_capacity(STREAM_LEN);
    key.extend_from_slice(&stream.chain.bytes());
    key.push(stream.kind.code());
    key.extend_from_slice(&stream.key.tagged());
    key
}

pub(crate) fn slot_key(stream: &Stream, position: Position) -> Vec<u8> {
    let mut key = stream_key(stream);
    key.extend_from_slice(&position.level.get().to_be_bytes());
    key.extend_from_slice(&position.round.get().to_be_bytes());
    key
}

pub(crate) fn decode_stream(bytes: &[u8]) -> Result<Stream, Damaged> {
    let mut reader = Reader(bytes);
    let stream = reader.stream()?;
    reader.end()?;
    Ok(stream)
}

pub(crate) fn decode_slot(bytes: &[u8]) -> Result<Slot, Damaged> {
    let mut reader = Reader(bytes);
    let stream = reader.stream()?;
    let position = reader.position()?;
    reader.end()?;
    Ok(Slot { stream, position })
}

pub(crate) fn account_key(account: &Account) -> Vec<u8> {
    let mut key = account.chain.bytes().to_vec();
    key.extend_from_slice(&account.key.tagged());
    key
}

pub(crate) fn decode_account_key(bytes: &[u8]) -> Result<Account, Damaged> {
    let mut reader = Reader(bytes);
    let chain = ChainId::from_bytes(reader.array::<4>()?);
    let key = reader.key()?;
    reader.end()?;
    Ok(Account { chain, key })
}

/// A stop and a halt, each behind a byte that says whether it is there.
pub(crate) fn encode_account(state: &AccountState) -> Vec<u8> {
    let mut value = vec![VERSION];
    match state.stop_at {
        Some(stop) => {
            value.push(1);
            value.extend_from_slice(&stop.get().to_be_bytes());
        }
        None => value.push(0),
    }
    match &state.halt {
        Some(halt) => {
            value.push(1);
            value.extend_from_slice(&halt.at.as_millisecond().to_be_bytes());
            value.extend_from_slice(halt.reason.as_bytes());
        }
        None => value.push(0),
    }
    value
}

pub(crate) fn decode_account(bytes: &[u8]) -> Result<AccountState, Damaged> {
    let mut reader = Reader(bytes);
    reader.version()?;
    let stop_at = if reader.flag()? {
        Some(reader.level()?)
    } else {
        None
    };
    let halt = if reader.flag()? {
        let at = reader.timestamp()?;
        let reason = std::str::from_utf8(std::mem::take(&mut reader.0))
            .map_err(|_| Damaged("reason of a halt is not UTF-8"))?
            .to_owned();
        Some(Halt { at, reason })
    } else {
        None
    };
    reader.end()?;
    Ok(AccountState { stop_at, halt })
}

pub(crate) fn encode_floor(floor: Position, at: Timestamp) -> Vec<u8> {
    let mut value = vec![VERSION];
    value.extend_from_slice(&floor.level.get().to_be_bytes());
    value.extend_from_slice(&floor.round.get().to_be_bytes());
    value.extend_from_slice(&at.as_millisecond().to_be_bytes());
    value
}

pub(crate) fn decode_floor(bytes: &[u8]) -> Result<(Position, Timestamp), Damaged> {
    let mut reader = Reader(bytes);
    reader.version()?;
    let position = reader.position()?;
    let at = reader.timestamp()?;
    reader.end()?;
    Ok((position, at))
}

pub(crate) fn encode_row(row: &Row) -> Vec<u8> {
    let mut value = vec![VERSION, row.scheme.code()];
    value.extend_from_slice(row.digest.bytes());
    value.extend_from_slice(&row.claimed_at.as_millisecond().to_be_bytes());
    if let Some(record) = &row.record {
        value.extend_from_slice(&record.at.as_millisecond().to_be_bytes());
        // Signer names are at most 64 bytes by configuration and signatures at most 2420.
        let signer = record.signer.as_bytes();
        value.extend_from_slice(
            &u16::try_from(signer.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes(),
        );
        value.extend_from_slice(signer);
        value.extend_from_slice(record.signature.raw());
    }
    value
}

pub(crate) fn decode_row(bytes: &[u8]) -> Result<Row, Damaged> {
    let mut reader = Reader(bytes);
    reader.version()?;
    let scheme = Scheme::from_code(reader.u8()?).ok_or(Damaged("unknown signature scheme"))?;
    let digest = Digest::from(reader.array::<32>()?);
    let claimed_at = reader.timestamp()?;
    let record = if reader.0.is_empty() {
        None
    } else {
        let at = reader.timestamp()?;
        let length = usize::from(u16::from_be_bytes(reader.array::<2>()?));
        let signer = reader.take(length)?;
        let signer = std::str::from_utf8(signer)
            .map_err(|_| Damaged("signer name is not UTF-8"))?
            .to_owned();
        let signature = Signature::from_raw(std::mem::take(&mut reader.0).to_vec())
            .map_err(|_| Damaged("signature has a wrong length"))?;
        Some(Record {
            signature,
            signer,
            at,
        })
    };
    reader.end()?;
    Ok(Row {
        digest,
        scheme,
        claimed_at,
        record,
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (head, tail) = self
            .0
            .split_at_checked(length)
            .ok_or(Damaged("too short"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N)?.try_into().map_err(|_| Damaged("too short"))
    }

    fn u8(&mut self) -> Result<u8, Damaged> {
        let [byte] = self.array::<1>()?;
        Ok(byte)
    }

    fn version(&mut self) -> Result<(), Damaged> {
        (self.u8()? == VERSION)
            .then_some(())
            .ok_or(Damaged("unknown record version"))
    }

    fn timestamp(&mut self) -> Result<Timestamp, Damaged> {
        let ms = i64::from_be_bytes(self.array::<8>()?);
        Timestamp::from_millisecond(ms).map_err(|_| Damaged("time out of range"))
    }

    fn flag(&mut self) -> Result<bool, Damaged> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("a flag is neither 0 nor 1")),
        }
    }

    fn level(&mut self) -> Result<Level, Damaged> {
        let level = u32::from_be_bytes(self.array::<4>()?);
        Level::new(level).ok_or(Damaged("level out of range"))
    }

    fn key(&mut self) -> Result<PublicKeyHash, Damaged> {
        PublicKeyHash::from_tagged(self.take(21)?).map_err(|_| Damaged("bad key hash"))
    }

    fn position(&mut self) -> Result<Position, Damaged> {
        let level = self.level()?;
        let round = u32::from_be_bytes(self.array::<4>()?);
        Ok(Position {
            level,
            round: Round::new(round).ok_or(Damaged("round out of range"))?,
        })
    }

    fn stream(&mut self) -> Result<Stream, Damaged> {
        let chain = ChainId::from_bytes(self.array::<4>()?);
        let kind = ConsensusKind::from_code(self.u8()?).ok_or(Damaged("unknown kind"))?;
        let key = self.key()?;
        Ok(Stream { chain, key, kind })
    }

    fn end(&self) -> Result<(), Damaged> {
        self.0
            .is_empty()
            .then_some(())
            .ok_or(Damaged("trailing bytes"))
    }
}

#[cfg(test)]
mod tests;

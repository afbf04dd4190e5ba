//! The little of BSON that errors need: documents of strings, numbers, booleans and documents.
//!
//! Source: bsonspec.org, version 1.1. Octez writes its errors through it (`data-encoding`, `bson.ml` of
//! `ocplib-json-typed`): an object of strings nearly always.

use serde_json::{Map, Number, Value};

use super::FrameError;

/// Documents within documents, at most.
const DEPTH: usize = 8;

/// Kinds of elements.
mod kind {
    pub(super) const DOUBLE: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const DOCUMENT: u8 = 0x03;
    pub(super) const ARRAY: u8 = 0x04;
    pub(super) const BINARY: u8 = 0x05;
    pub(super) const BOOLEAN: u8 = 0x08;
    pub(super) const NULL: u8 = 0x0a;
    pub(super) const INT32: u8 = 0x10;
    pub(super) const INT64: u8 = 0x12;
}

/// The order in which Octez writes the fields of an error; others come after them.
const ORDER: [&str; 3] = ["kind", "id", "msg"];

/// The bytes of a document; none if a name has a zero byte or it is too deep.
pub(super) fn encode(fields: &Map<String, Value>) -> Option<Vec<u8>> {
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut ordered: Vec<_> = fields.iter().collect();
    ordered.sort_by_key(|(name, _)| place(name).unwrap_or(ORDER.len()));
    document(
        ordered
            .into_iter()
            .map(|(name, value)| (name.clone(), value)),
        DEPTH,
    )
}

fn document<'v>(
    fields: impl Iterator<Item = (String, &'v Value)>,
    depth: usize,
) -> Option<Vec<u8>> {
    let deeper = depth.checked_sub(1)?;
    let mut elements = Vec::new();
    for (name, value) in fields {
        if name.contains('\0') {
            return None;
        }
        let (kind, bytes) = element(value, deeper)?;
        elements.push(kind);
        elements.extend_from_slice(name.as_bytes());
        elements.push(0);
        elements.extend_from_slice(&bytes);
    }
    let length = i32::try_from(elements.len().checked_add(5)?).ok()?;
    let mut out = length.to_le_bytes().to_vec();
    out.append(&mut elements);
    out.push(0);
    Some(out)
}

fn element(value: &Value, depth: usize) -> Option<(u8, Vec<u8>)> {
    Some(match value {
        Value::Null => (kind::NULL, Vec::new()),
        Value::Bool(yes) => (kind::BOOLEAN, vec![u8::from(*yes)]),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => (kind::INT64, integer.to_le_bytes().to_vec()),
            None => (kind::DOUBLE, number.as_f64()?.to_le_bytes().to_vec()),
        },
        Value::String(text) => {
            let length = i32::try_from(text.len().checked_add(1)?).ok()?;
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
            (kind::STRING, bytes)
        }
        Value::Array(values) => {
            let named = values.iter().enumerate();
            let named = named.map(|(index, value)| (index.to_string(), value));
            (kind::ARRAY, document(named, depth)?)
        }
        Value::Object(fields) => {
            let named = fields.iter().map(|(name, value)| (name.clone(), value));
            (kind::DOCUMENT, document(named, depth)?)
        }
    })
}

/// The fields of one document, which must be all there is.
pub(super) fn decode(bytes: &[u8]) -> Result<Map<String, Value>, FrameError> {
    let (fields, rest) = read_document(bytes, DEPTH)?;
    match rest.len() {
        0 => Ok(fields),
        count => Err(FrameError::Trailing { count }),
    }
}

const SHORT: FrameError = FrameError::Short {
    what: "a BSON document",
};

fn wrong(reason: impl Into<String>) -> FrameError {
    FrameError::value("BSON document", reason)
}

/// A document and what comes after it.
fn read_document(bytes: &[u8], depth: usize) -> Result<(Map<String, Value>, &[u8]), FrameError> {
    let deeper = depth.checked_sub(1).ok_or_else(|| wrong("is too deep"))?;
    let (length, _) = read_length(bytes)?;
    let (whole, rest) = bytes.split_at_checked(length).ok_or(SHORT)?;
    // Between its length and the byte that ends it.
    let [_, _, _, _, elements @ .., 0] = whole else {
        return Err(wrong("does not end with a zero byte"));
    };
    let mut elements = elements;
    let mut fields = Map::new();
    while let Some((kind, after)) = elements.split_first() {
        let (name, after) = read_name(after)?;
        let (value, after) = read_element(*kind, after, deeper)?;
        fields.insert(name, value);
        elements = after;
    }
    Ok((fields, rest))
}

fn read_element(kind: u8, bytes: &[u8], depth: usize) -> Result<(Value, &[u8]), FrameError> {
    match kind {
        kind::DOUBLE => {
            let (raw, rest) = fixed::<8>(bytes)?;
            let number = Number::from_f64(f64::from_le_bytes(raw));
            Ok((number.map_or(Value::Null, Value::Number), rest))
        }
        kind::STRING => {
            let (length, rest) = read_length(bytes)?;
            let (text, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
            let Some((0, text)) = text.split_last() else {
                return Err(wrong("has a string that does not end with a zero byte"));
            };
            Ok((Value::String(read_text(text)?), rest))
        }
        kind::DOCUMENT => {
            let (fields, rest) = read_document(bytes, depth)?;
            Ok((Value::Object(fields), rest))
        }
        kind::ARRAY => {
            let (fields, rest) = read_document(bytes, depth)?;
            let values = fields.into_iter().map(|(_, value)| value);
            Ok((Value::Array(values.collect()), rest))
        }
        kind::BINARY => {
            let (length, rest) = read_length(bytes)?;
            let (_subtype, rest) = fixed::<1>(rest)?;
            let (raw, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
            Ok((Value::String(hex::encode(raw)), rest))
        }
        kind::BOOLEAN => match fixed::<1>(bytes)? {
            ([0], rest) => Ok((Value::Bool(false), rest)),
            ([1], rest) => Ok((Value::Bool(true), rest)),
            ([other], _) => Err(wrong(format!("has a boolean of {other}"))),
        },
        kind::NULL => Ok((Value::Null, bytes)),
        kind::INT32 => {
            let (raw, rest) = fixed::<4>(bytes)?;
            Ok((i32::from_le_bytes(raw).into(), rest))
        }
        kind::INT64 => {
            let (raw, rest) = fixed::<8>(bytes)?;
            Ok((i64::from_le_bytes(raw).into(), rest))
        }
        other => Err(wrong(format!("has an element of kind {other:#04x}"))),
    }
}

/// A length that is not negative. Documents count themselves, so the bytes are taken again there.
fn read_length(bytes: &[u8]) -> Result<(usize, &[u8]), FrameError> {
    let (raw, rest) = fixed::<4>(bytes)?;
    let length = usize::try_from(i32::from_le_bytes(raw));
    Ok((length.map_err(|_| wrong("has a negative length"))?, rest))
}

fn read_name(bytes: &[u8]) -> Result<(String, &[u8]), FrameError> {
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(SHORT)?;
    let (name, rest) = bytes.split_at_checked(end).ok_or(SHORT)?;
    let rest = rest.split_first().map_or(rest, |(_, rest)| rest);
    Ok((read_text(name)?, rest))
}

fn read_text(bytes: &[u8]) -> Result<String, FrameError> {
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("has text that is not UTF-8"))?;
    Ok(text.to_owned())
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), FrameError> {
    let (raw, rest) = bytes.split_first_chunk::<N>().ok_or(SHORT)?;
    Ok((*raw, rest))
}

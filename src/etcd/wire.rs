//! Transactions of etcd's v3 API as its JSON gateway reads and writes them.
//!
//! Keys and values are base64, 64-bit numbers are strings, and fields that are false, zero or empty are left out:
//! `succeeded` is absent when a comparison fails. Source: etcd `api/etcdserverpb/rpc.proto`, `kv.proto`, and the
//! JSON mapping of protocol buffers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// What is read in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// One key.
    Key(String),
    /// Every key that begins with this.
    Prefix(String),
    /// The same, but only what was written after this revision.
    Since(String, i64),
}

/// One transaction: all comparisons hold and everything of `then` is done, or everything of `otherwise`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Txn {
    /// Keys and the revisions at which they were last written; 0 for one that must not be there.
    pub(super) compare: Vec<(String, i64)>,
    /// Keys that must be there with these very values: another store may have written other ones at the same revision.
    pub(super) same: Vec<(String, Vec<u8>)>,
    pub(super) put: Vec<(String, Vec<u8>)>,
    pub(super) delete: Vec<String>,
    /// Prefixes of which every key is deleted.
    pub(super) clear: Vec<String>,
    /// Reads that come with the writes.
    pub(super) read: Vec<Range>,
    /// Reads where a comparison failed.
    pub(super) otherwise: Vec<Range>,
}

/// A key as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// The revision at which it was last written.
    pub(super) revision: i64,
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) cluster: u64,
    /// The store's revision after it.
    pub(super) revision: i64,
    /// Of the leader that the member followed.
    pub(super) term: u64,
    pub(super) succeeded: bool,
    /// One list for each read, in its order.
    pub(super) reads: Vec<Vec<Entry>>,
    /// How many members were asked for it.
    pub(super) asked: usize,
}

impl Txn {
    /// Comparisons, of which etcd takes so many.
    pub(super) fn comparisons(&self) -> usize {
        self.compare.len().saturating_add(self.same.len())
    }

    /// The body of `POST /v3/kv/txn`.
    pub(super) fn body(&self) -> Value {
        let revisions = self.compare.iter().map(|(key, revision)| {
            json!({
                "key": STANDARD.encode(key),
                "target": "MOD",
                "result": "EQUAL",
                "mod_revision": revision.to_string(),
            })
        });
        let values = self.same.iter().map(|(key, value)| {
            json!({
                "key": STANDARD.encode(key),
                "target": "VALUE",
                "result": "EQUAL",
                "value": STANDARD.encode(value),
            })
        });
        let compare: Vec<Value> = revisions.chain(values).collect();
        let puts = self.put.iter().map(|(key, value)| {
            json!({"request_put": {"key": STANDARD.encode(key), "value": STANDARD.encode(value)}})
        });
        let deletes = self
            .delete
            .iter()
            .map(|key| json!({"request_delete_range": {"key": STANDARD.encode(key)}}));
        let clears = self.clear.iter().map(|prefix| {
            let end = STANDARD.encode(after(prefix));
            json!({"request_delete_range": {"key": STANDARD.encode(prefix), "range_end": end}})
        });
        let success: Vec<Value> = puts
            .chain(deletes)
            .chain(clears)
            .chain(self.read.iter().map(range))
            .collect();
        let failure: Vec<Value> = self.otherwise.iter().map(range).collect();
        json!({"compare": compare, "success": success, "failure": failure})
    }
}

fn range(range: &Range) -> Value {
    let (key, end, since) = match range {
        Range::Key(key) => (key, None, None),
        Range::Prefix(prefix) => (prefix, Some(after(prefix)), None),
        Range::Since(prefix, revision) => {
            let next = revision.saturating_add(1).to_string();
            (prefix, Some(after(prefix)), Some(next))
        }
    };
    let mut request = serde_json::Map::new();
    request.insert("key".to_owned(), json!(STANDARD.encode(key)));
    if let Some(end) = end {
        request.insert("range_end".to_owned(), json!(STANDARD.encode(end)));
    }
    if let Some(since) = since {
        request.insert("min_mod_revision".to_owned(), json!(since));
    }
    json!({"request_range": request})
}

/// The first key that does not begin with `prefix`. Ours end with a slash or a hexadecimal digit.
fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.wrapping_add(1);
    }
    end
}

/// What every answer begins with.
#[derive(Deserialize)]
struct Header {
    #[serde(default, deserialize_with = "number")]
    cluster_id: u64,
    #[serde(default, deserialize_with = "number")]
    revision: i64,
    #[serde(default, deserialize_with = "number")]
    raft_term: u64,
}

/// A leader that a member follows, or is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    /// Higher with each election.
    pub(super) term: u64,
}

/// Reads the answer to `POST /v3/maintenance/status`; `None` while the member knows no leader.
///
/// # Errors
/// In words, what is not as it should be.
pub(super) fn leader(body: &[u8]) -> Result<Option<Leader>, String> {
    #[derive(Deserialize)]
    struct Answer {
        header: Header,
        #[serde(default, deserialize_with = "number")]
        leader: u64,
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| format!("no answer of etcd: {error}"))?;
    let term = answer.header.raft_term;
    Ok((answer.leader != 0).then_some(Leader { term }))
}

/// Reads the answer to a transaction that so many members were asked for.
///
/// # Errors
/// In words, what is not as it should be.
pub(super) fn outcome(body: &[u8], asked: usize) -> Result<Outcome, String> {
    #[derive(Deserialize)]
    struct Pair {
        key: String,
        #[serde(default)]
        value: String,
        #[serde(default, deserialize_with = "number")]
        mod_revision: i64,
    }
    #[derive(Deserialize)]
    struct Ranged {
        #[serde(default)]
        kvs: Vec<Pair>,
    }
    #[derive(Deserialize)]
    struct Response {
        response_range: Option<Ranged>,
    }
    #[derive(Deserialize)]
    struct Answer {
        header: Header,
        #[serde(default)]
        succeeded: bool,
        #[serde(default)]
        responses: Vec<Response>,
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| format!("no answer of etcd: {error}"))?;
    // Left out is zero, and no cluster and no revision is that.
    if answer.header.cluster_id == 0 || answer.header.revision == 0 {
        return Err("an answer of etcd without cluster or revision".to_owned());
    }
    let mut reads = Vec::new();
    for ranged in answer
        .responses
        .into_iter()
        .filter_map(|r| r.response_range)
    {
        let mut entries = Vec::new();
        for pair in ranged.kvs {
            let decode = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
            let key = String::from_utf8(decode(&pair.key)?).map_err(|error| error.to_string())?;
            entries.push(Entry {
                key,
                value: decode(&pair.value)?,
                revision: pair.mod_revision,
            });
        }
        reads.push(entries);
    }
    Ok(Outcome {
        cluster: answer.header.cluster_id,
        revision: answer.header.revision,
        term: answer.header.raft_term,
        succeeded: answer.succeeded,
        reads,
        asked,
    })
}

/// A number that may be written as a string.
fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr + Deserialize<'de>,
    T::Err: std::fmt::Display,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Text(String),
        Number(T),
    }
    match Either::deserialize(deserializer)? {
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
        Either::Number(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_has_this_form() {
        let txn = Txn {
            compare: vec![("/p/f".to_owned(), 7), ("/p/a".to_owned(), 0)],
            same: vec![("/p/meta".to_owned(), vec![3])],
            put: vec![("/p/f".to_owned(), vec![1, 2])],
            delete: vec!["/p/r".to_owned()],
            clear: vec!["/p/x/".to_owned()],
            read: vec![Range::Since("/p/".to_owned(), 6)],
            otherwise: vec![
                Range::Key("/p/f".to_owned()),
                Range::Prefix("/p/r/".to_owned()),
            ],
        };
        let encoded = |text: &str| STANDARD.encode(text);
        assert_eq!(
            txn.body(),
            json!({
                "compare": [
                    {"key": encoded("/p/f"), "target": "MOD", "result": "EQUAL", "mod_revision": "7"},
                    {"key": encoded("/p/a"), "target": "MOD", "result": "EQUAL", "mod_revision": "0"},
                    {"key": encoded("/p/meta"), "target": "VALUE", "result": "EQUAL", "value": "Aw=="},
                ],
                "success": [
                    {"request_put": {"key": encoded("/p/f"), "value": "AQI="}},
                    {"request_delete_range": {"key": encoded("/p/r")}},
                    {"request_delete_range": {"key": encoded("/p/x/"), "range_end": encoded("/p/x0")}},
                    {"request_range": {"key": encoded("/p/"), "range_end": encoded("/p0"), "min_mod_revision": "7"}},
                ],
                "failure": [
                    {"request_range": {"key": encoded("/p/f")}},
                    {"request_range": {"key": encoded("/p/r/"), "range_end": encoded("/p/r0")}},
                ],
            })
        );
    }

    #[test]
    fn what_is_left_out_is_false_zero_or_empty() {
        let failed = br#"{"header":{"cluster_id":"14841639068965178418","revision":"5","raft_term":"2"},
            "responses":[{"response_range":{"header":{"revision":"5"}}},
            {"response_range":{"kvs":[{"key":"L3AvZg==","mod_revision":"4","value":"AQI="}],"count":"1"}}]}"#;
        let read = outcome(failed, 1).unwrap();
        assert!(!read.succeeded);
        assert_eq!(
            (read.cluster, read.revision, read.term),
            (14_841_639_068_965_178_418, 5, 2)
        );
        let entry = Entry {
            key: "/p/f".to_owned(),
            value: vec![1, 2],
            revision: 4,
        };
        assert_eq!(read.reads, [vec![], vec![entry]]);
        let status = |more: &str| {
            let text = format!(r#"{{"header":{{"raft_term":"3"}},"version":"3.4.23"{more}}}"#);
            leader(text.as_bytes()).unwrap()
        };
        assert_eq!(status(r#","leader":"81""#), Some(Leader { term: 3 }));
        assert_eq!(status(r#","errors":["etcdserver: no leader"]"#), None);
        for header in ["", r#""revision":"5""#, r#""cluster_id":"1""#] {
            let text = format!(r#"{{"header":{{{header}}},"succeeded":true}}"#);
            assert!(outcome(text.as_bytes(), 1).is_err(), "{text}");
        }
        assert!(outcome(b"{}", 1).is_err());
        assert!(outcome(br#"{"header":{"revision":"x"}}"#, 1).is_err());
    }
}

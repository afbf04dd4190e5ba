//! The copy on disk: JSON that a person can read. Everything that can be checked is checked on load.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tezos::{Curve, PublicKey, PublicKeyHash, Signature, verify_possession, wire};

use super::List;

const FORMAT: u32 = 1;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) public_keys: BTreeMap<PublicKeyHash, PublicKey>,
    pub(super) proofs: BTreeMap<(PublicKeyHash, Option<PublicKeyHash>), Signature>,
    pub(super) lists: BTreeMap<String, List>,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    public_keys: BTreeMap<PublicKeyHash, PublicKey>,
    proofs: Vec<Proof>,
    authorized_keys: BTreeMap<String, Authorized>,
}

#[derive(Serialize, Deserialize)]
struct Proof {
    key: PublicKeyHash,
    subject: Option<PublicKeyHash>,
    signature: String,
}

#[derive(Serialize, Deserialize)]
struct Authorized {
    keys: Option<Vec<PublicKeyHash>>,
    at: Timestamp,
}

/// Reads the copy; none at all is an empty one. Entries that do not verify are an error: somebody else
/// wrote the file.
pub(super) fn read(path: &Path) -> Result<Kept, String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(error.to_string()),
    };
    let file: File = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if file.format != FORMAT {
        return Err(format!("format {} is unknown", file.format));
    }
    for (hash, key) in &file.public_keys {
        if key.hash() != *hash {
            return Err(format!("the public key of {hash} does not hash to it"));
        }
    }
    let mut kept = Kept {
        public_keys: file.public_keys,
        ..Kept::default()
    };
    for entry in file.proofs {
        let (proof, _) = Signature::parse(&entry.signature).map_err(|error| error.to_string())?;
        // A proof that cannot be checked is not a copy of anything: it is asked for again.
        let Some(key) = kept.public_keys.get(&entry.key) else {
            continue;
        };
        // One over another key was checked when it came; that key is not kept to check it again.
        if entry.subject.is_none() {
            verify_possession(key, None, &proof).map_err(|error| error.to_string())?;
        }
        kept.proofs.insert((entry.key, entry.subject), proof);
    }
    for (signer, list) in file.authorized_keys {
        let answer = match list.keys {
            Some(keys) => wire::AuthorizedKeys::Keys(keys),
            None => wire::AuthorizedKeys::NotRequired,
        };
        kept.lists.insert(
            signer,
            List {
                answer,
                at: list.at,
            },
        );
    }
    Ok(kept)
}

/// Replaces the copy. Blocking; durable on return.
pub(super) fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let proofs = kept.proofs.iter().map(|((key, subject), proof)| Proof {
        key: *key,
        subject: *subject,
        signature: proof.encode(Curve::Bls),
    });
    let lists = kept.lists.iter().map(|(signer, list)| {
        let keys = match &list.answer {
            wire::AuthorizedKeys::Keys(keys) => Some(keys.clone()),
            wire::AuthorizedKeys::NotRequired => None,
        };
        (signer.clone(), Authorized { keys, at: list.at })
    });
    let file = File {
        format: FORMAT,
        public_keys: kept.public_keys.clone(),
        proofs: proofs.collect(),
        authorized_keys: lists.collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&file)?;
    bytes.push(b'\n');
    crate::store::write_durably(path, &bytes)
}

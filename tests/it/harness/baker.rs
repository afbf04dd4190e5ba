//! A baker in the manner of Octez: before every signature `GET /authorized_keys`, then a chunked `POST`,
//! each on a new connection, asked once and never again, and every signature verified.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use signer_proxy::tezos::{
    AuthorizedKeys, Curve, PublicKey, Scheme, SecretKey, Signature, authentication_bytes,
    decode_authorized_keys, decode_signature, sign_body, verify,
};
use tokio::time::Instant;

use super::http::{self, Answer};

/// The version argument of a current baker.
const VERSION: &str = "3";

/// Somebody who asks for signatures.
#[derive(Clone, Debug)]
pub(crate) struct Baker {
    address: String,
    source: Option<IpAddr>,
    keys: Vec<PublicKey>,
    identity: Option<std::sync::Arc<SecretKey>>,
}

/// What came of one signature.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `GET /authorized_keys`
    pub(crate) get: Result<(), String>,
    /// The answer to `POST`, absent if it was not sent.
    pub(crate) post: Option<io::Result<Answer>>,
    /// Of the last answer, whichever request it was to; absent if that one was not answered.
    pub(crate) status: Option<u16>,
    /// The signature, verified over the bytes asked for.
    pub(crate) signature: Result<Signature, String>,
    /// From the first byte of `GET` to the last of the answer.
    pub(crate) took: Duration,
}

impl Outcome {
    /// The signature, which must be there.
    pub(crate) fn signature(self) -> Signature {
        self.get.expect("GET /authorized_keys must be answered");
        self.signature.expect("a signature was expected")
    }

    /// The sentence with which the signature was refused.
    pub(crate) fn refusal(&self, status: u16) -> String {
        assert_eq!(self.get, Ok(()), "{self:?}");
        self.answer().refusal(status)
    }

    pub(crate) fn answer(&self) -> &Answer {
        match &self.post {
            Some(Ok(answer)) => answer,
            Some(Err(_)) | None => panic!("no answer: {self:?}"),
        }
    }
}

impl Baker {
    /// A baker that asks at `address` (`HOST:PORT`).
    pub(crate) fn new(address: &str, keys: &[PublicKey]) -> Self {
        Self {
            address: address.to_owned(),
            source: None,
            keys: keys.to_vec(),
            identity: None,
        }
    }

    /// The same, with a key of its own to authenticate with where that is wanted.
    pub(crate) fn with_identity(mut self, identity: SecretKey) -> Self {
        self.identity = Some(std::sync::Arc::new(identity));
        self
    }

    /// The same, on another machine as far as its address tells.
    pub(crate) const fn at(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    pub(crate) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn get(&self, path: &str) -> io::Result<Answer> {
        let request = http::get_request(&self.address, path);
        http::converse(self.source, &self.address, &[&request]).await
    }

    /// The whole sequence of one signature.
    pub(crate) async fn sign(&self, key: &PublicKey, bytes: &[u8]) -> Outcome {
        let begun = Instant::now();
        let listed = self.get("/authorized_keys").await;
        let wanted = authorized_keys(&listed);
        let mut outcome = Outcome {
            get: wanted.as_ref().map(|_| ()).map_err(Clone::clone),
            post: None,
            status: status(&listed),
            signature: Err("not asked".to_owned()),
            took: Duration::ZERO,
        };
        if let Ok(wanted) = wanted {
            match self.query(key, bytes, &wanted) {
                Ok(query) => {
                    let answer = self.post(key, &query, bytes).await;
                    outcome.signature = signature_of(key, bytes, &answer);
                    outcome.status = status(&answer);
                    outcome.post = Some(answer);
                }
                Err(problem) => outcome.signature = Err(problem),
            }
        }
        outcome.took = begun.elapsed();
        outcome
    }

    fn query(
        &self,
        key: &PublicKey,
        bytes: &[u8],
        wanted: &AuthorizedKeys,
    ) -> Result<String, String> {
        let wanted = match wanted {
            AuthorizedKeys::NotRequired => return Ok(format!("?version={VERSION}")),
            AuthorizedKeys::Keys(wanted) => wanted,
        };
        let identity = self.identity.as_ref();
        let identity = identity.filter(|own| wanted.contains(&own.public_key().hash()));
        let identity = identity.ok_or("no authorized key was found in the wallet")?;
        let message = authentication_bytes(&key.hash(), bytes);
        let proof = identity_proof(identity, &message).encode(identity.public_key().curve());
        Ok(format!("?authentication={proof}&version={VERSION}"))
    }

    /// `POST /keys/<pkh>` alone, with a query of one's own.
    pub(crate) async fn post(
        &self,
        key: &PublicKey,
        query: &str,
        bytes: &[u8],
    ) -> io::Result<Answer> {
        self.post_body(&format!("/keys/{}{query}", key.hash()), &sign_body(bytes))
            .await
    }

    /// A chunked `POST` of any body, in three segments.
    pub(crate) async fn post_body(&self, path: &str, body: &str) -> io::Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: ocaml-cohttp/5.3.1\r\naccept: \
             application/json;q=1,application/bson;q=0.100,application/octet-stream;q=0.200\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
            self.address
        );
        let (first, rest) = body.split_at(body.len() / 2);
        let end = format!("{}0\r\n\r\n", chunk(rest));
        http::converse(self.source, &self.address, &[&head, &chunk(first), &end]).await
    }
}

fn status(answer: &io::Result<Answer>) -> Option<u16> {
    answer.as_ref().ok().map(|answer| answer.status)
}

fn authorized_keys(answer: &io::Result<Answer>) -> Result<AuthorizedKeys, String> {
    let answer = answer.as_ref().map_err(ToString::to_string)?;
    if answer.status != 200 {
        return Err(format!("{answer:?}"));
    }
    decode_authorized_keys(answer.body.as_bytes()).map_err(|error| error.to_string())
}

fn chunk(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{:x}\r\n{text}\r\n", text.len())
    }
}

/// The signature in an answer, if it is one of `key` over `bytes`.
pub(crate) fn signature_of(
    key: &PublicKey,
    bytes: &[u8],
    answer: &io::Result<Answer>,
) -> Result<Signature, String> {
    let answer = answer.as_ref().map_err(ToString::to_string)?;
    if answer.status != 200 {
        return Err(format!("{answer:?}"));
    }
    let signature = decode_signature(answer.body.as_bytes()).map_err(|error| error.to_string())?;
    verify(key, scheme_of(key.curve()), bytes, &signature).map_err(|error| error.to_string())?;
    Ok(signature)
}

/// The signature with which a baker shows that it may ask.
pub(crate) fn identity_proof(identity: &SecretKey, message: &[u8]) -> Signature {
    identity.sign(scheme_of(identity.public_key().curve()), message)
}

pub(crate) const fn scheme_of(curve: Curve) -> Scheme {
    match curve {
        Curve::Ed25519 | Curve::Secp256k1 | Curve::P256 | Curve::MlDsa => Scheme::Standard,
        Curve::Bls => Scheme::Pop,
    }
}

//! The socket protocol of Octez written a second time, without a look at the program's: a front that lets any
//! development signer be asked by it, and a baker that asks by it.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::task::{Context, Poll};

use signer_proxy::tezos::{
    AuthorizedKeys, Curve, PublicKey, PublicKeyHash, Signature, authentication_bytes,
    decode_authorized_keys, decode_public_key, decode_signature, sign_body, verify,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::baker::{identity_proof, scheme_of};
use super::http::{self, Answer};

/// A front that is listening; ends when dropped.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) url: String,
    // Named for Drop alone.
    _serving: JoinSet<()>,
}

impl Front {
    /// In front of the signer at `signer` (`HOST:PORT`), on a TCP port.
    pub(crate) async fn tcp(signer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let accept = move |cx: &mut Context<'_>| listener.poll_accept(cx).map_ok(|(io, _)| io);
        Self::over(url, signer, accept)
    }

    /// The same on a Unix socket.
    pub(crate) fn unix(signer: &str, path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let accept = move |cx: &mut Context<'_>| listener.poll_accept(cx).map_ok(|(io, _)| io);
        Self::over(format!("unix://{}", path.display()), signer, accept)
    }

    fn over<S>(
        url: String,
        signer: &str,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<S>> + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let signer = signer.to_owned();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok(stream) = poll_fn(&mut accept).await {
                connections.spawn(serve(stream, signer.clone()));
            }
        });
        Self {
            url,
            _serving: serving,
        }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, signer: String) {
    while let Ok(request) = receive(&mut stream).await {
        let Ok(reply) = answer(&signer, &request).await else {
            return;
        };
        if send(&mut stream, &reply).await.is_err() {
            return;
        }
    }
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let mut frame = Vec::from(u16::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(message);
    stream.write_all(&frame).await
}

/// Asks the signer over HTTP what was asked in a frame.
async fn answer(signer: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let hash = |bytes: &[u8]| PublicKeyHash::from_tagged(bytes).map_err(io::Error::other);
    match request {
        [2] => {
            let answer = http::get(signer, "/authorized_keys").await?;
            Ok(match decode_authorized_keys(answer.body.as_bytes()) {
                Ok(AuthorizedKeys::NotRequired) => vec![0, 0],
                Ok(AuthorizedKeys::Keys(keys)) => {
                    let mut reply = vec![0, 1];
                    reply.extend(u32::try_from(keys.len() * 21).unwrap().to_be_bytes());
                    for key in &keys {
                        reply.extend(key.tagged());
                    }
                    reply
                }
                Err(_) => errors(&answer),
            })
        }
        [1, key @ ..] => {
            let answer = http::get(signer, &format!("/keys/{}", hash(key)?)).await?;
            Ok(match decode_public_key(answer.body.as_bytes()) {
                Ok(key) => [&[0, key.curve().tag()], key.raw()].concat(),
                Err(_) => errors(&answer),
            })
        }
        [0, rest @ ..] => {
            let (key, version, rest) = if rest[0] == 3 {
                (&rest[1..22], Some(rest[22]), &rest[23..])
            } else {
                (&rest[..21], None, &rest[21..])
            };
            let key = hash(key)?;
            let length = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]);
            let (data, authentication) = rest[4..].split_at(usize::try_from(length).unwrap());
            let mut query = Vec::new();
            if !authentication.is_empty() {
                let signature = Signature::from_raw(authentication.to_vec()).unwrap();
                query.push(format!("authentication={}", signature.encode_generic()));
            }
            query.extend(version.map(|version| format!("version={version}")));
            let path = format!("/keys/{key}?{}", query.join("&"));
            let request = http::sized_post(signer, &path, &sign_body(data));
            let answer = http::exchange(signer, &request).await?;
            Ok(match decode_signature(answer.body.as_bytes()) {
                Ok(signature) if answer.status == 200 => [&[0], signature.raw()].concat(),
                _ => errors(&answer),
            })
        }
        other => panic!("nobody asks this of a signer: {other:02x?}"),
    }
}

/// An answer that is none, as the array of BSON documents of Octez.
fn errors(answer: &Answer) -> Vec<u8> {
    let words = serde_json::from_str::<serde_json::Value>(&answer.body);
    let words = words
        .ok()
        .and_then(|errors| Some(errors[0]["msg"].as_str()?.to_owned()));
    // Over a socket Octez says in words what HTTP says by status.
    let words = words.unwrap_or_else(|| "no keys for the source contract".to_owned());
    let field = |name: &str, value: &str| {
        let length = u32::try_from(value.len() + 1).unwrap().to_le_bytes();
        [&[2], name.as_bytes(), &[0], &length, value.as_bytes(), &[0]].concat()
    };
    let mut fields = field("kind", "temporary");
    fields.extend(field("id", "failure"));
    fields.extend(field("msg", &words));
    let length = u32::try_from(fields.len() + 5).unwrap();
    let document = [&length.to_le_bytes()[..], &fields, &[0]].concat();
    let all = length + 4;
    [
        &[1],
        &all.to_be_bytes()[..],
        &length.to_be_bytes(),
        &document,
    ]
    .concat()
}

/// The `msg` of the first error of a reply.
pub(crate) fn words_of(reply: &[u8]) -> String {
    assert_eq!(reply[0], 1, "{reply:02x?}");
    let document = &reply[9..];
    let at = document
        .windows(5)
        .position(|window| window == b"\x02msg\0")
        .unwrap();
    let rest = &document[at + 5..];
    let length = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]);
    let text = &rest[4..4 + usize::try_from(length).unwrap() - 1];
    String::from_utf8(text.to_vec()).unwrap()
}

/// Where a baker asks.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    Tcp(String),
    /// The same from an address of one's own.
    TcpFrom(IpAddr, String),
    Unix(std::path::PathBuf),
}

impl Door {
    /// One request and its reply on a connection of its own.
    pub(crate) async fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.converse(&[request.to_vec()])
            .await
            .map(|mut replies| replies.remove(0))
    }

    /// Requests one after the other on one connection, and their replies.
    pub(crate) async fn converse(&self, requests: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
        match self {
            Self::Tcp(address) => over(TcpStream::connect(address).await?, requests).await,
            Self::TcpFrom(source, address) => {
                over(http::connect(Some(*source), address).await?, requests).await
            }
            Self::Unix(path) => over(UnixStream::connect(path).await?, requests).await,
        }
    }

    /// A signature in the manner of Octez: who may ask, then the signature, on one connection.
    pub(crate) async fn sign(
        &self,
        key: &PublicKey,
        bytes: &[u8],
        identity: Option<&signer_proxy::tezos::SecretKey>,
    ) -> Result<Signature, String> {
        let request = sign_request(key, bytes, identity);
        let replies = self.converse(&[vec![2], request]).await;
        let replies = replies.map_err(|error| error.to_string())?;
        assert_eq!(replies[0][0], 0, "{replies:02x?}");
        match &replies[1][..] {
            [0, signature @ ..] => {
                let signature = Signature::from_raw(signature.to_vec()).unwrap();
                verify(key, scheme_of(key.curve()), bytes, &signature).unwrap();
                Ok(signature)
            }
            refused => Err(words_of(refused)),
        }
    }
}

async fn over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    requests: &[Vec<u8>],
) -> io::Result<Vec<Vec<u8>>> {
    let mut replies = Vec::new();
    for request in requests {
        send(&mut stream, request).await?;
        replies.push(receive(&mut stream).await?);
    }
    Ok(replies)
}

/// The request of an Octez 25 baker.
pub(crate) fn sign_request(
    key: &PublicKey,
    bytes: &[u8],
    identity: Option<&signer_proxy::tezos::SecretKey>,
) -> Vec<u8> {
    let hash = key.hash();
    let mut request = vec![0];
    if key.curve() == Curve::Bls {
        request.push(3);
        request.extend(hash.tagged());
        request.push(3);
    } else {
        request.extend(hash.tagged());
    }
    request.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    request.extend(bytes);
    if let Some(identity) = identity {
        let message = authentication_bytes(&hash, bytes);
        request.extend(identity_proof(identity, &message).raw());
    }
    request
}

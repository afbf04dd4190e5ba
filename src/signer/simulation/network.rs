//! The network of a world: streams in memory, and what stands at their far ends.

mod http;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use crate::settings::SignerUrl;
use crate::task::Tasks;
use crate::tezos::{Curve, Payload, PublicKeyHash, Scheme, SecretKey};
use crate::tezos::{decode_sign_body, digest, public_key_body};

use super::super::board::Board;
use super::super::client::connect::{Connect, Connecting, Stream};
use super::device::{self, Device, Reply};
use super::faults::{self, Fault, Trouble};
use super::options::Options;
use super::trace::{End, Event, Slot, Trace};
use http::Request;

/// The network as connections are made over it.
#[derive(Clone, Debug)]
pub(super) struct Shared(pub(super) Arc<Network>);

/// The network, with the signers behind it.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) options: Arc<Options>,
    pub(super) faults: Arc<Vec<Fault>>,
    pub(super) devices: Vec<Arc<Device>>,
    pub(super) secrets: Arc<Vec<SecretKey>>,
    /// Signs on paths that lead elsewhere.
    pub(super) foreign: SecretKey,
    /// Told when open connections end, path by path.
    pub(super) closing: Vec<Vec<Board>>,
    pub(super) jobs: AtomicUsize,
    pub(super) trace: Arc<Trace>,
    pub(super) tasks: Tasks,
}

/// The host of a path's url.
pub(super) fn host(signer: usize, path: usize) -> String {
    format!("{signer}.{path}")
}

impl Connect for Shared {
    fn connect<'a>(&'a self, url: &'a SignerUrl) -> Connecting<'a> {
        let SignerUrl::Http { host, .. } = url else {
            panic!("{url}");
        };
        let (signer, path) = host.split_once('.').unwrap();
        let end = FarEnd {
            network: Arc::clone(&self.0),
            signer: signer.parse().unwrap(),
            path: path.parse().unwrap(),
        };
        let takes = match end.trouble() {
            Some(Trouble::Refuses) => {
                return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
            }
            Some(Trouble::SlowConnect(takes)) => takes,
            _ => Duration::ZERO,
        };
        let (near, far) = duplex(64 << 10);
        self.0
            .tasks
            .spawn("far end", async move { end.serve(far).await });
        Box::pin(async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            Ok(Box::new(near) as Box<dyn Stream>)
        })
    }
}

impl Network {
    /// Ends the open connections of a path, or of all paths of a signer.
    pub(super) fn end_connections(&self, signer: usize, path: Option<usize>) {
        for (index, closing) in self.closing[signer].iter().enumerate() {
            if path.is_none_or(|path| path == index) {
                closing.tell();
            }
        }
    }
}

/// The far end of one connection.
struct FarEnd {
    network: Arc<Network>,
    signer: usize,
    path: usize,
}

/// What becomes of a request on its way.
enum Fate {
    /// The connection ends.
    Ends,
    /// Nothing comes any more.
    Silence,
    /// The connection ends after half of this.
    Half(Reply),
    /// It is answered.
    Whole(Reply),
}

impl FarEnd {
    /// Resolves when the path swallows no more: its session ends then, and its connections with it. Never, if it is
    /// not the path that keeps silent.
    async fn swallowed(&self) {
        let now = self.network.trace.now();
        let swallows = |fault: &&Fault| {
            fault.trouble == Trouble::Swallows
                && fault.is_of_path(self.signer, self.path)
                && fault.from <= now
                && now < fault.to
        };
        let ends = self.network.faults.iter().filter(swallows);
        match ends.map(|fault| fault.to).max() {
            Some(end) => tokio::time::sleep(end.saturating_sub(now)).await,
            None => std::future::pending().await,
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        let now = self.network.trace.now();
        faults::of_path(&self.network.faults, (self.signer, self.path), now)
    }

    async fn serve(&self, mut stream: DuplexStream) {
        let mut closing = self.network.closing[self.signer][self.path].reader();
        loop {
            let request = tokio::select! {
                biased;
                () = closing.changed() => return,
                request = http::read(&mut stream) => request,
            };
            let Some(request) = request else { return };
            let job = request
                .body
                .is_some()
                .then(|| self.left(&request))
                .flatten();
            let (mut reader, mut writer) = tokio::io::split(&mut stream);
            let mut surplus = [0];
            let fate = tokio::select! {
                biased;
                () = closing.changed() => Fate::Ends,
                // Nothing is asked before the answer: the proxy has ended the connection.
                _ = reader.read(&mut surplus) => Fate::Ends,
                fate = self.fate(&request, job) => fate,
            };
            match fate {
                Fate::Whole(reply) => {
                    let answer = http::answer(reply.status, &reply.body);
                    if writer.write_all(answer.as_bytes()).await.is_ok() {
                        self.ended(job, reply.end);
                        continue;
                    }
                }
                Fate::Half(reply) => {
                    let answer = http::answer(reply.status, &reply.body);
                    let half = &answer.as_bytes()[..answer.len() / 2];
                    drop(writer.write_all(half).await);
                }
                Fate::Silence => {
                    tokio::select! {
                        biased;
                        () = closing.changed() => {}
                        _ = reader.read(&mut surplus) => {}
                        () = self.swallowed() => {}
                    }
                }
                Fate::Ends => {}
            }
            self.ended(job, End::Closed);
            return;
        }
    }

    /// Notes a sign request; gives its number.
    fn left(&self, request: &Request) -> Option<usize> {
        let job = self.network.jobs.fetch_add(1, Ordering::Relaxed);
        let trace = &self.network.trace;
        let Some((slot, bytes)) = self.payload(request) else {
            let broken = format!("not a sign request: {request:?}");
            trace.note(Event::Broken(broken));
            return None;
        };
        trace.note(Event::Left {
            job,
            signer: self.signer,
            path: self.path,
            slot,
            digest: digest(&bytes),
        });
        Some(job)
    }

    fn ended(&self, job: Option<usize>, end: End) {
        if let Some(job) = job {
            self.network.trace.note(Event::Ended { job, end });
        }
    }

    /// The key by its number, and what is to be signed.
    fn payload(&self, request: &Request) -> Option<(Slot, Vec<u8>)> {
        let hash: PublicKeyHash = request.key()?.parse().ok()?;
        let is_it = |secret: &SecretKey| secret.public_key().hash() == hash;
        let key = self.network.secrets.iter().position(is_it)?;
        let bytes = decode_sign_body(request.body.as_ref()?).ok()?;
        let Payload::Consensus(payload) = Payload::decode(Curve::Ed25519, &bytes).ok()? else {
            return None;
        };
        let slot = Slot {
            key,
            position: payload.position,
            kind: payload.kind,
        };
        Some((slot, bytes))
    }

    /// Lets half a round trip pass.
    async fn travel(&self, trouble: Option<Trouble>) {
        let options = &self.network.options.signers[self.signer].paths[self.path];
        let slower = match trouble {
            Some(Trouble::Slow(by)) => by,
            _ => Duration::ZERO,
        };
        tokio::time::sleep(options.round_trip / 2 + slower).await;
    }

    async fn fate(&self, request: &Request, job: Option<usize>) -> Fate {
        let trouble = self.trouble();
        match trouble {
            Some(Trouble::Refuses | Trouble::Resets) => return Fate::Ends,
            Some(Trouble::Swallows) => return Fate::Silence,
            _ => {}
        }
        self.travel(trouble).await;
        let elsewhere = trouble == Some(Trouble::WrongKey);
        let reply = match job {
            None if elsewhere => {
                let key = self.network.foreign.public_key();
                Reply::fine(public_key_body(key), End::Nonsense)
            }
            None => self.tell(request),
            Some(_) if elsewhere => self.sign_elsewhere(request),
            Some(job) => match self.sign(request, job).await {
                Some(reply) => reply,
                None => return Fate::Ends,
            },
        };
        let trouble = self.trouble();
        self.travel(trouble).await;
        match trouble {
            Some(Trouble::Swallows) => Fate::Silence,
            Some(Trouble::Refuses | Trouble::Resets) => Fate::Ends,
            Some(Trouble::LosesAnswers { silent }) if job.is_some() => {
                if silent {
                    Fate::Silence
                } else {
                    Fate::Ends
                }
            }
            Some(Trouble::HalvesAnswers) if job.is_some() => Fate::Half(reply),
            _ => Fate::Whole(reply),
        }
    }

    /// The answer to anything but a sign request: the device takes no part in it.
    fn tell(&self, request: &Request) -> Reply {
        let Some(key) = request.key() else {
            return Reply::fine("{}".to_owned(), End::Nonsense);
        };
        let keys = &self.network.options.signers[self.signer].keys;
        let public = |key: &usize| self.network.secrets[*key].public_key();
        match keys
            .iter()
            .find(|nth| public(nth).hash().to_string() == key)
        {
            Some(nth) => Reply::fine(public_key_body(public(nth)), End::Nonsense),
            None => Reply::error(404, "no such key"),
        }
    }

    fn sign_elsewhere(&self, request: &Request) -> Reply {
        let bytes = self.payload(request).unwrap().1;
        let signature = self.network.foreign.sign(Scheme::Standard, &bytes);
        Reply::fine(device::body(&signature), End::Nonsense)
    }

    /// The device works on, although the connection may end meanwhile.
    async fn sign(&self, request: &Request, job: usize) -> Option<Reply> {
        let (slot, bytes) = self.payload(request)?;
        let keys = &self.network.options.signers[self.signer].keys;
        if !keys.contains(&slot.key) {
            return Some(Reply::error(404, "no such key"));
        }
        let device = Arc::clone(&self.network.devices[self.signer]);
        let secrets = Arc::clone(&self.network.secrets);
        let work = self.network.tasks.spawn("device", async move {
            device.work(job, (slot, &bytes), &secrets[slot.key]).await
        });
        work.await.unwrap()
    }
}

//! Who asks: two bakers with the same keys and different payloads for each slot, at the same time; and a runner, who
//! asks for one vote after the other and sees every gap. All through the balancer, and in the manner of Octez: on a new
//! connection each, `GET /authorized_keys` first, and again after a 502.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use signer_proxy::tezos::{PublicKey, digest};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::harness::baker::{Baker, signature_of};
use crate::harness::direct::FLOOR;
use crate::harness::http::Answer as Http;
use crate::harness::luck::Luck;
use crate::harness::payload::{Kind, Slot, attestation, slot};
use crate::harness::wait::lasts;

use super::field::Field;
use super::history::{Answer, Ask};

/// As on the main network.
const LEVEL: Duration = Duration::from_secs(6);

/// Between the kinds of a level, so that something is asked for all the time.
const BETWEEN: Duration = Duration::from_secs(2);

/// A slot that is this old is not asked for any more.
const TOO_LATE: Duration = Duration::from_secs(1);

/// Of a hundred signatures, those that are asked for again at once.
const REPEATED: u32 = 25;

/// What Octez waits for before each of its attempts after a 502.
const ATTEMPTS: u32 = 10;
const STEP: Duration = Duration::from_millis(100);

/// Between two votes of the runner.
const STRIDE: Duration = Duration::from_millis(20);

/// Their names and what distinguishes their payloads.
const BOTH: [(&str, u8); 2] = [("one", 1), ("two", 2)];

/// They go on until told.
#[derive(Debug)]
pub(super) struct Bakers {
    field: Arc<Field>,
    baker: Baker,
    over: watch::Sender<bool>,
}

impl Bakers {
    pub(super) fn new(field: &Arc<Field>) -> Arc<Self> {
        Arc::new(Self {
            field: Arc::clone(field),
            baker: Baker::new(&field.balancer.address(), field.signers[0].keys()),
            over: watch::Sender::new(false),
        })
    }

    /// Nothing more is asked; what was asked is waited for.
    pub(super) fn end(&self) {
        self.over.send_replace(true);
    }

    /// Asks for one signature and writes down what came of it.
    async fn ask(&self, who: &'static str, key: &PublicKey, slot: Slot, bytes: &[u8]) -> Answer {
        let asked = self.field.now();
        let (answer, again) = ask(&self.baker, key, bytes).await;
        self.field.history().push(Ask {
            baker: who,
            key: key.hash(),
            slot,
            digest: digest(bytes).to_string(),
            asked,
            ended: self.field.now(),
            answer: answer.clone(),
            again,
        });
        answer
    }

    /// One of both bakers with its `nth` key, level after level; it asks one thing at a time.
    pub(super) async fn bake(
        self: Arc<Self>,
        which: usize,
        nth: u32,
        key: PublicKey,
        mut luck: Luck,
    ) {
        let ((who, fill), mut over) = (BOTH[which], self.over.subscribe());
        let apart = BETWEEN * nth / u32::try_from(self.field.keys_to_bake().len()).unwrap();
        for level in 0.. {
            for (kind, step) in Kind::ALL.into_iter().zip(0..) {
                let at = LEVEL * level + BETWEEN * step + apart;
                if self.field.now() > at + TOO_LATE {
                    continue;
                }
                tokio::select! {
                    _ = over.wait_for(|over| *over) => return,
                    () = lasts(self.field.at(at), Duration::ZERO) => {}
                }
                let slot = slot(kind, FLOOR + 1 + level, 0);
                let bytes = slot.bytes(key.curve(), fill);
                let answer = self.ask(who, &key, slot, &bytes).await;
                if matches!(answer, Answer::Signed(_)) && luck.percent(REPEATED) {
                    self.ask(who, &key, slot, &bytes).await;
                }
            }
        }
    }

    /// Asks for votes of one key, one after the other, from `level` on.
    pub(super) async fn run(self: Arc<Self>, key: PublicKey, mut over: watch::Receiver<bool>) {
        let mut level = FLOOR + 1;
        while !*over.borrow_and_update() {
            let slot = attestation(level);
            self.ask("runner", &key, slot, &slot.bytes(key.curve(), 1))
                .await;
            level += 1;
            lasts(Instant::now(), STRIDE).await;
        }
    }
}

/// `GET` and `POST` with the patience of Octez; how often something was sent again.
async fn ask(baker: &Baker, key: &PublicKey, bytes: &[u8]) -> (Answer, usize) {
    let mut again = 0;
    let listed = attempts(async || baker.get("/authorized_keys").await, &mut again).await;
    if !matches!(&listed, Ok(listed) if listed.status == 200) {
        return (Answer::Failed(format!("GET: {}", words(&listed))), again);
    }
    let signed = attempts(
        async || baker.post(key, "?version=3", bytes).await,
        &mut again,
    )
    .await;
    let answer = match (signature_of(key, bytes, &signed), &signed) {
        (Ok(signature), _) => Answer::Signed(digest(signature.raw()).to_string()),
        (Err(_), Ok(refused)) if refused.status == 409 => Answer::Refused(words(&signed)),
        (Err(_), _) => Answer::Failed(words(&signed)),
    };
    (answer, again)
}

async fn attempts(
    mut send: impl AsyncFnMut() -> io::Result<Http>,
    again: &mut usize,
) -> io::Result<Http> {
    let mut answer = send().await;
    for attempt in 0..ATTEMPTS - 1 {
        if !matches!(&answer, Ok(answer) if answer.status == 502) {
            break;
        }
        *again += 1;
        lasts(Instant::now(), STEP * attempt).await;
        answer = send().await;
    }
    answer
}

/// What was answered instead of a signature.
fn words(answer: &io::Result<Http>) -> String {
    match answer {
        Ok(answer) if answer.body.starts_with('[') => {
            format!("{} {}", answer.status, answer.json()[0]["msg"])
        }
        Ok(answer) => format!("{} {:?}", answer.status, answer.body),
        Err(error) => error.to_string(),
    }
}

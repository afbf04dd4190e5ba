//! What leaves over streams that are made in this process.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

use super::connect::{Connect, Connecting, Stream};
use super::outcome::maybe_sent;
use super::*;

/// Gives the far end of every stream to the test.
#[derive(Debug)]
struct Local(mpsc::UnboundedSender<DuplexStream>);

impl Connect for Local {
    fn connect<'a>(&'a self, _url: &'a SignerUrl) -> Connecting<'a> {
        let (near, far) = tokio::io::duplex(64 << 10);
        // Who takes no more streams refuses them.
        let made = self.0.send(far).map(|()| Box::new(near) as Box<dyn Stream>);
        let made = made.map_err(|_| std::io::ErrorKind::ConnectionRefused.into());
        Box::pin(std::future::ready(made))
    }
}

/// A client, and the far ends of its streams as they are made.
fn client() -> (Client, mpsc::UnboundedReceiver<DuplexStream>) {
    let settings = PathSettings {
        name: "1".to_owned(),
        url: SignerUrl::Http {
            host: "nowhere".to_owned(),
            port: 1,
        },
        prefix: String::new(),
        max_connections: 1,
        tls: crate::settings::PathTls::default(),
    };
    let (sender, streams) = mpsc::unbounded_channel();
    let client = Client::over(&settings, Tasks::new(), Arc::new(Local(sender)));
    (client, streams)
}

/// Reads one request without a body.
async fn read_request(stream: &mut DuplexStream) -> String {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        request.push(char::from(stream.read_u8().await.unwrap()));
    }
    request
}

async fn answer(stream: &mut DuplexStream) {
    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(whole).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_passes_its_gate_and_is_answered() {
    let (client, mut streams) = client();
    let gate = Gate::open();
    let outgoing = Outgoing::get("/version".to_owned());
    let far = async {
        let mut stream = streams.recv().await.unwrap();
        let request = read_request(&mut stream).await;
        answer(&mut stream).await;
        (request, stream)
    };
    let (answered, (request, _stream)) = tokio::join!(client.send(&outgoing, &gate), far);
    assert_eq!(answered.unwrap().body, "{}");
    assert!(
        request.starts_with("GET /version HTTP/1.1\r\n"),
        "{request}"
    );
    assert_eq!(gate.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_byte_of_a_request_that_was_withdrawn_leaves() {
    let (client, mut streams) = client();
    let gate = Gate::open();
    assert!(gate.withdraw());
    let outgoing = Outgoing::get("/version".to_owned());
    // One that left would wait for its answer.
    let sending = tokio::time::timeout(CONNECT, client.send(&outgoing, &gate));
    let error = sending.await.unwrap().unwrap_err();
    assert_eq!(error, not_sent(Cause::TooLate));
    let mut received = Vec::new();
    let mut stream = streams.recv().await.unwrap();
    stream.read_to_end(&mut received).await.unwrap();
    assert!(received.is_empty());
}

/// A client with a kept connection, its far end, and what comes after it.
async fn kept() -> (Client, DuplexStream, mpsc::UnboundedReceiver<DuplexStream>) {
    let (client, mut streams) = client();
    let outgoing = Outgoing::get("/version".to_owned());
    let gate = Gate::open();
    let (answered, stream) = tokio::join!(client.send(&outgoing, &gate), async {
        let mut stream = streams.recv().await.unwrap();
        read_request(&mut stream).await;
        answer(&mut stream).await;
        stream
    });
    answered.unwrap();
    (client, stream, streams)
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_with_a_kept_connection_may_have_left_whatever_became_of_the_next() {
    let (client, mut stream, mut streams) = kept().await;
    let outgoing = Outgoing::get("/keys".to_owned());
    let gate = Gate::open();
    let (sent, ()) = tokio::join!(client.send(&outgoing, &gate), async {
        read_request(&mut stream).await;
        streams.close();
        drop(stream);
    });
    let error = sent.unwrap_err();
    assert_eq!(error, maybe_sent(Cause::Refused));
    assert_eq!(gate.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_with_a_kept_connection_is_not_sent_again_once_nobody_wants_it() {
    let (client, mut stream, mut streams) = kept().await;
    let outgoing = Outgoing::get("/keys".to_owned());
    let gate = Gate::open();
    // One that is sent again would wait for its answer.
    let sending = tokio::time::timeout(CONNECT, client.send(&outgoing, &gate));
    let (sent, ()) = tokio::join!(sending, async {
        read_request(&mut stream).await;
        assert!(!gate.close());
        drop(stream);
    });
    assert_eq!(sent.unwrap().unwrap_err(), maybe_sent(Cause::TooLate));
    let mut received = Vec::new();
    let mut second = streams.recv().await.unwrap();
    second.read_to_end(&mut received).await.unwrap();
    assert!(received.is_empty());
    assert_eq!(gate.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_its_request_was_given_up_answers_nobody_else() {
    let (client, mut first, mut streams) = kept().await;
    let outgoing = Outgoing::get("/keys/a".to_owned());
    let gate = Gate::open();
    let given_up = tokio::time::timeout(Duration::from_secs(1), client.send(&outgoing, &gate));
    let (given_up, asked) = tokio::join!(given_up, read_request(&mut first));
    assert!(given_up.is_err());
    assert!(asked.starts_with("GET /keys/a "), "{asked}");
    // The answer is for the one that was given up; whoever asks next must not get it.
    let late = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate";
    first.write_all(late).await.ok();
    let outgoing = Outgoing::get("/keys/b".to_owned());
    let gate = Gate::open();
    let far = async {
        let mut second = streams.recv().await.unwrap();
        let asked = read_request(&mut second).await;
        answer(&mut second).await;
        (asked, second)
    };
    let (answered, (asked, _second)) = tokio::join!(client.send(&outgoing, &gate), far);
    assert!(asked.starts_with("GET /keys/b "), "{asked}");
    assert_eq!(answered.unwrap().body, "{}");
    // Nothing was asked over the first again, and it is closed.
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}

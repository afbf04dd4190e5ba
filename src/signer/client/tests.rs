//! What leaves over streams that are made in this process.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

use super::connect::{Connect, Connecting, Stream};
use super::*;

/// Gives the far end of every stream to the test.
#[derive(Debug)]
struct Local(mpsc::UnboundedSender<DuplexStream>);

impl Connect for Local {
    fn connect<'a>(&'a self, _url: &'a SignerUrl) -> Connecting<'a> {
        let (near, far) = tokio::io::duplex(64 << 10);
        self.0.send(far).unwrap();
        Box::pin(std::future::ready(Ok(Box::new(near) as Box<dyn Stream>)))
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
    };
    let (sender, streams) = mpsc::unbounded_channel();
    let client = Client::over(&settings, Tasks::new(), Arc::new(Local(sender)));
    (client, streams)
}

#[tokio::test(start_paused = true)]
async fn a_request_passes_its_gate_and_is_answered() {
    let (client, mut streams) = client();
    let gate = Gate::open();
    let outgoing = Outgoing::get("/version".to_owned());
    let far = async {
        let mut stream = streams.recv().await.unwrap();
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .await
            .unwrap();
        request.truncate(length);
        (String::from_utf8(request).unwrap(), stream)
    };
    let (answer, (request, _stream)) = tokio::join!(client.send(&outgoing, &gate), far);
    assert_eq!(answer.unwrap().body, "{}");
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

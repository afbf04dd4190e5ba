//! A Unix socket whose connections end at a TCP port.

use std::path::Path;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinSet;

/// Hands connections of a Unix socket on to an address.
pub(crate) fn relay(socket: &Path, address: &str) -> JoinSet<()> {
    let listener = UnixListener::bind(socket).unwrap();
    let address = address.to_owned();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let address = address.clone();
            connections.spawn(async move {
                let mut far = TcpStream::connect(address).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    serving
}

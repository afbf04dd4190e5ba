//! The asking side of the control socket.

use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{Command, EXCHANGE, Reply};

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No proxy listens there.
    #[error("no proxy is running")]
    NotRunning,
    /// Something listens and does not answer as a proxy does.
    #[error("the control socket does not answer: {0}")]
    Broken(String),
}

/// Sends a command to the proxy behind `socket`.
///
/// # Errors
/// [`AskError`]
pub async fn ask(socket: &Path, command: &Command) -> Result<Reply, AskError> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "io::ErrorKind is not ours and grows"
    )]
    let mut stream = UnixStream::connect(socket)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning,
            _ => AskError::Broken(error.to_string()),
        })?;
    let exchange = async {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        serde_json::from_slice(&answer).map_err(io::Error::from)
    };
    match tokio::time::timeout(EXCHANGE, exchange).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(AskError::Broken(error.to_string())),
        Err(_) => Err(AskError::Broken("timed out".to_owned())),
    }
}

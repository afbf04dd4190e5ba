//! Stores of watermarks. They know nothing of HTTP; the guard knows nothing of files.

mod committer;
mod embedded;
mod encoding;
mod file;
mod lock;
mod owner;
mod tables;

pub use embedded::EmbeddedStore;
pub use file::write_durably;
pub use lock::{DirectoryLock, LockError};

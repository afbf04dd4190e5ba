//! Stores of watermarks. They know nothing of HTTP; the guard knows nothing of files.

mod ailment;
mod calls;
mod committer;
mod contents;
mod embedded;
pub(crate) mod encoding;
mod file;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod lock;
mod owner;
mod place;
mod pulse;
mod tables;
mod watch;
mod witness;

pub use embedded::replace::{Found, Replaced};
pub use embedded::{Accepted, EmbeddedStore, Trust};
pub use file::write_durably;
pub use lock::{DirectoryLock, LockError};
pub use owner::create as create_file;
pub use watch::{Vitals, watch};
pub use witness::{Unusable, read as read_witness};

//! Free loopback ports for programs that cannot say which port they took.
//!
//! They come from below the range that outgoing connections use, so that nobody takes one between its
//! choice and its use; each is given out once per process, and processes begin at different places.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 15_000;
const COUNT: u16 = 15_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port on which nobody listens.
pub(crate) fn free() -> u16 {
    let start = std::process::id().wrapping_mul(211);
    let start = u16::try_from(start % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let offset = (u32::from(start) + u32::from(step)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

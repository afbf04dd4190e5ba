//! What is done with an open file of the log, as a seam: tests put faults in between.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};

/// What is done with an open file.
pub(super) trait Segment: fmt::Debug + Send {
    /// Writes all of `bytes` at the end, or an unknown part of them.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to `length`.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Returns when everything is durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl Segment for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Makes segments of files.
pub(super) trait Disk: fmt::Debug + Send {
    /// Holds an open file.
    fn hold(&self, file: File) -> Box<dyn Segment>;
}

/// The disk as it is.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn hold(&self, file: File) -> Box<dyn Segment> {
        Box::new(file)
    }
}

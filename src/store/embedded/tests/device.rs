//! A disk in memory that keeps a journal of everything done to it, from which the state after a power
//! cut at any point can be made, and that can be told to fail.
//!
//! What was written since the last sync may be there or not after a cut, sector by sector; so may a
//! change of the file's length. What was written before it is there.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

pub(super) const SECTOR: usize = 512;

/// What was done to the disk, or promised because of it.
#[derive(Clone, Debug)]
pub(super) enum Event<Fact> {
    Write(usize, Vec<u8>),
    SetLen(usize),
    Sync,
    /// Somebody was told that this is durable.
    Promise(Fact),
}

/// What fails from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    Nothing,
    /// The sync after so many good ones, and all that follow.
    Sync(usize),
    /// The same, for want of space: some file systems find that out as late as this.
    FullSync(usize),
    /// The write or change of length after so many good ones, and all that follow.
    Write(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Device<Fact = super::power::Fact>(Arc<Mutex<Inner<Fact>>>);

#[derive(Debug)]
struct Inner<Fact> {
    bytes: Vec<u8>,
    /// The state that the journal begins with.
    origin: Vec<u8>,
    journal: Vec<Event<Fact>>,
    fault: Fault,
}

impl<Fact> Default for Device<Fact> {
    fn default() -> Self {
        Self::holding(Vec::new())
    }
}

impl<Fact> Device<Fact> {
    /// A disk that holds `bytes`, all of them safe.
    pub(super) fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            origin: bytes.clone(),
            bytes,
            journal: Vec::new(),
            fault: Fault::Nothing,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<Fact>> {
        self.0.lock().unwrap()
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    pub(super) fn promise(&self, fact: Fact) {
        self.lock().journal.push(Event::Promise(fact));
    }

    /// Everything on it, safe or not.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// The safe bytes at the beginning of the journal, and the journal.
    pub(super) fn history(&self) -> (Vec<u8>, Vec<Event<Fact>>)
    where
        Fact: Clone,
    {
        let inner = self.lock();
        (inner.origin.clone(), inner.journal.clone())
    }
}

impl<Fact> Inner<Fact> {
    /// Counts a write against the fault.
    fn write_due(&mut self) -> io::Result<()> {
        match &mut self.fault {
            Fault::Write(0) => Err(io::Error::from_raw_os_error(nix::libc::ENOSPC)),
            Fault::Write(left) => {
                *left -= 1;
                Ok(())
            }
            Fault::Nothing | Fault::Sync(_) | Fault::FullSync(_) => Ok(()),
        }
    }
}

pub(super) fn write_at(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

/// The disk after a power cut before the last of `events` was safe. `survives` is asked for each sector
/// and each change of length since the last sync.
pub(super) fn after_cut<Fact>(
    origin: &[u8],
    events: &[Event<Fact>],
    mut survives: impl FnMut() -> bool,
) -> Vec<u8> {
    let is_sync = |event: &Event<Fact>| matches!(event, Event::Sync);
    let safe = events
        .iter()
        .rposition(is_sync)
        .map_or(0, |index| index + 1);
    let mut bytes = origin.to_vec();
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Write(offset, data) if index < safe => write_at(&mut bytes, *offset, data),
            Event::Write(offset, data) => {
                let mut at = *offset;
                let mut rest = &data[..];
                while !rest.is_empty() {
                    let (sector, tail) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                    if survives() {
                        write_at(&mut bytes, at, sector);
                    }
                    at += sector.len();
                    rest = tail;
                }
            }
            Event::SetLen(len) => {
                if index < safe || survives() {
                    bytes.resize(*len, 0);
                }
            }
            Event::Sync | Event::Promise(_) => {}
        }
    }
    bytes
}

impl<Fact: std::fmt::Debug + Send + 'static> StorageBackend for Device<Fact> {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.lock().bytes.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let inner = self.lock();
        let found = inner.bytes.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        let mut inner = self.lock();
        inner.write_due()?;
        inner.bytes.resize(len, 0);
        inner.journal.push(Event::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.lock();
        match &mut inner.fault {
            // As with a real disk, nothing says what of the pages was written.
            Fault::Sync(0) => return Err(io::Error::from_raw_os_error(nix::libc::EIO)),
            Fault::FullSync(0) => return Err(io::Error::from_raw_os_error(nix::libc::ENOSPC)),
            Fault::Sync(left) | Fault::FullSync(left) => *left -= 1,
            Fault::Nothing | Fault::Write(_) => {}
        }
        inner.journal.push(Event::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let mut inner = self.lock();
        inner.write_due()?;
        write_at(&mut inner.bytes, offset, data);
        inner.journal.push(Event::Write(offset, data.to_vec()));
        Ok(())
    }
}

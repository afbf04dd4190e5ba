//! A machine with one directory: files and names, each as processes see them and as the disk has them.
//!
//! A process can be killed between any two calls: what it wrote stays visible. The power can be cut at any
//! point of the history: then of each file only what was synced is certain, of names only what was there at
//! the last sync of the directory, and of everything since then any part may have come to the disk. After a
//! failed sync nobody writes the pages concerned any more: they stay visible, look clean, and later
//! syncs say that all is well. Nothing here knows what is in the files.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::super::super::calls::journal::Call;
use super::device::{SECTOR, write_at};
use super::power::Fact;

/// A file, whatever its name; the number counts from the first.
type Number = usize;
/// Names that change together.
type Names = Vec<(String, Option<Number>)>;

#[derive(Clone, Debug)]
pub(super) enum Event {
    Make(Number),
    Write(Number, usize, Vec<u8>),
    SetLen(Number, usize),
    Sync(Number),
    /// The sync failed: what was not on the disk yet will never be written.
    FailedSync(Number),
    Names(Names),
    SyncNames,
    /// Somebody was told that this is durable.
    Promise(Fact),
}

#[derive(Clone, Debug)]
pub(super) struct Machine(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// What processes see.
    files: Vec<Vec<u8>>,
    names: BTreeMap<String, Number>,
    history: Vec<Event>,
    /// Events until the machine was as it was made.
    begun: usize,
    /// Calls until the process is killed.
    left: usize,
    /// Good syncs until one fails.
    good_syncs: usize,
}

/// A file of the machine that a database lies on.
#[derive(Debug)]
pub(super) struct Opened(Machine, Number);

impl Machine {
    /// A machine that holds these files, all of them safe.
    pub(super) fn holding(files: BTreeMap<String, Vec<u8>>) -> Self {
        let mut history = Vec::new();
        let mut names = BTreeMap::new();
        for (number, (name, bytes)) in files.iter().enumerate() {
            history.push(Event::Make(number));
            history.push(Event::Write(number, 0, bytes.clone()));
            history.push(Event::Sync(number));
            history.push(Event::Names(vec![(name.clone(), Some(number))]));
            names.insert(name.clone(), number);
        }
        history.push(Event::SyncNames);
        Self(Arc::new(Mutex::new(Inner {
            files: files.into_values().collect(),
            names,
            begun: history.len(),
            history,
            left: 0,
            good_syncs: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A new process, which will be killed after so many calls and whose syncs fail after so many good ones.
    pub(super) fn begin_process(&self, left: usize, good_syncs: usize) {
        let mut inner = self.lock();
        (inner.left, inner.good_syncs) = (left, good_syncs);
    }

    /// Whether the process has not been killed yet.
    pub(super) fn is_alive(&self) -> bool {
        self.lock().left > 0
    }

    /// Takes down what somebody was told, unless the process was dead before it could say it.
    pub(super) fn promise(&self, fact: Fact) {
        if self.is_alive() {
            self.lock().history.push(Event::Promise(fact));
        }
    }

    /// The files as processes see them.
    pub(super) fn seen(&self) -> BTreeMap<String, Vec<u8>> {
        let inner = self.lock();
        let names = inner.names.iter();
        names
            .map(|(name, number)| (name.clone(), inner.files[*number].clone()))
            .collect()
    }

    /// Opens the file that has this name now.
    pub(super) fn open(&self, name: &str) -> Opened {
        let number = self.lock().names[name];
        Opened(self.clone(), number)
    }

    /// The number of events that made the machine.
    pub(super) fn begun(&self) -> usize {
        self.lock().begun
    }

    /// How the machine was made, and all that happened since.
    pub(super) fn history(&self) -> Vec<Event> {
        self.lock().history.clone()
    }

    /// Makes a call that a real process made; an error is the end of it.
    pub(super) fn make(&self, call: &Call) -> io::Result<()> {
        let mut inner = self.lock();
        let newest = inner.files.len();
        let last = newest.checked_sub(1).unwrap();
        match call {
            Call::Create(path) => {
                inner.files.push(Vec::new());
                inner.did(Event::Make(newest))?;
                inner.change_names(vec![(file_name(path), Some(newest))])
            }
            Call::Write(bytes) => inner.did(Event::Write(last, 0, bytes.clone())),
            Call::Sync() => inner.sync(last),
            Call::Rename(from, to) => {
                let number = inner.names[&file_name(from)];
                inner.change_names(vec![(file_name(from), None), (file_name(to), Some(number))])
            }
            Call::Remove(path) => inner.change_names(vec![(file_name(path), None)]),
            Call::SyncNames() => inner.did(Event::SyncNames),
        }
    }
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

impl Inner {
    /// One call of the process, if it lives to make it.
    fn did(&mut self, event: Event) -> io::Result<()> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Err(io::Error::other("killed"));
        }
        match &event {
            Event::Write(number, offset, data) => {
                write_at(&mut self.files[*number], *offset, data);
            }
            Event::SetLen(number, len) => self.files[*number].resize(*len, 0),
            Event::Names(changes) => {
                for (name, number) in changes {
                    match number {
                        Some(number) => self.names.insert(name.clone(), *number),
                        None => self.names.remove(name),
                    };
                }
            }
            Event::FailedSync(_)
            | Event::Make(_)
            | Event::Promise(_)
            | Event::Sync(_)
            | Event::SyncNames => {}
        }
        self.history.push(event);
        Ok(())
    }

    fn change_names(&mut self, changes: Names) -> io::Result<()> {
        self.did(Event::Names(changes))
    }

    fn sync(&mut self, number: Number) -> io::Result<()> {
        if self.good_syncs == 0 {
            self.did(Event::FailedSync(number))?;
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        self.good_syncs -= 1;
        self.did(Event::Sync(number))
    }
}

impl StorageBackend for Opened {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.0.lock().files[self.1].len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let inner = self.0.lock();
        let found = inner.files[self.1].get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.0.lock().did(Event::SetLen(self.1, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.lock().sync(self.1)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let event = Event::Write(self.1, offset, data.to_vec());
        self.0.lock().did(event)
    }
}

/// A file on its way to the disk.
#[derive(Default)]
struct OnDisk {
    safe: Vec<u8>,
    /// Since the last sync.
    pending: Vec<Event>,
}

impl OnDisk {
    /// Brings what is pending to the disk, each sector and each change of length if `survives` says so.
    fn settle(&mut self, survives: &mut impl FnMut() -> bool) {
        for event in self.pending.drain(..) {
            match event {
                Event::Write(_, offset, data) => {
                    let mut at = offset;
                    let mut rest = &data[..];
                    while !rest.is_empty() {
                        let (sector, tail) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                        if survives() {
                            write_at(&mut self.safe, at, sector);
                        }
                        at += sector.len();
                        rest = tail;
                    }
                }
                Event::SetLen(_, len) => {
                    if survives() {
                        self.safe.resize(len, 0);
                    }
                }
                Event::FailedSync(_)
                | Event::Make(_)
                | Event::Names(_)
                | Event::Promise(_)
                | Event::Sync(_)
                | Event::SyncNames => {}
            }
        }
    }
}

/// The files that are there when power comes back, if it was cut after these events. `survives` is asked for
/// each sector, change of length and change of names that was not certain to be on the disk.
pub(super) fn after_cut(
    history: &[Event],
    mut survives: impl FnMut() -> bool,
) -> BTreeMap<String, Vec<u8>> {
    let mut files: Vec<OnDisk> = Vec::new();
    let mut names = BTreeMap::new();
    let mut renamed: Vec<Names> = Vec::new();
    let apply = |names: &mut BTreeMap<String, Number>, changes: Names| {
        for (name, number) in changes {
            match number {
                Some(number) => names.insert(name, number),
                None => names.remove(&name),
            };
        }
    };
    for event in history {
        match event {
            Event::Make(number) => files.resize_with(number + 1, OnDisk::default),
            Event::Write(number, ..) | Event::SetLen(number, _) => {
                files[*number].pending.push(event.clone());
            }
            Event::Sync(number) => files[*number].settle(&mut || true),
            Event::FailedSync(number) => files[*number].settle(&mut survives),
            Event::Names(changes) => renamed.push(changes.clone()),
            Event::SyncNames => {
                for changes in renamed.drain(..) {
                    apply(&mut names, changes);
                }
            }
            Event::Promise(_) => {}
        }
    }
    for changes in renamed {
        if survives() {
            apply(&mut names, changes);
        }
    }
    for file in &mut files {
        file.settle(&mut survives);
    }
    let bytes = |number: Number| std::mem::take(&mut files[number].safe);
    let mut bytes = bytes;
    names
        .into_iter()
        .map(|(name, number)| (name, bytes(number)))
        .collect()
}

//! A configuration that follows its files.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::Expiry;

/// A configuration as it was made, with the expiry of what it shows to the other side.
pub(super) struct Made<C> {
    pub(super) config: C,
    pub(super) expiry: Option<Expiry>,
}

type Make<C> = Box<dyn Fn() -> Result<Made<C>, String> + Send + Sync>;

struct State<C> {
    config: Option<Arc<C>>,
    expiry: Option<Expiry>,
    trouble: Option<String>,
}

/// What can be told of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What it is for, such as `listen.tls`.
    pub what: String,
    /// Its certificate's end, if it has one.
    pub expiry: Option<Expiry>,
    /// Why what is on the disk now cannot be used.
    pub trouble: Option<String>,
    /// Whether there is a sound configuration all the same.
    pub usable: bool,
}

/// A configuration of type `C` made of files.
pub struct Kept<C> {
    what: String,
    files: Vec<PathBuf>,
    make: Make<C>,
    state: ArcSwap<State<C>>,
    /// Of the files' contents, to see changes by.
    seen: Mutex<u64>,
    /// Counts the configurations, for those who wait for the next.
    made: watch::Sender<u64>,
}

impl<C> fmt::Debug for Kept<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("what", &self.what)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<C> Kept<C> {
    /// Made of `files` by `make`, for the first time now.
    pub(super) fn new(
        what: String,
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<Made<C>, String> + Send + Sync + 'static,
    ) -> Self {
        let kept = Self {
            what,
            seen: Mutex::new(contents(&files)),
            files,
            state: ArcSwap::from_pointee(State {
                config: None,
                expiry: None,
                trouble: None,
            }),
            make: Box::new(make),
            made: watch::Sender::new(0),
        };
        kept.remake();
        kept
    }

    /// The configuration to use now.
    ///
    /// # Errors
    /// Why there has never been a sound one.
    pub fn config(&self) -> Result<Arc<C>, String> {
        let state = self.state.load();
        match (&state.config, &state.trouble) {
            (Some(config), _) => Ok(Arc::clone(config)),
            (None, trouble) => Err(trouble.clone().unwrap_or_default()),
        }
    }

    /// Looks at the files, and makes the configuration anew if one has changed. Reads files: not on an async
    /// thread. The change is logged.
    pub fn refresh(&self) {
        let now = contents(&self.files);
        let before = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, now)
        };
        if before == now {
            return;
        }
        match self.remake() {
            None => tracing::info!(what = self.what, "certificates replaced"),
            Some(trouble) => {
                tracing::error!(
                    what = self.what,
                    trouble,
                    "new certificates cannot be used; the old ones stay"
                );
            }
        }
    }

    /// What can be told of it.
    pub fn view(&self) -> View {
        let state = self.state.load();
        View {
            what: self.what.clone(),
            expiry: state.expiry.clone(),
            trouble: state.trouble.clone(),
            usable: state.config.is_some(),
        }
    }

    /// Counts the configurations.
    pub(super) fn generation(&self) -> u64 {
        *self.made.borrow()
    }

    /// Tells of every configuration after the present one.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.made.subscribe()
    }

    /// Makes it; the trouble if it cannot be made.
    fn remake(&self) -> Option<String> {
        let made = (self.make)();
        let old = self.state.load();
        let (state, trouble) = match made {
            Ok(made) => {
                let state = State {
                    config: Some(Arc::new(made.config)),
                    expiry: made.expiry,
                    trouble: None,
                };
                (state, None)
            }
            Err(trouble) => {
                let state = State {
                    config: old.config.clone(),
                    expiry: old.expiry.clone(),
                    trouble: Some(trouble.clone()),
                };
                (state, Some(trouble))
            }
        };
        self.state.store(Arc::new(state));
        if trouble.is_none() {
            self.made.send_modify(|made| *made = made.wrapping_add(1));
        }
        trouble
    }
}

/// A number for what is in the files; the same for the same contents.
fn contents(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let read = std::fs::read(file).map(zeroize::Zeroizing::new);
        read.ok().as_deref().hash(&mut hasher);
    }
    hasher.finish()
}

//! The switches that make the signer misbehave, and the one place where their current setting lives.
//!
//! Plain data: what each switch does to a request is decided in `signing` and `service`. Invariant: a
//! setting never holds `times = 0`; it is turned into "no signing fault" the moment it is made.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Newest `version` of the signing protocol that the signer knows.
pub const NEWEST_VERSION: u8 = 3;

/// Which requests a connection fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// None: the fault is off.
    #[default]
    None,
    /// Sign requests only.
    Sign,
    /// Every request.
    All,
}

/// The fault switches. The default is a healthy signer.
///
/// As JSON every field may be left out and an unknown one is refused.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each set by its own name on the command line and in JSON"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Faults")]
pub struct Faults {
    /// Milliseconds that each signature takes longer
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub latency_ms: u64,
    /// Milliseconds that every other answer takes longer
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub get_latency_ms: u64,
    /// Accept requests and never answer them
    #[arg(long, value_enum, default_value_t = Scope::None, value_name = "SCOPE")]
    pub stall: Scope,
    /// Reset the connection instead of answering
    #[arg(long, value_enum, default_value_t = Scope::None, value_name = "SCOPE")]
    pub reset: Scope,
    /// Sign, then reset the connection instead of answering
    #[arg(long)]
    pub sign_then_reset: bool,
    /// Answer sign requests with status 500 and sign nothing
    #[arg(long)]
    pub status500: bool,
    /// Sign, then answer 200 with a body that is not JSON
    #[arg(long)]
    pub garbage: bool,
    /// Answer with a well-formed signature made by another key
    #[arg(long)]
    pub wrong_signature: bool,
    /// Sign, then send half of the answer and close
    #[arg(long)]
    pub truncate: bool,
    /// Sign one thing at a time, over all keys
    #[arg(long)]
    pub serial: bool,
    /// Refuse bytes that were signed before, as a Ledger does
    #[arg(long)]
    pub refuse_repeats: bool,
    /// Keep one position over all kinds, as a Ledger does
    #[arg(long)]
    pub shared_watermark: bool,
    /// Make ECDSA signatures with a fresh nonce each time
    #[arg(long)]
    pub random_nonce: bool,
    /// Sign anything again, whatever was signed before
    #[arg(long)]
    pub no_watermark: bool,
    /// Ask for an authentication by one of the authorized keys
    #[arg(long)]
    pub demand_authentication: bool,
    /// Newest `version` argument that is understood; 2 is an octez-signer 24
    #[arg(long, default_value_t = NEWEST_VERSION, value_name = "N",
          value_parser = clap::value_parser!(u8).range(0..=i64::from(NEWEST_VERSION)))]
    pub max_version: u8,
    /// Show the public key of another key
    #[arg(long)]
    pub wrong_public_key: bool,
    /// Let the faults of signing act on the next N sign requests only
    ///
    /// They are: latency-ms, stall, reset, sign-then-reset, status500, garbage, wrong-signature and
    /// truncate.
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            get_latency_ms: 0,
            stall: Scope::None,
            reset: Scope::None,
            sign_then_reset: false,
            status500: false,
            garbage: false,
            wrong_signature: false,
            truncate: false,
            serial: false,
            refuse_repeats: false,
            shared_watermark: false,
            random_nonce: false,
            no_watermark: false,
            demand_authentication: false,
            max_version: NEWEST_VERSION,
            wrong_public_key: false,
            times: None,
        }
    }
}

/// Why a change of the switches was refused.
#[derive(Debug, thiserror::Error)]
pub enum FaultsError {
    /// The text is not JSON, or names a switch that does not exist, or gives it a wrong value.
    #[error("cannot read the faults: {0}")]
    Malformed(serde_json::Error),
    /// The text is JSON but no object.
    #[error("faults are changed by a JSON object")]
    NotAnObject,
    /// `max_version` is past what exists.
    #[error("max_version {0} is above {NEWEST_VERSION}")]
    Version(u8),
}

impl Faults {
    /// These switches with the fields that the JSON object `change` names set to its values.
    ///
    /// # Errors
    /// When `change` is not an object of known switches with values in range.
    pub fn changed(&self, change: &[u8]) -> Result<Self, FaultsError> {
        let change: Value = serde_json::from_slice(change).map_err(FaultsError::Malformed)?;
        let Value::Object(change) = change else {
            return Err(FaultsError::NotAnObject);
        };
        let mut whole = serde_json::to_value(self).map_err(FaultsError::Malformed)?;
        let Some(fields) = whole.as_object_mut() else {
            return Err(FaultsError::NotAnObject);
        };
        fields.extend(change);
        let faults: Self = serde_json::from_value(whole).map_err(FaultsError::Malformed)?;
        if faults.max_version > NEWEST_VERSION {
            return Err(FaultsError::Version(faults.max_version));
        }
        Ok(faults.normal())
    }

    /// Turns off what `times` limits.
    fn without_signing_faults(self) -> Self {
        Self {
            latency_ms: 0,
            stall: Scope::None,
            reset: Scope::None,
            sign_then_reset: false,
            status500: false,
            garbage: false,
            wrong_signature: false,
            truncate: false,
            times: None,
            ..self
        }
    }

    fn normal(self) -> Self {
        if self.times == Some(0) {
            self.without_signing_faults()
        } else {
            self
        }
    }
}

/// The current setting, shared by all connections and the control port.
#[derive(Debug)]
pub(super) struct Switches {
    current: Mutex<Faults>,
}

impl Switches {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            current: Mutex::new(faults.normal()),
        }
    }

    pub(super) fn current(&self) -> Faults {
        self.lock().clone()
    }

    pub(super) fn set(&self, faults: Faults) {
        *self.lock() = faults.normal();
    }

    /// Changes the switches that `change` names, atomically.
    pub(super) fn change(&self, change: &[u8]) -> Result<Faults, FaultsError> {
        let mut current = self.lock();
        *current = current.changed(change)?;
        Ok(current.clone())
    }

    /// The setting for one sign request, counted against `times`.
    pub(super) fn take(&self) -> Faults {
        let mut current = self.lock();
        let now = current.clone();
        if let Some(left) = now.times {
            *current = Faults {
                times: Some(left.saturating_sub(1)),
                ..now.clone()
            }
            .normal();
        }
        now
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        // Nothing panics while the lock is held, so a poisoned value is still whole.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

//! Where something can go wrong, and what was wrong there and when.

use crate::harness::timeline;

use super::plan::Fault;

/// All troubles of a run.
pub(super) type Timeline = timeline::Timeline<Place, Fault>;

/// Where something can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A signer, whatever leads to it.
    Device(usize),
    /// A tunnel to a signer.
    Path(usize, usize),
    /// Where all tunnels end; its faults are those of every path.
    Server,
}

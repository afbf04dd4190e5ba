//! Tezos vocabulary: keys, signatures, payloads, routes and wire bodies. Pure; no I/O, no clock.

use std::fmt;

/// Stand-in while the vocabulary is written.
macro_rules! later { ($($n:ident),*) => { $(
    /// To be written.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)] pub struct $n;
    impl fmt::Display for $n { fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result { Ok(()) } }
)* } }
later!(ChainId, ConsensusKind, PublicKey, PublicKeyHash);

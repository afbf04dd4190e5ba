//! The real guard and store against a model of a few rules, through any sequence of claims, signatures,
//! changes, restarts, crashes, power cuts, failed syncs and full disks.
//!
//! `scripts/reference-test` tries a million cases.

mod asks;
mod model;
mod system;
mod worlds;

use proptest::prelude::*;
use proptest_state_machine::prop_state_machine;

use crate::fixture::cases;

use system::System;

/// On a disk in memory that fails.
type Troubled = System<true>;
/// On files.
type Calm = System<false>;

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: cases(10_000), max_local_rejects: u32::MAX, ..ProptestConfig::default() })]

    #[test]
    fn guard_and_store_do_what_the_reference_says_whatever_breaks(sequential 1..16 => Troubled);
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: cases(10_000) / 40, max_local_rejects: u32::MAX, ..ProptestConfig::default() })]

    #[test]
    fn guard_and_store_do_on_files_what_the_reference_says(sequential 1..16 => Calm);
}

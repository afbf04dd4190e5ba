//! The protocol as a model, explored exhaustively: all orders of all steps, messages, crashes and faults within
//! its bounds. `holds` shows that no rule is ever broken, `bugs` that each seeded bug breaks the rule it must
//! break, `limits` what nobody should expect. `cargo test --test model -- --nocapture` prints the number of
//! states, and of every bug the shortest way to a broken rule.
//!
//! # What is modelled
//!
//! - Two bakers that want different payloads for each position, ask in any order, and repeat for ever.
//! - Two or three replicas over a store that is linearizable; a transaction takes effect at one instant, its
//!   answer may be lost, and copies of it may take effect at any later time. Or one process with two requests at
//!   a time over a file: a write shows in the page cache, and is durable only after a sync; pages are written
//!   early by chance; syncs fail and leave pages that look clean; kills keep the cache, power cuts lose it; a
//!   start copies the file, and so does a process that goes on after a full disk.
//! - The same replicas over etcd, in the steps of `src/etcd`: each decides on what it knows of every key, which is
//!   old by any amount, and makes a transaction that compares the revisions of what decides. One that fails brings
//!   back what is there; an answer may be lost; a copy of a transaction may come at any time, and often. Seals,
//!   stops, halts and raises come between a decision and its transaction.
//! - Clusters of etcd that go back to a copy, with a revision that is lower or not or with another id, or that are
//!   emptied and given floors anew; others write to them until nothing shows, and copies of claims come there late.
//!   Replicas hold what they read against every row that they know, and start anew with what they noted (floors, the
//!   last signature, what never ends, doubts that are kept), or without it.
//! - Two signers that replay, refuse or sign again what is below their own watermark, with or without one, and
//!   lose it. Each signature has a fresh nonce.
//! - A network from which no message is ever taken: each arrives late, twice, out of order or never, and a
//!   signature may come to any request. So "lost" and "delayed for an hour" need no step of their own.
//! - A crash of a replica between any two steps. A pause is an order in which others move first.
//! - Operators who raise floors, set first ones, restore copies of the store, and accept them beside a witness.
//!
//! # What is the program's own
//!
//! `decision` asks the program's `guard::Book` for every claim, record, raise and pruning. The rest is written
//! here: the order of the steps (`step`), the store (`shared`, `embedded`, `etcd`), what of a store in etcd is known
//! (`knowledge`) and believed (`belief`), the faults (`operator`, `cluster`). The rules (`audit`,
//! `progress`) look at the world from outside and know nothing of seeded bugs.
//!
//! # What is left out, and why nothing is lost by it
//!
//! - Payloads are letters: that bytes are read as the chain reads them is for the tests of the parser.
//! - One chain, key and kind: streams share nothing in a book but stops, halts and seals, which only take a yes
//!   away. Those are asked over etcd alone; the far-future limit and the clock are not modelled.
//! - A transaction of etcd that is long under way: decision and transaction are one step, and the knowledge of the
//!   decision is as old as it likes. What its replica learns meanwhile changes nothing of it.
//! - Signs of life: they change no key, and raise the revision, which tells something only where a cluster went
//!   back. There it is raised by a step of its own, or at the restore.
//! - The moment until the witness is written: it is noted at once, except where that is what is asked about.
//! - Accepting over etcd: a replica that has kept its doubt never claims again here.
//! - Answers of a member that lags: whatever is asked of etcd writes, so no member answers by itself. A bug takes
//!   such an answer for a permit.
//! - The wait for the signature of another replica, which only puts off a permit; and changes of more keys than etcd
//!   takes at once, which are several transactions like these.
//! - A batch of one commit: nobody is answered before the sync, so commits that share one look like commits one
//!   after the other.
//! - Torn pages and damaged files: the store's own tests cut power at every write; here a commit is whole or not.
//! - Replays from the memory of a replica over a shared store: a recorded signature never changes, so memory
//!   gives what the store would give. Equal requests that share an operation are one request here, and bakers
//!   that are answered together get the same signature.
//! - Deadlines: giving up leaves what a crash leaves, and can happen at any moment.
//!
//! # Why the bounds suffice
//!
//! Every rule speaks of one slot, of two payloads or two signatures of it, and of what another position does to
//! it. Two payloads, two signatures and two positions in each of the three relations (next round, next
//! level, far enough to prune) are what a shortest violation needs; all three positions together show that a chain
//! of floors adds nothing. Requests of replicas beyond the second are present as transactions that nobody
//! hears of, at any time. Over etcd a comparison fails or holds: knowledge of a key matters as the present one or as
//! some earlier one, and one slot has three of them, which two replicas show in all pairs and a third one adds
//! nothing to. One late copy at a time is enough, because a copy that did nothing leaves nothing.
//! `scripts/model` explores the next size up.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]
#![allow(
    clippy::unnecessary_wraps,
    reason = "all steps look alike: an event, or nothing where the step cannot be made"
)]

#[path = "model/action.rs"]
mod action;
#[path = "model/audit.rs"]
mod audit;
#[path = "model/belief.rs"]
mod belief;
#[path = "model/bugs.rs"]
mod bugs;
#[path = "model/claims.rs"]
mod claims;
#[path = "model/cluster.rs"]
mod cluster;
#[path = "model/decision.rs"]
mod decision;
#[path = "model/embedded.rs"]
mod embedded;
#[path = "model/etcd.rs"]
mod etcd;
#[path = "model/etcd_bugs.rs"]
mod etcd_bugs;
#[path = "model/etcd_holds.rs"]
mod etcd_holds;
#[path = "model/etcd_situations.rs"]
mod etcd_situations;
#[path = "model/holds.rs"]
mod holds;
#[path = "model/knowledge.rs"]
mod knowledge;
#[path = "model/limits.rs"]
mod limits;
#[path = "model/operator.rs"]
mod operator;
#[path = "model/progress.rs"]
mod progress;
#[path = "model/run.rs"]
mod run;
#[path = "model/setup.rs"]
mod setup;
#[path = "model/shared.rs"]
mod shared;
#[path = "model/situations.rs"]
mod situations;
#[path = "model/step.rs"]
mod step;
#[path = "model/words.rs"]
mod words;
#[path = "model/world.rs"]
mod world;

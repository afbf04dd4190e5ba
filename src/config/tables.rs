//! The document's tables in the order of the documentation: key names, ranges and defaults.
//!
//! Rules that concern more than one table are in `check`; keys and signers have modules of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::check::{self, Listeners};
use super::reader::Located;
use super::table::Table;
use super::{keys, listen, signers, store, url};
use crate::settings::{Admin, Chain, Deadline, Guard, Node, Probe, Settings, SignerUrl, State};
use crate::tezos::{ChainId, VoteLayout};

/// File name of the control socket in the state directory.
const CONTROL_SOCKET: &str = "control.sock";

/// Length of round 0 on mainnet.
const DEFAULT_BLOCK_TIME: Duration = Duration::from_secs(6);
/// From sandboxes of one second to chains slower than any that exist.
const BLOCK_TIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(10);
/// What each further round adds on mainnet.
const DEFAULT_ROUND_INCREMENT: Duration = Duration::from_secs(3);
/// Zero is a chain whose rounds are all equally long.
const ROUND_INCREMENT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(10);

/// Levels above the highest claim that are allowed at once.
const DEFAULT_LEVEL_GAP: u32 = 1000;
/// Any byte.
const VOTE_TAG: RangeInclusive<u8> = 0..=255;
/// Behind the tag, and near: the level is among the first fields of a vote.
const LEVEL_OFFSET: RangeInclusive<usize> = 38..=128;
/// Levels are signed 32-bit integers on the wire.
const LEVEL_GAP: RangeInclusive<u32> = 1..=2_147_483_647;

/// Operations are not bound to a slot; a Ledger waits for its owner to press a button.
const DEFAULT_OTHER_DEADLINE: Duration = Duration::from_secs(30);
/// Shorter than any device answers, up to longer than any baker waits.
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(5);

/// Two misses eject a path, so this finds a dead one within about a second.
const DEFAULT_PROBE_PERIOD: Duration = Duration::from_millis(500);
/// Below, probes would be load; above, a dead path would be found by a lost block.
const PROBE_PERIOD: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_mins(1);
/// A round trip around the world with room to spare.
const DEFAULT_PROBE_TIMEOUT: Duration = Duration::from_millis(400);
/// The least is what a timer resolves.
const PROBE_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(10);

/// Reads the whole document. Settings are complete only when no finding was noted.
pub(super) fn document(root: &mut Table<'_, '_>) -> Settings {
    let (listen, doors) = root.table("listen", listen::listen);
    let (admin, admin_listen, socket) = root.table("admin", listen::admin);
    let limits = root.table("limits", listen::limits);
    let state = root.table("state", state);
    let socket = socket
        .unwrap_or_else(|| root.default("admin.socket", state.directory.join(CONTROL_SOCKET)));
    let store = root.table("store", store::store);
    let mut targets = Vec::new();
    let node = root.table("node", |table| node(table, &mut targets));
    let chains = chains(root);
    let guard = root.table("guard", guard);
    let deadline = root.table("deadline", deadline);
    let auth = root.table("auth", keys::auth);
    let keys = keys::keys(root);
    let signers = signers::signers(root, &mut targets);
    let probe = root.table("probe", probe);
    let settings = Settings {
        listen,
        admin: Admin {
            socket: socket.value.clone(),
            ..admin
        },
        state,
        store,
        node,
        chains,
        guard,
        deadline,
        auth,
        limits,
        keys,
        signers,
        probe,
        config_hash: String::new(),
    };
    let listeners = Listeners {
        admin: admin_listen,
        socket,
        doors,
    };
    check::document(root.reader, &settings, &listeners, &targets);
    settings
}

/// `[state]`
fn state(table: &mut Table<'_, '_>) -> State {
    table.require("directory", "name the directory for durable state");
    let directory = path(table, "directory", "the state directory");
    if let Some(directory) = directory.as_ref().filter(|at| at.value.is_relative()) {
        table.reader.warn(
            &directory.place,
            "is relative: from another working directory it is another state",
            "write an absolute path",
        );
    }
    let witness = path(table, "witness", "the witness file");
    if let (Some(directory), Some(witness)) = (&directory, &witness)
        && witness.value.starts_with(&directory.value)
    {
        table.reader.complain(
            &witness.place,
            "is in the state directory, and would go back together with it",
            "name a file on another volume",
        );
    }
    State {
        directory: directory.map(|at| at.value).unwrap_or_default(),
        lineage: table.label("lineage").map(|at| at.value),
        witness: witness.map(|at| at.value),
    }
}

/// `[node]`
fn node(table: &mut Table<'_, '_>, targets: &mut Vec<Located<SignerUrl>>) -> Option<Node> {
    if table.is_given() {
        table.require(
            "url",
            "write the node's address, such as \"http://127.0.0.1:8732\"",
        );
    }
    let url = table.url("url", "leave it out: only scheme, host and port are needed")?;
    if !url.value.is_http() || url.value.socket().is_some() {
        table.reader.complain(
            &url.place,
            "a node is reached over http:// or https:// only",
            "use http:// or https://",
        );
        return None;
    }
    targets.push(url.clone());
    Some(Node { url: url.value })
}

/// Every `[[chain]]`; mainnet alone when there is none.
fn chains(root: &mut Table<'_, '_>) -> Vec<Chain> {
    let mut lines = BTreeMap::new();
    let chains = root.tables("chain", |table, _| chain(table, &mut lines));
    if chains.is_empty() {
        return vec![Chain {
            id: ChainId::MAINNET,
            block_time: DEFAULT_BLOCK_TIME,
            round_increment: DEFAULT_ROUND_INCREMENT,
        }];
    }
    chains.into_iter().flatten().collect()
}

fn chain(table: &mut Table<'_, '_>, seen: &mut BTreeMap<ChainId, String>) -> Option<Chain> {
    table.require(
        "id",
        "write the chain's id, such as \"NetXdQprcVkpaWU\" for mainnet",
    );
    let id = table.base58::<ChainId>("id", "write a chain id, such as \"NetXdQprcVkpaWU\"");
    let block_time = table.duration("block-time", &BLOCK_TIME);
    let round_increment = table.duration("round-increment", &ROUND_INCREMENT);
    let id = id?;
    table.unique(seen, &id, "write one [[chain]] for it");
    Some(Chain {
        id: id.value,
        block_time: block_time.map_or(DEFAULT_BLOCK_TIME, |at| at.value),
        round_increment: round_increment.map_or(DEFAULT_ROUND_INCREMENT, |at| at.value),
    })
}

/// `[guard]`
fn guard(table: &mut Table<'_, '_>) -> Guard {
    let level_gap = table.integer("level-gap", &LEVEL_GAP);
    let two_bakers = table.boolean("two-bakers").is_some_and(|yes| yes.value);
    let mut seen = BTreeMap::new();
    let layouts = table.tables("vote-layout", |table, _| vote_layout(table, &mut seen));
    Guard {
        vote_layouts: layouts.into_iter().flatten().collect(),
        level_gap: level_gap.map_or(DEFAULT_LEVEL_GAP, |at| at.value),
        two_bakers,
    }
}

/// `[[guard.vote-layout]]`
fn vote_layout(table: &mut Table<'_, '_>, seen: &mut BTreeMap<u8, String>) -> Option<VoteLayout> {
    table.require("tag", "write the byte at offset 37 of such a vote");
    table.require(
        "level-offset",
        "write where the level begins, counted from the first byte",
    );
    let tag = table.integer("tag", &VOTE_TAG);
    let level_offset = table.integer("level-offset", &LEVEL_OFFSET);
    let (tag, level_offset) = (tag?, level_offset?.value);
    table.unique(seen, &tag, "write one [[guard.vote-layout]] for it");
    Some(VoteLayout {
        tag: tag.value,
        level_offset,
    })
}

/// `[deadline]`
fn deadline(table: &mut Table<'_, '_>) -> Deadline {
    let consensus = table.duration("consensus", &DEADLINE);
    let other = table.duration("other", &DEADLINE);
    Deadline {
        consensus: consensus.map(|at| at.value),
        other: other.map_or(DEFAULT_OTHER_DEADLINE, |at| at.value),
    }
}

/// `[probe]`
fn probe(table: &mut Table<'_, '_>) -> Probe {
    let period = table.duration("period", &PROBE_PERIOD);
    let timeout = table.duration("timeout", &PROBE_TIMEOUT);
    Probe {
        period: period.map_or(DEFAULT_PROBE_PERIOD, |at| at.value),
        timeout: timeout.map_or(DEFAULT_PROBE_TIMEOUT, |at| at.value),
    }
}

impl Table<'_, '_> {
    /// A url of a path or the node.
    pub(super) fn url(
        &mut self,
        key: &'static str,
        place_for_path: &str,
    ) -> Option<Located<SignerUrl>> {
        let text = self.text(key)?;
        match url::parse(&text.value, place_for_path) {
            Ok(url) => Some(text.with(url)),
            Err(error) => {
                self.reader
                    .complain(&text.place, error.problem, error.remedy);
                None
            }
        }
    }
}

/// An address or its default; nothing only when the one given is unusable.
pub(super) fn address_or(
    table: &mut Table<'_, '_>,
    key: &'static str,
    default: SocketAddr,
) -> Option<Located<SocketAddr>> {
    let address = table.address(key);
    if table.has(key) || address.is_some() {
        return address;
    }
    Some(table.default(key, default))
}

/// A path in the file system.
pub(super) fn path(
    table: &mut Table<'_, '_>,
    key: &'static str,
    what: &str,
) -> Option<Located<PathBuf>> {
    let text = table.text(key)?;
    let problem = if text.value.is_empty() {
        "is empty"
    } else if text.value.contains('\0') {
        "has a zero byte"
    } else {
        let path = PathBuf::from(&text.value);
        return Some(text.with(path));
    };
    table
        .reader
        .complain(&text.place, problem, format!("write the path of {what}"));
    None
}

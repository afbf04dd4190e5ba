//! The end of a world: everything ends, in turn, and nothing is left.

use std::time::Duration;

use crate::task::Tasks;
use crate::telemetry::Metrics;

use super::super::trace::Event;
use super::{AllTasks, World};

/// No attempt outlives its request for longer: a signer's patience and half a minute.
const LEFTOVERS: Duration = Duration::from_mins(1);

/// Ends everything; what stays is noted as broken.
pub(super) async fn end(world: &World, tasks: &AllTasks, metrics: &Metrics) {
    // These end by themselves.
    ends(world, "bakers", &tasks.bakers).await;
    ends(world, "requests", &world.requests).await;
    tasks.probes.begin_shutdown();
    ends(world, "probes", &tasks.probes).await;
    ends(world, "losers", &tasks.losers).await;
    let held = metrics.held_requests.get();
    if held != 0 {
        broken(world, format!("{held} requests are held still"));
    }
    for signer in world.roster.signers() {
        let (busy, waiting) = (signer.queue().busy(), signer.queue().waiting());
        let under_way = signer.under_way();
        if (busy, waiting, under_way) != (0, 0, 0) {
            let name = signer.name();
            broken(
                world,
                format!("{name}: {busy} turns given, {waiting} wait, {under_way} under way"),
            );
        }
    }
    tasks.connections.begin_shutdown();
    ends(world, "connections", &tasks.connections).await;
    ends(world, "far ends", &tasks.far).await;
    tasks.states.begin_shutdown();
    ends(world, "states", &tasks.states).await;
    let left = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    if left != 0 {
        broken(world, format!("{left} tasks are left"));
    }
}

async fn ends(world: &World, name: &str, tasks: &Tasks) {
    let ended = tokio::time::timeout(LEFTOVERS, tasks.finished());
    if ended.await.is_err() {
        broken(world, format!("{name} do not end"));
    }
}

fn broken(world: &World, what: String) {
    world.trace.note(Event::Broken(what));
}

//! `run` and `check-config`.

use std::path::Path;

use crate::app::{App, Ended, check_material};

use super::{Failure, Outcome, code, complain, load, print};

/// Threads that run requests; the work is waiting, not computing.
const WORKERS: usize = 2;

/// Serves until told to end.
pub(super) fn run(config: &Path) -> Outcome {
    let loaded = load(config)?;
    let name = config.display().to_string();
    block_on(async move {
        let app = App::start(loaded, name).await?;
        finish(app.run().await?)
    })
}

/// What the process says of its end.
pub(super) fn finish(ended: Ended) -> Outcome {
    match ended {
        Ended::Drained => Ok(()),
        Ended::Cut => Err(Failure::new(
            code::PROBLEM,
            "ended by a second signal; requests that were held are cut",
        )),
    }
}

/// Prints the effective configuration, or every problem, those of the files that it names included.
pub(super) fn check(file: &Path) -> Outcome {
    let loaded = load(file)?;
    for warning in &loaded.warnings {
        complain(&format!("warning: {warning}"))?;
    }
    let problems = check_material(&loaded.settings);
    if !problems.is_empty() {
        return Err(Failure::new(code::CONFIG, problems.join("\n")));
    }
    print(&loaded.effective)
}

/// Runs a command that waits.
pub(super) fn block_on(future: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(code::IO, error))?;
    let outcome = runtime.block_on(future);
    // After a second signal something may still run; it must not keep the process.
    runtime.shutdown_background();
    outcome
}

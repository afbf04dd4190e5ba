//! `explain`: reads the decision log, verifies its chain and tells what it says. Reads files only: it
//! takes no lock and asks no proxy, so it works whether one runs or not.

mod story;

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use crate::decision_log::{self, About, Entry, Summary, Told};
use crate::tezos::{Level, PublicKeyHash};

use super::watermark::parse_level;
use super::{Failure, Outcome, code, load, print};
use story::Stories;

/// `explain`
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only what concerns this key.
    #[arg(long, value_name = "PKH")]
    key: Option<PublicKeyHash>,
    /// Only what concerns this level.
    #[arg(long, value_name = "N", value_parser = parse_level)]
    level: Option<Level>,
    /// The lines of the log as they stand.
    #[arg(long)]
    json: bool,
}

/// What an entry is to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concern {
    /// What was asked for.
    Asked,
    /// What helps to understand it: what operators did to the key.
    Context,
    /// Nothing.
    None,
}

impl Explain {
    fn concern(&self, entry: Option<&Entry>) -> Concern {
        if self.key.is_none() && self.level.is_none() {
            return Concern::Asked;
        }
        let Some(entry) = entry else {
            return Concern::None;
        };
        let key = self.key.is_none_or(|key| entry.key == Some(key));
        let level = self
            .level
            .is_none_or(|level| entry.level == Some(level.get()));
        let changes = entry.event.about() == About::Change;
        if key && level {
            Concern::Asked
        } else if changes && (key || entry.key.is_none()) {
            Concern::Context
        } else {
            Concern::None
        }
    }

    /// The filter in words, empty without one.
    fn words(&self) -> String {
        let key = self.key.map(|key| format!(" for key {key}"));
        let level = self.level.map(|level| format!(" for level {level}"));
        [key, level].into_iter().flatten().collect()
    }
}

pub(super) fn explain(args: &Explain) -> Outcome {
    let settings = load(&args.config)?.settings;
    let directory = settings.state.directory;
    let mut asked = 0_u64;
    let mut stories = Stories::default();
    let mut lines = Lines::default();
    let read = decision_log::read(&directory, |Told { text, entry }| {
        match args.concern(entry) {
            Concern::None => return,
            Concern::Asked => asked = asked.saturating_add(1),
            Concern::Context => {}
        }
        if args.json {
            lines.print(text);
        } else {
            stories.take(text, entry);
        }
    });
    let summary = read.map_err(|error| {
        let place = directory.display();
        Failure::new(
            code::IO,
            format!("cannot read the decision log in {place}: {error}"),
        )
    })?;
    if args.json {
        lines.finish()?;
    } else {
        let mut text = stories.text()?;
        text.push_str(&story::closing(&summary)?);
        print(&text)?;
    }
    judge(args, &summary, asked, &directory)
}

fn judge(args: &Explain, summary: &Summary, asked: u64, directory: &std::path::Path) -> Outcome {
    let problem = |message: String| Err(Failure::new(code::PROBLEM, message));
    if summary.broken > 0 {
        let mut places: Vec<_> = summary.breaks.iter().map(ToString::to_string).collect();
        let listed = u64::try_from(places.len()).unwrap_or(u64::MAX);
        let others = summary.broken.saturating_sub(listed);
        if others > 0 {
            places.push(format!("and {others} more places"));
        }
        return problem(places.join("\n"));
    }
    if summary.files == 0 {
        return problem(format!(
            "there is no decision log in {}; `signer-proxy run` writes it",
            directory.display()
        ));
    }
    if asked > 0 {
        return Ok(());
    }
    let kept = match summary.times {
        Some((first, last)) => format!("it goes from {first} to {last}"),
        None => "it is empty".to_owned(),
    };
    problem(format!(
        "nothing is in the decision log{}; {kept}",
        args.words()
    ))
}

/// Lines that are printed as they are found, for a log may be larger than memory.
#[derive(Default)]
struct Lines {
    out: Option<io::BufWriter<io::Stdout>>,
    failed: Option<io::Error>,
}

impl Lines {
    fn print(&mut self, line: &str) {
        if self.failed.is_none() {
            let out = self
                .out
                .get_or_insert_with(|| io::BufWriter::new(io::stdout()));
            self.failed = writeln!(out, "{line}").err();
        }
    }

    fn finish(mut self) -> Outcome {
        let flushed = self.out.as_mut().map_or(Ok(()), io::Write::flush);
        match self.failed.map_or(flushed, Err) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }
}

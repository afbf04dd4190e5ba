//! A plan as lines for people: one for each watermark, the ones that stay included.

use std::fmt;

use crate::tezos::{Position, Round};

use super::{Plan, Step};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        for (account, halt) in &self.halts {
            let (chain, key) = (account.chain, account.key);
            writeln!(
                f,
                "{chain} {key} is halted, as at the source: {}",
                halt.reason
            )?;
        }
        let rising = self.steps.iter().filter(|step| step.rises()).count();
        let staying = self.steps.len().saturating_sub(rising);
        write!(f, "{rising} watermarks rise, {staying} stay")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stream, to) = (self.stream, words(self.to));
        write!(
            f,
            "{} {} {:<18} ",
            stream.chain,
            stream.key,
            stream.kind.name()
        )?;
        match self.from {
            None => write!(f, "none -> {to}"),
            Some(from) if self.rises() => write!(f, "{} -> {to}", words(from)),
            Some(from) if from == self.to => write!(f, "{to}, stays"),
            Some(from) => write!(f, "{}, stays (the source has {to})", words(from)),
        }
    }
}

/// A watermark in words.
#[must_use]
pub fn words(position: Position) -> String {
    if position.round == Round::MAX {
        format!("level {} all rounds", position.level)
    } else {
        position.to_string()
    }
}

//! Splits a file into lines without ever holding more of it than one line, and follows its chain.

use std::io::{self, BufRead};

use super::chain::{Fault, LONGEST_LINE, Line, Walk, parse};

/// What follows in a file.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// A line, in the buffer.
    Line,
    /// A line too long to be an entry.
    TooLong,
    /// The file ends within a line.
    Unfinished,
    /// The file ends.
    End,
}

/// Reads the next piece into `line`, of an overlong one the beginning; gives its length in bytes.
fn next(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<(Piece, u64)> {
    line.clear();
    let mut length = 0_u64;
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            let piece = if length == 0 {
                Piece::End
            } else {
                Piece::Unfinished
            };
            return Ok((piece, length));
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(buffer.len(), |end| end.saturating_add(1));
        // One byte more than a line may have, so that an overlong one is seen to be.
        let room = (LONGEST_LINE + 1).saturating_sub(line.len());
        let part = buffer.iter().take(end.unwrap_or(buffer.len()));
        line.extend(part.take(room));
        length = length.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        reader.consume(taken);
        if end.is_some() {
            let piece = if line.len() > LONGEST_LINE {
                Piece::TooLong
            } else {
                Piece::Line
            };
            return Ok((piece, length));
        }
    }
}

/// A line as it was found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Its number in the file, from 1.
    pub(super) number: u64,
    /// Its bytes.
    pub(super) bytes: &'a [u8],
    /// What it says, or what is wrong with it by itself.
    pub(super) line: Result<&'a Line, Fault>,
    /// What is wrong with it or its place in the chain.
    pub(super) wrong: Option<String>,
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileEnd {
    /// Lines that are finished.
    pub(super) lines: u64,
    /// Length of the finished lines in bytes.
    pub(super) length: u64,
    /// Bytes behind them: a line that is being written, or that a crash tore.
    pub(super) unfinished: u64,
}

/// Follows the chain through a file and shows each finished line to `visit`.
pub(super) fn follow(
    mut reader: impl BufRead,
    walk: &mut Walk,
    mut visit: impl FnMut(Found<'_>),
) -> io::Result<FileEnd> {
    let mut bytes = Vec::new();
    let mut end = FileEnd {
        lines: 0,
        length: 0,
        unfinished: 0,
    };
    loop {
        let (piece, length) = next(&mut reader, &mut bytes)?;
        let parsed = match piece {
            Piece::Line => parse(&bytes),
            Piece::TooLong => Err(Fault::TooLong),
            // A torn line is the beginning of one. A whole line and more is not.
            Piece::Unfinished if is_whole_and_more(&bytes) => Err(Fault::Changed),
            Piece::Unfinished => {
                end.unfinished = length;
                return Ok(end);
            }
            Piece::End => return Ok(end),
        };
        end.lines = end.lines.saturating_add(1);
        end.length = end.length.saturating_add(length);
        let line = parsed.as_ref().map_err(|fault| *fault);
        let wrong = walk.step(line).err();
        visit(Found {
            number: end.lines,
            bytes: &bytes,
            line,
            wrong,
        });
    }
}

fn is_whole_and_more(bytes: &[u8]) -> bool {
    bytes
        .split_last()
        .is_some_and(|(_, all)| parse(all).is_ok())
}

//! Watermarks on their way from one store to another: the document, other signers' files, the merge.
//!
//! Pure: text comes in, a [`Plan`] or a sentence goes out. Reading files, asking a running proxy and writing
//! to a store are the caller's work.
//!
//! Invariants: a plan never lowers a watermark; a source that may still be signing is refused without a level
//! that it never signs above; readers are total, and what they do not understand is an error that names file,
//! field and value, because a mark that was skipped would be a level that is signed twice.

mod accept;
mod canonical;
mod document;
mod json;
mod octez;
mod plan;
mod reader;
mod reset;
mod signatory;
mod source;

pub use accept::acceptance;
pub use document::{Document, DocumentAccount, Halted, Mark};
pub use plan::{Plan, PlanError, Present, Request, Step, words};
pub use reader::ReadError;
pub use reset::begin_anew;
pub use source::{Named, Source, SourceAccount, SourceFile, from_document, named, read};

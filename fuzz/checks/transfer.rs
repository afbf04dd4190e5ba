//! Watermarks of other programs and our own documents: either a sentence in one line, or watermarks that are
//! the same when they are written and read again, and whatever order the files come in.
//!
//! The input is a file: its name in the first line, then its content. A document with the checksum `@` is
//! given the right one, so that what lies behind the checksum is reached too.

use signer_proxy::transfer::{Document, ReadError, Source, SourceFile, from_document, read};

/// What a name, a path to a field and the words around them may take, and no content.
const LONGEST_ERROR: usize = 4_000;

pub(crate) fn check(input: &[u8]) {
    let (name, content) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&b""[..], input),
    };
    let Ok(name) = std::str::from_utf8(name) else {
        return;
    };
    // A name comes from a directory and is shown by whoever read that.
    if name.contains(char::is_control) || name.len() > 255 {
        return;
    }
    document(content);
    if let Some(mended) = with_checksum(content) {
        assert!(document(&mended), "the right checksum is not taken");
        source(name, mended);
    }
    source(name, content.to_vec());
}

/// `content` with the checksum that its error asks for in the place of `@`.
fn with_checksum(content: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(content).ok()?;
    let error = Document::read("file", content).err()?.to_string();
    let (_, rest) = error.split_once("its checksum is ")?;
    let (checksum, _) = rest.split_once(", not \"@\"")?;
    assert_eq!(checksum.len(), 64, "{error}");
    // Only if this is the checksum and no other field.
    let mended = text.replace("\"@\"", &format!("\"{checksum}\""));
    let error = Document::read("file", mended.as_bytes()).err();
    let again = error.is_some_and(|error| error.field.as_deref() == Some("checksum"));
    // Whatever else is wrong with it, `document` and `source` see it.
    (!again && Document::read("file", mended.as_bytes()).is_ok()).then(|| mended.into_bytes())
}

/// Whether it is one.
fn document(content: &[u8]) -> bool {
    match Document::read("file", content) {
        Err(error) => {
            sentence(&error);
            false
        }
        Ok(document) => {
            let text = document.to_text();
            let again = Document::read("file", text.as_bytes()).expect("what was written is read");
            assert_eq!(again.to_text(), text);
            assert_eq!(
                sorted(from_document(again)),
                sorted(from_document(document))
            );
            true
        }
    }
}

fn source(name: &str, content: Vec<u8>) {
    let file = SourceFile {
        name: name.to_owned(),
        shown: name.to_owned(),
        content,
    };
    let alone = match read(std::slice::from_ref(&file)) {
        Err(error) => return sentence(&error),
        Ok(source) => source,
    };
    assert!(!alone.what.contains(char::is_control), "{:?}", alone.what);
    for account in &alone.accounts {
        let reason = account.halted.as_ref().map(|halted| halted.reason.as_str());
        assert!(
            !reason.unwrap_or("").contains(char::is_control),
            "{reason:?}"
        );
    }
    // A file twice says what it says once; a document comes alone.
    match read(&[file.clone(), file]) {
        Ok(twice) => assert_eq!(twice, alone),
        Err(error) => {
            sentence(&error);
            assert!(alone.what.contains("lineage"), "{error}");
        }
    }
}

/// The order of accounts in a file means nothing.
fn sorted(mut source: Source) -> Source {
    source
        .accounts
        .sort_by_key(|account| (account.chain, account.key));
    source
}

fn sentence(error: &ReadError) {
    let shown = error.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(!error.problem.is_empty());
    assert!(shown.len() <= LONGEST_ERROR, "{} bytes", shown.len());
}

//! Reading a source and writing a document: which files, how much of them, and never over another file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::cli::{Failure, code};
use crate::store::write_durably;
use crate::transfer::{Named, Source, SourceFile, named, read};

/// The most that is read of one file, in bytes: more than any signer writes.
const MOST: u64 = 4 << 20;

/// Folder of Signatory's watermarks below its base directory.
const SIGNATORY: &str = "watermark_v2";
/// What older versions of Signatory wrote to, in a form that is not read here.
const OLD_SIGNATORY: [&str; 2] = ["watermark_v1", "watermark"];

/// Reads what `path` is: a document, a signer's base directory, or one file of it.
pub(super) fn read_source(path: &Path) -> Result<Source, Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let files = if metadata.is_dir() {
        let found = in_directory(path)?;
        if found.is_empty() {
            return Err(nothing_in(path));
        }
        found
    } else {
        vec![path.to_owned()]
    };
    let files = files.iter().map(|file| load(file));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    read(&files).map_err(|error| Failure::new(code::PROBLEM, error))
}

/// The files in a signer's directory that hold watermarks, sorted. In Signatory's own folder that is every JSON
/// file, so that one with a name that is not understood is refused and not left out.
fn in_directory(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    if directory.file_name().is_some_and(|name| name == SIGNATORY) {
        return json_files(directory);
    }
    let mut found = Vec::new();
    for (name, path) in entries(directory)? {
        match named(&name) {
            // A folder of that name is somebody's backup.
            Named::Octez | Named::Signatory if !path.is_dir() => found.push(path),
            Named::Other if name == SIGNATORY && path.is_dir() => found.extend(json_files(&path)?),
            Named::Octez | Named::Signatory | Named::Other => {}
        }
    }
    found.sort();
    Ok(found)
}

fn json_files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let paths = entries(directory)?.into_iter().map(|(_, path)| path);
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    found.sort();
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let failed = |error: io::Error| unreadable(directory, &error);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push((name, entry.path()));
    }
    Ok(entries)
}

fn nothing_in(directory: &Path) -> Failure {
    let old = OLD_SIGNATORY
        .into_iter()
        .find(|name| directory.join(name).is_dir());
    let hint = match old {
        Some(old) => {
            format!("; {old} is of an old Signatory: a newer one writes {SIGNATORY} when it starts")
        }
        None => String::new(),
    };
    Failure::new(
        code::PROBLEM,
        format!(
            "{}: no file of watermarks here, neither ..._high_watermarks of octez-signer nor \
             {SIGNATORY}/NetX....json of Signatory{hint}",
            directory.display()
        ),
    )
}

fn load(path: &Path) -> Result<SourceFile, Failure> {
    let failed = |error: io::Error| unreadable(path, &error);
    let mut content = Vec::new();
    let file = File::open(path).map_err(failed)?;
    // One byte more shows that there is more.
    let read = file.take(MOST.saturating_add(1)).read_to_end(&mut content);
    read.map_err(failed)?;
    if u64::try_from(content.len()).is_ok_and(|length| length > MOST) {
        let message = format!(
            "{}: longer than {MOST} bytes, which no file of watermarks is",
            path.display()
        );
        return Err(Failure::new(code::PROBLEM, message));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(SourceFile {
        name: name.into_owned(),
        shown: path.display().to_string(),
        content,
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("{}: cannot be read: {error}", path.display());
    Failure::new(code::IO, message)
}

/// Refuses a file that is there: it may be the only export of a store, or the store.
pub(super) fn must_be_free(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(path, &error)),
        Ok(_) => Err(Failure::new(
            code::PROBLEM,
            format!(
                "{} exists already and is not written over; nothing was exported",
                path.display()
            ),
        )),
    }
}

/// Writes the document durably.
pub(super) fn write_new(path: &Path, document: &str) -> Result<(), Failure> {
    // A name alone lies in the present folder.
    let path = Path::new(".").join(path);
    write_durably(&path, document.as_bytes()).map_err(|error| {
        let message = format!("cannot write {}: {error}; export again", path.display());
        Failure::new(code::IO, message)
    })
}

//! A look at the file's first bytes before the engine touches it: a foreign file must stay as it is.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::dialect::{APPLICATION_ID, SCHEMA_VERSION};
use crate::ports::StoreError;

/// Length of the header of a database file (SQLite file format, "The Database Header").
const HEADER: usize = 100;

pub(crate) fn open_error(path: &Path, why: impl Into<String>, hint: &'static str) -> StoreError {
    StoreError::Open { path: path.display().to_string(), why: why.into(), hint }
}

/// Refuses files that are not a database of ours of a version we know.
pub(crate) fn check(path: &Path) -> Result<(), StoreError> {
    let refuse = |why: String, hint| Err(open_error(path, why, hint));
    let unreadable = |e: std::io::Error| {
        open_error(path, e.to_string(), "the file must be readable for this user")
    };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.is_empty() {
        let hint = "put a copy from DIR/backups in its place, see docs/runbook.md; move the empty file away to begin anew";
        return refuse("the file is empty".into(), hint);
    }
    if bytes.len() < HEADER || !bytes.starts_with(b"SQLite format 3\0") {
        return refuse("it is not a database".into(), "choose another --dir, or restore a backup");
    }
    let id = number(&bytes, 68);
    if id != APPLICATION_ID {
        let why = "it belongs to another program".into();
        return refuse(why, "choose another --dir: this file was left as it is");
    }
    newer(path, number(&bytes, 60))?;
    let promised = promised_length(&bytes);
    if promised > length && !has_log(path) {
        let why = format!("it is cut short: {length} of {promised} bytes");
        return refuse(why, "put a copy from DIR/backups in its place, see docs/runbook.md");
    }
    Ok(())
}

/// Refuses a schema this version does not know yet.
pub(crate) fn newer(path: &Path, version: i64) -> Result<(), StoreError> {
    if version > SCHEMA_VERSION {
        let mut why =
            format!("its schema is version {version}, this program knows {SCHEMA_VERSION}");
        let hint =
            "use the newer program, or `rungwise db restore` the backup made before the upgrade";
        if let Some(copy) = backup_before(path, version) {
            why += "; the backup made before the upgrade is ";
            why += &copy.display().to_string();
        }
        return Err(open_error(path, why, hint));
    }
    Ok(())
}

/// Where the copy made before an upgrade to `version` is kept, beside the database at `path`.
pub(crate) fn upgrade_copy(path: &Path, version: i64) -> PathBuf {
    path.with_file_name("backups").join(format!("before-schema-{version}.db"))
}

/// The copy of the newest older schema: an upgrade may have crossed several at once.
fn backup_before(path: &Path, version: i64) -> Option<PathBuf> {
    let between = (SCHEMA_VERSION.saturating_add(1)..=version.min(10_000)).rev();
    between.map(|v| upgrade_copy(path, v)).find(|copy| copy.is_file())
}

/// True when a write-ahead log with content lies beside the file: the file alone is then not the whole.
pub(crate) fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|m| m.is_file() && m.len() > 0)
}

/// The four bytes at `at`, big-endian.
fn number(header: &[u8], at: usize) -> i64 {
    header.iter().skip(at).take(4).fold(0, |n, b| (n << 8) | i64::from(*b))
}

/// Page size times page count, where the header vouches for the count.
fn promised_length(header: &[u8]) -> u64 {
    let size = match number(header, 16) >> 16 {
        1 => 65_536,
        n => n,
    };
    let vouched = number(header, 24) == number(header, 92);
    let pages = if vouched { number(header, 28) } else { 0 };
    u64::try_from(size.saturating_mul(pages)).unwrap_or(0)
}

//! The engine's errors in our words.

use crate::ports::StoreError;

/// Primary result code `SQLITE_FULL`.
const FULL: i64 = 13;
/// Primary result code `SQLITE_CONSTRAINT`.
const CONSTRAINT: i64 = 19;
/// Primary result code `SQLITE_CORRUPT`.
pub(crate) const CORRUPT: i64 = 11;
/// Primary result code `SQLITE_CANTOPEN`.
pub(crate) const CANTOPEN: i64 = 14;

/// The primary result code of an engine error.
pub(crate) fn primary_code(error: &sqlx::Error) -> Option<i64> {
    let code: i64 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Turns a failure while `doing` something into a [`StoreError`].
pub(crate) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| {
        let why = error.to_string();
        match (primary_code(&error), error.as_database_error()) {
            (Some(FULL), _) => StoreError::Full { doing },
            (Some(CONSTRAINT), Some(db)) => duplicate(db.message()).map_or_else(
                || StoreError::Database { doing, why },
                |what| StoreError::Conflict { doing, what: what.to_owned() },
            ),
            _ => StoreError::Database { doing, why },
        }
    }
}

/// The columns a uniqueness error names, in the engine's spelling or in that of the schema's own guards.
fn duplicate(message: &str) -> Option<&str> {
    message
        .strip_prefix("UNIQUE constraint failed: ")
        .or_else(|| message.strip_prefix("duplicate "))
}

/// A value that cannot be stored or read back.
pub(crate) fn document(what: impl Into<String>, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Document { what: what.into(), why: why.to_string() }
}

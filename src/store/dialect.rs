//! The few statements only SQLite understands, and the settings of its connections.

/// Takes the write lock at once: a deferred transaction that reads first and writes later fails with
/// `SQLITE_BUSY_SNAPSHOT`, which no timeout helps.
pub(crate) const BEGIN_WRITE: &str = "begin immediate";
/// A read that spans several statements and sees one state.
pub(crate) const BEGIN_READ: &str = "begin";
/// Version of the engine.
pub(crate) const ENGINE_VERSION: &str = "select sqlite_version()";
/// The schema as text, without what the engine adds for itself (statistics, automatic indexes).
pub(crate) const SCHEMA: &str =
    "select type, name, tbl_name, coalesce(sql, '') as sql from sqlite_schema
    where name not like 'sqlite_%' order by type, name";
/// A consistent copy of a live database; a file copy would not be one.
pub(crate) const COPY_INTO: &str = "vacuum into $1";
/// Every page, index and constraint.
pub(crate) const INTEGRITY: &str = "pragma integrity_check";
/// The first problem of pages and rows, without comparing indexes.
pub(crate) const QUICK_CHECK: &str = "pragma quick_check(1)";
/// Rows whose parent is missing.
pub(crate) const ORPHANS: &str = "pragma foreign_key_check";
/// The number of the newest migration the file has seen.
pub(crate) const SCHEMA_VERSION_OF_FILE: &str = "pragma user_version";

/// The engine's own count of changes to the schema: a trigger that is dropped and put back adds two.
pub(crate) const SCHEMA_CHANGES: &str = "pragma schema_version";
/// Merges the write-ahead log into the file as far as readers allow, without waiting for anybody.
pub(crate) const MERGE_LOG: &str = "pragma wal_checkpoint(passive)";
/// The same, and cuts the log to nothing when nobody reads.
pub(crate) const EMPTY_LOG: &str = "pragma wal_checkpoint(truncate)";

/// How many pages the file may have, on this connection.
pub(crate) const PAGE_LIMIT: &str = "pragma max_page_count";

/// "RUNG" as a number: `application_id` of our files.
pub(crate) const APPLICATION_ID: i64 = 1_381_322_311;
/// The number of the newest migration in `migrations/sqlite`, kept in `user_version`.
pub(crate) const SCHEMA_VERSION: i64 = 3;
/// The oldest engine without the WAL-reset bug (3.7.0 to 3.51.2 could corrupt a database when a checkpoint met a
/// commit).
pub(crate) const OLDEST_ENGINE: (u32, u32, u32) = (3, 51, 3);

/// Settings of every connection, with the value each must answer when asked.
///
/// `synchronous` FULL (2): a lost intent would mean a duplicate. `recursive_triggers`: without it `insert or replace`
/// deletes without firing delete triggers. `secure_delete`: what was erased must not linger in free pages. `mmap_size` 0: mapping worsens damage and gives spurious I/O errors.
pub(crate) const SETTINGS: [(&str, &str, i64); 10] = [
    ("synchronous", "full", 2),
    ("foreign_keys", "on", 1),
    ("recursive_triggers", "on", 1),
    ("trusted_schema", "off", 0),
    ("cell_size_check", "on", 1),
    ("busy_timeout", "5000", 5_000),
    ("wal_autocheckpoint", "1000", 1_000),
    ("temp_store", "memory", 2),
    ("mmap_size", "0", 0),
    ("secure_delete", "on", 1),
];
/// Memory of the writer for pages, in KiB (negative by SQLite's convention): a bulk of insights fits, so that no page of
/// its indexes goes to disk twice within one transaction.
pub(crate) const WRITER_CACHE: &str = "-8192";
/// Largest write-ahead log left behind after a checkpoint, in bytes.
pub(crate) const WAL_LIMIT: &str = "67108864";

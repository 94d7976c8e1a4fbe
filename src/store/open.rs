//! Opening: checks, connections with their settings asserted, migrations.
//!
//! A new database is made under another name and moved into place when it is complete, so that a crash leaves either
//! no database or a whole one.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use sqlx::{
    Connection as _, Row as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use super::{
    backup, dialect,
    error::{CANTOPEN, CORRUPT, failed, primary_code},
    header::{self, open_error},
    personal, sql,
};
use crate::ports::StoreError;

/// Name of the database file within the directory.
pub const DATABASE_FILE: &str = "rungwise.db";
/// Where a database is made before it is moved into place.
const UNFINISHED_FILE: &str = "rungwise.db.unfinished";
/// Rows that may wait between the engine's thread and the reader.
const ROW_QUEUE: usize = 1_024;
/// Connections for reading.
const READERS: u32 = 4;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    /// Reads a file nobody writes, in a directory where the engine may not put its shared memory.
    Frozen,
}

fn options(path: &Path, role: Role) -> SqliteConnectOptions {
    // Rows cross a thread; a longer queue spares a wake-up per row.
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .row_buffer_size(ROW_QUEUE)
        .pragma("journal_size_limit", dialect::WAL_LIMIT);
    for (name, value, _) in dialect::SETTINGS {
        options = options.pragma(name, value);
    }
    match role {
        Role::Writer => {
            options.journal_mode(SqliteJournalMode::Wal).pragma("cache_size", dialect::WRITER_CACHE)
        }
        Role::Reader => options.read_only(true).pragma("query_only", "on"),
        Role::Frozen => options.read_only(true).immutable(true).pragma("query_only", "on"),
    }
}

/// Asks the connection for each setting: a misspelt or refused one would go unnoticed otherwise.
async fn assert_settings(conn: &mut SqliteConnection, role: Role) -> Result<(), sqlx::Error> {
    for (name, _, expected) in dialect::SETTINGS {
        let text = sqlx::AssertSqlSafe(format!("pragma {name}"));
        let found: Option<i64> = sqlx::query_scalar(text).fetch_optional(&mut *conn).await?;
        // Without memory mapping compiled in, the engine answers mmap_size with no row.
        if found.unwrap_or(0) != expected {
            return Err(sqlx::Error::Protocol(format!(
                "{name} is {found:?} instead of {expected}"
            )));
        }
    }
    if role == Role::Writer {
        let mode: String = sqlx::query_scalar("pragma journal_mode").fetch_one(&mut *conn).await?;
        if mode != "wal" {
            return Err(sqlx::Error::Protocol(format!("journal_mode is {mode} instead of wal")));
        }
    }
    Ok(())
}

/// A connection that writes, with its settings asserted.
pub(crate) async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut conn = SqliteConnection::connect_with(&options(path, Role::Writer)).await?;
    assert_settings(&mut conn, Role::Writer).await?;
    Ok(conn)
}

/// A pool of readers whose connections never age.
async fn pool(path: &Path, role: Role) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(30))
        // A connection in process cannot be lost by a network; asking each before use would double every read's way.
        .test_before_acquire(false)
        .after_connect(move |conn, _| Box::pin(assert_settings(conn, role)))
        .connect_with(options(path, role))
        .await
}

/// The pool of readers, checked for engine and schema version.
pub(crate) async fn readers(path: &Path) -> Result<SqlitePool, StoreError> {
    let hint = "check that the file and its directory are readable; then `rungwise health`";
    let pool = match pool(path, Role::Reader).await {
        Ok(pool) => pool,
        // In a directory without write permission the engine cannot keep its shared memory. When no log is pending
        // and nobody writes, the file alone is the whole database.
        Err(e) if primary_code(&e) == Some(CANTOPEN) && !header::has_log(path) => {
            pool(path, Role::Frozen).await.map_err(|e| open_error(path, e.to_string(), hint))?
        }
        Err(e) => return Err(open_error(path, e.to_string(), hint_for(&e, hint))),
    };
    let doing = "reading the schema version";
    let mut conn = pool.acquire().await.map_err(failed(doing))?;
    check_engine(path, &mut conn).await?;
    let version = file_version(&mut conn).await?;
    drop(conn);
    header::newer(path, version)?;
    if version < dialect::SCHEMA_VERSION {
        let (found, known) = (version, dialect::SCHEMA_VERSION);
        let why = format!("its schema is version {found}, this program needs {known}");
        return Err(open_error(path, why, "run the agent once (`rungwise tick`): it upgrades"));
    }
    Ok(pool)
}

/// The writer of an existing database; takes the write lock once, so that a file that only looks writable is refused
/// now and not at the first change.
pub(crate) async fn writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    let hint = "the file and its directory must be writable for this user";
    let refused = |e: sqlx::Error| open_error(path, e.to_string(), hint_for(&e, hint));
    let mut conn = connect(path).await.map_err(refused)?;
    let probe = conn.begin_with(dialect::BEGIN_WRITE).await.map_err(refused)?;
    probe.rollback().await.map_err(refused)?;
    Ok(conn)
}

/// What to do about a file the engine cannot make sense of; else what was to be said anyway.
fn hint_for(error: &sqlx::Error, otherwise: &'static str) -> &'static str {
    match primary_code(error) {
        Some(CORRUPT) => DAMAGED,
        _ => otherwise,
    }
}

/// A file that lost its own log, or lies beside another's, opens as if nothing were wrong and is then neither the one
/// nor the other. Asked only after a death: a clean end leaves no log.
pub(crate) async fn check_after_death(
    path: &Path,
    writer: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let found: Vec<String> = sqlx::query_scalar(dialect::QUICK_CHECK)
        .fetch_all(writer)
        .await
        .map_err(|e| open_error(path, e.to_string(), DAMAGED))?;
    match found.into_iter().find(|line| line != "ok") {
        Some(problem) => Err(open_error(path, problem, DAMAGED)),
        None => Ok(()),
    }
}

const DAMAGED: &str = "the file is damaged, or the log beside it is another database's: copy the directory away, then \
     `rungwise db restore` a verified backup";

async fn file_version(conn: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar(dialect::SCHEMA_VERSION_OF_FILE)
        .fetch_one(conn)
        .await
        .map_err(failed("reading the schema version"))
}

async fn check_engine(path: &Path, conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let text: String = sqlx::query_scalar(dialect::ENGINE_VERSION)
        .fetch_one(conn)
        .await
        .map_err(failed("reading the engine's version"))?;
    if !is_sound_engine(&text) {
        let why = format!("SQLite {text} can corrupt it");
        return Err(open_error(path, why, "build with SQLite 3.51.3 or newer"));
    }
    Ok(())
}

/// True for engines without the WAL-reset bug.
fn is_sound_engine(version: &str) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) >= dialect::OLDEST_ENGINE
}

/// Brings an existing database of the agent to the newest schema. An older one is copied first, and upgraded only when
/// the copy was verified.
pub(crate) async fn migrate(path: &Path, writer: &mut SqliteConnection) -> Result<(), StoreError> {
    check_engine(path, writer).await?;
    let found = file_version(writer).await?;
    header::newer(path, found)?;
    if found < dialect::SCHEMA_VERSION {
        let copy = backup::before_upgrade(path, dialect::SCHEMA_VERSION).await?;
        let (from, to) = (found, dialect::SCHEMA_VERSION);
        tracing::info!(copy = %copy.display(), "upgrading the database from schema {from} to {to}");
    }
    run_migrations(path, writer).await
}

async fn run_migrations(path: &Path, conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let hint = "restore the backup made before the upgrade, or use the version that wrote it";
    // Not `run`: its future is not `Send` for a connection borrowed for any lifetime.
    MIGRATIONS
        .run_direct(None, conn, false)
        .await
        .map_err(|e| open_error(path, format!("its schema cannot be upgraded: {e}"), hint))
}

/// Makes a new database at `path`, whole or not at all. The caller holds the agent's lock. A rehearsal gives the
/// installation id and the personal texts whose salts follow from it; else both are drawn.
pub(crate) async fn create(
    dir: &Path,
    path: &Path,
    rehearsed: Option<(&str, &[&str])>,
) -> Result<(), StoreError> {
    let unfinished = dir.join(UNFINISHED_FILE);
    let hint = "the directory must be writable for this user";
    let io = |e: std::io::Error| open_error(path, e.to_string(), hint);
    for rest in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(&dir.join(format!("{UNFINISHED_FILE}{rest}"))).map_err(io)?;
    }
    private_file(&unfinished).map_err(io)?;
    let mut conn = connect(&unfinished).await.map_err(|e| open_error(path, e.to_string(), hint))?;
    check_engine(path, &mut conn).await?;
    run_migrations(path, &mut conn).await?;
    let doing = "making the database";
    let install = match rehearsed {
        Some((given, texts)) => {
            personal::foresee(&mut conn, given, texts).await?;
            given.to_owned()
        }
        None => HEXLOWER.encode(&random::<16>()?),
    };
    sqlx::query(sql::META_PUT)
        .bind("install_id")
        .bind(install)
        .execute(&mut conn)
        .await
        .map_err(failed(doing))?;
    // The last connection to close moves the log's content into the file and removes the log.
    conn.close().await.map_err(failed(doing))?;
    File::open(&unfinished).and_then(|f| f.sync_all()).map_err(io)?;
    std::fs::rename(&unfinished, path).map_err(io)?;
    sync_dir(dir).map_err(io)
}

/// `N` bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| StoreError::Database { doing: "drawing random bytes", why: e.to_string() })?;
    Ok(bytes)
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// A new file that only its owner can read.
pub(crate) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Makes a rename or a new file in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// One read-only connection to any database of ours, for checks and copies.
pub(crate) async fn single(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut options = SqliteConnectOptions::new().filename(path).read_only(true);
    for (name, value, _) in dialect::SETTINGS {
        options = options.pragma(name, value);
    }
    SqliteConnection::connect_with(&options).await
}

/// What `integrity_check` and `foreign_key_check` complain about; empty when all is well.
pub(crate) async fn problems(conn: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut found: Vec<String> =
        sqlx::query_scalar(dialect::INTEGRITY).fetch_all(&mut *conn).await?;
    found.retain(|line| line != "ok");
    for row in sqlx::query(dialect::ORPHANS).fetch_all(&mut *conn).await? {
        let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
        found.push(format!("a row of {table} has no parent in {parent}"));
    }
    Ok(found)
}

/// The database's path within `dir`.
pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join(DATABASE_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_with_the_log_reset_bug_are_refused() {
        for (version, sound) in
            [("3.51.2", false), ("3.40.1", false), ("3.51.3", true), ("4.0", true), ("", false)]
        {
            assert_eq!(is_sound_engine(version), sound, "{version}");
        }
    }

    #[test]
    fn the_schema_version_is_the_number_of_the_newest_migration() {
        let newest = MIGRATIONS.iter().map(|m| m.version).max();
        assert_eq!(newest, Some(dialect::SCHEMA_VERSION));
        let text = MIGRATIONS.iter().last().map(|m| m.sql.as_str().to_owned()).unwrap();
        let said = format!("pragma user_version = {};", dialect::SCHEMA_VERSION);
        assert!(text.contains(&said), "the newest migration must say {said:?}");
    }
}

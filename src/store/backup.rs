//! Verified copies of a live database, and its integrity.

use std::path::{Path, PathBuf};

use sqlx::Connection as _;

use super::{
    audit::{self, AuditError, schema_digest},
    dialect,
    error::failed,
    header,
    open::{self, private_file, sync_dir},
    sqlite::SqliteStore,
};
use crate::{
    domain::audit::Head,
    ports::{AgentHold, StoreError},
};

/// A copy that was read back and found whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The newest audit row it holds.
    pub head: Head,
}

const DOING: &str = "handling a backup";

fn trouble(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    let why = format!("{}: {}", path.display(), why);
    StoreError::Database { doing: DOING, why }
}

impl SqliteStore {
    /// Copies the database as of now to `to`, which must not exist, while others read and write. The copy gets its
    /// name only after pages, constraints, schema and audit chain were checked; a failed one leaves nothing.
    pub async fn backup(&self, to: &Path) -> Result<Backup, StoreError> {
        copy(self.path(), to).await
    }

    /// Checks every page, index and constraint. Empty when all is well, else one line per problem.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let doing = "checking the database";
        let mut conn = self.read_connection(doing).await?;
        let problems = open::problems(&mut conn).await.map_err(failed(doing))?;
        conn.done();
        Ok(problems)
    }
}

async fn copy(live: &Path, to: &Path) -> Result<Backup, StoreError> {
    if to.try_exists().map_err(|e| trouble(to, &e))? {
        return Err(StoreError::Conflict { doing: DOING, what: to.display().to_string() });
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    if part.exists() {
        std::fs::remove_file(&part).map_err(|e| trouble(&part, &e))?;
    }
    let copied = copy_and_check(live, &part, to).await;
    if copied.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    copied
}

async fn copy_and_check(live: &Path, part: &Path, to: &Path) -> Result<Backup, StoreError> {
    // The engine fills an empty file; made here it is private from its first byte on.
    private_file(part).map_err(|e| trouble(part, &e))?;
    let mut live = open::single(live).await.map_err(failed(DOING))?;
    let text = part.to_str().ok_or_else(|| trouble(part, &"its name is not UTF-8"))?;
    sqlx::query(dialect::COPY_INTO).bind(text).execute(&mut live).await.map_err(failed(DOING))?;
    let schema = schema_digest(&mut live).await?;
    live.close().await.map_err(failed(DOING))?;
    let backup = Backup { path: to.to_owned(), ..inspect(part, Some(&schema)).await? };
    put_in_place(part, to)?;
    Ok(backup)
}

/// Copies the database as it is before it is upgraded to schema `version`. A copy that is there already, from an
/// upgrade that was cut off, is verified and kept.
pub(crate) async fn before_upgrade(path: &Path, version: i64) -> Result<PathBuf, StoreError> {
    let to = header::upgrade_copy(path, version);
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir).map_err(|e| trouble(dir, &e))?;
    }
    if to.exists() && inspect(&to, None).await.is_ok() {
        return Ok(to);
    }
    if to.exists() {
        std::fs::remove_file(&to).map_err(|e| trouble(&to, &e))?;
    }
    copy(path, &to).await.map(|made| made.path)
}

impl Backup {
    /// Checks a copy from its first byte to the last link of its audit chain, without changing it.
    pub async fn inspect(path: &Path) -> Result<Self, StoreError> {
        inspect(path, None).await
    }

    /// The same, and holds the chain against copied heads, each of which must be a link of it.
    pub async fn inspect_against(path: &Path, anchors: &[Head]) -> Result<Self, StoreError> {
        inspect_with(path, None, anchors).await
    }

    /// Puts the checked copy `from` in the place of the database of the directory whose lock is held. What was there
    /// before keeps its name with `.replaced` and the lowest free number added; its log goes with it.
    ///
    /// The agent must afterwards compare with Meta before it writes: the copy does not know what was done since.
    pub async fn restore(from: &Path, hold: &dyn AgentHold) -> Result<Self, StoreError> {
        let dir = hold.dir();
        let backup = inspect(from, None).await?;
        let path = open::database(dir);
        let part = dir.join("rungwise.db.part");
        let io = |e: std::io::Error| trouble(&path, &e);
        if part.exists() {
            std::fs::remove_file(&part).map_err(io)?;
        }
        let mut target = private_file(&part).map_err(io)?;
        let mut source = std::fs::File::open(from).map_err(io)?;
        std::io::copy(&mut source, &mut target).map_err(io)?;
        inspect(&part, None).await?;
        set_aside(&path).map_err(io)?;
        put_in_place(&part, &path)?;
        Ok(Self { path, ..backup })
    }
}

/// Moves the database and what lies beside it to free names. The log first: a database without its log would be taken
/// for whole.
fn set_aside(path: &Path) -> std::io::Result<()> {
    let beside = |rest: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(rest);
        PathBuf::from(name)
    };
    let free = (1..10_000_u32)
        .find(|n| {
            !beside(&format!(".replaced{n}")).exists()
                && !beside(&format!(".replaced{n}-wal")).exists()
        })
        .ok_or_else(|| std::io::Error::other("too many replaced databases lie here"))?;
    for rest in ["-shm", "-wal", ""] {
        let file = beside(rest);
        if file.exists() {
            std::fs::rename(&file, beside(&format!(".replaced{free}{rest}")))?;
        }
    }
    Ok(())
}

fn put_in_place(part: &Path, to: &Path) -> Result<(), StoreError> {
    let io = |e: std::io::Error| trouble(to, &e);
    std::fs::File::open(part).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(part, to).map_err(io)?;
    match to.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => sync_dir(dir).map_err(io),
        _ => Ok(()),
    }
}

/// Header, pages, constraints, schema if one is expected, and the audit chain.
async fn inspect(path: &Path, schema: Option<&str>) -> Result<Backup, StoreError> {
    inspect_with(path, schema, &[]).await
}

async fn inspect_with(
    path: &Path,
    schema: Option<&str>,
    anchors: &[Head],
) -> Result<Backup, StoreError> {
    header::check(path)?;
    let mut copy = open::single(path).await.map_err(failed(DOING))?;
    if let Some(problem) = open::problems(&mut copy).await.map_err(failed(DOING))?.first() {
        return Err(trouble(path, problem));
    }
    if let Some(expected) = schema
        && schema_digest(&mut copy).await? != expected
    {
        return Err(trouble(path, &"its schema differs from the original's"));
    }
    let head = match audit::verify(&mut copy, Head::genesis(), anchors).await {
        Ok(head) => head,
        Err(AuditError::Store(error)) => return Err(error),
        Err(broken) => return Err(trouble(path, &broken)),
    };
    copy.close().await.map_err(failed(DOING))?;
    let bytes = std::fs::metadata(path).map_err(|e| trouble(path, &e))?.len();
    Ok(Backup { path: path.to_owned(), bytes, head })
}

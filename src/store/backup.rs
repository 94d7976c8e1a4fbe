//! Verified copies of a live database, and its integrity.

use std::path::{Path, PathBuf};

use sqlx::{Connection as _, SqliteConnection};

use super::{
    audit::schema_digest,
    dialect,
    error::failed,
    header,
    open::{self, private_file, sync_dir},
    rows::Got,
    sql,
    sqlite::SqliteStore,
};
use crate::{
    domain::audit::{Head, LinkHash},
    ports::StoreError,
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

const DOING: &str = "making a backup";

fn trouble(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    let why = format!("{}: {}", path.display(), why);
    StoreError::Database { doing: DOING, why }
}

impl SqliteStore {
    /// Copies the database as of now to `to`, which must not exist, while others read and write. The copy gets its
    /// name only after integrity, foreign keys, schema and header were checked; a failed one leaves nothing.
    pub async fn backup(&self, to: &Path) -> Result<Backup, StoreError> {
        if to.try_exists().map_err(|e| trouble(to, &e))? {
            return Err(StoreError::Conflict { doing: DOING, what: to.display().to_string() });
        }
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        if part.exists() {
            std::fs::remove_file(&part).map_err(|e| trouble(&part, &e))?;
        }
        let copied = self.copy_and_check(&part, to).await;
        if copied.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        copied
    }

    async fn copy_and_check(&self, part: &Path, to: &Path) -> Result<Backup, StoreError> {
        // The engine fills an empty file; made here it is private from its first byte on.
        private_file(part).map_err(|e| trouble(part, &e))?;
        let mut live = open::single(self.path()).await.map_err(failed(DOING))?;
        let text = part.to_str().ok_or_else(|| trouble(part, &"its name is not UTF-8"))?;
        sqlx::query(dialect::COPY_INTO)
            .bind(text)
            .execute(&mut live)
            .await
            .map_err(failed(DOING))?;
        live.close().await.map_err(failed(DOING))?;

        header::check(part)?;
        let mut copy = open::single(part).await.map_err(failed(DOING))?;
        if let Some(problem) = open::problems(&mut copy).await.map_err(failed(DOING))?.first() {
            return Err(trouble(part, &problem));
        }
        if schema_digest(&mut copy).await? != self.schema_digest().await? {
            return Err(trouble(part, &"its schema differs from the original's"));
        }
        let head = newest(&mut copy).await?;
        copy.close().await.map_err(failed(DOING))?;

        let io = |e: std::io::Error| trouble(to, &e);
        let file = std::fs::File::open(part).map_err(io)?;
        file.sync_all().map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        std::fs::rename(part, to).map_err(io)?;
        if let Some(dir) = to.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            sync_dir(dir).map_err(io)?;
        }
        Ok(Backup { path: to.to_owned(), bytes, head })
    }

    /// Checks every page, index and constraint. Empty when all is well, else one line per problem.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let doing = "checking the database";
        let mut conn = self.read_connection(doing).await?;
        open::problems(&mut conn).await.map_err(failed(doing))
    }
}

async fn newest(conn: &mut SqliteConnection) -> Result<Head, StoreError> {
    let row = sqlx::query(sql::AUDIT_HEAD).fetch_optional(conn).await.map_err(failed(DOING))?;
    let Some(row) = row else { return Ok(Head::genesis()) };
    let got = Got::new(&row, DOING);
    Ok(Head { seq: got.int("seq")?, hash: LinkHash::stored(got.text("hash")?) })
}

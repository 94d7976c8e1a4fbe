//! Whether the history on disk still is the one the agent opened and verified: while it is not, nothing is sent.
//!
//! The door asks [`Standing`] before every send, without the database: is the file in its place, is there room to
//! record what is sent, and has the last look found nothing wrong? [`SqliteStore::look`] is that look: it opens the
//! file anew, as another process would see it, so that a file that was overwritten in place shows as well.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::Connection as _;

use super::{
    audit::{self, AuditError},
    error::failed,
    header::{self, open_error},
    open,
    schema::{self, Schema},
    space,
    sqlite::SqliteStore,
};
use crate::{
    domain::audit::{ChainBreak, Head},
    ports::{StopSwitch, StoreError},
};

/// Size of the write-ahead log above which it is merged into the file, in bytes.
const MERGE_BYTES: u64 = 4 * 1024 * 1024;
/// Size of the write-ahead log that a person must look at, in bytes: somebody holds a read open.
pub const WAL_ALARM_BYTES: u64 = 64 * 1024 * 1024;

/// What tells one file from another under the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity(u64, u64);

impl FileIdentity {
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::metadata(path)?;
        Ok(Self(meta.dev(), meta.ino()))
    }
    #[cfg(not(unix))]
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|_| Self(0, 0))
    }
}

/// What is known about the file and its content. Clones share it.
#[derive(Debug, Clone)]
pub struct Standing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    path: PathBuf,
    identity: FileIdentity,
    /// The file never gets shorter: nothing of it is ever given back.
    length: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    head: Option<Head>,
    schema: Option<Schema>,
    broken: Option<String>,
}

impl Standing {
    pub(crate) fn of(dir: &Path, path: &Path) -> std::io::Result<Self> {
        let identity = FileIdentity::of(path)?;
        Ok(Self(Arc::new(Inner {
            dir: dir.to_owned(),
            path: path.to_owned(),
            identity,
            length: AtomicU64::new(0),
            known: Mutex::default(),
        })))
    }
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The newest link this process knows of.
    pub(crate) fn remember_head(&self, head: Head) {
        self.known().head = Some(head);
    }
    pub(crate) fn remember_schema(&self, schema: Schema) {
        self.known().schema = Some(schema);
    }
    /// From now on nothing is sent: what was verified no longer holds. Only a new start clears it.
    pub(crate) fn break_off(&self, why: &str) {
        let mut known = self.known();
        if known.broken.is_none() {
            tracing::error!("writes are off: {why}");
            known.broken = Some(why.to_owned());
        }
    }
    /// Why the last look found that the history is not what it was.
    pub fn broken(&self) -> Option<String> {
        self.known().broken.clone()
    }
    /// Fails when the file was removed, replaced or cut since it was opened: the engine would go on writing into a file
    /// nobody can find.
    pub fn check_file(&self) -> Result<(), StoreError> {
        let here = &self.0;
        let hint =
            "stop the agent, put the file back or `rungwise db restore` a backup, and start again";
        let same = FileIdentity::of(&here.path).is_ok_and(|found| found == here.identity);
        if !same {
            return Err(open_error(&here.path, "it was removed or replaced while in use", hint));
        }
        let length = std::fs::metadata(&here.path).map_or(0, |m| m.len());
        if length < here.length.fetch_max(length, Ordering::Relaxed) {
            return Err(open_error(&here.path, "it became shorter while in use", hint));
        }
        Ok(())
    }
}

impl StopSwitch for Standing {
    fn stopped(&self) -> Option<String> {
        if let Err(e) = self.check_file() {
            return Some(e.to_string());
        }
        self.broken().or_else(|| space::low(&self.0.dir))
    }
}

/// What one look found besides that all is well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Bytes in the write-ahead log after the look.
    pub wal_bytes: u64,
}

impl SqliteStore {
    /// Looks at the file as another process would see it: is it in its place, ours, of this schema, and does it hold
    /// the newest link this process knows? Keeps the reserve filled and the write-ahead log short. Whatever is wrong
    /// also stops the door. For every few seconds.
    pub async fn look(&self) -> Result<Looked, AuditError> {
        let found = self.look_closely().await;
        if let Err(e) = &found
            && !matches!(
                e,
                AuditError::Store(StoreError::Database { .. } | StoreError::Full { .. })
            )
        {
            self.standing().break_off(&e.to_string());
        }
        let dir = self.dir();
        if let Err(e) = self.reserve().ensure(dir) {
            tracing::warn!("the reserve on disk cannot be made: {e}");
        }
        found
    }

    async fn look_closely(&self) -> Result<Looked, AuditError> {
        let standing = self.standing();
        standing.check_file()?;
        header::check(self.path())?;
        let doing = "looking at the database";
        let (head, schema) = {
            let known = standing.known();
            (known.head.clone(), known.schema.clone())
        };
        let mut fresh = open::single(self.path()).await.map_err(failed(doing))?;
        let checked = async {
            if let Some(recorded) = &schema {
                let found = schema::read(&mut fresh).await?;
                if found != *recorded {
                    let (recorded, found) = (recorded.to_string(), found.to_string());
                    return Err(AuditError::Schema { recorded, found });
                }
            }
            if let Some(head) = head.filter(|h| h.seq > 0) {
                match audit::hash_at(&mut fresh, head.seq).await? {
                    Some(hash) if hash == head.hash => {}
                    Some(_) => return Err(ChainBreak::Rewritten { seq: head.seq }.into()),
                    None => {
                        let seq = audit::newest(&mut fresh).await?.seq;
                        return Err(ChainBreak::Cut { seq, anchored: head.seq }.into());
                    }
                }
            }
            Ok(())
        };
        let checked = checked.await;
        let closed = fresh.close().await.map_err(failed(doing));
        checked?;
        closed?;
        Ok(Looked { wal_bytes: self.bound_log().await? })
    }

    /// Bytes in the write-ahead log.
    pub fn log_bytes(&self) -> u64 {
        let mut log = self.path().as_os_str().to_owned();
        log.push("-wal");
        std::fs::metadata(log).map_or(0, |m| m.len())
    }

    /// Merges a grown write-ahead log into the file; what is left of it, in bytes.
    async fn bound_log(&self) -> Result<u64, StoreError> {
        if self.log_bytes() > MERGE_BYTES {
            self.merge_log().await?;
        }
        let left = self.log_bytes();
        if left > WAL_ALARM_BYTES {
            tracing::error!(
                bytes = left,
                "the write-ahead log has grown beyond {} MB: some process holds a read open",
                WAL_ALARM_BYTES / 1024 / 1024
            );
        }
        Ok(left)
    }
}

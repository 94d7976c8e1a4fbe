//! Puts a verified copy in the place of the database, and holds the agent until a person has looked.
//!
//! The copy does not know what was done since it was made. So the agent comes back in observe, the heads that the copy
//! cannot know are put aside with the old files, and the first thing the restored history records is which head it lost.

use std::{path::Path, sync::Arc};

use secrecy::SecretString;
use serde_json::json;

use super::{BootError, anchor_file, history::prove};
use crate::{
    app::restored,
    config::AccountConfig,
    daemon::{AgentLock, hold::Hold},
    domain::Moment,
    ports::{AgentHold, Record, Store as _, StoreError},
    store::{Access, Backup, SqliteStore},
};

/// How the reason of a hold after a restore begins.
pub const RESTORED: &str = "restored";

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// The copy that is now the database.
    pub backup: Backup,
    /// The newest head that was copied out before, if the copy does not know it.
    pub lost: Option<i64>,
    /// The open database.
    pub store: SqliteStore,
}

fn refused(path: &Path, why: &str) -> StoreError {
    let path = path.display().to_string();
    StoreError::Open { path, why: why.to_owned(), hint: "restore another backup" }
}

/// Restores `from` into `dir`, whose agent must not be running.
pub async fn restore(
    dir: &Path,
    from: &Path,
    account: &AccountConfig,
    key: Option<&SecretString>,
    by: &str,
    now: Moment,
) -> Result<Restored, BootError> {
    std::fs::create_dir_all(dir).map_err(|why| BootError::Dir { path: dir.to_owned(), why })?;
    let lock = AgentLock::acquire(dir)?;
    let checked = Backup::inspect(from).await?;
    // Heads the copy is old enough to know must be in it, or it is a copy of another history. Where there is no key
    // there was no history.
    if let Ok(file) = anchor_file(dir, key) {
        let heads = file.read().map_err(|e| refused(from, &e.to_string()))?.heads;
        let known: Vec<_> = heads.into_iter().filter(|h| h.seq <= checked.head.seq).collect();
        Backup::inspect_against(from, &known).await?;
    }
    // Held before anything moves: a restore that is cut off must not end in an agent that writes.
    let reason = format!("{RESTORED} from {} at {now}", from.display());
    Hold::of(dir).set(&reason).map_err(|why| BootError::Dir { path: dir.to_owned(), why })?;
    let backup = Backup::restore(from, &lock).await?;
    let lost = crate::store::set_anchors_aside(dir, &checked.head)?;
    let hold: Arc<dyn AgentHold> = Arc::new(lock);
    let store = SqliteStore::open(dir, &account.id, Access::Agent(hold)).await?;
    let known = crate::ports::Store::head(&store).await?;
    // Its directory says nothing elsewhere; the head says which copy it was.
    let name = from.file_name().map(|n| n.to_string_lossy());
    let body = json!({
        "by": by, "time": now.rfc3339(), "from": name, "restored_head": known.seq,
        "lost_head": lost.as_ref().map(|h| h.seq), "lost_hash": lost.as_ref().map(|h| h.hash.to_string()),
    });
    let body = body.to_string().into_bytes();
    let link = Record::Audit { at: now, kind: "restored".to_owned(), body };
    let mut batch = restored::records(&store, now, by).await?;
    batch.push(link);
    store.commit(batch).await?;
    prove(&store, key, now).await.map_err(|e| refused(store.path(), &e.to_string()))?;
    anchor_file(dir, key)?.append(&store.head().await?)?;
    Ok(Restored { backup, lost: lost.map(|h| h.seq), store })
}

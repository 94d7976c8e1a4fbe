//! Upkeep of a SQLite history: heads copied out, verified copies, looks, and the sign of life.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::{
    Reader,
    custody::{Keeper, Renewal},
};
use crate::{
    daemon::{beat::BeatFile, hold::Hold},
    domain::Moment,
    ports::{Clock as _, StoreError, SystemClock},
    store::{AnchorFile, AuditError, Proved, SqliteStore},
};

/// Directory of verified copies within the state directory.
pub const BACKUPS: &str = "backups";

/// Upkeep of a SQLite history.
#[derive(Debug)]
pub struct History<'a> {
    pub(super) store: &'a SqliteStore,
    pub(super) keep_backups: usize,
    pub(super) copies: Copies<'a>,
    /// Keeper and client of a stored token.
    pub(super) token: Option<(&'a Keeper, &'a Reader)>,
}

/// How and where heads are copied out.
#[derive(Debug)]
pub(super) struct Copies<'a> {
    pub(super) key: Option<&'a SecretString>,
    pub(super) elsewhere: Option<&'a Path>,
}

/// The anchor file of a state directory, sealed with the configured key where there is one.
pub fn anchor_file(dir: &Path, key: Option<&SecretString>) -> Result<AnchorFile, StoreError> {
    let file = AnchorFile::open(dir)?;
    Ok(match key {
        Some(key) => file.keyed(key.expose_secret().as_bytes()),
        None => file,
    })
}

/// Verifies the history before anything else happens: the chain from the newest sealed head on, and the schema. What is
/// in doubt without being broken holds the agent in observe.
pub async fn prove(
    store: &SqliteStore,
    key: Option<&SecretString>,
    now: Moment,
) -> Result<Proved, AuditError> {
    let proved = store.prove(&anchor_file(store.dir(), key)?, now).await?;
    if let Some(doubt) = &proved.doubt {
        tracing::error!("the database is not quite what was recorded: {doubt}");
        Hold::of(store.dir())
            .set(doubt)
            .map_err(|e| StoreError::Database { doing: "holding the agent", why: e.to_string() })?;
    }
    Ok(proved)
}

pub(super) async fn copy_head_out(
    store: &SqliteStore,
    copies: &Copies<'_>,
) -> Result<(), StoreError> {
    let head = crate::ports::Store::head(store).await?;
    let file = anchor_file(store.dir(), copies.key)?;
    // Nothing new to copy out is no reason for another line.
    let known = file.read().ok().and_then(|a| a.heads.last().map(|h| h.seq));
    if known == Some(head.seq) || head.seq == 0 {
        return Ok(());
    }
    file.append(&head)?;
    if let Some(path) = copies.elsewhere {
        let line = format!("{}\n", file.line(&head));
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let written = opened.and_then(|mut f| std::io::Write::write_all(&mut f, line.as_bytes()));
        // The anchor file has it; a second medium that fails is worth a person's attention, not a stop.
        if let Err(e) = written {
            tracing::error!(path = %path.display(), "cannot copy the audit head: {e}");
        }
    }
    tracing::info!(target: "rungwise::anchor", seq = head.seq, "audit head {}", file.line(&head));
    Ok(())
}

impl crate::daemon::run::Upkeep for History<'_> {
    async fn look(&self) -> Result<(), StoreError> {
        match self.store.look().await {
            Ok(_) => Ok(()),
            Err(AuditError::Store(e @ StoreError::Open { .. })) => Err(e),
            // The door is shut already where it must be; reading and telling go on.
            Err(e) => {
                tracing::error!("{e}");
                Ok(())
            }
        }
    }
    fn beat(&self, doing: &str) {
        if let Err(e) = BeatFile::of(self.store.dir()).write(SystemClock.now(), doing) {
            tracing::warn!("cannot leave a sign of life: {e}");
        }
    }
    fn held(&self) -> Option<String> {
        Hold::of(self.store.dir()).reason()
    }
    async fn verify_audit(&self) -> Result<(), String> {
        let whole = async {
            let anchors = anchor_file(self.store.dir(), self.copies.key)?.read()?;
            self.store.verify_audit_against(&anchors.heads).await
        };
        whole.await.map(|_| ()).map_err(|e| {
            self.store.standing().break_off(&e.to_string());
            e.to_string()
        })
    }
    async fn anchor(&self) -> Result<(), StoreError> {
        copy_head_out(self.store, &self.copies).await
    }
    async fn follow_token(&self) {
        let Some((keeper, client)) = self.token else { return };
        match keeper.follow(client).await {
            Ok(true) => tracing::info!("calling with another token from now on"),
            Ok(false) => {}
            Err(e) => tracing::error!("the stored token cannot be used: {e}"),
        }
    }
    async fn renew_token(&self) {
        let Some((keeper, _)) = self.token else { return };
        match keeper.renew().await {
            Ok(Renewal::NotDue) => {}
            Ok(Renewal::Renewed(end)) => {
                let end = end.map_or_else(|| "no end".to_owned(), |end| end.to_string());
                tracing::info!("the token was renewed: {end}");
            }
            Ok(Renewal::Waiting(why)) => {
                tracing::warn!("the renewed token could not be tested yet: {why}");
            }
            Ok(Renewal::Dropped(why)) => {
                tracing::error!("the renewed token failed its test and was dropped: {why}");
            }
            Err(e) => tracing::error!("the token cannot be renewed: {e}"),
        }
        self.follow_token().await;
    }
    async fn backup(&self, now: Moment) -> Result<(), String> {
        let dir = self.store.dir().join(BACKUPS);
        std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        let to = dir.join(format!("backup-{}.db", now.seconds()));
        self.store.backup(&to).await.map_err(|e| e.to_string())?;
        prune(&dir, self.keep_backups).map_err(|e| e.to_string())
    }
}

/// Removes all but the newest `keep` backups; only files of our own naming.
fn prune(dir: &Path, keep: usize) -> std::io::Result<()> {
    let mut ours = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let taken_at = name.strip_prefix("backup-").and_then(|n| n.strip_suffix(".db"));
        if let Some(seconds) = taken_at.and_then(|n| n.parse::<i64>().ok()) {
            ours.push((seconds, entry.path()));
        }
    }
    ours.sort();
    let old = ours.len().saturating_sub(keep.max(1));
    for (_, path) in ours.into_iter().take(old) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

//! The store on SQLite: who may open it, and the one way a change becomes durable.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{Connection as _, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{
    anchor, climbs, commit, dialect,
    error::failed,
    header::{self, open_error},
    hook::{Change, CommitHook},
    insights, objects, open, plans, secrets, small,
    space::{self, Reserve},
    standing::Standing,
    turns::{Reader, Turn, Writer},
};
use crate::planted::{Bug, bug};
use crate::{
    domain::{
        AccountId, AccountInfo, CampaignId, ClimbId, DayRange, DecisionId, InsightRow, Moment,
        SeenRow, Tree,
        audit::{Head, Link},
        plan::{Approval, PlanHash},
        write_log::Entry,
    },
    ports::{
        AgentHold, Record, Store, StoreError,
        store::{
            ClimbRow, CommandRow, CoverageRow, DecisionRow, IntentRow, PlanRow, SavedInsights,
            SealedRow,
        },
    },
};

/// In what capacity the database is opened.
#[derive(Debug, Clone)]
pub enum Access {
    /// The one agent: creates, migrates and writes everything. The store keeps the hold until its last clone is gone.
    Agent(Arc<dyn AgentHold>),
    /// Another process of a person: reads, and writes commands, approvals and their audit links only.
    Commands,
    /// Reads only; works beside an agent and in a directory without write permission.
    Read,
}

/// The database of one installation, seen by one of its accounts. Clones share their connections.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    pub(crate) account: AccountId,
    hook: Option<Arc<dyn CommitHook>>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    path: PathBuf,
    access: Access,
    writer: Option<Writer>,
    reader: Reader,
    standing: Standing,
    reserve: Reserve,
}

impl SqliteStore {
    /// Opens `dir`'s database for `account`.
    ///
    /// The agent makes the directory's database when there is none and brings an older one to the newest schema; the
    /// others need one that exists and is current. Fails with [`StoreError::Open`] for a file that is missing, empty,
    /// cut short, not a database, of another program or of a newer version; such a file is left as it is.
    pub async fn open(dir: &Path, account: &AccountId, access: Access) -> Result<Self, StoreError> {
        let dir = dir
            .canonicalize()
            .map_err(|e| open_error(dir, e.to_string(), "choose an existing --dir"))?;
        let path = open::database(&dir);
        let exists = path.try_exists().unwrap_or(true);
        let (writer, reader) = match &access {
            Access::Agent(hold) => {
                if hold.dir() != dir {
                    let why = format!("the agent's lock is on {}", hold.dir().display());
                    return Err(open_error(&path, why, "take the lock of the same directory"));
                }
                if !exists {
                    refuse_lost_history(&dir, &path)?;
                    open::create(&dir, &path, None).await?;
                }
                header::check(&path)?;
                let died = header::has_log(&path);
                let mut conn = open::writer(&path).await?;
                if died {
                    open::check_after_death(&path, &mut conn).await?;
                }
                open::migrate(&path, &mut conn).await?;
                anchor::ensure_key(&dir)?;
                // The agent does one thing at a time. On one connection its reads keep the pages that its commits have
                // left in memory; a second one would forget all of them at every commit.
                let writer = Writer::new(&path, conn, Some(Arc::clone(hold)));
                (Some(writer.clone()), Reader::Writer(writer))
            }
            Access::Commands | Access::Read if !exists => {
                let hint = "run `rungwise init` and `rungwise sync` first, or choose another --dir";
                return Err(open_error(&path, "there is no database", hint));
            }
            Access::Commands => {
                header::check(&path)?;
                let writer = Writer::new(&path, open::writer(&path).await?, None);
                (Some(writer), Reader::Pool(open::readers(&path).await?))
            }
            Access::Read => {
                header::check(&path)?;
                (None, Reader::Pool(open::readers(&path).await?))
            }
        };
        let standing = Standing::of(&dir, &path)
            .map_err(|e| open_error(&path, e.to_string(), "the file must be readable"))?;
        let reserve = Reserve::of(&dir);
        let shared = Shared { dir, path, access, writer, reader, standing, reserve };
        Ok(Self { shared: Arc::new(shared), account: account.clone(), hook: None })
    }

    /// Makes an empty database in `dir` under a given installation id, which already knows the words of people in
    /// `texts` under salts that follow from both: for rehearsals, which must come out the same twice. Fails where there
    /// is one already.
    pub async fn prepare(dir: &Path, install_id: &str, texts: &[&str]) -> Result<(), StoreError> {
        let path = open::database(dir);
        if path.exists() {
            return Err(open_error(&path, "there is a database", "choose an empty directory"));
        }
        open::create(dir, &path, Some((install_id, texts))).await
    }

    /// The same database seen by another of its accounts.
    #[must_use]
    pub fn for_account(&self, account: &AccountId) -> Self {
        Self { account: account.clone(), ..self.clone() }
    }

    /// The same database with `hook` called around each of this handle's changes.
    #[must_use]
    pub fn with_hook(self, hook: Arc<dyn CommitHook>) -> Self {
        Self { hook: Some(hook), ..self }
    }

    /// The account this handle reads and writes.
    pub fn account_id(&self) -> &AccountId {
        &self.account
    }

    /// The directory, in canonical form.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Closes the connections; the agent's log is then merged into the file.
    pub async fn close(self) {
        self.shared.reader.close().await;
        if let Some(writer) = &self.shared.writer {
            writer.close().await;
        }
    }

    /// Fails when the file was removed, replaced or cut since it was opened.
    pub fn check_file(&self) -> Result<(), StoreError> {
        self.shared.standing.check_file()
    }

    /// What the door asks before every send.
    pub fn standing(&self) -> &Standing {
        &self.shared.standing
    }

    /// Why nothing may be sent for want of room on the disk.
    pub fn room(&self) -> Option<String> {
        space::low(self.dir())
    }

    /// Every version of every tree, oldest first; `seen_at` is when a read first found it so.
    pub async fn tree_versions(&self) -> Result<Vec<Tree>, StoreError> {
        objects::versions(self).await
    }

    pub(crate) fn reserve(&self) -> &Reserve {
        &self.shared.reserve
    }

    /// Merges the write-ahead log into the file as far as readers allow.
    pub(crate) async fn merge_log(&self) -> Result<(), StoreError> {
        self.on_writer("merging the write-ahead log", dialect::MERGE_LOG).await
    }

    /// Merges the write-ahead log into the file and cuts it to nothing, so that erased text is gone from it too.
    pub(crate) async fn empty_log(&self) -> Result<(), StoreError> {
        self.on_writer("emptying the write-ahead log", dialect::EMPTY_LOG).await
    }

    async fn on_writer(&self, doing: &'static str, text: &'static str) -> Result<(), StoreError> {
        if self.shared.writer.is_none() {
            return Ok(());
        }
        let mut conn = self.write_connection(doing).await?;
        sqlx::query(text).fetch_all(&mut *conn).await.map_err(failed(doing))?;
        conn.done();
        Ok(())
    }

    /// Lets the file grow to `pages` pages only (never below what it has), as a full disk would: for rehearsals. Holds
    /// until the writer's connection is replaced, which the first failure brings about.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        let doing = "limiting the database's size";
        let mut conn = self.write_connection(doing).await?;
        let text = sqlx::AssertSqlSafe(format!("{} = {pages}", dialect::PAGE_LIMIT));
        sqlx::query(text).fetch_one(&mut *conn).await.map_err(failed(doing))?;
        conn.done();
        Ok(())
    }

    /// The account's number, as tables have it.
    pub(crate) fn key(&self) -> &str {
        self.account.as_str()
    }

    pub(crate) async fn read_connection(&self, doing: &'static str) -> Result<Turn, StoreError> {
        self.shared.reader.turn(doing, &self.shared.standing).await
    }

    async fn write_connection(&self, doing: &'static str) -> Result<Turn, StoreError> {
        let Some(writer) = &self.shared.writer else {
            return Err(forbidden(doing, "it was opened for reading only"));
        };
        writer.turn(doing, &self.shared.standing).await
    }

    /// Rows of a statement with parameters.
    pub(crate) async fn rows(
        &self,
        doing: &'static str,
        query: sqlx::query::Query<'_, Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut conn = self.read_connection(doing).await?;
        let rows = query.fetch_all(&mut *conn).await.map_err(failed(doing))?;
        conn.done();
        Ok(rows)
    }

    /// The one row of a statement, if any.
    pub(crate) async fn row(
        &self,
        doing: &'static str,
        query: sqlx::query::Query<'_, Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<Option<SqliteRow>, StoreError> {
        let mut conn = self.read_connection(doing).await?;
        let row = query.fetch_optional(&mut *conn).await.map_err(failed(doing))?;
        conn.done();
        Ok(row)
    }

    pub(crate) fn before(&self, change: Change<'_>) -> Result<(), StoreError> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook.before(change))
    }

    pub(crate) fn after(&self, change: Change<'_>) -> Result<(), StoreError> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook.after(change))
    }

    /// Runs `work` in the transaction all changes go through: all of it is done, or nothing.
    pub(crate) async fn change<T>(
        &self,
        doing: &'static str,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check_file()?;
        let mut conn = self.write_connection(doing).await?;
        let mut tx = conn.begin_with(dialect::BEGIN_WRITE).await.map_err(failed(doing))?;
        let done = match work(&mut tx).await {
            Ok(done) => tx.commit().await.map(|()| done).map_err(failed(doing)),
            Err(error) => {
                // When the engine has rolled back by itself this fails, and the connection is replaced.
                let _ = tx.rollback().await;
                Err(error)
            }
        };
        // A full disk may have made the engine roll back by itself: the next turn has a fresh connection.
        if !matches!(done, Err(StoreError::Full { .. })) {
            conn.done();
        }
        done
    }

    pub(crate) fn agent_only(&self, doing: &'static str) -> Result<(), StoreError> {
        match self.shared.access {
            Access::Agent(_) => Ok(()),
            Access::Commands | Access::Read => Err(forbidden(doing, "only the agent may do that")),
        }
    }

    async fn commit_now(self, batch: Vec<Record>) -> Result<(), StoreError> {
        let doing = "committing a batch";
        // Also audit links: a person's yes is on the chain the moment it is given, not when the agent next looks. And a
        // fresh login, which is what an agent with a dead token waits for.
        let harmless = |r: &Record| {
            // A note only where a person takes an unknown object as known.
            let adopts = matches!(r, Record::Note { key, .. } if key.starts_with("adopted:"));
            matches!(
                r,
                Record::Command(_)
                    | Record::Approval(_)
                    | Record::Audit { .. }
                    | Record::Sealed(_)
                    | Record::SealedRemoved { .. }
            ) || adopts
        };
        if !batch.iter().all(harmless) {
            self.agent_only(doing)?;
        }
        self.before(Change::Batch(&batch))?;
        match self.write_batch(doing, &batch).await {
            // What became of a write that was sent must find room: that is what the reserve is for.
            Err(StoreError::Full { .. })
                if tells_an_outcome(&batch) && self.reserve().release() =>
            {
                tracing::error!("the disk is full: the reserve is used for the outcome of a write");
                self.write_batch(doing, &batch).await?;
            }
            other => other?,
        }
        self.after(Change::Batch(&batch))
    }

    async fn write_batch(&self, doing: &'static str, batch: &[Record]) -> Result<(), StoreError> {
        let all = async |conn: &mut SqliteConnection| commit::all(conn, self.key(), batch).await;
        if let Some(head) = self.change(doing, all).await? {
            self.shared.standing.remember_head(head);
        }
        Ok(())
    }
}

/// Runs `work` to its end even when the caller stops waiting: a commit that is abandoned midway may have happened, and
/// nobody would know.
async fn to_the_end(
    doing: &'static str,
    work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
) -> Result<(), StoreError> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(why) => Err(StoreError::Database { doing, why: why.to_string() }),
    }
}

/// True for batches that say how a write ended and begin none.
fn tells_an_outcome(batch: &[Record]) -> bool {
    let begins =
        |r: &Record| matches!(r, Record::Intent(_) | Record::Entry { entry: Entry::Started, .. });
    let ends = |r: &Record| matches!(r, Record::Entry { .. });
    !batch.iter().any(begins) && batch.iter().any(ends)
}

fn forbidden(doing: &'static str, why: &str) -> StoreError {
    StoreError::Database { doing, why: why.to_owned() }
}

/// Without a database but with copied-out heads, history was lost: beginning anew would hide it.
fn refuse_lost_history(dir: &Path, path: &Path) -> Result<(), StoreError> {
    match anchor::newest_number(dir) {
        Some(seq) if seq > 0 => {
            let why = format!(
                "there is no database, but {} knows its audit row {seq}",
                anchor::ANCHOR_FILE
            );
            let hint = "restore a backup; to begin anew, move anchors.log and head.key away";
            Err(open_error(path, why, hint))
        }
        _ => Ok(()),
    }
}

impl Store for SqliteStore {
    async fn commit(&self, batch: Vec<Record>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let done = to_the_end("committing a batch", self.clone().commit_now(batch)).await;
        if bug(Bug::StoreErrorSwallowed) { Ok(()) } else { done }
    }
    async fn save_insights(
        &self,
        account: &AccountId,
        range: DayRange,
        rows: &[InsightRow],
        fetched_at: Moment,
    ) -> Result<SavedInsights, StoreError> {
        insights::save(&self.for_account(account), Some(range), rows, fetched_at).await
    }
    async fn add_insights(
        &self,
        account: &AccountId,
        rows: &[InsightRow],
        fetched_at: Moment,
    ) -> Result<SavedInsights, StoreError> {
        insights::save(&self.for_account(account), None, rows, fetched_at).await
    }
    async fn insights(
        &self,
        account: &AccountId,
        campaigns: &[CampaignId],
        range: DayRange,
        as_of: Option<Moment>,
    ) -> Result<Vec<SeenRow>, StoreError> {
        insights::collect(&self.for_account(account), campaigns, range, as_of, None).await
    }
    async fn insights_counting(
        &self,
        account: &AccountId,
        campaigns: &[CampaignId],
        range: DayRange,
        as_of: Option<Moment>,
        actions: &[String],
    ) -> Result<Vec<SeenRow>, StoreError> {
        let store = self.for_account(account);
        insights::collect(&store, campaigns, range, as_of, Some(actions)).await
    }
    async fn coverage(
        &self,
        account: &AccountId,
        range: DayRange,
        as_of: Option<Moment>,
    ) -> Result<Vec<CoverageRow>, StoreError> {
        insights::coverage(&self.for_account(account), range, as_of).await
    }
    async fn install_id(&self) -> Result<String, StoreError> {
        small::install_id(self).await
    }
    async fn account(&self, account: &AccountId) -> Result<Option<AccountInfo>, StoreError> {
        objects::account(&self.for_account(account)).await
    }
    async fn tree(&self, campaign: &CampaignId) -> Result<Option<Tree>, StoreError> {
        objects::tree(self, campaign).await
    }
    async fn trees(&self) -> Result<Vec<Tree>, StoreError> {
        objects::trees(self).await
    }
    async fn climbs(&self, open: bool) -> Result<Vec<ClimbRow>, StoreError> {
        climbs::climbs(self, open).await
    }
    async fn decisions(
        &self,
        climb: Option<&ClimbId>,
        limit: u32,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        climbs::decisions(self, climb, limit).await
    }
    async fn decision(&self, id: &DecisionId) -> Result<Option<DecisionRow>, StoreError> {
        climbs::decision(self, id).await
    }
    async fn evidence(&self, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
        climbs::evidence(self, hash).await
    }
    async fn plans(&self, open: bool, limit: u32) -> Result<Vec<PlanRow>, StoreError> {
        plans::plans(self, open, limit).await
    }
    async fn plans_like(&self, prefix: &str) -> Result<Vec<PlanRow>, StoreError> {
        plans::plans_like(self, prefix).await
    }
    async fn approvals(&self, plan: &PlanHash) -> Result<Vec<Approval>, StoreError> {
        plans::approvals(self, plan).await
    }
    async fn intents(&self, plan: Option<&PlanHash>) -> Result<Vec<IntentRow>, StoreError> {
        plans::intents(self, plan).await
    }
    async fn intents_since(&self, since: Moment) -> Result<Vec<IntentRow>, StoreError> {
        plans::intents_since(self, since).await
    }
    async fn commands(&self) -> Result<Vec<CommandRow>, StoreError> {
        small::commands(self).await
    }
    async fn last_slot(&self, job: &str) -> Result<Option<Moment>, StoreError> {
        small::last_slot(self, job).await
    }
    async fn note(&self, key: &str) -> Result<Option<String>, StoreError> {
        small::note(self, key).await
    }
    async fn notes(&self, keys: &[String]) -> Result<BTreeMap<String, String>, StoreError> {
        small::notes(self, keys).await
    }
    async fn sealed(&self) -> Result<Vec<SealedRow>, StoreError> {
        secrets::sealed(self).await
    }
    async fn links(&self, after: i64, limit: u32) -> Result<Vec<Link>, StoreError> {
        self.audit_links(after, limit).await
    }
    async fn head(&self) -> Result<Head, StoreError> {
        self.audit_head().await
    }
}

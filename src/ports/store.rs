//! History and intentions on disk.
//!
//! All changes but the bulk of insights go through one method, [`Store::commit`]: a batch of [`Record`]s in one
//! durable transaction. Once it returns, the batch survives a crash; when it fails, nothing of it exists. Each
//! [`Record::Audit`] becomes the next link of the audit chain within the same transaction.

use std::{collections::BTreeMap, fmt::Debug, future::Future, path::Path};

use crate::domain::{
    AccountId, AccountInfo, CampaignId, ClimbId, DayRange, DecisionId, InsightRow, LineId, Moment,
    ObjectId, OpKey, SeenRow, Tree,
    audit::{Head, Link},
    plan::{Action, Approval, ApprovedPlan, ObjectKind, PlanHash, PlanKind, Template},
    write_log::Entry,
};
use crate::planted::{Bug, bug};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened or is not ours.
    #[error("cannot open the database {path}: {why}")]
    Open {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// Another agent holds the lock.
    #[error("another agent is running on {path}")]
    Locked {
        /// The lock file.
        path: String,
    },
    /// The disk is full; nothing of the batch exists.
    #[error("the disk is full while {doing}")]
    Full {
        /// Which operation.
        doing: &'static str,
    },
    /// A row that may exist only once exists already.
    #[error("{doing}: {what} exists already")]
    Conflict {
        /// Which operation.
        doing: &'static str,
        /// Which uniqueness was violated.
        what: String,
    },
    /// Any other failure of the database.
    #[error("the database failed while {doing}: {why}")]
    Database {
        /// Which operation.
        doing: &'static str,
        /// The engine's words.
        why: String,
    },
    /// A stored document cannot be read: corruption, or a newer form.
    #[error("stored {what} cannot be read: {why}")]
    Document {
        /// Which document.
        what: String,
        /// Why.
        why: String,
    },
}

impl StoreError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { hint, .. } => hint,
            Self::Locked { .. } => {
                "stop the other `run`, `tick` or `apply`, or choose another --dir"
            }
            Self::Full { .. } => "free some space; nothing was sent and nothing is lost",
            Self::Conflict { .. } => "the same step was recorded before; see `rungwise audit log`",
            Self::Database { .. } => "check the disk and `rungwise health`",
            Self::Document { .. } => "restore a backup, or use the version that wrote it",
        }
    }
}

/// Proof that this process is the one agent of a directory. A store opened for the agent keeps it, so that the lock
/// outlives every write.
pub trait AgentHold: Debug + Send + Sync {
    /// The directory, in canonical form.
    fn dir(&self) -> &Path;
}

/// A line or climb as stored: the document is its current state, its history is in decisions and audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClimbRow {
    /// Its id.
    pub id: ClimbId,
    /// Its line.
    pub line: LineId,
    /// Word for its state, e.g. `comparing`.
    pub state: String,
    /// False once it has ended.
    pub open: bool,
    /// The state as JSON.
    pub doc: Vec<u8>,
    /// Last change.
    pub updated_at: Moment,
}

/// A decision with the evidence it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// Its id.
    pub id: DecisionId,
    /// Its line.
    pub line: LineId,
    /// Its climb.
    pub climb: ClimbId,
    /// When.
    pub at: Moment,
    /// Hash of the evidence.
    pub evidence: String,
    /// The decision as JSON: the bytes a replay must reproduce.
    pub doc: Vec<u8>,
}

/// A plan as filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// The hash it is filed under.
    pub hash: PlanHash,
    /// Its line.
    pub line: LineId,
    /// Its climb.
    pub climb: ClimbId,
    /// What it is for.
    pub kind: PlanKind,
    /// When it was made.
    pub created: Moment,
    /// When it expires.
    pub expires: Moment,
    /// Its bytes, exactly as hashed.
    pub bytes: Vec<u8>,
    /// How it ended, if it has.
    pub end: Option<EndRow>,
}

/// How a plan ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndRow {
    /// `done`, `stale`, `rejected`, `expired`, `failed`, `withdrawn`.
    pub outcome: String,
    /// Why, in one line.
    pub why: String,
    /// When.
    pub at: Moment,
}

/// A write that was recorded before it was sent, with its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRow {
    /// Its key.
    pub op_key: OpKey,
    /// The plan it belongs to.
    pub plan: PlanHash,
    /// The key of the action within the plan.
    pub action: String,
    /// What it creates, if it creates.
    pub creates: Option<ObjectKind>,
    /// The bound request.
    pub request: Template,
    /// When it was recorded.
    pub at: Moment,
    /// Its log, oldest first.
    pub entries: Vec<(Moment, Entry)>,
    /// What it created, once known.
    pub object: Option<ObjectId>,
    /// True once a read has shown what the write promised.
    pub verified: bool,
}

/// A request to the agent from another process: approve, reject, pause, abort, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRow {
    /// Its number.
    pub id: i64,
    /// When it was given.
    pub at: Moment,
    /// By whom.
    pub by: String,
    /// `climb_pause`, `climb_resume`, `climb_abort`, `climb_promote`, …
    pub kind: String,
    /// What it is about, e.g. a climb id.
    pub subject: String,
    /// What the person wrote.
    pub note: String,
}

/// Whether a sealed secret is in use, or waits to be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Stored, not yet tested.
    Candidate,
    /// In use.
    Current,
}

impl Standing {
    /// The word in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Current => "current",
        }
    }
    /// Reads [`Standing::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Candidate, Self::Current].into_iter().find(|s| s.as_str() == word)
    }
}

/// A secret as it lies on disk: ciphertext, and facts that are no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Random, 32 hex digits; part of what the ciphertext is bound to.
    pub id: String,
    /// What the secret is for, e.g. `token`.
    pub purpose: String,
    /// In use, or waiting to be tested.
    pub standing: Standing,
    /// Which key it was sealed under.
    pub key_id: String,
    /// The nonce.
    pub nonce: Vec<u8>,
    /// The ciphertext with its tag.
    pub sealed: Vec<u8>,
    /// What is known about the secret: JSON.
    pub facts: Vec<u8>,
    /// When it was sealed.
    pub made_at: Moment,
}

/// That a range of days was read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverageRow {
    /// The days.
    pub range: DayRange,
    /// When the read ended.
    pub fetched_at: Moment,
}

/// What a bulk of insights brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SavedInsights {
    /// Rows not seen before.
    pub new: u64,
    /// Rows that differ from the version seen before; the old version is kept.
    pub restated: u64,
    /// Rows equal to the version seen before.
    pub unchanged: u64,
}

/// One change. A batch of them is committed as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The account as read now.
    Account(Box<AccountInfo>, Moment),
    /// A tree as read now; kept as a new version only when it differs from the last.
    Tree(Box<Tree>),
    /// Current state of a climb.
    Climb(ClimbRow),
    /// Stored inputs of a decision, under the hash of their bytes; filing the same twice is no change.
    Evidence {
        /// Lower-case hex of the SHA-256 of `bytes`.
        hash: String,
        /// When it was collected.
        at: Moment,
        /// The document.
        bytes: Vec<u8>,
    },
    /// A decision.
    Decision(DecisionRow),
    /// A plan; `end` is ignored.
    Plan(PlanRow),
    /// How a plan ended; a plan ends once.
    PlanEnd(PlanHash, EndRow),
    /// A yes or no.
    Approval(Approval),
    /// A write about to be sent; its `op_key` exists once, ever. `entries` are ignored.
    Intent(IntentRow),
    /// One more entry of a write's log.
    Entry {
        /// The write.
        op_key: OpKey,
        /// When.
        at: Moment,
        /// What.
        entry: Entry,
        /// The object it created, when this entry told.
        object: Option<ObjectId>,
    },
    /// A read has shown what the write promised.
    Verified {
        /// The write.
        op_key: OpKey,
        /// When.
        at: Moment,
    },
    /// A request to the agent; `id` is given by the store.
    Command(CommandRow),
    /// The agent has dealt with a command.
    CommandDone {
        /// Its number.
        id: i64,
        /// When.
        at: Moment,
        /// What came of it.
        answer: String,
    },
    /// A scheduled slot is being run: conflicts when it was run before.
    Slot {
        /// The job, e.g. `pull`.
        job: String,
        /// The slot's instant.
        slot: Moment,
        /// When it ran.
        at: Moment,
    },
    /// A named small value, e.g. the agent's mode demotion.
    Note {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
    /// A sealed secret; there is one of each purpose and standing.
    Sealed(SealedRow),
    /// A sealed secret goes.
    SealedRemoved {
        /// Which.
        id: String,
    },
    /// The next link of the audit chain.
    Audit {
        /// When.
        at: Moment,
        /// What kind, e.g. `write_began`.
        kind: String,
        /// The record: JSON text.
        body: Vec<u8>,
    },
}

/// A write whose intent is on disk: the only thing a `MetaWrite` takes, and it can be sent once.
#[derive(Debug)]
pub struct Armed {
    op_key: OpKey,
    request: Template,
    creates: Option<ObjectKind>,
}

impl Armed {
    /// Its key.
    pub fn op_key(&self) -> &OpKey {
        &self.op_key
    }
    /// The bound request.
    pub fn request(&self) -> &Template {
        &self.request
    }
    /// What it creates.
    pub fn creates(&self) -> Option<ObjectKind> {
        self.creates
    }
}

/// Commits `batch`, which must hold the intent or its next `Started` entry and the audit link, and only then hands
/// out the right to send `request`.
///
/// The approved plan is asked for so that nobody without one can come here; the request must be the plan's own
/// template, bound.
pub async fn arm<S: Store>(
    store: &S,
    approved: &ApprovedPlan,
    action: &Action,
    request: Template,
    batch: Vec<Record>,
) -> Result<Armed, StoreError> {
    let listed = approved.plan().action(&action.key) == Some(action);
    let started = batch.iter().any(|r| {
        matches!(r, Record::Entry { op_key, entry: Entry::Started, .. } if *op_key == action.op_key)
    });
    let audited = batch.iter().any(|r| matches!(r, Record::Audit { .. }));
    if !(listed && started && audited) {
        let what = format!("write {} of plan {}", action.op_key, approved.hash());
        return Err(StoreError::Document { what, why: "it is not an authorised write".into() });
    }
    if !bug(Bug::IntentNeverCommitted) && !bug(Bug::SendBeforeCommit) {
        store.commit(batch).await?;
    }
    Ok(Armed { op_key: action.op_key.clone(), request, creates: action.op.creates() })
}

/// The database of one installation. All reads see the last commit.
pub trait Store: Send + Sync {
    /// Writes a batch durably or not at all. Must never be cancelled midway: callers do not race it.
    fn commit(&self, batch: Vec<Record>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps rows as seen at `fetched_at`: a row that differs from its newest version becomes another version, nothing
    /// is overwritten; remembers that `range` was read completely. One transaction. Refuses rows outside `range`, and a
    /// changed row whose newest version is not older than `fetched_at`.
    fn save_insights(
        &self,
        account: &AccountId,
        range: DayRange,
        rows: &[InsightRow],
        fetched_at: Moment,
    ) -> impl Future<Output = Result<SavedInsights, StoreError>> + Send;
    /// The same for a part of a longer read: rows are kept, but no day counts as read completely yet.
    fn add_insights(
        &self,
        account: &AccountId,
        rows: &[InsightRow],
        fetched_at: Moment,
    ) -> impl Future<Output = Result<SavedInsights, StoreError>> + Send;

    /// The newest version of each row, of the named campaigns (all when none is named) and days, as it was seen at
    /// `as_of` (now when None), ordered by day and ad set.
    fn insights(
        &self,
        account: &AccountId,
        campaigns: &[CampaignId],
        range: DayRange,
        as_of: Option<Moment>,
    ) -> impl Future<Output = Result<Vec<SeenRow>, StoreError>> + Send;
    /// The same with the counts and values of these action types alone: most of a row are counts nobody asks for.
    fn insights_counting(
        &self,
        account: &AccountId,
        campaigns: &[CampaignId],
        range: DayRange,
        as_of: Option<Moment>,
        actions: &[String],
    ) -> impl Future<Output = Result<Vec<SeenRow>, StoreError>> + Send;
    /// Every complete read that touches `range`, oldest first, up to `as_of`.
    fn coverage(
        &self,
        account: &AccountId,
        range: DayRange,
        as_of: Option<Moment>,
    ) -> impl Future<Output = Result<Vec<CoverageRow>, StoreError>> + Send;

    /// Random text drawn once when the database was made; part of every op key.
    fn install_id(&self) -> impl Future<Output = Result<String, StoreError>> + Send;
    /// The account as last read.
    fn account(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Option<AccountInfo>, StoreError>> + Send;
    /// The newest version of a campaign's tree; its `seen_at` is the last read that found it so.
    fn tree(
        &self,
        campaign: &CampaignId,
    ) -> impl Future<Output = Result<Option<Tree>, StoreError>> + Send;
    /// The newest version of every tree seen.
    fn trees(&self) -> impl Future<Output = Result<Vec<Tree>, StoreError>> + Send;
    /// Climbs, newest first; only unfinished ones when `open`.
    fn climbs(&self, open: bool) -> impl Future<Output = Result<Vec<ClimbRow>, StoreError>> + Send;
    /// Decisions, newest first, of one climb or of all.
    fn decisions(
        &self,
        climb: Option<&ClimbId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<DecisionRow>, StoreError>> + Send;
    /// One decision.
    fn decision(
        &self,
        id: &DecisionId,
    ) -> impl Future<Output = Result<Option<DecisionRow>, StoreError>> + Send;
    /// The bytes of evidence.
    fn evidence(
        &self,
        hash: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;
    /// Plans, newest first; only those that have not ended when `open`.
    fn plans(
        &self,
        open: bool,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<PlanRow>, StoreError>> + Send;
    /// Plans whose hash starts with `prefix`, at most a few.
    fn plans_like(
        &self,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<PlanRow>, StoreError>> + Send;
    /// Approvals and refusals of a plan, oldest first.
    fn approvals(
        &self,
        plan: &PlanHash,
    ) -> impl Future<Output = Result<Vec<Approval>, StoreError>> + Send;
    /// The writes of one plan in the order they were recorded, or of all plans.
    fn intents(
        &self,
        plan: Option<&PlanHash>,
    ) -> impl Future<Output = Result<Vec<IntentRow>, StoreError>> + Send;
    /// The writes whose log has grown since then, and all that may be in doubt, in the order they were recorded.
    fn intents_since(
        &self,
        since: Moment,
    ) -> impl Future<Output = Result<Vec<IntentRow>, StoreError>> + Send;
    /// Commands nobody has dealt with, oldest first.
    fn commands(&self) -> impl Future<Output = Result<Vec<CommandRow>, StoreError>> + Send;
    /// The newest slot of a job that was run.
    fn last_slot(
        &self,
        job: &str,
    ) -> impl Future<Output = Result<Option<Moment>, StoreError>> + Send;
    /// A named small value.
    fn note(&self, key: &str) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;
    /// Several of them; a name that is not there has no entry.
    fn notes(
        &self,
        keys: &[String],
    ) -> impl Future<Output = Result<BTreeMap<String, String>, StoreError>> + Send;
    /// The sealed secrets of this account.
    fn sealed(&self) -> impl Future<Output = Result<Vec<SealedRow>, StoreError>> + Send;
    /// Links after number `after`, oldest first, at most `limit`.
    fn links(
        &self,
        after: i64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Link>, StoreError>> + Send;
    /// The newest link as head; genesis when there is none.
    fn head(&self) -> impl Future<Output = Result<Head, StoreError>> + Send;
}

//! What each record becomes, within the transaction of its batch.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use sqlx::{Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::{
    audit, doc,
    error::{document, failed},
    objects, personal, secrets, sql,
};
use crate::{
    domain::{
        Moment, ObjectId, OpKey, Tree,
        audit::Head,
        plan::{Approval, ObjectKind, PlanHash},
        write_log::Entry,
    },
    ports::{
        Record, StoreError,
        store::{ClimbRow, CommandRow, DecisionRow, EndRow, IntentRow, PlanRow},
    },
};

/// Statement with parameters.
pub(crate) type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Lower-case hex of the SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The word stored for a kind of object.
pub(crate) fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Campaign => "campaign",
        ObjectKind::AdSet => "ad_set",
        ObjectKind::Ad => "ad",
        ObjectKind::Rule => "rule",
        ObjectKind::Study => "study",
    }
}

pub(crate) async fn run(
    conn: &mut SqliteConnection,
    doing: &'static str,
    statement: Statement<'_>,
) -> Result<u64, StoreError> {
    let done = statement.execute(conn).await.map_err(failed(doing))?;
    Ok(done.rows_affected())
}

/// Writes a batch of `account` in its order; gives the audit chain's head when it has grown. Trees that follow one another
/// share their statements. Notes do not: they are free text, and the engine's JSON ends a text at its first NUL.
pub(crate) async fn all(
    conn: &mut SqliteConnection,
    account: &str,
    batch: &[Record],
) -> Result<Option<Head>, StoreError> {
    let mut head = None;
    let mut left = batch;
    while let Some(record) = left.first() {
        let trees: Vec<&Tree> = left.iter().map_while(as_tree).collect();
        if trees.is_empty() {
            head = apply(conn, account, record).await?.or(head);
        } else {
            objects::put_trees(conn, account, &trees).await?;
        }
        left = &left[trees.len().max(1)..];
    }
    Ok(head)
}

fn as_tree(record: &Record) -> Option<&Tree> {
    if let Record::Tree(tree) = record { Some(tree) } else { None }
}

/// Writes one record of `account`; an audit link is the chain's new head.
async fn apply(
    conn: &mut SqliteConnection,
    account: &str,
    record: &Record,
) -> Result<Option<Head>, StoreError> {
    match record {
        Record::Account(info, at) => objects::put_account(conn, account, info, *at).await,
        Record::Tree(tree) => objects::put_trees(conn, account, &[tree]).await,
        Record::Climb(row) => climb(conn, account, row).await,
        Record::Evidence { hash, at, bytes } => evidence(conn, account, hash, *at, bytes).await,
        Record::Decision(row) => decision(conn, account, row).await,
        Record::Plan(row) => plan(conn, account, row).await,
        Record::PlanEnd(hash, end) => plan_end(conn, account, hash, end).await,
        Record::Approval(approval) => put_approval(conn, account, approval).await,
        Record::Intent(row) => intent(conn, account, row).await,
        Record::Entry { op_key, at, entry, object } => {
            put_entry(conn, account, op_key, *at, *entry, object.as_ref()).await
        }
        Record::Verified { op_key, at } => verified(conn, account, op_key, *at).await,
        Record::Command(row) => command(conn, account, row).await,
        Record::CommandDone { id, at, answer } => {
            command_done(conn, account, *id, *at, answer).await
        }
        Record::Slot { job, slot, at } => {
            let put = sqlx::query(sql::SLOT_PUT).bind(account).bind(job);
            run(conn, "claiming a slot", put.bind(slot.millis()).bind(at.millis())).await.map(drop)
        }
        Record::Note { key, value } => {
            let put = sqlx::query(sql::NOTE_PUT).bind(account).bind(key).bind(value);
            run(conn, "keeping a note", put).await.map(drop)
        }
        Record::Sealed(row) => secrets::put(conn, account, row).await,
        Record::SealedRemoved { id } => secrets::remove(conn, account, id).await,
        Record::Audit { at, kind, body } => {
            return audit::append(conn, *at, kind, body).await.map(Some);
        }
    }?;
    Ok(None)
}

async fn climb(
    conn: &mut SqliteConnection,
    account: &str,
    row: &ClimbRow,
) -> Result<(), StoreError> {
    let put = sqlx::query(sql::CLIMB_PUT)
        .bind(account)
        .bind(row.id.as_str())
        .bind(row.line.as_str())
        .bind(&row.state)
        .bind(i64::from(row.open))
        .bind(&row.doc)
        .bind(row.updated_at.millis());
    run(conn, "keeping a climb", put).await.map(drop)
}

async fn evidence(
    conn: &mut SqliteConnection,
    account: &str,
    hash: &str,
    at: Moment,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let found = sha256(bytes);
    if found != hash {
        return Err(document(format!("evidence {hash}"), &format!("its bytes hash to {found}")));
    }
    let put = sqlx::query(sql::EVIDENCE_PUT).bind(account).bind(hash).bind(at.millis()).bind(bytes);
    run(conn, "filing evidence", put).await.map(drop)
}

async fn decision(
    conn: &mut SqliteConnection,
    account: &str,
    row: &DecisionRow,
) -> Result<(), StoreError> {
    let put = sqlx::query(sql::DECISION_PUT)
        .bind(account)
        .bind(row.id.as_str())
        .bind(row.line.as_str())
        .bind(row.climb.as_str())
        .bind(row.at.millis())
        .bind(&row.evidence)
        .bind(&row.doc);
    run(conn, "filing a decision", put).await.map(drop)
}

async fn plan(conn: &mut SqliteConnection, account: &str, row: &PlanRow) -> Result<(), StoreError> {
    let found = PlanHash::of(&row.bytes);
    if found != row.hash {
        return Err(document(format!("plan {}", row.hash), &format!("its bytes hash to {found}")));
    }
    let put = sqlx::query(sql::PLAN_PUT)
        .bind(account)
        .bind(row.hash.as_str())
        .bind(row.line.as_str())
        .bind(row.climb.as_str())
        .bind(row.kind.as_str())
        .bind(row.created.millis())
        .bind(row.expires.millis())
        .bind(&row.bytes);
    run(conn, "filing a plan", put).await.map(drop)
}

async fn plan_end(
    conn: &mut SqliteConnection,
    account: &str,
    hash: &PlanHash,
    end: &EndRow,
) -> Result<(), StoreError> {
    let put = sqlx::query(sql::PLAN_END_PUT)
        .bind(hash.as_str())
        .bind(account)
        .bind(&end.outcome)
        .bind(&end.why)
        .bind(end.at.millis());
    run(conn, "ending a plan", put).await.map(drop)
}

async fn put_approval(
    conn: &mut SqliteConnection,
    account: &str,
    approval: &Approval,
) -> Result<(), StoreError> {
    let by = personal::token(conn, &approval.by).await?;
    let note = personal::token(conn, &approval.note).await?;
    let put = sqlx::query(sql::APPROVAL_PUT)
        .bind(account)
        .bind(approval.plan.as_str())
        .bind(by)
        .bind(approval.at.millis())
        .bind(i64::from(approval.granted))
        .bind(note);
    run(conn, "keeping an approval", put).await.map(drop)
}

async fn intent(
    conn: &mut SqliteConnection,
    account: &str,
    row: &IntentRow,
) -> Result<(), StoreError> {
    let request = doc::encode("request", &row.request)?;
    let put = sqlx::query(sql::INTENT_PUT)
        .bind(account)
        .bind(row.op_key.as_str())
        .bind(row.plan.as_str())
        .bind(&row.action)
        .bind(row.creates.map(kind_word))
        .bind(request)
        .bind(row.at.millis());
    run(conn, "recording a write", put).await.map(drop)
}

async fn put_entry(
    conn: &mut SqliteConnection,
    account: &str,
    op_key: &OpKey,
    at: Moment,
    entry: Entry,
    object: Option<&ObjectId>,
) -> Result<(), StoreError> {
    let put = sqlx::query(sql::ENTRY_PUT)
        .bind(account)
        .bind(op_key.as_str())
        .bind(at.millis())
        .bind(entry.as_str())
        .bind(object.map(ObjectId::as_str));
    run(conn, "logging a write", put).await.map(drop)
}

async fn verified(
    conn: &mut SqliteConnection,
    account: &str,
    op_key: &OpKey,
    at: Moment,
) -> Result<(), StoreError> {
    let put = sqlx::query(sql::VERIFIED_PUT).bind(account).bind(op_key.as_str()).bind(at.millis());
    run(conn, "noting a verified write", put).await.map(drop)
}

async fn command(
    conn: &mut SqliteConnection,
    account: &str,
    row: &CommandRow,
) -> Result<(), StoreError> {
    let by = personal::token(conn, &row.by).await?;
    let note = personal::token(conn, &row.note).await?;
    let put = sqlx::query(sql::COMMAND_PUT)
        .bind(account)
        .bind(row.at.millis())
        .bind(by)
        .bind(&row.kind)
        .bind(&row.subject)
        .bind(note);
    run(conn, "giving a command", put).await.map(drop)
}

async fn command_done(
    conn: &mut SqliteConnection,
    account: &str,
    id: i64,
    at: Moment,
    answer: &str,
) -> Result<(), StoreError> {
    let doing = "answering a command";
    let put = sqlx::query(sql::COMMAND_DONE).bind(account).bind(id).bind(at.millis()).bind(answer);
    if run(conn, doing, put).await? == 0 {
        return Err(StoreError::Database { doing, why: format!("there is no command {id}") });
    }
    Ok(())
}

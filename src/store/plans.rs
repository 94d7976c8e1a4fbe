//! Plans, approvals and recorded writes, read back.

use super::{doc, error::document, rows::Got, sql, sqlite::SqliteStore};
use crate::{
    domain::{
        Moment, ObjectId, OpKey,
        plan::{Approval, ObjectKind, PlanHash, PlanKind},
        write_log::Entry,
    },
    ports::{
        StoreError,
        store::{EndRow, IntentRow, PlanRow},
    },
};

/// How many plans an ambiguous prefix lists.
const LIKE_LIMIT: i64 = 10;

fn plan_kind(word: &str) -> Result<PlanKind, StoreError> {
    use PlanKind::{Activate, CleanUp, Clone, End, Revert, Shift, Split};
    [Clone, Activate, Split, Shift, End, CleanUp, Revert]
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| document("plan kind", &format!("{word:?} is unknown")))
}

fn object_kind(word: &str) -> Result<ObjectKind, StoreError> {
    use ObjectKind::{Ad, AdSet, Campaign, Rule, Study};
    [Campaign, AdSet, Ad, Rule, Study]
        .into_iter()
        .find(|kind| super::commit::kind_word(*kind) == word)
        .ok_or_else(|| document("object kind", &format!("{word:?} is unknown")))
}

fn plan_of(got: &Got<'_>) -> Result<PlanRow, StoreError> {
    let end = match got.optional_text("outcome")? {
        Some(outcome) => Some(EndRow { outcome, why: got.text("why")?, at: got.moment("at")? }),
        None => None,
    };
    Ok(PlanRow {
        hash: PlanHash::named(got.text("hash")?),
        line: got.parsed("line")?,
        climb: got.parsed("climb")?,
        kind: plan_kind(&got.text("kind")?)?,
        created: got.moment("created")?,
        expires: got.moment("expires")?,
        bytes: got.blob("bytes")?,
        end,
    })
}

pub(crate) async fn plans(
    store: &SqliteStore,
    open: bool,
    limit: u32,
) -> Result<Vec<PlanRow>, StoreError> {
    let doing = "reading plans";
    let text = if open { sql::PLANS_OPEN } else { sql::PLANS_GET };
    let rows =
        store.rows(doing, sqlx::query(text).bind(store.key()).bind(i64::from(limit))).await?;
    rows.iter().map(|row| plan_of(&Got::new(row, doing))).collect()
}

pub(crate) async fn plans_like(
    store: &SqliteStore,
    prefix: &str,
) -> Result<Vec<PlanRow>, StoreError> {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if !prefix.bytes().all(hex) {
        return Ok(Vec::new());
    }
    let doing = "looking for a plan";
    // 'g' follows every hex digit.
    let get = sqlx::query(sql::PLANS_LIKE)
        .bind(store.key())
        .bind(prefix)
        .bind(format!("{prefix}g"))
        .bind(LIKE_LIMIT);
    let rows = store.rows(doing, get).await?;
    rows.iter().map(|row| plan_of(&Got::new(row, doing))).collect()
}

pub(crate) async fn approvals(
    store: &SqliteStore,
    plan: &PlanHash,
) -> Result<Vec<Approval>, StoreError> {
    let doing = "reading approvals";
    let rows = store.rows(doing, sqlx::query(sql::APPROVALS_GET).bind(plan.as_str())).await?;
    let approval = |got: &Got<'_>| {
        Ok(Approval {
            plan: PlanHash::named(got.text("plan")?),
            by: got.text("given_by")?,
            at: got.moment("at")?,
            granted: got.flag("granted")?,
            note: got.text("note")?,
        })
    };
    rows.iter().map(|row| approval(&Got::new(row, doing))).collect()
}

/// Adds one row of a write's log to the write.
fn log(write: &mut IntentRow, got: &Got<'_>) -> Result<(), StoreError> {
    let Some(word) = got.optional_text("entry")? else { return Ok(()) };
    if word == "verified" {
        write.verified = true;
        return Ok(());
    }
    let entry = Entry::parse(&word)
        .ok_or_else(|| document("write log", &format!("entry {word:?} is unknown")))?;
    write.entries.push((got.moment("logged_at")?, entry));
    if let Some(object) = got.optional_text("object")? {
        write.object = Some(ObjectId::new(object).map_err(|e| document("write log", &e))?);
    }
    Ok(())
}

pub(crate) async fn intents(
    store: &SqliteStore,
    plan: Option<&PlanHash>,
) -> Result<Vec<IntentRow>, StoreError> {
    let get = match plan {
        Some(plan) => sqlx::query(sql::INTENTS_OF_PLAN).bind(store.key()).bind(plan.as_str()),
        None => sqlx::query(sql::INTENTS_GET).bind(store.key()),
    };
    writes_of(store, get).await
}

pub(crate) async fn intents_since(
    store: &SqliteStore,
    since: Moment,
) -> Result<Vec<IntentRow>, StoreError> {
    let get = sqlx::query(sql::INTENTS_SINCE).bind(store.key()).bind(since.millis());
    writes_of(store, get).await
}

async fn writes_of(
    store: &SqliteStore,
    get: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
) -> Result<Vec<IntentRow>, StoreError> {
    let doing = "reading recorded writes";
    let mut writes: Vec<IntentRow> = Vec::new();
    for row in &store.rows(doing, get).await? {
        let got = Got::new(row, doing);
        let op_key: OpKey = got.parsed("op_key")?;
        if writes.last().is_none_or(|w| w.op_key != op_key) {
            let creates = got.optional_text("creates")?;
            writes.push(IntentRow {
                op_key,
                plan: PlanHash::named(got.text("plan")?),
                action: got.text("action")?,
                creates: creates.as_deref().map(object_kind).transpose()?,
                request: doc::decode("request", got.bytes("request")?)?,
                at: got.moment("at")?,
                entries: Vec::new(),
                object: None,
                verified: false,
            });
        }
        if let Some(write) = writes.last_mut() {
            log(write, &got)?;
        }
    }
    Ok(writes)
}

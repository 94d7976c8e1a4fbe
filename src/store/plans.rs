//! Plans, approvals and recorded writes, read back.

use std::collections::BTreeMap;

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

/// The log of one write as it is being gathered.
#[derive(Default)]
struct Log {
    entries: Vec<(Moment, Entry)>,
    object: Option<ObjectId>,
    verified: bool,
}

impl Log {
    fn add(&mut self, got: &Got<'_>) -> Result<(), StoreError> {
        let word = got.text("entry")?;
        if word == "verified" {
            self.verified = true;
            return Ok(());
        }
        let entry = Entry::parse(&word)
            .ok_or_else(|| document("write log", &format!("entry {word:?} is unknown")))?;
        self.entries.push((got.moment("at")?, entry));
        if let Some(object) = got.optional_text("object")? {
            self.object = Some(ObjectId::new(object).map_err(|e| document("write log", &e))?);
        }
        Ok(())
    }
}

pub(crate) async fn intents(
    store: &SqliteStore,
    plan: Option<&PlanHash>,
) -> Result<Vec<IntentRow>, StoreError> {
    let doing = "reading recorded writes";
    let (writes, entries) = match plan {
        Some(_) => (sql::INTENTS_OF_PLAN, sql::ENTRIES_OF_PLAN),
        None => (sql::INTENTS_GET, sql::ENTRIES_GET),
    };
    let with_plan = |text: &'static str| {
        let get = sqlx::query(text).bind(store.key());
        match plan {
            Some(plan) => get.bind(plan.as_str()),
            None => get,
        }
    };
    // Writes first: an entry that is committed in between belongs to a write that is listed, or is left out with it.
    let writes = store.rows(doing, with_plan(writes)).await?;
    let mut logs: BTreeMap<OpKey, Log> = BTreeMap::new();
    for row in &store.rows(doing, with_plan(entries)).await? {
        let got = Got::new(row, doing);
        logs.entry(got.parsed("op_key")?).or_default().add(&got)?;
    }
    let intent = |got: &Got<'_>| {
        let op_key: OpKey = got.parsed("op_key")?;
        let log = logs.remove(&op_key).unwrap_or_default();
        let creates = got.optional_text("creates")?;
        Ok(IntentRow {
            op_key,
            plan: PlanHash::named(got.text("plan")?),
            action: got.text("action")?,
            creates: creates.as_deref().map(object_kind).transpose()?,
            request: doc::decode("request", got.bytes("request")?)?,
            at: got.moment("at")?,
            entries: log.entries,
            object: log.object,
            verified: log.verified,
        })
    };
    let mut intent = intent;
    writes.iter().map(|row| intent(&Got::new(row, doing))).collect()
}

//! Settles writes in doubt by reading, never by repeating.
//!
//! A creation is looked up by the marker in its name, across all statuses; an edit by the value it was to bring. Found
//! settles it. Not found proves nothing by itself: only two complete readings, a minute apart and the second at least
//! [`QUIET_MS`] after the send, make it *absent*, because Meta's reads can lag behind its writes.

use serde_json::json;

use crate::{
    app::{Desk, Result, apply::missing_promise, journal},
    domain::{
        Moment, ObjectId,
        plan::{Action, Bindings, Plan},
        planner::marker,
        write_log::{Entry, WriteStatus},
    },
    ports::{Clock, MetaRead, Record, Store, store::IntentRow},
};

/// How long after a send a missing object may still turn up, in milliseconds.
pub const QUIET_MS: i64 = 15 * 60 * 1000;
/// Least distance of the two negative readings, in milliseconds.
pub const APART_MS: i64 = 60 * 1000;

/// What a pass over the writes in doubt came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Settled as applied.
    pub found: u32,
    /// Settled as absent.
    pub absent: u32,
    /// Still in doubt.
    pub open: u32,
    /// Things a person must look at.
    pub alarms: Vec<String>,
}

/// Looks every write in doubt up once.
pub async fn reconcile<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
) -> Result<Reconciled> {
    let mut report = Reconciled::default();
    for row in desk.store.plans(true, u32::MAX).await? {
        let intents = desk.store.intents(Some(&row.hash)).await?;
        let doubtful: Vec<&IntentRow> = intents.iter().filter(|i| is_in_doubt(i)).collect();
        if doubtful.is_empty() {
            continue;
        }
        let Ok(plan) = serde_json::from_slice::<Plan>(&row.bytes) else { continue };
        let bindings: Bindings =
            intents.iter().filter_map(|i| Some((i.action.clone(), i.object.clone()?))).collect();
        for intent in doubtful {
            if let Some(action) = plan.action(&intent.action) {
                settle(desk, &row.hash, intent, action, &bindings, &mut report).await?;
            }
        }
    }
    Ok(report)
}

fn is_in_doubt(intent: &IntentRow) -> bool {
    let log = intent.entries.iter().map(|(_, e)| *e);
    WriteStatus::fold(log) == Ok(WriteStatus::InDoubt)
}

/// What one complete reading says.
enum Reading {
    Applied(Option<ObjectId>),
    NotThere,
    Twins(Vec<ObjectId>),
}

async fn settle<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    plan: &crate::domain::plan::PlanHash,
    intent: &IntentRow,
    action: &Action,
    bindings: &Bindings,
    report: &mut Reconciled,
) -> Result<()> {
    let read = match read(desk, action, bindings).await {
        Ok(read) => read,
        Err(e) => {
            // A reading that failed midway is no reading.
            tracing::warn!(op_key = %intent.op_key, "cannot look up a write in doubt: {e}");
            report.open = report.open.saturating_add(1);
            return Ok(());
        }
    };
    let at = desk.clock.now();
    let note_key = format!("absent:{}", intent.op_key);
    let started = intent.entries.iter().rev().find(|(_, e)| *e == Entry::Started);
    let sent_at = started.map_or(intent.at, |(at, _)| *at);
    let (entry, object, detail) = match read {
        Reading::Applied(id) => {
            report.found = report.found.saturating_add(1);
            (Entry::FoundApplied, id.clone(), json!({ "found": id }))
        }
        Reading::Twins(ids) => {
            let what = format!("write {} exists {} times: {ids:?}", intent.op_key, ids.len());
            report.alarms.push(what);
            report.open = report.open.saturating_add(1);
            return Ok(());
        }
        Reading::NotThere => {
            let first = desk.store.note(&note_key).await?.and_then(|t| t.parse::<i64>().ok());
            let first = first.map(Moment::from_millis).filter(|t| *t > sent_at);
            let proven =
                first.is_some_and(|t| at.since(t) >= APART_MS) && at.since(sent_at) >= QUIET_MS;
            if !proven {
                report.open = report.open.saturating_add(1);
                if first.is_none() {
                    let value = at.millis().to_string();
                    desk.store.commit(vec![Record::Note { key: note_key, value }]).await?;
                }
                return Ok(());
            }
            report.absent = report.absent.saturating_add(1);
            let first = first.map(Moment::rfc3339);
            (
                Entry::FoundAbsent,
                None,
                json!({ "first_reading": first, "second_reading": at.rfc3339() }),
            )
        }
    };
    let op_key = intent.op_key.clone();
    let ended = journal::write_ended(at, desk.actor, action, plan, entry, &detail);
    desk.store.commit(vec![Record::Entry { op_key, at, entry, object }, ended]).await?;
    Ok(())
}

async fn read<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    action: &Action,
    bindings: &Bindings,
) -> Result<Reading> {
    if let Some(kind) = action.op.creates() {
        let marker = marker(&desk.policy.marker_prefix, &action.op_key);
        let found = desk.meta.find_marked(kind, &marker).await?;
        let mut ids: Vec<ObjectId> = found.into_iter().map(|f| f.id).collect();
        ids.sort();
        ids.dedup();
        return Ok(match ids.len() {
            0 => Reading::NotThere,
            1 => Reading::Applied(ids.pop()),
            _ => Reading::Twins(ids),
        });
    }
    let Some((target, kind)) = action.op.edits() else { return Ok(Reading::NotThere) };
    let Some(id) = target.resolve(bindings) else { return Ok(Reading::NotThere) };
    let found = desk.meta.aspects(kind, &id).await?;
    Ok(match missing_promise(action, found.as_ref()) {
        None => Reading::Applied(None),
        Some(_) => Reading::NotThere,
    })
}

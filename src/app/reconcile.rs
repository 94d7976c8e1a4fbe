//! Settles writes in doubt by reading, never by repeating.
//!
//! A creation has three witnesses, none trusted alone: the marker in its name, across all statuses; what Meta lists as
//! copies of its source; and the account's activity log. An edit is looked up by the value it was to bring. Found by any
//! witness settles it. Not found proves nothing by itself: only two complete readings, a minute apart and the second at
//! least [`QUIET_MS`] after the send by our clock *and* by Meta's, make it *absent*, because Meta's reads can lag behind
//! its writes.

use serde_json::json;

use crate::planted::{Bug, bug};
use crate::{
    app::{Desk, Result, apply::missing_promise, journal, standing::is_in_doubt},
    domain::{
        DAY_MS, HOUR_MS, Moment, ObjectId,
        plan::{Action, Bindings, ObjectKind, Plan},
        planner::{marker, without_marker},
        write_log::Entry,
    },
    ports::{
        Clock, MetaClass, MetaError, MetaRead, Record, Store,
        meta::{Activity, Found},
        store::IntentRow,
    },
};

/// How long after a send a missing object may still turn up, in milliseconds.
pub const QUIET_MS: i64 = 15 * 60 * 1000;
/// Least distance of the two negative readings, in milliseconds.
pub const APART_MS: i64 = 60 * 1000;
/// Meta's clock may be this far behind ours when it stamps what we sent, in milliseconds.
const STAMP_MS: i64 = 2 * 60 * 1000;
/// However wrong our clock was when it was sent: what Meta says was created this much earlier came of something else, in
/// milliseconds.
const ELDER_MS: i64 = 2 * DAY_MS;
/// A doubt older than this is told of in every pass, in milliseconds.
const LOUD_MS: i64 = HOUR_MS / 2;

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
    let mut owned: Option<Vec<ObjectId>> = None;
    for row in desk.store.plans(true, u32::MAX).await? {
        let intents = desk.store.intents(Some(&row.hash)).await?;
        let doubtful: Vec<&IntentRow> = intents.iter().filter(|i| is_in_doubt(i)).collect();
        if doubtful.is_empty() {
            continue;
        }
        let Ok(plan) = serde_json::from_slice::<Plan>(&row.bytes) else { continue };
        if owned.is_none() {
            let all = desk.store.intents(None).await?;
            owned = Some(all.into_iter().filter_map(|i| i.object).collect());
        }
        let owned = owned.as_deref().unwrap_or_default();
        let bindings: Bindings =
            intents.iter().filter_map(|i| Some((i.action.clone(), i.object.clone()?))).collect();
        for intent in doubtful {
            if let Some(action) = plan.action(&intent.action) {
                let doubt = Doubt { plan: &row.hash, intent, action, bindings: &bindings, owned };
                settle(desk, &doubt, &mut report).await?;
            }
        }
    }
    Ok(report)
}

/// One write in doubt, with what is needed to look for it.
struct Doubt<'a> {
    plan: &'a crate::domain::plan::PlanHash,
    intent: &'a IntentRow,
    action: &'a Action,
    bindings: &'a Bindings,
    /// Objects that belong to other writes.
    owned: &'a [ObjectId],
}

impl Doubt<'_> {
    fn sent_at(&self) -> Moment {
        let starts = self.intent.entries.iter().rev().find(|(_, e)| *e == Entry::Started);
        starts.map_or(self.intent.at, |(at, _)| *at)
    }
    /// True for an object that can have come of this write only.
    fn fits(&self, id: &ObjectId, at: Option<Moment>) -> bool {
        let since = self.sent_at().plus(-STAMP_MS);
        !self.owned.contains(id) && at.is_none_or(|at| at >= since)
    }
    /// True for what carries its marker although it is another write's or somebody else's: people move markers and copy
    /// what has one. Our clock may have been wrong, so an age says so only when it is far off.
    fn is_another(&self, found: &Found) -> bool {
        let since = self.sent_at().plus(-ELDER_MS);
        self.owned.contains(&found.id)
            || found.is_copy_of_another(&self.action.op)
            || found.created.is_some_and(|at| at < since)
    }
}

/// What one complete reading says.
enum Reading {
    Applied(Option<ObjectId>),
    NotThere,
    Twins(Vec<ObjectId>),
}

async fn settle<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    doubt: &Doubt<'_>,
    report: &mut Reconciled,
) -> Result<()> {
    let (intent, sent_at) = (doubt.intent, doubt.sent_at());
    let age = desk.clock.now().since(sent_at);
    if age >= LOUD_MS {
        report.alarms.push(format!(
            "write {} ({}) has been in doubt for {} minutes; see \"A write is in doubt\" in the runbook",
            intent.op_key, intent.action, age / 60_000
        ));
    }
    let read = match read(desk, doubt).await {
        Ok(Reading::Applied(Some(_))) if bug(Bug::FoundAndRepeated) => Reading::NotThere,
        Ok(read) => read,
        Err(_) if bug(Bug::HalfReadingIsNegative) => Reading::NotThere,
        Err(e) => {
            // A reading that failed midway is no reading.
            tracing::warn!(op_key = %intent.op_key, "cannot look up a write in doubt: {e}");
            report.open = report.open.saturating_add(1);
            return Ok(());
        }
    };
    let at = desk.clock.now();
    let note_key = format!("absent:{}", intent.op_key);
    let (entry, object, detail) = match read {
        Reading::Applied(id) => {
            report.found = report.found.saturating_add(1);
            (Entry::FoundApplied, id.clone(), json!({ "found": id }))
        }
        Reading::Twins(mut ids) => {
            // The oldest is taken; the sweep puts the others away, which are PAUSED like everything created.
            let what = format!("write {} exists {} times: {ids:?}", intent.op_key, ids.len());
            report.alarms.push(what);
            report.found = report.found.saturating_add(1);
            ids.sort_by(|a, b| (a.as_str().len(), a).cmp(&(b.as_str().len(), b)));
            let id = ids.first().cloned();
            (Entry::FoundApplied, id.clone(), json!({ "found": id, "twins": ids }))
        }
        Reading::NotThere => {
            let first = desk.store.note(&note_key).await?.and_then(|t| t.parse::<i64>().ok());
            let first = first.map(Moment::from_millis).filter(|t| *t > sent_at);
            // Meta's own clock must have passed the quiet time too: ours may have jumped.
            let theirs = at.plus(desk.meta.wire().skew_ms.unwrap_or(0).min(0));
            let apart = first.is_some_and(|t| at.since(t) >= APART_MS);
            let quiet = theirs.since(sent_at) >= QUIET_MS;
            let proven =
                (apart || bug(Bug::OneNegativeReading)) && (quiet || bug(Bug::NoQuietTime));
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
    let ended = journal::write_ended(at, desk.actor, doubt.action, doubt.plan, entry, &detail);
    desk.store.commit(vec![Record::Entry { op_key, at, entry, object }, ended]).await?;
    Ok(())
}

async fn read<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    doubt: &Doubt<'_>,
) -> std::result::Result<Reading, MetaError> {
    let action = doubt.action;
    if let Some(kind) = action.op.creates() {
        let mut ids = by_marker(desk, doubt, kind).await?;
        ids.extend(by_lineage(desk, doubt, kind).await?);
        ids.extend(by_activities(desk, doubt).await?);
        ids.sort();
        ids.dedup();
        return Ok(match ids.len() {
            0 => Reading::NotThere,
            1 => Reading::Applied(ids.pop()),
            _ => Reading::Twins(ids),
        });
    }
    let Some((target, kind)) = action.op.edits() else { return Ok(Reading::NotThere) };
    let Some(id) = target.resolve(doubt.bindings) else { return Ok(Reading::NotThere) };
    let found = desk.meta.aspects(kind, &id).await?;
    Ok(match missing_promise(action, found.as_ref()) {
        None => Reading::Applied(None),
        Some(_) => Reading::NotThere,
    })
}

/// First witness: names, whatever the status.
async fn by_marker<S, R: MetaRead, C>(
    desk: Desk<'_, S, R, C>,
    doubt: &Doubt<'_>,
    kind: ObjectKind,
) -> std::result::Result<Vec<ObjectId>, MetaError> {
    let marker = marker(&desk.policy.marker_prefix, &doubt.action.op_key);
    let found = desk.meta.find_marked(kind, &marker).await?;
    // A person's own duplicate carries the marker too, within another name.
    let named = |name: &str| doubt.action.op.name() == Some(name) || name.ends_with(&marker);
    let ours = |f: &Found| named(&f.name) && !doubt.is_another(f);
    Ok(found.into_iter().filter(ours).map(|f| f.id).collect())
}

/// Second witness: what Meta lists as made from the source since the send. It finds what lost its marker or its whole
/// name. What is called after the source, or was made later, is somebody's own copy.
async fn by_lineage<S, R: MetaRead, C>(
    desk: Desk<'_, S, R, C>,
    doubt: &Doubt<'_>,
    kind: ObjectKind,
) -> std::result::Result<Vec<ObjectId>, MetaError> {
    let Some(source) = doubt.action.op.source() else { return Ok(Vec::new()) };
    let found = desk.meta.copies(kind, &source).await?;
    let own = marker(&desk.policy.marker_prefix, &doubt.action.op_key);
    let bare = doubt.action.op.name().map(without_marker).unwrap_or_default();
    let of_source = bare.rsplit_once(" | ").map_or(bare, |(base, _)| base);
    let renamed = |f: &Found| {
        let at_once = |at: Moment| at.since(doubt.sent_at()) <= STAMP_MS;
        f.created.is_some_and(at_once) && !f.name.starts_with(of_source)
    };
    // A copy with the marker of another write of ours is that write's.
    let fits = |f: &Found| {
        bug(Bug::AnyCopyAdopted)
            || doubt.fits(&f.id, f.created)
                && (f.name.contains(&own) || f.name.trim() == bare || renamed(f))
                && f.created.is_some()
    };
    Ok(found.into_iter().filter(fits).map(|f| f.id).collect())
}

/// Third witness: the activity log names what was created, by whom and when. Where Meta does not let this token see it,
/// it is silent.
async fn by_activities<S, R: MetaRead, C>(
    desk: Desk<'_, S, R, C>,
    doubt: &Doubt<'_>,
) -> std::result::Result<Vec<ObjectId>, MetaError> {
    let told = match desk.meta.activities(doubt.sent_at().plus(-STAMP_MS)).await {
        Ok(told) => told,
        Err(e) if matches!(e.class, MetaClass::Refused | MetaClass::Gone) => {
            tracing::warn!("the activity log cannot be read: {e}");
            return Ok(Vec::new());
        }
        Err(e) => return Err(e),
    };
    let name = doubt.action.op.name();
    let made = |a: &&Activity| {
        a.event.starts_with("create") && a.ours != Some(false) && Some(a.name.as_str()) == name
    };
    let ids =
        told.iter().filter(made).filter_map(|a| Some((ObjectId::new(&*a.object).ok()?, a.at)));
    Ok(ids.filter(|(id, at)| doubt.fits(id, Some(*at))).map(|(id, _)| id).collect())
}

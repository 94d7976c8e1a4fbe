//! Looks for objects with our marker that no write log owns: twins that turned up late, and things nobody here knows.
//!
//! A twin of a write of ours is PAUSED and is archived, whenever Meta's reads show it at last; it is never turned on. An
//! object whose marker is unknown here may belong to a restored history or to another installation, and one that is on or
//! renamed was taken up by a person: those are told of, and left alone.

use serde_json::json;

use crate::{
    app::{
        Desk, Result,
        commands::plan_row,
        journal, restored,
        stand_down::{Lowered, Lowering, last, lower, switched},
        strangers::{Origin, is_adopted, origin},
        views::plan_of,
    },
    domain::{
        DAY_MS, HOUR_MS, Moment, Status,
        plan::{Aspect, Expectation, ObjectKind, Op, Target},
    },
    ports::{
        Clock, MetaRead, Record, Store,
        meta::Found,
        store::{IntentRow, PlanRow},
    },
};

/// Name of the note of the last sweep.
const SWEPT: &str = "swept";
/// Between two sweeps, in milliseconds; a leftover is put away within a day of becoming visible.
const EVERY_MS: i64 = HOUR_MS;
const KINDS: [ObjectKind; 5] =
    [ObjectKind::Campaign, ObjectKind::AdSet, ObjectKind::Ad, ObjectKind::Rule, ObjectKind::Study];

/// Sweeps once an hour.
pub async fn sweep<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    alarms: &mut Vec<String>,
) -> Result<()> {
    let now = desk.clock.now();
    if last(desk.store, SWEPT).await?.is_some_and(|at| now.since(at) < EVERY_MS) {
        return Ok(());
    }
    let intents = desk.store.intents(None).await?;
    // Nothing was ever created: nothing can be left over. A restored history cannot know.
    let restored = restored::ever(desk.store).await?;
    if restored || intents.iter().any(|i| i.creates.is_some()) {
        let prefix = format!("[{}:", desk.policy.marker_prefix);
        let studies = restored || intents.iter().any(|i| i.creates == Some(ObjectKind::Study));
        for kind in KINDS.into_iter().filter(|k| studies || *k != ObjectKind::Study) {
            for found in desk.meta.find_marked(kind, &prefix).await? {
                one(desk, &found, &prefix, &intents, now, alarms).await?;
            }
        }
    }
    let value = now.millis().to_string();
    Ok(desk.store.commit(vec![Record::Note { key: SWEPT.to_owned(), value }]).await?)
}

async fn one<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    found: &Found,
    prefix: &str,
    intents: &[IntentRow],
    now: Moment,
    alarms: &mut Vec<String>,
) -> Result<()> {
    let write = match origin(found, prefix, intents) {
        Origin::Accounted => return Ok(()),
        Origin::Strange(_) if is_adopted(desk.store, &found.id).await? => return Ok(()),
        Origin::Strange(why) => return strange(desk, found, why, now, alarms).await,
        Origin::Twin(write) => write,
    };
    let Some(row) = plan_row(desk.store, &write.plan).await? else { return Ok(()) };
    let plan = plan_of(&row)?;
    let op = plan.action(&write.action).map(|action| &action.op);
    if op.is_some_and(|op| found.is_copy_of_another(op)) {
        return strange(desk, found, "somebody copied it from something else", now, alarms).await;
    }
    let renamed = op.and_then(Op::name) != Some(found.name.as_str());
    if renamed || write.creates != Some(found.kind) {
        return strange(desk, found, "a person has taken it up under another name", now, alarms)
            .await;
    }
    let switched = !matches!(found.kind, ObjectKind::Rule | ObjectKind::Study);
    if switched && found.status != Status::Paused.as_str() {
        return strange(desk, found, "it is a twin of ours and somebody turned it on", now, alarms)
            .await;
    }
    put_away(desk, found, &row, alarms).await
}

async fn put_away<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    found: &Found,
    row: &PlanRow,
    alarms: &mut Vec<String>,
) -> Result<()> {
    let object = Target::Id(found.id.clone());
    let kind = found.kind;
    let name = Expectation {
        object: object.clone(),
        kind,
        aspect: Aspect::Name,
        value: found.name.clone(),
    };
    let (op, expects) = match kind {
        ObjectKind::Rule => (Op::DeleteRule { rule: object }, vec![name]),
        ObjectKind::Study => (Op::EndStudy { study: object }, vec![name]),
        ObjectKind::Campaign | ObjectKind::AdSet | ObjectKind::Ad => {
            let paused = switched(&object, kind, &Status::Paused);
            (Op::SetStatus { object, kind, to: Status::Archived }, vec![name, paused])
        }
    };
    let wish = Lowering {
        climb: &row.climb,
        line: &row.line,
        rail: "sweep",
        title: format!("Put away a second {}: {}", kind.word(), found.id),
        why: "it turned up after its write had been settled otherwise; it was never on".to_owned(),
        op,
        expects,
    };
    if lower(desk, wish).await? == Lowered::Filed {
        alarms.push(format!(
            "a second {} of one write turned up: {}; it is put away",
            kind.word(),
            found.id
        ));
    }
    Ok(())
}

/// Tells of something that is left alone, once a day.
async fn strange<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
    found: &Found,
    why: &str,
    now: Moment,
    alarms: &mut Vec<String>,
) -> Result<()> {
    let key = format!("strange:{}", found.id);
    if last(desk.store, &key).await?.is_some_and(|at| now.since(at) < DAY_MS) {
        return Ok(());
    }
    let what = format!(
        "{} {} carries our marker ({}): {why}; it is left alone",
        found.kind.word(),
        found.id,
        found.status
    );
    let body =
        json!({ "object": found.id, "name": found.name, "status": found.status, "why": why });
    let link = journal::audit(now, "marked_object_left_alone", desk.actor, body);
    let value = now.millis().to_string();
    desk.store.commit(vec![Record::Note { key, value }, link]).await?;
    alarms.push(what);
    Ok(())
}

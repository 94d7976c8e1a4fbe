//! Looks for objects with our marker that no write log owns: twins that turned up late, and things nobody here knows.
//!
//! A twin of a write of ours is PAUSED and is archived, whenever Meta's reads show it at last; it is never turned on. An
//! object whose marker is unknown here may belong to a restored history or to another installation, and one that is on or
//! renamed was taken up by a person: those are told of, and left alone.

use serde_json::json;

use crate::planted::{Bug, bug};
use crate::{
    app::{
        Desk, Result,
        commands::plan_row,
        journal, restored,
        stand_down::{Lowering, last, lower, switched},
        standing::is_in_doubt,
        strangers,
        views::plan_of,
    },
    domain::{
        DAY_MS, HOUR_MS, Moment, OpKey, Status,
        plan::{Aspect, Expectation, ObjectKind, Op, Target},
        write_log::Entry,
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
/// Meta creates an object this long after the request was sent at the latest, by clocks that differ, in milliseconds.
const SENT_WITHIN_MS: i64 = HOUR_MS;
/// And this long before it, by such clocks.
const SENT_BEFORE_MS: i64 = HOUR_MS / 12;
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

fn is_away(found: &Found) -> bool {
    matches!(found.status.as_str(), "ARCHIVED" | "DELETED" | "DISABLED")
}

/// The key in the last marker of a name.
fn key_in(name: &str, prefix: &str) -> Option<OpKey> {
    let (_, tail) = name.rsplit_once(prefix)?;
    OpKey::new(tail.split_once(']')?.0).ok()
}

async fn one<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    found: &Found,
    prefix: &str,
    intents: &[IntentRow],
    now: Moment,
    alarms: &mut Vec<String>,
) -> Result<()> {
    let owned = intents.iter().any(|i| i.object.as_ref() == Some(&found.id));
    if owned || is_away(found) {
        return Ok(());
    }
    let key = key_in(&found.name, prefix);
    let write = intents.iter().find(|i| key.as_ref() == Some(&i.op_key));
    let Some(write) = write else {
        if strangers::is_adopted(desk.store, &found.id).await? {
            return Ok(());
        }
        return strange(desk, found, "nothing here knows it", now, alarms).await;
    };
    // What is in doubt is looked for by reconciliation, and adopted there.
    if is_in_doubt(write) {
        return Ok(());
    }
    if !may_be_sent(write, found.created) && !bug(Bug::SweepTakesForeign) {
        let why = "it was created when that write was not being sent: somebody's own copy";
        return strange(desk, found, why, now, alarms).await;
    }
    let Some(row) = plan_row(desk.store, &write.plan).await? else { return Ok(()) };
    let planned = plan_of(&row)?.action(&write.action).and_then(|a| a.op.name().map(str::to_owned));
    let renamed = planned.as_ref() != Some(&found.name);
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

/// Could an object of this age come from one of the sendings of a write? A copy that a person makes in Ads Manager
/// carries the marker too, name and all, and is told apart by its age alone.
fn may_be_sent(write: &IntentRow, created: Option<Moment>) -> bool {
    let Some(created) = created else { return true };
    let sent = write.entries.iter().filter(|(_, e)| *e == Entry::Started);
    sent.map(|(at, _)| created.since(*at))
        .any(|age| (-SENT_BEFORE_MS..SENT_WITHIN_MS).contains(&age))
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
    if lower(desk, wish).await?.is_some() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_is_as_old_as_a_sending_and_a_persons_copy_is_not() {
        let at = Moment::from_millis;
        let write = IntentRow {
            op_key: OpKey::new("ABC234").unwrap(),
            plan: crate::domain::plan::PlanHash::named("aa"),
            action: "campaign".to_owned(),
            creates: Some(ObjectKind::Campaign),
            request: crate::domain::plan::Template {
                method: "POST".to_owned(),
                path: "act_1/campaigns".to_owned(),
                params: Vec::new(),
            },
            at: at(0),
            entries: vec![(at(0), Entry::Started), (at(9 * HOUR_MS), Entry::Started)],
            object: None,
            verified: false,
        };
        assert!(may_be_sent(&write, Some(at(2_000))));
        assert!(may_be_sent(&write, Some(at(9 * HOUR_MS))));
        assert!(!may_be_sent(&write, Some(at(5 * HOUR_MS))), "between two sendings");
        assert!(!may_be_sent(&write, Some(at(99 * HOUR_MS))));
        assert!(may_be_sent(&write, None), "Meta does not tell its age");
    }
    #[test]
    fn the_last_marker_of_a_name_counts() {
        let key = |name: &str| key_in(name, "[rw:").map(|k| k.to_string());
        assert_eq!(key("Shop | purchase [rw:ABC234]").as_deref(), Some("ABC234"));
        assert_eq!(key("Shop [rw:AAA] x [rw:BBB] - Copy").as_deref(), Some("BBB"));
        assert_eq!(key("Shop [rw:half"), None);
        assert_eq!(key("Shop"), None);
    }
}

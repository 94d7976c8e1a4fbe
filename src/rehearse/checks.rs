//! What is compared after a pass: the truth of the world with the history on disk.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{RehearsalError, stage::Stage};
use crate::{
    app::{lines::climb_of, reconcile, replay},
    domain::{
        Moment,
        audit::Head,
        climb::{Climb, State},
        write_log::{Entry, WriteStatus},
    },
    ports::{Store, store::IntentRow},
    sandbox::Standing,
};

/// What earlier checks have seen.
#[derive(Debug)]
pub(super) struct Seen {
    head: Head,
}

impl Default for Seen {
    fn default() -> Self {
        Self { head: Head::genesis() }
    }
}

/// The key in the marker of a name, e.g. `7Q2M…` of `Shop [rw:7Q2M…]`.
fn marked(name: &str) -> Option<&str> {
    let (_, tail) = name.rsplit_once("[rw:")?;
    tail.strip_suffix(']')
}

fn is_gone(object: &Standing) -> bool {
    matches!(object.status.as_str(), "ARCHIVED" | "DELETED")
}

fn status_of(intent: &IntentRow) -> Option<WriteStatus> {
    WriteStatus::fold(intent.entries.iter().map(|(_, e)| *e)).ok()
}

/// Checks everything that must hold after any pass or death.
pub(super) async fn after_pass(stage: &mut Stage) -> Result<(), RehearsalError> {
    let world = stage.border.world.inventory();
    let store = &stage.parts().store;
    let intents = store.intents(None).await?;
    let verified = store.verify_audit_from(&stage.seen.head).await;
    let fresh = store.links(stage.seen.head.seq, u32::MAX).await?;
    let mut witness = stage.border.witness();
    let mut by_key: BTreeMap<&str, Vec<&Standing>> = BTreeMap::new();
    for object in world.iter().filter(|o| !is_gone(o)) {
        if let Some(key) = marked(&object.name) {
            by_key.entry(key).or_default().push(object);
        }
    }
    let known: BTreeSet<&str> = intents.iter().map(|i| i.op_key.as_str()).collect();
    let hidden = stage.setting.list_lag_ms > reconcile::QUIET_MS;
    for (key, objects) in &by_key {
        let active = objects.iter().filter(|o| matches!(o.status.as_str(), "ACTIVE" | "ENABLED"));
        let (n, on) = (objects.len(), active.count());
        if on > 1 || n > 1 && !hidden {
            let what = format!("{n} objects carry {key}, {on} of them on");
            witness.accuse("one_object_per_write", what);
        }
        if !known.contains(key) {
            witness.accuse("no_orphan", format!("nothing on disk knows {key}"));
        }
    }
    let mut bound = BTreeSet::new();
    for intent in &intents {
        if status_of(intent).is_none() {
            witness.accuse("write_logs_are_possible", intent.op_key.to_string());
        }
        if let Some(object) = &intent.object
            && intent.creates.is_some()
            && !bound.insert(object.clone())
        {
            witness.accuse("an_object_belongs_to_one_write", object.to_string());
        }
    }
    for link in &fresh {
        if link.kind == "write_ended" {
            proof_of_absence(&mut witness, &intents, &link.body);
        }
    }
    drop(witness);
    match verified {
        Ok(head) => stage.seen.head = head,
        Err(e) => stage.border.witness().accuse("the_audit_chain_verifies", e.to_string()),
    }
    Ok(())
}

/// Absent means: two complete readings, apart and late enough; or certainly not sent.
fn proof_of_absence(witness: &mut super::Witness, intents: &[IntentRow], body: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
    if body["outcome"] != "found_absent" || body["detail"]["class"] == "NotSent" {
        return;
    }
    let moment = |name: &str| body["detail"][name].as_str()?.parse::<Moment>().ok();
    let key = body["op_key"].as_str().unwrap_or_default();
    let (first, second) = (moment("first_reading"), moment("second_reading"));
    let proven = first.zip(second).is_some_and(|(first, second)| {
        let intent = intents.iter().find(|i| i.op_key.as_str() == key);
        let starts = intent.into_iter().flat_map(|i| &i.entries);
        let sent = starts.filter(|(at, e)| *e == Entry::Started && *at <= first).map(|(at, _)| *at);
        second.since(first) >= reconcile::APART_MS
            && sent.max().is_some_and(|sent| second.since(sent) >= reconcile::QUIET_MS)
    });
    if !proven {
        witness.accuse("absence_is_proven_by_two_readings", key);
    }
}

/// Checks what must hold once nothing has gone wrong for hours.
pub(super) async fn after_quiet(stage: &mut Stage) -> Result<(), RehearsalError> {
    let store = &stage.parts().store;
    let mut climbs: Vec<Climb> = Vec::new();
    for row in store.climbs(false).await? {
        climbs.push(climb_of(&row)?);
    }
    let open = store.plans(true, u32::MAX).await?;
    let doubts: Vec<String> = store
        .intents(None)
        .await?
        .iter()
        .filter(|i| status_of(i) == Some(WriteStatus::InDoubt))
        .map(|i| i.op_key.to_string())
        .collect();
    let mut witness = stage.border.witness();
    for doubt in doubts {
        witness.accuse("no_doubt_outlives_the_faults", doubt);
    }
    for climb in climbs.iter().filter(|c| c.state.is_open()) {
        let waits = climb.pending.as_ref().filter(|p| open.iter().all(|o| o.hash != p.plan));
        if let Some(pending) = waits {
            let what =
                format!("{} ({}) waits for {}", climb.id, climb.state.as_str(), pending.plan);
            witness.accuse("a_climb_waits_for_an_open_plan_only", what);
        }
        let stranded = climb.pending.is_none()
            && climb.held.is_none()
            && matches!(
                climb.state,
                State::Judged { .. } | State::Cloning { challenger: None, .. }
            );
        if stranded {
            let what = format!("{} is {} and nothing is planned", climb.id, climb.state.as_str());
            witness.accuse("no_climb_is_stranded", what);
        }
    }
    for plan in &open {
        let owner = climbs.iter().find(|c| c.id == plan.climb);
        let expected = owner.and_then(|c| c.pending.as_ref()).map(|p| &p.plan);
        if expected != Some(&plan.hash) {
            let what = format!("{} plan {}", plan.kind.as_str(), plan.hash.plan_id());
            witness.accuse("every_open_plan_is_waited_for", what);
        }
    }
    let world = stage.border.world.inventory();
    for campaign in world.iter().filter(|o| o.kind == "campaign" && o.status == "ACTIVE") {
        let carried = climbs.iter().any(|c| {
            c.incumbent.as_str() == campaign.id
                || crate::app::collect::challenger_of(c)
                    .is_some_and(|id| id.as_str() == campaign.id)
        });
        if marked(&campaign.name).is_some() && !carried {
            witness.accuse("nothing_of_ours_runs_unwatched", campaign.id.clone());
        }
    }
    Ok(())
}

/// Checks the whole history once, at the end: nothing that was written has changed, and every decision replays.
pub(super) async fn history(stage: &mut Stage) -> Result<(), RehearsalError> {
    let store = &stage.parts().store;
    let rows = store.decisions(None, u32::MAX).await?;
    let whole = store.verify_audit().await;
    let mut replays = Vec::new();
    // Replaying is dear; every seventh decision of the story stands for the rest.
    for row in rows.iter().step_by(7) {
        replays.push((row.id.to_string(), replay::replay(store, row).await?));
    }
    let mut witness = stage.border.witness();
    if let Err(e) = whole {
        witness.accuse("the_audit_chain_verifies", e.to_string());
    }
    let found: BTreeMap<String, String> =
        rows.iter().map(|r| (r.id.to_string(), HEXLOWER.encode(&Sha256::digest(&r.doc)))).collect();
    if found != *witness.decisions() {
        witness.accuse("history_never_changes", "the decisions are not those that were committed");
    }
    for (id, outcome) in replays {
        if outcome != replay::Replayed::Same {
            witness.accuse("decisions_replay_to_the_same_bytes", format!("{id}: {outcome:?}"));
        }
    }
    Ok(())
}

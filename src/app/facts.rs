//! What the door needs to know about money right before a write: what the write moves, what is on, what was moved.
//!
//! Every money-moving write leaves its [`Movement`] as a note in the commit of its intent. That is the reservation:
//! as long as the write is in doubt, it counts as done; a refused or absent one no longer counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::planted::{Bug, bug};
use crate::{
    app::{Desk, Result, lines::climb_of},
    domain::{
        CampaignId, DAY_MS, Day, DayRange, Moment, ObjectId, OpKey, Status, Tree, Zone,
        climb::Climb,
        guard::{
            Movement,
            exposure::{self, Pot, Timeline},
            moves_money,
            steps::Change,
        },
        plan::{Action, Bindings, ObjectKind, Op},
        policy::Policy,
        write_log::WriteStatus,
    },
    ports::{MetaRead, Record, Store, StoreError},
};

/// How far back movements matter: seven days of change rates and a calendar week, with a margin, and as far as the
/// policy keeps raises apart.
fn look_back_ms(policy: &Policy) -> i64 {
    (9 * DAY_MS).max(policy.shifting.gap_ms)
}

/// A movement of the last days and where its write stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The write.
    pub op_key: OpKey,
    /// What it moved.
    pub movement: Movement,
    /// Where it stands.
    pub status: WriteStatus,
    /// When its log last said something: it happened at this time at the latest, and the process may have slept since it
    /// began.
    pub known: Moment,
}

impl Moved {
    /// True unless it certainly did not happen.
    pub fn counts(&self) -> bool {
        let doubt = self.status == WriteStatus::InDoubt && !bug(Bug::DoubtReleasesReservation);
        doubt || self.status == WriteStatus::Done
    }
}

/// The note of a write's movement.
pub fn note_key(op_key: &OpKey) -> String {
    format!("move:{op_key}")
}

/// The record that keeps a movement, for the commit of its intent.
pub fn record(op_key: &OpKey, movement: &Movement) -> Record {
    let value = serde_json::to_string(movement).expect("a movement has only text keys");
    Record::Note { key: note_key(op_key), value }
}

/// What a write would do to what is on.
#[derive(Debug)]
pub enum Effect {
    /// Nothing.
    None,
    /// This.
    Moves(Movement),
    /// Nobody can say: its object cannot be read.
    Unreadable(String),
}

/// Every campaign an unfinished climb manages.
pub async fn managed<S: Store>(store: &S) -> Result<Vec<CampaignId>> {
    let rows = store.climbs(true).await?;
    let open = rows.iter().map(climb_of).collect::<std::result::Result<Vec<Climb>, _>>()?;
    Ok(managed_by(&open))
}

/// The campaigns these climbs manage, each once: what `limits.max_daily_spend` is about.
pub fn managed_by(climbs: &[Climb]) -> Vec<CampaignId> {
    let managed: BTreeSet<&CampaignId> = climbs.iter().flat_map(Climb::campaigns).collect();
    managed.into_iter().cloned().collect()
}

/// The managed campaigns as they are now, and the one a write is about.
pub async fn trees<S: Store, R: MetaRead, C>(
    desk: Desk<'_, S, R, C>,
    action: &Action,
    bindings: &Bindings,
) -> Result<Vec<Tree>> {
    let mut ids = managed(desk.store).await?;
    if bug(Bug::OtherCampaignsForgotten) {
        ids.clear();
    }
    if let Some((target, ObjectKind::Campaign)) = action.op.edits()
        && let Some(id) = target.resolve(bindings).and_then(|id| CampaignId::new(id.as_str()).ok())
        && !ids.contains(&id)
    {
        ids.push(id);
    }
    Ok(desk.meta.trees(&ids).await?)
}

/// What of a tree is on, in minor units a day.
pub fn on(tree: &Tree) -> i64 {
    if tree.campaign.status != Status::Active {
        return 0;
    }
    tree.daily_budget().map_or(0, crate::domain::Money::minor)
}

/// The effect of a write on the trees as read now.
pub fn effect(action: &Action, bindings: &Bindings, trees: &[Tree], now: Moment) -> Effect {
    if !moves_money(&action.op) {
        return Effect::None;
    }
    let target = action.op.edits().and_then(|(target, _)| target.resolve(bindings));
    let holds = |tree: &&Tree| target.as_ref().is_some_and(|id| tree.object_ids().contains(id));
    let Some((tree, id)) = trees.iter().find(holds).zip(target.clone()) else {
        let what = target.map_or_else(|| action.key.clone(), |id| id.to_string());
        return Effect::Unreadable(format!("{what} cannot be read"));
    };
    let before = on(tree);
    let campaign = tree.campaign.id.clone();
    let mut movement = Movement {
        campaign,
        before,
        after: before,
        object: None,
        from: 0,
        to: 0,
        at: now,
        worst: 0,
    };
    match &action.op {
        Op::SetStatus { to: Status::Active, .. } => {
            let Some(budget) = tree.daily_budget_when_on() else {
                return Effect::Unreadable(format!("{id} has no daily budget that can be read"));
            };
            movement.after = budget.minor();
        }
        Op::SetStatus { .. } => movement.after = 0,
        Op::SetDailyBudget { to, .. } => {
            let is_campaign = id.as_str() == tree.campaign.id.as_str();
            let set = tree.adsets.iter().find(|s| s.id.as_str() == id.as_str());
            let budget = if is_campaign {
                tree.campaign.daily_budget
            } else {
                set.and_then(|s| s.daily_budget)
            };
            let Some(from) = budget.map(crate::domain::Money::minor) else {
                return Effect::Unreadable(format!("{id} has no daily budget that can be read"));
            };
            let runs = tree.campaign.status == Status::Active
                && set.is_none_or(|s| s.status == Status::Active);
            let more = to.minor().saturating_sub(from);
            movement.after = before.saturating_add(if runs { more } else { 0 });
            (movement.from, movement.to) = (from, to.minor());
            movement.object = Some(id);
        }
        _ => return Effect::None,
    }
    Effect::Moves(movement)
}

/// The movements of the last days, oldest first.
pub async fn movements<S: Store>(store: &S, policy: &Policy, now: Moment) -> Result<Vec<Moved>> {
    let (mut moved, back) = (Vec::new(), look_back_ms(policy));
    let mut intents = store.intents_since(now.plus(-back)).await?;
    intents.retain(|intent| {
        let begun = intent.entries.iter().map(|(at, _)| *at).max().unwrap_or(intent.at);
        intent.creates.is_none() && now.since(begun) <= back
    });
    if intents.is_empty() {
        return Ok(moved);
    }
    let keys: Vec<String> = intents.iter().map(|i| note_key(&i.op_key)).collect();
    let notes = store.notes(&keys).await?;
    for intent in intents {
        let Some(text) = notes.get(&note_key(&intent.op_key)) else { continue };
        let read = serde_json::from_str(text).map_err(|e| StoreError::Document {
            what: note_key(&intent.op_key),
            why: e.to_string(),
        });
        let log = intent.entries.iter().map(|(_, e)| *e);
        let status = WriteStatus::fold(log).unwrap_or(WriteStatus::InDoubt);
        let known = intent.entries.last().map_or(intent.at, |(at, _)| *at);
        moved.push(Moved { op_key: intent.op_key, movement: read?, status, known });
    }
    moved.sort_by_key(|m| m.movement.at);
    Ok(moved)
}

/// Changes of one budget, oldest first.
pub fn changes(moved: &[Moved], object: Option<&ObjectId>) -> Vec<Change> {
    let own = moved.iter().filter(|m| m.counts() && object.is_some());
    let own = own.filter(|m| m.movement.object.as_ref() == object);
    let change = |m: &Moved| {
        let at = m.known.max(m.movement.at);
        Change { at, from: m.movement.from, to: m.movement.to }
    };
    own.map(change).collect()
}

/// The budgets of every tree since the week began.
pub fn pots(
    trees: &[Tree],
    moved: &[Moved],
    delivered: &BTreeMap<CampaignId, Vec<(Day, i64)>>,
    now: Moment,
    zone: &Zone,
) -> Vec<Pot> {
    let week = zone.start_of(exposure::sunday(zone.day_of(now)));
    let pot = |tree: &Tree| {
        let id = &tree.campaign.id;
        let own = moved.iter().filter(|m| m.counts() && m.movement.campaign == *id);
        let own: Vec<&Moved> = own.filter(|m| m.movement.at >= week).collect();
        let current = on(tree);
        let first = own.first().map_or(current, |m| m.movement.before);
        let mut timeline = Timeline::constant(first);
        let mut doubtful = false;
        for m in own {
            let in_doubt = m.status == WriteStatus::InDoubt;
            doubtful |= in_doubt;
            let (before, after) = (m.movement.before, m.movement.after);
            timeline =
                timeline.then(m.movement.at, if in_doubt { before.max(after) } else { after });
        }
        let seen = if doubtful { current.max(timeline.last()) } else { current };
        if timeline.last() != seen {
            timeline = timeline.then(now, seen);
        }
        let delivered = delivered.get(id).cloned().unwrap_or_default();
        Pot { campaign: id.clone(), timeline, delivered }
    };
    trees.iter().map(pot).collect()
}

/// What each campaign spent on the days of this week that are over and were read after they were over.
pub async fn delivered<S: Store, R: MetaRead, C>(
    desk: Desk<'_, S, R, C>,
    campaigns: &[CampaignId],
    now: Moment,
    zone: &Zone,
) -> Result<BTreeMap<CampaignId, Vec<(Day, i64)>>> {
    let today = zone.day_of(now);
    let mut out: BTreeMap<CampaignId, Vec<(Day, i64)>> = BTreeMap::new();
    let Some(range) = DayRange::new(exposure::sunday(today), today.plus(-1)) else {
        return Ok(out);
    };
    let account = desk.meta.account_id();
    let reads = desk.store.coverage(account, range, None).await?;
    let rows = desk.store.insights_counting(account, campaigns, range, None, &[]).await?;
    for day in range.iter() {
        let over = zone.end_of(day);
        if !reads.iter().any(|r| r.range.contains(day) && r.fetched_at >= over) {
            continue;
        }
        for campaign in campaigns {
            let own = rows.iter().filter(|r| r.row.day == day && r.row.campaign == *campaign);
            let spend = own.fold(0_i64, |sum, r| sum.saturating_add(r.row.spend.minor()));
            out.entry(campaign.clone()).or_default().push((day, spend));
        }
    }
    Ok(out)
}

/// The worst a campaign can come to from now until Meta itself ends it; None when nothing would end it.
pub fn until_its_end(tree: &Tree, daily: i64, now: Moment, zone: &Zone) -> Option<i64> {
    let ends: Option<Vec<Moment>> = tree.adsets.iter().map(|s| s.end_time).collect();
    let last = ends?.into_iter().max()?;
    Some(exposure::period(&Timeline::constant(daily), now, last, zone))
}

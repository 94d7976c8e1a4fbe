//! The one door out: carries an approved plan out, one write at a time.
//!
//! For each action: re-read what it expects, check the guard rails, commit the intent with its audit link, send once,
//! commit the outcome, and read back what it promised. Nothing here decides anything, and nothing here repeats a
//! write; what is in doubt is left to [`crate::app::reconcile`]. Calling it again after a crash at any point goes on
//! where the write log says it stands.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::planted::{Bug, bug};
use crate::{
    app::{
        Desk, Result,
        facts::{self, Effect},
        journal, restored, standing,
    },
    domain::{
        CampaignId, Moment, ObjectId, Tree, Zone,
        climb::PlanOutcome,
        guard::{self, Blocked, Movement},
        likeness::{fingerprint, likeness},
        plan::{Action, ApprovedPlan, Aspect, Bindings, NotApproved, ObjectKind, Plan},
        write_log::{Entry, WriteStatus},
    },
    ports::{
        Clock, MetaClass, MetaRead, MetaWrite, Record, StopSwitch, Store, WriteOutcome,
        store::{EndRow, IntentRow, PlanRow, arm},
    },
};

/// How long a read may lag behind a write before a missing or different value counts, in milliseconds.
pub const READ_LAG_MS: i64 = 15 * 60 * 1000;

/// How far a plan got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Every write is done and verified.
    Done(Bindings),
    /// The next write waits for its time, a read, or a guard rail; the reason is for people.
    Waiting(String),
    /// It ended otherwise; what was created until then is bound.
    Ended(PlanOutcome, String, Bindings),
}

/// What the door needs besides the desk.
#[derive(Debug)]
pub struct Door<'a, W, K> {
    /// The write side.
    pub writer: &'a W,
    /// The kill switch.
    pub switch: &'a K,
    /// Why nothing may be raised in this pass, whatever is known from earlier ones.
    pub no_raises: Option<&'static str>,
    /// What a person must look at.
    pub alarms: Vec<String>,
}

/// Carries a plan out as far as it goes now, and records its end when it ends.
pub async fn apply<S, R, C, W, K>(
    desk: Desk<'_, S, R, C>,
    door: &mut Door<'_, W, K>,
    row: &PlanRow,
) -> Result<Progress>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
{
    let intents = desk.store.intents(Some(&row.hash)).await?;
    if let Some(why) = restored::voids(desk.store, &row.hash).await? {
        return give_up(desk, row, intents, PlanOutcome::Stale, why).await;
    }
    let mut approvals = desk.store.approvals(&row.hash).await?;
    if bug(Bug::ApprovalUsedTwice) && approvals.is_empty() {
        for earlier in desk.store.plans(false, u32::MAX).await? {
            let given = desk.store.approvals(&earlier.hash).await?.into_iter();
            approvals.extend(given.filter(|a| a.granted));
        }
        for approval in &mut approvals {
            approval.plan = row.hash.clone();
        }
    }
    let quorum = usize::try_from(desk.policy.approval.quorum).unwrap_or(usize::MAX);
    let now = desk.clock.now();
    let made =
        ApprovedPlan::new(&row.bytes, &row.hash, &approvals, quorum, now, !intents.is_empty());
    let approved = match made {
        Ok(approved) => approved,
        Err(NotApproved::Quorum { .. }) if now <= row.expires => {
            return Ok(Progress::Waiting("nobody has approved it yet".to_owned()));
        }
        Err(NotApproved::Quorum { .. } | NotApproved::Expired { .. }) => {
            let why = format!("not approved until {}", row.expires);
            return end(desk, row, PlanOutcome::Expired, why, Bindings::new()).await;
        }
        // A no on the way.
        Err(e @ NotApproved::Rejected { .. }) => {
            return give_up(desk, row, intents, PlanOutcome::Rejected, e.to_string()).await;
        }
        Err(e) => return Err(e.into()),
    };
    let begun = !intents.is_empty();
    let mut run = Run {
        desk,
        door,
        approved: &approved,
        intents,
        bindings: Bindings::new(),
        moves: None,
        begun,
    };
    let stop = run.actions().await?;
    let bindings = run.bindings;
    match stop {
        None => {
            end(desk, row, PlanOutcome::Done, "every write verified".to_owned(), bindings).await
        }
        Some(Halt::Wait(why)) => Ok(Progress::Waiting(why)),
        Some(Halt::End(outcome, why)) => end(desk, row, outcome, why, bindings).await,
    }
}

/// Ends a plan that may have begun: nothing more is sent, and what was sent is known before it ends.
async fn give_up<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    intents: Vec<IntentRow>,
    outcome: PlanOutcome,
    why: String,
) -> Result<Progress> {
    if let Some(open) = intents.iter().find(|i| standing::is_in_doubt(i)) {
        return Ok(Progress::Waiting(format!("{why}; write {} is in doubt", open.op_key)));
    }
    let made = intents.into_iter().filter_map(|i| Some((i.action, i.object?))).collect();
    end(desk, row, outcome, why, made).await
}

async fn end<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    outcome: PlanOutcome,
    why: String,
    bindings: Bindings,
) -> Result<Progress> {
    let at = desk.clock.now();
    let record = EndRow { outcome: outcome.as_str().to_owned(), why: why.clone(), at };
    let note = journal::audit(
        at,
        "plan_ended",
        desk.actor,
        json!({ "plan": row.hash.as_str(), "kind": row.kind.as_str(), "outcome": outcome.as_str(), "why": why }),
    );
    desk.store.commit(vec![Record::PlanEnd(row.hash.clone(), record), note]).await?;
    tracing::info!(plan.hash = %row.hash.plan_id(), outcome = outcome.as_str(), "plan ended: {why}");
    Ok(match outcome {
        PlanOutcome::Done => Progress::Done(bindings),
        _ => Progress::Ended(outcome, why, bindings),
    })
}

/// Why the run over the actions stopped before its end.
enum Halt {
    Wait(String),
    End(PlanOutcome, String),
}

struct Run<'r, 'a, 'd, S, R, C, W, K> {
    desk: Desk<'a, S, R, C>,
    door: &'r mut Door<'d, W, K>,
    approved: &'r ApprovedPlan,
    intents: Vec<IntentRow>,
    bindings: Bindings,
    /// What the write under way moves: its reservation.
    moves: Option<Movement>,
    /// Some write of the plan was recorded: it may be finished after its expiry.
    begun: bool,
}

impl<S, R, C, W, K> Run<'_, '_, '_, S, R, C, W, K>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
{
    fn plan(&self) -> &Plan {
        self.approved.plan()
    }
    /// Why the kill switch is on, if it is.
    fn stopped(&self) -> Option<String> {
        self.door.switch.stopped().filter(|_| !bug(Bug::KillSwitchIgnored))
    }

    async fn actions(&mut self) -> Result<Option<Halt>> {
        let approved = self.approved;
        // Bind everything that exists before the first possible stop, so that even a failed plan tells what it made.
        for intent in &self.intents {
            if let Some(id) = &intent.object {
                self.bindings.insert(intent.action.clone(), id.clone());
            }
        }
        for action in &approved.plan().actions {
            if let Some(halt) = self.action(action).await? {
                if bug(Bug::GoOnAfterFailure) && matches!(halt, Halt::End(PlanOutcome::Failed, _)) {
                    continue;
                }
                return Ok(Some(halt));
            }
        }
        Ok(None)
    }

    async fn action(&mut self, action: &Action) -> Result<Option<Halt>> {
        let intent = self.intents.iter().find(|i| i.op_key == action.op_key).cloned();
        let log = intent.iter().flat_map(|i| i.entries.iter().map(|(_, e)| *e));
        let status = WriteStatus::fold(log).map_err(|e| crate::ports::StoreError::Document {
            what: format!("write log of {}", action.op_key),
            why: e.to_string(),
        })?;
        match status {
            WriteStatus::Done if intent.as_ref().is_some_and(|i| i.verified) => Ok(None),
            WriteStatus::Done => {
                let since = intent.and_then(|i| i.entries.last().map(|(at, _)| *at));
                self.verify(action, since).await
            }
            WriteStatus::InDoubt => {
                Ok(Some(Halt::Wait(format!("write {} is in doubt", action.key))))
            }
            WriteStatus::Refused => {
                let why = format!("Meta refused {}", action.key);
                Ok(Some(Halt::End(PlanOutcome::Failed, why)))
            }
            WriteStatus::NeverStarted | WriteStatus::Absent => {
                if let Some(halt) = self.may_start(action).await? {
                    return Ok(Some(halt));
                }
                self.start(action, intent.is_none()).await
            }
        }
    }

    /// Time, preconditions and guard rails. What Meta is asked for may take its time, even past midnight, so it is asked
    /// first, and what depends on the clock is judged after.
    async fn may_start(&mut self, action: &Action) -> Result<Option<Halt>> {
        let now = self.desk.clock.now();
        if let Some(at) = action.not_before.filter(|at| now < *at) {
            return Ok(Some(Halt::Wait(format!("{} is not due before {at}", action.key))));
        }
        if let Some(why) = self.stale(action).await? {
            return Ok(Some(Halt::End(PlanOutcome::Stale, why)));
        }
        self.moves = None;
        let trees = if guard::moves_money(&action.op) {
            facts::trees(self.desk, action, &self.bindings).await?
        } else {
            Vec::new()
        };
        let acting = match facts::effect(action, &self.bindings, &trees, now) {
            Effect::Moves(moves) if moves.raises() => {
                interference(self.desk, &moves.campaign).await?
            }
            Effect::None | Effect::Unreadable(_) | Effect::Moves(_) => Vec::new(),
        };
        let now = self.desk.clock.now();
        match facts::effect(action, &self.bindings, &trees, now) {
            Effect::None => {}
            Effect::Unreadable(why) => return Ok(Some(Halt::Wait(why))),
            Effect::Moves(movement) => self.moves = Some(movement),
        }
        let daily = trees.iter().fold(0_i64, |sum, tree| sum.saturating_add(facts::on(tree)));
        if let Some(limits) = &self.desk.policy.limits
            && let Err(full) = guard::may_hand_over(
                &action.op,
                self.plan().kind,
                &self.plan().money,
                daily,
                limits,
            )
        {
            return Ok(Some(Halt::End(PlanOutcome::Failed, full.to_string())));
        }
        match self.allowed(action, &trees, acting, now).await? {
            Ok(()) => Ok(None),
            Err(blocked) => Ok(Some(self.blocked(action, &blocked).await?)),
        }
    }

    /// Asks the guard with everything that is true right now; `acting` is what else acts on the campaign.
    async fn allowed(
        &mut self,
        action: &Action,
        trees: &[Tree],
        acting: Vec<String>,
        now: Moment,
    ) -> Result<std::result::Result<(), Blocked>> {
        let desk = self.desk;
        let kind = self.plan().kind;
        let zone = desk.store.account(desk.meta.account_id()).await?.map(|a| a.zone);
        let zone = zone.unwrap_or_else(Zone::utc);
        let moved = facts::movements(desk.store, desk.policy, now).await?;
        let moved_at: Vec<Moment> = moved.iter().map(|m| m.movement.at).collect();
        let object = self.moves.as_ref().and_then(|m| m.object.as_ref());
        let changes = facts::changes(&moved, object);
        let lowers = guard::only_lowers(&action.op, kind, self.moves.as_ref());
        let (mut pots, mut no_raises, mut test_worst, mut closed) =
            (Vec::new(), Vec::new(), None, None);
        if !lowers {
            closed = standing::closed(desk.store, now).await?;
            no_raises = standing::no_raises(desk).await?;
            no_raises.extend(self.door.no_raises.map(str::to_owned));
        }
        if let Some(movement) = self.moves.as_mut().filter(|m| m.raises()) {
            no_raises.extend(acting);
            let ids: Vec<CampaignId> = trees.iter().map(|t| t.campaign.id.clone()).collect();
            let delivered = facts::delivered(desk, &ids, now, &zone).await?;
            pots = facts::pots(trees, &moved, &delivered, now, &zone);
            let tree = trees.iter().find(|t| t.campaign.id == movement.campaign);
            test_worst = tree.and_then(|t| facts::until_its_end(t, movement.after, now, &zone));
            let more = movement.after.saturating_sub(movement.before).max(0);
            movement.worst = test_worst.unwrap_or_else(|| guard::exposure::of_days(more, 7));
        }
        let stopped = self.stopped();
        let facts = guard::Facts {
            now,
            policy: desk.policy,
            zone: &zone,
            stopped,
            kind,
            may_raise: self.approved.may_raise(),
            movement: self.moves.as_ref(),
            pots: &pots,
            money: &self.approved.plan().money,
            test_worst,
            moved_at: &moved_at,
            changes: &changes,
            no_raises: &no_raises,
            closed,
        };
        Ok(guard::allow(action, &facts))
    }

    async fn blocked(&self, action: &Action, blocked: &Blocked) -> Result<Halt> {
        let why = blocked.to_string();
        if blocked.passes_with_time() {
            return Ok(Halt::Wait(why));
        }
        let body =
            json!({ "op_key": action.op_key, "plan": self.approved.hash().as_str(), "why": why });
        let note = journal::audit(self.desk.clock.now(), "write_blocked", self.desk.actor, body);
        self.desk.store.commit(vec![note]).await?;
        Ok(Halt::End(PlanOutcome::Failed, why))
    }

    /// The first expectation that no longer holds, in words.
    async fn stale(&self, action: &Action) -> Result<Option<String>> {
        let mut read: BTreeMap<(ObjectKind, ObjectId), Option<BTreeMap<Aspect, String>>> =
            BTreeMap::new();
        let mut trees: BTreeMap<ObjectId, Option<Tree>> = BTreeMap::new();
        for expected in action.expects.iter().filter(|_| !bug(Bug::DriftIgnored)) {
            let Some(id) = expected.object.resolve(&self.bindings) else {
                return Ok(Some(format!("{} does not exist yet", expected.object.template())));
            };
            if matches!(expected.aspect, Aspect::Tree | Aspect::Content) {
                if !trees.contains_key(&id) {
                    let campaign = CampaignId::new(id.as_str()).ok();
                    let read = self.desk.meta.trees(campaign.as_slice()).await?;
                    trees.insert(
                        id.clone(),
                        read.into_iter().find(|t| t.campaign.id.as_str() == id.as_str()),
                    );
                }
                let switches = expected.aspect == Aspect::Tree;
                let tree = trees.get(&id).and_then(Option::as_ref);
                if tree.map(|t| fingerprint(&likeness(t, switches))).as_ref()
                    != Some(&expected.value)
                {
                    return Ok(Some(format!(
                        "something in campaign {id} was edited since the plan was made: a person's edit wins"
                    )));
                }
                continue;
            }
            let key = (expected.kind, id.clone());
            if !read.contains_key(&key) {
                read.insert(key.clone(), self.desk.meta.aspects(expected.kind, &id).await?);
            }
            let found =
                read.get(&key).and_then(Option::as_ref).and_then(|a| a.get(&expected.aspect));
            if found != Some(&expected.value) {
                let is = found.map_or("unreadable", String::as_str);
                let (aspect, was) = (expected.aspect, &expected.value);
                return Ok(Some(format!(
                    "{aspect} of {id} is {is}, the plan expected {was}: somebody changed it, and a person's edit wins"
                )));
            }
        }
        Ok(None)
    }

    async fn start(&mut self, action: &Action, first: bool) -> Result<Option<Halt>> {
        let rendered = self.desk.meta.template(&action.op);
        let bound = action.request.bind(&self.bindings);
        let Some(request) = bound.filter(|_| rendered == action.request) else {
            let why = format!("the request of {} is not the one that was approved", action.key);
            return Ok(Some(Halt::End(PlanOutcome::Failed, why)));
        };
        let at = self.desk.clock.now();
        // What was read for it may have taken its time.
        if !self.begun && self.plan().is_expired(at) && !bug(Bug::ExpiryIgnored) {
            return Ok(Some(Halt::Wait("it expired before its first write".to_owned())));
        }
        self.begun = true;
        let op_key = action.op_key.clone();
        let mut batch = Vec::new();
        if first {
            batch.push(Record::Intent(IntentRow {
                op_key: op_key.clone(),
                plan: self.approved.hash().clone(),
                action: action.key.clone(),
                creates: action.op.creates(),
                request: request.clone(),
                at,
                entries: Vec::new(),
                object: None,
                verified: false,
            }));
        }
        batch.push(Record::Entry {
            op_key: op_key.clone(),
            at,
            entry: Entry::Started,
            object: None,
        });
        // The reservation stands in the same commit as the intent.
        if let Some(movement) = &mut self.moves {
            movement.at = at;
            batch.push(facts::record(&op_key, movement));
        }
        batch.push(journal::write_began(
            at,
            self.desk.actor,
            self.approved,
            action,
            &request,
            &self.bindings,
            self.moves.as_ref(),
        ));
        let late = bug(Bug::SendBeforeCommit).then(|| batch.clone());
        let armed = arm(self.desk.store, self.approved, action, request, batch).await?;
        // The switch is asked once more with nothing but the send left to do.
        let kind = self.plan().kind;
        let exempt = guard::leaves_when_stopped(&action.op, kind, self.desk.policy);
        let outcome = match self.stopped().filter(|_| !exempt) {
            Some(why) => WriteOutcome::Refused(not_sent(action, &why)),
            None => self.door.writer.send(armed).await,
        };
        if let Some(batch) = late {
            self.desk.store.commit(batch).await?;
        }
        self.settle(action, outcome).await
    }

    async fn settle(&mut self, action: &Action, outcome: WriteOutcome) -> Result<Option<Halt>> {
        let at = self.desk.clock.now();
        let (entry, object, detail, halt) = match outcome {
            WriteOutcome::Done { id, trace } => {
                if let Some(id) = &id {
                    self.bindings.insert(action.key.clone(), id.clone());
                }
                let detail = json!({ "id": id, "fbtrace_id": trace });
                (Entry::Succeeded, id, detail, None)
            }
            // What was to go is gone already: the write's promise holds.
            WriteOutcome::Refused(e) if e.class == MetaClass::Gone && action.op.removes() => {
                (Entry::Succeeded, None, journal::error(&e), None)
            }
            WriteOutcome::Refused(e) if e.class == MetaClass::NotSent => {
                let halt = Halt::Wait(format!("{} was not sent: {}", action.key, e.detail));
                (Entry::FoundAbsent, None, journal::error(&e), Some(halt))
            }
            WriteOutcome::Refused(e) => {
                let halt = Halt::End(
                    PlanOutcome::Failed,
                    format!("Meta refused {}: {}", action.key, e.detail),
                );
                (Entry::Refused, None, journal::error(&e), Some(halt))
            }
            WriteOutcome::Unknown(e) => {
                let halt = Halt::Wait(format!(
                    "nobody knows whether {} happened: {}",
                    action.key, e.detail
                ));
                (Entry::OutcomeUnknown, None, journal::error(&e), Some(halt))
            }
        };
        self.record(action, entry, object, &detail).await?;
        match halt {
            Some(halt) => Ok(Some(halt)),
            None => self.verify(action, Some(at)).await,
        }
    }

    async fn record(
        &self,
        action: &Action,
        entry: Entry,
        object: Option<ObjectId>,
        detail: &Value,
    ) -> Result<()> {
        let at = self.desk.clock.now();
        let op_key = action.op_key.clone();
        let hash = self.approved.hash();
        let ended = journal::write_ended(at, self.desk.actor, action, hash, entry, detail);
        let mut batch = vec![Record::Entry { op_key, at, entry, object }, ended];
        batch.truncate(if bug(Bug::EndWithoutLink) { 1 } else { 2 });
        self.desk.store.commit(batch).await?;
        Ok(())
    }

    /// Reads back what the write promised. A young write may not show yet; an old one that does not show has failed.
    async fn verify(&mut self, action: &Action, done_at: Option<Moment>) -> Result<Option<Halt>> {
        let at = self.desk.clock.now();
        let target = match action.op.edits() {
            Some((target, kind)) => target.resolve(&self.bindings).map(|id| (kind, id)),
            None => action.op.creates().zip(self.bindings.get(&action.key).cloned()),
        };
        let Some((kind, id)) = target else {
            let why = format!("{} gave no id to read back", action.key);
            return Ok(Some(Halt::End(PlanOutcome::Failed, why)));
        };
        let found = self.desk.meta.aspects(kind, &id).await?;
        let wrong = missing_promise(action, found.as_ref());
        let Some(wrong) = wrong else {
            let body = json!({ "op_key": action.op_key, "object": id, "read": found });
            let note = journal::audit(at, "write_verified", self.desk.actor, body);
            let op_key = action.op_key.clone();
            self.desk.store.commit(vec![Record::Verified { op_key, at }, note]).await?;
            self.raced(action, &id).await?;
            return Ok(None);
        };
        if bug(Bug::NoReadBack) {
            return Ok(None);
        }
        if done_at.is_some_and(|done| at.since(done) < READ_LAG_MS) {
            return Ok(Some(Halt::Wait(format!("{} is not visible yet: {wrong}", action.key))));
        }
        let plan = self.plan().kind.as_str();
        let why = format!("{} of the {plan} plan did not hold: {wrong}", action.key);
        if found.is_some() {
            // Meta said yes and shows something else: nothing more is written on such ground.
            let body = json!({ "op_key": action.op_key, "object": id, "read": found, "why": why });
            let note = journal::audit(at, "write_contradicted", self.desk.actor, body);
            self.desk.store.commit(vec![standing::contradicted(self.desk).await?, note]).await?;
        }
        Ok(Some(Halt::End(PlanOutcome::Failed, why)))
    }

    /// Meta offers no compare-and-set: did somebody else edit the object between our last look and our write?
    async fn raced(&mut self, action: &Action, id: &ObjectId) -> Result<()> {
        // Only what moves money has a movement.
        let Some(movement) = self.moves.take() else { return Ok(()) };
        let since = movement.at.plus(-RACE_MS);
        let told = match self.desk.meta.activities(since).await {
            Ok(told) => told,
            Err(e) => {
                tracing::warn!(object = %id, "cannot check for other people's edits: {e}");
                return Ok(());
            }
        };
        let foreign = told.iter().find(|a| {
            a.object == id.as_str() && a.ours == Some(false) && a.at >= since && is_edit(&a.event)
        });
        let Some(foreign) = foreign else { return Ok(()) };
        let why = format!(
            "{} on {id} at {} by somebody else, while {} was written",
            foreign.event, foreign.at, action.key
        );
        let at = self.desk.clock.now();
        let body = json!({ "op_key": action.op_key, "object": id, "why": why });
        let link = journal::audit(at, "edit_race", self.desk.actor, body);
        let climb = self.plan().climb.clone();
        let note = crate::app::hands_off::raced(&climb, &why);
        self.desk.store.commit(vec![note, link]).await?;
        self.door.alarms.push(why);
        Ok(())
    }
}

/// The longest between the last look at an object and the write to it, in milliseconds.
const RACE_MS: i64 = 5_000;

/// Entries of the activity log that are edits; Meta also tells of reviews and learning there.
fn is_edit(event: &str) -> bool {
    let about_us = ["learning", "review", "delivery"].iter().any(|word| event.contains(word));
    !about_us && ["update", "edit", "delete"].iter().any(|word| event.contains(word))
}

/// Rules, studies and budget schedules of other people that act on a campaign which is to spend more.
async fn interference<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    campaign: &CampaignId,
) -> Result<Vec<String>> {
    let found = desk.meta.interference(campaign).await?;
    Ok(found
        .iter()
        .map(|i| format!("{} {} ({}) also acts on campaign {campaign}", i.kind, i.id, i.name))
        .collect())
}

/// The first promise of a write that a read does not show.
pub fn missing_promise(
    action: &Action,
    found: Option<&BTreeMap<Aspect, String>>,
) -> Option<String> {
    let deleted = action.op.removes();
    let Some(found) = found else {
        return (!deleted).then(|| "it cannot be read".to_owned());
    };
    action.op.promises().into_iter().find_map(|(aspect, wanted)| {
        let is = found.get(&aspect).map_or("", String::as_str);
        (is != wanted).then(|| format!("{aspect} is {is:?}, not {wanted:?}"))
    })
}

fn not_sent(action: &Action, why: &str) -> crate::ports::MetaError {
    crate::ports::MetaError {
        class: MetaClass::NotSent,
        what: format!("write {}", action.key),
        detail: format!("the kill switch is on: {why}"),
        code: None,
        subcode: None,
        status: None,
        trace: None,
        wait_ms: None,
    }
}

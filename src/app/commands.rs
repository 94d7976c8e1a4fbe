//! What people tell the agent: yes or no to a plan, and commands to a climb.
//!
//! Approvals and commands are rows; any process may write them while the agent runs, and the agent acts on them in its
//! next pass.

use serde_json::json;

use crate::{
    app::{
        AppError, Desk, Result,
        decide::opened_held,
        journal,
        lines::climb_of,
        propose::{Basis, climb_row, propose},
        stand_down, standing,
    },
    domain::{
        ClimbId, DecisionId, Moment,
        climb::{Climb, Command, Effect, Event, Pending, State},
        plan::{Approval, NotApproved, PlanHash, PlanKind, is_reserved_name},
    },
    ports::{
        Clock, MetaRead, Record, Store,
        store::{CommandRow, EndRow, PlanRow},
    },
};

/// The note of the autonomous mode's yes.
pub const WITHIN_LIMITS: &str = "within the configured limits";
/// The note of a yes that a person's command is.
pub const BY_COMMAND: &str = "the command itself is the approval";
/// The note of a no that a person's abort is to the plan under way.
pub const BY_ABORT: &str = "the abort itself is the refusal";
/// The note of a guard rail's yes to its own plan.
pub const ONLY_LOWERS: &str = "a guard rail's own yes: it only lowers";

/// Finds a plan by its hash or a unique beginning of it.
pub async fn find_plan<S: Store>(store: &S, text: &str) -> Result<PlanRow> {
    let missing =
        |name: &str, hint| AppError::Missing { what: "plan", name: name.to_owned(), hint };
    let text = text.trim();
    if text.len() < 4 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(missing(
            text,
            "give at least the first 4 characters of its hash; `rungwise show` lists plans",
        ));
    }
    let mut found = store.plans_like(&text.to_lowercase()).await?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(missing(text, "`rungwise show` lists the plans")),
        _ => Err(missing(text, "several plans begin like this; give more characters")),
    }
}

/// Says yes to a plan.
pub async fn approve<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
    plan: &PlanRow,
    by: &str,
    note: &str,
) -> Result<()> {
    record(desk.store, desk.clock.now(), plan, by, note, true).await
}

/// Records a person's yes or no; refuses it for plans that have ended, expired or were altered, and under a name that
/// belongs to the policy or to a guard rail.
pub async fn answer<S: Store>(
    store: &S,
    now: Moment,
    plan: &PlanRow,
    by: &str,
    note: &str,
    granted: bool,
) -> Result<()> {
    if is_reserved_name(by) || by.trim().is_empty() {
        let text = format!("{by:?} is no name of a person");
        return Err(AppError::NotNow(text, "give your own name with --by"));
    }
    record(store, now, plan, by, note, granted).await
}

async fn record<S: Store>(
    store: &S,
    now: Moment,
    plan: &PlanRow,
    by: &str,
    note: &str,
    granted: bool,
) -> Result<()> {
    let found = PlanHash::of(&plan.bytes);
    if found != plan.hash {
        let (id, filed) = (plan.hash.plan_id(), plan.hash.clone());
        return Err(NotApproved::Altered { id, filed, found }.into());
    }
    if let Some(end) = &plan.end {
        let text = format!("plan {} has ended: {} ({})", plan.hash.plan_id(), end.outcome, end.why);
        return Err(AppError::NotNow(text, "see `rungwise show` for open plans"));
    }
    // A no is always heard: what has begun goes on beyond its expiry.
    if granted && now > plan.expires {
        return Err(NotApproved::Expired { id: plan.hash.plan_id(), expired: plan.expires }.into());
    }
    let kind = if granted { "approved" } else { "rejected" };
    let body =
        json!({ "plan": plan.hash.as_str(), "kind": plan.kind.as_str(), "by": by, "note": note });
    let approval = Approval {
        plan: plan.hash.clone(),
        by: by.to_owned(),
        at: now,
        granted,
        note: note.to_owned(),
    };
    store.commit(vec![Record::Approval(approval), journal::audit(now, kind, by, body)]).await?;
    Ok(())
}

/// The word of a command row.
const fn word(command: Command) -> &'static str {
    match command {
        Command::Pause => "climb_pause",
        Command::Resume => "climb_resume",
        Command::Abort => "climb_abort",
        Command::Promote => "climb_promote",
    }
}

fn parse(word_: &str) -> Option<Command> {
    [Command::Pause, Command::Resume, Command::Abort, Command::Promote]
        .into_iter()
        .find(|c| word(*c) == word_)
}

/// Files a command for the agent's next pass.
pub async fn command<S: Store>(
    store: &S,
    now: Moment,
    climb: &ClimbId,
    command: Command,
    by: &str,
    note: &str,
) -> Result<()> {
    let known = store.climbs(true).await?;
    if !known.iter().any(|c| c.id == *climb) {
        let name = climb.to_string();
        let hint = "`rungwise climb list` lists the climbs that have not ended";
        return Err(AppError::Missing { what: "climb", name, hint });
    }
    let row = CommandRow {
        id: 0,
        at: now,
        by: by.to_owned(),
        kind: word(command).to_owned(),
        subject: climb.to_string(),
        note: note.to_owned(),
    };
    let body = json!({ "command": row.kind, "climb": climb, "note": note });
    store
        .commit(vec![Record::Command(row), journal::audit(now, "command_given", by, body)])
        .await?;
    Ok(())
}

/// The word of the command that gives back what guard rails took.
const LIFT: &str = "lift";

/// Files the command that gives back what guard rails took: autonomy, the breaker, the hold after a shock.
pub async fn lift<S: Store>(store: &S, now: Moment, by: &str, why: &str) -> Result<()> {
    let row = CommandRow {
        id: 0,
        at: now,
        by: by.to_owned(),
        kind: LIFT.to_owned(),
        subject: "account".to_owned(),
        note: why.to_owned(),
    };
    let body = json!({ "command": LIFT, "note": why });
    store
        .commit(vec![Record::Command(row), journal::audit(now, "command_given", by, body)])
        .await?;
    Ok(())
}

/// Carries out what people asked for since the last pass.
pub async fn obey<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    alarms: &mut Vec<String>,
) -> Result<()> {
    for row in desk.store.commands().await? {
        let answer = match one(desk, &row, alarms).await? {
            Answer::Done(answer) => answer,
            Answer::Later(why) => {
                tracing::info!(command = row.kind, subject = row.subject, "{why}");
                continue;
            }
        };
        let at = desk.clock.now();
        let body =
            json!({ "command": row.kind, "subject": row.subject, "by": row.by, "answer": answer });
        let note = journal::audit(at, "command_done", desk.actor, body);
        desk.store.commit(vec![Record::CommandDone { id: row.id, at, answer }, note]).await?;
    }
    Ok(())
}

/// The plan of this hash.
pub(crate) async fn plan_row<S: Store>(store: &S, hash: &PlanHash) -> Result<Option<PlanRow>> {
    let rows = store.plans_like(hash.as_str()).await?;
    Ok(rows.into_iter().find(|row| row.hash == *hash))
}

/// The plan the climb waits for, if this command asked for it.
async fn own_plan<S: Store>(
    store: &S,
    climb: &Climb,
    asked_by: &DecisionId,
) -> Result<Option<PlanRow>> {
    let Some(pending) = &climb.pending else { return Ok(None) };
    let Some(row) = plan_row(store, &pending.plan).await? else { return Ok(None) };
    let decision = crate::app::views::plan_of(&row)?.decision;
    Ok((decision == *asked_by).then_some(row))
}

async fn one<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &CommandRow,
    alarms: &mut Vec<String>,
) -> Result<Answer> {
    if row.kind == LIFT {
        standing::lift(desk.store, desk.clock.now(), &row.by, &row.note).await?;
        return Ok(Answer::Done("autonomy, breaker and shock are lifted".to_owned()));
    }
    let Some(command) = parse(&row.kind) else {
        return Ok(Answer::Done(format!("unknown command {}", row.kind)));
    };
    let rows = desk.store.climbs(true).await?;
    let Some(stored) = rows.iter().find(|c| c.id.as_str() == row.subject) else {
        return Ok(Answer::Done("the climb has ended already".to_owned()));
    };
    let before = climb_of(stored)?;
    let asked_by = DecisionId::new(format!("command-{}", row.id)).expect("a legal id");
    let order =
        Order { command, word: &row.kind, by: &row.by, note: &row.note, asked_by: &asked_by };
    carry(desk, &before, &order, alarms).await
}

/// A command to one climb, from a person or a guard rail.
#[derive(Debug)]
pub struct Order<'a> {
    /// Which.
    pub command: Command,
    /// Its word.
    pub word: &'a str,
    /// Who gave it.
    pub by: &'a str,
    /// What they wrote.
    pub note: &'a str,
    /// Stands for the decision in the plans that follow; the same order given twice has the same.
    pub asked_by: &'a DecisionId,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was carried out, or has no effect; in words.
    Done(String),
    /// Something under way comes to its end first; the command stays.
    Later(String),
}

impl Answer {
    /// The words.
    pub fn text(&self) -> &str {
        match self {
            Self::Done(text) | Self::Later(text) => text,
        }
    }
}

/// Carries one command out.
pub async fn carry<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    before: &Climb,
    order: &Order<'_>,
    alarms: &mut Vec<String>,
) -> Result<Answer> {
    let now = desk.clock.now();
    if let Some(plan) = own_plan(desk.store, before, order.asked_by).await? {
        // The process died after it had filed this command's plan: the plan is not made twice.
        // One that has expired meanwhile ends by itself in this pass; a yes that comes too late would end the pass.
        let waits = plan.end.is_none() && now <= plan.expires;
        if waits && desk.store.approvals(&plan.hash).await?.is_empty() {
            approve(desk, &plan, order.by, BY_COMMAND).await?;
        }
        return Ok(Answer::Done(format!("{} is {}", before.id, before.state.as_str())));
    }
    let (mut carrier, mut dark) = (None, None);
    if order.command == Command::Abort && matches!(before.state, State::Stuck { .. }) {
        // As it is now: the last pull may be older than what left it stuck.
        let trees = desk.meta.trees(&[]).await?;
        if let Some(id) = stand_down::runs_on(desk.store, before, &trees).await?.first() {
            // Nobody would watch it any more.
            return Ok(Answer::Later(format!("campaign {id} of the stuck climb is paused first")));
        }
        carrier = stand_down::carrier(before, &trees);
        dark = stand_down::dark(before, &trees);
        alarms.extend(
            stand_down::left_cut(before, &trees).map(|what| format!("{}: {what}", before.id)),
        );
    }
    let zone = desk.store.account(desk.meta.account_id()).await?.map(|a| a.zone);
    let today = zone.unwrap_or_else(crate::domain::Zone::utc).day_of(now);
    let (mut climb, mut effects) = before.on(&Event::Commanded { command: order.command, today });
    if let Some(carrier) = carrier {
        for effect in &mut effects {
            if let Effect::OpenNext { incumbent, rung, .. } = effect {
                (*incumbent, *rung) = (carrier.campaign.clone(), carrier.rung.clone());
            }
        }
    }
    let mut batch = Vec::new();
    // A command that changes course voids the plan that was waiting: a climb waits for one plan, and nothing that was
    // agreed to before an abort goes out after it.
    let turns = climb.state != before.state
        || effects.iter().any(|effect| matches!(effect, Effect::Propose { .. }));
    let closes = order.command != Command::Pause && order.command != Command::Resume;
    if let Some(pending) = before.pending.as_ref().filter(|_| closes && turns) {
        // One that has ended is yet to be told to its climb: the process died between the two.
        let row = plan_row(desk.store, &pending.plan).await?;
        let ended = row.is_some_and(|row| row.end.is_some());
        if ended || !desk.store.intents(Some(&pending.plan)).await?.is_empty() {
            return let_it_end(desk, pending, order).await;
        }
        let why = format!("{} ({})", order.word, order.asked_by);
        let end = EndRow { outcome: "withdrawn".to_owned(), why, at: now };
        batch.push(Record::PlanEnd(pending.plan.clone(), end));
        climb.pending = None;
    }
    batch.push(Record::Climb(climb_row(&climb, now)));
    if let Some(why) = &dark {
        alarms.push(format!("{}: {why}", climb.id));
    }
    batch.extend(opened_held(&climb, &effects, dark.as_deref(), now));
    desk.store.commit(batch).await?;
    for effect in &effects {
        match effect {
            Effect::Propose { kind } => {
                let account = desk.meta.account().await?;
                let trees = desk.meta.trees(&[]).await?;
                // Who said so and why stands with the command: a plan's bytes can never be changed, a name can be erased.
                let reasons = [format!("{} ({})", order.word, order.asked_by)];
                let basis = Basis {
                    decision: order.asked_by,
                    requested_by: order.by,
                    evidence: "",
                    reasons: &reasons,
                    account: &account,
                    trees: &trees,
                    token_expires: None,
                };
                let (next, plan) = match propose(desk, &climb, *kind, basis).await {
                    Ok(filed) => filed,
                    // It is answered all the same: asked again in every pass, it would stop each of them.
                    Err(e @ (AppError::Plan(_) | AppError::Missing { .. })) => {
                        let what = format!("{}: no {} plan: {e}", climb.id, kind.as_str());
                        alarms.push(what.clone());
                        return Ok(Answer::Done(what));
                    }
                    Err(e) => return Err(e),
                };
                climb = next;
                approve(desk, &plan, order.by, BY_COMMAND).await?;
            }
            Effect::Alarm { what } => alarms.push(format!("{}: {what}", climb.id)),
            Effect::Note { what } => return Ok(Answer::Done(what.clone())),
            Effect::OpenNext { .. } => {}
        }
    }
    Ok(Answer::Done(format!("{} is {}", climb.id, climb.state.as_str())))
}

/// A command that changes course meets a plan that has begun. Writes that are under way are known first; an abort sees to
/// it that none follows, except where they undo or end what it is about.
async fn let_it_end<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
    pending: &Pending,
    order: &Order<'_>,
) -> Result<Answer> {
    let plan = &pending.plan;
    let onward = matches!(
        pending.kind,
        PlanKind::Clone | PlanKind::Activate | PlanKind::Split | PlanKind::Shift
    );
    if order.command == Command::Abort && onward {
        let refused = desk.store.approvals(plan).await?.iter().any(|a| !a.granted);
        if let Some(row) =
            plan_row(desk.store, plan).await?.filter(|row| !refused && row.end.is_none())
        {
            record(desk.store, desk.clock.now(), &row, order.by, BY_ABORT, false).await?;
        }
    }
    let id = plan.plan_id();
    Ok(Answer::Later(format!(
        "plan {id} is being carried out; the command follows when it has ended"
    )))
}

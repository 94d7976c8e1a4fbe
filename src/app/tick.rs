//! One pass: pull, settle what is in doubt, hear commands, decide, propose, and carry out what is approved.
//!
//! A pass can be cut off anywhere and simply run again: everything it needs is in the store.

use serde_json::json;

use crate::{
    app::{
        AppError, Desk, Result,
        apply::{self, Door, Progress},
        collect::{self, Pass},
        commands,
        decide::{self, Filed},
        journal, lines,
        propose::{self, Basis, climb_row},
        pull::{self, Pulled},
        reconcile,
    },
    domain::{
        CampaignId, DecisionId, Moment,
        climb::{Built, Climb, Effect, Event, PlanOutcome, State, Test},
        plan::{Bindings, Plan, PlanKind},
        policy::Mode,
    },
    ports::{Clock, MetaRead, MetaWrite, Record, StopSwitch, Store, store::PlanRow},
};

/// Rounds of decide–propose–apply in one pass: a pass that still moves after this goes on in the next one.
const MAX_ROUNDS: usize = 6;

/// Clocks further apart than this make every day and deadline doubtful.
const MOST_SKEW_MS: i64 = 120_000;

/// What one pass is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Take the daily decisions (else only climbs that wait for review or a plan move).
    pub decide: bool,
}

/// What one pass did.
#[derive(Debug, Default)]
pub struct Ticked {
    /// What was pulled.
    pub pulled: Option<Pulled>,
    /// Decisions taken.
    pub decisions: Vec<Filed>,
    /// Plans filed.
    pub filed: Vec<PlanRow>,
    /// Plans that ended, with how and why.
    pub ended: Vec<(PlanRow, String, String)>,
    /// Plans that wait, and for what.
    pub waiting: Vec<(PlanRow, String)>,
    /// What a person must look at.
    pub alarms: Vec<String>,
}

/// The write side and its switch; absent in the modes that do not write.
#[derive(Debug)]
pub struct Hands<'a, W, K> {
    /// The write side.
    pub writer: &'a W,
    /// The kill switch.
    pub switch: &'a K,
}

/// Runs one pass.
pub async fn tick<S, R, C, W, K>(
    desk: Desk<'_, S, R, C>,
    hands: Option<&Hands<'_, W, K>>,
    scope: Scope,
) -> Result<Ticked>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
{
    let mut done = Ticked::default();
    commands::obey(desk, &mut done.alarms).await?;
    let settled = reconcile::reconcile(desk).await?;
    done.alarms.extend(settled.alarms);
    let mut pulled = pull::pull(desk, None).await?;
    take_up(desk, &pulled, &mut done).await?;
    let mut decided: Vec<crate::domain::ClimbId> = Vec::new();
    let (mode, _) = desk.policy.effective_mode();
    for round in 0..MAX_ROUNDS {
        if round > 0 {
            pulled.trees = desk.meta.trees(&[]).await?;
        }
        let climbs = lines::open_climbs(desk, &pulled.trees).await?;
        let mut moved = false;
        let no_raises = raises_off(desk).await?;
        let token = desk.meta.token().await?;
        let pass = Pass {
            account: &pulled.account,
            trees: &pulled.trees,
            climbs: &climbs,
            no_raises: &no_raises,
            token_expires: token.expires_at,
        };
        for climb in &climbs {
            let daily = scope.decide && !decided.contains(&climb.id);
            if !(daily || is_building(climb)) {
                continue;
            }
            decided.push(climb.id.clone());
            moved |= decide_one(desk, &pass, climb, mode, &mut done).await?;
        }
        if let Some(hands) = hands {
            moved |= carry_out(desk, hands, &pulled, &no_raises, &mut done).await?;
        } else {
            expire(desk, &mut done).await?;
        }
        if !moved {
            break;
        }
    }
    if let Some(text) = desk.meta.wire().version_warning {
        done.alarms.push(format!("Meta warns about the API version in use: {text}"));
    }
    done.pulled = Some(pulled);
    for alarm in &done.alarms {
        tracing::error!("{alarm}");
    }
    Ok(done)
}

/// A built challenger waits for review, not for the day's end.
fn is_building(climb: &Climb) -> bool {
    matches!(climb.state, State::Cloning { challenger: Some(_), .. }) && climb.pending.is_none()
}

/// Why no raise may be made now, from the agent's own checks.
async fn raises_off<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
) -> Result<Vec<String>> {
    let mut why = Vec::new();
    let zone = desk.store.account(desk.meta.account_id()).await?.map(|a| a.zone);
    let today = zone.map(|z| z.day_of(desk.clock.now()));
    if let Some((name, _)) = today.and_then(|day| desk.policy.blackout_on(day)) {
        why.push(format!("blackout {name}"));
    }
    if let Some(account) = desk.store.account(desk.meta.account_id()).await? {
        why.extend(pull::unreconciled(desk.store, &account, desk.clock.now()).await?);
    }
    let wire = desk.meta.wire();
    if let Some(ms) = wire.skew_ms.filter(|ms| ms.abs() > MOST_SKEW_MS) {
        why.push(format!("Meta's clock and this machine's are {} s apart", ms / 1_000));
    }
    for intent in desk.store.intents(None).await? {
        let log = intent.entries.iter().map(|(_, e)| *e);
        if crate::domain::write_log::WriteStatus::fold(log)
            == Ok(crate::domain::write_log::WriteStatus::InDoubt)
        {
            why.push(format!("write {} is in doubt", intent.op_key));
        }
    }
    Ok(why)
}

async fn decide_one<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    pass: &Pass<'_>,
    climb: &Climb,
    mode: Mode,
    done: &mut Ticked,
) -> Result<bool> {
    let interference = match climb.state {
        State::Observing | State::Eligible { .. } | State::Stabilising { .. } => {
            let found = desk.meta.interference(&climb.incumbent).await?;
            found.iter().map(|i| format!("{} {} ({})", i.kind, i.id, i.name)).collect()
        }
        _ => Vec::new(),
    };
    let Some(evidence) = collect::evidence(desk, pass, climb, interference).await? else {
        done.alarms.push(format!("campaign {} of {} cannot be read", climb.incumbent, climb.line));
        return Ok(false);
    };
    let filed = decide::decide_and_file(desk, &evidence).await?;
    let moved = filed.climb != *climb;
    let effects = filed.decision.effects.clone();
    let climb = filed.climb.clone();
    let (id, hash, reasons) =
        (filed.id.clone(), filed.evidence.clone(), filed.decision.reasons.clone());
    done.decisions.push(filed);
    if mode == Mode::Observe {
        return Ok(moved);
    }
    let basis = Basis {
        decision: &id,
        evidence: &hash,
        reasons: &reasons,
        account: pass.account,
        trees: pass.trees,
        token_expires: pass.token_expires,
    };
    let proposed = file_plans(desk, &climb, &effects, basis, done).await?;
    Ok(moved || proposed)
}

/// Files the plans that effects ask for, and approves them by policy where the mode says so.
async fn file_plans<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    effects: &[Effect],
    basis: Basis<'_>,
    done: &mut Ticked,
) -> Result<bool> {
    let mut climb = climb.clone();
    let mut filed = false;
    for effect in effects {
        match effect {
            Effect::Propose { kind } => match propose::propose(desk, &climb, *kind, basis).await {
                Ok((next, row)) => {
                    climb = next;
                    if desk.policy.effective_mode().0 == Mode::Autonomous {
                        approve_by_policy(desk, &row).await?;
                    }
                    done.filed.push(row);
                    filed = true;
                }
                Err(AppError::Plan(refusal)) => {
                    done.alarms.push(format!("{}: no {} plan: {refusal}", climb.id, kind.as_str()));
                }
                Err(e) => return Err(e),
            },
            Effect::Alarm { what } => done.alarms.push(format!("{}: {what}", climb.id)),
            Effect::OpenNext { .. } | Effect::Note { .. } => {}
        }
    }
    Ok(filed)
}

/// The yes of the autonomous mode.
async fn approve_by_policy<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
) -> Result<()> {
    commands::approve(desk, row, "policy:autonomous", "within the configured limits").await
}

/// Carries every approved plan out as far as it goes.
async fn carry_out<S, R, C, W, K>(
    desk: Desk<'_, S, R, C>,
    hands: &Hands<'_, W, K>,
    pulled: &Pulled,
    no_raises: &[String],
    done: &mut Ticked,
) -> Result<bool>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
{
    let mut moved = false;
    let mut plans = desk.store.plans(true, u32::MAX).await?;
    plans.reverse();
    done.waiting.clear();
    for row in plans {
        let mut door = Door {
            writer: hands.writer,
            switch: hands.switch,
            managed_daily_minor: managed_daily(desk, &pulled.trees).await?,
            no_raises,
        };
        let (outcome, why, bindings) = match apply::apply(desk, &mut door, &row).await? {
            Progress::Waiting(why) => {
                done.waiting.push((row, why));
                continue;
            }
            Progress::Done(bindings) => {
                (PlanOutcome::Done, "every write verified".to_owned(), bindings)
            }
            Progress::Ended(outcome, why, bindings) => (outcome, why, bindings),
        };
        after_plan(desk, &row, outcome, &bindings, pulled, done).await?;
        done.ended.push((row, outcome.as_str().to_owned(), why));
        moved = true;
    }
    Ok(moved)
}

/// Without hands nothing is carried out, but plans still expire and refusals are still heard.
async fn expire<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    done: &mut Ticked,
) -> Result<()> {
    let now = desk.clock.now();
    for row in desk.store.plans(true, u32::MAX).await? {
        let refused = desk.store.approvals(&row.hash).await?.into_iter().any(|a| !a.granted);
        let outcome = match (refused, now > row.expires) {
            (true, _) => PlanOutcome::Rejected,
            (false, true) => PlanOutcome::Expired,
            (false, false) => continue,
        };
        let why = outcome.as_str().to_owned();
        let end = crate::ports::store::EndRow { outcome: why.clone(), why: why.clone(), at: now };
        let body = json!({ "plan": row.hash.as_str(), "outcome": why });
        let note = journal::audit(now, "plan_ended", desk.actor, body);
        let event = ended_event(desk, &row, outcome, Built::default(), now).await?;
        let mut batch = vec![Record::PlanEnd(row.hash.clone(), end), note];
        if let Some((climb, effects)) = event {
            batch.push(Record::Climb(climb_row(&climb, now)));
            batch.extend(decide::opened(&climb, &effects, now));
        }
        desk.store.commit(batch).await?;
        done.ended.push((row, why.clone(), why));
    }
    Ok(())
}

async fn ended_event<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    outcome: PlanOutcome,
    built: Built,
    now: Moment,
) -> Result<Option<(Climb, Vec<Effect>)>> {
    let rows = desk.store.climbs(true).await?;
    let Some(stored) = rows.iter().find(|c| c.id == row.climb) else { return Ok(None) };
    let climb = lines::climb_of(stored)?;
    if climb.pending.as_ref().is_none_or(|p| p.plan != row.hash) {
        return Ok(None);
    }
    let zone = desk.store.account(desk.meta.account_id()).await?.map(|a| a.zone);
    let today = zone.map_or_else(|| crate::domain::Zone::utc().day_of(now), |z| z.day_of(now));
    Ok(Some(climb.on(&Event::Ended { kind: row.kind, outcome, built, today })))
}

/// Goes on where the process died: between the end of a plan and telling its climb, or before the policy's yes.
async fn take_up<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    pulled: &Pulled,
    done: &mut Ticked,
) -> Result<()> {
    for stored in desk.store.climbs(true).await? {
        let Some(pending) = lines::climb_of(&stored)?.pending else { continue };
        let rows = desk.store.plans_like(pending.plan.as_str()).await?;
        let Some(row) = rows.into_iter().find(|r| r.hash == pending.plan) else { continue };
        let Some(end) = row.end.clone() else {
            // Died between filing the plan and the policy's yes.
            let autonomous = desk.policy.effective_mode().0 == Mode::Autonomous;
            let current = row.expires >= desk.clock.now();
            if autonomous && current && desk.store.approvals(&row.hash).await?.is_empty() {
                approve_by_policy(desk, &row).await?;
            }
            continue;
        };
        let Some(outcome) = PlanOutcome::parse(&end.outcome) else { continue };
        let intents = desk.store.intents(Some(&row.hash)).await?;
        let bindings: Bindings =
            intents.into_iter().filter_map(|i| Some((i.action, i.object?))).collect();
        after_plan(desk, &row, outcome, &bindings, pulled, done).await?;
        done.ended.push((row, end.outcome, end.why));
    }
    Ok(())
}

/// Tells the climb how its plan ended and files what follows from it.
async fn after_plan<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    outcome: PlanOutcome,
    bindings: &Bindings,
    pulled: &Pulled,
    done: &mut Ticked,
) -> Result<()> {
    let now = desk.clock.now();
    let built = built(desk, row, outcome, bindings, pulled, now).await?;
    let Some((climb, effects)) = ended_event(desk, row, outcome, built, now).await? else {
        return Ok(());
    };
    let mut batch = vec![Record::Climb(climb_row(&climb, now))];
    batch.extend(decide::opened(&climb, &effects, now));
    batch.push(journal::audit(
        now,
        "climb_moved",
        desk.actor,
        json!({ "climb": climb.id, "state": climb.state.as_str(), "after_plan": row.hash.as_str(), "outcome": outcome.as_str() }),
    ));
    desk.store.commit(batch).await?;
    let trees = desk.meta.trees(&[]).await?;
    let plan: Option<Plan> = serde_json::from_slice(&row.bytes).ok();
    let decision = plan.as_ref().map_or_else(|| decide::decision_id("0"), |p| p.decision.clone());
    let evidence = plan.map_or_else(String::new, |p| p.parent);
    let reasons = [format!("the {} plan ended: {}", row.kind.as_str(), outcome.as_str())];
    let basis = Basis {
        decision: &decision,
        evidence: &evidence,
        reasons: &reasons,
        account: &pulled.account,
        trees: &trees,
        token_expires: None,
    };
    if desk.policy.effective_mode().0 != Mode::Observe {
        file_plans(desk, &climb, &effects, basis, done).await?;
    }
    Ok(())
}

/// What a finished plan brought into the world, as the climb needs to know it.
async fn built<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    outcome: PlanOutcome,
    bindings: &Bindings,
    pulled: &Pulled,
    now: Moment,
) -> Result<Built> {
    let id = |key: &str| bindings.get(key).cloned();
    let mut built = Built { rule: id("rule"), ..Built::default() };
    match row.kind {
        PlanKind::Clone => {
            built.challenger = id("campaign").and_then(|o| CampaignId::new(o.as_str()).ok());
        }
        PlanKind::Activate if outcome == PlanOutcome::Done => {
            built.test = test_of(desk, row, built.rule.clone(), pulled, now).await?;
        }
        _ => {}
    }
    Ok(built)
}

/// The test that an activation began, worked out again from the climb and what is now on.
async fn test_of<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    rule: Option<crate::domain::ObjectId>,
    pulled: &Pulled,
    now: Moment,
) -> Result<Option<Test>> {
    let rows = desk.store.climbs(true).await?;
    let Some(stored) = rows.iter().find(|c| c.id == row.climb) else { return Ok(None) };
    let climb = lines::climb_of(stored)?;
    let nothing = DecisionId::new("none").expect("letters are legal in an id");
    let basis = Basis {
        decision: &nothing,
        evidence: "",
        reasons: &[],
        account: &pulled.account,
        trees: &pulled.trees,
        token_expires: None,
    };
    let install = desk.store.install_id().await?;
    let (_, drafted) = propose::draft(desk, &climb, PlanKind::Activate, basis, &install, now)?;
    Ok(drafted.test.map(|test| Test { rule, ..test }))
}

/// Daily budgets of every campaign a climb manages that is on, in minor units.
async fn managed_daily<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    trees: &[crate::domain::Tree],
) -> Result<i64> {
    let mut managed: Vec<CampaignId> = Vec::new();
    for row in desk.store.climbs(true).await? {
        let climb = lines::climb_of(&row)?;
        managed.extend(collect::challenger_of(&climb));
        managed.push(climb.incumbent);
    }
    let on = trees.iter().filter(|t| {
        t.campaign.status == crate::domain::Status::Active && managed.contains(&t.campaign.id)
    });
    Ok(on
        .filter_map(crate::domain::Tree::daily_budget)
        .fold(0_i64, |sum, b| sum.saturating_add(b.minor())))
}

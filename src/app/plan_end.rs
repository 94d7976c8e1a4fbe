//! The end of a plan: how it ended, what it brought into the world, and what its climb makes of that.

use serde_json::json;

use crate::{
    app::{
        AppError, Desk, Result, commands, decide,
        filing::{approve_by_policy, file_plans},
        hands_off, journal, lines,
        propose::{self, Basis, climb_row},
        pull::Pulled,
        restored, standing,
        ticked::Ticked,
        views,
    },
    domain::{
        CampaignId, DecisionId, Moment, Money, Status,
        climb::{Built, Climb, Effect, Event, PlanOutcome, Test},
        plan::{Action, Bindings, ObjectKind, Op, Plan, PlanKind},
        policy::Mode,
        write_log::WriteStatus,
    },
    ports::{
        Clock, MetaRead, Record, Store,
        store::{EndRow, PlanRow},
    },
};

/// Without hands nothing is carried out, but plans still expire and refusals are still heard.
pub(super) async fn expire<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    done: &mut Ticked,
) -> Result<()> {
    let now = desk.clock.now();
    for row in desk.store.plans(true, u32::MAX).await? {
        // What has begun is ended by those who can write.
        if !desk.store.intents(Some(&row.hash)).await?.is_empty() {
            continue;
        }
        let refused = desk.store.approvals(&row.hash).await?.into_iter().any(|a| !a.granted);
        let void = restored::voids(desk.store, &row.hash).await?.is_some();
        let outcome = match (refused, void, now > row.expires) {
            (true, ..) => PlanOutcome::Rejected,
            (false, true, _) => PlanOutcome::Stale,
            (false, false, true) => PlanOutcome::Expired,
            (false, false, false) => continue,
        };
        let why = outcome.as_str().to_owned();
        let end = EndRow { outcome: why.clone(), why: why.clone(), at: now };
        let body = json!({ "plan": row.hash.as_str(), "outcome": why });
        let note = journal::audit(now, "plan_ended", desk.actor, body);
        let event = ended_event(desk, &row, outcome, Built::default()).await?;
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
) -> Result<Option<(Climb, Vec<Effect>)>> {
    let rows = desk.store.climbs(true).await?;
    let Some(stored) = rows.iter().find(|c| c.id == row.climb) else { return Ok(None) };
    let climb = lines::climb_of(stored)?;
    if climb.pending.as_ref().is_none_or(|p| p.plan != row.hash) {
        return Ok(None);
    }
    let today = desk.today().await?;
    Ok(Some(climb.on(&Event::Ended { kind: row.kind, outcome, built, today })))
}

/// Goes on where the process died: between the end of a plan and telling its climb, or before the policy's yes.
pub(super) async fn take_up<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    pulled: &Pulled,
    done: &mut Ticked,
) -> Result<()> {
    for stored in desk.store.climbs(true).await? {
        let Some(pending) = lines::climb_of(&stored)?.pending else { continue };
        let Some(row) = commands::plan_row(desk.store, &pending.plan).await? else { continue };
        let Some(end) = row.end.clone() else {
            // Died between filing the plan and the policy's yes.
            let autonomous = standing::mode(desk).await?.0 == Mode::Autonomous;
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
        after_plan(desk, &row, (outcome, &end.why), &bindings, pulled, done).await?;
        done.ended.push((row, end.outcome, end.why));
    }
    Ok(())
}

/// Tells the climb how its plan ended and files what follows from it.
pub(super) async fn after_plan<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    (outcome, why): (PlanOutcome, &str),
    bindings: &Bindings,
    pulled: &Pulled,
    done: &mut Ticked,
) -> Result<()> {
    let now = desk.clock.now();
    let built = built(desk, row, outcome, bindings, pulled, now).await?;
    let Some((mut climb, mut effects)) = ended_event(desk, row, outcome, built).await? else {
        return Ok(());
    };
    let void = restored::voids(desk.store, &row.hash).await?.is_some();
    if outcome == PlanOutcome::Stale && (void || climb.state.test().is_some()) {
        // Somebody else's edit, or a history that is lost: nothing more is planned until a person returns the climb.
        climb.held = Some(why.to_owned());
        effects.retain(|e| !matches!(e, Effect::Propose { .. }));
        effects.push(Effect::Alarm {
            what: format!("hands off: {why}; `rungwise climb resume {}` returns it", climb.id),
        });
    }
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
    if row.kind == PlanKind::Activate && outcome == PlanOutcome::Done {
        hands_off::begin(desk, &climb, &trees).await?;
    }
    let plan: Option<Plan> = serde_json::from_slice(&row.bytes).ok();
    let decision = plan.as_ref().map_or_else(|| decide::decision_id("0"), |p| p.decision.clone());
    let evidence = plan.map_or_else(String::new, |p| p.parent);
    let reasons = [format!("the {} plan ended: {}", row.kind.as_str(), outcome.as_str())];
    let basis = Basis {
        decision: &decision,
        requested_by: desk.actor,
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
    let mut built = Built { rule: id("rule"), study: id("study"), ..Built::default() };
    match row.kind {
        PlanKind::Clone => {
            built.challenger = id("campaign").and_then(|o| CampaignId::new(o.as_str()).ok());
        }
        PlanKind::Activate if outcome == PlanOutcome::Done => {
            built.test = test_of(desk, row, &built, pulled, now).await?.map(Box::new);
        }
        PlanKind::Activate | PlanKind::Shift if outcome != PlanOutcome::Done => {
            built.handed_over = has_handed_over(desk, row).await?;
        }
        PlanKind::Split => built.cut_from = cut_from(desk, row).await?,
        _ => {}
    }
    Ok(built)
}

/// True when a plan that did not come to its end has turned the incumbent off.
async fn has_handed_over<S: Store, R, C>(desk: Desk<'_, S, R, C>, row: &PlanRow) -> Result<bool> {
    let off = |action: &Action| {
        let op = &action.op;
        matches!(op, Op::SetStatus { kind: ObjectKind::Campaign, to: Status::Paused, .. })
    };
    let plan = views::plan_of(row)?;
    any_done(desk, row, &plan, off).await
}

/// What the incumbent had a day before a plan cut it; None where no cut went through.
async fn cut_from<S: Store, R, C>(desk: Desk<'_, S, R, C>, row: &PlanRow) -> Result<Option<Money>> {
    let plan = views::plan_of(row)?;
    let cuts = |action: &Action| matches!(action.op, Op::SetDailyBudget { .. });
    let cut = any_done(desk, row, &plan, cuts).await?;
    Ok(plan.budget_before().filter(|_| cut))
}

/// True when one of these writes of a plan went through.
async fn any_done<S: Store, R, C>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    plan: &Plan,
    which: impl Fn(&Action) -> bool,
) -> Result<bool> {
    let intents = desk.store.intents(Some(&row.hash)).await?;
    Ok(intents.iter().any(|intent| {
        let log = intent.entries.iter().map(|(_, e)| *e);
        let done = WriteStatus::fold(log) == Ok(WriteStatus::Done);
        done && plan.action(&intent.action).is_some_and(&which)
    }))
}

/// The test that an activation began, worked out again from the climb and what is now on.
async fn test_of<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
    built: &Built,
    pulled: &Pulled,
    now: Moment,
) -> Result<Option<Test>> {
    let rows = desk.store.climbs(true).await?;
    let Some(stored) = rows.iter().find(|c| c.id == row.climb) else { return Ok(None) };
    let climb = lines::climb_of(stored)?;
    let nothing = DecisionId::new("none").expect("letters are legal in an id");
    let basis = Basis {
        decision: &nothing,
        requested_by: "",
        evidence: "",
        reasons: &[],
        account: &pulled.account,
        trees: &pulled.trees,
        token_expires: None,
    };
    let install = restored::installation(desk.store).await?;
    let drafted = propose::draft(desk, &climb, PlanKind::Activate, basis, &install, now).await;
    match drafted {
        Ok((_, drafted)) => {
            let (rule, study) = (built.rule.clone(), built.study.clone());
            Ok(drafted.test.map(|test| Test { rule, study, ..test }))
        }
        // What was turned on has been changed or deleted since: the climb says so and asks a person.
        Err(AppError::Plan(_) | AppError::Missing { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

//! What guard rails do by themselves in the safety direction: end a test, pause what a stuck climb left running, put
//! leftovers away.
//!
//! Like everything else it goes through a plan and the one door. A guard rail's own yes lets only lowering writes out;
//! whatever would raise in such a plan waits for a person.

use serde_json::json;

use crate::planted::{Bug, bug};
use crate::{
    app::{
        AppError, Desk, Result, collect::is_gone, commands, journal, lines::climb_of,
        propose::climb_row, restored,
    },
    domain::{
        CampaignId, ClimbId, DAY_MS, DecisionId, LineId, Moment, Money, ObjectId, Status, Tree,
        climb::{Climb, Command, Event, Placed, RouteKind, State, Step},
        plan::{
            Action, Aspect, Expectation, GUARD, MoneyAtRisk, ObjectKind, Op, Plan, PlanKind,
            Target, op_key,
        },
    },
    ports::{Clock, MetaRead, Record, Store, store::PlanRow},
};

/// Attempts to undo one thing; after that only a person goes on.
pub const MAX_UNDO: usize = 6;

/// Ends the running test of a climb in the name of a guard rail: the challenger is paused at once.
pub async fn end_test<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    rail: &str,
    why: &str,
    alarms: &mut Vec<String>,
) -> Result<bool> {
    let tested = climb.state.test().is_some_and(|t| t.route.kind != RouteKind::Placement);
    if !tested || !matches!(climb.state, State::Warming { .. } | State::Comparing { .. }) {
        return Ok(false);
    }
    let asked_by = DecisionId::new(format!("guard-{rail}-{}", climb.id)).expect("a legal id");
    let by = format!("{GUARD}{rail}");
    let order = commands::Order {
        command: Command::Abort,
        word: "climb_abort",
        by: &by,
        note: why,
        asked_by: &asked_by,
    };
    let answer = commands::carry(desk, climb, &order, alarms).await?;
    let at = desk.clock.now();
    let body = json!({ "climb": climb.id, "rail": rail, "why": why, "answer": answer.text() });
    desk.store.commit(vec![journal::audit(at, "stood_down", desk.actor, body)]).await?;
    alarms.push(format!("{}: the test is ended by a guard rail ({rail}): {why}", climb.id));
    Ok(true)
}

/// One lowering write of a guard rail.
#[derive(Debug)]
pub struct Lowering<'a> {
    /// Whose climb.
    pub climb: &'a ClimbId,
    /// Whose line.
    pub line: &'a LineId,
    /// Which guard rail, e.g. `sweep`.
    pub rail: &'a str,
    /// One line for people.
    pub title: String,
    /// Why.
    pub why: String,
    /// The write.
    pub op: Op,
    /// The value its object must still have.
    pub expects: Vec<Expectation>,
}

/// What became of a guard rail's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lowered {
    /// Its plan is filed, with the guard rail's yes.
    Filed,
    /// An earlier plan for it is still open.
    UnderWay,
    /// It was tried often enough; a person goes on.
    GivenUp,
}

/// Files a plan of one lowering write, with the guard rail's yes, unless one is open or it was tried often enough.
pub async fn lower<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    wish: Lowering<'_>,
) -> Result<Lowered> {
    let object = wish.op.edits().map(|(t, _)| t.template()).unwrap_or_default();
    let decision = DecisionId::new(format!("guard-{}-{object}", wish.rail)).expect("a legal id");
    let mut tries = 0_usize;
    for row in desk.store.plans(false, u32::MAX).await? {
        if row.climb != *wish.climb || crate::app::views::plan_of(&row)?.decision != decision {
            continue;
        }
        if row.end.is_none() {
            return Ok(Lowered::UnderWay);
        }
        tries = tries.saturating_add(1);
    }
    if tries >= MAX_UNDO {
        return Ok(Lowered::GivenUp);
    }
    let (now, install) = (desk.clock.now(), restored::installation(desk.store).await?);
    let attempt = u32::try_from(tries).unwrap_or(u32::MAX);
    let currency = desk.store.account(desk.meta.account_id()).await?.map(|a| a.currency);
    let zero = Money::zero(currency.unwrap_or_else(|| "USD".parse().expect("a currency code")));
    let key = format!("{}.{object}", wish.rail);
    let by = format!("{GUARD}{}", wish.rail);
    let plan = Plan {
        version: 1,
        account: desk.meta.account_id().clone(),
        line: wish.line.clone(),
        climb: wish.climb.clone(),
        kind: PlanKind::CleanUp,
        decision,
        parent: String::new(),
        requested_by: by.clone(),
        created: now,
        expires: now.plus(DAY_MS),
        title: wish.title,
        reasons: vec![wish.why.clone()],
        money: MoneyAtRisk {
            extra_per_day: zero,
            extra_total: zero,
            worst_regret: zero,
            reversible: "nothing is deleted".to_owned(),
        },
        actions: vec![Action {
            op_key: op_key(&install, wish.climb, attempt, PlanKind::CleanUp, &key),
            key,
            request: desk.meta.template(&wish.op),
            op: wish.op,
            expects: wish.expects,
            not_before: None,
            reason: wish.why,
        }],
    };
    let row = PlanRow {
        hash: plan.hash(),
        line: plan.line.clone(),
        climb: plan.climb.clone(),
        kind: plan.kind,
        created: plan.created,
        expires: plan.expires,
        bytes: plan.bytes(),
        end: None,
    };
    let body = json!({
        "plan": row.hash.as_str(), "kind": plan.kind.as_str(), "climb": plan.climb, "title": plan.title,
        "writes": 1, "expires": plan.expires.rfc3339(), "decision": plan.decision, "money": plan.money,
    });
    let link = journal::audit(now, "plan_filed", desk.actor, body);
    desk.store.commit(vec![Record::Plan(row.clone()), link]).await?;
    commands::approve(desk, &row, &by, commands::ONLY_LOWERS).await?;
    Ok(Lowered::Filed)
}

/// The expectation that an object has a switch in a position.
pub fn switched(object: &Target, kind: ObjectKind, to: &Status) -> Expectation {
    let value = to.as_str().to_owned();
    Expectation { object: object.clone(), kind, aspect: Aspect::Status, value }
}

/// A climb whose incumbent somebody has archived or deleted: no plan can be made for it any more. After a challenger was
/// built it is stuck, and an abort opens the next one on what carries the line; before, there is nothing left to do.
pub async fn lose<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    alarms: &mut Vec<String>,
) -> Result<Option<Climb>> {
    // One that is judged waits for a plan that cannot be made; no return from a hold would change that.
    let judged = matches!(climb.state, State::Judged { .. });
    let waits = climb.pending.is_some() || climb.held.is_some() && !judged;
    let idle = climb.challenger().is_none();
    let gone = match is_gone(desk, &climb.incumbent).await {
        // Others must not wait for an idle one that cannot be read.
        Err(AppError::Meta(_)) if idle => false,
        answer => answer?,
    };
    if waits && !idle || !gone {
        alarms.push(format!("campaign {} of {} cannot be read", climb.incumbent, climb.line));
        return Ok(None);
    }
    let what = format!("somebody archived or deleted campaign {}, its incumbent", climb.incumbent);
    if idle {
        alarms.push(format!("{}: {what}; nothing is left of {} to act on", climb.id, climb.line));
        return Ok(None);
    }
    let now = desk.clock.now();
    let today = desk.today().await?;
    let (next, _) = climb.on(&Event::Decided { step: Step::Lost { what: what.clone() }, today });
    let body = json!({ "climb": climb.id, "state": next.state.as_str(), "why": what });
    let link = journal::audit(now, "climb_moved", desk.actor, body);
    desk.store.commit(vec![Record::Climb(climb_row(&next, now)), link]).await?;
    alarms.push(format!("{}: {what}", climb.id));
    Ok(Some(next))
}

/// A stuck climb is loud in every pass, and nothing that was created for it runs on, but for what carries the line.
pub async fn stuck<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    trees: &[Tree],
    alarms: &mut Vec<String>,
) -> Result<()> {
    for row in desk.store.climbs(true).await? {
        let climb = climb_of(&row)?;
        let State::Stuck { why, .. } = &climb.state else { continue };
        alarms.push(format!(
            "{}: STUCK: {why}; see \"Stuck\" in the runbook, then `rungwise climb abort {}`",
            climb.id, climb.id
        ));
        if bug(Bug::StuckRunsOn) {
            continue;
        }
        for id in runs_on(desk.store, &climb, trees).await? {
            let object = Target::from(&id);
            let (kind, to) = (ObjectKind::Campaign, Status::Paused);
            let expects = vec![switched(&object, kind, &Status::Active)];
            let wish = Lowering {
                climb: &climb.id,
                line: &climb.line,
                rail: "stuck",
                title: format!("Pause {id}: its climb is stuck"),
                why: why.clone(),
                op: Op::SetStatus { object, kind, to },
                expects,
            };
            if lower(desk, wish).await? == Lowered::GivenUp {
                alarms.push(format!("{}: campaign {id} is still on; pause it by hand", climb.id));
            }
        }
    }
    Ok(())
}

/// The placement that carries the line of a stuck climb: it is on, and the incumbent is not.
pub(crate) fn carrier<'c>(climb: &'c Climb, trees: &[Tree]) -> Option<&'c Placed> {
    let State::Stuck { placed, .. } = &climb.state else { return None };
    placed.as_ref().filter(|p| is_on(trees, &p.campaign) && !is_on(trees, &climb.incumbent))
}

/// Why the line of a stuck climb that is given up waits for a person: nothing of it runs.
pub(crate) fn dark(climb: &Climb, trees: &[Tree]) -> Option<String> {
    let State::Stuck { .. } = &climb.state else { return None };
    let id = &climb.incumbent;
    (carrier(climb, trees).is_none() && !is_on(trees, id)).then(|| {
        format!("nothing of {} runs: turn campaign {id} on in Ads Manager, then resume", climb.line)
    })
}

/// What a stuck climb that is given up has taken from its incumbent for a split test and not given back.
pub(crate) fn left_cut(climb: &Climb, trees: &[Tree]) -> Option<String> {
    let (State::Stuck { .. }, Some(whole)) = (&climb.state, climb.cut_from) else { return None };
    let id = &climb.incumbent;
    let has = trees.iter().find(|t| t.campaign.id == *id)?.daily_budget()?;
    (has < whole).then(|| {
        format!("campaign {id} has {has} a day and had {whole} before its split test: give it back in Ads Manager")
    })
}

/// What a climb has created and is on, but for what carries its line.
pub(crate) async fn runs_on<S: Store>(
    store: &S,
    climb: &Climb,
    trees: &[Tree],
) -> Result<Vec<CampaignId>> {
    let carrier = carrier(climb, trees).map(|placed| &placed.campaign);
    let made = made(store, climb, ObjectKind::Campaign).await?;
    let ids = made.iter().filter_map(|id| CampaignId::new(id.as_str()).ok());
    Ok(ids.filter(|id| is_on(trees, id) && carrier != Some(id)).collect())
}

/// Objects of a kind that a climb has created.
pub(crate) async fn made<S: Store>(
    store: &S,
    climb: &Climb,
    kind: ObjectKind,
) -> Result<Vec<ObjectId>> {
    let mut made = Vec::new();
    let plans = store.plans(false, u32::MAX).await?;
    for row in plans.iter().filter(|p| p.climb == climb.id && p.kind == PlanKind::Clone) {
        let intents = store.intents(Some(&row.hash)).await?.into_iter();
        made.extend(intents.filter(|i| i.creates == Some(kind)).filter_map(|i| i.object));
    }
    Ok(made)
}

fn is_on(trees: &[Tree], id: &CampaignId) -> bool {
    trees.iter().any(|t| t.campaign.id == *id && t.campaign.status == Status::Active)
}

/// When a note last said that something was done, if it did.
pub(crate) async fn last<S: Store>(store: &S, key: &str) -> Result<Option<Moment>> {
    let text = store.note(key).await?;
    Ok(text.and_then(|t| t.parse::<i64>().ok()).map(Moment::from_millis))
}

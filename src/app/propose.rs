//! Turns a wish of the climb machine into a sealed, filed plan.

use serde_json::json;

use crate::{
    app::{Desk, Result, collect, journal, restored, stand_down},
    domain::{
        AccountInfo, AdSetId, DecisionId, Moment, Tree,
        climb::{Climb, Event, Pending},
        plan::{Action, ObjectKind, Plan, PlanKind, op_key},
        planner::{DraftPlan, Wish},
    },
    ports::{
        Clock, MetaRead, Record, Store,
        store::{ClimbRow, PlanRow},
    },
};

/// What a plan is made from besides the climb.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// The decision that asked for it.
    pub decision: &'a DecisionId,
    /// Who asked for it.
    pub requested_by: &'a str,
    /// Hash of its evidence.
    pub evidence: &'a str,
    /// Why, in sentences.
    pub reasons: &'a [String],
    /// The account.
    pub account: &'a AccountInfo,
    /// All campaigns as read now.
    pub trees: &'a [Tree],
    /// When the token ends, where that is known: no bound may lie beyond it.
    pub token_expires: Option<Moment>,
}

/// Makes and files the plan; returns the climb that now waits for it.
pub async fn propose<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    kind: PlanKind,
    basis: Basis<'_>,
) -> Result<(Climb, PlanRow)> {
    let install = restored::installation(desk.store).await?;
    let now = desk.clock.now();
    let (plan, _) = draft(desk, climb, kind, basis, &install, now).await?;
    let bytes = plan.bytes();
    let hash = plan.hash();
    let row = PlanRow {
        hash: hash.clone(),
        line: plan.line.clone(),
        climb: plan.climb.clone(),
        kind,
        created: plan.created,
        expires: plan.expires,
        bytes,
        end: None,
    };
    let (next, _) = climb.on(&Event::Filed(Pending { kind, plan: hash.clone() }));
    let note = journal::audit(
        now,
        "plan_filed",
        desk.actor,
        json!({
            "plan": hash.as_str(), "kind": kind.as_str(), "climb": plan.climb, "title": plan.title,
            "writes": plan.actions.len(), "expires": plan.expires.rfc3339(), "decision": plan.decision,
            "money": plan.money,
        }),
    );
    desk.store
        .commit(vec![Record::Plan(row.clone()), Record::Climb(climb_row(&next, now)), note])
        .await?;
    tracing::info!(plan.hash = %hash.plan_id(), plan.kind = kind.as_str(), climb.id = %plan.climb, "filed plan: {}", plan.title);
    Ok((next, row))
}

/// Plans that can do without the challenger once it is gone.
const fn takes_back(kind: PlanKind) -> bool {
    matches!(kind, PlanKind::End | PlanKind::Revert | PlanKind::CleanUp)
}

/// Works a plan out without filing it.
pub async fn draft<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    kind: PlanKind,
    basis: Basis<'_>,
    install: &str,
    now: Moment,
) -> Result<(Plan, DraftPlan)> {
    let find = |id: &crate::domain::CampaignId| basis.trees.iter().find(|t| t.campaign.id == *id);
    let missing = || crate::app::AppError::Missing {
        what: "campaign",
        name: climb.incumbent.to_string(),
        hint: "it can no longer be read; was it deleted?",
    };
    let source = find(&climb.incumbent).ok_or_else(missing)?;
    let challenger = climb.challenger();
    if let Some(id) = challenger.filter(|id| find(id).is_none())
        && takes_back(kind)
        && !collect::is_gone(desk, id).await?
    {
        let hint = "it cannot be read right now; the next day tries again";
        return Err(crate::app::AppError::Missing {
            what: "challenger",
            name: id.to_string(),
            hint,
        });
    }
    let made = match kind {
        PlanKind::Shift => stand_down::made(desk.store, climb, ObjectKind::AdSet).await?,
        _ => Vec::new(),
    };
    let made: Vec<AdSetId> = made.iter().filter_map(|id| AdSetId::new(id.as_str()).ok()).collect();
    let wish = Wish {
        kind,
        climb,
        policy: desk.policy,
        source,
        challenger: challenger.and_then(find),
        made: &made,
        install,
        min_spend_cap: basis.account.min_spend_cap,
        token_expires: basis.token_expires,
        now,
        zone: &basis.account.zone,
        business: basis.account.business.as_deref(),
    };
    let drafted = wish.plan()?;
    let actions = drafted.actions.iter().map(|draft| Action {
        key: draft.key.clone(),
        op_key: op_key(install, &climb.id, climb.attempts, kind, &draft.key),
        request: desk.meta.template(&draft.op),
        op: draft.op.clone(),
        expects: draft.expects.clone(),
        not_before: draft.not_before,
        reason: draft.reason.clone(),
    });
    let plan = Plan {
        version: 1,
        account: desk.meta.account_id().clone(),
        line: climb.line.clone(),
        climb: climb.id.clone(),
        kind,
        decision: basis.decision.clone(),
        parent: basis.evidence.to_owned(),
        requested_by: basis.requested_by.to_owned(),
        created: now,
        expires: drafted.expires,
        title: drafted.title.clone(),
        reasons: basis.reasons.to_vec(),
        money: drafted.money.clone(),
        actions: actions.collect(),
    };
    Ok((plan, drafted))
}

/// The stored form of a climb.
pub fn climb_row(climb: &Climb, now: Moment) -> ClimbRow {
    ClimbRow {
        id: climb.id.clone(),
        line: climb.line.clone(),
        state: climb.state.as_str().to_owned(),
        open: climb.state.is_open(),
        doc: serde_json::to_vec(climb).expect("a climb has only text keys"),
        updated_at: now,
    }
}

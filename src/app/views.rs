//! Read models: what CLI, page and JSON show. No second arithmetic: every figure comes from a stored decision.

use serde::Serialize;

use crate::{
    app::{Result, lines::climb_of, standing},
    domain::{
        AccountId, Day, Moment, Money, climb::Climb, decide::Decision, evidence::Evidence,
        plan::Plan, policy::Policy,
    },
    ports::{
        Store, StoreError,
        store::{DecisionRow, PlanRow},
    },
};

/// One line as `status` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct LineView {
    /// The line.
    pub line: String,
    /// The open climb.
    pub climb: String,
    /// The campaign that carries it.
    pub campaign: String,
    /// Its name; foreign text.
    pub name: String,
    /// Its rung.
    pub rung: String,
    /// Rungs visited.
    pub path: Vec<String>,
    /// Where the climb stands.
    pub state: String,
    /// Why it is on hold, if it is.
    pub held: Option<String>,
    /// The last conclusion.
    pub conclusion: Option<String>,
    /// Closed gates.
    pub closed: Vec<String>,
    /// The plan it waits for.
    pub waits_for: Option<String>,
    /// When it was decided last.
    pub decided_at: Option<String>,
    /// The whole account's blended cost during the climb against the time before, in a sentence.
    pub account_blended: Option<String>,
}

/// One open plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlanView {
    /// Short id.
    pub id: String,
    /// Whole hash: what an approval is for.
    pub hash: String,
    /// What it is for.
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// Number of writes.
    pub writes: usize,
    /// When it was made.
    pub created: String,
    /// When it expires.
    pub expires: String,
    /// How it ended, if it has.
    pub end: Option<String>,
    /// People who said yes.
    pub approved_by: Vec<String>,
}

/// The one screen.
#[derive(Debug, Clone, Serialize)]
pub struct StatusView {
    /// The account.
    pub account: String,
    /// Its name; foreign text.
    pub account_name: Option<String>,
    /// Its currency.
    pub currency: Option<String>,
    /// The mode that holds.
    pub mode: String,
    /// Why it is less than what was configured.
    pub mode_reason: Option<String>,
    /// Why writes are stopped, if they are.
    pub stopped: Option<String>,
    /// Why nothing but lowering is written: the circuit breaker.
    pub breaker: Option<String>,
    /// When insights were last read completely.
    pub insights_read: Option<String>,
    /// Managed lines.
    pub lines: Vec<LineView>,
    /// Campaigns that may not be managed, with the reason.
    pub refused: Vec<(String, Vec<String>)>,
    /// Plans that have not ended.
    pub plans: Vec<PlanView>,
    /// Writes nobody knows the outcome of.
    pub in_doubt: Vec<String>,
    /// What is to be done about the token, if it is near its end.
    pub token_warning: Option<String>,
    /// When the token ends, as far as it was told at its last check.
    pub token_expires: Option<String>,
    /// Number of the newest audit link.
    pub audit_head: i64,
}

/// Reads a stored decision back.
pub fn decision_of(row: &DecisionRow) -> std::result::Result<Decision, StoreError> {
    serde_json::from_slice(&row.doc).map_err(|e| StoreError::Document {
        what: format!("decision {}", row.id),
        why: e.to_string(),
    })
}

/// Reads the evidence of a stored decision back; None when it is missing.
pub async fn evidence_of<S: Store>(store: &S, row: &DecisionRow) -> Result<Option<Evidence>> {
    let Some(bytes) = store.evidence(&row.evidence).await? else { return Ok(None) };
    let evidence = serde_json::from_slice(&bytes).map_err(|e| StoreError::Document {
        what: format!("evidence of decision {}", row.id),
        why: e.to_string(),
    })?;
    Ok(Some(evidence))
}

/// Reads a stored plan back.
pub fn plan_of(row: &PlanRow) -> std::result::Result<Plan, StoreError> {
    serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Document {
        what: format!("plan {}", row.hash.plan_id()),
        why: e.to_string(),
    })
}

/// Gathers the status screen. `now` is None where the account lives on another clock than ours (a sandbox): the token's
/// end is then held against the moment of its last check.
pub async fn status<S: Store>(
    store: &S,
    account: &AccountId,
    policy: &Policy,
    stopped: Option<String>,
    now: Option<Moment>,
) -> Result<StatusView> {
    let info = store.account(account).await?;
    let trees = store.trees().await?;
    let mut lines = Vec::new();
    for row in store.climbs(true).await? {
        let climb = climb_of(&row)?;
        let last = store.decisions(Some(&climb.id), 1).await?.pop();
        let name = trees
            .iter()
            .find(|t| t.campaign.id == climb.incumbent)
            .map(|t| t.campaign.name.clone());
        let blended = crate::app::blended::of_climb(store, &climb.id).await?;
        lines.push(line_view(
            &climb,
            name.unwrap_or_default(),
            last.as_ref(),
            blended.map(|b| b.sentence),
        )?);
    }
    let managed: Vec<&str> = lines.iter().map(|l| l.campaign.as_str()).collect();
    let refused = trees
        .iter()
        .filter(|t| t.campaign.status == crate::domain::Status::Active)
        .filter(|t| !managed.contains(&t.campaign.id.as_str()))
        .map(|t| (t.campaign.name.clone(), crate::domain::eligibility::refusals(t, policy)))
        .filter(|(_, why)| !why.is_empty())
        .collect();
    let in_doubt = store.intents(None).await?.into_iter().filter(|i| {
        let log = i.entries.iter().map(|(_, e)| *e);
        crate::domain::write_log::WriteStatus::fold(log)
            == Ok(crate::domain::write_log::WriteStatus::InDoubt)
    });
    let in_doubt = in_doubt.map(|i| format!("{} ({})", i.op_key, i.action)).collect();
    let (mode, mode_reason) = standing::mode_of(store, policy).await?;
    let newest = store.links((store.head().await?.seq - 1).max(0), 1).await?;
    let breaker = match newest.first() {
        Some(link) => standing::closed(store, link.at).await?,
        None => None,
    };
    let read = store.note(crate::app::pull::READ_NOTE).await?.and_then(|t| t.parse::<i64>().ok());
    let token = crate::app::token::last(store).await?;
    Ok(StatusView {
        account: account.act(),
        account_name: info.as_ref().map(|i| i.name.clone()),
        currency: info.map(|i| i.currency.to_string()),
        mode: mode.as_str().to_owned(),
        mode_reason,
        stopped,
        breaker,
        insights_read: read.map(|ms| Moment::from_millis(ms).rfc3339()),
        lines,
        refused,
        plans: plan_views(store, true, 50).await?,
        in_doubt,
        token_warning: token.as_ref().and_then(|t| t.warning(now.unwrap_or(t.seen_at))),
        token_expires: token.and_then(|t| t.expires_at).map(Moment::rfc3339),
        audit_head: store.head().await?.seq,
    })
}

fn line_view(
    climb: &Climb,
    name: String,
    last: Option<&DecisionRow>,
    account_blended: Option<String>,
) -> Result<LineView> {
    let decision = last.map(decision_of).transpose()?;
    Ok(LineView {
        line: climb.line.to_string(),
        climb: climb.id.to_string(),
        campaign: climb.incumbent.to_string(),
        name,
        rung: climb.rung.clone(),
        path: climb.memory.path.clone(),
        state: climb.state.as_str().to_owned(),
        held: climb.held.clone(),
        conclusion: decision.as_ref().map(|d| d.conclusion.clone()),
        closed: decision
            .map(|d| d.closed.iter().map(|g| format!("{}: {}", g.name, g.why)).collect())
            .unwrap_or_default(),
        waits_for: climb
            .pending
            .as_ref()
            .map(|p| format!("{} plan {}", p.kind.as_str(), p.plan.plan_id())),
        decided_at: last.map(|d| d.at.rfc3339()),
        account_blended,
    })
}

/// Plans, newest first.
pub async fn plan_views<S: Store>(store: &S, open: bool, limit: u32) -> Result<Vec<PlanView>> {
    let mut views = Vec::new();
    for row in store.plans(open, limit).await? {
        let plan = plan_of(&row)?;
        let approvals = store.approvals(&row.hash).await?;
        views.push(PlanView {
            id: row.hash.plan_id().to_string(),
            hash: row.hash.to_string(),
            kind: row.kind.as_str().to_owned(),
            title: plan.title,
            writes: plan.actions.len(),
            created: row.created.rfc3339(),
            expires: row.expires.rfc3339(),
            end: row.end.map(|e| format!("{}: {}", e.outcome, e.why)),
            approved_by: approvals.into_iter().filter(|a| a.granted).map(|a| a.by).collect(),
        });
    }
    Ok(views)
}

/// One finished or running test as `climb list` and the demo show it.
#[derive(Debug, Clone, Serialize)]
pub struct TestView {
    /// The rung it started from.
    pub from: String,
    /// The rung it tried.
    pub to: String,
    /// `climb`, `tested_placement` or `placement`.
    pub kind: String,
    /// `promote`, `stay`, `inconclusive`, `aborted`.
    pub verdict: String,
    /// Paired decision days.
    pub days: Option<usize>,
    /// Blended CPA of the incumbent on these days; None without purchases.
    pub incumbent_cpa: Option<String>,
    /// The same of the challenger.
    pub challenger_cpa: Option<String>,
    /// 90 % interval of the cost ratio.
    pub interval: Option<(f64, f64)>,
    /// When the verdict fell.
    pub on: Day,
    /// The conclusion in words.
    pub conclusion: String,
}

/// Every verdict there was, oldest first.
pub async fn tests<S: Store>(
    store: &S,
    currency: crate::domain::Currency,
) -> Result<Vec<TestView>> {
    let mut rows = store.decisions(None, u32::MAX).await?;
    rows.reverse();
    let mut tests = Vec::new();
    for row in rows {
        let decision = decision_of(&row)?;
        let (test, verdict) = match &decision.next.state {
            crate::domain::climb::State::Judged { test, verdict } => {
                (test.clone(), verdict.as_str())
            }
            crate::domain::climb::State::Settled { .. } => {
                let Some(evidence) = store.evidence(&row.evidence).await? else { continue };
                let Ok(evidence) =
                    serde_json::from_slice::<crate::domain::evidence::Evidence>(&evidence)
                else {
                    continue;
                };
                let Some(test) = evidence.climb.state.test().cloned() else { continue };
                (test, "promote")
            }
            _ => continue,
        };
        // A judged climb that waits for its plan decides again without news: one verdict, one row.
        if decision.trail.len() < 2 {
            continue;
        }
        let figures = decision.look.as_ref().and_then(|l| l.figures.as_ref());
        let kind =
            serde_json::to_value(test.route.kind).ok().and_then(|v| v.as_str().map(str::to_owned));
        tests.push(TestView {
            from: test.route.from.clone(),
            to: test.route.to.clone(),
            kind: kind.unwrap_or_default(),
            verdict: verdict.to_owned(),
            days: figures.map(|f| f.days),
            incumbent_cpa: figures.and_then(|f| f.incumbent.cpa()).and_then(|c| cpa(c, currency)),
            challenger_cpa: figures.and_then(|f| f.challenger.cpa()).and_then(|c| cpa(c, currency)),
            interval: figures.map(|f| (f.low, f.high)),
            on: crate::domain::Zone::utc().day_of(row.at),
            conclusion: decision.conclusion.clone(),
        });
    }
    Ok(tests)
}

/// A cost in minor units as a decimal in major units, rounded to the minor unit.
#[expect(clippy::cast_possible_truncation, reason = "costs are far below 2^53 minor units")]
pub fn cpa(minor: f64, currency: crate::domain::Currency) -> Option<String> {
    minor.is_finite().then(|| Money::from_minor(libm::round(minor) as i64, currency).major())
}

//! `show`: plans, or one plan with the exact requests it would send.

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app::{commands::find_plan, note::outlook_lines, views},
    boot::Role,
    domain::plan::Plan,
    ports::{Store, store::PlanRow},
};

/// Plans listed at most.
const LISTED: u32 = 200;

/// Runs it.
pub async fn run(args: &args::Args, show: &args::Show, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    if let Some(text) = &show.plan {
        let row = find_plan(&store, text).await?;
        one(&store, &row, out).await?;
        return Ok(Ending::Done);
    }
    let plans = views::plan_views(&store, !show.all, LISTED).await?;
    if out.json {
        out.document(&plans)?;
        return Ok(Ending::Done);
    }
    if plans.is_empty() {
        out.line(if show.all {
            "no plans yet"
        } else {
            "no open plans; --all shows the ended ones"
        })?;
    }
    for plan in plans {
        let end = plan.end.unwrap_or_else(|| {
            if plan.approved_by.is_empty() {
                "waits for approval".to_owned()
            } else {
                "approved".to_owned()
            }
        });
        out.line(&format!(
            "{}  {:<9} {:>2} writes  {}  [{end}]",
            plan.id, plan.kind, plan.writes, plan.created
        ))?;
        out.line(&format!("              {}", plan.title))?;
    }
    Ok(Ending::Done)
}

/// One plan, whole.
pub async fn one<S: Store>(store: &S, row: &PlanRow, out: &Output) -> super::Said {
    let plan = views::plan_of(row)?;
    let outlook = expected(store, &plan).await?;
    if out.json {
        let approvals = store.approvals(&row.hash).await?;
        return out.document(&serde_json::json!({
            "hash": row.hash.as_str(), "id": row.hash.plan_id(), "plan": plan, "approvals": approvals,
            "test": outlook,
            "end": row.end.as_ref().map(|e| serde_json::json!({ "outcome": e.outcome, "why": e.why, "at": e.at.rfc3339() })),
        }));
    }
    text(row, &plan, &outlook, out)
}

/// What the test that a plan prepares can be expected to show, by the decision that asked for it; empty without a test.
async fn expected<S: Store>(store: &S, plan: &Plan) -> Result<Vec<String>, Failure> {
    let Some(row) = store.decision(&plan.decision).await? else { return Ok(Vec::new()) };
    let currency = plan.money.extra_per_day.currency();
    let money = |minor: f64| {
        views::cpa(minor, currency)
            .map_or_else(|| "unknown".to_owned(), |m| format!("{m} {currency}"))
    };
    let outlook = views::decision_of(&row)?.outlook;
    Ok(outlook.map_or_else(Vec::new, |outlook| outlook_lines(&outlook, &money)))
}

fn text(row: &PlanRow, plan: &Plan, outlook: &[String], out: &Output) -> super::Said {
    out.line(&format!("plan {}  ({})", row.hash.plan_id(), plan.kind.as_str()))?;
    out.line(&format!("  {}", plan.title))?;
    out.line(&format!("  hash     {}", row.hash))?;
    out.line(&format!("  created  {}   expires {}", plan.created, plan.expires))?;
    out.line(&format!("  climb    {}   decision {}", plan.climb, plan.decision))?;
    if let Some(end) = &row.end {
        out.line(&format!("  ended    {} ({}) at {}", end.outcome, end.why, end.at))?;
    }
    out.line("why")?;
    for reason in &plan.reasons {
        out.line(&format!("  - {reason}"))?;
    }
    if !outlook.is_empty() {
        out.line("what the test can be expected to show")?;
    }
    for line in outlook {
        out.line(&format!("  - {line}"))?;
    }
    let money = &plan.money;
    out.line("money at risk")?;
    out.line(&format!(
        "  extra per day {}   in all at most {}",
        money.extra_per_day, money.extra_total
    ))?;
    out.line(&format!("  worst regret  {}", money.worst_regret))?;
    out.line(&format!("  reversible:   {}", money.reversible))?;
    out.line("requests, in this order, each sent once")?;
    for (i, action) in plan.actions.iter().enumerate() {
        let when = action.not_before.map_or_else(String::new, |at| format!("   not before {at}"));
        out.line(&format!(
            "{:>3}. {} /{}{when}",
            i + 1,
            action.request.method,
            action.request.path
        ))?;
        for (name, value) in &action.request.params {
            out.line(&format!("       {name} = {value}"))?;
        }
        for expected in &action.expects {
            let (aspect, value) = (expected.aspect, &expected.value);
            out.line(&format!(
                "       expects {aspect} of {} to be {value:?}",
                expected.object.template()
            ))?;
        }
        out.line(&format!("       because {}", action.reason))?;
    }
    Ok(())
}

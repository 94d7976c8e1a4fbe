//! `explain`: a decision like a good analyst's note: the conclusion first, figures, what would change it.

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app::{blended::of_decision, replay, views::decision_of},
    boot::Role,
    domain::{ClimbId, decide::Decision},
    ports::{Store, store::DecisionRow},
};

/// Decisions listed when nothing is named.
const LISTED: u32 = 20;

/// Runs it.
pub async fn run(args: &args::Args, explain: &args::Explain, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    let Some(id) = &explain.id else {
        for row in store.decisions(None, LISTED).await? {
            let decision = decision_of(&row)?;
            out.line(&format!("{}  {}  {}  {}", row.id, row.at, row.line, decision.conclusion))?;
        }
        return Ok(Ending::Done);
    };
    if id.starts_with("climb-") {
        let climb = ClimbId::new(id.clone())
            .map_err(|e| Failure::new(Ending::Usage, e.to_string(), "see `rungwise climb list`"))?;
        let mut rows = store.decisions(Some(&climb), u32::MAX).await?;
        rows.reverse();
        if rows.is_empty() {
            return Err(Failure::new(
                Ending::NotFound,
                format!("climb {id} has no decisions"),
                "see `rungwise climb list`",
            ));
        }
        for row in rows {
            let decision = decision_of(&row)?;
            if decision.trail.len() > 1
                || !decision.effects.is_empty()
                || decision.look.is_some() && decision.conclusion.contains("look")
            {
                note(&row, &decision, out)?;
                blended(&store, &row, out).await?;
            }
        }
        return Ok(Ending::Done);
    }
    let row = replay::find(&store, id).await?;
    let decision = decision_of(&row)?;
    if out.json {
        out.document(&serde_json::json!({ "id": row.id, "at": row.at.rfc3339(), "evidence": row.evidence, "decision": decision }))?;
    } else {
        note(&row, &decision, out)?;
        blended(&store, &row, out).await?;
    }
    Ok(Ending::Done)
}

/// The account as a whole during the climb, against the time before: what the verdict alone cannot see.
async fn blended<S: Store>(store: &S, row: &DecisionRow, out: &Output) -> super::Said {
    match of_decision(store, row).await? {
        Some(blended) => out.line(&format!("  {}", blended.sentence)),
        None => Ok(()),
    }
}

fn note(row: &DecisionRow, decision: &Decision, out: &Output) -> super::Said {
    out.line(&decision.conclusion)?;
    out.line(&format!("  decision {} at {}, {}", row.id, row.at, decision.trail.join(" > ")))?;
    for reason in &decision.reasons {
        out.line(&format!("  - {reason}"))?;
    }
    if let Some(figures) = decision.look.as_ref().and_then(|l| l.figures.as_ref()) {
        out.line(&format!(
            "  figures: {} paired days; purchases {:.0} and {:.0}; cost ratio {:.3} [{:.3}, {:.3}]; dispersion {:.2}",
            figures.days,
            figures.incumbent.purchases,
            figures.challenger.purchases,
            figures.median,
            figures.low,
            figures.high,
            figures.dispersion.total
        ))?;
    }
    if let Some(meter) = &decision.meter {
        out.line(&format!(
            "  regret meter: evidence against the challenger {:.2} to 1 (10 stops the test)",
            meter.e_value
        ))?;
    }
    if let Some(outlook) = &decision.outlook {
        for look in &outlook.looks {
            out.line(&format!(
                "  a look at {} days would see {:.0} purchases per arm and confirm a ratio of {:.2} or better",
                look.days, look.purchases, look.detectable
            ))?;
        }
    }
    if !decision.closed.is_empty() {
        out.line("  what would change it:")?;
        for gate in &decision.closed {
            out.line(&format!("    - {}: {}", gate.name, gate.why))?;
        }
    }
    out.line(&format!("  evidence {}", row.evidence))
}

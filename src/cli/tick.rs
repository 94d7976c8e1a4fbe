//! `tick`: one pass of the daemon.

use serde_json::json;

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app::{self, tick::Scope, ticked::Ticked},
    domain::Moment,
};

/// Runs it.
pub async fn run(args: &args::Args, tick: &args::Tick, out: &Output) -> Ended {
    let context = context::open(args)?;
    let now = tick.now.as_deref().map(str::parse::<Moment>).transpose();
    let now = now.map_err(|e| {
        Failure::new(Ending::Usage, e.to_string(), "write --now 2026-07-01T06:30:00Z")
    })?;
    let (parts, sandbox) = context.agent().await?;
    if let Some(until) = now {
        let Some(clock) = sandbox else {
            let what =
                format!("--now needs a sandbox, and {} is none", context.account.api.base_url);
            return Err(Failure::new(
                Ending::Usage,
                what,
                "leave --now out, or point api.base_url at `rungwise sandbox serve`",
            ));
        };
        let present = clock.sync().await?;
        if until < present {
            let what = format!("--now {until} lies before the sandbox's own time, {present}");
            return Err(Failure::new(Ending::Usage, what, "its time only goes forward"));
        }
        clock.advance_to(until).await?;
    }
    context.check(&parts).await?;
    parts.tend_token().await;
    let hands = parts.hands();
    let scope = Scope { decide: !tick.no_decide };
    let mut done = app::tick::tick(parts.desk("agent"), hands.as_ref(), scope).await?;
    done.alarms.extend(app::token::watch(parts.desk("agent")).await?);
    parts.anchor().await?;
    report(&done, out)
}

/// Says what a pass did.
pub fn report(done: &Ticked, out: &Output) -> Ended {
    if out.json {
        let decisions: Vec<_> = done
            .decisions
            .iter()
            .map(|d| json!({ "id": d.id, "line": d.climb.line, "state": d.climb.state.as_str(), "conclusion": d.decision.conclusion }))
            .collect();
        let ended: Vec<_> = done
            .ended
            .iter()
            .map(|(p, outcome, why)| json!({ "plan": p.hash.as_str(), "kind": p.kind.as_str(), "outcome": outcome, "why": why }))
            .collect();
        let waiting: Vec<_> = done
            .waiting
            .iter()
            .map(|(p, why)| json!({ "plan": p.hash.as_str(), "why": why }))
            .collect();
        let filed: Vec<_> = done
            .filed
            .iter()
            .map(|p| json!({ "plan": p.hash.as_str(), "kind": p.kind.as_str() }))
            .collect();
        out.document(&json!({
            "decisions": decisions, "filed": filed, "ended": ended, "waiting": waiting, "alarms": done.alarms,
        }))?;
        return Ok(Ending::Done);
    }
    for filed in &done.decisions {
        out.line(&format!(
            "{}  {}: {}",
            filed.climb.line,
            filed.climb.state.as_str(),
            filed.decision.conclusion
        ))?;
    }
    for plan in &done.filed {
        out.line(&format!("filed   {} plan {}", plan.kind.as_str(), plan.hash.plan_id()))?;
    }
    for (plan, outcome, why) in &done.ended {
        out.line(&format!(
            "{outcome:<7} {} plan {}: {why}",
            plan.kind.as_str(),
            plan.hash.plan_id()
        ))?;
    }
    for (plan, why) in &done.waiting {
        out.line(&format!("waits   {} plan {}: {why}", plan.kind.as_str(), plan.hash.plan_id()))?;
    }
    for alarm in &done.alarms {
        out.line(&format!("ALARM   {alarm}"))?;
    }
    if done.decisions.is_empty()
        && done.ended.is_empty()
        && done.waiting.is_empty()
        && done.alarms.is_empty()
    {
        out.line("nothing to do")?;
    }
    Ok(Ending::Done)
}

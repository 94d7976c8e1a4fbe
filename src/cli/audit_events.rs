//! `audit-events`: the weekly audit of the account's events.

use super::{Ended, Ending, args, context, output::Output};
use crate::{
    app::events::{AuditReport, LineAudit, audit_events},
    boot::Role,
    domain::forecast::MacroRate,
};

/// Runs it.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    let report = audit_events(&store, &context.account.id, &context.account.policy).await?;
    if out.json {
        out.document(&report)?;
    } else {
        text(&report, out)?;
    }
    Ok(Ending::Done)
}

fn text(report: &AuditReport, out: &Output) -> super::Said {
    let h = &report.heading;
    out.line(&format!("{}: events up to {}, as read {}", h.account, h.last_day, h.as_of))?;
    for line in &report.lines {
        out.line("")?;
        one(line, out)?;
    }
    out.line("")?;
    let m = &report.maturity;
    let shares: Vec<String> =
        m.pattern.completeness.iter().take(7).map(|s| format!("{:.0} %", s * 100.0)).collect();
    let basis = if m.pattern.steps == 0 {
        "usual pattern, no versions yet".to_owned()
    } else {
        format!("{} steps, {:.0} purchases", m.pattern.steps, m.pattern.purchases)
    };
    out.line(&format!("completeness of a day after 0, 1, … days: {} ({basis})", shares.join(" ")))?;
    for day in &m.nowcasts {
        let n = day.nowcast;
        out.line(&format!(
            "  {}: {:.0} counted; nowcast {:.1} [{:.1}, {:.1}], an estimate that no decision uses",
            day.day, n.counted, n.expected, n.low, n.high
        ))?;
    }
    Ok(())
}

fn interval(rate: &MacroRate) -> String {
    let shown = rate.observed.unwrap_or(rate.median) * 100.0;
    format!("{shown:.1} % [{:.1}, {:.1}]", rate.low * 100.0, rate.high * 100.0)
}

fn one(line: &LineAudit, out: &Output) -> super::Said {
    let a = &line.audit;
    out.line(&format!("{}  {}  on {}", line.line, line.name, line.rung))?;
    for r in &a.ratios {
        let before =
            r.before.as_ref().map_or_else(String::new, |b| format!(", before {}", interval(b)));
        let moved = if r.moved { "  MOVED" } else { "" };
        out.line(&format!("  {} per {}: {}{before}{moved}", r.to, r.from, interval(&r.rate)))?;
    }
    if let Some(f) = a.friction {
        let carts =
            f.carts_per_purchase.map_or_else(|| "no purchase".to_owned(), |c| format!("{c:.1}"));
        out.line(&format!("  carts per purchase: {carts}; P(more than ten) {:.1} %", f.p * 100.0))?;
    }
    for s in &a.spots {
        out.line(&format!("  {}: {}: {}", s.rung, s.spot.as_str(), s.why))?;
    }
    for set in &a.learning {
        let s = &set.signal;
        let by = if s.from_meta { "Meta's status" } else { "estimated" };
        let [stuck, near, exited, well] = s.p.map(|p| p * 100.0);
        out.line(&format!(
            "  ad set {} {}: {:.0} events in 7 days: {} ({by}; P stuck {stuck:.0}, near exit {near:.0}, exited {exited:.0}, \
             well {well:.0} %)",
            set.adset,
            set.name,
            s.events,
            s.band.as_str()
        ))?;
    }
    match &a.cost.signal {
        Some(c) => {
            let trend = a
                .cost
                .trend
                .map_or_else(String::new, |t| format!(", {:+.1} % a week", libm::expm1(t) * 100.0));
            let beyond = if c.truly_unstable {
                "more than counting explains"
            } else {
                "counting explains it"
            };
            out.line(&format!(
                "  weekly cost per {}: varies by {:.0} % ({}){trend}; counting alone {:.0} %: {beyond}",
                a.cost.rung,
                c.cv * 100.0,
                c.band.as_str(),
                c.noise_cv * 100.0
            ))?;
        }
        None => out.line("  weekly cost: fewer than three full weeks with events")?,
    }
    match a.spiral {
        Some(s) => out.line(&format!(
            "  death spiral: {}; P(dearer) {:.0} %, spend {:.2}, events {:.2} of before (false alarms {:.1} % in half a year)",
            if s.flagged { "YES" } else { "no" },
            s.p_dearer * 100.0,
            s.spend_ratio,
            s.events_ratio,
            a.spiral_false_alarms * 100.0
        ))?,
        None => out.line("  death spiral: six full weeks are needed to tell")?,
    }
    for p in a.pixel.iter().filter(|p| p.action.is_some() || p.alarm_days > 0) {
        out.line(&format!(
            "  pixel {}: silent for {} days, {} alarm day(s), {:.1} a day expected",
            p.rung, p.silent_run, p.alarm_days, p.expected_a_day
        ))?;
    }
    if let Some(advice) = &line.consolidate {
        out.line(&format!("  {advice}"))?;
    }
    if a.actions.is_empty() {
        out.line("  nothing to do")?;
    }
    for (action, why) in &a.actions {
        out.line(&format!("  DO: {}: {why}", action.as_str()))?;
    }
    Ok(())
}

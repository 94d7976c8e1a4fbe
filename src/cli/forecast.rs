//! `forecast`: the rung table of every line, and the power of its next test.

use super::{Ended, Ending, args, context, output::Output};
use crate::{
    app::forecast::{ForecastReport, LineForecast, forecast},
    boot::Role,
    domain::watch::RungRow,
};

/// Runs it.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    let report = forecast(&store, &context.account.id, &context.account.policy).await?;
    if out.json {
        out.document(&report)?;
    } else {
        text(&report, out)?;
    }
    Ok(Ending::Done)
}

fn text(report: &ForecastReport, out: &Output) -> super::Said {
    let h = &report.heading;
    out.line(&format!("{}: days up to {}, as read {}", h.account, h.last_day, h.as_of))?;
    if report.lines.is_empty() {
        out.line("no campaign can be managed; `rungwise status` says why")?;
    }
    for line in &report.lines {
        out.line("")?;
        one(line, &h.currency, out)?;
    }
    Ok(())
}

fn one(line: &LineForecast, currency: &str, out: &Output) -> super::Said {
    out.line(&format!("{}  {}", line.line, line.name))?;
    let money = |m: &Option<String>| {
        m.as_ref().map_or_else(|| "unknown".to_owned(), |m| format!("{m} {currency}"))
    };
    out.line(&format!(
        "  on {}, {} ad set(s), {} a day; an arm of a test gets {}",
        line.rung,
        line.adsets,
        money(&line.run_rate),
        money(&line.test_budget)
    ))?;
    out.line(
        "  rung                 a week  per set  P now  P test  macro per event        corr  rel.   score",
    )?;
    for row in line.table.rungs.iter().rev() {
        let chosen = line.table.chosen.as_deref() == Some(row.key.as_str());
        out.line(&format!("{} {}", if chosen { " >" } else { "  " }, cells(row)))?;
    }
    let chosen = line.table.chosen.as_deref().unwrap_or("none");
    out.line(&format!("  chosen: {chosen}: {}", line.table.reason))?;
    if line.table.days < 14 {
        out.line(&format!("  only {} usable days; decisions want 14", line.table.days))?;
    }
    for row in &line.table.rungs {
        if let Some(note) = measured(row) {
            out.line(&format!("  {}: {note}", row.key))?;
        }
    }
    out.line(&format!("  {}", line.volume))?;
    if let Some(advice) = &line.table.consolidation {
        out.line(&format!("  {}", advice.advice))?;
    }
    for need in &line.budgets {
        out.line(&format!(
            "  {} would have its volume at {} {currency} a day ({:.1} times)",
            need.rung, need.daily, need.times
        ))?;
    }
    if let Some(next) = &line.next {
        out.line(&format!("  next test: {} to {}", next.from, next.to))?;
        for sentence in &next.sentences {
            out.line(&format!("    {sentence}"))?;
        }
    }
    Ok(())
}

fn cells(row: &RungRow) -> String {
    let p = |f: &Option<crate::domain::forecast::Forecast>| {
        f.map_or_else(|| "-".to_owned(), |f| format!("{:.0} %", f.p_enough * 100.0))
    };
    let rate = format!(
        "{:.1} % [{:.1}, {:.1}]",
        row.rate.observed.unwrap_or(row.rate.median) * 100.0,
        row.rate.low * 100.0,
        row.rate.high * 100.0
    );
    let assumed = if row.correlation.weeks == 0 { "*" } else { " " };
    format!(
        "{:19} {:7.1} {:8.1} {:>6} {:>7}  {rate:22} {:.2}{assumed} {:.2}  {:.3}",
        row.key,
        row.weekly,
        row.weekly_per_adset,
        p(&row.planned),
        p(&row.at_test),
        row.correlation.corrected,
        row.reliability,
        row.score
    )
}

/// What is wrong with the measurement of a rung, if anything is.
fn measured(row: &RungRow) -> Option<String> {
    let mut parts = Vec::new();
    let mut push = |n: usize, what: &str| {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    };
    push(row.missing_days, "day(s) not read completely");
    push(row.silent_days, "silent day(s)");
    push(row.alarm_days, "day(s) with a count hardly possible");
    push(row.alias_gaps, "day(s) counted under another name only");
    if row.ambiguous {
        parts.push("its count includes other custom events".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

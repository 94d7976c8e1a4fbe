//! `backtest`: this policy over the stored history.

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app::backtest::{self, Backtest, Ending as TestEnding},
    boot::Role,
    domain::Day,
};

/// `backtest`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rungwise backtest\n  rungwise backtest --from 2026-01-01 --to 2026-06-30 --json\n  rungwise --config strict.toml --dir DIR backtest   another policy on the same history"
)]
pub struct BacktestArgs {
    /// First day (YYYY-MM-DD, the account's calendar) [default: the first day anything was read]
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// Last day [default: the day of the newest read]
    #[arg(long, value_name = "DAY")]
    pub to: Option<String>,
}

fn day(text: Option<&String>, flag: &str) -> Result<Option<Day>, Failure> {
    let parsed = text.map(|t| t.parse::<Day>()).transpose();
    parsed.map_err(|e| {
        Failure::new(Ending::Usage, format!("{flag}: {e}"), format!("write {flag} 2026-01-31"))
    })
}

/// Runs it.
pub async fn run(args: &args::Args, wanted: &BacktestArgs, out: &Output) -> Ended {
    let context = context::open(args)?;
    let range = (day(wanted.from.as_ref(), "--from")?, day(wanted.to.as_ref(), "--to")?);
    if let (Some(from), Some(to)) = range
        && to < from
    {
        let what = format!("--to {to} lies before --from {from}");
        return Err(Failure::new(Ending::Usage, what, "swap them"));
    }
    let store = context.store(Role::Reader).await?;
    let account = &context.account;
    let report = backtest::backtest(&store, &account.id, &account.policy, range).await?;
    if out.json {
        out.document(&report)?;
    } else {
        text(&report, out)?;
    }
    Ok(Ending::Done)
}

fn text(report: &Backtest, out: &Output) -> super::Said {
    out.line(&format!(
        "{}: rule {} over {} to {}, with the evidence as seen then",
        report.account, report.rule, report.from, report.to
    ))?;
    if report.lines.is_empty() {
        out.line("no line has any history")?;
    }
    for line in &report.lines {
        out.line("")?;
        out.line(&format!(
            "{}: {} decisions, {} of them on the evidence of a real one",
            line.line, line.days, line.as_decided
        ))?;
        for s in &line.spans {
            out.line(&format!("  {} to {}  {:9} {}: {}", s.from, s.until, s.kind, s.what, s.why))?;
        }
        for t in &line.tests {
            let end = |e: &Option<TestEnding>| {
                e.as_ref().map_or_else(
                    || "no verdict before the real test ended or the history does".to_owned(),
                    |e| format!("{} on {}", e.verdict, e.on),
                )
            };
            let start = if t.would_have_started { "proposed" } else { "not proposed" };
            out.line(&format!(
                "  test {} to {} from {}: {start} by this policy; really: {}; this policy: {}",
                t.from,
                t.to,
                t.started,
                end(&t.real),
                end(&t.policy)
            ))?;
        }
    }
    Ok(())
}

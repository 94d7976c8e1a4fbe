//! `sync`: reads the account into the history.

use serde_json::json;

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app,
    domain::{Day, Money},
};

/// Runs it.
pub async fn run(args: &args::Args, sync: &args::Sync, out: &Output) -> Ended {
    let context = context::open(args)?;
    let since = sync.since.as_deref().map(str::parse::<Day>).transpose();
    let since = since
        .map_err(|e| Failure::new(Ending::Usage, e.to_string(), "write --since 2026-01-31"))?;
    let (parts, _) = context.agent().await?;
    let user = context::user();
    let bar = out.progress("days");
    let told = app::pull::pull_and_tell(parts.desk(&user), since, |p| {
        bar.set_length(u64::try_from(p.of).unwrap_or(0));
        bar.set_position(u64::try_from(p.days).unwrap_or(0));
        bar.set_message(format!("{} rows", p.rows));
    });
    let pulled = told.await;
    bar.finish_and_clear();
    let pulled = pulled?;
    context.account.check_currency(pulled.account.currency)?;
    context.account.check_zone(&pulled.account.zone)?;
    let saved = pulled.saved;
    if out.json {
        let unexplained: std::collections::BTreeMap<String, String> = pulled
            .unexplained
            .iter()
            .map(|(day, minor)| {
                (day.to_string(), Money::from_minor(*minor, pulled.account.currency).major())
            })
            .collect();
        out.document(&json!({
            "account": context.account.id, "since": pulled.range.since(), "until": pulled.range.until(),
            "campaigns": pulled.trees.len(), "new": saved.new, "restated": saved.restated,
            "unchanged": saved.unchanged, "currency": pulled.account.currency, "unexplained": unexplained,
        }))?;
        return Ok(Ending::Done);
    }
    out.line(&format!(
        "{}: {} campaigns; {} to {}: {} rows new, {} restated, {} unchanged",
        pulled.account.name,
        pulled.trees.len(),
        pulled.range.since(),
        pulled.range.until(),
        saved.new,
        saved.restated,
        saved.unchanged
    ))?;
    for (day, minor) in &pulled.unexplained {
        let money = Money::from_minor(*minor, pulled.account.currency);
        out.say(&format!(
            "note: on {day} the ad sets and the account differ by {money} (deleted objects?)"
        ));
    }
    Ok(Ending::Done)
}

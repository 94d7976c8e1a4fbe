//! `status`: one screen.

use super::{Ended, Ending, args, context, output::Output};
use crate::{
    app::views::{self, StatusView},
    boot::Role,
    daemon::stop::StopFile,
    ports::{Clock, StopSwitch, SystemClock},
};

/// Seconds between two screens of `--watch`.
const WATCH_MS: i64 = 5_000;

/// Runs `status`.
pub async fn run(args: &args::Args, status: &args::Status, out: &Output) -> Ended {
    let context = context::open(args)?;
    loop {
        let store = context.store(Role::Reader).await?;
        let stopped = StopFile::of(&context.dir).stopped();
        let account = &context.account;
        let now = (!account.api.base_url.is_loopback()).then(|| SystemClock.now());
        let view = views::status(&store, &account.id, &account.policy, stopped, now).await?;
        if out.json {
            out.document(&view)?;
        } else {
            if status.watch {
                // The one escape sequence we print ourselves: clear the screen.
                out.write(b"\x1b[2J\x1b[H")?;
            }
            text(&view, out)?;
        }
        if !status.watch {
            return Ok(Ending::Done);
        }
        SystemClock.wait_until(SystemClock.now().plus(WATCH_MS)).await;
    }
}

fn text(view: &StatusView, out: &Output) -> super::Said {
    let name = view.account_name.as_deref().unwrap_or("not read yet");
    out.line(&format!("{} ({name})", view.account))?;
    let why = view.mode_reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    out.line(&format!("mode        {}{why}", view.mode))?;
    if let Some(why) = &view.stopped {
        out.line(&format!("STOPPED     {why}"))?;
    }
    if let Some(why) = &view.breaker {
        out.line(&format!("WRITES OFF  {why}"))?;
    }
    out.line(&format!(
        "last read   {}",
        view.insights_read.as_deref().unwrap_or("never; run `rungwise sync`")
    ))?;
    out.line(&format!("audit head  {}", view.audit_head))?;
    if let Some(warning) = &view.token_warning {
        out.line(&format!("TOKEN       {warning}"))?;
    }
    for line in &view.lines {
        out.line("")?;
        out.line(&format!("{}  {}", line.line, line.name))?;
        out.line(&format!("  rung       {}   (path {})", line.rung, line.path.join(" > ")))?;
        out.line(&format!("  state      {}   {}", line.state, line.climb))?;
        if let Some(why) = &line.held {
            out.line(&format!("  on hold    {why}"))?;
        }
        if let Some(conclusion) = &line.conclusion {
            out.line(&format!("  decided    {conclusion}"))?;
        }
        for gate in &line.closed {
            out.line(&format!("  gate shut  {gate}"))?;
        }
        if let Some(sentence) = &line.account_blended {
            out.line(&format!("  account    {sentence}"))?;
        }
        if let Some(plan) = &line.waits_for {
            out.line(&format!("  waits for  {plan}"))?;
        }
    }
    for (name, why) in &view.refused {
        out.line("")?;
        out.line(&format!("not managed: {name}"))?;
        for reason in why {
            out.line(&format!("  - {reason}"))?;
        }
    }
    for plan in &view.plans {
        out.line("")?;
        let approved = if plan.approved_by.is_empty() {
            "waits for approval".to_owned()
        } else {
            format!("approved by {}", plan.approved_by.join(", "))
        };
        out.line(&format!(
            "plan {} ({}, {} writes, {approved}, until {})",
            plan.id, plan.kind, plan.writes, plan.expires
        ))?;
        out.line(&format!("  {}", plan.title))?;
    }
    for write in &view.in_doubt {
        out.line(&format!("IN DOUBT: {write}"))?;
    }
    Ok(())
}

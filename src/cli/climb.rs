//! `climb list | pause | resume | abort | promote`: manual control, always allowed, always logged.

use serde_json::json;

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app::{commands, lines::climb_of},
    boot::{self, Role},
    domain::{ClimbId, climb::Command},
    ports::{Clock, Store},
};

/// Runs it.
pub async fn run(args: &args::Args, climb: &args::Climb, out: &Output) -> Ended {
    match &climb.what {
        args::ClimbWhat::List { open } => list(args, *open, out).await,
        args::ClimbWhat::Pause(id) => command(args, id, Command::Pause, out).await,
        args::ClimbWhat::Resume(id) => command(args, id, Command::Resume, out).await,
        args::ClimbWhat::Abort(id) => command(args, id, Command::Abort, out).await,
        args::ClimbWhat::Promote(id) => command(args, id, Command::Promote, out).await,
    }
}

async fn list(args: &args::Args, open: bool, out: &Output) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Reader).await?;
    let mut views = Vec::new();
    for row in store.climbs(open).await? {
        let climb = climb_of(&row)?;
        let route = climb.state.route().map(|r| format!("{} -> {}", r.from, r.to));
        views.push(json!({
            "id": climb.id, "line": climb.line, "campaign": climb.incumbent, "rung": climb.rung,
            "state": climb.state.as_str(), "route": route, "held": climb.held, "opened": climb.opened.rfc3339(),
        }));
    }
    if out.json {
        out.document(&views)?;
        return Ok(Ending::Done);
    }
    if views.is_empty() {
        out.line("no climbs yet; run `rungwise plan`")?;
    }
    for view in views {
        let text = |key: &str| view.get(key).and_then(|v| v.as_str()).unwrap_or("").to_owned();
        out.line(&format!(
            "{}  {:<11} on {}  {}",
            text("id"),
            text("state"),
            text("rung"),
            text("route")
        ))?;
        if !text("held").is_empty() {
            out.line(&format!("    on hold: {}", text("held")))?;
        }
    }
    Ok(Ending::Done)
}

async fn command(
    args: &args::Args,
    which: &args::ClimbId,
    command: Command,
    out: &Output,
) -> Ended {
    let context = context::open(args)?;
    let store = context.store(Role::Commands).await?;
    let id = ClimbId::new(which.id.clone()).map_err(|e| {
        Failure::new(Ending::Usage, e.to_string(), "`rungwise climb list` lists the climbs")
    })?;
    let (_, clock, _) = boot::outside(&context.account).await?;
    commands::command(&store, clock.now(), &id, command, &context::user(), &which.note).await?;
    out.line("filed; the agent acts on it in its next pass")?;
    Ok(Ending::Done)
}

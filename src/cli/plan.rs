//! `plan`: takes today's decisions and files what follows from them. Nothing is sent to Meta but reads.

use super::{Ended, Ending, Failure, args, context, output::Output, show};
use crate::{
    app::{self, tick::Scope, views},
    boot::Parts,
    ports::Store,
};

/// Runs it.
pub async fn run(args: &args::Args, plan: &args::Plan, out: &Output) -> Ended {
    let context = context::open(args)?;
    let (parts, _) = context.agent().await?;
    context.check(&parts).await?;
    // Without hands: whatever the mode, planning never holds the write side.
    let user = context::user();
    let scope = Scope { decide: true };
    let done = app::tick::tick(parts.desk(&user), Parts::no_hands(), scope).await?;
    parts.anchor().await?;
    for alarm in &done.alarms {
        out.say(&format!("alarm: {alarm}"));
    }
    let open = parts.store.plans(true, 50).await?;
    if let (Some(path), Some(newest)) = (&plan.output, open.first()) {
        std::fs::write(path, &newest.bytes).map_err(|e| {
            let what = format!("cannot write {}: {e}", path.display());
            Failure::new(Ending::CannotWrite, what, "choose another path with -o")
        })?;
    }
    if out.json {
        out.document(&views::plan_views(&parts.store, true, 50).await?)?;
    } else if open.is_empty() {
        out.line("no changes proposed")?;
        for filed in &done.decisions {
            out.line(&format!("  {}: {}", filed.climb.line, filed.decision.conclusion))?;
        }
    } else {
        for row in &open {
            show::one(&parts.store, row, out).await?;
            let id = row.hash.plan_id();
            out.say(&format!("next: rungwise approve {id}   or   rungwise reject {id}"));
        }
    }
    Ok(if open.is_empty() { Ending::Done } else { Ending::Proposed })
}

//! `stop`, `start`, `lift`: the kill switch, and what guard rails took. The file works alone; the audit row follows when the database can take it.

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::{
    app,
    boot::{self, Role},
    daemon::{hold, stop::StopFile},
    ports::{Clock, SystemClock},
};

fn cannot(what: &str, switch: &StopFile, e: &std::io::Error) -> Failure {
    let what = format!("cannot {what} {}: {e}", switch.path().display());
    Failure::new(
        Ending::CannotWrite,
        what,
        "create or remove that file by hand; nothing else is needed",
    )
}

/// Turns it on.
pub async fn stop(args: &args::Args, stop: &args::Reason, out: &Output) -> Ended {
    let context = context::open(args)?;
    let switch = StopFile::of(&context.dir);
    let reason = if stop.reason.is_empty() { "stopped by hand" } else { &stop.reason };
    switch.stop(reason).map_err(|e| cannot("write", &switch, &e))?;
    out.line("writes are stopped; reads go on. Release with `rungwise start --reason …`")?;
    record(&context, true, reason, out).await;
    Ok(Ending::Done)
}

/// Turns it off.
pub async fn start(args: &args::Args, start: &args::Reason, out: &Output) -> Ended {
    let context = context::open(args)?;
    if start.reason.trim().is_empty() {
        return Err(Failure::new(
            Ending::Usage,
            "releasing the kill switch needs a reason",
            "rungwise start --reason \"…\"",
        ));
    }
    let switch = StopFile::of(&context.dir);
    let restored = switch.held().is_some_and(|why| why.starts_with(boot::RESTORED));
    if restored && !start.accept_strangers {
        no_strangers(&context).await?;
    }
    let was = switch.start().map_err(|e| cannot("remove", &switch, &e))?;
    hold::Starts::of(&context.dir).forget().map_err(|e| cannot("remove", &switch, &e))?;
    out.line(if was { "writes are allowed again" } else { "writes were not stopped" })?;
    if was {
        record(&context, false, &start.reason, out).await;
    }
    Ok(Ending::Done)
}

/// Gives back what guard rails took, in the agent's next pass.
pub async fn lift(args: &args::Args, lift: &args::Reason, out: &Output) -> Ended {
    if lift.reason.trim().is_empty() {
        let what = "lifting what a guard rail took needs a reason";
        return Err(Failure::new(Ending::Usage, what, "rungwise lift --reason \"…\""));
    }
    let context = context::open(args)?;
    let store = context.store(Role::Commands).await?;
    let (_, clock, _) = boot::outside(&context.account).await?;
    app::commands::lift(&store, clock.now(), &context::user(), &lift.reason).await?;
    out.line("filed; the agent acts on it in its next pass")?;
    Ok(Ending::Done)
}

/// After a restore, Meta may hold objects that this history does not know: a person must have dealt with each.
async fn no_strangers(context: &context::Context) -> Result<(), Failure> {
    let parts = super::db::looking(context).await?;
    let found = app::strangers::strangers(parts.desk("agent")).await?;
    if found.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = found.iter().map(|s| format!("{} {}", s.kind, s.id)).collect();
    let what = format!("objects at Meta are unknown to this history: {}", names.join(", "));
    Err(Failure::new(
        Ending::Stopped,
        what,
        "put each away in Ads Manager or `rungwise db adopt ID`; to release all the same: --accept-strangers",
    ))
}

async fn record(context: &context::Context, on: bool, reason: &str, out: &Output) {
    let (now, by) = (SystemClock.now(), context::user());
    let done = async {
        let store = context.store(Role::Commands).await.map_err(|f| f.what)?;
        let done = if on {
            app::stop::stopped(&store, now, &by, reason).await
        } else {
            app::stop::started(&store, now, &by, reason).await
        };
        done.map_err(|e| e.to_string())
    };
    if let Err(e) = done.await {
        out.say(&format!("note: the switch works, but the audit log could not take it: {e}"));
    }
}

//! `run`: the daemon.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Ended, Ending, Failure, args, context, output::Output};
use crate::ports::{Clock, MetaRead, SystemClock};

/// How long the daemon waits for Meta at its start before it looks again, in milliseconds.
const RETRY_MS: i64 = 30_000;

/// Runs it until SIGTERM or SIGINT.
pub async fn run(args: &args::Args, out: &Output) -> Ended {
    let context = context::open(args)?;
    let (parts, _) = context.agent().await?;
    parts.store.verify_audit().await?;
    let stop = CancellationToken::new();
    listen(stop.clone())?;
    let (mode, why) = context.account.policy.effective_mode();
    let why = why.map_or_else(String::new, |w| format!(" ({w})"));
    tracing::info!(account = %context.account.id, dir = %context.dir.display(), "rungwise runs in mode {mode}{why}");
    let account = loop {
        match parts.client.account().await {
            Ok(account) => break account,
            Err(e) if matches!(e.class, crate::ports::MetaClass::Auth) => return Err(e.into()),
            Err(e) => tracing::warn!("cannot read the account yet: {e}"),
        }
        tokio::select! {
            () = SystemClock.wait_until(SystemClock.now().plus(RETRY_MS)) => {}
            () = stop.cancelled() => return Ok(Ending::Done),
        }
    };
    context.account.check_currency(account.currency)?;
    context.account.check_zone(&account.zone)?;
    let agent = parts.agent(&account.zone);
    agent
        .run(&stop, |job, done| match done {
            Ok(done) => {
                for filed in &done.decisions {
                    let (line, state) = (&filed.climb.line, filed.climb.state.as_str());
                    tracing::info!(%line, state, "{}", filed.decision.conclusion);
                }
            }
            Err(e) => {
                tracing::error!(job, "a pass failed: {e}; it is tried again at its next slot");
            }
        })
        .await?;
    tracing::info!("stopped cleanly");
    out.say("stopped");
    Ok(Ending::Done)
}

fn listen(stop: CancellationToken) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(Ending::Failed, format!("cannot listen for signals: {e}"), "")
    };
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("a signal came: the pass under way is finished, then the agent stops");
        stop.cancel();
    });
    Ok(())
}

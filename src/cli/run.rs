//! `run`: the daemon.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Ending, Failure, args, context, output::Output};
use crate::{
    app::{AppError, ticked::Ticked},
    boot::Parts,
    daemon::{beat::BeatFile, hold, run::Ended, stop::Ending as EndingSwitch},
    ports::{Clock, MetaRead, SystemClock},
};

/// How long the daemon waits for Meta at its start before it looks again, in milliseconds.
const RETRY_MS: i64 = 30_000;

/// Runs it until SIGTERM or SIGINT.
pub async fn run(args: &args::Args, out: &Output) -> super::Ended {
    let context = context::open(args)?;
    let (mut parts, _) = context.agent().await?;
    let dir = parts.store.dir().to_owned();
    hold::note_start(&dir, SystemClock.now()).map_err(|e| cannot_note(&dir, &e))?;
    let stop = CancellationToken::new();
    listen(stop.clone())?;
    parts.switch = parts.switch.also(Arc::new(EndingSwitch(stop.clone())));
    parts = parts.armed(&context.account);
    tell_mode(&parts, &context);
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
    while parts.agent(&account.zone).run(&stop, tell).await? == Ended::Rearm {
        parts = parts.armed(&context.account);
        tell_mode(&parts, &context);
    }
    // A clean end: the next start is no sign of trouble.
    BeatFile::of(&dir).remove();
    hold::Starts::of(&dir).forget().map_err(|e| cannot_note(&dir, &e))?;
    tracing::info!("stopped cleanly");
    out.say("stopped");
    Ok(Ending::Done)
}

fn cannot_note(dir: &std::path::Path, e: &std::io::Error) -> Failure {
    let what = format!("cannot write in {}: {e}", dir.display());
    Failure::new(Ending::CannotWrite, what, "the state directory must be writable for this user")
}

/// Says in which mode it runs, loudly when it is held back.
fn tell_mode(parts: &Parts, context: &context::Context) {
    let (mode, why) = parts.account.policy.effective_mode();
    let why = why.map_or_else(String::new, |w| format!(" ({w})"));
    tracing::info!(account = %context.account.id, dir = %context.dir.display(), "rungwise runs in mode {mode}{why}");
    if let Some(why) = parts.switch.held() {
        tracing::error!(
            "HELD IN OBSERVE: {why}; nothing is written until a person says `rungwise start --reason …`"
        );
    }
}

fn tell(job: &str, done: &Result<Ticked, AppError>) {
    match done {
        Ok(done) => {
            for filed in &done.decisions {
                let (line, state) = (&filed.climb.line, filed.climb.state.as_str());
                tracing::info!(%line, state, "{}", filed.decision.conclusion);
            }
        }
        Err(e) => {
            tracing::error!(job, "a pass failed: {e}; it is tried again at its next slot");
        }
    }
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

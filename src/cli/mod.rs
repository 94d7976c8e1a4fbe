//! One file per command; stdout is data, stderr is talk.
//!
//! A command parses, calls a use case, and prints a view. It decides nothing and computes nothing.

pub mod advise;
pub mod apply;
pub mod approve;
pub mod args;
pub mod audit;
pub mod audit_events;
pub mod backtest;
pub mod calibration;
pub mod climb;
pub mod compare;
pub mod config;
pub mod context;
pub mod db;
pub mod demo;
pub mod doctor;
pub mod drift;
pub mod exit_code;
pub mod explain;
pub mod failure;
pub mod files;
pub mod forecast;
pub mod health;
pub mod init;
pub mod login;
pub mod output;
pub mod plan;
pub mod rehearse;
pub mod replay;
pub mod run;
pub mod sandbox;
pub mod show;
pub mod simulate;
pub mod status;
pub mod stop;
pub mod sync;
pub mod tick;

use clap::Parser;

pub use args::{Args, Command};
pub use exit_code::Ending;
pub use failure::Failure;

/// What a piece of output ends in.
pub type Said = Result<(), Failure>;
/// What a command ends in.
pub type Ended = Result<Ending, Failure>;

/// Parses the command line and runs the command; returns how it ended. Errors have been printed.
pub async fn main(arguments: Vec<std::ffi::OsString>) -> Ending {
    crate::boot::keep_to_ourselves();
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(e) => {
            // Help and version are data, a wrong command line is an error.
            let wrong = e.use_stderr();
            let _ = e.print();
            return if wrong { Ending::Usage } else { Ending::Done };
        }
    };
    let out = output::Output { json: args.json };
    match dispatch(&args, &out).await {
        Ok(ending) => ending,
        Err(failure) => {
            out.say(&format!("error: {}", failure.what));
            if let Some(hint) = &failure.hint {
                out.say(&format!("hint: {hint}"));
            }
            failure.ending
        }
    }
}

async fn dispatch(args: &Args, out: &output::Output) -> Ended {
    match &args.command {
        Command::Demo(demo) => demo::run(args, demo, out).await,
        Command::Init(init) => init::run(args, init, out),
        Command::Login(login) => login::run(args, login, out).await,
        Command::Doctor => doctor::run(args, out).await,
        Command::Sync(sync) => sync::run(args, sync, out).await,
        Command::Status(status) => status::run(args, status, out).await,
        Command::Forecast => forecast::run(args, out).await,
        Command::AuditEvents => audit_events::run(args, out).await,
        Command::Backtest(backtest) => backtest::run(args, backtest, out).await,
        Command::Calibration => calibration::run(args, out).await,
        Command::Drift => drift::run(args, out).await,
        Command::Plan(plan) => plan::run(args, plan, out).await,
        Command::Show(show) => show::run(args, show, out).await,
        Command::Approve(approve) => approve::run(args, approve, true, out).await,
        Command::Reject(reject) => approve::run(args, reject, false, out).await,
        Command::Apply => apply::run(args, out).await,
        Command::Run => Box::pin(run::run(args, out)).await,
        Command::Tick(tick) => tick::run(args, tick, out).await,
        Command::Climb(climb) => climb::run(args, climb, out).await,
        Command::Stop(stop) => stop::stop(args, stop, out).await,
        Command::Start(start) => stop::start(args, start, out).await,
        Command::Lift(lift) => stop::lift(args, lift, out).await,
        Command::Explain(explain) => explain::run(args, explain, out).await,
        Command::Rehearse(rehearse) => rehearse::run(rehearse, out),
        Command::Replay(replay) => replay::run(args, replay, out).await,
        Command::Audit(audit) => audit::run(args, audit, out).await,
        Command::Simulate(simulate) => {
            let mut simulate = simulate.clone();
            simulate.json = out.json;
            let mut text = Vec::new();
            simulate::run(&simulate, &mut text, &mut std::io::stderr()).map_err(Failure::from)?;
            out.write(&text).map(|()| Ending::Done)
        }
        Command::Sandbox(sandbox) => sandbox::run(args, sandbox, out).await,
        Command::Config(which) => context::config(args, which, out),
        Command::Compare(compare) => {
            let mut text = Vec::new();
            let mut compare = compare.clone();
            compare.json = out.json;
            compare::run(&compare, &mut text).map_err(Failure::from)?;
            out.write(&text).map(|()| Ending::Done)
        }
        Command::Advise(advise) => {
            let mut text = Vec::new();
            let mut advise = advise.clone();
            advise.json = out.json;
            advise::run(&advise, &mut text).map_err(Failure::from)?;
            out.write(&text).map(|()| Ending::Done)
        }
        Command::Health => health::run(args, out).await,
        Command::Db(db) => db::run(args, db, out).await,
        Command::Completions { shell } => context::completions(*shell, out),
    }
}

//! `rehearse`: the guarantees under faults, on this build.

use std::path::Path;

use serde_json::{Value, json};

use super::{Ended, Ending, Failure, Said, args, output::Output};
use crate::{
    boot::seal::{self, Seal},
    rehearse::{
        Coverage, RehearsalError, Violation, coverage,
        crashes::{self, CrashPlan},
        weeks,
    },
};

impl From<RehearsalError> for Failure {
    fn from(e: RehearsalError) -> Self {
        match e {
            RehearsalError::App(e) => e.into(),
            RehearsalError::Boot(e) => e.into(),
            other => Self::new(
                Ending::Failed,
                other.to_string(),
                "the rehearsal itself failed; try another --seed, or a TMPDIR with space",
            ),
        }
    }
}

/// Weeks between two lines about how far it is.
const SAID_EVERY: u32 = 100;

/// Runs it. The seed is said first, the result is the last line.
pub fn run(args: &args::Rehearse, out: &Output) -> Ended {
    out.line(&format!("seed {}", args.seed))?;
    let (summary, violations) = match &args.seal {
        Some(file) => seal(args, file, out)?,
        None if args.crash_points => crash_points(args, out)?,
        None => live_weeks(args, out)?,
    };
    for violation in &violations {
        tell(violation, out)?;
    }
    out.compact(&summary)?;
    Ok(if violations.is_empty() { Ending::Done } else { Ending::Failed })
}

/// Climbs whose crash points belong to a seal: promoted and aborted ones, additive and split.
const SEALED_CLIMBS: u64 = 4;
/// Pairs asked of each: a first death at the very end of a climb has no second, so a few more than needed.
const SEALED_PAIRS: u64 = 5_500;

/// Everything a seal needs, in order, until something is found.
fn seal(
    args: &args::Rehearse,
    file: &Path,
    out: &Output,
) -> Result<(Value, Vec<Violation>), Failure> {
    if seal::SOURCE == seal::UNNAMED {
        let hint = "build the release: cargo run --release -- rehearse --seal rehearsed.toml";
        return Err(Failure::new(Ending::Usage, "only a release build can be sealed", hint));
    }
    let of = |weeks, pairs, seed| args::Rehearse {
        weeks,
        crash_points: pairs > 0,
        pairs,
        every: 1,
        whole: args.whole,
        seed,
        seal: None,
    };
    let (lived, mut found) = live_weeks(&of(seal::LEAST.weeks, 0, args.seed), out)?;
    let mut sealed = Seal { weeks: seal::LEAST.weeks, ..seal::LEAST };
    (sealed.points, sealed.pairs) = (0, 0);
    seal::SOURCE.clone_into(&mut sealed.source);
    for seed in args.seed..args.seed.saturating_add(SEALED_CLIMBS) {
        if found.is_empty() {
            let (died, violations) = crash_points(&of(1, SEALED_PAIRS, seed), out)?;
            let count = |name: &str| died[name].as_u64().unwrap_or(0);
            sealed.points = sealed.points.saturating_add(count("points"));
            sealed.pairs = sealed.pairs.saturating_add(count("pairs"));
            found = violations;
        }
    }
    if found.is_empty() {
        sealed.write(file).map_err(|e| {
            let what = format!("cannot write {}: {e}", file.display());
            Failure::new(Ending::Failed, what, "check the path")
        })?;
    }
    let (points, pairs) = (sealed.points, sealed.pairs);
    let summary = json!({
        "source": sealed.source,
        "weeks": lived,
        "points": points,
        "pairs": pairs,
        "violations": found.len(),
        "sealed": found.is_empty() && sealed.suffices(),
    });
    Ok((summary, found))
}

fn tell(violation: &Violation, out: &Output) -> Said {
    out.line(&format!(
        "VIOLATION {}: {} (seed {})",
        violation.invariant, violation.what, violation.seed
    ))?;
    for step in &violation.story {
        out.line(&format!("    {step}"))?;
    }
    Ok(())
}

fn live_weeks(args: &args::Rehearse, out: &Output) -> Result<(Value, Vec<Violation>), Failure> {
    let (mut said, mut told) = (0, 0);
    let report = weeks::weeks(args.weeks, args.seed, |weeks, violations| {
        // At once, not only when the whole run is over.
        for violation in violations.iter().skip(told) {
            let (name, seed, what) = (violation.invariant, violation.seed, &violation.what);
            out.say(&format!("VIOLATION {name} (seed {seed}): {what}"));
        }
        told = violations.len();
        if weeks < args.weeks && weeks.saturating_sub(said) < SAID_EVERY {
            return;
        }
        said = weeks;
        out.say(&format!("{weeks} of {} weeks, {} violations", args.weeks, violations.len()));
    })?;
    if !out.json {
        table(&report.coverage, out)?;
    }
    let (stood, gates) = report.coverage.waits();
    let summary = json!({
        "weeks": report.weeks,
        "violations": report.violations.len(),
        "empty_cells": report.coverage.empty_cells(),
        "cells_under_50": report.coverage.thin_cells(50),
        "seconds": (report.seconds * 10.0).round() / 10.0,
        "passes": report.passes,
        "writes": report.writes,
        "repeated_stories": report.repeated,
        "stood": stood,
        "gates": gates,
        "faults": report.coverage.by_kind(),
    });
    Ok((summary, report.violations))
}

/// Steps down, faults across; impossible cells with their reason below.
fn table(coverage: &Coverage, out: &Output) -> Said {
    let mut reasons: Vec<String> = Vec::new();
    for (step, fault, hits) in coverage.table() {
        if let Some(hits) = hits {
            out.line(&format!("{step:<16} {fault:<22} {hits}"))?;
        } else {
            let why = coverage::impossible(step, fault).unwrap_or("impossible");
            reasons.push(format!("{step:<16} {fault:<22} impossible: {why}"));
        }
    }
    for reason in reasons {
        out.line(&reason)?;
    }
    for (step, times) in coverage.steps() {
        out.line(&format!("{step:<16} taken {times} times"))?;
    }
    Ok(())
}

fn crash_points(args: &args::Rehearse, out: &Output) -> Result<(Value, Vec<Violation>), Failure> {
    let plan =
        CrashPlan { seed: args.seed, every: args.every, pairs: args.pairs, whole: args.whole };
    let report = crashes::crashes(plan, |points, pairs| {
        if points.saturating_add(pairs).is_multiple_of(100) {
            out.say(&format!("{points} points, {pairs} pairs"));
        }
    })?;
    let summary = json!({
        "passes": report.passes,
        "calls": report.calls,
        "commits": report.commits,
        "points": report.points,
        "pairs": report.pairs,
        "rejoined": report.rejoined,
        "violations": report.violations.len(),
        "seconds": (report.seconds * 10.0).round() / 10.0,
    });
    Ok((summary, report.violations))
}

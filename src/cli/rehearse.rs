//! `rehearse`: the guarantees under faults, on this build.

use serde_json::{Value, json};

use super::{Ended, Ending, Failure, Said, args, output::Output};
use crate::rehearse::{
    Coverage, RehearsalError, Violation, coverage,
    crashes::{self, CrashPlan},
    weeks,
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
    let (summary, violations) =
        if args.crash_points { crash_points(args, out)? } else { live_weeks(args, out)? };
    for violation in &violations {
        tell(violation, out)?;
    }
    out.compact(&summary)?;
    Ok(if violations.is_empty() { Ending::Done } else { Ending::Failed })
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

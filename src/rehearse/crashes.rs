//! The crash enumerator: one climb from its first plan to its end, with a death at every call and every commit of it.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{
    RehearsalError, Violation, checks,
    stage::{Passed, Setting, Stage},
    tripwire::{Point, Side, Tripwire},
};
use crate::{
    app::{commands, lines::climb_of},
    domain::{
        HOUR_MS,
        climb::{Climb, Command, State},
        policy::Mode,
    },
    ports::Store,
};

/// Passes a climb may take before it counts as not ending.
const MAX_PASSES: u32 = 60;

/// What the enumeration came to.
#[derive(Debug, Default)]
pub struct CrashReport {
    /// Calls and commits of the reference climb.
    pub events: u64,
    /// Points died at: two sides of each event.
    pub points: u64,
    /// Pairs of points died at.
    pub pairs: u64,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
    /// Seconds it took.
    pub seconds: f64,
}

/// What to try.
#[derive(Debug, Clone, Copy)]
pub struct CrashPlan {
    /// Seed of world and sampling.
    pub seed: u64,
    /// Every how many events one is died at, on both sides; 1 = all of them.
    pub every: u64,
    /// Pairs sampled.
    pub pairs: u64,
}

/// Dies everywhere.
pub async fn crashes(
    plan: CrashPlan,
    mut after: impl FnMut(u64, u64),
) -> Result<CrashReport, RehearsalError> {
    let begun = Instant::now();
    let mut report = CrashReport::default();
    let reference = climb(plan.seed, &[]).await?;
    if !reference.ended {
        return Err(RehearsalError::NoReference { seed: plan.seed, why: reference.stands });
    }
    report.events = reference.events;
    report.violations.extend(reference.violations);
    let mut rng = Pcg64Mcg::seed_from_u64(plan.seed ^ 0xc4a5_11e5);
    let every = usize::try_from(plan.every.max(1)).unwrap_or(1);
    let sides = [Side::Before, Side::After];
    let events = (1..=reference.events).step_by(every);
    let singles: Vec<Point> = events.flat_map(|n| sides.map(|side| (n, side))).collect();
    for point in singles {
        report.points = report.points.saturating_add(1);
        attempt(plan.seed, &[point], &mut report).await?;
        after(report.points, report.pairs);
    }
    for _ in 0..plan.pairs {
        let mut draw = || {
            let side = sides[usize::from(rng.random::<bool>())];
            (rng.random_range(1..=reference.events), side)
        };
        let (first, second) = (draw(), draw());
        report.pairs = report.pairs.saturating_add(1);
        attempt(plan.seed, &[first, second], &mut report).await?;
        after(report.points, report.pairs);
    }
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

/// Dies at exactly these points, one per life, and tells what was found: for a point that a longer run has named.
pub async fn at_points(seed: u64, points: &[Point]) -> Result<CrashReport, RehearsalError> {
    let mut report = CrashReport::default();
    attempt(seed, points, &mut report).await?;
    report.points = u64::try_from(points.len()).unwrap_or(u64::MAX);
    Ok(report)
}

async fn attempt(
    seed: u64,
    points: &[Point],
    report: &mut CrashReport,
) -> Result<(), RehearsalError> {
    let run = climb(seed, points).await?;
    report.violations.extend(run.violations);
    if !run.ended {
        report.violations.push(Violation {
            invariant: "a_climb_ends_in_spite_of_crashes",
            what: run.stands,
            seed,
            story: points.iter().map(|p| format!("{p:?}")).collect(),
        });
    }
    Ok(())
}

struct Run {
    events: u64,
    ended: bool,
    stands: String,
    violations: Vec<Violation>,
}

/// One climb: built, turned on, ended by a person's word, put away. Odd seeds promote, even ones abort.
async fn climb(seed: u64, points: &[Point]) -> Result<Run, RehearsalError> {
    let setting = Setting::plain(seed, Mode::Autonomous, "prove_it_first");
    let mut stage = Stage::set(setting, Tripwire::at(points)).await?;
    let word = if seed % 2 == 1 { Command::Promote } else { Command::Abort };
    let (mut ended, mut stands) = (false, String::new());
    let mut events = 0_u64;
    for _ in 0..MAX_PASSES {
        let died = matches!(stage.pass(true).await, Passed::Died);
        if died || stage.border.trip.is_dead() {
            stage.restart().await?;
        }
        checks::after_pass(&mut stage).await?;
        events = stage.border.trip.count();
        let (first, told) = first_climb(&stage).await?;
        let Some(first) = first else { continue };
        stands = format!("{} is {:?}, waiting for {:?}", first.id, first.state, first.pending);
        let waits = match &first.state {
            State::Warming { .. } | State::Comparing { .. } | State::Probation { .. } if !told => {
                command(&stage, &first, word).await?;
                0
            }
            closed if !closed.is_open() => {
                ended = true;
                break;
            }
            State::Cloning { .. } if first.pending.is_none() => 2 * HOUR_MS,
            State::Shifting { .. } | State::Judged { .. } => 6 * HOUR_MS,
            _ => HOUR_MS / 3,
        };
        stage.border.world.advance_to(stage.now().plus(waits));
    }
    stage.border.trip.disarm();
    if ended {
        // What the last pass left half done is finished by the next ones.
        for _ in 0..3 {
            stage.border.world.advance_to(stage.now().plus(HOUR_MS / 2));
            stage.pass(false).await;
        }
        checks::after_pass(&mut stage).await?;
        checks::after_quiet(&mut stage).await?;
        checks::history(&mut stage).await?;
    }
    let (mut violations, ..) = stage.close();
    for violation in &mut violations {
        violation.story.insert(0, format!("points {points:?}"));
    }
    Ok(Run { events, ended, stands, violations })
}

/// The climb the line began with, and whether it was given its command.
async fn first_climb(stage: &Stage) -> Result<(Option<Climb>, bool), RehearsalError> {
    let store = &stage.parts().store;
    let rows = store.climbs(false).await?;
    let first = rows.last().map(climb_of).transpose()?;
    let told = !store.commands().await?.is_empty();
    Ok((first, told))
}

async fn command(stage: &Stage, climb: &Climb, word: Command) -> Result<(), RehearsalError> {
    let store = &stage.parts().store;
    let given = commands::command(store, stage.now(), &climb.id, word, "rehearsal", "").await;
    match given {
        // The command was given while the process died: it is given again after the restart.
        Err(e) if !stage.border.trip.is_dead() => Err(e.into()),
        _ => Ok(()),
    }
}

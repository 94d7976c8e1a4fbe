//! The crash enumerator: one climb from its first plan to its end, with a death at every call and every commit of it.
//!
//! The reference climb is lived once. Before each of its passes the stage is frozen, so that a death in that pass is
//! rehearsed from there: the copy dies at the point, is started again and lives on to the climb's end.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tokio::runtime::Runtime;

use super::{
    RehearsalError, Violation, checks,
    cores::on_cores,
    stage::{Frozen, PERSON, Passed, Setting, Stage},
    tripwire::{Event, Point, Side, Tripwire},
};
use crate::{
    app::commands,
    domain::{
        HOUR_MS,
        climb::{Climb, Command, State},
        policy::{BudgetMode, Mode},
    },
    sandbox::{AdSetSpec, CampaignSpec, Scenario},
};

/// Passes a climb may take before it counts as not ending.
const MAX_PASSES: u32 = 90;
/// Violations after which an enumeration stops.
const ENOUGH: usize = 20;
/// Milliseconds from a death to the next life, and between a person's word and the next pass.
const START_MS: i64 = 1_000;
/// One death in so many of a pair is followed by a year without any agent; of single points every one is.
const YEARS_OF_PAIRS: u64 = 10;

/// What the enumeration came to.
#[derive(Debug, Default)]
pub struct CrashReport {
    /// Calls of the reference climb.
    pub calls: u64,
    /// Commits of the reference climb.
    pub commits: u64,
    /// Points died at: four sides of each call, two of each commit.
    pub points: u64,
    /// Pairs of points died at: the second in what follows the first.
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
    /// Every how many points one is died at; 1 = all of them.
    pub every: u64,
    /// Pairs sampled.
    pub pairs: u64,
}

/// Where a death is rehearsed: the pass it falls into, and the points.
#[derive(Debug, Clone)]
struct Attempt {
    pass: usize,
    points: Vec<Point>,
    year: bool,
}

/// Dies everywhere, on all cores.
pub fn crashes(
    plan: CrashPlan,
    mut after: impl FnMut(u64, u64),
) -> Result<CrashReport, RehearsalError> {
    let begun = Instant::now();
    let mut report = CrashReport::default();
    let mut reference = None;
    on_cores(
        1,
        |runtime, _| runtime.block_on(Reference::live(plan.seed)),
        |_, ended| {
            reference = Some(ended);
            true
        },
    );
    let reference = match reference {
        Some(Ok(lived)) => lived?,
        Some(Err(why)) => return Err(RehearsalError::NoReference { seed: plan.seed, why }),
        None => return Ok(report),
    };
    let events = || reference.passes.iter().flat_map(|(_, events)| events);
    let count = |wanted: Event| events().filter(|e| **e == wanted).count();
    (report.calls, report.commits) = (number(count(Event::Call)), number(count(Event::Commit)));
    report.violations.extend(reference.violations.iter().cloned());
    let singles = reference.singles();
    let every = usize::try_from(plan.every.max(1)).unwrap_or(1);
    let attempts: Vec<Attempt> = singles
        .iter()
        .step_by(every)
        .map(|(pass, point)| Attempt { pass: *pass, points: vec![*point], year: true })
        .collect();
    reference.attempt(&attempts, &mut report, |report, _| {
        report.points += 1;
        after(report.points, report.pairs);
    });
    let mut rng = Pcg64Mcg::seed_from_u64(plan.seed ^ 0xc4a5_11e5);
    let mut left = plan.pairs;
    while left > 0 && report.violations.len() < ENOUGH && !singles.is_empty() {
        let attempts: Vec<Attempt> = (0..left)
            .map(|n| {
                let (pass, first) = singles[rng.random_range(0..singles.len())];
                let ahead = number(reference.passes[pass..].iter().map(|(_, e)| e.len()).sum());
                // Most second deaths fall into the recovery itself, some later.
                let most = if rng.random_ratio(3, 4) { ahead.min(40) } else { ahead };
                let second = Side::OF_CALL[rng.random_range(0..4)];
                let points = vec![first, (rng.random_range(1..=most.max(1)), second)];
                Attempt { pass, points, year: n.is_multiple_of(YEARS_OF_PAIRS) }
            })
            .collect();
        let before = report.pairs;
        reference.attempt(&attempts, &mut report, |report, met| {
            report.pairs += u64::from(met);
            after(report.points, report.pairs);
        });
        // A second point that lay beyond the end of the climb was no pair.
        let met = report.pairs - before;
        if met == 0 {
            break;
        }
        left = left.saturating_sub(met);
    }
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

/// Dies at exactly these points of one pass, one per life, and tells what was found: for what a longer run has named.
pub fn at_points(seed: u64, pass: usize, points: &[Point]) -> Result<CrashReport, RehearsalError> {
    let mut report = CrashReport::default();
    let mut reference = None;
    on_cores(
        1,
        |runtime, _| runtime.block_on(Reference::live(seed)),
        |_, ended| {
            reference = Some(ended);
            true
        },
    );
    let Some(Ok(lived)) = reference else { return Ok(report) };
    let attempt = Attempt { pass, points: points.to_vec(), year: true };
    lived?.attempt(&[attempt], &mut report, |report, _| report.points += 1);
    Ok(report)
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The climb without any trouble, frozen before each of its passes.
struct Reference {
    seed: u64,
    passes: Vec<(Frozen, Vec<Event>)>,
    violations: Vec<Violation>,
}

/// One campaign, two ad sets, four ads.
fn scenario() -> Scenario {
    let adset = |name: &str| AdSetSpec {
        name: name.to_owned(),
        level: 4,
        daily_budget: Some(4_000),
        ads: 2,
    };
    let campaigns = vec![CampaignSpec {
        name: "Shop | Purchase".to_owned(),
        objective: "OUTCOME_SALES",
        daily_budget: None,
        adsets: vec![adset("Broad"), adset("Lookalike 1 %")],
    }];
    Scenario { campaigns, ..Scenario::stuck_at_purchase() }
}

/// Odd seeds promote, even ones abort; two in four split the budget, so that it moves in steps.
fn word_of(seed: u64) -> Command {
    if seed % 2 == 1 { Command::Promote } else { Command::Abort }
}

impl Reference {
    async fn live(seed: u64) -> Result<Self, RehearsalError> {
        let mut setting = Setting::plain(seed, Mode::Autonomous, "prove_it_first");
        setting.scenario = scenario();
        if matches!(seed % 4, 0 | 1) {
            setting.budget = BudgetMode::Split;
        }
        let mut stage = Stage::set(setting, Tripwire::default()).await?;
        let mut passes = Vec::new();
        let mut ended = false;
        for _ in 0..MAX_PASSES {
            let frozen = stage.freeze()?;
            // Each pass is a life of its own here, so that it is the same in every copy.
            stage = frozen.thaw(Tripwire::default()).await?;
            ended = step(&mut stage, word_of(seed), false).await?;
            passes.push((frozen, stage.border.trip.events()));
            if ended {
                break;
            }
        }
        let stands = stands(&stage);
        let (violations, ..) = stage.close();
        if !ended {
            return Err(RehearsalError::NoReference { seed, why: stands });
        }
        Ok(Self { seed, passes, violations })
    }

    /// Every side of every event.
    fn singles(&self) -> Vec<(usize, Point)> {
        let mut all = Vec::new();
        for (pass, (_, events)) in self.passes.iter().enumerate() {
            for (n, event) in events.iter().enumerate() {
                let at = number(n).saturating_add(1);
                all.extend(event.sides().iter().map(|side| (pass, (at, *side))));
            }
        }
        all
    }

    /// Lives each attempt from its pass to the end of the climb.
    fn attempt(
        &self,
        attempts: &[Attempt],
        report: &mut CrashReport,
        mut done: impl FnMut(&mut CrashReport, bool),
    ) {
        let job = |runtime: &Runtime, n: u64| {
            let attempt = &attempts[usize::try_from(n).unwrap_or(0)];
            let run = runtime.block_on(self.die_at(attempt))?;
            if run.violations.is_empty() || attempt.points.len() < 2 {
                return Ok(run);
            }
            // The shortest story: does the first death alone break it?
            let alone = Attempt { points: vec![attempt.points[0]], ..attempt.clone() };
            let single = runtime.block_on(self.die_at(&alone))?;
            let shorter = !single.violations.is_empty();
            Ok::<_, RehearsalError>(if shorter { Run { met: run.met, ..single } } else { run })
        };
        on_cores(number(attempts.len()), job, |n, ended| {
            let attempt = &attempts[usize::try_from(n).unwrap_or(0)];
            let broken = |invariant, what| Violation {
                invariant,
                what,
                seed: self.seed,
                story: vec![format!("pass {} points {:?}", attempt.pass, attempt.points)],
            };
            let met = match ended {
                Ok(Ok(run)) => {
                    report.violations.extend(run.violations);
                    run.met
                }
                Ok(Err(e)) => {
                    let found = broken("a_climb_ends_in_spite_of_crashes", e.to_string());
                    report.violations.push(found);
                    true
                }
                Err(words) => {
                    report.violations.push(broken("nothing_panics", words));
                    true
                }
            };
            done(report, met);
            report.violations.len() < ENOUGH
        });
    }

    async fn die_at(&self, attempt: &Attempt) -> Result<Run, RehearsalError> {
        let (frozen, _) = &self.passes[attempt.pass];
        let mut stage = frozen.thaw(Tripwire::at(&attempt.points)).await?;
        let mut ended = false;
        for _ in 0..MAX_PASSES {
            ended = step(&mut stage, word_of(self.seed), attempt.year).await?;
            if ended || !stage.border.witness().is_content() {
                break;
            }
        }
        let met = stage.border.trip.is_spent();
        stage.border.trip.disarm();
        if ended {
            // What the last pass left half done is finished by the next ones.
            for _ in 0..2 {
                stage.border.world.advance_to(stage.now().plus(HOUR_MS / 2));
                stage.pass(false).await;
            }
            checks::after_pass(&mut stage).await?;
            checks::after_quiet(&stage);
            checks::history(&mut stage).await?;
        } else if stage.border.witness().is_content() {
            let stands = stands(&stage);
            stage.border.witness().accuse("a_climb_ends_in_spite_of_crashes", stands);
        }
        let (mut violations, ..) = stage.close();
        for violation in &mut violations {
            let at = format!("pass {} points {:?}", attempt.pass, attempt.points);
            violation.story.insert(0, at);
        }
        Ok(Run { met, violations })
    }
}

struct Run {
    /// Every point was met.
    met: bool,
    violations: Vec<Violation>,
}

/// The climb the line began with.
fn first_climb(stage: &Stage) -> Option<Climb> {
    let witness = stage.border.witness();
    witness.books.climbs.values().min_by_key(|c| (c.opened, c.id.clone())).cloned()
}

fn stands(stage: &Stage) -> String {
    let Some(c) = first_climb(stage) else { return "no climb was opened".to_owned() };
    let witness = stage.border.witness();
    let last = witness.books.plans.values().max_by_key(|p| (p.plan.created, p.outcome.is_some()));
    let last = last.map(|p| format!("{} {:?}: {}", p.plan.kind.as_str(), p.outcome, p.why));
    let (id, waits) = (&c.id, c.pending.as_ref().map(|p| p.plan.plan_id()));
    let held = c.held.as_deref().unwrap_or("nobody");
    format!("{id} is {:?}, waits for {waits:?}, held by {held}; last plan: {last:?}", c.state)
}

/// One pass with its restart and checks, the person's word when it is time, and the wait until the next pass. True when
/// the climb has ended.
async fn step(stage: &mut Stage, word: Command, year: bool) -> Result<bool, RehearsalError> {
    let passed = stage.pass(true).await;
    if matches!(passed, Passed::Died) || stage.border.trip.is_dead() {
        if year {
            checks::dead_year(stage);
        }
        stage.restart().await?;
        // A process takes a while to start.
        stage.border.world.advance_to(stage.now().plus(START_MS));
    } else if let Passed::Failed(e) = &passed
        && !stage.is_excused(e)
    {
        stage.border.witness().accuse("a_pass_fails_for_a_reason", e.to_string());
    }
    checks::after_pass(stage).await?;
    // Where a guard rail took autonomy back or opened the breaker, a person looks, lifts it and says yes.
    if !stage.border.trip.is_dead() && !matches!(passed, Passed::Done) {
        stage.lift().await?;
    }
    if !stage.border.trip.is_dead() {
        for plan in stage.unanswered().await? {
            stage.answer(&plan, true).await;
        }
    }
    let Some(first) = first_climb(stage) else {
        stage.border.world.advance_to(stage.now().plus(HOUR_MS / 3));
        return Ok(false);
    };
    let told = stage.border.witness().books.commands.contains_key(first.id.as_str());
    let waits = match &first.state {
        State::Warming { .. } | State::Comparing { .. } | State::Probation { .. } if !told => {
            command(stage, &first, word).await?;
            START_MS
        }
        closed if !closed.is_open() => return Ok(true),
        State::Cloning { .. } if first.pending.is_none() => 2 * HOUR_MS,
        State::Cloning { .. } => 6 * HOUR_MS,
        State::Shifting { .. } | State::Judged { .. } => until_due(stage),
        _ => HOUR_MS / 3,
    };
    stage.border.world.advance_to(stage.now().plus(waits));
    Ok(false)
}

/// Milliseconds until the next step of an open plan is due, and a little more; the agent passes every few hours anyway.
fn until_due(stage: &Stage) -> i64 {
    let (now, witness) = (stage.now(), stage.border.witness());
    let open = witness.books.plans.values().filter(|p| p.outcome.is_none());
    let due = open.flat_map(|p| &p.plan.actions).filter_map(|a| a.not_before);
    let next = due.filter(|at| *at > now).min();
    next.map_or(6 * HOUR_MS, |at| at.since(now).saturating_add(HOUR_MS / 4))
}

async fn command(stage: &Stage, climb: &Climb, word: Command) -> Result<(), RehearsalError> {
    let store = &stage.parts().store;
    let given = commands::command(store, stage.now(), &climb.id, word, PERSON, "").await;
    match given {
        // The command was given while the process died: it is given again after the restart.
        Err(e) if !stage.border.trip.is_dead() => Err(e.into()),
        _ => Ok(()),
    }
}

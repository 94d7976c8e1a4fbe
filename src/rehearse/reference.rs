//! One climb from its first plan to its end, lived pass by pass: without any trouble, and from any rest with a death.

use super::{
    RehearsalError, Violation, checks,
    rejoin::Face,
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
const MAX_PASSES: usize = 240;
/// Milliseconds from a death to the next life, and between a person's word and the next pass.
const START_MS: i64 = 1_000;
/// Rests of a life from which it can be gone on again: what comes later has little to do with the death.
const KEPT_RESTS: usize = 8;

/// What comes after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The agent's pass, then the people.
    Pass,
    /// The people: the agent has just been started again after a death.
    People,
    /// Nothing: the climb has ended.
    Nothing,
}

/// A life between two steps of it.
#[derive(Debug)]
pub(super) struct Rest {
    next: Next,
    face: Face,
    /// To be gone on from any number of times; where nobody will, only the face is kept.
    frozen: Option<Frozen>,
    /// Calls and commits until the next rest.
    pub(super) events: Vec<Event>,
}

impl Rest {
    fn of(stage: &Stage, next: Next, freezes: bool) -> Result<Self, RehearsalError> {
        let world = stage.border.world.inventory();
        let face = Face::of(stage.now(), world, &stage.border.witness());
        let frozen = if freezes { Some(stage.freeze()?) } else { None };
        Ok(Self { next, face, frozen, events: Vec::new() })
    }

    /// Every side of every event until the next rest; none where nobody can go on from.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        let events = self.events.iter().filter(|_| self.frozen.is_some()).enumerate();
        events.flat_map(|(n, event)| {
            let at = u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1);
            event.sides().iter().map(move |side: &Side| (at, *side))
        })
    }
}

/// How a life is lived.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// After each death a copy of the world goes on for a year without any agent.
    pub(super) year: bool,
    /// To the end of the climb, even where it stands again where another life stood.
    pub(super) whole: bool,
    /// Its rests are kept, for second deaths.
    pub(super) keeps: bool,
}

/// A life that was lived.
#[derive(Debug)]
pub(super) struct Life {
    /// Every point was met.
    pub(super) met: bool,
    /// It came to stand where another life stood, and was not gone on with.
    pub(super) rejoined: bool,
    pub(super) violations: Vec<Violation>,
    pub(super) rests: Vec<Rest>,
}

/// The climb without any trouble, at rest before each of its passes.
#[derive(Debug)]
pub(super) struct Reference {
    seed: u64,
    pub(super) rests: Vec<Rest>,
    pub(super) violations: Vec<Violation>,
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
    pub(super) async fn live(seed: u64) -> Result<Self, RehearsalError> {
        let mut setting = Setting::plain(seed, Mode::Autonomous, "prove_it_first");
        setting.scenario = scenario();
        if matches!(seed % 4, 0 | 1) {
            setting.budget = BudgetMode::Split;
        }
        let mut stage = Stage::set(setting, Tripwire::default()).await?;
        let mut rests: Vec<Rest> = Vec::new();
        for _ in 0..MAX_PASSES {
            let mut rest = Rest::of(&stage, Next::Pass, true)?;
            // Each pass is a life of its own here, so that it is the same in every copy.
            stage = go_on(&rest, Tripwire::default()).await?;
            let calm = pass(&mut stage, false).await?;
            let ended = people(&mut stage, word_of(seed), calm).await?;
            rest.events = stage.border.trip.events();
            rests.push(rest);
            if ended {
                rests.push(Rest::of(&stage, Next::Nothing, false)?);
                let (violations, ..) = stage.close();
                return Ok(Self { seed, rests, violations });
            }
        }
        Err(RehearsalError::NoReference { seed, why: stands(&stage) })
    }

    /// Goes on from a rest and dies at these points, one per life, each counted from where that life began; then lives
    /// until it stands where one of `others` or the reference stood, or to the end of the climb.
    pub(super) async fn go_on(
        &self,
        from: &Rest,
        points: &[Point],
        others: &[Rest],
        manner: Manner,
    ) -> Result<Life, RehearsalError> {
        let mut stage = go_on(from, Tripwire::at(points)).await?;
        let (mut next, mut rests): (Next, Vec<Rest>) = (from.next, Vec::new());
        let (mut met, mut ended, mut rejoined) = (false, false, false);
        for _ in 0..MAX_PASSES {
            let calm = match next {
                Next::Pass => pass(&mut stage, manner.year).await?,
                Next::People | Next::Nothing => Calm::Died,
            };
            if manner.keeps && next == Next::Pass && calm == Calm::Died {
                met |= stage.border.trip.is_spent();
                if met {
                    stage = Box::pin(keep(&mut rests, stage, Next::People)).await?;
                }
            }
            ended = people(&mut stage, word_of(self.seed), calm).await?;
            next = if ended { Next::Nothing } else { Next::Pass };
            met |= stage.border.trip.is_spent();
            let goes_on = !ended && stage.border.witness().is_content();
            if met && !stage.border.trip.is_dead() {
                if manner.keeps {
                    stage = Box::pin(keep(&mut rests, stage, next)).await?;
                }
                if !manner.whole {
                    let face = Rest::of(&stage, next, false)?.face;
                    let mut stood = others.iter().chain(&self.rests).filter(|r| r.next == next);
                    rejoined = stood.any(|rest| face.differs(&rest.face).is_none());
                }
            }
            if rejoined || !goes_on {
                break;
            }
        }
        if let Some(last) = rests.last_mut() {
            last.events = stage.border.trip.events();
        }
        let violations = Box::pin(close(stage, ended, rejoined)).await?;
        Ok(Life { met, rejoined, violations, rests })
    }
}

async fn go_on(from: &Rest, trip: Tripwire) -> Result<Stage, RehearsalError> {
    from.frozen.as_ref().expect("only frozen rests are gone on from").thaw(trip).await
}

/// Keeps a rest. What is gone on with is its copy, so that it is the same in every other copy.
async fn keep(rests: &mut Vec<Rest>, stage: Stage, next: Next) -> Result<Stage, RehearsalError> {
    if let Some(last) = rests.last_mut() {
        last.events = stage.border.trip.events();
    }
    let rest = Rest::of(&stage, next, rests.len() < KEPT_RESTS)?;
    let stage = if rest.frozen.is_some() {
        drop(stage);
        go_on(&rest, Tripwire::default()).await?
    } else {
        stage
    };
    rests.push(rest);
    Ok(stage)
}

/// Ends a life: finishes what its last pass left half done, where it came to the end of the climb, and looks at the
/// whole of its history.
async fn close(
    mut stage: Stage,
    ended: bool,
    rejoined: bool,
) -> Result<Vec<Violation>, RehearsalError> {
    stage.border.trip.disarm();
    if stage.border.trip.is_dead() {
        // It died of what a person wrote at the very end.
        stage.border.trip.death().await;
        stage.restart().await?;
    }
    if ended && !rejoined {
        for _ in 0..2 {
            stage.border.world.advance_to(stage.now().plus(HOUR_MS / 2));
            stage.pass(false).await;
        }
        checks::after_pass(&mut stage).await?;
        checks::after_quiet(&stage);
    }
    if ended || rejoined {
        checks::history(&mut stage).await?;
    } else if stage.border.witness().is_content() {
        let stands = stands(&stage);
        stage.border.witness().accuse("a_climb_ends_in_spite_of_crashes", stands);
    }
    Ok(stage.close().0)
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

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Calm {
    Done,
    Failed,
    Died,
}

/// One pass with its restart and checks.
async fn pass(stage: &mut Stage, year: bool) -> Result<Calm, RehearsalError> {
    let passed = stage.pass(true).await;
    let died = matches!(passed, Passed::Died) || stage.border.trip.is_dead();
    if died {
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
    Ok(match passed {
        _ if died => Calm::Died,
        Passed::Done => Calm::Done,
        _ => Calm::Failed,
    })
}

/// What the person does between two passes, and the wait until the next one. True when the climb has ended.
async fn people(stage: &mut Stage, word: Command, calm: Calm) -> Result<bool, RehearsalError> {
    // Where a guard rail took autonomy back or opened the breaker, a person looks, lifts it and says yes.
    if calm != Calm::Done && stage.was_taken_from() {
        stage.lift().await?;
    }
    if !stage.border.trip.is_dead() {
        for plan in stage.unanswered().await? {
            stage.answer(&plan, true).await;
        }
    }
    let Some(first) = first_climb(stage) else {
        wait(stage, HOUR_MS / 3);
        return Ok(false);
    };
    let told = stage.border.witness().books.commands.contains_key(first.id.as_str());
    match &first.state {
        State::Warming { .. } | State::Comparing { .. } | State::Probation { .. } if !told => {
            command(stage, &first, word).await?;
            stage.border.world.advance_to(stage.now().plus(START_MS));
        }
        closed if !closed.is_open() => return Ok(true),
        _ if calm == Calm::Died => {}
        // The agent looks after a doubt every quarter of an hour or so.
        _ if stage.border.witness().books.in_doubt().next().is_some() => wait(stage, HOUR_MS / 3),
        State::Cloning { .. } if first.pending.is_none() => wait(stage, 2 * HOUR_MS),
        State::Cloning { .. } => wait(stage, 6 * HOUR_MS),
        State::Shifting { .. } | State::Judged { .. } => match due(stage) {
            Some(ms) => stage.border.world.advance_to(stage.now().plus(ms)),
            None => wait(stage, 6 * HOUR_MS),
        },
        _ => wait(stage, HOUR_MS / 3),
    }
    Ok(false)
}

/// Until the clock next shows a multiple of so many milliseconds: like a schedule, it does not move with a late pass.
fn wait(stage: &Stage, every_ms: i64) {
    let now = stage.now();
    let past = now.millis().rem_euclid(every_ms);
    stage.border.world.advance_to(now.plus(every_ms - past));
}

/// Milliseconds until the next step of an open plan is due, and a little more.
fn due(stage: &Stage) -> Option<i64> {
    let (now, witness) = (stage.now(), stage.border.witness());
    let open = witness.books.plans.values().filter(|p| p.outcome.is_none());
    let due = open.flat_map(|p| &p.plan.actions).filter_map(|a| a.not_before);
    let next = due.filter(|at| *at > now).min()?;
    Some(next.since(now).saturating_add(HOUR_MS / 4))
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

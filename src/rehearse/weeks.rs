//! Seeded weeks: an agent's life with everything going wrong that can.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{
    Coverage, RehearsalError, Violation, checks,
    cores::on_cores,
    coverage,
    old_backup::OldBackup,
    stage::{Passed, Setting, Stage},
    steering::{self, Steering},
    tripwire::Tripwire,
    trouble::{Class, Classes, Nemesis},
};
use crate::{
    domain::{
        DAY_MS, HOUR_MS,
        policy::{BudgetMode, Mode},
    },
    ports::{Store, StoreError},
    sandbox::{AdSetSpec, CampaignSpec, Edited, Lateness, Scenario, Standing},
};

/// Weeks of one story; the next story has the next seed.
pub const STORY_WEEKS: u32 = 10;
/// Hours without trouble at the end of a story.
const QUIET_HOURS: i64 = 48;
/// One story in so many is lived twice.
const REPEATED: u64 = 20;
/// What is violated when its two lives differ.
const REPEATS: &str = "a_story_repeats";
/// Violating stories that are made shorter.
const SHRUNKEN: usize = 1;

/// What a rehearsal of weeks came to.
#[derive(Debug, Default)]
pub struct WeeksReport {
    /// Weeks lived through.
    pub weeks: u32,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
    /// Steps and faults.
    pub coverage: Coverage,
    /// Writes sent.
    pub writes: u64,
    /// Passes of the agent.
    pub passes: u64,
    /// Stories lived twice, with the same end.
    pub repeated: u64,
    /// Seconds it took.
    pub seconds: f64,
}

/// Lives through `weeks` weeks from `seed` on, on all cores; `after` is told after each story how many weeks are done.
pub fn weeks(
    weeks: u32,
    seed: u64,
    mut after: impl FnMut(u32, &[Violation]),
) -> Result<WeeksReport, RehearsalError> {
    let begun = Instant::now();
    let mut report = WeeksReport::default();
    let stories = u64::from(weeks.div_ceil(STORY_WEEKS));
    let length = |number: u64| {
        let before = u32::try_from(number).unwrap_or(u32::MAX).saturating_mul(STORY_WEEKS);
        STORY_WEEKS.min(weeks.saturating_sub(before))
    };
    let mut failed = None;
    on_cores(
        stories,
        |runtime, number| {
            let seed = seed.wrapping_add(number);
            let one = runtime.block_on(story(seed, length(number), Classes::all()))?;
            if seed.is_multiple_of(REPEATED) {
                let again = runtime.block_on(story(seed, length(number), Classes::all()))?;
                return Ok((one, Some(again.trace)));
            }
            Ok((one, None))
        },
        |number, ended| {
            let seed = seed.wrapping_add(number);
            report.weeks = report.weeks.saturating_add(length(number));
            match ended {
                Ok(Ok((lived, again))) => report.add(seed, lived, again.as_deref()),
                Ok(Err(e)) => failed = Some(e),
                Err(words) => report.violations.push(panicked(seed, words)),
            }
            after(report.weeks, &report.violations);
            failed.is_none()
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    shrink(&mut report.violations, STORY_WEEKS.min(weeks));
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

impl WeeksReport {
    fn add(&mut self, seed: u64, lived: Lived, again: Option<&[String]>) {
        self.violations.extend(lived.violations);
        self.coverage.merge(&lived.coverage);
        self.writes = self.writes.saturating_add(lived.writes);
        self.passes = self.passes.saturating_add(lived.passes);
        match again {
            Some(again) if *again == lived.trace => self.repeated = self.repeated.saturating_add(1),
            Some(again) => self.violations.push(Violation {
                invariant: REPEATS,
                what: first_difference(&lived.trace, again),
                seed,
                story: Vec::new(),
            }),
            None => {}
        }
    }
}

fn first_difference(one: &[String], again: &[String]) -> String {
    let at = one.iter().zip(again).take_while(|(a, b)| a == b).count();
    let line = |of: &[String]| of.get(at).map_or("nothing more", String::as_str).to_owned();
    format!("line {at} of the story: {}; and then: {}", line(one), line(again))
}

fn panicked(seed: u64, words: String) -> Violation {
    Violation { invariant: "nothing_panics", what: words, seed, story: Vec::new() }
}

/// Lives each of the first violating stories again with one class of trouble less at a time, and keeps the shortest
/// that still violates.
fn shrink(violations: &mut [Violation], weeks: u32) {
    let job = |violation: &Violation| {
        let (seed, invariant) = (violation.seed, violation.invariant);
        let mut classes = Classes::all();
        let mut shortest: Option<Violation> = None;
        for class in Class::ALL {
            let fewer = classes.without(class);
            let mut again = None;
            on_cores(
                1,
                |runtime, _| runtime.block_on(story(seed, weeks, fewer)),
                |_, ended| {
                    again = match ended {
                        Ok(Ok(lived)) => {
                            lived.violations.into_iter().find(|v| v.invariant == invariant)
                        }
                        Ok(Err(_)) => None,
                        Err(words) => Some(panicked(seed, words)),
                    };
                    true
                },
            );
            if let Some(found) = again.filter(|v| v.invariant == invariant) {
                classes = fewer;
                shortest = Some(found);
            }
        }
        shortest.map(|mut found| {
            found.story.insert(0, format!("needs: {}", classes.names()));
            found
        })
    };
    let mut seeds = Vec::new();
    for violation in violations {
        // One life alone shows no difference to another.
        let alone = violation.invariant == REPEATS;
        if alone || seeds.len() >= SHRUNKEN || seeds.contains(&violation.seed) {
            continue;
        }
        seeds.push(violation.seed);
        if let Some(shorter) = job(violation) {
            *violation = shorter;
        }
    }
}

/// What one story came to.
struct Lived {
    violations: Vec<Violation>,
    coverage: Coverage,
    writes: u64,
    passes: u64,
    /// Everything that can be told of it; two lives of one seed have the same.
    trace: Vec<String>,
}

/// In one story of four nobody keeps an eye on the account, and all the more goes wrong.
fn is_keen(seed: u64) -> bool {
    !seed.is_multiple_of(4)
}

/// Campaigns side by side, so that one pass serves several lines.
fn several(dice: &mut Pcg64Mcg) -> Scenario {
    let campaign = |name: &str, level: usize, budget: i64, sets: usize, ads: u32| CampaignSpec {
        name: name.to_owned(),
        objective: "OUTCOME_SALES",
        daily_budget: None,
        adsets: (0..sets)
            .map(|n| AdSetSpec {
                name: format!("Audience {n}"),
                level,
                daily_budget: Some(budget),
                ads,
            })
            .collect(),
    };
    let (one, sets) = (dice.random_range(3..7), dice.random_range(1..3));
    let other = if dice.random_ratio(1, 2) { 4 } else { 2 };
    let campaigns = vec![
        campaign("Shop | Purchase", 4, one * 1_000 / 2, sets, 1),
        campaign("Shop | second line", other, 4_000, 1, 1),
    ];
    Scenario { campaigns, ..Scenario::stuck_at_purchase() }
}

fn setting(seed: u64, dice: &mut Pcg64Mcg) -> Setting {
    let keen = is_keen(seed);
    let mode = match dice.random_range(0..20) {
        0 if !keen => Mode::Propose,
        1 if !keen => Mode::Observe,
        2..=9 => Mode::Autonomous,
        _ => Mode::Supervised,
    };
    let rules = ["balanced", "strict", "quick", "prove_it_first", "article"];
    let mut setting = Setting::plain(seed, mode, rules[dice.random_range(0..rules.len())]);
    if dice.random_ratio(1, 5) {
        setting.budget = BudgetMode::Split;
    }
    // Through the changes of clocks in spring and autumn, and into the blackout days of November.
    let openings = [
        "2026-01-05T06:30:00Z",
        "2026-02-16T06:30:00Z",
        "2026-03-02T06:30:00Z",
        "2026-05-11T06:30:00Z",
        "2026-08-17T06:30:00Z",
        "2026-09-28T06:30:00Z",
    ];
    setting.opening = openings[dice.random_range(0..openings.len())];
    let zones = [
        "Europe/Berlin",
        "Europe/Berlin",
        "America/New_York",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Asia/Tokyo",
    ];
    setting.zone = zones[dice.random_range(0..zones.len())];
    setting.list_lag_ms = [0, 0, 60_000, 300_000, 1_500_000][dice.random_range(0..5)];
    if dice.random_ratio(1, 2) {
        setting.lateness = Lateness::HeavyTail;
    }
    if keen {
        setting.quick = true;
        setting.tested = dice.random_ratio(1, 2);
        setting.study = dice.random_ratio(1, 3);
        if dice.random_ratio(2, 3) {
            setting.scenario = several(dice);
        }
        if coverage::is_about_rare_steps(seed) {
            (setting.tested, setting.study) = (true, true);
            if dice.random_ratio(1, 2) {
                setting.budget = BudgetMode::Split;
            }
        }
    } else if dice.random_ratio(1, 5) {
        setting.scenario = Scenario::default();
    }
    setting
}

async fn story(seed: u64, weeks: u32, classes: Classes) -> Result<Lived, RehearsalError> {
    let mut dice = Pcg64Mcg::seed_from_u64(seed ^ 0x0005_7091_1e50);
    let setting = setting(seed, &mut dice);
    let stage = Stage::set(setting, Tripwire::default()).await?;
    let steering = Steering::new(seed, is_keen(seed));
    let nemesis = Nemesis::new(seed, classes, steering.is_keen());
    stage.border.mix.storm(nemesis.wire_factor());
    if classes.has(Class::Wire) {
        stage.border.mix.aim(coverage::focus(seed));
    }
    let mut life = Life {
        stage,
        dice,
        nemesis,
        steering,
        old_backup: OldBackup::new(seed),
        passes: 0,
        last_decided: i64::MIN,
        spoken: false,
    };
    let end = life.stage.now().plus(i64::from(weeks).saturating_mul(7 * DAY_MS));
    let mut waited = HOUR_MS;
    while life.stage.now() < end.plus(-QUIET_HOURS * HOUR_MS) {
        life.old_backup().await?;
        life.nemesis.strike(&mut life.stage, waited).await?;
        life.pass().await?;
        if !life.stage.border.witness().is_content() {
            break;
        }
        waited = life.wait();
    }
    if life.stage.border.witness().is_content() {
        life.quiet().await?;
    }
    life.end().await
}

struct Life {
    stage: Stage,
    dice: Pcg64Mcg,
    nemesis: Nemesis,
    steering: Steering,
    old_backup: Option<OldBackup>,
    passes: u64,
    last_decided: i64,
    /// Somebody has asked for something since the last pass.
    spoken: bool,
}

/// How soon something must be able to go on to be waited for.
const SOON_MS: i64 = 2 * HOUR_MS;

impl Life {
    fn advance(&self, ms: i64) {
        let until = self.stage.now().plus(ms);
        self.stage.border.world.advance_to(until);
    }

    /// Lets time pass until the next pass: soon while something is under way, else about a day.
    fn wait(&mut self) -> i64 {
        let busy = {
            let witness = self.stage.border.witness();
            let then = self.stage.now().plus(SOON_MS);
            self.spoken
                || steering::under_way(&witness.books, then)
                || witness.books.in_doubt().next().is_some()
        };
        let minutes = if busy && self.dice.random_ratio(3, 4) {
            self.dice.random_range(2_i64..90)
        } else {
            self.dice.random_range(12 * 60_i64..30 * 60)
        };
        self.advance(minutes * 60_000);
        minutes * 60_000
    }

    /// The daily decision is due once a day, and sometimes a person asks for it.
    fn decides(&mut self) -> bool {
        let today = self.stage.now().millis().div_euclid(DAY_MS);
        let due = today > self.last_decided || self.dice.random_ratio(1, 8);
        if due {
            self.last_decided = today;
        }
        due
    }

    /// One pass, answers of people, and the checks; a death is followed by a restart.
    async fn pass(&mut self) -> Result<(), RehearsalError> {
        self.spoken = false;
        let decide = self.decides();
        self.passes = self.passes.saturating_add(1);
        match self.stage.pass(decide).await {
            Passed::Done => {
                self.people_answer().await?;
                self.people_steer().await?;
            }
            Passed::Failed(e) => {
                let what = format!("a pass ended early: {e}");
                let at = self.stage.now();
                self.stage.border.witness().tell(at, &what);
                if !self.stage.is_excused(&e) {
                    self.stage.border.witness().accuse("a_pass_fails_for_a_reason", what);
                }
            }
            Passed::Died => {}
        }
        if self.stage.border.trip.is_dead() {
            if self.dice.random_ratio(1, 16) {
                checks::dead_year(&self.stage);
            }
            self.nemesis.meddle_after_death(&self.stage.border);
            self.stage.restart().await?;
        }
        self.stage.border.trip.disarm();
        self.stage.border.take_stock();
        checks::after_pass(&mut self.stage).await
    }

    /// The database is lost and an old copy put back; whoever did it looks at what is unknown then.
    async fn old_backup(&mut self) -> Result<(), RehearsalError> {
        let Some(old) = &mut self.old_backup else { return Ok(()) };
        if self.stage.parts().switch.held().is_some() {
            if old.looks() && !self.nemesis.nobody_answers() {
                self.stage.settle_restore(|| old.puts_away()).await?;
            }
            return Ok(());
        }
        old.between_passes(&mut self.stage).await
    }

    async fn people_answer(&mut self) -> Result<(), RehearsalError> {
        // An autonomous agent whose autonomy was taken back waits for people as well.
        let writes = matches!(self.stage.setting.mode, Mode::Supervised | Mode::Autonomous);
        if !writes || self.nemesis.nobody_answers() {
            return Ok(());
        }
        self.stage.border.trip.disarm();
        for plan in self.stage.unanswered().await? {
            match self.dice.random_range(0..if self.steering.is_keen() { 40 } else { 10 }) {
                0 => self.stage.answer(&plan, false).await,
                1 | 2 => {}
                _ => {
                    self.stage.answer(&plan, true).await;
                    self.spoken = true;
                }
            }
        }
        Ok(())
    }

    /// Whoever keeps an eye on the account says what is to become of its climbs.
    async fn people_steer(&mut self) -> Result<(), RehearsalError> {
        if self.nemesis.nobody_answers() || self.stage.border.trip.is_dead() {
            return Ok(());
        }
        self.stage.border.trip.disarm();
        let wishes = self.steering.wishes(&self.stage.border.witness().books);
        for (climb, command) in wishes {
            self.stage.command(&climb, command).await?;
            self.spoken = true;
        }
        let world = self.stage.border.world.inventory();
        let off = self.steering.revives(&self.stage.border.witness().books, &world);
        if let Some(id) = off {
            self.revive(&id, &world);
        }
        if self.steering.lifts() {
            self.stage.lift().await?;
            self.stage.border.happened("guard_rails_lifted", "by a person");
        }
        Ok(())
    }

    /// Somebody turns a campaign on in Ads Manager.
    fn revive(&self, id: &str, before: &[Standing]) {
        let border = &self.stage.border;
        if border.world.edit_as_person(id, &[("status", "ACTIVE")]).is_ok() {
            border.happened("line_revived", id);
            let touched = vec![(id.to_owned(), "status".to_owned())];
            let edited = Edited { what: id.to_owned(), touched, ..Edited::default() };
            let after = border.world.inventory();
            border.witness().people_edited(border.now(), &edited, before, &after);
        }
    }

    /// Nothing goes wrong any more: everything has to come to rest, and a restart must change nothing.
    async fn quiet(&mut self) -> Result<(), RehearsalError> {
        self.nemesis.calm(&mut self.stage);
        if self.stage.parts().switch.held().is_some() {
            self.stage.settle_restore(|| false).await?;
        }
        self.stage.lift().await?;
        let border = std::sync::Arc::clone(&self.stage.border);
        for round in 0..12_i64 {
            self.passes = self.passes.saturating_add(1);
            match self.stage.pass(round % 4 == 0).await {
                Passed::Done | Passed::Died => {}
                // What was read while the clock was ahead lies in the future for a day.
                Passed::Failed(e) if self.stage.is_excused(&e) && is_conflict(&e) => {}
                Passed::Failed(e) => {
                    let why = format!("without any fault: {e}");
                    border.witness().accuse("a_pass_fails_for_a_reason", why);
                }
            }
            self.people_say_yes().await?;
            checks::after_pass(&mut self.stage).await?;
            self.advance(if round < 6 { HOUR_MS / 3 } else { 7 * HOUR_MS });
        }
        // Twice at the same instant: whatever the first left to do, the second does.
        for _ in 0..2 {
            self.stage.pass(false).await;
        }
        let before = border.witness().writes();
        self.stage.restart().await?;
        self.stage.pass(false).await;
        let after = border.witness().writes();
        if after != before {
            let n = after.saturating_sub(before);
            border.witness().accuse("a_restart_writes_nothing", format!("{n} writes"));
        }
        checks::after_pass(&mut self.stage).await?;
        checks::after_quiet(&self.stage);
        checks::dead_year(&self.stage);
        checks::history(&mut self.stage).await
    }

    async fn people_say_yes(&self) -> Result<(), RehearsalError> {
        if matches!(self.stage.setting.mode, Mode::Supervised | Mode::Autonomous) {
            for plan in self.stage.unanswered().await? {
                self.stage.answer(&plan, true).await;
            }
        }
        Ok(())
    }

    async fn end(self) -> Result<Lived, RehearsalError> {
        let store = &self.stage.parts().store;
        let links = store.links(0, u32::MAX).await?;
        let head = store.head().await?;
        let writes = self.stage.border.witness().writes();
        let (violations, mut trace, coverage) = self.stage.close();
        let shown = links.iter().map(|l| (&l.kind, String::from_utf8_lossy(&l.body)));
        trace.extend(shown.map(|(kind, body)| format!("{kind} {body}")));
        trace.push(format!("{coverage:?}"));
        trace.push(format!("{head:?} after {writes} writes"));
        Ok(Lived { violations, coverage, writes, passes: self.passes, trace })
    }
}

fn is_conflict(error: &crate::app::AppError) -> bool {
    matches!(error, crate::app::AppError::Store(StoreError::Conflict { .. }))
}

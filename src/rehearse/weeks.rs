//! Seeded weeks: an agent's life with everything going wrong that can.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{
    Coverage, RehearsalError, Violation, checks,
    stage::{Passed, Setting, Stage},
    tripwire::{Side, Tripwire},
};
use crate::{
    app::{AppError, commands},
    domain::{DAY_MS, HOUR_MS, climb::Command, policy::Mode},
    ports::{Store, StoreError},
    sandbox::Scenario,
};

/// Weeks of one story; the next story has the next seed.
const STORY_WEEKS: u32 = 6;
/// Hours without trouble at the end of a story.
const QUIET_HOURS: i64 = 48;

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
    /// Seconds it took.
    pub seconds: f64,
}

/// Lives through `weeks` weeks from `seed` on; `after` is told after each story how many weeks are done.
pub async fn weeks(
    weeks: u32,
    seed: u64,
    mut after: impl FnMut(u32, &[Violation]),
) -> Result<WeeksReport, RehearsalError> {
    let begun = Instant::now();
    let mut report = WeeksReport::default();
    let mut number = 0_u64;
    while report.weeks < weeks {
        let length = STORY_WEEKS.min(weeks.saturating_sub(report.weeks));
        story(seed.wrapping_add(number), length, &mut report).await?;
        report.weeks = report.weeks.saturating_add(length);
        number = number.saturating_add(1);
        after(report.weeks, &report.violations);
    }
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

async fn story(seed: u64, weeks: u32, report: &mut WeeksReport) -> Result<(), RehearsalError> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed ^ 0x5709_11e5);
    let mode = match rng.random_range(0..20) {
        0 => Mode::Propose,
        1..=8 => Mode::Autonomous,
        _ => Mode::Supervised,
    };
    let rule = ["balanced", "prove_it_first", "prove_it_first", "quick"][rng.random_range(0..4)];
    let mut setting = Setting::plain(seed, mode, rule);
    setting.list_lag_ms = [0, 0, 60_000, 300_000, 1_500_000][rng.random_range(0..5)];
    if rng.random_ratio(1, 4) {
        setting.scenario = Scenario::default();
    }
    let stage = Stage::set(setting, Tripwire::default()).await?;
    stage.border.mix.storm(1);
    let mut life = Life { stage, rng, troubles: Troubles::default() };
    let end = life.stage.now().plus(i64::from(weeks).saturating_mul(7 * DAY_MS));
    while life.stage.now() < end.plus(-QUIET_HOURS * HOUR_MS) {
        life.trouble().await?;
        life.pass().await?;
        if !life.stage.border.witness().is_content() {
            break;
        }
        let minutes = life.rng.random_range(1_i64..=12 * 60);
        life.advance(minutes);
    }
    if life.stage.border.witness().is_content() {
        life.quiet().await?;
    }
    report.writes = report.writes.saturating_add(life.stage.border.witness().writes());
    let (violations, _, coverage) = life.stage.close();
    report.violations.extend(violations);
    report.coverage.merge(&coverage);
    Ok(())
}

/// Until when what is broken stays broken, in passes.
#[derive(Debug, Default)]
struct Troubles {
    storm: u32,
    token: u32,
    disabled: u32,
    stopped: u32,
}

struct Life {
    stage: Stage,
    rng: Pcg64Mcg,
    troubles: Troubles,
}

impl Life {
    fn advance(&self, minutes: i64) {
        let until = self.stage.now().plus(minutes.saturating_mul(60_000));
        self.stage.border.world.advance_to(until);
    }

    /// Counts a trouble down; true when it just ended.
    fn ends(left: &mut u32) -> bool {
        let was = *left;
        *left = was.saturating_sub(1);
        was == 1
    }

    /// What happens between two passes.
    async fn trouble(&mut self) -> Result<(), RehearsalError> {
        let border = std::sync::Arc::clone(&self.stage.border);
        if Self::ends(&mut self.troubles.storm) {
            border.mix.storm(1);
        }
        if Self::ends(&mut self.troubles.token) {
            border.mix.token_dead(false);
        }
        if Self::ends(&mut self.troubles.disabled) {
            border.world.set_account_status(1);
        }
        if Self::ends(&mut self.troubles.stopped) {
            let _ = self.stage.parts().switch.start();
        }
        match self.rng.random_range(0..400) {
            0..=7 => {
                self.troubles.storm = self.rng.random_range(1..4);
                border.mix.storm(10);
                border.happened("storm", "ten times the trouble");
            }
            8..=10 => {
                self.troubles.token = self.rng.random_range(1..6);
                border.mix.token_dead(true);
                border.happened("token_death", "the token is dead");
            }
            11..=13 => {
                self.troubles.disabled = self.rng.random_range(1..6);
                border.world.set_account_status(2);
                border.happened("account_disabled", "account_status 2");
            }
            14..=17 => {
                self.troubles.stopped = self.rng.random_range(1..6);
                let _ = self.stage.parts().switch.stop("rehearsal");
                border.happened("kill_switch", "on");
            }
            18..=47 => self.person_edits(),
            48..=63 => self.person_commands().await?,
            64..=143 => {
                let side = if self.rng.random() { Side::Before } else { Side::After };
                border.trip.arm((self.rng.random_range(1..60), side));
            }
            _ => {}
        }
        Ok(())
    }

    /// Somebody does something in Ads Manager.
    fn person_edits(&mut self) {
        let world = self.stage.border.world.inventory();
        let object = &world[self.rng.random_range(0..world.len())];
        let raised = object.daily_budget.map(|b| (b.saturating_mul(9) / 10).to_string());
        let name = format!("{} (edited)", object.name);
        let change = match self.rng.random_range(0..5) {
            0 => ("status", "PAUSED"),
            1 => ("status", "ACTIVE"),
            2 | 3 if raised.is_some() => ("daily_budget", raised.as_deref().unwrap_or("1")),
            // A renamed object of ours loses its marker: that is tried by hand, not here.
            _ if !object.name.contains("[rw:") => ("name", name.as_str()),
            _ => return,
        };
        let done = self.stage.border.world.edit_as_person(&object.id, &[change]);
        let verdict = if done.is_ok() { "" } else { " (refused)" };
        let what = format!("{} {} {}={}{verdict}", object.kind, object.id, change.0, change.1);
        self.stage.border.happened("person_edit", &what);
    }

    async fn person_commands(&mut self) -> Result<(), RehearsalError> {
        let store = &self.stage.parts().store;
        let open = store.climbs(true).await?;
        let Some(row) = open.first() else { return Ok(()) };
        let all = [Command::Pause, Command::Resume, Command::Abort, Command::Promote];
        let command = all[self.rng.random_range(0..all.len())];
        let now = self.stage.now();
        let what = format!("{command:?} {}", row.id);
        commands::command(store, now, &row.id, command, "rehearsal", "").await?;
        self.stage.border.happened("person_command", &what);
        Ok(())
    }

    /// One pass, answers of people, and the checks; a death is followed by a restart.
    async fn pass(&mut self) -> Result<(), RehearsalError> {
        let decide = self.rng.random_ratio(1, 2);
        match self.stage.pass(decide).await {
            Passed::Done => self.people_answer().await?,
            Passed::Failed(AppError::Meta(e)) => {
                let what = format!("a pass ended early: {e}");
                let at = self.stage.now();
                self.stage.border.witness().tell(at, what);
            }
            Passed::Failed(e) => self.accuse_pass(&e),
            Passed::Died => {}
        }
        if self.stage.border.trip.is_dead() {
            self.stage.restart().await?;
        }
        self.stage.border.trip.disarm();
        checks::after_pass(&mut self.stage).await
    }

    fn accuse_pass(&self, e: &AppError) {
        // A crash may show as a failed commit before the pass is dropped.
        if !matches!(e, AppError::Store(StoreError::Database { doing: "rehearsing a crash", .. })) {
            self.stage.border.witness().accuse("a_pass_fails_by_meta_only", e.to_string());
        }
    }

    async fn people_answer(&mut self) -> Result<(), RehearsalError> {
        if self.stage.setting.mode != Mode::Supervised {
            return Ok(());
        }
        self.stage.border.trip.disarm();
        for plan in self.stage.unanswered().await? {
            match self.rng.random_range(0..10) {
                0 => self.stage.answer(&plan, false).await,
                1 | 2 => {}
                _ => self.stage.answer(&plan, true).await,
            }
        }
        Ok(())
    }

    /// Nothing goes wrong any more: everything has to come to rest, and a restart must change nothing.
    async fn quiet(&mut self) -> Result<(), RehearsalError> {
        let border = std::sync::Arc::clone(&self.stage.border);
        border.mix.storm(0);
        border.mix.token_dead(false);
        border.world.set_account_status(1);
        let _ = self.stage.parts().switch.start();
        for round in 0..16_i64 {
            match self.stage.pass(round % 4 == 0).await {
                Passed::Done | Passed::Died => {}
                Passed::Failed(e) => {
                    let why = format!("without any fault: {e}");
                    border.witness().accuse("a_pass_fails_by_meta_only", why);
                }
            }
            self.people_say_yes().await?;
            checks::after_pass(&mut self.stage).await?;
            self.advance(if round < 8 { 20 } else { 5 * 60 });
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
        checks::after_quiet(&mut self.stage).await?;
        checks::history(&mut self.stage).await
    }

    async fn people_say_yes(&self) -> Result<(), RehearsalError> {
        if self.stage.setting.mode == Mode::Supervised {
            for plan in self.stage.unanswered().await? {
                self.stage.answer(&plan, true).await;
            }
        }
        Ok(())
    }
}

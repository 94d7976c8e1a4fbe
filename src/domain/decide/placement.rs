//! Untested steps down that are taken, kept and given up by what they are expected to save.

use super::{
    Gate, Work, arms,
    routes::{Volumes, top},
    rule_of,
};
use crate::domain::{
    Day,
    climb::{Climb, Route, RouteKind, Step, Test, Verdict},
    evidence::{Cell, Evidence},
    forecast::usual_correlation,
    prospect::{Lesson, Prospect, Prospects, Question, Stretch, lessons, prospects},
    verdict::{Belief, Lag, USUAL_DISPERSION, special::count, worth_testing},
};

/// Weeks of a step down before a decision about going back can rest on anything.
const TRIAL_WEEKS: f64 = 4.0;
/// What a change of campaign costs in learning, in weeks of macro-conversions.
const CHANGE_WEEKS: f64 = 0.1;
/// Days on a rung before another one may be preferred to it.
const SETTLED_DAYS: i64 = 28;
/// Most that the probability of being dearer may be for another trial after a first one.
const SECOND_TRIAL: f64 = 0.10;
/// A rung whose event usually goes with purchases less than this does not come into question.
const LEAST_SIGNAL: f64 = 0.40;
/// What a test side by side on a test allowance costs in weeks of macro-conversions: the challenger learns, and while both
/// run their audiences overlap.
const TEST_WEEKS: f64 = 2.0;
/// A step down that can wait is weighed on this weekday (0 = Sunday), so that no lucky day of many decides it.
const MONDAY: i8 = 1;
/// Days after the last of a trial's days on which another step is weighed at once.
const WEEKLY: i64 = 7;

impl Work<'_> {
    fn horizon_weeks(&self) -> f64 {
        f64::from(self.evidence.policy.placement.horizon_days) / 7.0
    }

    /// From the macro rung: the lower rung that is worth most, if any is worth a step.
    pub(super) fn way_down_by_saving(
        &mut self,
        climb: &Climb,
        volumes: &Volumes,
        closed: &mut Vec<Gate>,
    ) -> Option<Route> {
        let evidence = self.evidence;
        if volumes.macro_weekly >= f64::from(evidence.policy.gates.untested_below) {
            closed.push(top(climb, volumes));
            return None;
        }
        let ended = climb.memory.lessons.iter().map(|lesson| lesson.last).max();
        let just_ended = ended.is_some_and(|last| evidence.today.since(last) <= WEEKLY);
        if evidence.today.weekday_from_sunday() != MONDAY && !just_ended {
            let why = "a step down is weighed on Mondays and when a trial has just ended";
            closed.push(Gate::closed("monday", why));
            return None;
        }
        let failed = climb.memory.last_failure.as_ref().filter(|_| !untested(evidence));
        let again = failed.map(|f| f.day.plus(i64::from(evidence.policy.placement.horizon_days)));
        if again.is_some_and(|day| evidence.today < day) {
            let why =
                "a step down was tested and did not win; no other one within placement.horizon";
            closed.push(Gate::closed("tested", why));
            return None;
        }
        let known = known(evidence, climb, None);
        let Some(found) = self.weigh(&known) else {
            closed.push(Gate::closed("history", "no spend to learn from"));
            return None;
        };
        let route = self.best_step(climb, volumes, &known, &found, closed);
        self.out.prospects = Some(found);
        route
    }

    fn best_step(
        &mut self,
        climb: &Climb,
        volumes: &Volumes,
        known: &[Lesson],
        found: &Prospects,
        closed: &mut Vec<Gate>,
    ) -> Option<Route> {
        let horizon = self.horizon_weeks();
        let tried = |p: &Prospect| known.iter().any(|lesson| lesson.rung == p.rung);
        let fresh = !found.rungs.iter().any(tried);
        // At first only where another rung bears witness: the one right below the macro rung has none of its own.
        let witnessed = found.rungs.len().saturating_sub(1).max(1);
        let choice = found.rungs.iter().take(if fresh { witnessed } else { usize::MAX });
        let untested = untested(self.evidence);
        let worth = |p: &Prospect| {
            if untested {
                p.worth(TRIAL_WEEKS, horizon) - CHANGE_WEEKS
            } else {
                self.worth_testing(p, volumes)
            }
        };
        let best = choice.filter(|p| !tried(p)).map(|p| (worth(p), p));
        let Some((weeks, best)) = best.max_by(|a, b| a.0.total_cmp(&b.0)) else {
            closed.push(Gate::closed("tried", "every lower rung was tried and given up"));
            return None;
        };
        let said = self.said(best, weeks);
        if weeks <= 0.0 {
            closed.push(Gate::closed("saving", said));
            return None;
        }
        if !fresh && best.p_dearer > SECOND_TRIAL {
            let why = format!("{said}; after a first trial it must be at most {SECOND_TRIAL}");
            closed.push(Gate::closed("saving", why));
            return None;
        }
        self.because(said);
        let kind = if untested { RouteKind::Placement } else { RouteKind::TestedPlacement };
        Some(Route { from: climb.rung.clone(), to: best.rung.clone(), kind })
    }

    /// Weeks of conversions that a test side by side may find out, less what it costs.
    fn worth_testing(&self, p: &Prospect, volumes: &Volumes) -> f64 {
        let rule = rule_of(&self.evidence.policy);
        let weeks = rule.looks.last().map_or(5.0, |look| count(look.days) / 7.0);
        let belief = Belief { mean: -p.saving, sd: p.sd };
        let purchases = volumes.macro_weekly * weeks;
        let left = self.horizon_weeks() - weeks;
        let cost = TEST_WEEKS - weeks * p.saving.min(0.0);
        let worth = worth_testing(purchases, USUAL_DISPERSION, belief, left, cost);
        // Without the test the line stays, so all that is expected afterwards is its merit.
        left * p.saving.max(0.0) + worth.gain_weeks - worth.cost_weeks
    }

    /// A look at a placed line: stay, or go back.
    pub(super) fn placed(&mut self, climb: &Climb, test: &Test, age: i64) -> Step {
        let evidence = self.evidence;
        let policy = &evidence.policy.placement;
        let (first, every) =
            (i64::from(policy.first_look_days), i64::from(policy.look_every_days.max(1)));
        let due = if age < first { 0 } else { 1 + (age - first).div_euclid(every) };
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due <= test.looks {
            let next = first + every * i64::from(test.looks);
            return self
                .wait(&format!("on probation for {age} days; the next look is on day {next}"));
        }
        let known = known(evidence, climb, Some(test));
        let Some(found) = self.weigh(&known) else {
            return self.wait("no spend to compare before and after");
        };
        let Some(here) = found.of(&test.route.to).cloned() else {
            return self.wait("the placed rung is not among those that come into question");
        };
        let horizon = self.horizon_weeks();
        let weeks = here.worth(1.0, horizon);
        let said = self.said(&here, weeks);
        self.because(said);
        let tried = |key: &str| known.iter().any(|lesson| lesson.rung == key);
        let later = |p: &Prospect| p.weighted + (horizon - 1.0) * p.saving;
        let better = found.rungs.iter().find(|p| {
            !tried(&p.rung)
                && age >= SETTLED_DAYS
                && later(p) - 2.0 * CHANGE_WEEKS > later(&here).max(weeks)
        });
        let better = better.map(|p| (p.rung.clone(), p.saving));
        self.out.prospects = Some(found);
        if weeks < 0.0 {
            self.conclude(format!("go back to {}: staying is not worth it", test.route.from));
            return self.give_up(&known, test);
        }
        if let Some((rung, saving)) = better {
            self.conclude(format!(
                "go back to {}: {rung} promises more ({:.0} %)",
                test.route.from,
                saving * 100.0
            ));
            return self.give_up(&known, test);
        }
        if age >= i64::from(policy.watch_days) {
            self.conclude(format!("the placement on {} holds", test.route.to));
            self.remember(&known, climb);
            return self.verdict(test, Verdict::Promote);
        }
        self.conclude(format!("the placement on {} is worth going on", test.route.to));
        Step::Looked
    }

    fn give_up(&mut self, known: &[Lesson], test: &Test) -> Step {
        let of = known.iter().filter(|lesson| lesson.rung == test.route.to);
        self.lessons = of.cloned().collect();
        self.verdict(test, Verdict::Stay)
    }

    /// The line changes its campaign: what the old one taught is kept.
    fn remember(&mut self, known: &[Lesson], climb: &Climb) {
        let old = known.iter().filter(|lesson| lesson.rung == climb.rung);
        self.lessons = old.cloned().collect();
    }

    fn weigh(&self, known: &[Lesson]) -> Option<Prospects> {
        let evidence = self.evidence;
        let keys: Vec<&str> =
            evidence.policy.ladder.rungs.iter().map(|rung| rung.key.as_str()).collect();
        let floor = keys.iter().position(|key| usual_correlation(key) >= LEAST_SIGNAL).unwrap_or(0);
        let live = evidence.challenger.as_ref().filter(|arm| arm.is_on());
        let daily = live.unwrap_or(&evidence.incumbent).daily_budget?;
        let question = Question {
            keys: &keys,
            floor: floor.min(evidence.macro_index().saturating_sub(1)),
            weekly_spend: 7.0 * arms::minor_f64(daily),
            loss_weight: evidence.policy.loss_weight(),
        };
        prospects(known, &question)
    }

    fn said(&self, p: &Prospect, weeks: f64) -> String {
        format!(
            "{}: expected to save {:.1} % per conversion (give or take {:.0} %), P(dearer) {:.0} %; a loss counted {} \
             times, a step there is worth {weeks:.1} weeks of conversions",
            p.rung,
            p.saving * 100.0,
            p.sd * 100.0,
            p.p_dearer * 100.0,
            self.evidence.policy.loss_weight()
        )
    }
}

/// Whether the rule takes untested steps at all.
fn untested(evidence: &Evidence) -> bool {
    rule_of(&evidence.policy).untested_start
}

/// Everything the line has learned that is not too old: its memory, its campaign, and the placed one.
fn known(evidence: &Evidence, climb: &Climb, test: Option<&Test>) -> Vec<Lesson> {
    let oldest = evidence.today.plus(-i64::from(evidence.policy.placement.horizon_days) - 56);
    let mut known: Vec<Lesson> =
        climb.memory.lessons.iter().filter(|lesson| lesson.last >= oldest).cloned().collect();
    let lag = arms::lag(evidence);
    let incumbent = evidence.days.iter().filter(|d| d.complete).map(|d| (d.day, &d.incumbent));
    let begun = climb.memory.rung_since.filter(|_| climb.memory.path.len() > 1);
    known.extend(of_campaign(evidence, &climb.rung, lag, incumbent, |day| begun == Some(day)));
    if let Some(test) = test {
        let placed = evidence
            .days
            .iter()
            .filter(|d| d.complete)
            .filter_map(|d| Some((d.day, d.challenger.as_ref()?)));
        known.extend(of_campaign(evidence, &test.route.to, lag, placed, |_| true));
    }
    known
}

/// The lessons of a campaign: a stretch ends where it was paused, and after a pause it learns anew.
fn of_campaign<'a>(
    evidence: &Evidence,
    rung: &str,
    lag: Lag,
    days: impl Iterator<Item = (Day, &'a Cell)>,
    begins: impl Fn(Day) -> bool,
) -> Vec<Lesson> {
    let Some(index) = evidence.rung_index(rung) else { return Vec::new() };
    let mut found = Vec::new();
    let mut run: Vec<(Day, &Cell)> = Vec::new();
    let mut paused = false;
    let mut close = |run: &mut Vec<(Day, &Cell)>, paused: bool| {
        if let Some((first, _)) = run.first() {
            let fresh = paused || begins(*first);
            found.extend(lessons(&Stretch { rung, index, fresh, lag }, run));
            run.clear();
        }
    };
    for (day, cell) in days.filter(|(_, cell)| !cell.is_gap()) {
        if cell.spend_minor > 0 {
            run.push((day, cell));
        } else if !run.is_empty() {
            close(&mut run, paused);
            paused = true;
        }
    }
    close(&mut run, paused);
    found
}

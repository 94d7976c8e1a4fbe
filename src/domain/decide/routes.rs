//! Where a line could go: one rung up when that has the volume, or down when its own has not.

use super::{Gate, Work, arms, closed_gates, gates::route_gates, rule_for, rule_of};
use crate::domain::{
    climb::{Climb, Route, RouteKind, Step},
    evidence::{DayFacts, Evidence},
    forecast::{Candidate, Choice, Demand, Volume, choose},
    planner::allowance,
    policy::{JudgedBy, RuleName},
    signals,
    verdict::{self, TestPlan, special::count},
};

/// Days a volume forecast counts over.
const VOLUME_DAYS: usize = 14;
/// Days purchases per week are averaged over.
const MACRO_DAYS: usize = 28;

/// Weekly counts of the line, all its ad sets together.
#[derive(Debug, Clone, PartialEq)]
pub struct Volumes {
    /// Per rung of the ladder, over the last 14 closed days, per week.
    pub weekly: Vec<f64>,
    /// Macro-conversions per week over the last 28 closed days.
    pub macro_weekly: f64,
    /// Complete days among the last 14.
    pub days: usize,
}

/// Counts of the incumbent over the last closed days.
pub fn volumes(evidence: &Evidence) -> Volumes {
    let rungs = evidence.policy.ladder.rungs.len();
    let recent = |n: usize| {
        // A campaign that was paused says nothing about its volume, so only days of delivery count.
        let delivered =
            |d: &&DayFacts| d.complete && d.incumbent.spend_minor > 0 && !d.incumbent.is_gap();
        evidence.days.iter().rev().filter(delivered).take(n)
    };
    let mut weekly = vec![0.0; rungs];
    let days = recent(VOLUME_DAYS).count();
    for day in recent(VOLUME_DAYS) {
        for (i, slot) in weekly.iter_mut().enumerate() {
            *slot += f64::from(day.incumbent.rung_events(i));
        }
    }
    for slot in &mut weekly {
        *slot *= 7.0 / count(days.max(1));
    }
    let macro_days = recent(MACRO_DAYS).count();
    let macros: f64 = recent(MACRO_DAYS).map(|d| f64::from(d.incumbent.macro_events())).sum();
    Volumes { weekly, macro_weekly: macros * 7.0 / count(macro_days.max(1)), days }
}

/// Weekly events of a rung in thousandths, for the retry gate.
pub(super) fn weekly_milli(evidence: &Evidence, rung: &str) -> i64 {
    let weekly = evidence.rung_index(rung).and_then(|i| volumes(evidence).weekly.get(i).copied());
    #[expect(clippy::cast_possible_truncation, reason = "weekly counts are far below 2^53")]
    let milli = libm::round(weekly.unwrap_or(0.0) * 1000.0) as i64;
    milli
}

/// What a rule costs and risks, in a sentence; the shares are those of simulated markets at 5 to 80 purchases a week.
const fn risk_of(rule: RuleName) -> &'static str {
    match rule {
        RuleName::Balanced => {
            "rule balanced: in simulations it promotes a challenger that is 25 % dearer 1 to 14 times in 100, and one \
             that is 20 % cheaper 64 to 100 times"
        }
        RuleName::ProveItFirst => {
            "rule prove_it_first: judged as balanced (in simulations it promotes a challenger that is 25 % dearer 1 to 14 \
             times in 100, and one that is 20 % cheaper 64 to 100 times), and no step down without a test"
        }
        RuleName::Strict => {
            "rule strict: in simulations it promotes a challenger that is 25 % dearer at most 4 times in 100, and one \
             that is 20 % cheaper only 34 to 96 times"
        }
        RuleName::Quick => {
            "rule quick: it decides on weaker evidence, so it errs more often both ways: in simulations it promotes a \
             challenger that is 25 % dearer 1 to 22 times in 100, and one that is 20 % cheaper 72 to 100 times"
        }
        RuleName::AlwaysValid => {
            "rule always_valid: looked at every day by odds made for that; in simulations it promotes a challenger that is \
             25 % dearer at most 1 time in 100, and one that is 20 % cheaper only 16 to 78 times"
        }
        RuleName::Article => {
            "rule article: the literal point comparison on day 14; in simulations it promotes a challenger that is \
             20 % cheaper less than half the time, whatever the volume"
        }
    }
}

/// The gate of a line that stands on the macro rung and is well off there.
pub(super) fn top(climb: &Climb, volumes: &Volumes) -> Gate {
    let why = format!("{:.0} macro-conversions a week carry {}", volumes.macro_weekly, climb.rung);
    Gate::closed("top", why)
}

impl Work<'_> {
    /// Looks for a move whose gates are all open.
    pub(super) fn find_route(&mut self, climb: &Climb) -> Step {
        let mut closed = closed_gates(self.evidence);
        let route = self.route(climb, &mut closed);
        if let Some(route) = &route {
            closed.extend(route_gates(self.evidence, climb, route));
            // What a test could show is worked out only when nothing else forbids it.
            if route.kind != RouteKind::Placement && closed.is_empty() {
                closed.extend(self.power(route));
            }
        }
        self.out.closed.clone_from(&closed);
        match route {
            Some(route) if closed.is_empty() => {
                let how = match route.kind {
                    RouteKind::Climb => "climb",
                    RouteKind::TestedPlacement => "step down, tested,",
                    RouteKind::Placement => "step down, untested,",
                };
                self.conclude(format!(
                    "{how} from {} to {}: every gate is open",
                    route.from, route.to
                ));
                Step::Open { route }
            }
            _ => {
                let first = closed.first().map_or("nothing to do", |g| g.why.as_str()).to_owned();
                self.conclude(format!("stay on {}: {first}", climb.rung));
                Step::Close
            }
        }
    }

    fn route(&mut self, climb: &Climb, closed: &mut Vec<Gate>) -> Option<Route> {
        let evidence = self.evidence;
        let volumes = volumes(evidence);
        let Some(at) = evidence.rung_index(&climb.rung) else {
            closed
                .push(Gate::closed("ladder", format!("rung {} is not on the ladder", climb.rung)));
            return None;
        };
        if volumes.days < VOLUME_DAYS {
            let why =
                format!("{} complete days of history; {VOLUME_DAYS} are needed", volumes.days);
            closed.push(Gate::closed("history", why));
            return None;
        }
        // Several steps of one decision ask for the same table; it is worked out once.
        let known = self.out.choice.take();
        let choice = known.unwrap_or_else(|| self.rung_table(&volumes));
        let chosen = choice.key.as_deref().and_then(|k| evidence.rung_index(k));
        let chosen = self.nearest_below(at, &volumes).or(chosen);
        let picked = choice.key.as_deref().unwrap_or("none");
        self.because(format!("rung choice: {picked}: {}", choice.reason));
        self.out.choice = Some(choice);
        if at == evidence.macro_index() && evidence.policy.placement_by() == JudgedBy::Saving {
            return self.way_down_by_saving(climb, &volumes, closed);
        }
        if let Some(route) = self.way_down(climb, at, chosen, &volumes) {
            return Some(route);
        }
        self.way_up(climb, at, &volumes, closed)
    }

    /// The rung table: every rung's forecast per ad set at the test budget.
    fn rung_table(&self, volumes: &Volumes) -> Choice {
        let evidence = self.evidence;
        let sets = f64::from(evidence.incumbent.adsets.max(1));
        let gates = &evidence.policy.gates;
        let candidates: Vec<Candidate> = evidence
            .policy
            .ladder
            .rungs
            .iter()
            .zip(&volumes.weekly)
            .enumerate()
            .map(|(i, (rung, weekly))| {
                let whole = i == evidence.macro_index();
                let share = if whole { 1.0 } else { sets };
                let events = weekly / 7.0 * count(volumes.days) / share;
                let dispersion = arms::own_dispersion(evidence, i);
                let volume = Volume { events, days: count(volumes.days), dispersion };
                Candidate { key: rung.key.clone(), volume, quality: 1.0, reliability: 1.0 }
            })
            .collect();
        let demand = Demand {
            events: f64::from(gates.micro_events_per_week),
            macro_events: f64::from(gates.macro_events_per_week),
            probability: gates.micro_probability,
            budget: self.test_share(),
            ..Demand::default()
        };
        choose(&candidates, &demand)
    }

    /// The nearest lower rung, not below add-to-cart, that keeps most of what learning gives.
    fn nearest_below(&self, at: usize, volumes: &Volumes) -> Option<usize> {
        let evidence = self.evidence;
        let gates = &evidence.policy.gates;
        let sets = f64::from(evidence.incumbent.adsets.max(1));
        let enough = f64::from(gates.placement_events_per_week);
        let floor = evidence.rung_index("add_to_cart").unwrap_or(0);
        let nearest = (floor..at).rev().find(|i| {
            let weekly = volumes.weekly.get(*i).copied().unwrap_or(0.0) / sets;
            let events = weekly / 7.0 * count(volumes.days);
            let dispersion = arms::own_dispersion(evidence, *i);
            let volume = Volume { events, days: count(volumes.days), dispersion };
            volume.forecast(1.0, enough).is_some_and(|f| f.p_enough >= gates.micro_probability)
        });
        let has_any = volumes.weekly.get(floor).is_some_and(|weekly| *weekly > 0.0);
        nearest.or_else(|| (floor < at && has_any).then_some(floor))
    }

    /// The challenger's budget relative to the run-rate.
    fn test_share(&self) -> f64 {
        let Some(run_rate) = self.evidence.incumbent.daily_budget else { return 1.0 };
        let extra =
            allowance(&self.evidence.policy, RouteKind::Climb, run_rate).unwrap_or(run_rate);
        if run_rate.is_positive() {
            arms::minor_f64(extra) / arms::minor_f64(run_rate)
        } else {
            1.0
        }
    }

    /// A step down: from the macro rung when it cannot learn, from a micro rung when its volume has fallen away.
    fn way_down(
        &mut self,
        climb: &Climb,
        at: usize,
        chosen: Option<usize>,
        volumes: &Volumes,
    ) -> Option<Route> {
        let evidence = self.evidence;
        let to = chosen.filter(|c| *c < at)?;
        let gates = &evidence.policy.gates;
        let is_macro = at == evidence.macro_index();
        let own = volumes.weekly.get(at).copied().unwrap_or(0.0)
            / f64::from(evidence.incumbent.adsets.max(1));
        let first_start = climb.memory.path.len() <= 1;
        let floor = match (is_macro, first_start) {
            (true, true) => gates.macro_events_per_week.min(gates.tested_below),
            (true, false) => gates.macro_descend_below.min(gates.tested_below),
            (false, _) => gates.micro_descend_below,
        };
        let have = if is_macro { volumes.macro_weekly } else { own };
        if have >= f64::from(floor) {
            return None;
        }
        let untested = rule_of(&evidence.policy).untested_start
            && volumes.macro_weekly < f64::from(gates.untested_below);
        self.because(format!(
            "{} makes {have:.1} a week, fewer than the {floor} below which a lower rung usually wins",
            climb.rung
        ));
        let kind = if untested { RouteKind::Placement } else { RouteKind::TestedPlacement };
        let key = |i: usize| evidence.policy.ladder.rungs.get(i).map(|r| r.key.clone());
        Some(Route { from: key(at)?, to: key(to)?, kind })
    }

    fn way_up(
        &mut self,
        climb: &Climb,
        at: usize,
        volumes: &Volumes,
        closed: &mut Vec<Gate>,
    ) -> Option<Route> {
        let evidence = self.evidence;
        let ladder = &evidence.policy.ladder;
        let Some(next) = ladder.rungs.get(at.saturating_add(1)) else {
            closed.push(top(climb, volumes));
            return None;
        };
        let gates = &evidence.policy.gates;
        let index = at.saturating_add(1);
        let is_macro = index == evidence.macro_index();
        let sets = if is_macro { 1.0 } else { f64::from(evidence.incumbent.adsets.max(1)) };
        let weekly = volumes.weekly.get(index).copied().unwrap_or(0.0) / sets;
        let events = weekly / 7.0 * count(volumes.days);
        let dispersion = arms::own_dispersion(evidence, index);
        let volume = Volume { events, days: count(volumes.days), dispersion };
        let (threshold, wanted) = if is_macro {
            (f64::from(gates.macro_events_per_week), 0.5)
        } else {
            (f64::from(gates.micro_events_per_week), gates.micro_probability)
        };
        let forecast = volume.forecast(self.test_share(), threshold);
        let p = forecast.map_or(0.0, |f| f.p_enough);
        self.because(format!(
            "{}: {weekly:.1} a week{}, P(at least {threshold:.0} at the test budget) {:.0} %, {:.0} % wanted",
            next.key,
            if is_macro { "" } else { " per ad set" },
            p * 100.0,
            wanted * 100.0
        ));
        if p < wanted {
            let needed = volume.budget_needed(threshold, wanted, 10.0);
            let more =
                needed.map_or_else(String::new, |b| format!("; {b:.1} times the budget would do"));
            let why =
                format!("{} makes {weekly:.0} a week, {threshold:.0} are needed{more}", next.key);
            closed.push(Gate::closed("volume", why));
            return None;
        }
        let from = ladder.rungs.get(at).map(|r| r.key.clone())?;
        Some(Route { from, to: next.key.clone(), kind: RouteKind::Climb })
    }

    /// What the test could show, and the gate against tests that cannot.
    fn power(&mut self, route: &Route) -> Vec<Gate> {
        let evidence = self.evidence;
        let rule = rule_for(&evidence.policy, route.kind);
        let volumes = volumes(evidence);
        let Some(run_rate) = evidence.incumbent.daily_budget else { return Vec::new() };
        let extra = allowance(&evidence.policy, route.kind, run_rate).unwrap_or(run_rate);
        let per_arm = volumes.macro_weekly * self.test_share();
        let plan = TestPlan {
            purchases_per_week: per_arm,
            dispersion: arms::own_dispersion(evidence, evidence.macro_index()),
            weekly_spend: 7.0 * arms::minor_f64(extra),
            learning_days: rule.learning.most_days,
            belief: verdict::Belief::default(),
        };
        // Several steps of one decision ask for the same outlook; it is worked out once.
        let outlook = match self.out.outlook.take() {
            Some(known) => known,
            None => verdict::outlook(&plan, &rule),
        };
        let chances = outlook.chances;
        self.because(format!(
            "before a cent is spent: promote {:.0} %, stay {:.0} %, inconclusive {:.0} %, after about {:.1} weeks",
            chances.promote * 100.0,
            chances.stay * 100.0,
            chances.inconclusive * 100.0,
            outlook.weeks
        ));
        self.because(risk_of(evidence.policy.compare.rule));
        self.because(
            "both campaigns run without an ad study: their audiences may overlap, so the account's blended cost is \
             watched beside the verdict",
        );
        if outlook.probably_inconclusive {
            self.because("this test will probably be inconclusive; staying is a sound answer too");
        }
        let weeks = rule.looks.last().map_or(5.0, |l| count(l.days) / 7.0);
        let expected = (volumes.macro_weekly + per_arm) * weeks;
        self.out.outlook = Some(outlook);
        let least = f64::from(evidence.policy.gates.min_expected_conversions);
        if expected < least {
            let why = format!(
                "both arms would see {expected:.0} macro-conversions until the last look; {least:.0} are needed"
            );
            return vec![Gate::closed("power", why)];
        }
        Vec::new()
    }

    /// Two to three weeks on a rung, and a cost no more erratic than counting explains.
    pub(super) fn stabilising(&mut self, climb: &Climb) -> Step {
        match self.find_route(climb) {
            Step::Open { .. } => {}
            other => return other,
        }
        let evidence = self.evidence;
        let policy = evidence.policy.stabilising;
        let first = evidence.days.iter().find(|d| d.incumbent.spend_minor > 0).map(|d| d.day);
        let since = climb.memory.rung_since.or(first).unwrap_or(evidence.today);
        let days = evidence.today.since(since);
        if days < i64::from(policy.min_days) {
            return self
                .wait(&format!("on this rung for {days} days; {} are needed", policy.min_days));
        }
        let rung = evidence.rung_index(&climb.rung).unwrap_or(0);
        let recent: Vec<_> =
            evidence.days.iter().filter(|d| d.complete && d.day >= since).collect();
        let weeks: Vec<(f64, f64)> = recent
            .rchunks(7)
            .filter(|week| week.len() == 7)
            .take(4)
            .map(|week| {
                let spend: i64 = week.iter().map(|d| d.incumbent.spend_minor).sum();
                let events: f64 =
                    week.iter().map(|d| f64::from(d.incumbent.rung_events(rung))).sum();
                (arms::amount(spend), events)
            })
            .collect();
        let dispersion = arms::own_dispersion(evidence, rung);
        let Some(cost) = signals::cost_stability(&weeks, dispersion) else {
            return if days >= i64::from(policy.max_days) {
                self.because(
                    "too few weeks with events to judge the cost's steadiness; time is up, go on",
                );
                Step::Stable
            } else {
                self.wait("three full weeks with events are needed to judge the cost's steadiness")
            };
        };
        self.because(format!(
            "weekly cost per {} varies by {:.0} % ({}); counting alone explains {:.0} %",
            climb.rung,
            cost.cv * 100.0,
            cost.band.as_str(),
            cost.noise_cv * 100.0
        ));
        if cost.cv > policy.max_cost_cv && cost.truly_unstable {
            return self
                .wait("the cost is more erratic than counting explains; waiting for it to settle");
        }
        self.conclude(format!("{} is stable after {days} days: propose the next rung", climb.rung));
        Step::Stable
    }
}

//! The daily decision: evidence in, decision out, nothing else.
//!
//! `decide` is a function of [`Evidence`]: same evidence, same bytes, on every machine. It draws one [`Step`] after
//! another and hands it to the climb machine until nothing moves any more, so that a climb whose gates are all open
//! goes from observing to proposed in one day, and every state it passed stands in the trail.

mod arms;
mod gates;
mod placement;
mod probation;
mod routes;

use serde::{Deserialize, Serialize};

use super::{
    climb::{Climb, Effect, Event, RouteKind, State, Step, Test, Verdict},
    evidence::Evidence,
    forecast::Choice,
    policy,
    prospect::{Lesson, Prospects},
    verdict::{self, Look, Outcome, Outlook, RegretMeter, Rule},
};
use crate::planted::{Bug, bug};

pub use gates::{Gate, closed_gates};
pub use routes::{Volumes, volumes};

/// What was decided, and everything a person needs to check it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Version of this document's form.
    pub version: u32,
    /// The conclusion in one sentence.
    pub conclusion: String,
    /// States passed, the last one is where the climb stands now.
    pub trail: Vec<String>,
    /// Why, in sentences with figures.
    pub reasons: Vec<String>,
    /// Gates that are closed, by name.
    pub closed: Vec<Gate>,
    /// The rung table, when a route was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// What lower rungs are expected to save, when an untested step down was weighed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prospects: Option<Prospects>,
    /// What a test would show, before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlook: Option<Outlook>,
    /// The look, while a test runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
    /// The regret meter, while a test runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter: Option<RegretMeter>,
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// The climb after the decision.
    pub next: Climb,
}

impl Decision {
    /// The bytes that are stored, and that a replay must reproduce.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a decision has only text keys")
    }
}

/// Steps one decision takes at most; the longest honest way is observing to proposed.
const MAX_STEPS: usize = 6;

/// Decides.
pub fn decide(evidence: &Evidence) -> Decision {
    let mut work = Work {
        evidence,
        out: Decision {
            version: 1,
            conclusion: String::new(),
            trail: vec![evidence.climb.state.as_str().to_owned()],
            reasons: Vec::new(),
            closed: Vec::new(),
            choice: None,
            prospects: None,
            outlook: None,
            look: None,
            meter: None,
            effects: Vec::new(),
            next: evidence.climb.clone(),
        },
        lessons: Vec::new(),
    };
    for _ in 0..MAX_STEPS {
        let mut climb = work.out.next.clone();
        let step = work.step(&climb);
        let today = evidence.today;
        climb.memory.lessons.append(&mut work.lessons);
        let (next, effects) = climb.on(&Event::Decided { step, today });
        let moved = next.state.as_str() != climb.state.as_str();
        let acted = effects.iter().any(|e| matches!(e, Effect::Propose { .. }));
        work.out.effects.extend(effects);
        work.out.next = next;
        if moved {
            work.out.trail.push(work.out.next.state.as_str().to_owned());
        }
        if !moved || acted || !work.out.next.state.is_open() {
            break;
        }
    }
    work.out
}

/// The rule in force: the named one with what the policy overrides.
pub fn rule_of(policy: &policy::Policy) -> Rule {
    let compare = &policy.compare;
    let name = match compare.rule {
        policy::RuleName::Balanced => verdict::RuleName::Balanced,
        policy::RuleName::Strict => verdict::RuleName::Strict,
        policy::RuleName::Quick => verdict::RuleName::Quick,
        policy::RuleName::ProveItFirst => verdict::RuleName::ProveItFirst,
        policy::RuleName::AlwaysValid => verdict::RuleName::AlwaysValid,
        policy::RuleName::Article => verdict::RuleName::Article,
    };
    let mut rule = Rule::named(name);
    if compare.rule == policy::RuleName::Article {
        return rule;
    }
    let window = usize::try_from(compare.window_days).unwrap_or(14);
    rule = rule.with_margin(compare.margin).with_window(window, i64::from(compare.max_window_days));
    rule.stay_at = compare.stay_at.unwrap_or(rule.stay_at);
    rule.settle_hours = compare.settle_ms / super::HOUR_MS;
    rule.learning.least_days = i64::from(policy.warming.min_days);
    rule.learning.most_days = i64::from(policy.warming.max_days);
    rule.learning.events = f64::from(policy.warming.events);
    if let Some(p) = compare.promote_at {
        for look in &mut rule.looks {
            look.promote_at = p;
        }
    }
    if let (Some(p), Some(last)) = (compare.promote_at_last, rule.looks.last_mut()) {
        last.promote_at = p;
    }
    rule.value_guard = policy.value_guard.enabled.then_some(verdict::ValueGuard {
        fall: policy.value_guard.max_fall,
        probability: policy.value_guard.probability,
    });
    rule
}

/// The rule for one move. Upwards "comparable" is enough, because a rung nearer to the purchase is the aim; a step down
/// must be proven cheaper, at every look alike.
pub fn rule_for(policy: &policy::Policy, kind: RouteKind) -> Rule {
    let mut rule = rule_of(policy);
    let proven = policy.placement_by() == policy::JudgedBy::Saving;
    if kind == RouteKind::TestedPlacement && proven {
        let promote_at = rule.looks.first().map_or(0.9, |look| look.promote_at);
        rule.margin = 0.0;
        for look in &mut rule.looks {
            look.promote_at = promote_at;
        }
    }
    rule
}

struct Work<'a> {
    evidence: &'a Evidence,
    out: Decision,
    /// What a placement that ends now has taught; the line remembers it.
    lessons: Vec<Lesson>,
}

impl Work<'_> {
    fn conclude(&mut self, text: impl Into<String>) {
        self.out.conclusion = text.into();
    }
    fn because(&mut self, text: impl Into<String>) {
        let text = text.into();
        // Several steps of one decision may look at the same figures; each reason is said once.
        if !self.out.reasons.contains(&text) {
            self.out.reasons.push(text);
        }
    }

    fn step(&mut self, climb: &Climb) -> Step {
        if let Some(why) = &climb.held {
            return self.held(climb, why);
        }
        match &climb.state {
            State::Observing | State::Eligible { .. } => self.find_route(climb),
            State::Stabilising { route } => {
                if route.kind == RouteKind::Climb {
                    self.stabilising(climb)
                } else {
                    self.because("a step down does not wait for a stable cost: the present rung is what fails");
                    Step::Stable
                }
            }
            State::Proposed { .. } if climb.pending.is_none() => match self.find_route(climb) {
                Step::Open { .. } => Step::Stable,
                other => other,
            },
            State::Proposed { .. } => self.wait("the clone plan waits for approval"),
            State::Cloning { .. } => self.cloning(climb),
            State::Warming { test } | State::Comparing { test } => self.testing(climb, test),
            State::Probation { test } => self.probation(climb, test),
            State::Judged { verdict, .. } => {
                let text = format!("verdict {}; the closing plan is on its way", verdict.as_str());
                self.conclude(text);
                // Any step but Wait makes a judged climb propose its closing plan again when none is pending.
                Step::Looked
            }
            State::Shifting { .. } => self.wait("the budget is moving to the winner"),
            State::Settled { .. } | State::Stayed { .. } | State::Aborted => {
                self.wait("this climb has ended")
            }
            State::Stuck { why, .. } => self.wait(&format!("stuck: {why}")),
        }
    }

    fn wait(&mut self, why: &str) -> Step {
        self.conclude(why);
        Step::Wait
    }

    /// On hold only the stop-loss acts.
    fn held(&mut self, climb: &Climb, why: &str) -> Step {
        self.conclude(format!("on hold: {why}"));
        match &climb.state {
            State::Warming { test } | State::Comparing { test } => {
                self.stop_loss(test).unwrap_or(Step::Wait)
            }
            _ => Step::Wait,
        }
    }

    fn cloning(&mut self, climb: &Climb) -> Step {
        if climb.pending.is_some() {
            return self.wait("a plan for the challenger is under way");
        }
        if climb.undo_failures > 0 {
            // A process that died before it filed the plan that puts it away left this to the next one.
            self.conclude("the last plan for the challenger did not go through; it is put away");
            return Step::Unfit;
        }
        if self.evidence.challenger_gone {
            self.conclude("somebody archived or deleted the challenger; the attempt ends");
            return Step::Unfit;
        }
        let Some(arm) = &self.evidence.challenger else {
            return self.wait("the challenger cannot be read yet");
        };
        if arm.is_on() {
            // It was built paused, and nothing of ours bounds what it can spend yet.
            let what = format!("somebody turned campaign {} on before its time", arm.campaign);
            self.conclude(format!("hands off: {what}"));
            return Step::Drift { what };
        }
        let budgets = arm.daily_budget.zip(self.evidence.incumbent.daily_budget);
        let placed = climb.state.route().is_some_and(|r| r.kind == RouteKind::Placement);
        if let Some((own, incumbent)) =
            budgets.filter(|(own, old)| placed && own.minor() > old.minor())
        {
            // It takes the incumbent's place at the incumbent's budget; more was never agreed to.
            let what = format!("the challenger has {own} a day, the incumbent {incumbent}");
            self.conclude(format!("hands off: {what}"));
            return Step::Drift { what };
        }
        let Some(parity) = &self.evidence.parity else {
            return self.wait("the parity report is not there yet");
        };
        if !parity.holds() && !bug(Bug::NoParity) {
            for what in parity.missing.iter().chain(&parity.unexpected) {
                self.because(format!("parity: {what}"));
            }
            self.conclude("the challenger is not an equal of the incumbent and is put away");
            return Step::Unfit;
        }
        if arm.disapproved > 0 {
            self.conclude(format!(
                "review refused {} ads of the challenger; it is put away",
                arm.disapproved
            ));
            return Step::Unfit;
        }
        if arm.with_issues > 0 {
            self.conclude(format!(
                "Meta reports issues with {} parts of the challenger, which would deliver nothing; it is put away",
                arm.with_issues
            ));
            return Step::Unfit;
        }
        if arm.in_review > 0 || arm.effective_status == "IN_PROCESS" {
            return self.wait(&format!(
                "{} parts of the challenger are still in review or being processed",
                arm.in_review
            ));
        }
        if let Some((name, _)) = self.evidence.policy.blackout_on(self.evidence.today) {
            return self.wait(&format!("blackout {name}: nothing is turned on today"));
        }
        if let Some(full) = gates::overbooked(self.evidence).filter(|_| placed) {
            return self.wait(&full.why);
        }
        let text = format!(
            "parity holds over {} fields; the challenger can be turned on",
            parity.compared
        );
        self.conclude(text);
        Step::Ready { cut_first: self.must_cut_first(arm, climb) }
    }

    /// In a split test both arms get half of the run-rate: until the incumbent has been cut to its half, it stands on
    /// nearly twice the challenger's budget.
    fn must_cut_first(&self, challenger: &super::evidence::ArmFacts, climb: &Climb) -> bool {
        let split = self.evidence.policy.compare.budget_mode == policy::BudgetMode::Split;
        let tested = climb.state.route().is_some_and(|r| r.kind != RouteKind::Placement);
        let budgets = self.evidence.incumbent.daily_budget.zip(challenger.daily_budget);
        let twice = |a: super::Money, b: super::Money| {
            // Half of an odd amount is rounded down, so "equal" may differ by one unit.
            a.minor().saturating_sub(b.minor()) > 1
        };
        split && tested && budgets.is_some_and(|(a, b)| twice(a, b))
    }

    fn testing(&mut self, climb: &Climb, test: &Test) -> Step {
        if let Some(what) = self.drift(test) {
            self.conclude(format!("hands off: {what}"));
            return Step::Drift { what };
        }
        if let Some(step) = self.stop_loss(test) {
            return step;
        }
        let rule = rule_for(&self.evidence.policy, test.route.kind);
        let comparison = arms::comparison(self.evidence, test);
        let look = verdict::look(&comparison, &rule);
        let decided = comparison.decision_days(&rule);
        let reasons: Vec<String> = look.reasons.iter().map(ToString::to_string).collect();
        let outcome = look.outcome;
        let index = look.at.and_then(|at| rule.looks.iter().position(|l| l.days == at));
        let number = index.and_then(|i| u32::try_from(i).ok()).map_or(0, |i| i.saturating_add(1));
        for reason in reasons {
            self.because(reason);
        }
        self.out.look = Some(look);
        if matches!(climb.state, State::Warming { .. }) {
            return self.warming(decided, &rule);
        }
        let final_look =
            matches!(outcome, Outcome::Promote | Outcome::Stay | Outcome::Inconclusive);
        if number > test.looks || (final_look && index.is_none() && outcome != Outcome::TooEarly) {
            return self.at_look(test, outcome, number);
        }
        if self.evidence.today > test.last_day {
            self.conclude("the test reached the end of its authorised time: inconclusive, stay");
            return self.verdict(test, Verdict::Inconclusive);
        }
        let next = rule.looks.iter().map(|l| l.days).find(|d| *d > decided);
        let next = next.map_or_else(String::new, |d| format!("; the next look is at {d}"));
        self.wait(&format!("{decided} paired days so far{next}"))
    }

    fn warming(&mut self, decided: usize, rule: &Rule) -> Step {
        if decided > 0 || rule.learning.most_days == 0 {
            self.conclude("the challenger has learned as far as it will; the comparison begins");
            return Step::Learned;
        }
        self.wait("the challenger learns; its days do not count yet")
    }

    fn at_look(&mut self, test: &Test, outcome: Outcome, number: u32) -> Step {
        let figures = self.out.look.as_ref().and_then(|l| l.figures.as_ref()).map(|f| {
            format!(
                "cost ratio {:.2}, 90 % interval {:.2} to {:.2}, P(at most {:.0} % dearer) {:.1} %",
                f.median,
                f.low,
                f.high,
                f.margin * 100.0,
                f.p_not_worse * 100.0
            )
        });
        let figures = figures.unwrap_or_else(|| "no figures".to_owned());
        let (to, from) = (&test.route.to, &test.route.from);
        match outcome {
            Outcome::Promote => {
                self.conclude(format!("promote {to}: {figures}"));
                self.verdict(test, Verdict::Promote)
            }
            Outcome::Stay => {
                self.conclude(format!("stay on {from}: {figures}"));
                self.verdict(test, Verdict::Stay)
            }
            Outcome::Inconclusive => {
                self.conclude(format!("inconclusive, stay on {from}: {figures}"));
                self.verdict(test, Verdict::Inconclusive)
            }
            Outcome::Extend => {
                self.conclude(format!("look {number} is undecided, go on: {figures}"));
                Step::Looked
            }
            Outcome::TooEarly => self.wait("no look is due yet"),
        }
    }

    fn verdict(&self, test: &Test, verdict: Verdict) -> Step {
        Step::Verdict { verdict, weekly_milli: routes::weekly_milli(self.evidence, &test.route.to) }
    }

    /// Evidence, ledger and the configured regret limit: whichever is reached first ends the test.
    fn stop_loss(&mut self, test: &Test) -> Option<Step> {
        let rule = rule_of(&self.evidence.policy);
        let comparison = arms::comparison(self.evidence, test);
        self.out.meter = verdict::regret_meter(&comparison, &rule);
        let fired =
            verdict::daily(&comparison, &rule).map(|s| format!("{:?}", s.cause).to_lowercase());
        let limit = self.evidence.policy.limits.map(|l| l.max_regret_per_climb);
        let over = self.out.meter.as_ref().zip(limit).and_then(|(meter, limit)| {
            let cap = arms::minor_f64(limit);
            (meter.excess_spend >= cap && !bug(Bug::NoStopLoss))
                .then(|| format!("limits.max_regret_per_climb {limit}"))
        });
        let why = fired.or(over)?;
        let meter = self.out.meter.as_ref()?;
        let sentence = format!(
            "stop-loss ({why}): the challenger cost {:.2} {} more than its purchases were worth at the incumbent's \
             cost, evidence {:.1} to 1",
            meter.excess_spend / 100.0
                * if self.evidence.currency.offset() == 1 { 100.0 } else { 1.0 },
            self.evidence.currency,
            meter.e_value
        );
        self.conclude(sentence);
        Some(self.verdict(test, Verdict::Aborted))
    }

    /// What somebody else changed about the two arms, in words.
    fn drift(&self, test: &Test) -> Option<String> {
        let arms = [
            (Some(&self.evidence.incumbent), test.incumbent_budget, "incumbent"),
            (self.evidence.challenger.as_ref(), test.challenger_budget, "challenger"),
        ];
        for (arm, budget, name) in arms {
            let Some(arm) = arm else { return Some(format!("the {name} can no longer be read")) };
            if !arm.is_on() {
                return Some(format!("the {name} was switched to {} by somebody else", arm.status));
            }
            if arm.daily_budget != Some(budget) {
                let is = arm.daily_budget.map_or_else(|| "gone".to_owned(), |b| b.to_string());
                return Some(format!(
                    "the daily budget of the {name} is {is}, not {budget}: somebody else changed it"
                ));
            }
        }
        None
    }
}

//! An untested placement against the days before it: not concurrent, so seasons blur it, and the figures say so.

use super::{Work, arms};
use crate::domain::{
    climb::{Step, Test, Verdict},
    verdict::{Exposure, Prior, RatioPosterior, USUAL_DISPERSION, round12},
};

/// Standard deviation of the season between two periods, as a share (statistics of before/after comparisons).
const SEASON_SD: f64 = 0.15;
/// Pseudo-purchases of the prior: weak, because an untested placement must be able to fail.
const PRIOR_STRENGTH: f64 = 6.0;
/// From this probability a placement has proven itself and the line may climb from it.
const PROVEN_AT: f64 = 0.5;

impl Work<'_> {
    pub(super) fn probation(&mut self, test: &Test) -> Step {
        let evidence = self.evidence;
        let policy = &evidence.policy.probation;
        let Some(placed) = &evidence.challenger else {
            return self.wait("the placed campaign cannot be read");
        };
        if !placed.is_on() {
            let what =
                format!("the placed campaign was switched to {} by somebody else", placed.status);
            self.conclude(format!("hands off: {what}"));
            return Step::Drift { what };
        }
        let age = evidence.today.since(test.first_day);
        let due = policy.look_days.iter().filter(|d| age >= i64::from(**d)).count();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due <= test.looks {
            let next = usize::try_from(test.looks).ok().and_then(|i| policy.look_days.get(i));
            let next = next.map_or_else(String::new, |d| format!("; the next look is on day {d}"));
            return self.wait(&format!("on probation for {age} days{next}"));
        }
        let learning = i64::from(evidence.policy.warming.max_days);
        let from = test.first_day.plus(-i64::from(policy.baseline_days));
        let (mut before, mut after) = (Exposure::new(0.0, 0.0), Exposure::new(0.0, 0.0));
        for day in evidence.days.iter().filter(|d| d.complete) {
            if day.day >= from && day.day < test.first_day.plus(-1) && !day.incumbent.is_gap() {
                add(&mut before, &day.incumbent);
            }
            if let Some(cell) = day.challenger.as_ref().filter(|c| !c.is_gap())
                && day.day >= test.first_day.plus(learning)
            {
                add(&mut after, cell);
            }
        }
        let prior = Prior { strength: PRIOR_STRENGTH, centre: 0.0 };
        let margin = 1.0 + evidence.policy.compare.margin;
        let posterior = RatioPosterior::new(blurred(before), blurred(after), prior, 1.0);
        let Some(posterior) = posterior else {
            return self.wait("no spend to compare before and after");
        };
        let p = round12(posterior.probability_at_most(margin));
        let (x, y) = (before.purchases, after.purchases);
        let sentence = format!(
            "{x:.0} purchases in the days before, {y:.0} since; P(cost at most {:.0} % higher) {:.1} %, season included",
            (margin - 1.0) * 100.0,
            p * 100.0
        );
        self.because(sentence);
        let last = usize::try_from(due).is_ok_and(|n| n >= policy.look_days.len());
        if p <= policy.revert_at {
            self.conclude(format!("go back to {}: the placement costs more", test.route.from));
            return self.verdict(test, Verdict::Stay);
        }
        if p >= PROVEN_AT || last {
            self.conclude(format!(
                "the placement on {} holds; the line may climb from here",
                test.route.to
            ));
            return self.verdict(test, Verdict::Promote);
        }
        self.conclude("the placement is undecided; probation goes on");
        Step::Looked
    }
}

fn add(sum: &mut Exposure, cell: &crate::domain::evidence::Cell) {
    sum.purchases += f64::from(cell.macro_events());
    sum.spend += arms::amount(cell.spend_minor);
}

/// A period's counts worth only as many purchases as dispersion and season leave of them, at the same cost.
fn blurred(period: Exposure) -> Exposure {
    let n = period.purchases.max(0.5);
    let worth = 1.0 / (USUAL_DISPERSION / n.max(1.0) + SEASON_SD * SEASON_SD);
    Exposure::new(worth.min(period.purchases), period.spend * worth.min(n) / n)
}

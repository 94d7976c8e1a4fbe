//! An untested placement against the days before it: not concurrent, so seasons blur it, and the figures say so.

use libm::{log, sqrt};

use super::{Work, arms};
use crate::domain::{
    climb::{Climb, Step, Test, Verdict},
    evidence::Cell,
    policy::JudgedBy,
    verdict::{USUAL_DISPERSION, round12, special::normal_cdf},
};

/// Standard deviation of the season between two periods, as a share (statistics of before/after comparisons).
const SEASON_SD: f64 = 0.15;
/// Standard deviation of the prior of the log cost ratio: wide, because an untested placement must be able to fail.
const PRIOR_SD: f64 = 0.6;
/// By how much the share of signal events that buy is believed to change between two rungs, in its logarithm.
const SIGNAL_SD: f64 = 0.15;

impl Work<'_> {
    /// The rung right below the macro rung, where it lies above the one the placement optimises for: neither campaign
    /// was asked for its events, so they are as honest a sign of buying as purchases, and more frequent.
    fn signal(&self, test: &Test) -> Option<usize> {
        let rung = self.evidence.macro_index().checked_sub(1)?;
        let placed = self.evidence.rung_index(&test.route.to)?;
        (rung > placed).then_some(rung)
    }

    pub(super) fn probation(&mut self, climb: &Climb, test: &Test) -> Step {
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
        if evidence.policy.placement_by() == JudgedBy::Saving {
            return self.placed(climb, test, age);
        }
        let due = policy.look_days.iter().filter(|d| age >= i64::from(**d)).count();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due <= test.looks {
            let next = usize::try_from(test.looks).ok().and_then(|i| policy.look_days.get(i));
            let next = next.map_or_else(String::new, |d| format!("; the next look is on day {d}"));
            return self.wait(&format!("on probation for {age} days{next}"));
        }
        let learning = i64::from(evidence.policy.warming.max_days);
        let from = test.first_day.plus(-i64::from(policy.baseline_days));
        let signal = self.signal(test);
        let (mut before, mut after) = (Period::default(), Period::default());
        for day in evidence.days.iter().filter(|d| d.complete) {
            if day.day >= from && day.day < test.first_day.plus(-1) && !day.incumbent.is_gap() {
                before.add(&day.incumbent, signal);
            }
            if let Some(cell) = day.challenger.as_ref().filter(|c| !c.is_gap())
                && day.day >= test.first_day.plus(learning)
            {
                after.add(cell, signal);
            }
        }
        if before.spend <= 0.0 || after.spend <= 0.0 {
            return self.wait("no spend to compare before and after");
        }
        let margin = 1.0 + evidence.policy.compare.margin;
        let p = round12(probability_at_most(margin, &before, &after));
        let (x, y) = (before.purchases, after.purchases);
        let key = signal.and_then(|rung| evidence.policy.ladder.rungs.get(rung)).map(|r| &r.key);
        let with = key.map_or_else(String::new, |key| {
            format!(" and {:.0} and {:.0} {key}", before.signals, after.signals)
        });
        let sentence = format!(
            "{x:.0} purchases in the days before, {y:.0} since{with}; P(cost at most {:.0} % higher) {:.1} %, season \
             included",
            (margin - 1.0) * 100.0,
            p * 100.0
        );
        self.because(sentence);
        let last = usize::try_from(due).is_ok_and(|n| n >= policy.look_days.len());
        if p <= policy.revert_at {
            self.conclude(format!("go back to {}: the placement costs more", test.route.from));
            return self.verdict(test, Verdict::Stay);
        }
        if p >= policy.proven_at || last {
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

/// What one campaign did in one period.
#[derive(Debug, Clone, Copy, Default)]
struct Period {
    purchases: f64,
    /// Events of the signal rung; the purchases where there is none.
    signals: f64,
    spend: f64,
}

impl Period {
    fn add(&mut self, cell: &Cell, signal: Option<usize>) {
        let purchases = f64::from(cell.macro_events());
        self.purchases += purchases;
        self.signals += signal.map_or(purchases, |rung| f64::from(cell.rung_events(rung)));
        self.spend += arms::amount(cell.spend_minor);
    }
}

/// P(r ≤ c) of the cost ratio after ÷ before, by normal approximation of ln r.
///
/// `ln r` is the change of the cost per signal event plus the change of signal events per purchase. Signal events are
/// many, so the first is measured well; the second is believed to be small and moves only as far as purchases show it.
fn probability_at_most(c: f64, before: &Period, after: &Period) -> f64 {
    let of = |events: f64| events + 0.5;
    let (ya, yb) = (of(before.signals), of(after.signals));
    let (xa, xb) = (of(before.purchases).min(ya), of(after.purchases).min(yb));
    let dearer = log(ya / before.spend) - log(yb / after.spend);
    let season = 2.0 * SEASON_SD * SEASON_SD;
    let noise = USUAL_DISPERSION * (1.0 / ya + 1.0 / yb) + season;
    let worse = log(xa / ya) - log(xb / yb);
    let worse_noise = USUAL_DISPERSION * (1.0 / xa - 1.0 / ya + 1.0 / xb - 1.0 / yb);
    let trust = SIGNAL_SD * SIGNAL_SD;
    let believed = trust / (trust + worse_noise);
    let (seen, variance) = (dearer + believed * worse, noise + believed * worse_noise);
    let shrink = PRIOR_SD * PRIOR_SD / (PRIOR_SD * PRIOR_SD + variance);
    normal_cdf((log(c) - shrink * seen) / sqrt(shrink * variance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(purchases: f64, signals: f64) -> Period {
        Period { purchases, signals, spend: 1_000.0 }
    }

    #[test]
    fn more_signals_for_the_same_money_speak_for_the_placement_and_fewer_against_it() {
        let p = |purchases, signals| {
            probability_at_most(1.1, &period(20.0, 44.0), &period(purchases, signals))
        };
        assert!(p(30.0, 66.0) > 0.85, "{}", p(30.0, 66.0));
        assert!(p(10.0, 22.0) < 0.15, "{}", p(10.0, 22.0));
        assert!((0.5..0.8).contains(&p(20.0, 44.0)), "{}", p(20.0, 44.0));
    }

    #[test]
    fn signals_decide_sooner_than_purchases_alone() {
        let alone = probability_at_most(1.1, &period(12.0, 12.0), &period(7.0, 7.0));
        let with = probability_at_most(1.1, &period(12.0, 27.0), &period(7.0, 15.0));
        assert!(with < alone, "{with} {alone}");
    }

    #[test]
    fn signals_that_stop_buying_do_not_save_a_placement() {
        let healthy = probability_at_most(1.1, &period(100.0, 220.0), &period(100.0, 220.0));
        let hollow = probability_at_most(1.1, &period(100.0, 220.0), &period(40.0, 220.0));
        assert!(hollow < healthy - 0.15, "{hollow} {healthy}");
    }
}

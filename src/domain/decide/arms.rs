//! From stored days to the comparison the verdict judges.

use crate::domain::{
    Day, Money,
    climb::Test,
    evidence::{Cell, DayFacts, Evidence},
    forecast,
    verdict::{ArmDay, Comparison, Lag, PairedDay},
};

/// Minor units as a number for statistics; exact up to 2^53.
pub(super) fn minor_f64(money: Money) -> f64 {
    amount(money.minor())
}

#[expect(clippy::cast_precision_loss, reason = "statistics; exact up to 2^53 minor units")]
pub(super) fn amount(minor: i64) -> f64 {
    minor as f64
}

fn arm_day(cell: &Cell) -> ArmDay {
    ArmDay {
        spend: amount(cell.spend_minor),
        purchases: f64::from(cell.macro_events()),
        value: amount(cell.value_minor),
    }
}

/// A day's cell as far as it can be trusted: not missing, not a gap, and not before something spoiled the test.
fn usable(day: &DayFacts, cell: Option<&Cell>) -> Option<ArmDay> {
    cell.filter(|c| day.complete && !c.is_gap()).map(arm_day)
}

/// The paired days of a test. Days before the challenger's first carry the incumbent's late purchases.
pub(super) fn comparison(evidence: &Evidence, test: &Test) -> Comparison {
    let target = evidence.rung_index(&test.route.to).unwrap_or(0);
    let from = test.not_before.map_or(test.first_day, |d| d.max(test.first_day));
    let days = evidence.days.iter().map(|day| {
        let live = day.day >= from;
        // After a taint only the days since count, but spend before it still pays back later.
        let cell = day.challenger.as_ref().filter(|_| live);
        PairedDay {
            day: day.day,
            incumbent: usable(day, Some(&day.incumbent)),
            challenger: usable(day, cell),
            challenger_events: cell.map(|c| f64::from(c.rung_events(target))),
        }
    });
    let mut comparison = Comparison::new(from, days.collect());
    comparison.lag = lag(evidence);
    comparison.dispersion_start = dispersion_before(evidence, test.first_day);
    comparison.challenger_weekly_budget = Some(7.0 * minor_f64(test.challenger_budget));
    comparison
}

/// Variance ÷ mean of the incumbent's daily events of a rung, from its own days.
pub(super) fn own_dispersion(evidence: &Evidence, rung: usize) -> f64 {
    forecast::own_dispersion(&own_days(&evidence.days, rung))
}

/// The same of its macro-conversions, from the days before a test.
fn dispersion_before(evidence: &Evidence, first: Day) -> f64 {
    let before = evidence.days.partition_point(|day| day.day < first);
    let days = evidence.days.get(..before).unwrap_or_default();
    forecast::own_dispersion(&own_days(days, evidence.macro_index()))
}

fn own_days(days: &[DayFacts], rung: usize) -> Vec<Option<(f64, f64)>> {
    let own = |day: &DayFacts| {
        let cell = &day.incumbent;
        let usable = day.complete && !cell.is_gap();
        usable.then(|| (amount(cell.spend_minor), f64::from(cell.rung_events(rung))))
    };
    days.iter().map(own).collect()
}

/// The account's own share of purchases within a day, over the last 28 closed days.
pub(super) fn lag(evidence: &Evidence) -> Lag {
    let mut one_day = 0.0;
    let mut all = 0.0;
    for day in evidence.days.iter().rev().take(28) {
        for cell in std::iter::once(&day.incumbent).chain(day.challenger.as_ref()) {
            one_day += f64::from(cell.within_one_day);
            all += f64::from(cell.within_seven_days);
        }
    }
    Lag::from_windows(one_day, all)
}

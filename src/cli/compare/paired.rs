//! The days both files have, as a comparison.

use std::collections::{BTreeMap, BTreeSet};

use super::{ArmReport, CompareArgs, PairedReport};
use crate::{
    domain::{
        Currency, Day,
        verdict::{ArmDay, Comparison, Lag, PairedDay},
    },
    exports::{Event, Table, Totals},
};

/// Days of the incumbent before the challenger's first that show a challenger which started later.
const HEAD_START: i64 = 7;

/// The days both files have.
pub(super) struct Paired {
    pub(super) comparison: Comparison,
    days: BTreeMap<Day, (Totals, Totals)>,
}

impl Paired {
    pub(super) fn report(
        &self,
        names: &[String; 2],
        event: Event,
        currency: Option<Currency>,
        decision_days: usize,
    ) -> PairedReport {
        let sum = |arm: fn(&(Totals, Totals)) -> &Totals| {
            let mut total = Totals { days: self.days.len(), ..Totals::default() };
            for day in self.days.values().map(arm) {
                total.spend = total.spend.plus(day.spend);
                total.value = total.value.plus(day.value);
                *total.events.entry(event).or_default() += day.count(event);
            }
            total
        };
        let start = self.comparison.start;
        PairedReport {
            days: self.days.len(),
            first: self.days.keys().next().copied().unwrap_or(start),
            last: self.days.keys().next_back().copied().unwrap_or(start),
            decision_days,
            arms: [
                ArmReport::new(&names[0], &sum(|pair| &pair.0), event, currency),
                ArmReport::new(&names[1], &sum(|pair| &pair.1), event, currency),
            ],
        }
    }
}

pub(super) fn pair(a: &Table, b: &Table, event: Event, args: &CompareArgs) -> Option<Paired> {
    if !a.is_daily() || !b.is_daily() {
        return None;
    }
    let usable = |table: &Table| {
        let gaps: BTreeSet<Day> = table.gaps.iter().filter_map(|gap| gap.day).collect();
        let mut days = table.by_day();
        days.retain(|day, _| !gaps.contains(day));
        days
    };
    let (left, right) = (usable(a), usable(b));
    let days: BTreeMap<Day, (Totals, Totals)> = left
        .iter()
        .filter_map(|(day, one)| Some((*day, (one.clone(), right.get(day)?.clone()))))
        .collect();
    let (first_a, first_b) = (*left.keys().next()?, *right.keys().next()?);
    days.keys().next()?;
    let started_later = first_b.since(first_a) >= HEAD_START;
    let start = if started_later { first_b } else { first_a.max(first_b) };
    let arm = |totals: &Totals| ArmDay {
        spend: totals.spend.as_f64(),
        purchases: f64::from(u32::try_from(totals.count(event)).unwrap_or(u32::MAX)),
        value: if event == Event::Purchase { totals.value.as_f64() } else { 0.0 },
    };
    let all: BTreeSet<Day> = left.keys().chain(right.keys()).copied().collect();
    let rows = all.into_iter().map(|day| PairedDay {
        day,
        incumbent: left.get(&day).map(arm),
        challenger: right.get(&day).map(arm),
        challenger_events: None,
    });
    let mut comparison = Comparison::new(start, rows.collect());
    comparison.past_learning = !started_later;
    comparison.dispersion_fixed = args.dispersion;
    if !started_later {
        // Nothing is known of the days before: both arms are taken as running through.
        comparison.lag = Lag::IMMEDIATE;
    }
    Some(Paired { comparison, days })
}

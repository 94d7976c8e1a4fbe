//! The paired days of two arms and the window a verdict may use.

use serde::{Deserialize, Serialize};

use super::{
    dispersion::{DayCounts, Dispersion, USUAL_DISPERSION},
    lag::Lag,
    posterior::Exposure,
    rule::Rule,
};
use crate::domain::Day;

/// What one arm did on one day. Money in any unit, the same for both arms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmDay {
    /// Spend.
    pub spend: f64,
    /// Purchases (macro-conversions).
    pub purchases: f64,
    /// Value of these purchases; 0 where values are not tracked.
    pub value: f64,
}

/// One calendar day of both arms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDay {
    /// The day.
    pub day: Day,
    /// The incumbent; None when its row is missing, a gap or not trusted.
    pub incumbent: Option<ArmDay>,
    /// The challenger; None likewise, and on days before it existed.
    pub challenger: Option<ArmDay>,
    /// Events of the challenger's own optimised event; None when unknown.
    pub challenger_events: Option<f64>,
}

/// Everything a look depends on. Only closed days belong in here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Day 0: the first day on which the challenger delivered.
    pub start: Day,
    /// Ascending days, those before `start` included: they carry late purchases into the window.
    pub days: Vec<PairedDay>,
    /// Attribution lag of the account.
    pub lag: Lag,
    /// The account's own dispersion over the last 56 days, or the usual value.
    pub dispersion_start: f64,
    /// The dispersion to use instead of a measured one, drift included; None = measure.
    pub dispersion_fixed: Option<f64>,
    /// What the challenger may spend in a week; None = judge by what it did spend.
    pub challenger_weekly_budget: Option<f64>,
    /// The incumbent's CPA as planned before the test; None = from the days before `start`.
    pub planned_cpa: Option<f64>,
    /// True when learning days have been dealt with already, or arms started long before: none are dropped.
    pub past_learning: bool,
}

impl Comparison {
    /// A comparison with usual settings; sorts the days and keeps the last of two rows for the same day.
    pub fn new(start: Day, mut days: Vec<PairedDay>) -> Self {
        days.sort_by_key(|d| d.day);
        days.reverse();
        days.dedup_by_key(|d| d.day);
        days.reverse();
        Self {
            start,
            days,
            lag: Lag::default(),
            dispersion_start: USUAL_DISPERSION,
            dispersion_fixed: None,
            challenger_weekly_budget: None,
            planned_cpa: None,
            past_learning: false,
        }
    }
}

/// A day after `start` that both arms have, with its effective spend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Days since the start.
    pub(super) offset: i64,
    /// The day.
    pub(super) day: Day,
    /// Counts and effective spend.
    pub(super) counts: DayCounts,
    /// The incumbent as reported.
    pub(super) incumbent: ArmDay,
    /// The challenger as reported.
    pub(super) challenger: ArmDay,
}

/// Sums over some rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    /// The incumbent as reported.
    pub(super) incumbent: Exposure,
    /// The challenger as reported.
    pub(super) challenger: Exposure,
    /// The incumbent with effective spend.
    pub(super) incumbent_effective: Exposure,
    /// The challenger with effective spend.
    pub(super) challenger_effective: Exposure,
}

impl Sums {
    /// Adds the rows up in order.
    pub(super) fn of(rows: &[Row]) -> Self {
        rows.iter().fold(Self::default(), |mut sums, row| {
            let add = |sum: &mut Exposure, purchases: f64, spend: f64| {
                sum.purchases += purchases;
                sum.spend += spend;
            };
            let counts = &row.counts;
            add(&mut sums.incumbent, row.incumbent.purchases, row.incumbent.spend);
            add(&mut sums.challenger, row.challenger.purchases, row.challenger.spend);
            add(&mut sums.incumbent_effective, counts.incumbent, counts.spend_incumbent);
            add(&mut sums.challenger_effective, counts.challenger, counts.spend_challenger);
            sums
        })
    }
}

impl Comparison {
    /// The dispersion of these rows, or the one that was given.
    pub(super) fn dispersion(&self, rows: &[Row]) -> Dispersion {
        let counts: Vec<_> = rows.iter().map(|row| row.counts).collect();
        let measured = Dispersion::measure(&counts, self.dispersion_start);
        match self.dispersion_fixed {
            Some(phi) => Dispersion { daily: phi, drift: 0.0, total: phi, ..measured },
            None => measured,
        }
    }

    /// The days since the start that both arms have, with effective spend from all days that came before.
    pub(super) fn rows(&self) -> Vec<Row> {
        let Some(first) = self.days.first() else { return Vec::new() };
        let origin = self.start.since(first.day);
        let mut rows = Vec::with_capacity(self.days.len());
        // Spend per calendar day; days without a row, and unknown spend, count as none.
        let (mut spent_a, mut spent_b) = (Vec::new(), Vec::new());
        for day in &self.days {
            let Ok(index) = usize::try_from(day.day.since(first.day)) else { continue };
            spent_a.resize(index, 0.0);
            spent_b.resize(index, 0.0);
            spent_a.push(day.incumbent.map_or(0.0, |arm| arm.spend));
            spent_b.push(day.challenger.map_or(0.0, |arm| arm.spend));
            let offset = i64::try_from(index).unwrap_or(i64::MAX) - origin;
            let (Some(incumbent), Some(challenger)) = (day.incumbent, day.challenger) else {
                continue;
            };
            if offset < 0 {
                continue;
            }
            let counts = DayCounts {
                incumbent: incumbent.purchases,
                spend_incumbent: self.lag.effective(&spent_a),
                challenger: challenger.purchases,
                spend_challenger: self.lag.effective(&spent_b),
            };
            rows.push(Row { offset, day: day.day, counts, incumbent, challenger });
        }
        rows
    }

    /// How many days after the start are learning days: at least the rule's minimum, then until the challenger has
    /// enough events of its own, at most the rule's maximum (what still learns then has found its steady state).
    pub fn learning_days(&self, rule: &Rule) -> i64 {
        if self.past_learning {
            return 0;
        }
        let (least, most) = (rule.learning.least_days, rule.learning.most_days);
        let mut events = 0.0;
        for day in &self.days {
            let offset = day.day.since(self.start);
            if offset < 0 {
                continue;
            }
            if offset >= most {
                break;
            }
            events += day.challenger_events.unwrap_or(0.0);
            if events >= rule.learning.events {
                return (offset + 1).max(least);
            }
        }
        most
    }

    /// Calendar days from the start to the last day known, both included.
    pub(super) fn elapsed_days(&self) -> i64 {
        self.days.last().map_or(0, |d| d.day.since(self.start) + 1).max(0)
    }

    /// Number of paired decision days so far.
    pub fn decision_days(&self, rule: &Rule) -> usize {
        let learning = self.learning_days(rule);
        self.days
            .iter()
            .filter(|d| d.incumbent.is_some() && d.challenger.is_some())
            .filter(|d| d.day.since(self.start) >= learning)
            .count()
    }
}

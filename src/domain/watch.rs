//! Watching an account between decisions: the rung table, the weekly audit of its events, the blended cost of a climb.
//!
//! All of it reads stored days and decides nothing. The figures that also open gates (volume, its forecast, the chosen
//! rung) are computed exactly as the decision computes them, so that the table and the gate never disagree.

mod audit;
mod blended;
mod rungs;
mod silence;

use serde::{Deserialize, Serialize};

use super::{Day, verdict::special::count};

pub use audit::{
    Action, AuditInput, AuditSet, EventAudit, EventRatio, LineCost, PixelHealth,
    SPIRAL_FALSE_ALARMS, SetLearning, Spot, SweetSpot, audit,
};
pub use blended::{Blended, baseline, blended};
pub use rungs::{Consolidation, RungInput, RungRow, RungTable, rung_table};
pub use silence::{Silence, silence};

/// One day of a line or an ad set, as last seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesDay {
    /// The day.
    pub day: Day,
    /// A complete read covers it, and its spend comes with impressions.
    pub usable: bool,
    /// Spend in minor units.
    pub spend: f64,
    /// Events per rung of the ladder, lowest first; the last one are the macro-conversions.
    pub events: Vec<f64>,
    /// The largest count among the other names of each event; 0 where none is reported.
    pub aliases: Vec<f64>,
}

impl SeriesDay {
    /// Events of one rung.
    pub fn of(&self, rung: usize) -> f64 {
        self.events.get(rung).copied().unwrap_or(0.0)
    }
    /// Macro-conversions.
    pub fn macros(&self) -> f64 {
        self.events.last().copied().unwrap_or(0.0)
    }
}

/// Closed days, oldest first, without a hole, from the first day with spend on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The days.
    pub days: Vec<SeriesDay>,
}

impl Series {
    /// The newest `n` usable days, newest first.
    pub fn recent(&self, n: usize) -> impl Iterator<Item = &SeriesDay> {
        self.days.iter().rev().filter(|d| d.usable).take(n)
    }
    /// Events of a rung over the newest `n` usable days, and how many days those are.
    pub fn total(&self, n: usize, rung: usize) -> (f64, usize) {
        let events = self.recent(n).map(|d| d.of(rung)).sum();
        (events, self.recent(n).count())
    }
    /// Events of a rung per week over the newest `n` usable days.
    pub fn weekly(&self, n: usize, rung: usize) -> f64 {
        let (events, days) = self.total(n, rung);
        events * 7.0 / count(days.max(1))
    }
    /// Variance ÷ mean of the daily events of a rung, from these days.
    pub fn own_dispersion(&self, rung: usize) -> f64 {
        let days: Vec<_> =
            self.days.iter().map(|d| d.usable.then(|| (d.spend, d.of(rung)))).collect();
        super::forecast::own_dispersion(&days)
    }
    /// Full weeks of usable days as `(spend, events, macro-conversions)`, oldest first, at most `n`.
    pub fn weeks(&self, n: usize, rung: usize) -> Vec<(f64, f64, f64)> {
        let usable: Vec<&SeriesDay> = self.days.iter().filter(|d| d.usable).collect();
        let mut weeks: Vec<_> = usable
            .rchunks_exact(7)
            .take(n)
            .map(|week| {
                let sum = |f: &dyn Fn(&SeriesDay) -> f64| week.iter().map(|d| f(d)).sum::<f64>();
                (sum(&|d| d.spend), sum(&|d| d.of(rung)), sum(&SeriesDay::macros))
            })
            .collect();
        weeks.reverse();
        weeks
    }
    /// Days among the newest `n` that cannot be used.
    pub fn missing(&self, n: usize) -> usize {
        self.days.iter().rev().take(n).filter(|d| !d.usable).count()
    }
}

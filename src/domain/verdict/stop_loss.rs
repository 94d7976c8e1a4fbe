//! The daily watch over a running test.
//!
//! Two meters, either of which ends a test: an e-process, whose evidence may be looked at every day without raising the
//! risk of a false stop, and a ledger of excess spend, which bounds the loss whatever the evidence.

use libm::exp;
use serde::{Deserialize, Serialize};

use super::{
    e_process::{For, ln_e_value},
    rule::{Rule, StopLossRule},
    series::{Comparison, Row, Sums},
    special::{count, round12},
};
use crate::domain::Day;
use crate::planted::{Bug, bug};

/// Purchases at the planned CPA with which the ledger steadies the incumbent's CPA.
const LEDGER_PRIOR: f64 = 6.0;

/// What the test has cost so far against the incumbent, and the most it is expected to cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RegretMeter {
    /// Last day counted.
    pub day: Day,
    /// Calendar days since the start, that day included.
    pub days: i64,
    /// Evidence that the challenger is worse than its margin allows; 10 means ten to one.
    pub e_value: f64,
    /// Spend of the challenger beyond what its purchases would have cost at the incumbent's CPA; negative = saved.
    pub excess_spend: f64,
    /// Excess spend that ends the test.
    pub limit: f64,
    /// The limit plus what is spent before closed rows can show it: the bound on the expected loss.
    pub bound: f64,
}

/// Which meter fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// The evidence.
    Evidence,
    /// The ledger.
    Ledger,
}

/// A test that must end today.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StopLoss {
    /// What fired; the evidence first when both did.
    pub cause: StopCause,
    /// The meters.
    pub meter: RegretMeter,
}

/// The stop-loss of the last closed day; None = go on.
pub fn daily(comparison: &Comparison, rule: &Rule) -> Option<StopLoss> {
    let limits = rule.stop_loss?;
    let meter = regret_meter(comparison, rule)?;
    if meter.days < limits.from_day || bug(Bug::NoStopLoss) {
        return None;
    }
    let cause = if meter.e_value >= limits.e_value {
        StopCause::Evidence
    } else if meter.excess_spend >= meter.limit && meter.limit > 0.0 {
        StopCause::Ledger
    } else {
        return None;
    };
    Some(StopLoss { cause, meter })
}

/// The meters as of the last paired day; None without one, or when the rule has no stop-loss.
pub fn regret_meter(comparison: &Comparison, rule: &Rule) -> Option<RegretMeter> {
    let limits = rule.stop_loss?;
    let rows = comparison.rows();
    let last = rows.last()?;
    let days = last.offset + 1;
    let measured = comparison.dispersion(&rows).daily;
    let phi = measured.max(comparison.dispersion_start).max(1.0);
    let sums = Sums::of(&rows);
    let weekly = comparison
        .challenger_weekly_budget
        .unwrap_or_else(|| 7.0 * sums.challenger.spend / count(rows.len()));
    let limit = limits.ledger_weeks * weekly;
    let unseen_days = f64::from(u32::try_from(rule.settle_hours).unwrap_or(0)) / 24.0
        + comparison.lag.mean_days();
    Some(RegretMeter {
        day: last.day,
        days,
        e_value: round12(exp(log_e_value(&rows, limits, rule.margin, phi))),
        excess_spend: round12(excess_spend(comparison, &sums)),
        limit: round12(limit),
        bound: round12(limit + unseen_days * weekly / 7.0),
    })
}

/// `E_B − X_B × (E_A + 6 × planned CPA) ÷ (X_A + 6)`, effective spend throughout.
fn excess_spend(comparison: &Comparison, sums: &Sums) -> f64 {
    let (a, b) = (sums.incumbent_effective, sums.challenger_effective);
    let planned = comparison.planned_cpa.or_else(|| comparison.cpa_before()).or_else(|| a.cpa());
    let cpa = match planned {
        Some(cpa) => (a.spend + LEDGER_PRIOR * cpa) / (a.purchases + LEDGER_PRIOR),
        // Never a purchase of the incumbent: its spend is the least its CPA can be.
        None => a.spend,
    };
    b.spend - b.purchases * cpa
}

/// ln of the e-value against "not dearer than the margin allows"; while it learns more is allowed.
fn log_e_value(rows: &[Row], limits: StopLossRule, margin: f64, phi: f64) -> f64 {
    let null = |row: &Row| {
        let learning = row.offset < limits.learning_days;
        1.0 + if learning { limits.learning_margin.max(margin) } else { margin }
    };
    ln_e_value(rows, For::Dearer, null, phi)
}

impl Comparison {
    /// CPA of the incumbent on the days before the start; None without purchases there.
    pub fn cpa_before(&self) -> Option<f64> {
        let (mut purchases, mut spend) = (0.0, 0.0);
        for arm in self.days.iter().filter(|d| d.day < self.start).filter_map(|d| d.incumbent) {
            purchases += arm.purchases;
            spend += arm.spend;
        }
        (purchases > 0.0).then(|| spend / purchases)
    }
}

//! The truth, which no client of the real API could see: for tests and for judging decisions.

use serde::Serialize;

use super::{
    objects::{Id, Kind},
    world::World,
};
use crate::domain::{Day, Moment};

/// One ad set's true day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerDay {
    /// The day in the account's zone.
    pub day: Day,
    /// The ad set.
    pub adset_id: String,
    /// Its campaign.
    pub campaign_id: String,
    /// Funnel level it optimised for, 0 … 4.
    pub level: usize,
    /// Spend in minor units.
    pub spend_minor: i64,
    /// Budget of the day in minor units, weighted by live time.
    pub budget_minor: i64,
    /// Macro-conversions that happened.
    pub purchases: u32,
    /// Macro-conversions the truth expects for this spend.
    pub expected_purchases: f64,
    /// Events by funnel level.
    pub events: [u32; 5],
    /// Value of the macro-conversions in minor units.
    pub value_minor: i64,
}

/// A budget or switch as it stood from a moment on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetPoint {
    /// From when on, milliseconds UTC.
    pub at: Moment,
    /// The campaign or ad set.
    pub object_id: String,
    /// `campaign` or `adset`.
    pub object_type: &'static str,
    /// The switch.
    pub status: String,
    /// Budget per day in minor units.
    pub daily_budget: Option<i64>,
    /// Budget for life in minor units.
    pub lifetime_budget: Option<i64>,
    /// Spend cap in minor units.
    pub spend_cap: Option<i64>,
    /// End of the schedule.
    pub end_time: Option<Moment>,
}

/// Everything true about money and outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ledger {
    /// Account currency.
    pub currency: String,
    /// One entry per ad set and day with delivery or late conversions.
    pub days: Vec<LedgerDay>,
    /// Total spend in minor units.
    pub total_spend_minor: i64,
    /// Total macro-conversions.
    pub total_purchases: u64,
    /// Total expected macro-conversions.
    pub total_expected_purchases: f64,
    /// Budgets and switches over time.
    pub budgets: Vec<BudgetPoint>,
}

impl World {
    /// Writes down how a campaign or ad set stands after a change.
    pub(super) fn mark_budget(&mut self, id: Id) {
        let Some(node) = self.nodes.get(&id) else { return };
        if !matches!(node.kind, Kind::Campaign | Kind::AdSet) {
            return;
        }
        self.budgets.push(BudgetPoint {
            at: self.now,
            object_id: id.to_string(),
            object_type: node.kind.word(),
            status: node.status().to_owned(),
            daily_budget: node.amount("daily_budget"),
            lifetime_budget: node.amount("lifetime_budget"),
            spend_cap: node.amount("spend_cap"),
            end_time: node.moment("end_time").or_else(|| node.moment("stop_time")),
        });
    }
    /// The truth so far, up to the end of yesterday.
    pub(super) fn ledger(&self) -> Ledger {
        let days: Vec<LedgerDay> = self
            .rows
            .iter()
            .map(|((day, id), row)| LedgerDay {
                day: *day,
                adset_id: id.to_string(),
                campaign_id: self.nodes.get(id).map_or(0, |n| n.campaign).to_string(),
                level: row.level,
                spend_minor: row.spend,
                budget_minor: row.budget,
                purchases: row.events[4].total,
                expected_purchases: row.expected,
                events: row.events.map(|c| c.total),
                value_minor: row.value,
            })
            .collect();
        Ledger {
            currency: self.scenario.currency.to_string(),
            total_spend_minor: days.iter().map(|d| d.spend_minor).sum(),
            total_purchases: days.iter().map(|d| u64::from(d.purchases)).sum(),
            total_expected_purchases: days.iter().map(|d| d.expected_purchases).sum(),
            days,
            budgets: self.budgets.clone(),
        }
    }
}

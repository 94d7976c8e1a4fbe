//! Attribution lag: which spend could already have brought the purchases of a day.
//!
//! Web purchases are dated by conversion day, so the row of a day holds purchases from clicks of the week before. A
//! long-running incumbent therefore carries late purchases into a window that a fresh challenger enters with empty
//! hands. The cure is to weigh spend instead of dropping rows: the effective spend of a day is what of this day's and
//! the earlier days' spend pays back on it.

use serde::{Deserialize, Serialize};

/// Days after the click on which purchases still arrive, the day itself included.
pub const LAG_DAYS: usize = 8;
/// Share of purchases that arrive within 24 hours, where nothing better is known.
const USUAL_ONE_DAY_SHARE: f64 = 0.72;
/// Purchases the usual share is worth.
const USUAL_WEIGHT: f64 = 50.0;
/// How the purchases counted within 24 hours spread over the click's day and the next.
const EARLY: [f64; 2] = [0.81, 0.19];
/// How the later ones spread over days 2 to 7.
const LATE: [f64; 6] = [0.29, 0.21, 0.18, 0.14, 0.11, 0.07];

/// The share of purchases that arrive 0, 1, … 7 days after the click.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lag([f64; LAG_DAYS]);

impl Lag {
    /// Every purchase on the day of its click: effective spend is plain spend.
    pub const IMMEDIATE: Self = Self([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);

    /// From the account's own one-day share: `one_day` = purchases under `1d_click` + `1d_view`, `all` = purchases
    /// under `7d_click` + `1d_view`, over the last 28 days. Shrunk towards the usual share by 50 purchases.
    pub fn from_windows(one_day: f64, all: f64) -> Self {
        let all = all.max(0.0);
        let early = one_day.clamp(0.0, all);
        let share = (early + USUAL_ONE_DAY_SHARE * USUAL_WEIGHT) / (all + USUAL_WEIGHT);
        Self::from_share(share)
    }
    /// From a known share of purchases within 24 hours, 0 to 1.
    pub fn from_share(share: f64) -> Self {
        let share = share.clamp(0.0, 1.0);
        let mut shares = [0.0; LAG_DAYS];
        for (slot, part) in shares.iter_mut().zip(EARLY) {
            *slot = share * part;
        }
        for (slot, part) in shares.iter_mut().skip(EARLY.len()).zip(LATE) {
            *slot = (1.0 - share) * part;
        }
        Self(shares)
    }
    /// Share of purchases that arrive `age` days after the click.
    pub fn share(&self, age: usize) -> f64 {
        self.0.get(age).copied().unwrap_or(0.0)
    }
    /// Mean delay in days.
    pub fn mean_days(&self) -> f64 {
        self.0.iter().zip(0_u32..).map(|(share, age)| share * f64::from(age)).sum()
    }
    /// Effective spend of the last day of `spend` (one entry per calendar day, oldest first).
    pub fn effective(&self, spend: &[f64]) -> f64 {
        self.0.iter().zip(spend.iter().rev()).map(|(share, spent)| share * spent).sum()
    }
}

impl Default for Lag {
    fn default() -> Self {
        Self::from_share(USUAL_ONE_DAY_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purchase_arrives_once() {
        for lag in [Lag::IMMEDIATE, Lag::default(), Lag::from_windows(30.0, 100.0)] {
            let total: f64 = (0..LAG_DAYS).map(|age| lag.share(age)).sum();
            assert!((total - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn spend_before_the_window_counts_for_the_arm_that_had_it() {
        let lag = Lag::default();
        let long_running = lag.effective(&[100.0; 9]);
        let fresh = lag.effective(&[100.0]);
        assert!((long_running - 100.0).abs() < 1e-9);
        assert!(fresh < 60.0, "a first day pays back little more than half: {fresh}");
    }

    #[test]
    fn few_purchases_barely_move_the_usual_share() {
        assert!(
            (Lag::from_windows(0.0, 0.0).mean_days() - Lag::default().mean_days()).abs() < 1e-12
        );
        assert!(
            Lag::from_windows(0.0, 1000.0).mean_days() > 3.0,
            "slow buyers are believed in bulk"
        );
    }
}

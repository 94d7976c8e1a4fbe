//! How much noisier than Poisson the purchases are.
//!
//! Measured on the contrast within each day, so that a shock common to both arms (weekday, sale, auction) cancels. The
//! estimate is a ratio of sums: it stays unbiased at one purchase a day, where per-day statistics degenerate.

use serde::{Deserialize, Serialize};

use super::special::count;

/// Variance ÷ mean of daily purchases where an account has no history of its own.
pub const USUAL_DISPERSION: f64 = 1.5;
/// Days the starting value is worth.
const PRIOR_DAYS: f64 = 14.0;
/// From this many paired days on the data may say anything; below it the estimate is kept within 1 and 6.
const TRUSTED_DAYS: usize = 14;
/// The most a short window may claim.
const SHORT_WINDOW_CEILING: f64 = 6.0;
/// Standard deviation of the slow drift between arms that daily contrasts cannot see, in ln CPA.
const DRIFT_SD: f64 = 0.10;
/// (1 + ρ) ÷ (1 − ρ) at a day-to-day correlation ρ = 0.85 of that drift.
const DRIFT_MEMORY: f64 = 1.85 / 0.15;

/// One day of both arms: purchases and effective spend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayCounts {
    /// Purchases of the incumbent.
    pub incumbent: f64,
    /// Effective spend of the incumbent.
    pub spend_incumbent: f64,
    /// Purchases of the challenger.
    pub challenger: f64,
    /// Effective spend of the challenger.
    pub spend_challenger: f64,
}

/// The dispersion of a window and how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// As the paired days alone say; None with fewer than two days on which both arms spent.
    pub measured: Option<f64>,
    /// Days it was measured on.
    pub days: usize,
    /// Measured and starting value together.
    pub daily: f64,
    /// What slow drift between the arms adds; it caps the evidence of a window however many purchases it has.
    pub drift: f64,
    /// What the posterior uses: `daily + drift`.
    pub total: f64,
}

impl Dispersion {
    /// Measures a window; `start` is the account's own long-run value or [`USUAL_DISPERSION`].
    pub fn measure(days: &[DayCounts], start: f64) -> Self {
        let (used, measured) = measured(days);
        let blend = |raw: f64| {
            let weight = count(used.saturating_sub(1));
            (PRIOR_DAYS * start + weight * raw) / (PRIOR_DAYS + weight)
        };
        let daily = measured.map_or(start, blend).max(1.0);
        let daily = if days.len() < TRUSTED_DAYS { daily.min(SHORT_WINDOW_CEILING) } else { daily };
        let purchases: f64 = days.iter().map(|d| d.incumbent + d.challenger).sum();
        Self::with_drift(measured, used, daily, purchases, count(days.len()))
    }

    /// For totals without days: the starting value and the drift of `purchases` over an assumed number of `days`.
    pub fn assumed(purchases: f64, days: f64, start: f64) -> Self {
        Self::with_drift(None, 0, start.max(1.0), purchases, days)
    }

    fn with_drift(
        measured: Option<f64>,
        days: usize,
        daily: f64,
        purchases: f64,
        length: f64,
    ) -> Self {
        let drift = purchases / 2.0 * DRIFT_SD * DRIFT_SD * DRIFT_MEMORY / length.max(1.0);
        Self { measured, days, daily, drift, total: daily + drift }
    }
}

/// Days on which both arms spent, and the dispersion of their contrast.
fn measured(days: &[DayCounts]) -> (usize, Option<f64>) {
    let both = || days.iter().filter(|d| d.spend_incumbent > 0.0 && d.spend_challenger > 0.0);
    let (mut xa, mut ea, mut xb, mut eb, mut used) = (0.0, 0.0, 0.0, 0.0, 0_usize);
    for d in both() {
        xa += d.incumbent;
        ea += d.spend_incumbent;
        xb += d.challenger;
        eb += d.spend_challenger;
        used += 1;
    }
    if used < 2 {
        return (used, None);
    }
    let rate = if xa > 0.0 && xb > 0.0 { (xb + 0.5) * ea / ((xa + 0.5) * eb) } else { 1.0 };
    let (mut squares, mut expected) = (0.0, 0.0);
    for d in both() {
        let rho = d.spend_challenger / d.spend_incumbent * rate;
        let contrast = d.challenger - rho * d.incumbent;
        squares += contrast * contrast;
        expected += d.challenger + rho * rho * d.incumbent;
    }
    let n = count(used);
    (used, (expected > 0.0).then(|| squares / expected * n / (n - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(incumbent: f64, challenger: f64) -> DayCounts {
        DayCounts { incumbent, spend_incumbent: 100.0, challenger, spend_challenger: 100.0 }
    }

    #[test]
    fn a_shock_common_to_both_arms_is_not_noise() {
        let swings: Vec<_> =
            (0..28).map(|n| if n % 2 == 0 { day(10.0, 10.0) } else { day(60.0, 60.0) }).collect();
        assert!(Dispersion::measure(&swings, 1.5).daily < 1.01);
    }

    #[test]
    fn wild_days_are_believed_once_there_are_fourteen_of_them() {
        let wild = |n: u32| -> Vec<_> {
            (0..n).map(|i| if i % 2 == 0 { day(900.0, 300.0) } else { day(300.0, 900.0) }).collect()
        };
        let long = Dispersion::measure(&wild(14), 1.5);
        assert!(long.daily > 60.0, "no upper clip at fourteen days: {long:?}");
        let short = Dispersion::measure(&wild(12), 1.5);
        assert!((short.daily - 6.0).abs() < 1e-12, "a short window is clipped: {short:?}");
    }

    #[test]
    fn drift_caps_the_evidence_of_a_window() {
        let busy = vec![day(5000.0, 5000.0); 14];
        let d = Dispersion::measure(&busy, 1.5);
        let equivalent = 14.0 * 5000.0 / d.total;
        assert!(equivalent < 130.0, "70 000 purchases count as {equivalent}");
    }

    #[test]
    fn a_day_on_which_only_one_arm_spent_is_left_out_of_the_contrast() {
        let mut days = vec![day(5.0, 5.0); 20];
        days.push(DayCounts {
            incumbent: 3.0,
            spend_incumbent: 0.0,
            challenger: 4.0,
            spend_challenger: 90.0,
        });
        let d = Dispersion::measure(&days, 1.5);
        assert_eq!(d.days, 20);
        assert!(d.daily.is_finite());
    }

    #[test]
    fn without_purchases_the_starting_value_stands() {
        let d = Dispersion::measure(&[day(0.0, 0.0); 20], 1.7);
        assert_eq!(d.measured, None);
        assert!((d.total - 1.7).abs() < 1e-12);
    }
}

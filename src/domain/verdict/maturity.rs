//! How complete a day's row is, by its age: learned from the versions of rows as they were seen.
//!
//! Meta restates a day for up to 28 days (late server events, modelled conversions). The chain-ladder estimate of each
//! step is shrunk to a usual pattern by 50 pseudo-purchases, so that a young history says almost what is usual and a
//! long one what it saw. A nowcast is what a young row would become; it is shown as such and never counted.

use serde::{Deserialize, Serialize};

use super::special::{count, normal_quantile, round12};

/// Days after which a row no longer changes (Marketing API, Insights best practices).
const AGES: usize = 28;
/// Pseudo-purchases each step of the usual pattern is worth.
const USUAL_WEIGHT: f64 = 50.0;
/// Usual completeness by age in days since the day ended; later ages are complete. An assumption until versions tell.
const USUAL: [f64; 6] = [0.90, 0.95, 0.975, 0.985, 0.992, 0.997];
/// A row at least this complete is mature.
pub const MATURE_AT: f64 = 0.98;

/// One day's count as it stood at two ages one apart, for the learning of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// The younger age in full days since the day ended.
    pub age: usize,
    /// Purchases as counted then.
    pub younger: f64,
    /// Purchases as counted a day later.
    pub older: f64,
}

/// Completeness by age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Maturity {
    /// Share of the final count that is there at each age, 0 to 27 days after the day's end.
    pub completeness: Vec<f64>,
    /// Steps it was learned from; 0 = the usual pattern alone.
    pub steps: usize,
    /// Purchases behind those steps.
    pub purchases: f64,
}

/// What a young row would become.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Nowcast {
    /// As counted.
    pub counted: f64,
    /// Expected in the end: an estimate, not a count.
    pub expected: f64,
    /// 90 % interval: lower end, never below what is counted.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Share that is there by now.
    pub completeness: f64,
}

fn usual(age: usize) -> f64 {
    USUAL.get(age).copied().unwrap_or(1.0)
}

impl Default for Maturity {
    fn default() -> Self {
        Self::learn(&[])
    }
}

impl Maturity {
    /// Chain ladder with shrinkage: `g(a) = (Σ younger + 50 g₀(a)) ÷ (Σ older + 50)`, completeness `G(a) = Π g(b), b ≥ a`.
    pub fn learn(steps: &[Growth]) -> Self {
        let mut sums = [(0.0, 0.0); AGES];
        for step in steps {
            if let Some(sum) = sums.get_mut(step.age) {
                sum.0 += step.younger;
                sum.1 += step.older;
            }
        }
        let mut completeness = vec![1.0; AGES];
        let mut rest = 1.0;
        for (age, (slot, (younger, older))) in completeness.iter_mut().zip(sums).enumerate().rev() {
            let prior = usual(age) / usual(age + 1);
            let step = (younger + USUAL_WEIGHT * prior) / (older + USUAL_WEIGHT);
            // Restatements can also take purchases away; then a young row is too high, not incomplete.
            rest *= step.clamp(0.05, 1.5);
            *slot = round12(rest);
        }
        let purchases = steps.iter().map(|s| s.older).sum::<f64>();
        Self { completeness, steps: steps.len(), purchases }
    }
    /// Share of the final count that is there `age` full days after a day's end.
    pub fn at(&self, age: usize) -> f64 {
        self.completeness.get(age).copied().unwrap_or(1.0)
    }
    /// The first age from which rows stay within 2 % of their final count.
    pub fn mature_from(&self) -> usize {
        let off = |share: &f64| (share - 1.0).abs() > 1.0 - MATURE_AT;
        self.completeness.iter().rposition(off).map_or(0, |age| age + 1)
    }
    /// What a row of that age would become, with counting noise at this dispersion.
    pub fn nowcast(&self, counted: f64, age: usize, dispersion: f64) -> Nowcast {
        let share = self.at(age);
        let expected = counted / share;
        let missing = (expected - counted).max(0.0);
        // What is still to come is a count of its own; the share is known no better than its steps.
        let share_sd = libm::sqrt((1.0 - share).max(0.0) * share / (self.purchases + USUAL_WEIGHT));
        let spread = libm::sqrt(
            dispersion * missing + (expected * share_sd / share) * (expected * share_sd / share),
        );
        let reach = normal_quantile(0.95) * spread;
        Nowcast {
            counted,
            expected: round12(expected),
            low: round12((expected - reach).max(counted.min(expected))),
            high: round12(expected + reach),
            completeness: share,
        }
    }
    /// Share of a window's purchases that is there, when its days are `0, 1, …` full days old with equal volume.
    pub fn of_ages(&self, ages: impl Iterator<Item = usize>) -> Option<f64> {
        let (sum, n) = ages.fold((0.0, 0_usize), |(sum, n), age| (sum + self.at(age), n + 1));
        (n > 0).then(|| round12(sum / count(n)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_versions_the_usual_pattern_stands() {
        let m = Maturity::default();
        for (age, want) in USUAL.iter().enumerate() {
            assert!((m.at(age) - want).abs() < 1e-9, "{age}: {}", m.at(age));
        }
        assert!((m.at(10) - 1.0).abs() < 1e-12 && (m.at(400) - 1.0).abs() < 1e-12);
        assert_eq!((m.mature_from(), m.steps), (3, 0));
    }

    #[test]
    fn a_long_history_is_believed_and_a_short_one_hardly() {
        let step = |younger, older| Growth { age: 0, younger, older };
        let long = Maturity::learn(&vec![step(30.0, 50.0); 100]);
        assert!((long.at(0) - 0.6 * usual(1)).abs() < 0.01, "{}", long.at(0));
        let short = Maturity::learn(&[step(0.0, 1.0)]);
        assert!(short.at(0) > 0.86, "one late purchase proves little: {}", short.at(0));
    }

    #[test]
    fn a_nowcast_is_never_below_the_count_and_mature_rows_stay_as_they_are() {
        let m = Maturity::default();
        let young = m.nowcast(18.0, 0, 1.5);
        assert!((young.expected - 20.0).abs() < 1e-9 && young.low >= 18.0 && young.high > 20.0);
        let old = m.nowcast(18.0, 20, 1.5);
        assert!((old.high - 18.0).abs() < 1e-9 && (old.low - 18.0).abs() < 1e-9);
    }

    #[test]
    fn purchases_taken_back_make_young_rows_too_high() {
        let back = Growth { age: 2, younger: 110.0, older: 100.0 };
        let m = Maturity::learn(&vec![back; 40]);
        assert!(m.at(2) > 1.05 && m.mature_from() >= 3, "{m:?}");
        assert!(m.nowcast(11.0, 2, 1.0).expected < 11.0);
    }

    #[test]
    fn fifty_purchases_of_versions_halve_the_way_from_usual_to_seen() {
        let seen = Growth { age: 0, younger: 40.0, older: 50.0 };
        let g = Maturity::learn(&[seen]);
        let step = g.at(0) / g.at(1);
        let prior = usual(0) / usual(1);
        assert!((step - 0.5 * (prior + 0.8)).abs() < 1e-9, "{step}");
    }
}

//! What the data say about the ratio of two CPAs.
//!
//! Purchases are counts with spend as exposure. Each arm has a gamma posterior for purchases per unit of spend, so the
//! ratio `r = CPA of the challenger ÷ CPA of the incumbent` is a scaled beta-prime variable and every figure has a
//! closed form: no sampling, no iteration but the incomplete beta function, and zero purchases need no special case.

use libm::exp;
use serde::{Deserialize, Serialize};

use super::special::{beta_quantile_log_odds, beta_tails};

/// Purchases of one arm and the spend that could have brought them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// Purchases counted.
    pub purchases: f64,
    /// Effective spend in any unit of money, the same for both arms.
    pub spend: f64,
}

impl Exposure {
    /// An arm with `purchases` out of `spend`.
    pub const fn new(purchases: f64, spend: f64) -> Self {
        Self { purchases, spend }
    }
    /// Spend per purchase; None without purchases.
    pub fn cpa(self) -> Option<f64> {
        (self.purchases > 0.0).then(|| self.spend / self.purchases)
    }
}

/// What is believed before the data: each arm acts as if it already had `strength` purchases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Pseudo-purchases per arm, at the pooled CPA. 20 means a standard deviation of 0.32 in ln r.
    pub strength: f64,
    /// Centre of ln r: 0 = "no idea which is cheaper"; else the mean of earlier climbs between these rungs.
    pub centre: f64,
}

impl Default for Prior {
    fn default() -> Self {
        Self { strength: 20.0, centre: 0.0 }
    }
}

/// The posterior of `r = CPA of the challenger ÷ CPA of the incumbent`; below 1 the challenger is cheaper.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatioPosterior {
    /// Gamma shape of the incumbent's purchases per unit of spend.
    pub shape_incumbent: f64,
    /// Gamma rate of the incumbent's.
    pub rate_incumbent: f64,
    /// Gamma shape of the challenger's.
    pub shape_challenger: f64,
    /// Gamma rate of the challenger's.
    pub rate_challenger: f64,
}

impl RatioPosterior {
    /// The posterior at dispersion `phi` (variance ÷ mean of the counts, at least 1 in practice).
    ///
    /// None when there is no spend at all, or a figure is negative or not finite: then nothing can be said.
    pub fn new(incumbent: Exposure, challenger: Exposure, prior: Prior, phi: f64) -> Option<Self> {
        let spend = incumbent.spend + challenger.spend;
        let purchases = incumbent.purchases + challenger.purchases;
        let sane = [incumbent.spend, challenger.spend, incumbent.purchases, challenger.purchases]
            .iter()
            .all(|v| v.is_finite() && *v >= 0.0);
        if !sane || spend <= 0.0 || !(phi > 0.0 && phi.is_finite()) || prior.strength <= 0.0 {
            return None;
        }
        let pooled = if purchases > 0.0 { purchases / spend } else { 0.5 / spend };
        let pseudo_spend = prior.strength / pooled;
        let tilt = exp(0.5 * prior.centre);
        Some(Self {
            shape_incumbent: prior.strength + incumbent.purchases / phi,
            rate_incumbent: pseudo_spend / tilt + incumbent.spend / phi,
            shape_challenger: prior.strength + challenger.purchases / phi,
            rate_challenger: pseudo_spend * tilt + challenger.spend / phi,
        })
    }

    /// Probability that the CPA ratio is at most `c`.
    pub fn probability_at_most(&self, c: f64) -> f64 {
        self.tails(self.shape_incumbent, self.shape_challenger, c).0
    }

    /// The ratio below which a share `q` of the posterior lies.
    pub fn quantile(&self, q: f64) -> f64 {
        let odds = exp(beta_quantile_log_odds(self.shape_incumbent, self.shape_challenger, q));
        self.rate_challenger / self.rate_incumbent * odds
    }

    /// `E[(r − k)+]`: how much dearer than `k` the challenger is to be feared, in units of the incumbent's CPA.
    /// None when the mean does not exist (challenger shape at most 1).
    pub fn expected_excess(&self, k: f64) -> Option<f64> {
        let mean = self.mean()?;
        let (_, above_tilted) =
            self.tails(self.shape_incumbent + 1.0, self.shape_challenger - 1.0, k);
        let (_, above) = self.tails(self.shape_incumbent, self.shape_challenger, k);
        Some((mean * above_tilted - k * above).max(0.0))
    }

    /// `E[(k − r)+]`: how much cheaper than `k` the challenger is to be hoped.
    pub fn expected_shortfall(&self, k: f64) -> Option<f64> {
        let mean = self.mean()?;
        let (below_tilted, _) =
            self.tails(self.shape_incumbent + 1.0, self.shape_challenger - 1.0, k);
        let (below, _) = self.tails(self.shape_incumbent, self.shape_challenger, k);
        Some((k * below - mean * below_tilted).max(0.0))
    }

    /// `E[r]`; None when it does not exist.
    pub fn mean(&self) -> Option<f64> {
        let scale = self.rate_challenger / self.rate_incumbent;
        let defined = self.shape_challenger > 1.0;
        defined.then(|| scale * self.shape_incumbent / (self.shape_challenger - 1.0))
    }

    /// Beta tails of these shapes at the point that belongs to the ratio `c`.
    fn tails(&self, a: f64, b: f64, c: f64) -> (f64, f64) {
        let (left, right) = (c * self.rate_incumbent, self.rate_challenger);
        let whole = left + right;
        beta_tails(a, b, left / whole, right / whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn posterior(xa: f64, ea: f64, xb: f64, eb: f64, a: f64, phi: f64) -> RatioPosterior {
        let prior = Prior { strength: a, centre: 0.0 };
        RatioPosterior::new(Exposure::new(xa, ea), Exposure::new(xb, eb), prior, phi).unwrap()
    }

    #[expect(clippy::many_single_char_names, reason = "the names are those of the formula")]
    /// P(r ≤ c) by Simpson's rule over the log-odds density, an independent way to the same number.
    fn by_integration(p: &RatioPosterior, c: f64) -> f64 {
        let (a, b) = (p.shape_incumbent, p.shape_challenger);
        let norm = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
        let density = |t: f64| (-a * (-t).exp().ln_1p() - b * t.exp().ln_1p() - norm).exp();
        let to = (c * p.rate_incumbent / p.rate_challenger).ln();
        let from = to.min((a / b).ln() - 60.0 * (1.0 / a + 1.0 / b).sqrt()) - 1.0;
        let n = 40_000;
        let h = (to - from) / f64::from(n);
        let inner: f64 = (1..n)
            .map(|i| density(from + h * f64::from(i)) * if i % 2 == 0 { 2.0 } else { 4.0 })
            .sum();
        h / 3.0 * (density(from) + density(to) + inner)
    }

    #[test]
    fn an_arm_without_purchases_or_spend_still_has_a_posterior() {
        let none = posterior(0.0, 100.0, 0.0, 100.0, 20.0, 1.5);
        assert!((none.probability_at_most(1.0) - 0.5).abs() < 1e-14);
        assert!((none.quantile(0.5) - 1.0).abs() < 1e-12);
        let unspent = posterior(10.0, 400.0, 0.0, 0.0, 20.0, 1.5);
        assert!((0.0..1.0).contains(&unspent.probability_at_most(1.0)));
        let none =
            RatioPosterior::new(Exposure::default(), Exposure::default(), Prior::default(), 1.5);
        assert!(none.is_none(), "without any spend there is nothing to compare");
    }

    #[test]
    fn a_prior_centre_tilts_the_ratio_by_itself() {
        let prior = Prior { strength: 50.0, centre: 0.2 };
        let arm = Exposure::new(0.0, 100.0);
        let tilted = RatioPosterior::new(arm, arm, prior, 1e9).unwrap();
        assert!((tilted.quantile(0.5).ln() - 0.2).abs() < 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_closed_form_agrees_with_numerical_integration(
            xa in 0_u32..400, xb in 0_u32..400, ea in 50.0_f64..9000.0, eb in 50.0_f64..9000.0,
            a in 2.0_f64..30.0, phi in 1.0_f64..4.0, c in 0.5_f64..2.0,
        ) {
            let p = posterior(f64::from(xa), ea, f64::from(xb), eb, a, phi);
            prop_assert!((p.probability_at_most(c) - by_integration(&p, c)).abs() < 1e-9);
        }
    }

    proptest! {
        // Arms of a comparison have like budgets. Where one arm spent thousands of times the other's money, one more
        // purchase also cheapens the pooled prior of the arm that hardly spent, and that can outweigh it.
        #[test]
        fn a_purchase_more_or_spend_less_never_lowers_the_challenger(
            xa in 0_u32..500, xb in 0_u32..500, ea in 10.0_f64..9000.0, ratio in 0.1_f64..10.0,
            a in 0.5_f64..40.0, phi in 1.0_f64..60.0, c in 0.7_f64..1.5, cut in 0.0_f64..1.0,
        ) {
            let (xa, xb, eb) = (f64::from(xa), f64::from(xb), ea * ratio);
            let base = posterior(xa, ea, xb, eb, a, phi).probability_at_most(c);
            let more = posterior(xa, ea, xb + 1.0, eb, a, phi).probability_at_most(c);
            let cheaper = posterior(xa, ea, xb, eb * cut, a, phi).probability_at_most(c);
            prop_assert!(more >= base - 1e-12, "purchase: {base} → {more}");
            prop_assert!(cheaper >= base - 1e-12, "spend: {base} → {cheaper}");
        }

        #[test]
        fn swapped_arms_give_the_posterior_of_one_over_r(
            xa in 0_u32..500, xb in 0_u32..500, ea in 1.0_f64..9000.0, eb in 1.0_f64..9000.0,
            a in 2.0_f64..40.0, phi in 1.0_f64..60.0, c in 0.3_f64..3.0,
        ) {
            let (xa, xb) = (f64::from(xa), f64::from(xb));
            let there = posterior(xa, ea, xb, eb, a, phi);
            let back = posterior(xb, eb, xa, ea, a, phi);
            let sum = there.probability_at_most(c) + back.probability_at_most(1.0 / c);
            prop_assert!((sum - 1.0).abs() < 1e-11, "{sum}");
            let product = there.quantile(0.05) * back.quantile(0.95);
            prop_assert!((product - 1.0).abs() < 1e-9, "{product}");
        }

        #[test]
        fn the_unit_of_money_changes_nothing(
            xa in 0_u32..500, xb in 0_u32..500, ea in 1.0_f64..9000.0, eb in 1.0_f64..9000.0,
            unit in 0.001_f64..100_000.0,
        ) {
            let (xa, xb) = (f64::from(xa), f64::from(xb));
            let one = posterior(xa, ea, xb, eb, 20.0, 1.5);
            let other = posterior(xa, ea * unit, xb, eb * unit, 20.0, 1.5);
            prop_assert!((one.probability_at_most(1.1) - other.probability_at_most(1.1)).abs() < 1e-12);
            prop_assert!((one.quantile(0.95) / other.quantile(0.95) - 1.0).abs() < 1e-11);
        }

        #[test]
        fn hope_and_fear_differ_by_the_mean(
            xa in 0_u32..500, xb in 0_u32..500, ea in 1.0_f64..9000.0, eb in 1.0_f64..9000.0,
            k in 0.5_f64..2.0,
        ) {
            let p = posterior(f64::from(xa), ea, f64::from(xb), eb, 20.0, 1.5);
            let mean = p.mean().unwrap();
            let gap = p.expected_excess(k).unwrap() - p.expected_shortfall(k).unwrap();
            prop_assert!((gap - (mean - k)).abs() < 1e-9 * mean.max(1.0));
        }
    }
}

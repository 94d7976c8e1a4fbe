//! Streams of random numbers, one per ad set, day and purpose.
//!
//! An outcome is a function of (seed, key, day) and the arm's own state, never of which other arms exist or in which
//! order they are asked for. That gives common random numbers: two policies in the same market see the same weather.

use rand::Rng;
use rand_distr::{Distribution, Gamma, Poisson, StandardNormal};
use rand_pcg::Pcg64Mcg;

use super::LAG;

/// What a stream is for, so that a changed number of draws in one place shifts nothing elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Drift of an arm and its spend.
    Weather = 1,
    /// Purchases that today's clicks will bring, and their delays.
    Purchases = 2,
    /// Events below the purchase.
    Events = 3,
    /// Impressions and clicks.
    Traffic = 4,
    /// Order values of the purchases that arrive.
    Values = 5,
    /// Auction noise common to the account.
    Market = 6,
}

/// One round of the SplitMix64 finaliser (Steele, Lea, Flood 2014): spreads neighbouring inputs over all bits.
pub(super) const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The stream of (seed, key, day, purpose).
pub(super) fn stream(seed: u64, key: u64, day: i64, purpose: Purpose) -> Pcg64Mcg {
    let word = mix(mix(mix(seed) ^ key) ^ day.cast_unsigned()) ^ ((purpose as u64) << 56);
    Pcg64Mcg::new((u128::from(mix(word)) << 64) | u128::from(mix(!word)))
}

/// A standard normal.
pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// A Poisson count; 0 for a mean that is not positive.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that is whole and not negative; a daily count above 4 billion saturates"
)]
pub(super) fn poisson(mean: f64, rng: &mut impl Rng) -> u32 {
    Poisson::new(mean).map_or(0, |law| law.sample(rng) as u32)
}

/// A gamma variate; 0 for parameters that are not positive.
pub(super) fn gamma(shape: f64, scale: f64, rng: &mut impl Rng) -> f64 {
    Gamma::new(shape, scale).map_or(0.0, |law| law.sample(rng))
}

/// A count with variance `dispersion` times its mean (NB1, a Poisson mixed over a gamma).
pub(super) fn overdispersed(mean: f64, dispersion: f64, rng: &mut impl Rng) -> u32 {
    if dispersion <= 1.001 {
        return poisson(mean, rng);
    }
    let excess = dispersion - 1.0;
    poisson(gamma(mean / excess, excess, rng), rng)
}

/// Days between a click and its purchase.
pub(super) fn lag(rng: &mut impl Rng) -> usize {
    let mut left: f64 = rng.random();
    for (age, share) in LAG.iter().enumerate() {
        left -= share;
        if left < 0.0 {
            return age;
        }
    }
    LAG.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overdispersed_counts_have_the_stated_mean_and_variance() {
        let mut rng = stream(7, 1, 0, Purpose::Purchases);
        let draws: Vec<f64> =
            (0..40_000).map(|_| f64::from(overdispersed(3.0, 2.5, &mut rng))).collect();
        let mean = draws.iter().sum::<f64>() / 40_000.0;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 40_000.0;
        assert!((mean - 3.0).abs() < 0.05, "{mean}");
        assert!((variance / mean - 2.5).abs() < 0.12, "{}", variance / mean);
    }

    #[test]
    fn delays_follow_the_lag_curve_which_adds_up_to_one() {
        assert!((LAG.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mut rng = stream(7, 2, 0, Purpose::Purchases);
        let mut seen = [0_u32; 8];
        for _ in 0..50_000 {
            seen[lag(&mut rng)] += 1;
        }
        for (age, share) in LAG.iter().enumerate() {
            assert!((f64::from(seen[age]) / 50_000.0 - share).abs() < 0.008, "age {age}");
        }
    }

    #[test]
    fn streams_of_neighbouring_keys_days_and_purposes_differ() {
        let first = |key, day, purpose| stream(1, key, day, purpose).random::<u64>();
        let base = first(4, 10, Purpose::Weather);
        assert_eq!(base, first(4, 10, Purpose::Weather));
        for other in [
            first(5, 10, Purpose::Weather),
            first(4, 11, Purpose::Weather),
            first(4, -10, Purpose::Weather),
            first(4, 10, Purpose::Events),
        ] {
            assert_ne!(base, other);
        }
    }
}

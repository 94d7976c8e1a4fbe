//! Special functions in plain IEEE arithmetic.
//!
//! Everything transcendental comes from the `libm` crate and every sum has one order, so a figure is the same bits on
//! every platform and a stored decision can be recomputed years later. Formulas: DLMF 8.17 (incomplete beta), 8.7 and
//! 8.9 (incomplete gamma), 5.11 (Stirling).

#![expect(clippy::many_single_char_names, reason = "the names are those of the formulas")]

use libm::{erfc, exp, fabs, lgamma, log, log1p, sqrt};

/// ln √(2π).
const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;
/// √2.
const SQRT_2: f64 = core::f64::consts::SQRT_2;
/// Stands in for zero in continued fractions.
const TINY: f64 = 1e-300;
/// No fraction here needs as many terms; it bounds the work on absurd input.
const MAX_TERMS: u32 = 20_000;

/// What Stirling's formula leaves out of ln Γ(x), for x ≥ 10.
fn stirling_rest(x: f64) -> f64 {
    let z = 1.0 / (x * x);
    let inner = 1.0 / 1680.0 - z * (1.0 / 1188.0 - z * (691.0 / 360_360.0));
    (1.0 / 12.0 - z * (1.0 / 360.0 - z * (1.0 / 1260.0 - z * inner))) / x
}

/// ln B(a, b) for positive arguments, without the cancellation of three large ln Γ.
pub fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a > b { (b, a) } else { (a, b) };
    let sum = small + large;
    if small >= 10.0 {
        let rest = stirling_rest(small) + stirling_rest(large) - stirling_rest(sum);
        let body = (small - 0.5) * log(small / sum) - large * log1p(small / large);
        return LN_SQRT_2PI - 0.5 * log(large) + rest + body;
    }
    if large >= 10.0 {
        let rest = stirling_rest(large) - stirling_rest(sum);
        let body = small - small * log(sum) + (large - 0.5) * log1p(-small / sum);
        return lgamma(small) + rest + body;
    }
    lgamma(small) + lgamma(large) - lgamma(sum)
}

/// ln of `x^a · y^b ÷ B(a, b)` with `y = 1 − x` given apart.
fn ln_beta_kernel(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let ln_x = if x > 0.5 { log1p(-y) } else { log(x) };
    let ln_y = if y > 0.5 { log1p(-x) } else { log(y) };
    a * ln_x + b * ln_y - ln_beta(a, b)
}

/// The continued fraction of the incomplete beta function (modified Lentz).
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let guard = |v: f64| if fabs(v) > TINY { v } else { TINY };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for term in 1..MAX_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a - 1.0 + 2.0 * m) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 1.0 + 2.0 * m));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        let step = d * c;
        h *= step;
        if fabs(step - 1.0) < 2e-16 {
            break;
        }
    }
    h
}

/// Both tails of the beta distribution, `(I_x(a,b), 1 − I_x(a,b))`, with `y = 1 − x` given apart so that neither tail
/// loses digits. Shapes must be positive.
pub fn beta_tails(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if y <= 0.0 {
        return (1.0, 0.0);
    }
    let kernel = exp(ln_beta_kernel(a, b, x, y));
    if x * (a + b + 2.0) > a + 1.0 {
        let upper = kernel * beta_fraction(b, a, y) / b;
        (1.0 - upper, upper)
    } else {
        let lower = kernel * beta_fraction(a, b, x) / a;
        (lower, 1.0 - lower)
    }
}

/// The regularised incomplete beta function I_x(a, b).
pub fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    beta_tails(a, b, x, 1.0 - x).0
}

/// The log-odds `ln(x ÷ (1 − x))` at which `I_x(a, b) = p`.
///
/// Newton's method in log-odds, kept inside a bracket; log-odds because the ratio of two gamma variables is wanted.
pub fn beta_quantile_log_odds(a: f64, b: f64, p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (-1400.0, 1400.0);
    let mut t = log(a / b) + normal_quantile(p) * sqrt(1.0 / a + 1.0 / b);
    t = t.clamp(-600.0, 600.0);
    for _ in 0..200 {
        let (x, y) = (1.0 / (1.0 + exp(-t)), 1.0 / (1.0 + exp(t)));
        let (lower, upper) = beta_tails(a, b, x, y);
        // The tail that is small carries the digits.
        let miss = if p < 0.5 { lower - p } else { (1.0 - p) - upper };
        if miss > 0.0 {
            high = t;
        } else {
            low = t;
        }
        let slope = exp(ln_beta_kernel(a, b, x, y));
        let newton = t - miss / slope;
        let next = if newton > low && newton < high { newton } else { low + (high - low) * 0.5 };
        let moved = fabs(next - t);
        t = next;
        if moved <= 4e-16 * fabs(t).max(1.0) || high - low <= 4e-16 {
            break;
        }
    }
    t
}

/// Both regularised incomplete gamma functions, `(P(a, x), Q(a, x))`.
pub fn gamma_tails(a: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    let kernel = exp(a * log(x) - x - lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..MAX_TERMS {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        let lower = (kernel * sum).min(1.0);
        return (lower, 1.0 - lower);
    }
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut h = d;
    for term in 1..MAX_TERMS {
        let n = f64::from(term);
        let an = -n * (n - a);
        b += 2.0;
        d = an * d + b;
        d = 1.0 / if fabs(d) > TINY { d } else { TINY };
        c = b + an / c;
        c = if fabs(c) > TINY { c } else { TINY };
        let step = d * c;
        h *= step;
        if fabs(step - 1.0) < 2e-16 {
            break;
        }
    }
    let upper = (kernel * h).min(1.0);
    (1.0 - upper, upper)
}

/// The standard normal distribution function.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// The standard normal density.
pub fn normal_pdf(z: f64) -> f64 {
    exp(-0.5 * z * z - LN_SQRT_2PI)
}

/// The standard normal quantile: a rational start (Hastings, Abramowitz & Stegun 26.2.23), polished by Newton steps.
pub fn normal_quantile(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let tail = p.min(1.0 - p);
    let t = sqrt(-2.0 * log(tail));
    let top = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let bottom = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut z = top / bottom - t;
    for _ in 0..4 {
        z -= (normal_cdf(z) - tail) / normal_pdf(z);
    }
    if p > 0.5 { -z } else { z }
}

/// `value` rounded to 12 significant digits: thresholds are compared with this, so that the last bits of a library
/// can never turn a decision.
pub fn round12(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    by_arithmetic(value).unwrap_or_else(|| by_text(value))
}

/// Rounds through decimal text: correct everywhere, and slow.
fn by_text(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

/// 10^0 to 10^22: the powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The same by one multiplication and one division, each correctly rounded, where that is certain to agree: twelve
/// digits are an exact integer, and so is the power of ten. None near a tie and outside 10^-10 to 10^12.
fn by_arithmetic(value: f64) -> Option<f64> {
    let size = fabs(value);
    if !(1e-10..1e12).contains(&size) {
        return None;
    }
    // The power that brings twelve digits before the point: size × 10^k in [10^11, 10^12).
    let digits = POWERS.partition_point(|power| size * power < 1e11);
    let power = POWERS.get(digits)?;
    let scaled = size * power;
    let whole = libm::floor(scaled);
    let rest = scaled - whole;
    // The product is off by at most 10^-4 of a unit of the twelfth digit.
    if !(1e11..1e12 - 1.0).contains(&scaled) || fabs(rest - 0.5) < 1e-3 {
        return None;
    }
    let rounded = if rest > 0.5 { whole + 1.0 } else { whole };
    let result = rounded / power;
    Some(if value < 0.0 { -result } else { result })
}

/// A count of things as a float; counts here are days and looks, far below 2^32.
pub fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_incomplete_beta_knows_its_closed_forms() {
        for x in [0.01, 0.2, 0.5, 0.77, 0.999] {
            assert!((beta_inc(1.0, 1.0, x) - x).abs() < 1e-15, "uniform at {x}");
            assert!((beta_inc(3.0, 1.0, x) - x * x * x).abs() < 1e-14, "x^3 at {x}");
            let arcsine = 2.0 / std::f64::consts::PI * x.sqrt().asin();
            assert!((beta_inc(0.5, 0.5, x) - arcsine).abs() < 1e-13, "arcsine at {x}");
        }
        assert!((beta_inc(1e4, 1e4, 0.5) - 0.5).abs() < 1e-12, "symmetric at large shapes");
    }

    #[test]
    fn the_incomplete_gamma_knows_the_exponential_and_the_poisson_sum() {
        assert!((gamma_tails(1.0, 2.5).1 - (-2.5_f64).exp()).abs() < 1e-15);
        let poisson: f64 = (-7.0_f64).exp() * (1.0 + 7.0 + 24.5 + 343.0 / 6.0);
        assert!((gamma_tails(4.0, 7.0).1 - poisson).abs() < 1e-14);
        assert!((gamma_tails(4.0, 2.0).0 + gamma_tails(4.0, 2.0).1 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_normal_quantile_has_its_textbook_values() {
        for (p, z) in [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.1, -1.281_551_565_544_600_4)]
        {
            assert!((normal_quantile(p) - z).abs() < 1e-13, "{p}");
        }
    }

    #[test]
    fn rounding_keeps_twelve_significant_digits() {
        assert_eq!(round12(0.1 + 0.2).to_string(), "0.3");
        assert_eq!(round12(123_456_789_012_345.0).to_string(), "123456789012000");
        assert_eq!(round12(0.899_999_999_999_99).to_string(), "0.9");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn rounding_by_arithmetic_is_rounding_through_text(
            digits in 1_u64..20_000_000_000_000_000, exponent in -30_i32..14, down in 0_i32..5,
        ) {
            // Numbers of few digits as well: those are the ones that lie on or beside a tie.
            #[expect(clippy::cast_precision_loss, reason = "any float will do")]
            let short = (digits / 10_u64.pow(3 * u32::try_from(down).unwrap())) as f64;
            for value in [short * 10.0_f64.powi(exponent), -short / 10.0_f64.powi(-exponent)] {
                prop_assert_eq!(round12(value).to_bits(), by_text(value).to_bits(), "{}", value);
            }
        }
    }

    proptest! {
        #[test]
        fn a_quantile_inverts_the_distribution(
            a in 0.3_f64..3000.0, b in 0.3_f64..3000.0, p in 0.001_f64..0.999,
        ) {
            let t = beta_quantile_log_odds(a, b, p);
            let (x, y) = (1.0 / (1.0 + (-t).exp()), 1.0 / (1.0 + t.exp()));
            prop_assert!((beta_tails(a, b, x, y).0 - p).abs() < 1e-11);
        }

        #[test]
        fn the_two_tails_swap_with_the_shapes(
            a in 0.3_f64..5000.0, b in 0.3_f64..5000.0, x in 0.0001_f64..0.9999,
        ) {
            let (lower, upper) = beta_tails(a, b, x, 1.0 - x);
            let (other, _) = beta_tails(b, a, 1.0 - x, x);
            prop_assert!((0.0..=1.0).contains(&lower));
            prop_assert!((upper - other).abs() < 1e-12);
        }
    }
}

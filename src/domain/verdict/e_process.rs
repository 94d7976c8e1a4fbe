//! Evidence that may be looked at every day.
//!
//! Within a day, purchases fall to the challenger with odds `E_B : r × E_A`. The likelihood ratio of "r = alternative"
//! against "r = null", multiplied up over the days and mixed over several alternatives, is a test martingale: under the
//! null it is expected to stay at 1, so the chance that it ever reaches `n` is at most `1 ÷ n` however often it is
//! looked at (Ville). By monotone likelihood ratio this holds for every true ratio on the null's own side. Dividing
//! the log-likelihood by the dispersion is exact for scaled counts and keeps the bound for noisy ones.

use libm::{exp, log};

use super::{series::Row, special::count};

/// Alternatives of the mixture: `r = null × step^±1`, geometric from 1.05 to 3. The numbers are ln(step).
const LN_STEPS: [f64; 12] = ln_steps();

/// ln 1.05 and ln 3, and ten equal steps between.
const fn ln_steps() -> [f64; 12] {
    const LN_FIRST: f64 = 0.048_790_164_169_432;
    const LN_LAST: f64 = 1.098_612_288_668_109_8;
    let mut steps = [LN_FIRST; 12];
    let mut i = 1;
    let mut position = 1.0;
    while i < 12 {
        steps[i] = LN_FIRST + (LN_LAST - LN_FIRST) * position / 11.0;
        position += 1.0;
        i += 1;
    }
    steps
}

/// What the evidence speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The challenger is dearer than the null ratio.
    Dearer,
    /// The challenger is cheaper than the null ratio.
    Cheaper,
}

impl For {
    /// ln(alternative ÷ null) of each alternative.
    fn ln_steps(self) -> [f64; 12] {
        match self {
            Self::Dearer => LN_STEPS,
            Self::Cheaper => LN_STEPS.map(|step| -step),
        }
    }
}

/// ln of the e-value of these rows; `null` gives the null ratio of a row.
pub(super) fn ln_e_value(rows: &[Row], side: For, null: impl Fn(&Row) -> f64, phi: f64) -> f64 {
    let mut evidence = [0.0; LN_STEPS.len()];
    let ln_steps = side.ln_steps();
    let steps = ln_steps.map(exp);
    for row in rows {
        let c = &row.counts;
        let both = c.incumbent + c.challenger;
        if both <= 0.0 || c.spend_incumbent <= 0.0 || c.spend_challenger <= 0.0 {
            continue;
        }
        let base = null(row) * c.spend_incumbent;
        for ((sum, step), ln_step) in evidence.iter_mut().zip(steps).zip(ln_steps) {
            let odds = (c.spend_challenger + base) / (c.spend_challenger + base * step);
            *sum += both * log(odds) + c.incumbent * ln_step;
        }
    }
    mixed(evidence.map(|v| v / phi))
}

/// ln of the mean of these, given as logarithms.
fn mixed(evidence: [f64; 12]) -> f64 {
    let top = evidence.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
    let sum: f64 = evidence.iter().map(|v| exp(v - top)).sum();
    top + log(sum / count(LN_STEPS.len()))
}

/// The score `Σ` at which the evidence for `side` of `null` reaches `wanted`, when ln r has been measured with
/// `information` (score = information × estimate of ln r); normal approximation, for what can be said before a test.
pub(super) fn score_at(side: For, ln_null: f64, information: f64, wanted: f64) -> f64 {
    let steps = side.ln_steps();
    let reached = |score: f64| {
        let gain =
            |step: f64| step * (score - information * ln_null) - 0.5 * information * step * step;
        mixed(steps.map(gain)) >= log(wanted)
    };
    // From where nothing is proven outwards to where everything is; each step there is an exact halving.
    let sign = if side == For::Dearer { 1.0 } else { -1.0 };
    let middle = information * ln_null;
    let (mut near, mut far) = (0.0, 4.0 * (information + 10.0) + log(wanted) / LN_STEPS[0]);
    for _ in 0..48 {
        let half = 0.5 * (near + far);
        if reached(middle + sign * half) {
            far = half;
        } else {
            near = half;
        }
    }
    middle + sign * far
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_where_the_evidence_is_reached_and_both_sides_mirror_each_other() {
        for information in [0.4, 5.0, 60.0] {
            let dear = score_at(For::Dearer, 0.1, information, 10.0) - 0.1 * information;
            let cheap = score_at(For::Cheaper, 0.1, information, 10.0) - 0.1 * information;
            assert!((dear + cheap).abs() < 1e-9, "{dear} {cheap}");
            let gain = |s: f64| s * dear - 0.5 * information * s * s;
            assert!((mixed(LN_STEPS.map(gain)) - 10.0_f64.ln()).abs() < 1e-6);
        }
    }
}

//! Whether purchases became less valuable: a cheaper purchase of a smaller basket is no gain.
//!
//! Value per purchase of an arm is a ratio of sums. Its noise comes from the spread of order values, estimated from
//! how far each day's value lies from its purchases times the arm's mean, pooled over both arms and blended with a
//! usual spread (coefficient of variation 1) worth 14 days. The log of the ratio is taken as normal, with the prior
//! Normal(0, 0.3²) that also stands behind the CPA ratio.

use libm::{exp, log, sqrt};
use serde::{Deserialize, Serialize};

use super::{
    series::{ArmDay, Row},
    special::{normal_cdf, round12},
};

/// Squared coefficient of variation of order values where nothing is known.
const USUAL_SPREAD: f64 = 1.0;
/// Days that is worth.
const USUAL_DAYS: f64 = 14.0;
/// Prior variance of the log ratio.
const PRIOR_VARIANCE: f64 = 0.09;
/// Normal quantile of a two-sided 90 % interval.
const Z90: f64 = 1.644_853_626_951_472_7;

/// Value per purchase of the challenger relative to the incumbent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValueShift {
    /// Ratio as observed.
    pub observed: f64,
    /// Median of the posterior.
    pub median: f64,
    /// 5 % quantile.
    pub low: f64,
    /// 95 % quantile.
    pub high: f64,
    /// Probability that it fell by more than the guard allows.
    pub p_fell: f64,
}

/// None unless both arms have purchases and values.
pub(super) fn value_shift(rows: &[Row], fall: f64) -> Option<ValueShift> {
    let incumbent = Arm::of(rows, |row| row.incumbent)?;
    let challenger = Arm::of(rows, |row| row.challenger)?;
    let weight = incumbent.freedom + challenger.freedom;
    let spread = (USUAL_DAYS * USUAL_SPREAD
        + incumbent.freedom * incumbent.spread
        + challenger.freedom * challenger.spread)
        / (USUAL_DAYS + weight);
    let variance = spread * (1.0 / incumbent.purchases + 1.0 / challenger.purchases);
    let observed = challenger.mean / incumbent.mean;
    let posterior_variance = 1.0 / (1.0 / PRIOR_VARIANCE + 1.0 / variance);
    let mean = log(observed) * posterior_variance / variance;
    let sd = sqrt(posterior_variance);
    Some(ValueShift {
        observed: round12(observed),
        median: round12(exp(mean)),
        low: round12(exp(mean - Z90 * sd)),
        high: round12(exp(mean + Z90 * sd)),
        p_fell: round12(normal_cdf((log(1.0 - fall) - mean) / sd)),
    })
}

/// Value figures of one arm.
struct Arm {
    purchases: f64,
    mean: f64,
    spread: f64,
    freedom: f64,
}

impl Arm {
    fn of(rows: &[Row], arm: impl Fn(&Row) -> ArmDay) -> Option<Self> {
        let (mut purchases, mut value, mut days) = (0.0, 0.0, 0.0);
        for day in rows.iter().map(&arm) {
            purchases += day.purchases;
            value += day.value;
            days += f64::from(u8::from(day.purchases > 0.0));
        }
        if purchases <= 0.0 || value <= 0.0 {
            return None;
        }
        let mean = value / purchases;
        let squares: f64 = rows
            .iter()
            .map(&arm)
            .map(|day| {
                let miss = day.value - mean * day.purchases;
                miss * miss
            })
            .sum();
        let freedom: f64 = f64::max(days - 1.0, 0.0);
        let correction = if freedom > 0.0 { days / freedom } else { 0.0 };
        let spread = squares / (mean * mean * purchases) * correction;
        Some(Self { purchases, mean, spread, freedom })
    }
}

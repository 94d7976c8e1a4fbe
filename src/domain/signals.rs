//! Health signals: learning, steadiness of cost, checkout friction, death spiral.
//!
//! Each signal has its figures and, where something should be done, the name of an action. Bands are those of the usual
//! table 12 / 28 / 85 / 340 events a week, cut at the geometric midpoints.

use libm::{log, sqrt};
use serde::{Deserialize, Serialize};

use super::{
    forecast::Volume,
    verdict::{
        Exposure, Prior, RatioPosterior, round12,
        special::{beta_tails, count, gamma_tails},
    },
};

/// What a signal recommends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalAction {
    /// Put the budget into fewer ad sets.
    ConsolidateAdSets,
    /// Move to a lower rung.
    StepDown,
    /// Look at the checkout: price shocks, forced sign-up, payment.
    CheckCheckout,
    /// Do not judge single weeks.
    JudgeLongerWindows,
}

/// Where an ad set stands in learning, by its events of the last seven days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearningBand {
    /// Below 20 a week.
    Stuck,
    /// 20 to 49.
    NearExit,
    /// 50 to 169.
    Exited,
    /// 170 and more.
    WellOptimised,
}

impl LearningBand {
    /// All of them, ascending.
    pub const ALL: [Self; 4] = [Self::Stuck, Self::NearExit, Self::Exited, Self::WellOptimised];
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::NearExit => "near exit",
            Self::Exited => "exited",
            Self::WellOptimised => "well optimised",
        }
    }
    /// Lower edge in events per week.
    const fn from(self) -> f64 {
        match self {
            Self::Stuck => 0.0,
            Self::NearExit => 20.0,
            Self::Exited => 50.0,
            Self::WellOptimised => 170.0,
        }
    }
}

/// The learning signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningSignal {
    /// The band; an estimate, unless Meta's own status was given.
    pub band: LearningBand,
    /// Events of the last seven days.
    pub events: f64,
    /// Probability of each band, ascending.
    pub p: [f64; 4],
    /// True when Meta's `learning_stage_info` decided, false when it is estimated from counts.
    pub from_meta: bool,
    /// What to do.
    pub action: Option<SignalAction>,
}

/// Learning band from `events` of the trailing seven days. `before` keeps its label until another band is at least
/// 70 % probable, so that the label does not flap. `left_learning` is Meta's own word, where it gives one.
pub fn learning(
    events: f64,
    dispersion: f64,
    before: Option<LearningBand>,
    left_learning: Option<bool>,
) -> LearningSignal {
    let shape = 0.5 + events / dispersion;
    let above = |edge: f64| {
        if edge > 0.0 { gamma_tails(shape, edge / dispersion).1 } else { 1.0 }
    };
    let edges = LearningBand::ALL.map(LearningBand::from).map(above);
    let [all, near, out, well] = edges;
    let p = [all - near, near - out, out - well, well].map(round12);
    let counted = LearningBand::ALL.into_iter().rev().find(|b| events >= b.from());
    let counted = counted.unwrap_or(LearningBand::Stuck);
    let probability = |band: LearningBand| {
        LearningBand::ALL.iter().zip(p).find(|(b, _)| **b == band).map_or(0.0, |(_, p)| p)
    };
    let estimated = match before {
        Some(old) if probability(counted) < 0.70 => old,
        _ => counted,
    };
    let band = match left_learning {
        Some(true) => estimated.max(LearningBand::Exited),
        Some(false) => estimated.min(LearningBand::NearExit),
        None => estimated,
    };
    let action = (band == LearningBand::Stuck).then_some(SignalAction::ConsolidateAdSets);
    LearningSignal { band, events, p, from_meta: left_learning.is_some(), action }
}

/// How steady the weekly cost per optimised event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostBand {
    /// Coefficient of variation above 0.30.
    High,
    /// 0.17 to 0.30.
    Moderate,
    /// 0.08 to 0.17.
    Stable,
    /// Below 0.08.
    VeryStable,
}

impl CostBand {
    fn of(cv: f64) -> Self {
        match cv {
            v if v > 0.30 => Self::High,
            v if v >= 0.17 => Self::Moderate,
            v if v >= 0.08 => Self::Stable,
            _ => Self::VeryStable,
        }
    }
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high variation",
            Self::Moderate => "moderate variation",
            Self::Stable => "stable",
            Self::VeryStable => "very stable",
        }
    }
}

/// The cost signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostSignal {
    /// Coefficient of variation of weekly cost per event.
    pub cv: f64,
    /// What counting noise alone gives at this volume: `√(φ ÷ n)`.
    pub noise_cv: f64,
    /// The band of `cv`.
    pub band: CostBand,
    /// Variation beyond counting noise: the observed value is hardly possible without it (5 % level).
    pub truly_unstable: bool,
    /// What to do.
    pub action: Option<SignalAction>,
}

/// Steadiness over weeks of `(spend, events)`; None with fewer than three weeks that have events.
pub fn cost_stability(weeks: &[(f64, f64)], dispersion: f64) -> Option<CostSignal> {
    let used: Vec<_> = weeks.iter().filter(|(s, e)| *s > 0.0 && *e > 0.0).collect();
    if used.len() < 3 {
        return None;
    }
    let n = count(used.len());
    let spend: f64 = used.iter().map(|(s, _)| s).sum();
    let events: f64 = used.iter().map(|(_, e)| e).sum();
    let mean = spend / events;
    let squares: f64 = used
        .iter()
        .map(|(s, e)| {
            let off = s / e / mean - 1.0;
            off * off
        })
        .sum();
    let cv = sqrt(squares / (n - 1.0));
    let noise = sqrt(dispersion * n / events);
    // (n − 1) cv² ÷ noise² is close to chi-square with n − 1 degrees of freedom.
    let chance = gamma_tails((n - 1.0) / 2.0, squares / (noise * noise) / 2.0).1;
    let band = CostBand::of(cv);
    let shaky = band == CostBand::High || band == CostBand::Moderate;
    Some(CostSignal {
        cv: round12(cv),
        noise_cv: round12(noise),
        band,
        truly_unstable: round12(chance) < 0.05,
        action: shaky.then_some(SignalAction::JudgeLongerWindows),
    })
}

/// Checkout friction: more than ten carts for one purchase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Friction {
    /// Carts per purchase; None without purchases.
    pub carts_per_purchase: Option<f64>,
    /// Probability that fewer than one cart in ten is bought.
    pub p: f64,
    /// The probability reaches 90 %.
    pub flagged: bool,
    /// What to do.
    pub action: Option<SignalAction>,
}

/// From `carts` and `purchases` of 28 days; the prior expects six carts per purchase.
pub fn friction(carts: f64, purchases: f64, dispersion: f64) -> Friction {
    let a = 2.0 + purchases / dispersion;
    let b = 10.0 + (carts - purchases).max(0.0) / dispersion;
    let p = round12(beta_tails(a, b, 0.10, 0.90).0);
    let flagged = p >= 0.90;
    Friction {
        carts_per_purchase: (purchases > 0.0).then(|| round12(carts / purchases)),
        p,
        flagged,
        action: flagged.then_some(SignalAction::CheckCheckout),
    }
}

/// One week of an ad set for the spiral detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SpiralWeek {
    /// Spend, any unit.
    pub spend: f64,
    /// Optimised events.
    pub events: f64,
}

/// The death spiral: few events, dearer events, less budget, fewer events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spiral {
    /// P(cost per event rose by more than 15 %), last two weeks against the four before.
    pub p_dearer: f64,
    /// P(mean of the last two weeks is at least 50 events a week).
    pub p_enough: f64,
    /// Weekly spend relative to before.
    pub spend_ratio: f64,
    /// Weekly events relative to before.
    pub events_ratio: f64,
    /// All four signs at once.
    pub flagged: bool,
    /// What to do.
    pub action: Option<SignalAction>,
}

/// Judges the last six of `weeks` (oldest first); None with fewer than six, or without spend in either part.
pub fn death_spiral(weeks: &[SpiralWeek], dispersion: f64) -> Option<Spiral> {
    let six = weeks.get(weeks.len().checked_sub(6)?..)?;
    let (before, now) = six.split_at(4);
    let sum = |part: &[SpiralWeek]| {
        let spend = part.iter().map(|w| w.spend).sum();
        Exposure::new(part.iter().map(|w| w.events).sum(), spend)
    };
    let (old, new) = (sum(before), sum(now));
    if old.spend <= 0.0 || new.spend <= 0.0 {
        return None;
    }
    let prior = Prior { strength: 4.0, centre: 0.0 };
    let posterior = RatioPosterior::new(old, new, prior, dispersion)?;
    let p_dearer = round12(1.0 - posterior.probability_at_most(1.15));
    let volume = Volume { events: new.purchases, days: 14.0, dispersion };
    let p_enough = volume.p_mean_at_least(50.0);
    let spend_ratio = round12(2.0 * new.spend / old.spend);
    let events_ratio =
        if old.purchases > 0.0 { round12(2.0 * new.purchases / old.purchases) } else { 1.0 };
    let flagged = p_dearer >= 0.80 && p_enough <= 0.10 && spend_ratio < 0.90 && events_ratio < 0.90;
    let action = flagged.then_some(SignalAction::StepDown);
    Some(Spiral { p_dearer, p_enough, spend_ratio, events_ratio, flagged, action })
}

/// The log of how much dearer an event became per week over `weeks` of `(spend, events)`, by least squares; None with
/// fewer than three weeks that have events. For the sentence "cost per event grew by 4 % a week".
pub fn cost_trend(weeks: &[(f64, f64)]) -> Option<f64> {
    let points: Vec<(f64, f64)> = weeks
        .iter()
        .enumerate()
        .filter(|(_, (s, e))| *s > 0.0 && *e > 0.0)
        .map(|(i, (s, e))| (count(i), log(s / e)))
        .collect();
    if points.len() < 3 {
        return None;
    }
    let n = count(points.len());
    let x_mean = points.iter().map(|p| p.0).sum::<f64>() / n;
    let y_mean = points.iter().map(|p| p.1).sum::<f64>() / n;
    let cross: f64 = points.iter().map(|p| (p.0 - x_mean) * (p.1 - y_mean)).sum();
    let square: f64 = points.iter().map(|p| (p.0 - x_mean) * (p.0 - x_mean)).sum();
    Some(round12(cross / square))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_follow_the_table() {
        for (events, band) in [
            (12.0, LearningBand::Stuck),
            (28.0, LearningBand::NearExit),
            (85.0, LearningBand::Exited),
            (340.0, LearningBand::WellOptimised),
        ] {
            let s = learning(events, 1.5, None, None);
            assert_eq!(s.band, band);
            assert!((s.p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
        assert_eq!(learning(12.0, 1.5, None, None).action, Some(SignalAction::ConsolidateAdSets));
    }

    #[test]
    fn a_label_holds_until_the_new_band_is_likely_and_metas_word_wins() {
        let old = Some(LearningBand::NearExit);
        assert_eq!(learning(51.0, 1.5, old, None).band, LearningBand::NearExit);
        assert_eq!(learning(75.0, 1.5, old, None).band, LearningBand::Exited);
        assert_eq!(learning(30.0, 1.5, None, Some(true)).band, LearningBand::Exited);
        assert_eq!(learning(90.0, 1.5, None, Some(false)).band, LearningBand::NearExit);
    }

    #[test]
    fn counting_noise_is_told_from_real_instability() {
        let calm = [(700.0, 70.0), (710.0, 77.0), (690.0, 62.0), (700.0, 75.0), (705.0, 68.0)];
        let s = cost_stability(&calm, 1.5).unwrap();
        assert!(!s.truly_unstable, "{s:?}");
        let wild = [(700.0, 140.0), (700.0, 40.0), (700.0, 120.0), (700.0, 35.0), (700.0, 90.0)];
        let s = cost_stability(&wild, 1.5).unwrap();
        assert!(s.truly_unstable && s.band == CostBand::High, "{s:?}");
        assert_eq!(cost_stability(&calm[..2], 1.5), None);
    }

    #[test]
    fn friction_needs_more_than_one_unlucky_month() {
        assert!(!friction(44.0, 4.0, 1.5).flagged, "11:1 on four purchases proves nothing");
        assert!(!friction(720.0, 80.0, 1.5).flagged, "9:1 is within what shops see");
        assert!(friction(1200.0, 60.0, 1.5).flagged, "20:1 on sixty purchases");
        assert_eq!(friction(1200.0, 60.0, 1.5).carts_per_purchase, Some(20.0));
    }

    #[test]
    fn a_spiral_is_found_and_a_planned_cut_is_not_one() {
        let week = |spend: f64, events: f64| SpiralWeek { spend, events };
        let mut weeks = vec![week(1000.0, 60.0); 4];
        weeks.extend([week(700.0, 24.0), week(600.0, 17.0)]);
        assert!(death_spiral(&weeks, 1.5).unwrap().flagged);
        let mut cut = vec![week(1000.0, 60.0); 4];
        cut.extend([week(500.0, 31.0), week(500.0, 32.0)]);
        assert!(!death_spiral(&cut, 1.5).unwrap().flagged, "cheaper, only smaller");
        assert_eq!(death_spiral(&weeks[..5], 1.5), None);
    }

    #[test]
    fn the_trend_is_the_weekly_growth_of_cost() {
        let weeks: Vec<_> = (0..6).map(|n| (100.0 * 1.05_f64.powi(n), 10.0)).collect();
        assert!((cost_trend(&weeks).unwrap() - 1.05_f64.ln()).abs() < 1e-9);
    }
}

//! What standing on a lower rung is expected to save, over all markets that are possible.
//!
//! Nobody publishes how strong Meta's learning effect is or how well an add-to-cart stands for a purchase, and the
//! answer differs from account to account. So nothing is assumed: a fixed set of *possible markets* spans what is
//! plausible, each is weighed by how well it would have predicted what this line has seen on every rung it stood on
//! (its *lessons*), and a rung is worth what it saves in the weighted mean. The figures need no sampling and are the
//! same on every machine.
//!
//! Three things make it sharper than comparing purchases before and after. The rung above the one optimised for is a
//! *witness*: nobody asked for its events, so they are as honest a sign of buying as purchases and more frequent. The
//! optimised event itself swells ("you get what you ask for"), and by how much tells what it is worth. And the days in
//! which an ad set still learns are not thrown away: a market says what they should have cost.

mod lesson;
mod markets;
mod reading;

use libm::{exp, log, sqrt};
use serde::{Deserialize, Serialize};

use super::{
    forecast::usual_correlation,
    verdict::{
        round12,
        special::{normal_cdf, normal_pdf},
    },
};

pub use lesson::{Lesson, Stretch, lessons};
use markets::{Market, possible};
use reading::Readings;

/// Standard deviation of what season, auction and drift do to four weeks of one campaign, as a share.
const SEASON_SD: f64 = 0.10;
/// A saving below this is a loss: what lies between is no difference anybody would notice.
const NOTICEABLE: f64 = -0.03;
/// Weeks of data the value of looking again is reckoned with.
const LOOK_AGAIN_WEEKS: f64 = 4.0;
/// Markets that weigh less than this are left out of what is expected.
const NEGLIGIBLE: f64 = 3e-4;
/// Rounds to the steady volume of an ad set; each halves the distance or better.
const ROUNDS: usize = 5;

/// What an assessment is made from, besides the lessons.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Keys of the ladder's rungs, lowest first; the last is the macro rung.
    pub keys: &'a [&'a str],
    /// The lowest rung that comes into question.
    pub floor: usize,
    /// Money the line spends a week, in minor units.
    pub weekly_spend: f64,
    /// How many times a loss weighs a gain.
    pub loss_weight: f64,
}

/// What standing on one rung is expected to save against the macro rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prospect {
    /// Key of the rung.
    pub rung: String,
    /// Expected saving per macro-conversion, as a share of its cost on the macro rung.
    pub saving: f64,
    /// Its standard deviation over the possible markets.
    pub sd: f64,
    /// Probability that the rung is noticeably dearer.
    pub p_dearer: f64,
    /// The expected saving with losses weighted.
    pub weighted: f64,
    /// Events a week that bear witness once the line stands there.
    pub witnesses: f64,
}

/// The prospects of a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prospects {
    /// Rungs from the floor to the one below the macro rung, lowest first.
    pub rungs: Vec<Prospect>,
    /// Macro-conversions a week the line would make on the macro rung at its present budget.
    pub macro_weekly: f64,
}

impl Prospects {
    /// The prospect of a rung.
    pub fn of(&self, rung: &str) -> Option<&Prospect> {
        self.rungs.iter().find(|p| p.rung == rung)
    }
}

impl Prospect {
    /// What standing here is worth, in weeks of macro-conversions: `weeks` of the weighted saving, and until the
    /// horizon what is left when one looks again and goes back if it turns out dearer.
    ///
    /// The second part is the expected gain of a decision that is made later on better data (value of information,
    /// normal approximation).
    pub fn worth(&self, weeks: f64, horizon: f64) -> f64 {
        let seen = (self.witnesses * LOOK_AGAIN_WEEKS.min(weeks)).max(1.0);
        let noise = reading::DISPERSION / seen
            + SEASON_SD * SEASON_SD * LOOK_AGAIN_WEEKS / weeks.clamp(2.0, LOOK_AGAIN_WEEKS);
        let spread = self.sd * self.sd / sqrt(self.sd * self.sd + noise);
        let kept = if spread > 0.0 {
            let z = (self.saving / spread).clamp(-8.0, 8.0);
            self.saving * normal_cdf(z) + spread * normal_pdf(z)
        } else {
            self.saving
        };
        round12(weeks * self.weighted + (horizon - weeks).max(0.0) * kept.max(0.0))
    }
}

/// The prospects of a line by its lessons; None when they hold no spend.
pub fn prospects(lessons: &[Lesson], question: &Question<'_>) -> Option<Prospects> {
    let readings = Readings::of(lessons, question.keys)?;
    let usual: Vec<f64> = question.keys.iter().map(|key| usual_correlation(key)).collect();
    let (signals, markets) = possible(&usual);
    let weights = readings.weigh(&markets, &signals);
    let top = question.keys.len().saturating_sub(1);
    let mut sums = vec![Sums::default(); top];
    let (mut macro_weekly, mut whole) = (0.0, 0.0);
    for (market, (weight, ln_cost)) in markets.iter().zip(&weights) {
        if *weight < NEGLIGIBLE {
            continue;
        }
        let Some(signal) = signals.get(market.signal) else { continue };
        whole += weight;
        let cost = exp(*ln_cost);
        let settle = |rung: usize| {
            let share = signal.get(rung).copied().unwrap_or(1.0);
            let at_best = question.weekly_spend * readings.per_macro(rung) / cost;
            settled(market, share, at_best)
        };
        let (here, volume) = settle(top);
        macro_weekly += weight * volume;
        for (rung, sum) in sums.iter_mut().enumerate().skip(question.floor) {
            let (there, _) = settle(rung);
            let saving = 1.0 - exp(there - here + readings.hollow(rung));
            sum.add(*weight, saving, question.loss_weight);
        }
    }
    if whole <= 0.0 {
        return None;
    }
    macro_weekly /= whole;
    let rungs = question.keys.iter().zip(sums).enumerate().take(top).skip(question.floor);
    let rungs = rungs.map(|(rung, (key, sum))| {
        let saving = sum.saving / whole;
        // The rung right below the macro rung has no other witness than the macro-conversions themselves.
        let witness = macro_weekly * readings.per_macro(rung.saturating_add(1));
        Prospect {
            rung: (*key).to_owned(),
            saving: round12(saving),
            sd: round12(sqrt((sum.squares / whole - saving * saving).max(0.0))),
            p_dearer: round12(sum.dearer / whole),
            weighted: round12(sum.weighted / whole),
            witnesses: round12(witness),
        }
    });
    Some(Prospects { rungs: rungs.collect(), macro_weekly: round12(macro_weekly) })
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    saving: f64,
    squares: f64,
    dearer: f64,
    weighted: f64,
}

impl Sums {
    fn add(&mut self, weight: f64, saving: f64, loss_weight: f64) {
        self.saving += weight * saving;
        self.squares += weight * saving * saving;
        self.dearer += if saving < NOTICEABLE { weight } else { 0.0 };
        self.weighted += weight * if saving < 0.0 { loss_weight * saving } else { saving };
    }
}

/// ln of the cost factor of a rung once its ad set has settled, and its own events a week then; `at_best` are those it
/// would make if everything were learned and nobody did it for its own sake.
fn settled(market: &Market, signal: f64, at_best: f64) -> (f64, f64) {
    let mut volume = 0.5 * at_best;
    let mut dearer = 0.0;
    for _ in 0..ROUNDS {
        let learned = market.learned(volume);
        dearer = market.dearer(signal, learned);
        volume = 0.5 * (volume + at_best * exp(market.swell(signal, learned) - dearer));
    }
    (dearer, volume)
}

/// ln of the odds that go with a share between 0 and 1.
fn log_odds(p: f64) -> f64 {
    log(p / (1.0 - p))
}

#[cfg(test)]
mod tests;

//! The markets that are possible: how strong learning is, how fast it comes, what each event stands for.

use libm::exp;

use super::log_odds;

/// How the delivery learns from the optimised events of seven days.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Curve {
    /// Half is learned at `HALF` events; a new ad set starts with this many in mind.
    Saturating(f64),
    /// In proportion up to 50 events a week, complete there (as the help pages tell it).
    Threshold,
}

/// One possible market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Market {
    /// Its weight before anything was seen.
    pub(super) weight: f64,
    /// Which of the possible signal qualities holds.
    pub(super) signal: usize,
    /// ln of how much dearer a purchase is without any learning.
    strength: f64,
    curve: Curve,
    /// How strongly an event that is optimised for swells with people who never buy.
    surplus: f64,
}

/// Events a week at which half is learned: 50 a week then leave little more to learn, 10 a week lack much.
const HALF: f64 = 15.0;

/// Learning that is missing makes a purchase 20 to 50 % dearer than at 50 events a week (practitioners' reports), which
/// a strength around 1 gives; markets of three fifths and of five thirds of it are as possible.
const STRENGTHS: [(f64, f64); 3] = [(0.614, 1.0), (1.0, 1.0), (1.629, 1.0)];
/// Standard deviations of the account's signal quality from the usual one, with weights.
const ACCOUNTS: [(f64, f64); 5] =
    [(-1.9, 0.08), (-0.95, 0.24), (0.0, 0.36), (0.95, 0.24), (1.9, 0.08)];
/// Standard deviation of the log-odds of a signal quality over accounts.
const ACCOUNT_SD: f64 = 0.9;
/// How much of that the rungs above the floor share, and by how much each goes its own way.
const SHARED: f64 = 0.71;
const OWN: [f64; 2] = [-0.46, 0.46];
const SURPLUSES: [f64; 2] = [0.55, 1.05];
const CURVES: [(Curve, f64); 4] = [
    (Curve::Saturating(1.5), 0.25),
    (Curve::Saturating(6.0), 0.25),
    (Curve::Saturating(12.0), 0.25),
    (Curve::Threshold, 0.25),
];

impl Market {
    /// The share that is learned from `events` optimised events in seven days.
    pub(super) fn learned(&self, events: f64) -> f64 {
        match self.curve {
            Curve::Saturating(known) => (events + known) / (events + known + HALF),
            Curve::Threshold => 0.35 + 0.55 * (events / 50.0).min(1.0),
        }
    }
    /// ln of the cost of a macro-conversion against all that could be learned.
    pub(super) fn dearer(&self, signal: f64, learned: f64) -> f64 {
        self.strength * (1.0 - signal * learned)
    }
    /// ln of how many more optimised events there are per macro-conversion than without being optimised for.
    pub(super) fn swell(&self, signal: f64, learned: f64) -> f64 {
        self.surplus * (1.0 - signal) * learned
    }
}

/// The possible signal qualities by rung, and all markets. `usual` holds the usual quality of every rung.
pub(super) fn possible(usual: &[f64]) -> (Vec<Vec<f64>>, Vec<Market>) {
    let mut signals = Vec::with_capacity(ACCOUNTS.len() * OWN.len());
    let mut markets = Vec::with_capacity(
        ACCOUNTS.len() * OWN.len() * STRENGTHS.len() * CURVES.len() * SURPLUSES.len(),
    );
    for (account, by_account) in ACCOUNTS {
        for own in OWN {
            let signal = signals.len();
            signals.push(qualities(usual, ACCOUNT_SD * account, own));
            for (strength, by_strength) in STRENGTHS {
                for (curve, by_curve) in CURVES {
                    for surplus in SURPLUSES {
                        let weight = by_account * by_strength * by_curve;
                        markets.push(Market { weight, signal, strength, curve, surplus });
                    }
                }
            }
        }
    }
    (signals, markets)
}

/// Signal quality of every rung; it never falls towards the macro rung, which stands for itself.
fn qualities(usual: &[f64], account: f64, own: f64) -> Vec<f64> {
    let top = usual.len().saturating_sub(1);
    let mut least: f64 = 0.0;
    let quality = |(rung, usual): (usize, &f64)| {
        let moved = if rung + 1 < top { account } else { SHARED * account + own };
        let quality = 1.0 / (1.0 + exp(-log_odds(usual.clamp(0.01, 0.99)) - moved));
        least = if rung == top { 1.0 } else { quality.max(least) };
        least
    };
    usual.iter().enumerate().map(quality).collect()
}

//! A Thompson bandit on the budget: weekly, by the probability of being the cheapest level.

use rand_distr::{Distribution, Gamma};
use rand_pcg::Pcg64Mcg;

use super::super::stream::mix;
use super::super::{LEVELS, PURCHASE, VIEW_CONTENT};
use super::{Allocation, Decision, Observed, Policy};

/// A week-old observation counts this much of a new one.
const DISCOUNT: f64 = 0.92;
/// The assumed variance over mean of purchases.
const DISPERSION: f64 = 1.5;
/// No level falls below this share before the shares are made to add up.
const FLOOR: f64 = 0.05;
/// Draws per week.
const DRAWS: u32 = 200;
/// Purchases the prior is worth, per level.
const PRIOR: f64 = 2.0;

/// A discounted gamma posterior of purchases per money for each level from content view up.
#[derive(Debug, Clone)]
pub struct Thompson {
    rng: Pcg64Mcg,
    purchases: [f64; LEVELS],
    money: [f64; LEVELS],
    shares: [f64; LEVELS],
}

impl Thompson {
    /// Before its first day.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Pcg64Mcg::new((u128::from(mix(seed)) << 64) | u128::from(mix(!seed))),
            purchases: [PRIOR; LEVELS],
            money: [0.0; LEVELS],
            shares: [0.0; LEVELS],
        }
    }

    /// Every level starts at the cost the account's history shows.
    fn begin(&mut self, seen: &Observed<'_>) {
        let rows = seen.rows(PURCHASE);
        let spend: f64 = rows.iter().map(|row| row.spend).sum();
        let bought: f64 = rows.iter().map(|row| f64::from(row.events[PURCHASE])).sum();
        self.money = [PRIOR * spend / bought.max(1.0); LEVELS];
    }

    fn learn(&mut self, seen: &Observed<'_>) {
        for level in VIEW_CONTENT..LEVELS {
            let week = seen.since(level, seen.day - 7);
            let bought: f64 = week.iter().map(|row| f64::from(row.events[PURCHASE])).sum();
            let money: f64 =
                (seen.day - 7..seen.day).map(|day| seen.effective_spend(level, day)).sum();
            self.purchases[level] = self.purchases[level] * DISCOUNT + bought / DISPERSION;
            self.money[level] = self.money[level] * DISCOUNT + money / DISPERSION;
        }
    }

    fn share_out(&mut self) {
        let laws: Vec<Option<Gamma<f64>>> = (0..LEVELS)
            .map(|level| {
                let shape = self.purchases[level].max(0.05);
                (level >= VIEW_CONTENT)
                    .then(|| Gamma::new(shape, 1.0 / self.money[level].max(1e-9)).ok())
                    .flatten()
            })
            .collect();
        let mut wins = [0.0; LEVELS];
        for _ in 0..DRAWS {
            let mut best = (PURCHASE, -1.0);
            for (level, law) in laws.iter().enumerate() {
                let rate = law.as_ref().map_or(-1.0, |law| law.sample(&mut self.rng));
                if rate > best.1 {
                    best = (level, rate);
                }
            }
            wins[best.0] += 1.0 / f64::from(DRAWS);
        }
        for win in &mut wins[VIEW_CONTENT..] {
            *win = f64::max(*win, FLOOR);
        }
        let total: f64 = wins.iter().sum();
        self.shares = wins.map(|win| win / total);
    }
}

impl Policy for Thompson {
    fn decide(&mut self, seen: &Observed<'_>) -> Decision {
        if seen.day % 7 == 0 {
            if seen.day == 0 {
                self.begin(seen);
            } else {
                self.learn(seen);
            }
            self.share_out();
        }
        let allocation =
            self.shares.iter().enumerate().fold(Allocation::paused(), |sum, (level, share)| {
                sum.with(level, share * seen.budget)
            });
        allocation.into()
    }
}

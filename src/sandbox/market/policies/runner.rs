//! Runs a policy in a market and keeps its score.

use super::super::{
    Delivered, Delivery, LEVELS, LearningView, Market, MarketParams, PURCHASE, stream,
};
use super::{Allocation, DayRow, HISTORY_DAYS, Move, Observed, Policy};

/// What a policy achieved, in expected values: the luck of single purchases decides what a policy sees, not its score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Money spent, in major units.
    pub spend: f64,
    /// Purchases the spend brings in expectation.
    pub expected_purchases: f64,
    /// Tests begun.
    pub tests: u32,
    /// Tests that ended with a promotion.
    pub promotions: u32,
    /// Promotions of a challenger that is truly more than 5 % dearer at the full budget.
    pub wrong: u32,
    /// Tests that ended without promoting a challenger that is truly more than 5 % cheaper.
    pub missed: u32,
}

impl Outcome {
    /// Cost per purchase in major units; infinite without purchases.
    pub fn cpa(&self) -> f64 {
        if self.expected_purchases > 0.0 {
            self.spend / self.expected_purchases
        } else {
            f64::INFINITY
        }
    }

    /// By what fraction this outcome is cheaper per purchase than `reference`; negative when dearer.
    pub fn cut_against(&self, reference: &Self) -> f64 {
        1.0 - self.cpa() / reference.cpa()
    }
}

/// A market with its history, ready to be run by any number of policies, each from the same morning.
#[derive(Debug, Clone)]
pub struct Runner {
    market: Market,
    rows: [Vec<DayRow>; LEVELS],
}

/// True cost ratios within this factor are no mistake either way.
const INDIFFERENCE: f64 = 1.05;

impl Runner {
    /// Runs the account's past: [`HISTORY_DAYS`] days of one purchase-optimised ad set.
    pub fn new(params: MarketParams, seed: u64) -> Self {
        let mut market = Market::new(params, seed).without_traffic();
        let past = market.history(key(PURCHASE), 0, HISTORY_DAYS);
        let mut rows: [Vec<DayRow>; LEVELS] = Default::default();
        for level_rows in &mut rows {
            level_rows.resize(past.len(), DayRow::default());
        }
        for (row, seen) in past.iter().zip(&mut rows[PURCHASE]) {
            *seen = reported(row, market.params().base_budget(row.day));
        }
        Self { market, rows }
    }

    /// The account behind it.
    pub fn params(&self) -> &MarketParams {
        self.market.params()
    }

    /// Lets `policy` run the account for `weeks`.
    ///
    /// Policies run on clones of one past and share the weather of every arm, so their scores can be paired.
    pub fn run(&self, policy: &mut dyn Policy, weeks: i64) -> Outcome {
        let mut market = self.market.clone();
        let mut rows = self.rows.clone();
        let mut outcome = Outcome::default();
        for day in 0..7 * weeks {
            let budget = market.params().base_budget(day);
            let learning: [LearningView; LEVELS] =
                std::array::from_fn(|level| market.learning(key(level)));
            let seen = Observed {
                day,
                days_left: 7 * weeks - day,
                budget,
                rows: &rows,
                learning: &learning,
            };
            let decision = policy.decide(&seen);
            if let Some(made) = decision.made {
                outcome.count(made, market.params(), day);
            }
            let delivered = market.deliver(day, &deliveries(decision.allocation, budget));
            for arm in &mut rows {
                arm.push(DayRow::default());
            }
            for row in &delivered {
                outcome.spend += row.spend;
                outcome.expected_purchases += row.expected_purchases;
                if let Some(last) = rows[row.level].last_mut() {
                    *last = reported(row, decision.allocation.budget(row.level));
                }
            }
        }
        outcome
    }
}

impl Outcome {
    fn count(&mut self, made: Move, params: &MarketParams, day: i64) {
        let ratio = |incumbent, challenger| {
            let weekly = 7.0 * params.base_budget(day);
            params.steady(challenger, weekly, 1.0, day).cpa
                / params.steady(incumbent, weekly, 1.0, day).cpa
        };
        match made {
            Move::Test { .. } => self.tests += 1,
            Move::Promote { incumbent, challenger } => {
                self.promotions += 1;
                self.wrong += u32::from(ratio(incumbent, challenger) > INDIFFERENCE);
            }
            Move::Stay { incumbent, challenger } => {
                self.missed += u32::from(ratio(incumbent, challenger) < 1.0 / INDIFFERENCE);
            }
        }
    }
}

/// Arms are keyed by level, so that an arm meets the same luck whichever policy runs it.
fn key(level: usize) -> u64 {
    stream::mix(level as u64)
}

fn deliveries(allocation: Allocation, base_budget: f64) -> Vec<Delivery> {
    allocation
        .arms()
        .map(|(level, daily_budget)| Delivery {
            key: key(level),
            level,
            daily_budget,
            fraction: 1.0,
            base_budget,
        })
        .collect()
}

fn reported(row: &Delivered, budget: f64) -> DayRow {
    DayRow {
        budget,
        spend: row.spend,
        events: row.events,
        one_day_click: row.one_day_click(),
        value: row.value,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{ADD_TO_CART, INITIATE_CHECKOUT, VIEW_CONTENT};
    use super::super::Decision;
    use super::*;

    /// Makes one move on day 0 and runs purchase optimisation.
    struct Once(Move);
    impl Policy for Once {
        fn decide(&mut self, seen: &Observed<'_>) -> Decision {
            let allocation = Allocation::one(PURCHASE, seen.budget);
            Decision { allocation, made: (seen.day == 0).then_some(self.0) }
        }
    }

    #[test]
    fn moves_are_judged_by_the_truth() {
        // Stuck: add-to-cart is truly a fifth cheaper than purchase, view-content dearer.
        let runner = Runner::new(MarketParams::stuck_at_purchase(), 1);
        let judged = |made| {
            let outcome = runner.run(&mut Once(made), 1);
            (outcome.tests, outcome.promotions, outcome.wrong, outcome.missed)
        };
        let (incumbent, challenger) = (PURCHASE, ADD_TO_CART);
        assert_eq!(judged(Move::Test { incumbent, challenger }), (1, 0, 0, 0));
        assert_eq!(judged(Move::Promote { incumbent, challenger }), (0, 1, 0, 0));
        assert_eq!(judged(Move::Stay { incumbent, challenger }), (0, 0, 0, 1));
        let challenger = VIEW_CONTENT;
        assert_eq!(judged(Move::Promote { incumbent, challenger }), (0, 1, 1, 0));
        assert_eq!(judged(Move::Stay { incumbent, challenger }), (0, 0, 0, 0));
        let (incumbent, challenger) = (ADD_TO_CART, INITIATE_CHECKOUT);
        assert_eq!(judged(Move::Promote { incumbent, challenger }), (0, 1, 0, 0), "about equal");
        assert_eq!(judged(Move::Stay { incumbent, challenger }), (0, 0, 0, 0), "about equal");
    }

    #[test]
    fn an_outcome_without_purchases_is_infinitely_dear() {
        struct Idle;
        impl Policy for Idle {
            fn decide(&mut self, _: &Observed<'_>) -> Decision {
                Allocation::paused().into()
            }
        }
        let outcome = Runner::new(MarketParams::stuck_at_purchase(), 1).run(&mut Idle, 2);
        assert!(outcome.cpa().is_infinite() && outcome.spend.abs() < f64::EPSILON);
        let twice = Outcome { spend: 200.0, expected_purchases: 4.0, ..Outcome::default() };
        let reference = Outcome { spend: 100.0, expected_purchases: 1.0, ..Outcome::default() };
        assert!((twice.cut_against(&reference) - 0.5).abs() < 1e-12);
    }
}

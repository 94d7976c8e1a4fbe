//! The policies that others are measured against.

use super::super::{ADD_TO_CART, INITIATE_CHECKOUT, MarketParams, PURCHASE, VIEW_CONTENT};
use super::{Allocation, Article, Decision, Observed, Outcome, Policy, Reading, Runner, Thompson};

/// One level for ever.
#[derive(Debug, Clone, Copy)]
pub struct FixedLevel(pub usize);

impl Policy for FixedLevel {
    fn decide(&mut self, seen: &Observed<'_>) -> Decision {
        Allocation::one(self.0, seen.budget).into()
    }
}

/// Knows the truth and moves to the best level every four weeks, if that saves more than 3 %.
#[derive(Debug, Clone)]
pub struct Oracle {
    params: MarketParams,
    level: usize,
}

impl Oracle {
    /// An oracle for the account with these parameters.
    pub fn new(params: MarketParams) -> Self {
        Self { params, level: PURCHASE }
    }
}

impl Policy for Oracle {
    fn decide(&mut self, seen: &Observed<'_>) -> Decision {
        if seen.day % 28 == 0 {
            let (best, cpa) = self.params.best_level(seen.day);
            let current = self.params.steady(self.level, 7.0 * seen.budget, 1.0, seen.day).cpa;
            // A move costs a learning phase; the first one is free of habit.
            if seen.day == 0 || cpa < 0.97 * current {
                self.level = best;
            }
        }
        Allocation::one(self.level, seen.budget).into()
    }
}

/// The built-in policies by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline {
    /// Purchase optimisation for ever: what every cut is measured against.
    AlwaysPurchase,
    /// Add-to-cart for ever.
    AlwaysAddToCart,
    /// Initiate-checkout for ever.
    AlwaysInitiateCheckout,
    /// View-content for ever.
    AlwaysViewContent,
    /// The article by the letter: a point comparison on day 14.
    Article,
    /// The article, but promoting only what is significant at 95 %.
    Article95,
    /// A Thompson bandit on the budget.
    Thompson,
    /// Knows the truth.
    Oracle,
}

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AlwaysPurchase,
        Self::AlwaysAddToCart,
        Self::AlwaysInitiateCheckout,
        Self::AlwaysViewContent,
        Self::Article,
        Self::Article95,
        Self::Thompson,
        Self::Oracle,
    ];

    /// Its name, as `--policy` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlwaysPurchase => "always_purchase",
            Self::AlwaysAddToCart => "always_atc",
            Self::AlwaysInitiateCheckout => "always_ic",
            Self::AlwaysViewContent => "always_vc",
            Self::Article => "article",
            Self::Article95 => "article_95",
            Self::Thompson => "thompson",
            Self::Oracle => "oracle",
        }
    }

    /// The baseline of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|baseline| baseline.name() == name)
    }

    /// A fresh policy for one account; `seed` feeds its own draws, if it makes any.
    pub fn policy(self, params: &MarketParams, seed: u64) -> Box<dyn Policy> {
        match self {
            Self::AlwaysPurchase => Box::new(FixedLevel(PURCHASE)),
            Self::AlwaysAddToCart => Box::new(FixedLevel(ADD_TO_CART)),
            Self::AlwaysInitiateCheckout => Box::new(FixedLevel(INITIATE_CHECKOUT)),
            Self::AlwaysViewContent => Box::new(FixedLevel(VIEW_CONTENT)),
            Self::Article => Box::new(Article::new(Reading::Point)),
            Self::Article95 => Box::new(Article::new(Reading::Significant)),
            Self::Thompson => Box::new(Thompson::new(seed)),
            Self::Oracle => Box::new(Oracle::new(params.clone())),
        }
    }

    /// Runs it on one account for `weeks`, history included.
    pub fn run(self, params: &MarketParams, seed: u64, weeks: i64) -> Outcome {
        let runner = Runner::new(params.clone(), seed);
        runner.run(&mut *self.policy(params, seed), weeks)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Market, World, stream};
    use super::super::{DayRow, HISTORY_DAYS, Move};
    use super::*;
    use rand_pcg::Pcg64Mcg;

    fn accounts(n: usize) -> Vec<MarketParams> {
        let mut rng = Pcg64Mcg::new(99);
        (0..n).map(|_| MarketParams::sample(&World::neutral(), &mut rng)).collect()
    }

    #[test]
    fn every_baseline_is_found_by_its_name_and_spends_about_the_same() {
        let account = MarketParams::stuck_at_purchase();
        let spends = Baseline::ALL.map(|baseline| {
            assert_eq!(Baseline::by_name(baseline.name()), Some(baseline));
            baseline.run(&account, 3, 26).spend
        });
        let nominal = account.base_budget(0) * 182.0;
        assert!(spends.iter().all(|spend| (spend / nominal - 1.0).abs() < 0.05), "{spends:?}");
        assert_eq!(Baseline::by_name("always"), None);
    }

    #[test]
    fn runs_repeat_exactly_and_scores_follow_the_seed() {
        for baseline in Baseline::ALL {
            let account = MarketParams::stuck_at_purchase();
            assert_eq!(baseline.run(&account, 5, 12), baseline.run(&account, 5, 12));
            assert_ne!(baseline.run(&account, 5, 12), baseline.run(&account, 6, 12));
        }
    }

    #[test]
    fn nobody_beats_the_oracle_on_average() {
        let accounts = accounts(60);
        let mean_log_cpa = |baseline: Baseline| {
            let logs = accounts.iter().map(|a| baseline.run(a, 1, 26).cpa().ln());
            logs.sum::<f64>() / 60.0
        };
        let oracle = mean_log_cpa(Baseline::Oracle);
        for baseline in Baseline::ALL.into_iter().filter(|b| *b != Baseline::Oracle) {
            assert!(mean_log_cpa(baseline) > oracle, "{}", baseline.name());
        }
    }

    #[test]
    fn the_article_starts_where_fifty_events_a_week_happen_and_tests_the_next_level_for_two_weeks()
    {
        struct Spy {
            article: Article,
            log: Vec<(i64, Decision)>,
        }
        impl Policy for Spy {
            fn decide(&mut self, seen: &Observed<'_>) -> Decision {
                let decision = self.article.decide(seen);
                self.log.push((seen.day, decision));
                decision
            }
        }
        let account = MarketParams { demand_growth: 0.0, ..MarketParams::stuck_at_purchase() };
        let mut spy = Spy { article: Article::new(Reading::Point), log: Vec::new() };
        let outcome = Runner::new(account, 11).run(&mut spy, 26);
        let levels = |day: usize| -> Vec<usize> {
            spy.log[day].1.allocation.arms().map(|(level, _)| level).collect()
        };
        let start = levels(0)[0];
        assert_eq!(levels(20), [start]);
        assert_eq!(levels(21), [start, start + 1]);
        let (began, ended) = (spy.log[21].1.made, spy.log[35].1.made);
        assert_eq!(began, Some(Move::Test { incumbent: start, challenger: start + 1 }));
        assert!(matches!(ended, Some(Move::Promote { .. } | Move::Stay { .. })), "{ended:?}");
        assert_eq!(levels(35).len(), 1);
        let tests = spy.log.iter().filter(|(_, d)| matches!(d.made, Some(Move::Test { .. })));
        assert_eq!(tests.count(), outcome.tests as usize);
    }

    #[test]
    fn a_policy_sees_the_reports_up_to_yesterday_and_its_budget() {
        struct Reader(Vec<DayRow>);
        impl Policy for Reader {
            fn decide(&mut self, seen: &Observed<'_>) -> Decision {
                for level in 0..=PURCHASE {
                    assert_eq!(i64::try_from(seen.rows(level).len()), Ok(HISTORY_DAYS + seen.day));
                    assert_eq!(i64::try_from(seen.since(level, seen.day - 7).len()), Ok(7));
                }
                assert_eq!(seen.days_left, 14 - seen.day);
                self.0 = seen.rows(PURCHASE).to_vec();
                Allocation::one(PURCHASE, seen.budget).into()
            }
        }
        let account = MarketParams::stuck_at_purchase();
        let mut reader = Reader(Vec::new());
        Runner::new(account.clone(), 8).run(&mut reader, 2);
        // The same days straight from the market.
        let mut market = Market::new(account, 8).without_traffic();
        let rows = market.history(stream::mix(PURCHASE as u64), 13, HISTORY_DAYS + 13);
        assert_eq!(rows.len(), reader.0.len());
        for (row, seen) in rows.iter().zip(&reader.0) {
            assert_eq!((row.events, row.one_day_click()), (seen.events, seen.one_day_click));
            assert!((row.spend - seen.spend).abs() < 1e-12 && seen.budget > 0.0);
        }
    }
}

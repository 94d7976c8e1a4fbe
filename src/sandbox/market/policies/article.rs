//! The article by the letter: start at the event that makes 50 a week, test the next one for 14 days, compare.

use super::super::{LEVELS, PURCHASE, VIEW_CONTENT};
use super::{Allocation, Decision, Move, Observed, Policy};

/// How the comparison on day 14 is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Comparable or better: the challenger's cost is no higher.
    Point,
    /// Better with one-sided 95 % significance (normal approximation of the log ratio).
    Significant,
}

/// Days of a test.
const TEST_DAYS: i64 = 14;
/// Days on a level before the next one is tested.
const SETTLE_DAYS: i64 = 21;
/// Days before a failed test is repeated, which also needs a tenth more volume.
const RETRY_DAYS: i64 = 28;
/// The normal quantile of 95 %.
const Z_95: f64 = 1.645;

/// The state of one account under the article.
#[derive(Debug, Clone)]
pub struct Article {
    reading: Reading,
    level: usize,
    since: i64,
    test_began: Option<i64>,
    failed: bool,
    volume_at_test: f64,
}

impl Article {
    /// Before its first day.
    pub fn new(reading: Reading) -> Self {
        Self {
            reading,
            level: PURCHASE,
            since: 0,
            test_began: None,
            failed: false,
            volume_at_test: 0.0,
        }
    }

    /// The highest event that made 50 a week, at least content views.
    fn start(volume: &[f64; LEVELS]) -> usize {
        (VIEW_CONTENT..LEVELS).rev().find(|&level| volume[level] >= 50.0).unwrap_or(VIEW_CONTENT)
    }

    fn wants_test(&self, seen: &Observed<'_>, volume: &[f64; LEVELS]) -> bool {
        let waited = seen.day - self.since;
        self.level < PURCHASE
            && seen.days_left > SETTLE_DAYS
            && waited >= if self.failed { RETRY_DAYS } else { SETTLE_DAYS }
            && (!self.failed || volume[self.level + 1] >= 1.1 * self.volume_at_test)
    }

    fn challenger_wins(&self, seen: &Observed<'_>, began: i64) -> bool {
        let totals = |level| {
            seen.since(level, began).iter().fold((0.0, 0.0), |(spend, bought), row| {
                (spend + row.spend, bought + f64::from(row.events[PURCHASE]))
            })
        };
        let (money_a, bought_a) = totals(self.level);
        let (money_b, bought_b) = totals(self.level + 1);
        match self.reading {
            Reading::Point => bought_b > 0.0 && money_b * bought_a <= money_a * bought_b,
            Reading::Significant => {
                let log_ratio = libm::log((bought_b + 0.5) / money_b * money_a / (bought_a + 0.5));
                let error = (1.0 / (bought_a + 0.5) + 1.0 / (bought_b + 0.5)).sqrt();
                log_ratio >= Z_95 * error
            }
        }
    }
}

impl Policy for Article {
    fn decide(&mut self, seen: &Observed<'_>) -> Decision {
        let mut made = None;
        let (incumbent, challenger) = (self.level, self.level + 1);
        if seen.day == 0 {
            self.level = Self::start(&seen.weekly_volume(14));
        } else if let Some(began) = self.test_began {
            if seen.day - began == TEST_DAYS {
                self.failed = !self.challenger_wins(seen, began);
                self.test_began = None;
                self.since = seen.day;
                made = Some(if self.failed {
                    Move::Stay { incumbent, challenger }
                } else {
                    self.level = challenger;
                    Move::Promote { incumbent, challenger }
                });
            }
        } else if self.level < PURCHASE {
            let volume = seen.weekly_volume(14);
            if self.wants_test(seen, &volume) {
                self.test_began = Some(seen.day);
                self.volume_at_test = volume[challenger];
                made = Some(Move::Test { incumbent, challenger });
            }
        }
        let allocation = if self.test_began.is_some() {
            Allocation::one(self.level, 0.5 * seen.budget).with(self.level + 1, 0.5 * seen.budget)
        } else {
            Allocation::one(self.level, seen.budget)
        };
        Decision { allocation, made }
    }
}

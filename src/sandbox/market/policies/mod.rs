//! Policies that run an account, and the seam through which they see it.
//!
//! A [`Policy`] sees what an advertiser sees ([`Observed`]: daily rows as reported, learning phases, the budget) and
//! answers with a [`Decision`]; the [`Runner`] spends accordingly and scores by expected value. Only the oracle is made
//! from the truth.

mod article;
mod baseline;
mod runner;
mod thompson;

pub use article::{Article, Reading};
pub use baseline::{Baseline, FixedLevel, Oracle};
pub use runner::{Outcome, Runner};
pub use thompson::Thompson;

use super::{LAG, LEVELS, LearningView};

/// Days of purchase optimisation every account has behind it when a policy takes over on day 0.
pub const HISTORY_DAYS: i64 = 28;

/// How an account is run. One value serves one account from day 0 on.
pub trait Policy {
    /// Decides the budgets of `seen.day`, knowing the reports up to the day before. Called once a day, in order.
    fn decide(&mut self, seen: &Observed<'_>) -> Decision;
}

/// One day of one arm as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DayRow {
    /// The daily budget that was set, in major units; 0 while paused.
    pub budget: f64,
    /// Spend in major units.
    pub spend: f64,
    /// Events by level as reported for the day; purchases by day of conversion.
    pub events: [u32; LEVELS],
    /// Of the purchases, those a `1d_click` window counts.
    pub one_day_click: u32,
    /// Order value of the purchases in major units.
    pub value: f64,
}

/// What a policy may know on the morning of a day.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The day to decide; 0 is the policy's first.
    pub day: i64,
    /// Days still to decide, this one included.
    pub days_left: i64,
    /// The daily budget the account's owner wants spent today, in major units.
    pub budget: f64,
    rows: &'a [Vec<DayRow>; LEVELS],
    learning: &'a [LearningView; LEVELS],
}

impl Observed<'_> {
    /// The reports of the arm that optimises for `level`, one per day from `-HISTORY_DAYS` to yesterday; all zero
    /// where it did not run.
    pub fn rows(&self, level: usize) -> &[DayRow] {
        &self.rows[level]
    }

    /// The reports of `level`'s arm from day `since` to yesterday; fewer where the history is shorter.
    pub fn since(&self, level: usize, since: i64) -> &[DayRow] {
        let skip = usize::try_from(since + HISTORY_DAYS).unwrap_or(0);
        self.rows[level].get(skip..).unwrap_or(&[])
    }

    /// Where the arm of `level` stands in its learning phase.
    pub fn learning(&self, level: usize) -> LearningView {
        self.learning[level]
    }

    /// Events of each level a week in the whole account, from its last `days` days.
    pub fn weekly_volume(&self, days: i64) -> [f64; LEVELS] {
        let mut volume = [0.0; LEVELS];
        let mut counted: usize = 0;
        for arm in 0..LEVELS {
            let rows = self.since(arm, self.day - days);
            counted = rows.len();
            for (total, level) in volume.iter_mut().zip(0..LEVELS) {
                *total += rows.iter().map(|row| f64::from(row.events[level])).sum::<f64>();
            }
        }
        let days = f64::from(u32::try_from(counted.max(1)).unwrap_or(u32::MAX));
        volume.map(|total| total * 7.0 / days)
    }

    /// The spend of `level`'s arm on `day` as matured by the usual delays: the money whose purchases are dated that day.
    pub fn effective_spend(&self, level: usize, day: i64) -> f64 {
        (0..)
            .zip(LAG)
            .map(|(age, share)| {
                let index = usize::try_from(day - age + HISTORY_DAYS).ok();
                index.and_then(|at| self.rows[level].get(at)).map_or(0.0, |row| row.spend * share)
            })
            .sum()
    }
}

/// The budgets of one day: at most one arm per level.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Allocation {
    budgets: [f64; LEVELS],
}

impl Allocation {
    /// Nothing runs.
    pub fn paused() -> Self {
        Self::default()
    }
    /// One arm at `daily_budget` major units.
    pub fn one(level: usize, daily_budget: f64) -> Self {
        Self::paused().with(level, daily_budget)
    }
    /// This allocation with an arm for `level` (0 to 4) at `daily_budget` major units, in place of one it had.
    #[must_use]
    pub fn with(mut self, level: usize, daily_budget: f64) -> Self {
        self.budgets[level] = daily_budget.max(0.0);
        self
    }
    /// The arms that run, lowest level first, with their daily budgets.
    pub fn arms(&self) -> impl Iterator<Item = (usize, f64)> {
        self.budgets.into_iter().enumerate().filter(|(_, budget)| *budget > 0.0)
    }
    /// The daily budget of an arm, 0 if it does not run.
    pub fn budget(&self, level: usize) -> f64 {
        self.budgets[level]
    }
}

/// What a policy did today beside setting budgets, for the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// A test of `challenger` against `incumbent` began.
    Test {
        /// The level that runs.
        incumbent: usize,
        /// The level under test.
        challenger: usize,
    },
    /// The challenger won.
    Promote {
        /// The level that ran.
        incumbent: usize,
        /// The level that takes its place.
        challenger: usize,
    },
    /// The test ended and the incumbent stays: rejected, undecided or stopped.
    Stay {
        /// The level that ran and goes on.
        incumbent: usize,
        /// The level that was tested.
        challenger: usize,
    },
}

/// One day's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The budgets.
    pub allocation: Allocation,
    /// What began or ended today; at most one thing.
    pub made: Option<Move>,
}

impl From<Allocation> for Decision {
    fn from(allocation: Allocation) -> Self {
        Self { allocation, made: None }
    }
}

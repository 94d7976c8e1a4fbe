//! Decision rules as data.
//!
//! The numbers of `balanced` were chosen on simulated markets for low regret at a bearable risk of promoting a dearer
//! challenger; `article` is the plain comparison people do by hand, kept so that both can be seen side by side.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::posterior::Prior;

/// The rules a configuration can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    /// Promote at 90 %, at the last look at 75 %.
    Balanced,
    /// Promote at 95 %, at the last look at 90 %.
    Strict,
    /// Promote at 80 %, at the last look at 70 %.
    Quick,
    /// As balanced, but no untested step down: every rung must prove itself first.
    ProveItFirst,
    /// Evidence that may be looked at every day: promote when the odds against a dearer challenger reach 10 to 1.
    AlwaysValid,
    /// The literal point comparison on calendar day 14.
    Article,
}

impl RuleName {
    /// All of them, the default first.
    pub const ALL: [Self; 6] = [
        Self::Balanced,
        Self::Strict,
        Self::Quick,
        Self::ProveItFirst,
        Self::AlwaysValid,
        Self::Article,
    ];
    /// As configuration and command line spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Strict => "strict",
            Self::Quick => "quick",
            Self::ProveItFirst => "prove_it_first",
            Self::AlwaysValid => "always_valid",
            Self::Article => "article",
        }
    }
}
impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
/// Not the name of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a rule: balanced, strict, quick, prove_it_first, always_valid or article is expected"
)]
pub struct UnknownRule(String);

impl FromStr for RuleName {
    type Err = UnknownRule;
    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let known = Self::ALL.into_iter().find(|rule| rule.as_str() == text);
        known.ok_or_else(|| UnknownRule(text.chars().take(40).collect()))
    }
}

/// How a rule judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By the posterior probability that the challenger is not worse than the margin allows.
    Posterior,
    /// By an e-process on the paired days, which may be looked at every day: the chance of ever promoting a challenger
    /// that is dearer than the margin allows is at most 1 − `promote_at`, of ever giving up one that is not, `stay_at`.
    EProcess,
    /// By the plain ratio of the two CPAs, raw rows, every calendar day from the start.
    Point,
}

/// One scheduled evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LookAt {
    /// Paired decision days it needs (for the point method: calendar days from the start).
    pub days: usize,
    /// Probability from which it promotes; of an e-process, the confidence its odds must reach.
    pub promote_at: f64,
}

/// Which days belong to the challenger's learning phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningDays {
    /// Always ignored.
    pub least_days: i64,
    /// Ignored at most.
    pub most_days: i64,
    /// Events of its own that end learning.
    pub events: f64,
}

/// When a test ends early because it costs too much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StopLossRule {
    /// First day it may act, counted from 1.
    pub from_day: i64,
    /// Evidence (e-value) from which the challenger counts as worse.
    pub e_value: f64,
    /// How much dearer it may be while it learns.
    pub learning_margin: f64,
    /// Days the learning margin holds.
    pub learning_days: i64,
    /// Excess spend that ends the test, in weeks of the challenger's budget.
    pub ledger_weeks: f64,
}

/// When a promotion is held because purchases became less valuable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValueGuard {
    /// Fall of value per purchase that matters, e.g. 0.15.
    pub fall: f64,
    /// Probability of such a fall from which the promotion is held.
    pub probability: f64,
}

/// A complete rule: every number a verdict depends on besides the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: RuleName,
    /// How it judges.
    pub method: Method,
    /// Scheduled looks, ascending, at least one.
    pub looks: Vec<LookAt>,
    /// Probability of "not worse" at or below which the incumbent stays; of an e-process, the risk of giving up a
    /// challenger that is not worse.
    pub stay_at: f64,
    /// How much dearer still counts as not worse, e.g. 0.10.
    pub margin: f64,
    /// Prior of the ratio.
    pub prior: Prior,
    /// Purchases both arms together need before anything is decided.
    pub min_purchases: f64,
    /// Learning days.
    pub learning: LearningDays,
    /// Hours a day must have been closed before its row counts; the caller passes only such rows.
    pub settle_hours: i64,
    /// Calendar days after which the test ends, decided or not.
    pub max_days: i64,
    /// Early end; None = never.
    pub stop_loss: Option<StopLossRule>,
    /// Guard on the value of purchases; None = not looked at.
    pub value_guard: Option<ValueGuard>,
    /// Whether a line may start on a lower rung without a test.
    pub untested_start: bool,
}

impl Rule {
    /// A rule by name with its default numbers.
    pub fn named(name: RuleName) -> Self {
        let (promote, last) = match name {
            RuleName::Balanced | RuleName::ProveItFirst => (0.90, 0.75),
            RuleName::Strict => (0.95, 0.90),
            RuleName::Quick => (0.80, 0.70),
            RuleName::AlwaysValid => return Self::always_valid(),
            RuleName::Article => return Self::article(),
        };
        let look = |days, promote_at| LookAt { days, promote_at };
        Self {
            name,
            method: Method::Posterior,
            looks: vec![look(14, promote), look(21, promote), look(28, promote), look(35, last)],
            stay_at: 0.25,
            margin: 0.10,
            prior: Prior::default(),
            min_purchases: 30.0,
            learning: LearningDays { least_days: 3, most_days: 7, events: 50.0 },
            settle_hours: 72,
            max_days: 42,
            stop_loss: Some(StopLossRule {
                from_day: 4,
                e_value: 10.0,
                learning_margin: 0.40,
                learning_days: 7,
                ledger_weeks: 1.5,
            }),
            value_guard: Some(ValueGuard { fall: 0.15, probability: 0.80 }),
            untested_start: name != RuleName::ProveItFirst,
        }
    }

    fn always_valid() -> Self {
        let balanced = Self::named(RuleName::Balanced);
        Self {
            name: RuleName::AlwaysValid,
            method: Method::EProcess,
            looks: (14..=35).map(|days| LookAt { days, promote_at: 0.90 }).collect(),
            ..balanced
        }
    }

    fn article() -> Self {
        Self {
            name: RuleName::Article,
            method: Method::Point,
            looks: vec![LookAt { days: 14, promote_at: 1.0 }],
            margin: 0.0,
            min_purchases: 0.0,
            learning: LearningDays { least_days: 0, most_days: 0, events: 0.0 },
            max_days: 14,
            stop_loss: None,
            value_guard: None,
            ..Self::named(RuleName::Balanced)
        }
    }

    /// The same rule with another margin.
    #[must_use]
    pub fn with_margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// Odds that the evidence of an e-process must reach to promote at `look`, and to stay.
    pub(super) fn wanted_odds(&self, look: LookAt) -> (f64, f64) {
        (1.0 / (1.0 - look.promote_at), 1.0 / self.stay_at)
    }

    /// The same rule with a first look after `window` paired days, then weekly (an e-process: daily) as long as the
    /// learning days and the window fit into `max_days` calendar days. The last look keeps its lower threshold.
    #[must_use]
    pub fn with_window(mut self, window: usize, max_days: i64) -> Self {
        let (Some(first), Some(last)) = (self.looks.first().copied(), self.looks.last().copied())
        else {
            return self;
        };
        if self.method == Method::Point {
            self.looks = vec![LookAt { days: window, ..first }];
            self.max_days = i64::try_from(window).unwrap_or(i64::MAX);
            return self;
        }
        let room = usize::try_from(max_days - self.learning.most_days).unwrap_or(0).max(window);
        let every = if self.method == Method::EProcess { 1 } else { 7 };
        self.looks = (window..=room).step_by(every).map(|days| LookAt { days, ..first }).collect();
        if let Some(end) = self.looks.last_mut() {
            end.promote_at = last.promote_at;
        }
        self.max_days = max_days;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_typos_are_refused() {
        for name in RuleName::ALL {
            assert_eq!(name.as_str().parse::<RuleName>().unwrap(), name);
        }
        assert!("balance".parse::<RuleName>().is_err());
    }

    #[test]
    fn the_default_window_gives_the_default_looks() {
        let rule = Rule::named(RuleName::Balanced);
        assert_eq!(rule.clone().with_window(14, 42), rule);
        let daily = Rule::named(RuleName::AlwaysValid);
        assert_eq!(daily.clone().with_window(14, 42), daily);
        let short: Vec<_> = rule.with_window(21, 35).looks.iter().map(|l| l.days).collect();
        assert_eq!(short, [21, 28]);
    }
}

//! Cannibalisation: did the account as a whole get dearer while a test ran?
//!
//! Two arms can look equal while they take each other's buyers, or those of other campaigns. The check compares the
//! account's blended CPA on the days of the climb with the days before it. The periods are not concurrent, so seasons
//! blur the comparison: its counts are worth no more than a season's spread of 15 % leaves of them.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Day,
    evidence::{DayFacts, Evidence},
    verdict::{Exposure, Prior, RatioPosterior, USUAL_DISPERSION, round12},
};

/// Days before the test it is compared with.
const BASELINE_DAYS: i64 = 28;
/// Standard deviation of the season between two periods, as a share.
const SEASON_SD: f64 = 0.15;
/// Pseudo-purchases of the prior: weak, nothing is decided here.
const PRIOR_STRENGTH: f64 = 6.0;
/// From this probability of a dearer account the check raises its voice.
const LOUD_AT: f64 = 0.80;
/// A rise that matters.
const RISE: f64 = 1.10;

/// The account before and during a climb's test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blended {
    /// First day of the test.
    pub since: Day,
    /// Days before, and since, that could be used.
    pub days: (usize, usize),
    /// Whole account before: purchases and spend in minor units.
    pub before: Exposure,
    /// Whole account since.
    pub during: Exposure,
    /// Account CPA since ÷ before: median.
    pub median: f64,
    /// 5 % quantile, season included.
    pub low: f64,
    /// 95 % quantile.
    pub high: f64,
    /// Probability that the account became more than 10 % dearer.
    pub p_dearer: f64,
    /// The probability is high enough to look into it.
    pub flagged: bool,
}

impl Blended {
    /// In one sentence; `money` writes a cost in minor units.
    pub fn sentence(&self, money: impl Fn(f64) -> Option<String>) -> String {
        let cost = |e: Exposure| {
            e.cpa().and_then(&money).unwrap_or_else(|| "undefined (no purchase)".to_owned())
        };
        let end = if self.flagged {
            "the campaigns may be taking each other's buyers"
        } else {
            "no sign that the campaigns take each other's buyers"
        };
        format!(
            "whole account: CPA {} in the {} days before, {} in the {} days since {}; ratio {:.2}, 90 % interval {:.2} to \
             {:.2} with season; P(more than 10 % dearer) {:.0} %: {end}",
            cost(self.before),
            self.days.0,
            cost(self.during),
            self.days.1,
            self.since,
            self.median,
            self.low,
            self.high,
            self.p_dearer * 100.0
        )
    }
}

/// Spend and purchases of the whole account in the last four weeks of complete days; None without spend.
pub fn baseline(evidence: &Evidence) -> Option<Exposure> {
    let from = evidence.today.plus(-BASELINE_DAYS);
    let usable = |d: &&DayFacts| d.complete && !d.incumbent.is_gap() && d.day >= from;
    let days: Vec<&DayFacts> = evidence.days.iter().filter(usable).collect();
    let sum = sum(&days);
    (sum.spend > 0.0).then_some(sum)
}

/// The check on stored evidence; None without a test, or without spend in either period.
pub fn blended(evidence: &Evidence) -> Option<Blended> {
    let since = evidence.climb.state.test()?.first_day;
    // The day before may already hold half a day of the test.
    let until = since.plus(-1);
    let from = until.plus(-BASELINE_DAYS);
    let usable = |d: &&DayFacts| d.complete && !d.incumbent.is_gap();
    let before: Vec<_> =
        evidence.days.iter().filter(usable).filter(|d| d.day >= from && d.day < until).collect();
    let during: Vec<_> = evidence.days.iter().filter(usable).filter(|d| d.day >= since).collect();
    compare(since, &before, &during)
}

fn compare(since: Day, before: &[&DayFacts], during: &[&DayFacts]) -> Option<Blended> {
    let (old, new) = (sum(before), sum(during));
    if old.spend <= 0.0 || new.spend <= 0.0 {
        return None;
    }
    let dispersion = dispersion(before, old).max(dispersion(during, new));
    let prior = Prior { strength: PRIOR_STRENGTH, centre: 0.0 };
    let posterior =
        RatioPosterior::new(blurred(old, dispersion), blurred(new, dispersion), prior, 1.0)?;
    let p_dearer = round12(1.0 - posterior.probability_at_most(RISE));
    Some(Blended {
        since,
        days: (before.len(), during.len()),
        before: old,
        during: new,
        median: round12(posterior.quantile(0.5)),
        low: round12(posterior.quantile(0.05)),
        high: round12(posterior.quantile(0.95)),
        p_dearer,
        flagged: p_dearer >= LOUD_AT,
    })
}

#[expect(clippy::cast_precision_loss, reason = "statistics; exact up to 2^53 minor units")]
fn sum(days: &[&DayFacts]) -> Exposure {
    days.iter().fold(Exposure::default(), |mut sum, day| {
        sum.spend += day.account.0 as f64;
        sum.purchases += f64::from(day.account.1);
        sum
    })
}

#[expect(clippy::cast_precision_loss, reason = "statistics; exact up to 2^53 minor units")]
fn dispersion(days: &[&DayFacts], total: Exposure) -> f64 {
    if days.len() < 14 || total.purchases <= 0.0 {
        return USUAL_DISPERSION;
    }
    let daily: Vec<(f64, f64)> =
        days.iter().map(|d| (d.account.0 as f64, f64::from(d.account.1))).collect();
    crate::domain::forecast::daily_dispersion(&daily)
}

/// A period's counts worth only as many purchases as dispersion and season leave of them, at the same cost.
fn blurred(period: Exposure, dispersion: f64) -> Exposure {
    let n = period.purchases.max(0.5);
    let worth = 1.0 / (dispersion / n + SEASON_SD * SEASON_SD);
    Exposure::new(worth.min(period.purchases), period.spend * worth.min(n) / n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::Cell;

    fn days(n: i64, from: &str, purchases: u32) -> Vec<DayFacts> {
        let first: Day = from.parse().unwrap();
        (0..n)
            .map(|i| DayFacts {
                day: first.plus(i),
                complete: true,
                incumbent: Cell::default(),
                challenger: None,
                account: (100_000, purchases),
            })
            .collect()
    }
    fn check(before: u32, during: u32) -> Blended {
        let (a, b) = (days(28, "2026-01-01", before), days(28, "2026-01-30", during));
        let (a, b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
        compare("2026-01-30".parse().unwrap(), &a, &b).unwrap()
    }

    #[test]
    fn an_account_that_stays_as_it_was_is_not_flagged() {
        let same = check(10, 10);
        assert!(!same.flagged && same.low < 1.0 && same.high > 1.0, "{same:?}");
        assert!((same.median - 1.0).abs() < 0.01);
    }

    #[test]
    fn an_account_half_as_dear_again_is_flagged_and_the_sentence_says_so() {
        let dearer = check(30, 18);
        assert!(dearer.flagged && dearer.low > 1.0, "{dearer:?}");
        let said = dearer.sentence(|c| Some(format!("{:.0}", c / 100.0)));
        assert!(
            said.contains("taking each other's buyers") && said.contains("since 2026-01-30"),
            "{said}"
        );
    }

    #[test]
    fn no_amount_of_purchases_removes_the_season() {
        let huge = check(40_000, 40_000);
        assert!(huge.high.ln() > 0.25, "{huge:?}");
    }

    #[test]
    fn without_spend_before_there_is_nothing_to_say() {
        let during = days(5, "2026-01-30", 3);
        let during: Vec<_> = during.iter().collect();
        assert_eq!(compare("2026-01-30".parse().unwrap(), &[], &during), None);
    }
}

//! Two watches over delivery: is it beyond what budgets allow, and is the market out of its mind?
//!
//! *Pacing* compares spend with the worst the budget timeline allows. *Shock* compares the account's price per thousand
//! impressions and the spend of its settled campaigns with the fortnight before. Both are for faults of delivery such as
//! that of 23 April 2023, when most of a day's budget went within hours at twice the usual price.

use crate::domain::{Day, HOUR_MS};

/// How long nothing is raised after a shock, in milliseconds.
pub const SHOCK_HOLD_MS: i64 = 48 * HOUR_MS;
/// Days a median is taken over.
pub const MEDIAN_DAYS: usize = 14;
/// Fewer days than this make no median.
const LEAST_DAYS: usize = 7;
/// Fewer impressions than this make no price.
const LEAST_IMPRESSIONS: u64 = 1_000;

/// Spend of one campaign against what its budgets allow at worst, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Delivered so far today.
    pub today: i64,
    /// The worst today's budgets allow.
    pub today_worst: i64,
    /// Delivered so far this calendar week.
    pub week: i64,
    /// The worst this week's budgets allow.
    pub week_worst: i64,
}

/// True when a day exceeds its worst by a tenth of the plain budget, or a week by 3 %: beyond any rounding of Meta's.
/// `1.75 + 0.10` of the budget is `37/35` of the worst day.
pub fn is_breach(pace: &Pace) -> bool {
    let over = |spent: i64, worst: i64, numerator: i128, denominator: i128| {
        worst > 0 && i128::from(spent) * denominator > i128::from(worst) * numerator
    };
    over(pace.today, pace.today_worst, 37, 35) || over(pace.week, pace.week_worst, 103, 100)
}

/// One day of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountDay {
    /// The day.
    pub day: Day,
    /// Spend of everything in minor units.
    pub spend: i64,
    /// Impressions of everything.
    pub impressions: u64,
    /// Spend of the campaigns that delivered on every day looked at: a new test is no shock.
    pub settled_spend: i64,
}

/// What is out of its mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shock {
    /// The price per thousand impressions.
    #[error(
        "a thousand impressions cost {now} minor units on {day}, more than twice the median {median} of the fortnight before"
    )]
    Price {
        /// When.
        day: Day,
        /// The price, in minor units.
        now: i64,
        /// The median.
        median: i64,
    },
    /// The rate of spending.
    #[error(
        "the settled campaigns spent {now} minor units on {day}, more than twice the median {median} of the fortnight before"
    )]
    Spend {
        /// When.
        day: Day,
        /// Spend.
        now: i64,
        /// The median.
        median: i64,
    },
}

fn price(day: &AccountDay) -> Option<i64> {
    let thousands = i128::from(day.spend) * 1_000;
    (day.impressions >= LEAST_IMPRESSIONS)
        .then(|| thousands.checked_div(i128::from(day.impressions)))
        .flatten()
        .and_then(|p| i64::try_from(p).ok())
}

/// The upper median: a shock is called rather too seldom than too often.
fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    (values.len() >= LEAST_DAYS).then(|| values.get(values.len() / 2).copied()).flatten()
}

/// Looks at the newest day (today so far, or yesterday) against up to fourteen days before it; `days` in order.
pub fn shock(days: &[AccountDay]) -> Option<Shock> {
    let (newest, before) = days.split_last()?;
    let before = before.get(before.len().saturating_sub(MEDIAN_DAYS)..).unwrap_or(before);
    let day = newest.day;
    let prices = median(before.iter().filter_map(price).collect());
    if let (Some(now), Some(median)) = (price(newest), prices)
        && median > 0
        && now > median.saturating_mul(2)
    {
        return Some(Shock::Price { day, now, median });
    }
    let spends = median(before.iter().map(|d| d.settled_spend).filter(|s| *s > 0).collect());
    let now = newest.settled_spend;
    let median = spends.filter(|median| now > median.saturating_mul(2))?;
    Some(Shock::Spend { day, now, median })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(spends: &[(i64, u64)]) -> Vec<AccountDay> {
        let first: Day = "2026-01-01".parse().unwrap();
        let one = |(n, (spend, impressions)): (usize, &(i64, u64))| AccountDay {
            day: first.plus(i64::try_from(n).unwrap()),
            spend: *spend,
            impressions: *impressions,
            settled_spend: *spend,
        };
        spends.iter().enumerate().map(one).collect()
    }
    fn fortnight_then(last: (i64, u64)) -> Vec<AccountDay> {
        let mut all = vec![(10_000, 10_000); 14];
        all.push(last);
        days(&all)
    }

    #[test]
    fn the_bounds_of_pacing_are_exact() {
        let pace = |today, week| Pace { today, today_worst: 17_500, week, week_worst: 70_000 };
        assert!(!is_breach(&pace(18_500, 72_100)), "185 % of a day and 103 % of a week still pass");
        assert!(!is_breach(&pace(9_000, 40_000)), "and so does every usual day");
        assert!(is_breach(&pace(18_501, 40_000)));
        assert!(is_breach(&pace(9_000, 72_101)));
        let off = Pace { today: 5, today_worst: 0, week: 5, week_worst: 0 };
        assert!(!is_breach(&off), "late spend of something that is off breaks no budget");
    }

    #[test]
    fn twice_the_median_price_or_spend_is_no_shock_and_a_unit_more_is() {
        assert_eq!(shock(&fortnight_then((20_000, 10_000))), None);
        let dear = shock(&fortnight_then((20_010, 10_000)));
        assert!(matches!(dear, Some(Shock::Price { now: 2_001, median: 1_000, .. })), "{dear:?}");
        let much = shock(&fortnight_then((20_001, 20_000)));
        assert!(matches!(much, Some(Shock::Spend { .. })), "{much:?}");
    }

    #[test]
    fn a_shock_is_measured_against_the_upper_median_of_days_that_differ() {
        // Prices of 100 to 1400 minor units, in no order: seven are below 800.
        let mixed = [7, 14, 1, 9, 4, 12, 2, 10, 5, 13, 3, 8, 6, 11].map(|n| (n * 1_000, 10_000));
        let ask = |last| shock(&days(&[&mixed[..], &[last]].concat()));
        assert_eq!(ask((16_000, 10_000)), None);
        let dear = ask((16_010, 10_000));
        assert!(matches!(dear, Some(Shock::Price { median: 800, now: 1_601, .. })), "{dear:?}");
        let much = ask((16_001, 20_000));
        assert!(matches!(much, Some(Shock::Spend { median: 8_000, now: 16_001, .. })), "{much:?}");
    }

    #[test]
    fn days_that_cost_nothing_make_neither_price_nor_rate() {
        let mut free = vec![(0, 10_000); 14];
        free.push((10, 10_000));
        assert_eq!(shock(&days(&free)), None, "there is no twice of nothing");
        let mut few = vec![(0, 0); 8];
        few.extend([(10_000, 10_000); 6]);
        few.push((90_000, 10_000));
        assert_eq!(shock(&days(&few)), None, "six days of delivery make no median");
    }

    #[test]
    fn a_day_like_that_of_april_2023_is_one_and_a_week_of_history_is_needed() {
        assert!(shock(&fortnight_then((17_000, 8_000))).is_some(), "CPM doubled within the day");
        let mut short = vec![(10_000, 10_000); 6];
        short.push((90_000, 10_000));
        assert_eq!(shock(&days(&short)), None);
        assert_eq!(
            shock(&fortnight_then((900, 300))),
            None,
            "a handful of impressions is no price"
        );
    }

    #[test]
    fn a_new_test_that_doubles_the_account_is_no_shock() {
        let mut all = fortnight_then((21_000, 21_000));
        if let Some(last) = all.last_mut() {
            last.settled_spend = 10_500;
        }
        assert_eq!(shock(&all), None);
    }
}

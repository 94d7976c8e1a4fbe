//! Blackouts: days whose market is not the ordinary one, so that nothing is started, raised or judged on them.

use std::{fmt, str::FromStr};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::{Day, DayRange};

/// A range of days, once or every year; both ends included. Written `2026-11-20..2026-12-02` or `11-20..12-02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Blackout {
    /// These days and no others.
    Once(DayRange),
    /// Month and day of the first and last day; the range may run over New Year.
    Yearly {
        /// First month and day.
        from: (i8, i8),
        /// Last month and day.
        until: (i8, i8),
    },
}

/// The text is no range of days.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a range of days: 2026-11-20..2026-12-02 or, for every year, 11-20..12-02 is expected"
)]
pub struct BlackoutError(String);

impl Blackout {
    /// True when the day lies within.
    pub fn covers(&self, day: Day) -> bool {
        match *self {
            Self::Once(range) => range.contains(day),
            Self::Yearly { from, until } => {
                let at = (day.date().month(), day.date().day());
                if from <= until { from <= at && at <= until } else { from <= at || at <= until }
            }
        }
    }
}

/// Month and day, checked against a leap year so that 02-29 can be named.
fn month_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    if month.len() != 2 || day.len() != 2 {
        return None;
    }
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    Date::new(2024, month, day).ok().map(|_| (month, day))
}

impl FromStr for Blackout {
    type Err = BlackoutError;
    fn from_str(text: &str) -> Result<Self, BlackoutError> {
        let bad = || BlackoutError(text.chars().take(40).collect());
        let (first, last) = text.split_once("..").ok_or_else(bad)?;
        let (first, last) = (first.trim(), last.trim());
        if let (Some(from), Some(until)) = (month_day(first), month_day(last)) {
            return Ok(Self::Yearly { from, until });
        }
        let (since, until) = (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
        DayRange::new(since, until).map(Self::Once).ok_or_else(bad)
    }
}
impl fmt::Display for Blackout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once(range) => write!(f, "{}..{}", range.since(), range.until()),
            Self::Yearly { from, until } => {
                write!(f, "{:02}-{:02}..{:02}-{:02}", from.0, from.1, until.0, until.1)
            }
        }
    }
}
impl TryFrom<String> for Blackout {
    type Error = BlackoutError;
    fn try_from(text: String) -> Result<Self, BlackoutError> {
        text.parse()
    }
}
impl From<Blackout> for String {
    fn from(blackout: Blackout) -> Self {
        blackout.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(range: &str, day: &str) -> bool {
        range.parse::<Blackout>().unwrap().covers(day.parse().unwrap())
    }

    #[test]
    fn a_yearly_range_holds_every_year_and_over_new_year() {
        assert!(covers("11-20..12-02", "2026-11-27") && covers("11-20..12-02", "2031-12-02"));
        assert!(!covers("11-20..12-02", "2026-12-03"));
        assert!(covers("12-20..01-02", "2027-01-01") && covers("12-20..01-02", "2026-12-20"));
        assert!(!covers("12-20..01-02", "2026-06-01"));
    }

    #[test]
    fn a_dated_range_holds_once() {
        assert!(covers("2026-11-20..2026-12-02", "2026-12-02"));
        assert!(!covers("2026-11-20..2026-12-02", "2027-11-25"));
    }

    #[test]
    fn malformed_ranges_are_refused_and_good_ones_round_trip() {
        for bad in [
            "",
            "11-20",
            "11-31..12-02",
            "2026-12-02..2026-11-20",
            "11-20..2026-12-02",
            "1-1..2-2",
            "x..y",
        ] {
            assert!(bad.parse::<Blackout>().is_err(), "{bad:?}");
        }
        for good in ["11-20..12-02", "02-29..03-01", "2026-11-20..2026-12-02"] {
            assert_eq!(good.parse::<Blackout>().unwrap().to_string(), good);
        }
    }
}

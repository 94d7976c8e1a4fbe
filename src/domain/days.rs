//! Instants and civil days in the account's time zone.
//!
//! Instants are integer milliseconds UTC ([`Moment`]); days are civil dates ([`Day`]) that mean nothing without the
//! account's zone ([`Zone`]). A day can have 23 or 25 hours, and in some zones no midnight; all day arithmetic is
//! therefore civil, never a multiple of 24 hours.

use std::{fmt, str::FromStr};

use crate::planted::{Bug, bug};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 3_600_000;
/// Milliseconds in 24 hours; only for durations, never to step from day to day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }
    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// Whole seconds since the epoch, as Graph parameters want them.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// This instant moved by `ms` milliseconds, saturating at the ends of time.
    #[must_use]
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
    /// Milliseconds from `earlier` to here.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
    /// `2026-11-02T10:11:12Z`; milliseconds only when there are any.
    pub fn rfc3339(self) -> String {
        self.timestamp().to_string()
    }
    /// The instant as jiff sees it.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}
impl FromStr for Moment {
    type Err = DayError;
    /// Reads RFC 3339, or ISO 8601 with a numeric offset as Meta writes it (`2026-11-02T10:11:12-0700`).
    fn from_str(text: &str) -> Result<Self, DayError> {
        let bad = || DayError::Moment(text.chars().take(40).collect());
        let parsed = text
            .parse::<Timestamp>()
            .or_else(|_| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text))
            .map_err(|_| bad())?;
        Ok(Self(parsed.as_millisecond()))
    }
}

/// Why a day, instant or zone could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DayError {
    /// Not `YYYY-MM-DD`.
    #[error("{0:?} is not a day: YYYY-MM-DD is expected")]
    Day(String),
    /// Not an instant.
    #[error("{0:?} is not an instant: 2026-11-02T10:11:12Z is expected")]
    Moment(String),
    /// Not an IANA zone name.
    #[error("{0:?} is not a known time zone: an IANA name such as Europe/Berlin is expected")]
    Zone(String),
}

/// A civil day; which instants it covers depends on the [`Zone`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(Date);

impl Day {
    /// From year, month, day of month.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        Date::new(year, month, day).ok().map(Self)
    }
    /// The day `n` days later (earlier when negative), saturating at the ends of the calendar.
    #[must_use]
    pub fn plus(self, n: i64) -> Self {
        Self(self.0.saturating_add(n.clamp(-3_000_000, 3_000_000).days()))
    }
    /// The same day of the month `n` months earlier; the last of the month where that one is shorter.
    #[must_use]
    pub fn months_before(self, n: i32) -> Self {
        Self(self.0.saturating_sub(n.clamp(0, 100_000).months()))
    }
    /// Days from `earlier` to here.
    pub fn since(self, earlier: Self) -> i64 {
        i64::from(earlier.0.until(self.0).map_or(0, |span| span.get_days()))
    }
    /// 0 = Sunday … 6 = Saturday: Meta's budget week runs Sunday to Saturday.
    pub fn weekday_from_sunday(self) -> i8 {
        self.0.weekday().to_sunday_zero_offset()
    }
    /// Days since 1970-01-01.
    pub fn epoch_days(self) -> i64 {
        self.since(Self(Date::constant(1970, 1, 1)))
    }
    /// The calendar date.
    pub fn date(self) -> Date {
        self.0
    }
}
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl FromStr for Day {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        let bad = || DayError::Day(text.chars().take(40).collect());
        if text.len() != 10 {
            return Err(bad());
        }
        text.parse::<Date>().map(Self).map_err(|_| bad())
    }
}
impl TryFrom<String> for Day {
    type Error = DayError;
    fn try_from(text: String) -> Result<Self, DayError> {
        text.parse()
    }
}
impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

/// Days from `since` to `until`, both included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRange {
    since: Day,
    until: Day,
}

impl DayRange {
    /// None when `until` lies before `since`.
    pub fn new(since: Day, until: Day) -> Option<Self> {
        (since <= until).then_some(Self { since, until })
    }
    /// First day.
    pub fn since(self) -> Day {
        self.since
    }
    /// Last day.
    pub fn until(self) -> Day {
        self.until
    }
    /// Number of days, at least 1.
    pub fn len(self) -> i64 {
        self.until.since(self.since) + 1
    }
    /// Never: a range holds at least one day.
    pub fn is_empty(self) -> bool {
        false
    }
    /// True if `day` lies within.
    pub fn contains(self, day: Day) -> bool {
        self.since <= day && day <= self.until
    }
    /// Every day in order.
    pub fn iter(self) -> impl Iterator<Item = Day> {
        (0..self.len()).map(move |n| self.since.plus(n))
    }
}

/// The account's time zone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }
    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
    /// The civil day at an instant.
    pub fn day_of(&self, moment: Moment) -> Day {
        let zone = if bug(Bug::UtcDays) { TimeZone::UTC } else { self.0.clone() };
        Day(moment.timestamp().to_zoned(zone).date())
    }
    /// The first instant of a day; where the zone skips midnight, the first that exists.
    pub fn start_of(&self, day: Day) -> Moment {
        let start = day.0.to_zoned(self.0.clone()).and_then(|z| z.start_of_day());
        Moment(start.map_or(0, |z| z.timestamp().as_millisecond()))
    }
    /// The first instant after a day.
    pub fn end_of(&self, day: Day) -> Moment {
        self.start_of(day.plus(1))
    }
    /// True when the day ended at least `settle_ms` milliseconds before `now`.
    pub fn is_closed(&self, day: Day, now: Moment, settle_ms: i64) -> bool {
        let until = if bug(Bug::OpenDayIsClosed) { self.start_of(day) } else { self.end_of(day) };
        now.since(until) >= settle_ms
    }
    /// The last day that ended at least `settle_ms` before `now`.
    pub fn last_closed(&self, now: Moment, settle_ms: i64) -> Day {
        let mut day = self.day_of(now.plus(settle_ms.saturating_neg()));
        while !self.is_closed(day, now, settle_ms) {
            day = day.plus(-1);
        }
        day
    }
    /// The zone as jiff sees it.
    pub fn time_zone(&self) -> &TimeZone {
        &self.0
    }
    /// `2026-11-02 10:11` on the account's clock.
    pub fn local(&self, moment: Moment) -> String {
        moment.timestamp().to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }
}
impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
impl FromStr for Zone {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        let bad = || DayError::Zone(text.chars().take(40).collect());
        let zone = TimeZone::get(text).map_err(|_| bad())?;
        Ok(Self(zone))
    }
}
impl TryFrom<String> for Zone {
    type Error = DayError;
    fn try_from(text: String) -> Result<Self, DayError> {
        text.parse()
    }
}
impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn metas_timestamps_and_rfc3339_are_read_alike() {
        let meta: Moment = "2026-11-02T10:11:12-0700".parse().unwrap();
        let rfc: Moment = "2026-11-02T17:11:12Z".parse().unwrap();
        assert_eq!(meta, rfc);
    }

    #[test]
    fn days_of_23_and_25_hours_and_without_midnight_are_covered_without_gap() {
        for (zone, first) in [
            ("America/New_York", "2026-03-07"),
            ("America/New_York", "2026-10-31"),
            ("America/Santiago", "2026-09-05"),
            ("Australia/Lord_Howe", "2026-04-04"),
            ("Africa/Casablanca", "2026-02-14"),
        ] {
            let zone: Zone = zone.parse().unwrap();
            for n in 0..3 {
                let d = day(first).plus(n);
                assert_eq!(zone.day_of(zone.start_of(d)), d, "{zone} {d}");
                assert_eq!(zone.day_of(zone.end_of(d).plus(-1)), d, "{zone} {d}");
            }
        }
        let ny: Zone = "America/New_York".parse().unwrap();
        let spring = day("2026-03-08");
        assert_eq!(ny.end_of(spring).since(ny.start_of(spring)), 23 * HOUR_MS);
    }

    #[test]
    fn a_day_is_closed_exactly_when_it_has_settled() {
        let utc = Zone::utc();
        let d = day("2026-11-02");
        let end = utc.end_of(d);
        assert!(!utc.is_closed(d, end.plus(72 * HOUR_MS - 1), 72 * HOUR_MS));
        assert!(utc.is_closed(d, end.plus(72 * HOUR_MS), 72 * HOUR_MS));
        assert_eq!(utc.last_closed(end.plus(72 * HOUR_MS), 72 * HOUR_MS), d);
    }

    #[test]
    fn malformed_days_and_zones_are_refused() {
        for bad in ["", "2026-02-30", "2026-1-1", "20260101", "2026-01-01T00:00:00Z"] {
            assert!(bad.parse::<Day>().is_err(), "{bad:?}");
        }
        assert!("Europe/Berln".parse::<Zone>().is_err());
    }
}

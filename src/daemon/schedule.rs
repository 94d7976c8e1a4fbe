//! Schedules: cron expressions on the account's clock, as slots keyed in UTC. The only user of `cron` and chrono.
//!
//! What must hold: a slot runs once. Left to itself `cron` 0.17 fires a 01:30 job twice when clocks fall back, and drops
//! 02:30 when they spring forward (and midnight in Santiago). So `cron` only ever walks a pretend calendar without
//! transitions (civil time read as UTC), and this module maps each civil time to an instant:
//!
//! * an ordinary time to its one instant;
//! * a time that the clock skips to the first valid minute after the gap, where several such slots fall together;
//! * a time that comes twice to its first instant, unless the hour field is `*`: such a job follows elapsed time, and
//!   would otherwise pause for the repeated hour.

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, Timelike, Utc};
use jiff::{civil, tz::AmbiguousOffset};

use crate::domain::{DAY_MS, Moment, Zone};

/// A job of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Read insights.
    Pull,
    /// Evaluate every line.
    Decide,
    /// Look for outside changes and the pacing of our campaigns.
    Watch,
    /// Settle writes that are in doubt.
    Reconcile,
    /// The weekly audit of event ratios.
    AuditEvents,
    /// Verify the whole audit chain.
    VerifyAudit,
    /// Copy the database and verify the copy.
    Backup,
    /// Check that the token lives long enough.
    CheckToken,
}

impl Job {
    /// All jobs.
    pub const ALL: [Self; 8] = [
        Self::Pull,
        Self::Decide,
        Self::Watch,
        Self::Reconcile,
        Self::AuditEvents,
        Self::VerifyAudit,
        Self::Backup,
        Self::CheckToken,
    ];
    /// The name in configuration, output and storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Decide => "decide",
            Self::Watch => "watch",
            Self::Reconcile => "reconcile",
            Self::AuditEvents => "audit_events",
            Self::VerifyAudit => "verify_audit",
            Self::Backup => "backup",
            Self::CheckToken => "check_token",
        }
    }
}
impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The schedule of every job.
pub type Schedules = BTreeMap<Job, Schedule>;

/// Why an expression is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Five fields: the form without seconds.
    #[error("{0:?} has 5 fields: the first of 6 is the seconds")]
    FiveFields(String),
    /// Another number of fields.
    #[error(
        "{text:?} has {count} fields: seconds, minutes, hours, day of month, month, day of week are expected"
    )]
    Fields {
        /// The expression.
        text: String,
        /// How many were found.
        count: usize,
    },
    /// A field that cannot be read.
    #[error("{text:?} is not a cron expression: {why}")]
    Syntax {
        /// The expression.
        text: String,
        /// What the parser says.
        why: String,
    },
    /// A date that no year has, such as 30 February.
    #[error("{0:?} never comes: no year has such a day")]
    Never(String),
    /// More often than the loop wakes.
    #[error("{0:?} fires more than once a minute")]
    TooOften(String),
}

impl ScheduleError {
    /// What the user can write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::FiveFields(text) => Some(format!("write \"0 {text}\"")),
            Self::Fields { .. } | Self::Syntax { .. } => {
                Some("for example \"0 30 6 * * *\" is every day at 06:30:00".to_owned())
            }
            Self::TooOften(_) => Some("give the seconds as one number, e.g. 0".to_owned()),
            Self::Never(_) => None,
        }
    }
}

/// One schedule in one zone.
#[derive(Clone)]
pub struct Schedule {
    text: String,
    cron: cron::Schedule,
    every_hour: bool,
    zone: Zone,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}", self.text, self.zone)
    }
}
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.zone.name() == other.zone.name()
    }
}

/// `next_after` and `due_slots` start this long before the instant they are asked about: slots of skipped or repeated
/// civil times lie at most one transition (a few hours) away from where the clock shows them.
const TRANSITION_MARGIN_HOURS: i64 = 26;

impl Schedule {
    /// Reads six fields, seconds first; names of days and months are allowed, 1 = Sunday.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let fields: Vec<&str> = text.split_whitespace().collect();
        match fields.len() {
            6 => {}
            5 => return Err(ScheduleError::FiveFields(text.to_owned())),
            count => return Err(ScheduleError::Fields { text: text.to_owned(), count }),
        }
        if fields.first().is_none_or(|seconds| seconds.parse::<u8>().is_err()) {
            return Err(ScheduleError::TooOften(text.to_owned()));
        }
        let cron = cron::Schedule::from_str(text)
            .map_err(|e| ScheduleError::Syntax { text: text.to_owned(), why: e.to_string() })?;
        let start = NaiveDate::from_ymd_opt(2024, 1, 1).and_then(|d| d.and_hms_opt(0, 0, 0));
        if start.is_none_or(|start| cron.after(&start.and_utc()).next().is_none()) {
            return Err(ScheduleError::Never(text.to_owned()));
        }
        let every_hour = matches!(fields.get(2), Some(&("*" | "*/1" | "0-23" | "0/1")));
        Ok(Self { text: text.to_owned(), cron, every_hour, zone: zone.clone() })
    }
    /// The same expression on another clock.
    #[must_use]
    pub fn in_zone(&self, zone: &Zone) -> Self {
        Self { zone: zone.clone(), ..self.clone() }
    }
    /// The expression.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The zone its fields are read in.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first slot later than `after`; None when the expression names no further day.
    pub fn next_after(&self, after: Moment) -> Option<Moment> {
        self.slots_from(after).find(|slot| *slot > after)
    }

    /// The first `n` slots later than `after`.
    pub fn upcoming(&self, after: Moment, n: usize) -> Vec<Moment> {
        std::iter::successors(self.next_after(after), |slot| self.next_after(*slot))
            .take(n)
            .collect()
    }

    /// The newest slot in `(last, now]`: what is due, with everything missed in between coalesced into it; None when
    /// nothing is due.
    ///
    /// The search begins at the latest 400 days before `now`, which holds for every expression that fires yearly.
    pub fn due_slots(&self, last: Moment, now: Moment) -> Option<Moment> {
        if last >= now {
            return None;
        }
        // Look back in growing windows, so that a long sleep does not mean walking through every missed minute.
        let reaches = [1, 32, 400].map(|days| now.plus(-days * DAY_MS));
        reaches.into_iter().find_map(|reach| {
            let since = reach.max(last);
            self.slots_from(since).take_while(|s| *s <= now).filter(|s| *s > since).last()
        })
    }

    /// Slots in ascending order, beginning somewhat before `moment`.
    fn slots_from(&self, moment: Moment) -> impl Iterator<Item = Moment> {
        let civil = self.civil_of(moment) - Duration::hours(TRANSITION_MARGIN_HOURS);
        let mut pending: Vec<Moment> = Vec::new();
        let mut times = self.cron.after_owned(civil.and_utc()).map(|t| t.naive_utc()).peekable();
        // Repeated times give a second, later slot, so slots are held back until no earlier one can follow.
        std::iter::from_fn(move || {
            loop {
                let horizon = times.peek().and_then(|t| self.first_instant(*t));
                pending.sort_unstable();
                if let Some(ready) = pending.first().copied()
                    && horizon.is_none_or(|h| ready < h)
                {
                    pending.retain(|slot| *slot != ready);
                    return Some(ready);
                }
                let next = times.next()?;
                pending.extend(self.first_instant(next));
                pending.extend(self.second_instant(next));
            }
        })
    }

    fn civil_of(&self, moment: Moment) -> NaiveDateTime {
        let civil = moment.timestamp().to_zoned(self.zone.time_zone().clone()).datetime();
        let pretend =
            jiff::tz::TimeZone::UTC.to_timestamp(civil).map_or(0, jiff::Timestamp::as_second);
        DateTime::<Utc>::from_timestamp(pretend, 0).unwrap_or_default().naive_utc()
    }

    /// The instant of a civil time: the first one if it comes twice, the end of the gap if it is skipped.
    fn first_instant(&self, civil: NaiveDateTime) -> Option<Moment> {
        let civil = to_jiff(civil)?;
        let zone = self.zone.time_zone();
        let ambiguous = zone.to_ambiguous_timestamp(civil);
        let earlier = ambiguous.earlier().ok()?;
        let timestamp = match ambiguous.offset() {
            // Read with the later offset, a skipped time lies before its gap: the next transition is the gap's end.
            AmbiguousOffset::Gap { .. } => zone.following(earlier).next()?.timestamp(),
            _ => earlier,
        };
        Some(Moment::from_millis(timestamp.as_millisecond()))
    }

    /// The second instant of a civil time that comes twice, for jobs of every hour.
    fn second_instant(&self, civil: NaiveDateTime) -> Option<Moment> {
        if !self.every_hour {
            return None;
        }
        let ambiguous = self.zone.time_zone().to_ambiguous_timestamp(to_jiff(civil)?);
        let AmbiguousOffset::Fold { .. } = ambiguous.offset() else { return None };
        Some(Moment::from_millis(ambiguous.later().ok()?.as_millisecond()))
    }
}

fn to_jiff(at: NaiveDateTime) -> Option<civil::DateTime> {
    let small = |n: u32| i8::try_from(n).ok();
    civil::DateTime::new(
        i16::try_from(at.year()).ok()?,
        small(at.month())?,
        small(at.day())?,
        small(at.hour())?,
        small(at.minute())?,
        small(at.second())?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Moment {
        text.parse().unwrap()
    }

    fn schedule(text: &str, zone: &str) -> Schedule {
        Schedule::parse(text, &zone.parse().unwrap()).unwrap()
    }

    /// Slots of the 48 hours after `from`, on the zone's clock and in UTC.
    fn slots(text: &str, zone: &str, from: &str) -> Vec<String> {
        let (schedule, from) = (schedule(text, zone), at(from));
        let end = from.plus(2 * DAY_MS);
        let mut slots = schedule.upcoming(from, 500);
        slots.retain(|slot| *slot <= end);
        slots.iter().map(|s| format!("{} {s}", schedule.zone().local(*s))).collect()
    }

    #[test]
    fn a_daily_slot_in_the_repeated_hour_runs_once_at_its_first_coming() {
        assert_eq!(
            slots("0 30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z"),
            ["2026-11-01 01:30 2026-11-01T05:30:00Z", "2026-11-02 01:30 2026-11-02T06:30:00Z"]
        );
        // Lord Howe repeats half an hour only.
        assert_eq!(
            slots("0 45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z"),
            ["2026-04-05 01:45 2026-04-04T14:45:00Z", "2026-04-06 01:45 2026-04-05T15:15:00Z"]
        );
        // Santiago repeats the last hour of Saturday.
        assert_eq!(
            slots("0 30 23 * * *", "America/Santiago", "2026-04-04T12:00:00Z"),
            ["2026-04-04 23:30 2026-04-05T02:30:00Z", "2026-04-05 23:30 2026-04-06T03:30:00Z"]
        );
    }

    #[test]
    fn a_skipped_slot_runs_at_the_first_valid_minute() {
        assert_eq!(
            slots("0 30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z"),
            ["2026-03-08 03:00 2026-03-08T07:00:00Z", "2026-03-09 02:30 2026-03-09T06:30:00Z"]
        );
        assert_eq!(
            slots("0 0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z"),
            ["2026-09-06 01:00 2026-09-06T04:00:00Z", "2026-09-07 00:00 2026-09-07T03:00:00Z"]
        );
        assert_eq!(
            slots("0 15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z"),
            ["2026-10-04 02:30 2026-10-03T15:30:00Z", "2026-10-05 02:15 2026-10-04T15:15:00Z"]
        );
    }

    #[test]
    fn casablanca_changes_for_ramadan_and_back_without_losing_or_doubling_a_slot() {
        // Clocks fall back at 03:00 on 2026-02-15 and spring forward at 02:00 on 2026-03-22.
        assert_eq!(
            slots("0 30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00:00Z"),
            ["2026-02-15 02:30 2026-02-15T01:30:00Z", "2026-02-16 02:30 2026-02-16T02:30:00Z"]
        );
        assert_eq!(
            slots("0 30 2 * * *", "Africa/Casablanca", "2026-03-21T12:00:00Z"),
            ["2026-03-22 03:00 2026-03-22T02:00:00Z", "2026-03-23 02:30 2026-03-23T01:30:00Z"]
        );
    }

    #[test]
    fn slots_that_fall_together_in_a_gap_are_one_slot() {
        let all = slots("0 */15 1-3 * * *", "America/New_York", "2026-03-08T05:00:00Z");
        assert_eq!(
            all.iter().filter(|s| s.ends_with("2026-03-08T07:00:00Z")).count(),
            1,
            "02:00, 02:15, 02:30, 02:45 and 03:00 are one instant: {all:?}"
        );
    }

    #[test]
    fn a_job_of_every_hour_keeps_running_through_the_repeated_hour() {
        let s = schedule("0 */15 * * * *", "America/New_York");
        let all = s.upcoming(at("2026-11-01T04:00:00Z"), 16);
        for pair in all.windows(2) {
            assert_eq!(pair[1].since(pair[0]), 15 * 60_000, "{} {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn missed_slots_are_caught_up_once_with_the_newest() {
        let s = schedule("0 30 6 * * *", "Europe/Berlin");
        let (last, now) = (at("2026-06-01T04:30:00Z"), at("2026-06-09T09:00:00Z"));
        assert_eq!(s.due_slots(last, now), Some(at("2026-06-09T04:30:00Z")));
        assert_eq!(
            s.due_slots(at("2026-06-09T04:30:00Z"), now),
            None,
            "a slot that ran is not due"
        );
        assert_eq!(s.due_slots(now, last), None, "a clock that went back makes nothing due");
        let weekly = schedule("0 0 8 * * Mon", "Europe/Berlin");
        assert_eq!(
            weekly.due_slots(at("2026-01-01T00:00:00Z"), now),
            Some(at("2026-06-08T06:00:00Z"))
        );
        let yearly = schedule("0 0 0 1 1 *", "UTC");
        let end = at("2026-12-31T00:00:00Z");
        assert_eq!(
            yearly.due_slots(at("2020-01-01T00:00:00Z"), end),
            Some(at("2026-01-01T00:00:00Z"))
        );
    }

    #[test]
    fn a_slot_is_due_at_its_very_millisecond_and_not_before() {
        let s = schedule("0 30 6 * * *", "UTC");
        let slot = at("2026-06-09T06:30:00Z");
        let last = slot.plus(-DAY_MS);
        assert_eq!(s.due_slots(last, slot.plus(-1)), None);
        assert_eq!(s.due_slots(last, slot), Some(slot));
        assert_eq!(s.next_after(slot.plus(-1)), Some(slot));
        assert_eq!(s.next_after(slot), Some(slot.plus(DAY_MS)));
    }

    #[test]
    fn bad_expressions_are_refused_with_a_hint() {
        let refused = |text: &str| Schedule::parse(text, &Zone::utc()).unwrap_err();
        let five = refused("30 6 * * *");
        assert_eq!(five.hint().unwrap(), "write \"0 30 6 * * *\"");
        assert_eq!(refused("0 0 0 30 2 *"), ScheduleError::Never("0 0 0 30 2 *".into()));
        assert!(matches!(refused("0 0 25 * * *"), ScheduleError::Syntax { .. }));
        assert!(matches!(refused("0 0 6 * * Funday"), ScheduleError::Syntax { .. }));
        assert!(matches!(refused("* * * * * *"), ScheduleError::TooOften(_)));
        assert!(matches!(refused("*/10 * * * * *"), ScheduleError::TooOften(_)));
        assert!(matches!(refused(""), ScheduleError::Fields { count: 0, .. }));
        assert!(matches!(refused("@daily"), ScheduleError::Fields { count: 1, .. }));
    }

    #[test]
    fn an_expression_that_ends_has_no_further_slot() {
        let leap = schedule("0 0 0 29 2 *", "UTC");
        assert_eq!(leap.next_after(at("2026-01-01T00:00:00Z")), Some(at("2028-02-29T00:00:00Z")));
    }

    const ZONES: [&str; 6] = [
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Africa/Casablanca",
        "Europe/Berlin",
        "Pacific/Apia",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_daily_job_runs_once_on_every_civil_day(zone in 0_usize..6, hour in 0_u8..24, minute in 0_u8..60, start in 0_i64..2_000) {
            let s = schedule(&format!("0 {minute} {hour} * * *"), ZONES[zone]);
            let from = at("2024-01-01T00:00:00Z").plus(start * DAY_MS);
            let days: Vec<_> = s.upcoming(from, 40).into_iter().map(|slot| s.zone().day_of(slot)).collect();
            for pair in days.windows(2) {
                prop_assert_eq!(pair[1].since(pair[0]), 1);
            }
        }

        #[test]
        fn what_is_due_is_what_stepping_slot_by_slot_gives(zone in 0_usize..6, from in 0_i64..60_000, hours in 1_i64..100) {
            let s = schedule("0 10,40 */3 * * *", ZONES[zone]);
            let last = at("2024-01-01T00:00:00Z").plus(from * 3_600_000);
            let now = last.plus(hours * 3_600_000);
            let stepped = std::iter::successors(s.next_after(last), |t| s.next_after(*t)).take_while(|t| *t <= now).last();
            prop_assert_eq!(s.due_slots(last, now), stepped);
        }
    }
}

//! The circuit breaker: after failures that should not happen, nothing is written until a read went well.

use crate::domain::{DAY_MS, HOUR_MS, Moment};
use crate::planted::{Bug, bug};

/// Hard refusals in a row that open it.
const REFUSALS: usize = 3;
/// Unknown outcomes within an hour that open it.
const UNKNOWNS: usize = 2;
/// How long it stays open before one read may close it, in milliseconds.
pub const COOL_MS: i64 = HOUR_MS;
/// Times a day it may close by itself; after that a person closes it.
pub const MAX_CLOSINGS: usize = 4;

/// What a write came to, as the breaker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It was done.
    Done,
    /// Meta refused it for good.
    Refused,
    /// Nobody knew at first.
    Unknown,
    /// It was done, and a read shows something else.
    Mismatch,
}

/// Why it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trip {
    /// Since when.
    pub at: Moment,
    /// What opened it.
    pub cause: Cause,
}

/// What opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Three refusals in a row.
    Refusals,
    /// Two unknown outcomes within an hour.
    Unknowns,
    /// A verified write that a read contradicts.
    Mismatch,
}

impl Cause {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refusals => "Meta refused three writes in a row",
            Self::Unknowns => "two writes within an hour had no answer",
            Self::Mismatch => "a write was answered yes, and a read shows something else",
        }
    }
    /// True when the program no longer does by itself what it did: autonomy is taken back until a person returns it.
    /// A bad line is no reason to distrust the program.
    pub const fn demotes(self) -> bool {
        matches!(self, Self::Refusals | Self::Mismatch)
    }
}

/// Is it open? `log` in order of time; what happened up to the last closing is forgotten.
pub fn open(log: &[(Moment, Outcome)], closed_at: Option<Moment>) -> Option<Trip> {
    if bug(Bug::BreakerNeverOpens) {
        return None;
    }
    let news = log.iter().filter(|(at, _)| closed_at.is_none_or(|closed| *at > closed));
    let (mut refusals, mut unknowns) = (0_usize, Vec::new());
    for (at, outcome) in news {
        let trip = |cause| Some(Trip { at: *at, cause });
        match outcome {
            Outcome::Done => refusals = 0,
            Outcome::Mismatch => return trip(Cause::Mismatch),
            Outcome::Refused => {
                refusals = refusals.saturating_add(1);
                if refusals >= REFUSALS {
                    return trip(Cause::Refusals);
                }
            }
            Outcome::Unknown => {
                unknowns.retain(|earlier: &Moment| at.since(*earlier) < HOUR_MS);
                unknowns.push(*at);
                if unknowns.len() >= UNKNOWNS {
                    return trip(Cause::Unknowns);
                }
            }
        }
    }
    None
}

/// When the refusals began that nothing has followed but refusals, however long ago: one more may be the third in a row.
pub fn unbroken(log: &[(Moment, Outcome)], closed_at: Option<Moment>) -> Option<Moment> {
    let news = log.iter().filter(|(at, _)| closed_at.is_none_or(|closed| *at > closed));
    let judged = news.filter(|(_, outcome)| *outcome != Outcome::Unknown);
    judged.rev().take_while(|(_, outcome)| *outcome == Outcome::Refused).last().map(|(at, _)| *at)
}

/// May one good read close it now? `closings` are the earlier ones.
pub fn may_close(trip: Trip, closings: &[Moment], now: Moment) -> bool {
    let today = closings.iter().filter(|at| now.since(**at) < DAY_MS).count();
    now.since(trip.at) >= COOL_MS && today < MAX_CLOSINGS
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Done, Mismatch, Refused, Unknown};

    fn at(ms: i64) -> Moment {
        Moment::from_millis(ms)
    }
    fn cause(log: &[(i64, Outcome)], closed: Option<i64>) -> Option<Cause> {
        let log: Vec<_> = log.iter().map(|(ms, o)| (at(*ms), *o)).collect();
        open(&log, closed.map(at)).map(|t| t.cause)
    }

    #[test]
    fn three_refusals_in_a_row_two_unknowns_in_an_hour_or_one_mismatch_open_it() {
        let refused = [(1, Refused), (2, Refused), (3, Refused)];
        assert_eq!(cause(&refused, None), Some(Cause::Refusals));
        assert_eq!(cause(&[(1, Refused), (2, Refused), (3, Done), (4, Refused)], None), None);
        assert_eq!(cause(&[(0, Unknown), (HOUR_MS - 1, Unknown)], None), Some(Cause::Unknowns));
        assert_eq!(cause(&[(0, Unknown), (HOUR_MS, Unknown)], None), None);
        assert_eq!(cause(&[(0, Done), (1, Mismatch)], None), Some(Cause::Mismatch));
        assert_eq!(cause(&refused, Some(2)), None, "what was before the closing is forgotten");
        assert_eq!(cause(&[(5, Mismatch)], Some(5)), None, "and what the closing saw too");
        assert_eq!(cause(&refused, Some(0)), Some(Cause::Refusals), "what comes after it is not");
    }

    #[test]
    fn a_row_of_refusals_begins_after_the_last_that_was_done() {
        let log = |kinds: &[Outcome]| -> Vec<(Moment, Outcome)> {
            (1..).map(at).zip(kinds.iter().copied()).collect()
        };
        assert_eq!(unbroken(&log(&[Refused, Done, Refused, Unknown, Refused]), None), Some(at(3)));
        assert_eq!(unbroken(&log(&[Refused, Refused, Done]), None), None);
        assert_eq!(unbroken(&log(&[Refused, Refused, Refused]), Some(at(1))), Some(at(2)));
        assert_eq!(unbroken(&[], None), None);
    }

    #[test]
    fn it_closes_after_an_hour_and_no_more_than_four_times_a_day() {
        let trip = Trip { at: at(0), cause: Cause::Unknowns };
        assert!(!may_close(trip, &[], at(COOL_MS - 1)));
        assert!(may_close(trip, &[], at(COOL_MS)));
        let often = [at(0), at(1), at(2), at(3)];
        assert!(!may_close(trip, &often, at(COOL_MS)));
        assert!(may_close(trip, &often, at(DAY_MS)));
    }
}

//! How far and how often a budget may be raised.
//!
//! Small, rare steps keep an ad set out of the learning phase, and bound what any mistake of ours can cost.

use crate::domain::{DAY_MS, HOUR_MS, Moment, policy::Shifting};
use crate::planted::{Bug, bug};

/// The largest raise in basis points of the present budget, whatever the policy says.
pub const MAX_STEP_BP: i64 = 2_000;
/// The largest growth of one budget in any seven days, in basis points.
pub const MAX_WEEK_BP: i64 = 5_000;
/// Changes of one budget in any seven days, at most.
pub const MAX_WEEK_CHANGES: usize = 3;
/// Changes of one budget in any hour, at most: Meta blocks the ad set for an hour at the fifth (613/1487632).
pub const MAX_HOUR_CHANGES: usize = 3;

/// A change of one object's daily budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When it was begun.
    pub at: Moment,
    /// Before it, in minor units.
    pub from: i64,
    /// After it.
    pub to: i64,
}

/// A raise that is larger or comes sooner than the law allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Nothing was there to be raised by a share of it.
    #[error("a budget of {from} minor units cannot be raised by a share of it")]
    Base {
        /// The present budget.
        from: i64,
    },
    /// More than the share of the present budget.
    #[error("a raise from {from} to {to} minor units; at most {most} is {bp} basis points")]
    Share {
        /// Before.
        from: i64,
        /// After.
        to: i64,
        /// The highest budget allowed.
        most: i64,
        /// The share.
        bp: i64,
    },
    /// More than the largest single step.
    #[error("a raise by {by} minor units is over limits.max_step, {most}")]
    Absolute {
        /// The raise.
        by: i64,
        /// The cap.
        most: i64,
    },
    /// Another change of the same budget is too near.
    #[error("the same budget was changed at {last}; one change in 24 hours")]
    TooSoon {
        /// The last change.
        last: Moment,
    },
    /// The last raise of the same budget is nearer than the policy allows.
    #[error(
        "the same budget was raised at {last}; {hours} hours between two raises (shifting.gap)"
    )]
    RaisedTooSoon {
        /// The last raise.
        last: Moment,
        /// The distance asked for, in hours.
        hours: i64,
    },
    /// Too many in seven days.
    #[error("{count} changes of the same budget in seven days; {most} at most")]
    TooOften {
        /// How many.
        count: usize,
        /// How many are allowed.
        most: usize,
    },
    /// Too much growth in seven days.
    #[error("{to} minor units would be over {most}, half more than seven days ago")]
    TooFast {
        /// After.
        to: i64,
        /// The highest budget allowed.
        most: i64,
    },
    /// Too many in one hour, in whatever direction.
    #[error("{count} changes of the same budget in an hour; Meta blocks an ad set that has more")]
    Hour {
        /// How many.
        count: usize,
    },
}

impl TooMuch {
    /// True when waiting helps.
    pub const fn passes_with_time(&self) -> bool {
        matches!(
            self,
            Self::TooSoon { .. }
                | Self::RaisedTooSoon { .. }
                | Self::TooOften { .. }
                | Self::TooFast { .. }
                | Self::Hour { .. }
        )
    }
}

/// `minor` plus a share of it, rounded down.
pub fn raised(minor: i64, bp: i64) -> i64 {
    let up = if bug(Bug::RaiseRoundsUp) { 9_999 } else { 0 };
    let more = (i128::from(minor) * i128::from(bp) + up) / 10_000;
    minor.saturating_add(i64::try_from(more).unwrap_or(0))
}

/// `minor` less a share of it; the cut is rounded up.
pub fn lowered(minor: i64, bp: i64) -> i64 {
    let less = (i128::from(minor) * i128::from(bp) + 9_999) / 10_000;
    minor.saturating_sub(i64::try_from(less).unwrap_or(0))
}

/// Changes within the last `ms`.
fn within(changes: &[Change], now: Moment, ms: i64) -> impl Iterator<Item = &Change> {
    changes.iter().filter(move |c| now.since(c.at) < ms)
}

/// May one budget be changed at all now, in whatever direction?
pub fn calm(changes: &[Change], now: Moment) -> Result<(), TooMuch> {
    let count = within(changes, now, HOUR_MS).count();
    if count >= MAX_HOUR_CHANGES { Err(TooMuch::Hour { count }) } else { Ok(()) }
}

/// May one budget go from `from` to `to` now, after these `changes` of it?
///
/// The distances hold between raises as they were made, not as they were planned: a step that came late moves those
/// after it.
pub fn allow(
    from: i64,
    to: i64,
    policy: &Shifting,
    max_step: Option<i64>,
    changes: &[Change],
    now: Moment,
) -> Result<(), TooMuch> {
    calm(changes, now)?;
    if to <= from {
        return Ok(());
    }
    if from <= 0 {
        return Err(TooMuch::Base { from });
    }
    let bp = policy.step_bp.clamp(0, MAX_STEP_BP);
    let most = raised(from, bp);
    let over = if bug(Bug::StepAtEqual) { to >= most } else { to > most };
    if over && !bug(Bug::AnyStepPasses) {
        return Err(TooMuch::Share { from, to, most, bp });
    }
    let by = to.saturating_sub(from);
    if let Some(most) = max_step.filter(|most| by > *most) {
        return Err(TooMuch::Absolute { by, most });
    }
    let daily = bug(Bug::StepsDayByDay);
    if let Some(last) = within(changes, now, DAY_MS).map(|c| c.at).max().filter(|_| !daily) {
        return Err(TooMuch::TooSoon { last });
    }
    let raises = |ms: i64| within(changes, now, ms).filter(|c| c.to > c.from);
    if let Some(last) = raises(policy.gap_ms).map(|c| c.at).max().filter(|_| !daily) {
        return Err(TooMuch::RaisedTooSoon { last, hours: policy.gap_ms.div_euclid(HOUR_MS) });
    }
    let weekly = usize::try_from(policy.max_steps_per_week).unwrap_or(usize::MAX);
    for (count, most) in [
        (within(changes, now, 7 * DAY_MS).count(), MAX_WEEK_CHANGES),
        (raises(7 * DAY_MS).count(), weekly),
    ] {
        if count >= most {
            return Err(TooMuch::TooOften { count, most });
        }
    }
    let base = within(changes, now, 7 * DAY_MS).min_by_key(|c| c.at);
    let base = base.map_or(from, |c| c.from.min(from));
    let most = raised(base, MAX_WEEK_BP);
    if to > most {
        return Err(TooMuch::TooFast { to, most });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(gap_ms: i64, max_steps_per_week: u32) -> Shifting {
        Shifting { step_bp: 2_000, gap_ms, max_steps_per_week, worsen_margin: 0.15 }
    }
    fn ask(from: i64, to: i64, changes: &[(i64, i64, i64)]) -> Result<(), TooMuch> {
        ask_under(&policy(DAY_MS, 3), from, to, changes)
    }
    fn ask_under(
        policy: &Shifting,
        from: i64,
        to: i64,
        changes: &[(i64, i64, i64)],
    ) -> Result<(), TooMuch> {
        let now = Moment::from_millis(100 * DAY_MS);
        let changes: Vec<Change> = changes
            .iter()
            .map(|(ago, from, to)| Change { at: now.plus(-ago), from: *from, to: *to })
            .collect();
        allow(from, to, policy, Some(1_000_000), &changes, now)
    }

    #[test]
    fn the_boundary_of_a_raise_is_a_fifth_rounded_down() {
        for (from, most) in [
            (1, 1),
            (4, 4),
            (5, 6),
            (9, 10),
            (10, 12),
            (100, 120),
            (101, 121),
            (104, 124),
            (105, 126),
            (1_000_000, 1_200_000),
        ] {
            assert_eq!(ask(from, most, &[]), Ok(()), "{from} to {most}");
            let over = ask(from, most + 1, &[]);
            assert!(matches!(over, Err(TooMuch::Share { .. })), "{from} to {}: {over:?}", most + 1);
        }
        assert_eq!(ask(0, 1, &[]), Err(TooMuch::Base { from: 0 }));
        assert!(matches!(ask(i64::MAX, i64::MAX, &[]), Ok(())));
        assert!(ask(i64::MAX / 2, i64::MAX, &[]).is_err());
    }

    #[test]
    fn the_absolute_step_holds_to_the_minor_unit() {
        assert_eq!(ask(10_000_000, 11_000_000, &[]), Ok(()));
        let over = ask(10_000_000, 11_000_001, &[]);
        assert!(matches!(over, Err(TooMuch::Absolute { by: 1_000_001, .. })), "{over:?}");
    }

    #[test]
    fn one_change_a_day_and_three_a_week_exactly() {
        assert!(matches!(ask(100, 101, &[(DAY_MS - 1, 99, 100)]), Err(TooMuch::TooSoon { .. })));
        assert_eq!(ask(100, 101, &[(DAY_MS, 99, 100)]), Ok(()));
        let thrice = [(2 * DAY_MS, 99, 100), (4 * DAY_MS, 98, 99), (7 * DAY_MS - 1, 97, 98)];
        assert!(matches!(ask(100, 101, &thrice), Err(TooMuch::TooOften { count: 3, most: 3 })));
        let older = [(2 * DAY_MS, 99, 100), (4 * DAY_MS, 98, 99), (7 * DAY_MS, 97, 98)];
        assert_eq!(ask(100, 101, &older), Ok(()));
    }

    #[test]
    fn raises_keep_the_distance_and_number_of_the_policy_whenever_the_last_one_came() {
        let gap = 48 * HOUR_MS;
        let under = |weekly, changes: &[(i64, i64, i64)]| {
            ask_under(&policy(gap, weekly), 100, 101, changes)
        };
        let soon = under(3, &[(gap - 1, 99, 100)]);
        assert!(matches!(soon, Err(TooMuch::RaisedTooSoon { hours: 48, .. })), "{soon:?}");
        assert!(soon.is_err_and(|e| e.passes_with_time()));
        assert_eq!(under(3, &[(gap, 99, 100)]), Ok(()));
        assert_eq!(under(3, &[(DAY_MS, 101, 100)]), Ok(()), "a cut is no raise");
        let once = [(6 * DAY_MS, 99, 100)];
        assert_eq!(under(1, &once), Err(TooMuch::TooOften { count: 1, most: 1 }));
        assert_eq!(under(2, &once), Ok(()));
        assert_eq!(under(1, &[(7 * DAY_MS, 99, 100)]), Ok(()));
    }

    #[test]
    fn half_more_in_seven_days_is_the_most() {
        let history = [(5 * DAY_MS, 1_000, 1_200), (2 * DAY_MS, 1_200, 1_440)];
        assert_eq!(ask(1_440, 1_500, &history), Ok(()));
        assert!(matches!(ask(1_440, 1_501, &history), Err(TooMuch::TooFast { most: 1_500, .. })));
        let older = [(7 * DAY_MS, 1_000, 1_200), (2 * DAY_MS, 1_200, 1_440)];
        assert_eq!(ask(1_440, 1_728, &older), Ok(()), "what is seven days old no longer counts");
    }

    #[test]
    fn a_cut_is_free_but_for_the_fourth_change_within_the_hour() {
        let busy = [(1, 9, 8), (2, 10, 9), (HOUR_MS - 1, 11, 10)];
        assert!(matches!(ask(8, 7, &busy), Err(TooMuch::Hour { count: 3 })));
        let calmer = [(1, 9, 8), (2, 10, 9), (HOUR_MS, 11, 10)];
        assert_eq!(ask(8, 7, &calmer), Ok(()));
    }

    #[test]
    fn raises_round_down_and_cuts_round_up() {
        for minor in [0, 1, 4, 5, 100, 101, 999] {
            assert!(raised(minor, 2_000) * 10 <= minor * 12);
            assert!(lowered(minor, 2_000) * 10 <= minor * 8);
        }
        assert_eq!((raised(101, 2_000), lowered(101, 2_000)), (121, 80));
    }
}

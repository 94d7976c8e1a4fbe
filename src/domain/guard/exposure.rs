//! What budgets can cost at worst, computed from their timeline.
//!
//! Meta may spend 75 % over a daily budget on one day, and at most seven times it in a calendar week, Sunday to
//! Saturday on the account's clock (Marketing API v24, "Budgets"). A change of the budget re-bases what is left of the
//! day and of the week pro rata; what the earlier budget allowed may have been spent before the change. So every stretch
//! of constant budget counts with the whole allowance it had at its beginning, and frequent changes cost extra.

use crate::domain::{CampaignId, Day, Moment, Zone};
use crate::planted::{Bug, bug};

/// A day may spend this share of its budget, in quarters: 7/4 = 1.75.
const DAY_QUARTERS: i128 = 7;
/// A week may spend this many daily budgets.
const WEEK_DAYS: i128 = 7;
/// Days by which the unfinished last week of a run can exceed its plain sum: four days of 1.75 make the seven of a week.
const WORST_EXTRA_DAYS: i64 = 3;

/// The daily budget of one campaign that is on, over time, in minor units; 0 = off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// What was on before the first step.
    first: i64,
    /// Changes in order: from this instant on, this much.
    steps: Vec<(Moment, i64)>,
}

impl Timeline {
    /// Always the same budget.
    pub const fn constant(minor: i64) -> Self {
        Self { first: minor, steps: Vec::new() }
    }
    /// This timeline with one more change; a change before the last one counts from the last one on.
    #[must_use]
    pub fn then(mut self, at: Moment, minor: i64) -> Self {
        let at = self.steps.last().map_or(at, |(last, _)| at.max(*last));
        self.steps.push((at, minor.max(0)));
        self
    }
    /// What is on in the end.
    pub fn last(&self) -> i64 {
        self.steps.last().map_or(self.first, |(_, minor)| *minor)
    }
    /// Stretches of constant budget that touch `[from, to)`: beginning within it, end, budget.
    fn stretches(&self, from: Moment, to: Moment) -> Vec<(Moment, Moment, i64)> {
        let mut out = Vec::new();
        let (mut begin, mut minor) = (from, self.first);
        for (at, next) in &self.steps {
            let end = (*at).clamp(from, to);
            if end > begin {
                out.push((begin, end, minor));
                begin = end;
            }
            minor = *next;
        }
        if to > begin {
            out.push((begin, to, minor));
        }
        out
    }
}

/// One managed campaign's budgets, and what it delivered on the closed days of this week, by day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pot {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its budgets since the week began.
    pub timeline: Timeline,
    /// Spend of the days of this week that are over and were read completely, in minor units.
    pub delivered: Vec<(Day, i64)>,
}

/// `minor × numerator × left ÷ (denominator × whole)`, rounded up, at most `i64::MAX`.
fn share(minor: i64, numerator: i128, denominator: i128, left: i64, whole: i64) -> i64 {
    let over = i128::from(minor.max(0)) * numerator * i128::from(left.max(0));
    let under = denominator * i128::from(whole.max(1));
    let up = over.saturating_add(under - 1).checked_div(under).unwrap_or(i128::MAX);
    i64::try_from(up).unwrap_or(i64::MAX)
}

/// What `minor` a day may spend on the rest of a day from `at` on.
fn rest_of_day(zone: &Zone, day: Day, at: Moment, minor: i64) -> i64 {
    let (start, end) = (zone.start_of(day), zone.end_of(day));
    let quarters = if bug(Bug::FlexOfOneQuarter) { 5 } else { DAY_QUARTERS };
    share(minor, quarters, 4, end.since(at.max(start)), end.since(start))
}

/// The Sunday of a day's week.
pub fn sunday(day: Day) -> Day {
    day.plus(-i64::from(day.weekday_from_sunday()))
}

/// What `minor` a day may spend on the rest of a week from `at` on.
fn rest_of_week(zone: &Zone, first: Day, at: Moment, minor: i64) -> i64 {
    let (start, end) = (zone.start_of(first), zone.start_of(first.plus(7)));
    share(minor, WEEK_DAYS, 1, end.since(at.max(start)), end.since(start))
}

/// The worst one calendar day can cost.
pub fn day(timeline: &Timeline, day: Day, zone: &Zone) -> i64 {
    let parts = timeline.stretches(zone.start_of(day), zone.end_of(day));
    let each = parts.into_iter().map(|(at, _, minor)| rest_of_day(zone, day, at, minor));
    each.fold(0, i64::saturating_add)
}

/// The worst `[from, to)` can cost: per stretch and week the smaller of what the week and what its days allow.
pub fn period(timeline: &Timeline, from: Moment, to: Moment, zone: &Zone) -> i64 {
    let mut total = 0_i64;
    for (begin, end, minor) in timeline.stretches(from, to) {
        let mut at = begin;
        while at < end {
            let first = sunday(zone.day_of(at));
            let week_end = zone.start_of(first.plus(7)).min(end);
            let days = days_of(zone, at, week_end, minor);
            total = total.saturating_add(days.min(rest_of_week(zone, first, at, minor)));
            at = week_end;
        }
    }
    total
}

/// Sum of the day allowances of every day that `[from, to)` touches.
fn days_of(zone: &Zone, from: Moment, to: Moment, minor: i64) -> i64 {
    let (mut total, mut at) = (0_i64, from);
    while at < to {
        let today = zone.day_of(at);
        total = total.saturating_add(rest_of_day(zone, today, at, minor));
        at = zone.end_of(today);
    }
    total
}

/// The worst this calendar week can still come to: what closed days delivered, and the worst of today and the rest.
pub fn week(pot: &Pot, now: Moment, zone: &Zone) -> i64 {
    let today = zone.day_of(now);
    let first = sunday(today);
    let (start, end) = (zone.start_of(first), zone.start_of(first.plus(7)));
    let known = |day: Day| pot.delivered.iter().find(|(d, _)| *d == day).map(|(_, minor)| *minor);
    let mut closed = 0;
    let mut open = first;
    while open < today {
        // A day that was not read counts from its own beginning at its worst, and everything after it too.
        let Some(minor) = known(open) else { break };
        closed = i64::saturating_add(closed, minor.max(0));
        open = open.plus(1);
    }
    let from = zone.start_of(open);
    let mut total = closed;
    for (begin, until, minor) in pot.timeline.stretches(start, end) {
        if until <= from {
            continue;
        }
        let spent = pot.delivered.iter().filter(|(d, _)| *d < open && zone.start_of(*d) >= begin);
        let spent = spent.fold(0_i64, |sum, (_, minor)| sum.saturating_add((*minor).max(0)));
        let left = rest_of_week(zone, first, begin, minor).saturating_sub(spent).max(0);
        let days = days_of(zone, begin.max(from), until, minor);
        total = total.saturating_add(left.min(days));
    }
    total
}

/// An upper bound of [`period`] for a constant budget over `days` calendar days, wherever they lie in the week: the
/// last, unfinished week can exceed its sum by up to three days.
pub fn of_days(minor: i64, days: i64) -> i64 {
    let days = days.max(0);
    let flexed = share(minor, DAY_QUARTERS * i128::from(days), 4, 1, 1);
    let summed = share(minor, i128::from(days.saturating_add(WORST_EXTRA_DAYS)), 1, 1, 1);
    flexed.min(summed)
}

/// Whole days of `minor` whose [`of_days`] stays within `cap`.
pub fn days_within(cap: i64, minor: i64) -> i64 {
    if minor <= 0 {
        return 0;
    }
    let flexed = i128::from(cap.max(0)) * 4 / (DAY_QUARTERS * i128::from(minor));
    let summed = i128::from(cap.max(0)) / i128::from(minor) - i128::from(WORST_EXTRA_DAYS);
    i64::try_from(flexed.max(summed).max(0)).unwrap_or(i64::MAX)
}

/// The worst single day a cap on the sum of daily budgets stands for.
pub fn day_ceiling(max_daily: i64) -> i64 {
    share(max_daily, DAY_QUARTERS, 4, 1, 1)
}

/// The worst calendar week it stands for.
pub fn week_ceiling(max_daily: i64) -> i64 {
    share(max_daily, WEEK_DAYS, 1, 1, 1)
}

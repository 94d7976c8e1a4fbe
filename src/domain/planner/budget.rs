//! Budgets of whole trees: proportional parts that sum to the whole, and ramps of small steps.

use crate::domain::{
    AdSetId, DAY_MS, Moment, Money, Tree,
    eligibility::live_adsets,
    guard::steps::{MAX_WEEK_BP, lowered, raised},
    plan::{Aspect, Expectation, ObjectKind, Op, Target},
    policy::Shifting,
};
use crate::planted::{Bug, bug};

use super::{Draft, Refusal};

impl Shifting {
    /// Least time between two raises: the gap asked for, and no more steps in seven days than allowed.
    pub fn least_gap_ms(&self) -> i64 {
        let weekly = i64::from(self.max_steps_per_week.max(1));
        self.gap_ms.max(DAY_MS.saturating_mul(7).checked_div(weekly).unwrap_or(DAY_MS))
    }
    /// The same in whole days, rounded up; one more where a day of 23 hours could fall short.
    pub fn step_days(&self) -> i64 {
        let gap = if bug(Bug::StepsDayByDay) { 0 } else { self.least_gap_ms() };
        let days = gap.div_euclid(DAY_MS);
        if gap.rem_euclid(DAY_MS) == 0 && days > 2 { days } else { days.saturating_add(1) }
    }
}

/// One step of a ramp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    /// Not before this instant.
    pub at: Moment,
    /// The daily budget after it.
    pub to: Money,
}

/// Steps from one daily budget to another, at most one per day; `at` is the instant of a step on the n-th day.
///
/// Each is a share of the present budget (and at most `max_step`), raises rounded down and cuts rounded up. Raises keep
/// the policy's distance and number per week, and never take a budget more than half above what it was seven days
/// before.
pub fn ramp(
    from: Money,
    to: Money,
    shifting: &Shifting,
    max_step: Option<Money>,
    at: impl Fn(i64) -> Moment,
) -> Result<Vec<Ramp>, Refusal> {
    let (goal, cap) = (to.minor(), max_step.map_or(i64::MAX, Money::minor));
    let mut steps: Vec<Ramp> = Vec::new();
    let mut past: Vec<(Moment, i64)> = Vec::new();
    let (mut budget, mut day) = (from.minor(), 0_i64);
    while budget != goal {
        if day > MAX_DAYS {
            let step = raised(budget, shifting.step_bp).saturating_sub(budget).min(cap);
            let step = Money::from_minor(step, to.currency());
            return Err(Refusal::Limit(format!(
                "{from} cannot be moved to {to} in steps of {step}"
            )));
        }
        let now = at(day);
        let next = if goal < budget {
            lowered(budget, shifting.step_bp).max(budget.saturating_sub(cap)).max(goal)
        } else {
            let week = past.iter().filter(|(t, _)| now.since(*t) < 7 * DAY_MS);
            let base = week.map(|(_, minor)| *minor).min().unwrap_or(budget);
            let share = raised(budget, shifting.step_bp).min(budget.saturating_add(cap));
            let most = share.min(raised(base, MAX_WEEK_BP));
            // A step of less than a tenth of what is usual is not worth one of the week's changes.
            let small = most.saturating_sub(budget) < share.saturating_sub(budget) / 10;
            if small && most < goal { budget } else { most.min(goal) }
        };
        if next == budget {
            day = day.saturating_add(1);
            continue;
        }
        past.push((now, budget));
        budget = next;
        steps.push(Ramp { at: now, to: Money::from_minor(budget, to.currency()) });
        day = day.saturating_add(shifting.step_days());
    }
    Ok(steps)
}

/// More days than this nobody wants to wait.
const MAX_DAYS: i64 = 150;

/// The budgets of a tree as they will stand while a plan is carried out: one of the campaign, or one per ad set.
pub(super) struct Budgets {
    parts: Vec<(Target, ObjectKind, Money)>,
}

impl Budgets {
    /// As they stand now.
    pub(super) fn of(tree: &Tree) -> Result<Self, Refusal> {
        if let Some(budget) = tree.campaign.daily_budget {
            let campaign = Target::from(&tree.campaign.id);
            return Ok(Self { parts: vec![(campaign, ObjectKind::Campaign, budget)] });
        }
        let whole = tree.daily_budget_when_on().ok_or(Refusal::Range)?;
        let parts = scaled(tree, whole)?.into_iter();
        let parts = parts.map(|(id, budget)| (Target::from(&id), ObjectKind::AdSet, budget));
        Ok(Self { parts: parts.collect() })
    }

    /// Adds the writes that bring the whole to `to`: in the tree's proportions, no part raised by more than its own
    /// share, so that rounding may leave a few units out.
    pub(super) fn step(
        &mut self,
        key: &str,
        tree: &Tree,
        to: Money,
        step_bp: i64,
        not_before: Option<Moment>,
        actions: &mut Vec<Draft>,
    ) -> Result<(), Refusal> {
        let wanted: Vec<Money> = match tree.campaign.daily_budget {
            Some(_) => vec![to],
            None => scaled(tree, to)?.into_iter().map(|(_, budget)| budget).collect(),
        };
        let several = self.parts.len() > 1;
        for (i, ((object, kind, budget), wanted)) in self.parts.iter_mut().zip(wanted).enumerate() {
            let most = raised(budget.minor(), step_bp);
            let after = Money::from_minor(wanted.minor().min(most), to.currency());
            if after == *budget {
                continue;
            }
            let value = budget.minor().to_string();
            let expects = vec![
                Expectation {
                    object: object.clone(),
                    kind: *kind,
                    aspect: Aspect::DailyBudget,
                    value,
                },
                super::untouched(tree, Aspect::Tree),
            ];
            let reason = format!("daily budget of {} from {budget} to {after}", object.template());
            let op = Op::SetDailyBudget { object: object.clone(), kind: *kind, to: after };
            let key =
                if several { format!("{key}.{}", i.saturating_add(1)) } else { key.to_owned() };
            actions.push(Draft { key, op, expects, not_before, reason });
            *budget = after;
        }
        Ok(())
    }
}

/// The tree's ad-set budgets in the same proportions, summing to `total`; empty for a campaign budget.
pub fn scaled(tree: &Tree, total: Money) -> Result<Vec<(AdSetId, Money)>, Refusal> {
    if tree.campaign.daily_budget.is_some() {
        return Ok(Vec::new());
    }
    let mut live: Vec<(AdSetId, Money)> = Vec::new();
    let on = live_adsets(tree).next().is_some();
    for set in tree.adsets.iter().filter(|s| !on || s.status == crate::domain::Status::Active) {
        let none = || Refusal::NoBudget(set.id.to_string());
        live.push((set.id.clone(), set.daily_budget.ok_or_else(none)?));
    }
    let sum: i128 = live.iter().map(|(_, b)| i128::from(b.minor())).sum();
    if sum <= 0 {
        return Err(Refusal::NoBudget(tree.campaign.id.to_string()));
    }
    let mut given: i128 = 0;
    let mut seen: i128 = 0;
    let whole = i128::from(total.minor());
    let mut parts = Vec::with_capacity(live.len());
    for (id, budget) in live {
        // Cumulative shares, so that rounding never loses or adds a unit over all parts.
        seen = seen.saturating_add(i128::from(budget.minor()));
        let upto = whole.saturating_mul(seen).checked_div(sum).ok_or(Refusal::Range)?;
        let upto = if bug(Bug::PartsRoundUp) { upto.saturating_add(seen.min(1)) } else { upto };
        let part = i64::try_from(upto.saturating_sub(given)).map_err(|_| Refusal::Range)?;
        given = upto;
        parts.push((id, Money::from_minor(part, total.currency())));
    }
    Ok(parts)
}

impl Tree {
    /// The daily budget of this tree once everything in it is on: of a challenger that is being turned on, whose parts
    /// may be on already.
    pub fn daily_budget_in_all(&self) -> Option<Money> {
        if self.campaign.daily_budget.is_some() {
            return self.campaign.daily_budget;
        }
        let mut sets = self.adsets.iter();
        let first = sets.next()?.daily_budget?;
        sets.try_fold(first, |sum, s| sum.checked_add(s.daily_budget?).ok())
    }
    /// The daily budget this tree would have if its campaign were on: of what in it is on, or of everything where nothing
    /// is.
    pub fn daily_budget_when_on(&self) -> Option<Money> {
        if self.campaign.daily_budget.is_some() {
            return self.campaign.daily_budget;
        }
        if live_adsets(self).next().is_some() {
            return self.daily_budget();
        }
        self.daily_budget_in_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Currency, HOUR_MS};

    fn shifting() -> Shifting {
        Shifting {
            step_bp: 2_000,
            gap_ms: 48 * HOUR_MS,
            max_steps_per_week: 3,
            worsen_margin: 0.15,
        }
    }
    fn eur(minor: i64) -> Money {
        Money::from_minor(minor, "EUR".parse::<Currency>().unwrap())
    }

    fn daily(n: i64) -> Moment {
        Moment::from_millis(n * DAY_MS)
    }

    proptest::proptest! {
        #[test]
        fn no_step_exceeds_its_share_or_half_a_week_before_and_the_ramp_ends_where_it_should(
            from in 100_i64..100_000, to in 100_i64..100_000, cap in 20_i64..100_000,
        ) {
            let Ok(steps) = ramp(eur(from), eur(to), &shifting(), Some(eur(cap)), daily) else {
                return Ok(());
            };
            let mut before = from;
            let mut past: Vec<(Moment, i64)> = Vec::new();
            for step in &steps {
                let change = step.to.minor() - before;
                proptest::prop_assert!(change * 10_000 <= before * 2_000, "a raise rounds down");
                proptest::prop_assert!(-change * 10_000 < before * 2_000 + 10_000, "a cut rounds up");
                proptest::prop_assert!(change.abs() <= cap);
                past.push((step.at, before));
                let week = past.iter().filter(|(t, _)| step.at.since(*t) < 7 * DAY_MS);
                let (count, base) = (week.clone().count(), week.map(|(_, b)| *b).min().unwrap());
                proptest::prop_assert!(change < 0 || step.to.minor() * 10_000 <= base * 15_000);
                proptest::prop_assert!(count <= 3, "{} changes in seven days", count);
                before = step.to.minor();
            }
            proptest::prop_assert_eq!(before, to);
        }
    }

    /// Day and budget of each step, where the policy raises as often as it may.
    fn paced(from: i64, to: i64, step_bp: i64) -> Vec<(i64, i64)> {
        let often =
            Shifting { step_bp, gap_ms: DAY_MS, max_steps_per_week: 7, worsen_margin: 0.15 };
        let steps = ramp(eur(from), eur(to), &often, None, daily).unwrap();
        steps.iter().map(|s| (s.at.millis() / DAY_MS, s.to.minor())).collect()
    }

    #[test]
    fn a_raise_waits_until_the_budget_of_seven_days_ago_allows_it_and_no_longer() {
        // Half more than 1000 is full on the fourth day; on the seventh the week begins with 1200.
        assert_eq!(paced(1_000, 1_800, 2_000), [(0, 1_200), (2, 1_440), (4, 1_500), (7, 1_800)]);
    }

    #[test]
    fn a_change_of_the_week_is_not_spent_on_less_than_a_tenth_of_a_step() {
        // On the sixth day 16 units are allowed where a step has 209: it waits a day for all of them.
        let head = [(0, 1_141), (2, 1_301), (4, 1_484)];
        assert_eq!(paced(1_000, 1_693, 1_410), [&head[..], &[(7, 1_693)]].concat());
        // But what is left to the goal is taken, however small.
        for goal in [1_485, 1_490, 1_500] {
            assert_eq!(paced(1_000, goal, 1_410), [&head[..], &[(6, goal)]].concat());
        }
        // 20 of 207 are a tenth, rounded down.
        let exact = [(0, 1_140), (2, 1_299), (4, 1_480), (6, 1_500)];
        assert_eq!(paced(1_000, 1_600, 1_400)[..4], exact);
    }

    #[test]
    fn a_ramp_may_last_150_days_and_what_lasts_longer_is_refused_with_its_step() {
        let cut = |from| ramp(eur(from), eur(1_000), &shifting(), Some(eur(1)), daily);
        let steps = cut(1_051).unwrap();
        assert_eq!((steps.len(), steps[50].at), (51, daily(150)));
        let refused = cut(1_052).unwrap_err().to_string();
        assert_eq!(refused, "10.52 EUR cannot be moved to 10.00 EUR in steps of 0.01 EUR");
        assert_eq!(ramp(eur(7), eur(7), &shifting(), None, daily), Ok(vec![]));
    }

    #[test]
    fn steps_keep_the_longer_of_gap_and_share_of_the_week_in_whole_days() {
        for (gap_hours, per_week, days) in [
            (48, 3, 3), // 56 hours
            (48, 7, 3), // exactly two days could fall short when the clocks change
            (24, 7, 2),
            (1, 7, 2),
            (71, 7, 3),
            (72, 7, 3),
            (73, 7, 4),
            (1, 1, 7),
            (200, 1, 9),
            (1, 0, 7), // none per week is read as one
        ] {
            let gap_ms = gap_hours * HOUR_MS;
            let policy = Shifting { gap_ms, max_steps_per_week: per_week, ..shifting() };
            assert_eq!(policy.step_days(), days, "{gap_hours} hours, {per_week} a week");
            assert!(policy.least_gap_ms() >= gap_ms);
        }
    }

    #[test]
    fn raises_keep_their_distance() {
        let steps = ramp(eur(5_000), eur(10_000), &shifting(), None, daily).unwrap();
        let days: Vec<i64> = steps.iter().map(|s| s.at.millis() / DAY_MS).collect();
        let budgets: Vec<i64> = steps.iter().map(|s| s.to.minor()).collect();
        assert_eq!(budgets.last(), Some(&10_000));
        for pair in days.windows(2) {
            assert!(pair[1] - pair[0] >= 3, "{days:?}");
        }
    }
}

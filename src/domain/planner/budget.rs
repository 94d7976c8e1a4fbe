//! Budgets of whole trees: proportional parts that sum to the whole, and ramps of small steps.

use crate::domain::{
    AdSetId, DAY_MS, Moment, Money, Tree, eligibility::live_adsets, policy::Shifting,
};

use super::Refusal;

impl Shifting {
    /// Least time between two raises: the gap asked for, and no more steps in seven days than allowed.
    pub fn least_gap_ms(&self) -> i64 {
        let weekly = i64::from(self.max_steps_per_week.max(1));
        self.gap_ms.max(DAY_MS.saturating_mul(7).checked_div(weekly).unwrap_or(DAY_MS))
    }
    /// The same in whole days, rounded up; one more where a day of 23 hours could fall short.
    pub fn step_days(&self) -> i64 {
        let gap = self.least_gap_ms();
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

/// Steps from one daily budget to another: cuts in one go, raises by at most `step_bp` of the present budget (and the
/// absolute `max_step`), `gap_ms` apart and no more than `max_steps_per_week` in any seven days.
pub fn ramp(
    from: Money,
    to: Money,
    shifting: &Shifting,
    max_step: Option<Money>,
    start: Moment,
) -> Result<Vec<Ramp>, Refusal> {
    if from == to {
        return Ok(Vec::new());
    }
    let gap = shifting.least_gap_ms();
    let mut steps = Vec::new();
    let (mut budget, mut at) = (from, start);
    while budget != to {
        let share = budget.basis_points(shifting.step_bp).map_err(|_| Refusal::Range)?;
        let step = max_step.map_or(share, |cap| share.min(cap));
        if !step.is_positive() || steps.len() >= MAX_STEPS {
            return Err(Refusal::Limit(format!(
                "{from} cannot be moved to {to} in steps of {step}"
            )));
        }
        let next = if to < budget {
            budget.checked_sub(step).map(|b| b.max(to))
        } else {
            budget.checked_add(step).map(|b| b.min(to))
        };
        budget = next.map_err(|_| Refusal::Range)?;
        steps.push(Ramp { at, to: budget });
        at = at.plus(gap);
    }
    Ok(steps)
}

/// More steps than this would take longer than anybody wants to wait.
const MAX_STEPS: usize = 40;

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
        let part = i64::try_from(upto.saturating_sub(given)).map_err(|_| Refusal::Range)?;
        given = upto;
        parts.push((id, Money::from_minor(part, total.currency())));
    }
    Ok(parts)
}

impl Tree {
    /// The daily budget this tree would have if everything in it were on.
    pub fn daily_budget_when_on(&self) -> Option<Money> {
        if self.campaign.daily_budget.is_some() {
            return self.campaign.daily_budget;
        }
        if live_adsets(self).next().is_some() {
            return self.daily_budget();
        }
        let mut sets = self.adsets.iter();
        let first = sets.next()?.daily_budget?;
        sets.try_fold(first, |sum, s| sum.checked_add(s.daily_budget?).ok())
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

    proptest::proptest! {
        #[test]
        fn no_raise_exceeds_its_step_and_the_ramp_ends_where_it_should(
            from in 100_i64..100_000, to in 100_i64..100_000, cap in 20_i64..100_000,
        ) {
            let Ok(steps) = ramp(eur(from), eur(to), &shifting(), Some(eur(cap)), Moment::from_millis(0)) else {
                return Ok(());
            };
            let mut before = from;
            for step in &steps {
                let change = (step.to.minor() - before).abs();
                proptest::prop_assert!(change * 10_000 <= before * 2_000);
                proptest::prop_assert!(change <= cap);
                before = step.to.minor();
            }
            proptest::prop_assert_eq!(before, to);
        }
    }

    #[test]
    fn raises_keep_their_distance_and_their_number_per_week() {
        let steps =
            ramp(eur(5_000), eur(10_000), &shifting(), None, Moment::from_millis(0)).unwrap();
        for pair in steps.windows(2) {
            assert!(pair[1].at.since(pair[0].at) >= 48 * HOUR_MS);
        }
        for (i, step) in steps.iter().enumerate() {
            let week = steps[i..].iter().filter(|s| s.at.since(step.at) < 7 * DAY_MS).count();
            assert!(week <= 3, "{week} raises within seven days");
        }
    }
}

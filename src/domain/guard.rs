//! The last check before a write leaves: one pure function over the action and what is true right now.
//!
//! Cuts and pauses pass where raises do not: the safety direction stays open, except while the kill switch is on, and a
//! write never passes on the strength of an earlier check alone. Reading order: [`exposure`] (what budgets can cost),
//! [`steps`] (how far and how often one is raised), [`breaker`] and [`pacing`] (when to distrust ourselves and Meta),
//! then [`allow`].

pub mod breaker;
pub mod exposure;
pub mod learning;
pub mod pacing;
pub mod steps;

use serde::{Deserialize, Serialize};

use super::{
    CampaignId, DAY_MS, HOUR_MS, Moment, Money, ObjectId, Status, Zone,
    plan::{Action, MoneyAtRisk, ObjectKind, Op, PlanKind},
    policy::{Limits, Mode, Policy},
};
use crate::planted::{Bug, bug};
use exposure::Pot;
use steps::{Change, TooMuch};

/// What a write does to the daily budget of a campaign that is on, in minor units. Kept with the intent from its first
/// start on: it is the reservation. It is held while the write is in doubt, spent once the write is done (the budget
/// itself then says it), released when the write was refused or proved absent; the write log says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// The campaign.
    pub campaign: CampaignId,
    /// What of it was on before.
    pub before: i64,
    /// What is on after.
    pub after: i64,
    /// The object that carries the budget, when a budget is set.
    pub object: Option<ObjectId>,
    /// Its budget before.
    pub from: i64,
    /// Its budget after.
    pub to: i64,
    /// When it was begun.
    pub at: Moment,
    /// The worst it adds until its bound, in minor units; 0 where it only lowers.
    pub worst: i64,
}

impl Movement {
    /// True when more can be spent after it.
    pub const fn raises(&self) -> bool {
        self.after > self.before || self.to > self.from
    }
}

/// What is true right now.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Now.
    pub now: Moment,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The account's zone.
    pub zone: &'a Zone,
    /// Why the kill switch is on, if it is.
    pub stopped: Option<String>,
    /// What the plan is for.
    pub kind: PlanKind,
    /// False when only its lowering writes were agreed to.
    pub may_raise: bool,
    /// What the write does to budgets that are on, where it does anything.
    pub movement: Option<&'a Movement>,
    /// Everything managed with its budgets over time, before this write, writes in doubt counted as done.
    pub pots: &'a [Pot],
    /// What the plan says it can cost.
    pub money: &'a MoneyAtRisk,
    /// The worst the test can come to from now on until Meta itself ends it; None when nothing would end it.
    pub test_worst: Option<i64>,
    /// When earlier money-moving writes were begun.
    pub moved_at: &'a [Moment],
    /// Earlier changes of the same budget.
    pub changes: &'a [Change],
    /// Why raises are off, if they are: stale data, blackout, a doubt, …
    pub no_raises: &'a [String],
    /// Why nothing but lowering is written: the circuit breaker.
    pub closed: Option<String>,
}

/// Why a write may not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The kill switch is on.
    #[error("the kill switch is on: {0}")]
    Stopped(String),
    /// The mode does not write.
    #[error("mode {0} does not write")]
    Mode(Mode),
    /// No limits, no writes.
    #[error("no limits are configured, so nothing may be written")]
    NoLimits,
    /// The circuit breaker is open.
    #[error("writes are off: {0}")]
    Closed(String),
    /// Only its lowering writes were agreed to.
    #[error("only the lowering writes of this plan were agreed to; the rest waits for approval")]
    LowersOnly,
    /// Raises are off.
    #[error("no raises now: {0}")]
    NoRaises(String),
    /// The amounts are of different currencies.
    #[error("the limits are in {limits}, the plan is in {plan}")]
    Currency {
        /// Of the limits.
        limits: super::Currency,
        /// Of the plan.
        plan: super::Currency,
    },
    /// The climb could cost more than one climb may.
    #[error("the plan can cost {would}, over limits.max_spend_per_climb {cap}")]
    ClimbCap {
        /// What the plan can cost.
        would: Money,
        /// The cap.
        cap: Money,
    },
    /// The climb could lose more than one climb may.
    #[error("the plan can lose {would}, over limits.max_regret_per_climb {cap}")]
    RegretCap {
        /// What it can lose.
        would: Money,
        /// The cap.
        cap: Money,
    },
    /// Nothing at Meta would end the test if this program did not.
    #[error("the test has no end that Meta itself would keep")]
    Unbounded,
    /// The test could spend more than was authorised.
    #[error("until Meta ends it the test can spend {would}; {authorised} is authorised")]
    OverAuthorised {
        /// The worst.
        would: Money,
        /// What the plan says.
        authorised: Money,
    },
    /// The daily cap would be broken.
    #[error("daily budgets would sum to {would}, over limits.max_daily_spend {cap}")]
    DailyCap {
        /// The sum after the write.
        would: Money,
        /// The cap.
        cap: Money,
    },
    /// The worst day or week would be over what the cap stands for, because budgets have been changed within it.
    #[error(
        "with the changes already made this {period} can cost {would} at worst; the caps stand for {cap}"
    )]
    Exposure {
        /// `day` or `week`.
        period: &'static str,
        /// The worst.
        would: Money,
        /// The ceiling.
        cap: Money,
    },
    /// Too large a step, or too soon.
    #[error("{0}")]
    Step(TooMuch),
    /// Too many money-moving writes in the last hour or day.
    #[error("{count} money-moving writes in the last {window} reach the cap of {cap}")]
    Rate {
        /// How many.
        count: usize,
        /// `hour` or `day`.
        window: &'static str,
        /// The cap.
        cap: u32,
    },
    /// A study that would begin before it is made.
    #[error("the study would begin at {0}, which is not in the future any more")]
    StudyStart(Moment),
}

impl Blocked {
    /// True when waiting can help, so that the plan stays open.
    pub const fn passes_with_time(&self) -> bool {
        match self {
            Self::Stopped(_)
            | Self::Rate { .. }
            | Self::NoRaises(_)
            | Self::Closed(_)
            | Self::LowersOnly
            | Self::Exposure { .. }
            | Self::Mode(_) => true,
            Self::Step(step) => step.passes_with_time(),
            Self::NoLimits
            | Self::Currency { .. }
            | Self::ClimbCap { .. }
            | Self::RegretCap { .. }
            | Self::Unbounded
            | Self::OverAuthorised { .. }
            | Self::DailyCap { .. }
            | Self::StudyStart(_) => false,
        }
    }
}

/// True for writes that can change what is spent: a campaign's switch, and budgets. Creations are PAUSED, and ads and ad
/// sets are only ever switched while their campaign is off.
pub fn moves_money(op: &Op) -> bool {
    match op {
        Op::SetStatus { kind, to, .. } => {
            *kind == ObjectKind::Campaign && matches!(to, Status::Active | Status::Paused)
        }
        Op::SetDailyBudget { .. } => true,
        Op::CreateCampaign { .. }
        | Op::CreateAdSet { .. }
        | Op::CreateAd { .. }
        | Op::SetEndTime { .. }
        | Op::SetSpendCap { .. }
        | Op::CreatePauseRule { .. }
        | Op::DeleteRule { .. }
        | Op::CreateStudy { .. }
        | Op::EndStudy { .. } => false,
    }
}

/// True for writes that let something run on which Meta would have ended.
fn loosens(op: &Op) -> bool {
    matches!(op, Op::SetEndTime { .. } | Op::SetSpendCap { .. })
}

/// True for writes after which no more can be spent than before.
pub fn only_lowers(op: &Op, kind: PlanKind, movement: Option<&Movement>) -> bool {
    match op {
        Op::SetStatus { to, .. } => {
            matches!(to, Status::Paused | Status::Archived) && movement.is_none_or(|m| !m.raises())
        }
        Op::SetDailyBudget { .. } => movement.is_some_and(|m| !m.raises()),
        // What it watched, or kept apart, is off before it goes.
        Op::DeleteRule { .. } | Op::EndStudy { .. } => kind.only_lowers(),
        _ => false,
    }
}

/// True for the one write the kill switch may let out: the pause of a challenger, where a person has asked for it in the
/// policy.
pub fn leaves_when_stopped(op: &Op, kind: PlanKind, policy: &Policy) -> bool {
    let pauses = matches!(op, Op::SetStatus { kind: ObjectKind::Campaign, to: Status::Paused, .. });
    pauses && kind == PlanKind::End && policy.stop.pause_challengers
}

/// Says yes, or why not.
pub fn allow(action: &Action, facts: &Facts<'_>) -> Result<(), Blocked> {
    let lowers = only_lowers(&action.op, facts.kind, facts.movement);
    if let Some(why) = &facts.stopped
        && !leaves_when_stopped(&action.op, facts.kind, facts.policy)
    {
        return Err(Blocked::Stopped(why.clone()));
    }
    let (mode, _) = facts.policy.effective_mode();
    match mode {
        Mode::Observe | Mode::Propose => return Err(Blocked::Mode(mode)),
        Mode::Supervised | Mode::Autonomous => {}
    }
    let Some(limits) = facts.policy.limits else { return Err(Blocked::NoLimits) };
    if lowers {
        return few_changes(action, facts);
    }
    if let Some(why) = &facts.closed {
        return Err(Blocked::Closed(why.clone()));
    }
    if !facts.may_raise {
        return Err(Blocked::LowersOnly);
    }
    if let Op::CreateStudy { start, .. } = &action.op
        && *start <= facts.now
    {
        return Err(Blocked::StudyStart(*start));
    }
    let raises = facts.movement.is_some_and(Movement::raises);
    if (raises || loosens(&action.op))
        && let Some(why) = facts.no_raises.first()
    {
        return Err(Blocked::NoRaises(why.clone()));
    }
    if let Some(movement) = facts.movement.filter(|_| raises) {
        within_caps(facts, movement, &limits)?;
        within_steps(action, facts, movement, &limits)?;
    }
    if moves_money(&action.op) { within_rates(facts) } else { Ok(()) }
}

/// Asked before an incumbent is paused for a campaign that takes its place at once: where that one could not be turned
/// on after it, the line would be dark. `daily` is the sum of the daily budgets of everything managed, in minor units.
pub fn may_hand_over(
    op: &Op,
    kind: PlanKind,
    money: &MoneyAtRisk,
    daily: i64,
    limits: &Limits,
) -> Result<(), Blocked> {
    let pauses = matches!(op, Op::SetStatus { to: Status::Paused, .. });
    let cap = limits.max_daily_spend;
    if pauses && takes_its_place(kind, money) && daily > cap.minor() {
        return Err(Blocked::DailyCap { would: Money::from_minor(daily, cap.currency()), cap });
    }
    Ok(())
}

/// Even a cut waits when Meta would block the ad set for one more change; a pause never waits.
fn few_changes(action: &Action, facts: &Facts<'_>) -> Result<(), Blocked> {
    match (&action.op, facts.movement) {
        (Op::SetDailyBudget { .. }, Some(_)) => {
            steps::calm(facts.changes, facts.now).map_err(Blocked::Step)
        }
        _ => Ok(()),
    }
}

fn within_caps(facts: &Facts<'_>, movement: &Movement, limits: &Limits) -> Result<(), Blocked> {
    let money = facts.money;
    let currency = limits.currency();
    if money.extra_total.currency() != currency {
        let plan = money.extra_total.currency();
        return Err(Blocked::Currency { limits: currency, plan });
    }
    let amount = |minor| Money::from_minor(minor, currency);
    let (would, cap) = (money.extra_total, limits.max_spend_per_climb);
    if would > cap || bug(Bug::ClimbCapAtEqual) && would == cap {
        return Err(Blocked::ClimbCap { would, cap });
    }
    let cap = limits.max_regret_per_climb;
    if money.extra_total.is_positive() && money.worst_regret > cap {
        return Err(Blocked::RegretCap { would: money.worst_regret, cap });
    }
    // A test spends extra; a swap of campaigns or a step back to the run-rate does not.
    if facts.kind == PlanKind::Activate && money.extra_total.is_positive() {
        let none = bug(Bug::NoEndTime).then_some(0);
        let worst = facts.test_worst.or(none).ok_or(Blocked::Unbounded)?;
        if worst > money.extra_total.minor() {
            let (would, authorised) = (amount(worst), money.extra_total);
            return Err(Blocked::OverAuthorised { would, authorised });
        }
    }
    let after = moved(facts, movement);
    let sum = after.iter().fold(0_i64, |sum, pot| sum.saturating_add(pot.timeline.last()));
    let cap = limits.max_daily_spend;
    if sum.saturating_sub(i64::from(bug(Bug::DailyCapByOne))) > cap.minor() {
        return Err(Blocked::DailyCap { would: amount(sum), cap });
    }
    if swaps(facts) {
        return Ok(());
    }
    let today = facts.zone.day_of(facts.now);
    let total = |worst: &dyn Fn(&Pot) -> i64| {
        after.iter().fold(0_i64, |sum, pot| sum.saturating_add(worst(pot)))
    };
    let week_cap =
        limits.max_weekly_spend.map_or(exposure::week_ceiling(cap.minor()), Money::minor);
    // Each pot is rounded up on its own; those units are no breach.
    let slack = i64::try_from(after.len()).unwrap_or(i64::MAX).saturating_mul(ROUNDED);
    let periods = [
        (
            "day",
            total(&|pot| exposure::day(&pot.timeline, today, facts.zone)),
            exposure::day_ceiling(cap.minor()),
        ),
        ("week", total(&|pot| exposure::week(pot, facts.now, facts.zone)), week_cap),
    ];
    for (period, worst, ceiling) in periods {
        if worst > ceiling.saturating_add(slack) {
            let (would, cap) = (amount(worst), amount(ceiling));
            return Err(Blocked::Exposure { period, would, cap });
        }
    }
    Ok(())
}

/// A campaign that takes another's place at the same budget is checked by the sum alone: the line is dark between its
/// two writes, and waiting for the next week would cost more than the pro-rata re-basing can.
fn swaps(facts: &Facts<'_>) -> bool {
    facts.kind == PlanKind::Revert || takes_its_place(facts.kind, facts.money)
}

/// An activation that adds nothing turns the challenger on in place of its incumbent.
fn takes_its_place(kind: PlanKind, money: &MoneyAtRisk) -> bool {
    kind == PlanKind::Activate && !money.extra_total.is_positive()
}

/// Minor units that rounding up can add per campaign and period: one per stretch and day.
const ROUNDED: i64 = 16;

/// The pots as they would be after the write.
fn moved(facts: &Facts<'_>, movement: &Movement) -> Vec<Pot> {
    let mut pots = facts.pots.to_vec();
    match pots.iter_mut().find(|p| p.campaign == movement.campaign) {
        Some(pot) => pot.timeline = pot.timeline.clone().then(facts.now, movement.after),
        None => pots.push(Pot {
            campaign: movement.campaign.clone(),
            timeline: exposure::Timeline::constant(movement.before).then(facts.now, movement.after),
            delivered: Vec::new(),
        }),
    }
    pots
}

fn within_steps(
    action: &Action,
    facts: &Facts<'_>,
    movement: &Movement,
    limits: &Limits,
) -> Result<(), Blocked> {
    if !matches!(action.op, Op::SetDailyBudget { .. }) {
        return Ok(());
    }
    let (policy, max_step) = (&facts.policy.shifting, limits.max_step.map(Money::minor));
    steps::allow(movement.from, movement.to, policy, max_step, facts.changes, facts.now)
        .map_err(Blocked::Step)
}

fn within_rates(facts: &Facts<'_>) -> Result<(), Blocked> {
    let within = |ms: i64| facts.moved_at.iter().filter(|t| facts.now.since(**t) < ms).count();
    let caps = facts.policy.writes;
    for (window, ms, cap) in [("hour", HOUR_MS, caps.per_hour), ("day", DAY_MS, caps.per_day)] {
        let count = within(ms);
        let count = count.saturating_sub(usize::from(bug(Bug::RateByOne)));
        if count >= usize::try_from(cap).unwrap_or(usize::MAX) {
            return Err(Blocked::Rate { count, window, cap });
        }
    }
    Ok(())
}

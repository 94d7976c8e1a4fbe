//! The last check before a write leaves: one pure function over the action and what is true right now.
//!
//! Cuts and pauses pass where raises do not: the safety direction stays open in every mode but *freeze* (the kill
//! switch), and a write never passes on the strength of an earlier check alone.

use super::{
    DAY_MS, HOUR_MS, Moment, Money, Status,
    plan::{Action, MoneyAtRisk, ObjectKind, Op},
    policy::{Mode, Policy},
};

/// What is true right now.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Now.
    pub now: Moment,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Why the kill switch is on, if it is.
    pub stopped: Option<String>,
    /// Daily budgets of everything managed that is on, in minor units, before this write.
    pub managed_daily_minor: i64,
    /// How much this write raises that sum, in minor units; negative for cuts.
    pub raises_minor: i64,
    /// What the plan says it can cost.
    pub money: &'a MoneyAtRisk,
    /// When earlier money-moving writes were begun.
    pub moved_at: &'a [Moment],
    /// Why raises are off, if they are: stale data, unverified history, …
    pub no_raises: &'a [String],
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
    /// The daily cap would be broken.
    #[error("daily budgets would sum to {would}, over limits.max_daily_spend {cap}")]
    DailyCap {
        /// The sum after the write.
        would: Money,
        /// The cap.
        cap: Money,
    },
    /// The climb could cost more than one climb may.
    #[error("the plan can cost {would}, over limits.max_spend_per_climb {cap}")]
    ClimbCap {
        /// What the plan can cost.
        would: Money,
        /// The cap.
        cap: Money,
    },
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
    /// Raises are off.
    #[error("no raises now: {0}")]
    NoRaises(String),
}

impl Blocked {
    /// True when waiting can help, so that the plan stays open.
    pub const fn passes_with_time(&self) -> bool {
        matches!(self, Self::Stopped(_) | Self::Rate { .. } | Self::NoRaises(_) | Self::Mode(_))
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
        | Op::DeleteRule { .. } => false,
    }
}

/// Says yes, or why not.
pub fn allow(action: &Action, facts: &Facts<'_>) -> Result<(), Blocked> {
    if let Some(why) = &facts.stopped {
        return Err(Blocked::Stopped(why.clone()));
    }
    let (mode, _) = facts.policy.effective_mode();
    match mode {
        Mode::Observe | Mode::Propose => return Err(Blocked::Mode(mode)),
        Mode::Supervised | Mode::Autonomous => {}
    }
    let Some(limits) = facts.policy.limits else { return Err(Blocked::NoLimits) };
    if facts.raises_minor > 0 {
        if let Some(why) = facts.no_raises.first() {
            return Err(Blocked::NoRaises(why.clone()));
        }
        let (would, cap) = (facts.money.extra_total, limits.max_spend_per_climb);
        if would.currency() != cap.currency() || would > cap {
            return Err(Blocked::ClimbCap { would, cap });
        }
        let would = facts.managed_daily_minor.saturating_add(facts.raises_minor);
        let cap = limits.max_daily_spend;
        if would > cap.minor() {
            return Err(Blocked::DailyCap { would: Money::from_minor(would, cap.currency()), cap });
        }
    }
    let safe = facts.raises_minor < 0;
    if moves_money(&action.op) && !safe {
        let within = |ms: i64| facts.moved_at.iter().filter(|t| facts.now.since(**t) < ms).count();
        let caps = facts.policy.writes;
        for (window, ms, cap) in [("hour", HOUR_MS, caps.per_hour), ("day", DAY_MS, caps.per_day)] {
            let count = within(ms);
            if count >= usize::try_from(cap).unwrap_or(usize::MAX) {
                return Err(Blocked::Rate { count, window, cap });
            }
        }
    }
    Ok(())
}

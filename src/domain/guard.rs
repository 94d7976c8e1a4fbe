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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        CampaignId, OpKey,
        plan::{Target, Template},
    };

    fn eur(minor: i64) -> Money {
        Money::from_minor(minor, "EUR".parse().unwrap())
    }
    fn policy(mode: Mode) -> Policy {
        let limits = [
            ("limits.max_daily_spend", "100.00 EUR"),
            ("limits.max_spend_per_climb", "1000.00 EUR"),
            ("limits.max_regret_per_climb", "100.00 EUR"),
        ];
        let mut policy = crate::config::from_toml("", &limits).unwrap().policy;
        policy.mode = mode;
        policy
    }
    fn switch(to: Status) -> Action {
        let campaign = CampaignId::new("1").unwrap();
        let object = Target::from(&campaign);
        Action {
            key: "campaign".into(),
            op_key: OpKey::new("K").unwrap(),
            op: Op::SetStatus { object, kind: ObjectKind::Campaign, to },
            expects: vec![],
            not_before: None,
            reason: String::new(),
            request: Template { method: "POST".into(), path: "1".into(), params: vec![] },
        }
    }
    fn money(total: i64) -> MoneyAtRisk {
        let reversible = String::new();
        MoneyAtRisk {
            extra_per_day: eur(0),
            extra_total: eur(total),
            worst_regret: eur(0),
            reversible,
        }
    }
    struct Case {
        policy: Policy,
        managed: i64,
        raises: i64,
        total: i64,
        moved: Vec<i64>,
        stopped: bool,
        no_raises: bool,
    }
    impl Case {
        fn new() -> Self {
            let policy = policy(Mode::Supervised);
            let moved = Vec::new();
            Self {
                policy,
                managed: 0,
                raises: 1,
                total: 0,
                moved,
                stopped: false,
                no_raises: false,
            }
        }
        fn ask(&self, action: &Action) -> Result<(), Blocked> {
            let now = Moment::from_millis(10 * DAY_MS);
            let moved: Vec<Moment> = self.moved.iter().map(|ms| now.plus(-ms)).collect();
            let no_raises = if self.no_raises { vec!["stale".to_owned()] } else { vec![] };
            allow(
                action,
                &Facts {
                    now,
                    policy: &self.policy,
                    stopped: self.stopped.then(|| "why".to_owned()),
                    managed_daily_minor: self.managed,
                    raises_minor: self.raises,
                    money: &money(self.total),
                    moved_at: &moved,
                    no_raises: &no_raises,
                },
            )
        }
    }

    #[test]
    fn the_daily_cap_holds_to_the_cent() {
        let mut case = Case { managed: 9_000, raises: 1_000, ..Case::new() };
        assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
        case.raises = 1_001;
        assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::DailyCap { .. })));
        case.raises = -5_000;
        assert_eq!(case.ask(&switch(Status::Paused)), Ok(()), "a cut is never over the cap");
    }

    #[test]
    fn the_cap_of_a_climb_holds_to_the_cent() {
        let mut case = Case { total: 100_000, ..Case::new() };
        assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
        case.total = 100_001;
        assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::ClimbCap { .. })));
    }

    #[test]
    fn only_the_two_writing_modes_write_and_only_with_limits() {
        for (mode, writes) in [
            (Mode::Observe, false),
            (Mode::Propose, false),
            (Mode::Supervised, true),
            (Mode::Autonomous, true),
        ] {
            let case = Case { policy: policy(mode), ..Case::new() };
            assert_eq!(case.ask(&switch(Status::Active)).is_ok(), writes, "{mode}");
        }
        let mut case = Case::new();
        case.policy.limits = None;
        assert!(case.ask(&switch(Status::Paused)).is_err(), "without limits it only observes");
    }

    #[test]
    fn the_switch_stops_everything_and_no_raises_stops_raises_only() {
        let stopped = Case { stopped: true, raises: -1, ..Case::new() };
        assert!(matches!(stopped.ask(&switch(Status::Paused)), Err(Blocked::Stopped(_))));
        let mut case = Case { no_raises: true, ..Case::new() };
        assert!(matches!(case.ask(&switch(Status::Active)), Err(Blocked::NoRaises(_))));
        case.raises = -1;
        assert_eq!(case.ask(&switch(Status::Paused)), Ok(()));
    }

    #[test]
    fn write_caps_count_the_last_hour_and_day_exactly_and_never_hold_a_cut_back() {
        let mut case = Case::new();
        let cap = usize::try_from(case.policy.writes.per_hour).unwrap();
        case.moved = vec![HOUR_MS - 1; cap];
        assert!(matches!(
            case.ask(&switch(Status::Active)),
            Err(Blocked::Rate { window: "hour", .. })
        ));
        case.moved = vec![HOUR_MS; cap];
        assert_eq!(case.ask(&switch(Status::Active)), Ok(()));
        case.moved = vec![2 * HOUR_MS; usize::try_from(case.policy.writes.per_day).unwrap()];
        assert!(matches!(
            case.ask(&switch(Status::Active)),
            Err(Blocked::Rate { window: "day", .. })
        ));
        case.raises = -1;
        assert_eq!(case.ask(&switch(Status::Paused)), Ok(()));
    }
}

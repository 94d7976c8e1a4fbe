//! From a wish ("activate", "shift") and what was read to the exact list of writes, with what each costs.
//!
//! The planner is pure. Every rule about money lives here: lower before raise, raises in small steps, one write at
//! which money starts, bounds that hold if this program never comes back.

mod budget;
mod build;
mod isolation;
mod names;
mod shift;
mod start;
mod undo;

use serde::Serialize;

use super::{
    AdSetId, HOUR_MS, Moment, Money, Rung, Status, Tree, Zone,
    climb::{Climb, Route, RouteKind, Test},
    guard,
    likeness::{fingerprint, likeness},
    plan::{Aspect, Expectation, MoneyAtRisk, ObjectKind, Op, PlanKind, Target, op_key},
    policy::{BudgetMode, Limits, Policy},
};

use budget::Budgets;
pub use budget::{Ramp, ramp, scaled};
pub use names::{marker, named, without_marker};

/// Days a challenger learns at most, plus settling and review: what a test needs beyond its comparison days.
const OVERHEAD_DAYS: i64 = 7 + 3 + 2;
/// Days between planning and activation that the dead-man bound allows for approval and review.
const START_SLACK_DAYS: i64 = 4;

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The campaign has no readable daily budget.
    #[error("campaign {0} has no daily budget that could be matched")]
    NoBudget(String),
    /// The rung is not on the ladder.
    #[error("rung {0} is not on the ladder")]
    NoRung(String),
    /// The limits are not configured.
    #[error("no limits are configured")]
    NoLimits,
    /// The plan would break a limit.
    #[error("{0}")]
    Limit(String),
    /// An ad has no creative to share.
    #[error("ad {0} has no creative that could be shared")]
    NoCreative(String),
    /// The state of the climb does not fit the wish.
    #[error("a {kind} plan makes no sense while the climb is {state}")]
    State {
        /// The wish.
        kind: &'static str,
        /// The state.
        state: &'static str,
    },
    /// A study is asked for, and the account has no business that could hold it.
    #[error(
        "compare.isolation is ad_study, but the account belongs to no business that could hold a study"
    )]
    NoBusiness,
    /// The test's bound would come before the study could begin.
    #[error("a study could begin at {0} at the earliest, when the test's bound has passed already")]
    StudyTooLate(Moment),
    /// Arithmetic left its range.
    #[error("an amount is out of range")]
    Range,
}

/// A write not yet rendered into a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Draft {
    /// Name within the plan.
    pub key: String,
    /// The write.
    pub op: Op,
    /// Preconditions.
    pub expects: Vec<Expectation>,
    /// Not before.
    pub not_before: Option<Moment>,
    /// Why.
    pub reason: String,
}

/// A plan not yet rendered and sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftPlan {
    /// One line for people.
    pub title: String,
    /// What it can cost.
    pub money: MoneyAtRisk,
    /// Expiry.
    pub expires: Moment,
    /// The writes.
    pub actions: Vec<Draft>,
    /// For an activation: the test that begins with it.
    pub test: Option<Test>,
}

/// What the planner looks at.
#[derive(Debug)]
pub struct Wish<'a> {
    /// What for.
    pub kind: PlanKind,
    /// The climb.
    pub climb: &'a Climb,
    /// Policy in force.
    pub policy: &'a Policy,
    /// The incumbent as read now.
    pub source: &'a Tree,
    /// The challenger as read now.
    pub challenger: Option<&'a Tree>,
    /// The ad sets this climb has created: only their ends are ours to lift.
    pub made: &'a [AdSetId],
    /// Random text of this installation.
    pub install: &'a str,
    /// Smallest campaign spend cap Meta takes.
    pub min_spend_cap: Option<Money>,
    /// When the token ends, where that is known.
    pub token_expires: Option<Moment>,
    /// Now.
    pub now: Moment,
    /// The account's zone.
    pub zone: &'a Zone,
    /// The business that owns the account: studies are made there.
    pub business: Option<&'a str>,
}

impl Wish<'_> {
    /// Makes the plan.
    pub fn plan(&self) -> Result<DraftPlan, Refusal> {
        match self.kind {
            PlanKind::Clone => self.clone_plan(),
            PlanKind::Split => self.split_plan(),
            PlanKind::Activate => self.activate_plan(),
            PlanKind::Shift => self.shift_plan(),
            PlanKind::End => self.end_plan(),
            PlanKind::Revert => self.revert_plan(),
            PlanKind::CleanUp => self.clean_up_plan(),
        }
    }

    fn route(&self) -> Result<&Route, Refusal> {
        self.climb
            .state
            .route()
            .ok_or(Refusal::State { kind: self.kind.as_str(), state: self.climb.state.as_str() })
    }
    fn test(&self) -> Result<&Test, Refusal> {
        self.climb
            .state
            .test()
            .ok_or(Refusal::State { kind: self.kind.as_str(), state: self.climb.state.as_str() })
    }
    fn built(&self) -> Result<&Tree, Refusal> {
        self.challenger
            .ok_or(Refusal::State { kind: self.kind.as_str(), state: self.climb.state.as_str() })
    }
    fn rung(&self, key: &str) -> Result<&Rung, Refusal> {
        let found = self.policy.ladder.rungs.iter().find(|r| r.key == key);
        found.ok_or_else(|| Refusal::NoRung(key.to_owned()))
    }
    fn limits(&self) -> Result<Limits, Refusal> {
        self.policy.limits.ok_or(Refusal::NoLimits)
    }
    fn run_rate(&self) -> Result<Money, Refusal> {
        let none = || Refusal::NoBudget(self.source.campaign.id.to_string());
        self.source.daily_budget().ok_or_else(none)
    }
    fn expires(&self) -> Moment {
        self.now.plus(self.policy.approval.expires_ms)
    }
    fn key(&self, action: &str) -> super::OpKey {
        op_key(self.install, &self.climb.id, self.climb.attempts, self.kind, action)
    }
    fn name(&self, action: &str, source: &str, rung: &str) -> String {
        let key = self.key(action);
        named(source, rung, &self.policy.marker_prefix, &key)
    }

    /// The pause of a campaign that is on.
    fn pause(key: &str, tree: &Tree, why: &str) -> Option<Draft> {
        let target = Target::from(&tree.campaign.id);
        (tree.campaign.status == Status::Active)
            .then(|| Self::switch(key, target, ObjectKind::Campaign, Status::Paused, why))
    }

    fn delete_rule(rule: &super::ObjectId) -> Draft {
        Draft {
            key: "rule".to_owned(),
            op: Op::DeleteRule { rule: Target::Id(rule.clone()) },
            expects: Vec::new(),
            not_before: None,
            reason: "our own pause rule has done its duty".to_owned(),
        }
    }

    fn switch(key: &str, object: Target, kind: ObjectKind, to: Status, reason: &str) -> Draft {
        let expected = match to {
            Status::Active | Status::Archived => Some("PAUSED"),
            Status::Paused => Some("ACTIVE"),
            Status::Deleted | Status::Other(_) => None,
        };
        let expects = expected
            .map(|value| Expectation {
                object: object.clone(),
                kind,
                aspect: Aspect::Status,
                value: value.to_owned(),
            })
            .into_iter()
            .collect();
        let op = Op::SetStatus { object, kind, to };
        Draft { key: key.to_owned(), op, expects, not_before: None, reason: reason.to_owned() }
    }

    fn expect<'i, I>(id: &'i I, kind: ObjectKind, aspect: Aspect, value: &str) -> Expectation
    where
        Target: From<&'i I>,
    {
        Expectation { object: Target::from(id), kind, aspect, value: value.to_owned() }
    }

    /// A budget may not fall below what was spent today, so steps happen soon after midnight on the account's clock.
    fn ramp(&self, from: Money, to: Money) -> Result<Vec<Ramp>, Refusal> {
        let max_step = self.policy.limits.and_then(|l| l.max_step);
        let tomorrow = self.zone.day_of(self.now).plus(1);
        let at = |n: i64| self.zone.start_of(tomorrow.plus(n)).plus(HOUR_MS / 2);
        ramp(from, to, &self.policy.shifting, max_step, at)
    }

    fn ramp_actions(
        &self,
        name: &str,
        tree: &Tree,
        steps: &[Ramp],
        actions: &mut Vec<Draft>,
    ) -> Result<(), Refusal> {
        // Of a tree that somebody emptied nothing is asked where nothing is to be changed.
        if steps.is_empty() {
            return Ok(());
        }
        let mut budgets = Budgets::of(tree)?;
        for (i, step) in steps.iter().enumerate() {
            let key = format!("{name}.{}", i.saturating_add(1));
            let bp = self.policy.shifting.step_bp;
            budgets.step(&key, tree, step.to, bp, Some(step.at), actions)?;
        }
        Ok(())
    }

    /// Calendar days from today on that `[now, end)` touches.
    fn days_until(&self, end: Moment) -> i64 {
        let (today, last) = (self.zone.day_of(self.now), self.zone.day_of(end));
        last.since(today).saturating_add(i64::from(end > self.zone.start_of(last)))
    }

    fn no_money(&self, reversible: &str) -> Result<MoneyAtRisk, Refusal> {
        // Also where nothing of the incumbent is left that could spend.
        let of_test = self.climb.state.test().map(|t| t.run_rate);
        let built = || self.challenger.and_then(Tree::daily_budget_in_all);
        let any = of_test.or_else(|| self.source.daily_budget_in_all()).or_else(built);
        let zero = Money::zero(any.map_or_else(|| self.run_rate(), Ok)?.currency());
        let reversible = reversible.to_owned();
        Ok(MoneyAtRisk { extra_per_day: zero, extra_total: zero, worst_regret: zero, reversible })
    }

    /// Longest a placement is watched, in days.
    fn watch_days(&self) -> i64 {
        i64::from(self.policy.watch_days())
    }

    /// Days the test may run: what the comparison can need, cut to what the limit of one climb pays for.
    fn test_days(&self, kind: RouteKind, allowance: Money) -> Result<i64, Refusal> {
        if kind == RouteKind::Placement {
            return Ok(self.watch_days());
        }
        let limits = self.limits()?;
        let wanted = i64::from(self.policy.compare.max_window_days) + OVERHEAD_DAYS;
        let least = i64::from(self.policy.compare.window_days) + OVERHEAD_DAYS;
        let slack = START_SLACK_DAYS + self.study_slack_days(kind);
        let paid = affordable_days(limits.max_spend_per_climb, allowance) - slack;
        if paid < least {
            return Err(Refusal::Limit(format!(
                "limits.max_spend_per_climb {} pays for {} days at {allowance} a day; a first look needs {least}",
                limits.max_spend_per_climb,
                paid.max(0)
            )));
        }
        Ok(wanted.min(paid) + slack)
    }

    fn money_at_risk(
        &self,
        kind: RouteKind,
        run_rate: Money,
        allowance: Money,
        days: i64,
    ) -> Result<MoneyAtRisk, Refusal> {
        if kind == RouteKind::Placement {
            let zero = Money::zero(run_rate.currency());
            let worst = exposure(run_rate, 28)?;
            let reversible =
                "the old campaign is only paused and can be turned on again".to_owned();
            return Ok(MoneyAtRisk {
                extra_per_day: zero,
                extra_total: zero,
                worst_regret: worst,
                reversible,
            });
        }
        let total = exposure(allowance, days)?;
        let regret = allowance.checked_mul(21).map_err(|_| Refusal::Range)?;
        let regret = match self.policy.limits {
            Some(limits) if limits.max_regret_per_climb < regret => limits.max_regret_per_climb,
            _ => regret,
        };
        let split = self.policy.compare.budget_mode == BudgetMode::Split;
        // A split adds nothing, unless the challenger's share was raised beyond what is left to its incumbent.
        let over = allowance.minor().saturating_sub(run_rate.minor()).max(0);
        let extra = if split { Money::from_minor(over, run_rate.currency()) } else { allowance };
        let reversible =
            "the challenger can be paused at any time; what it spent is spent".to_owned();
        Ok(MoneyAtRisk {
            extra_per_day: extra,
            extra_total: total,
            worst_regret: regret,
            reversible,
        })
    }
}

/// The challenger's daily budget.
pub fn allowance(policy: &Policy, kind: RouteKind, run_rate: Money) -> Result<Money, Refusal> {
    let bp = match (kind, policy.compare.budget_mode) {
        (RouteKind::Placement, _) => 10_000,
        (_, BudgetMode::Additive) => policy.compare.allowance_bp.clamp(1, 10_000),
        (_, BudgetMode::Split) => 5_000,
    };
    run_rate.basis_points(bp).map_err(|_| Refusal::Range)
}

/// The worst `daily` can spend in `days` days wherever they lie in the week, see [`guard::exposure::of_days`].
pub fn exposure(daily: Money, days: i64) -> Result<Money, Refusal> {
    let worst = guard::exposure::of_days(daily.minor(), days);
    if worst == i64::MAX {
        return Err(Refusal::Range);
    }
    Ok(Money::from_minor(worst, daily.currency()))
}

/// Whole days of `daily` that `cap` pays for at worst.
pub fn affordable_days(cap: Money, daily: Money) -> i64 {
    guard::exposure::days_within(cap.minor(), daily.minor())
}

/// The hour boundary before an instant: Meta keeps whole seconds, and an hour also survives rounding to minutes.
fn whole_hour(moment: Moment) -> Moment {
    Moment::from_millis(moment.millis() - moment.millis().rem_euclid(HOUR_MS))
}

/// That nobody else has edited a tree since the plan was made.
fn untouched(tree: &Tree, aspect: Aspect) -> Expectation {
    let value = fingerprint(&likeness(tree, aspect == Aspect::Tree));
    let object = Target::from(&tree.campaign.id);
    Expectation { object, kind: ObjectKind::Campaign, aspect, value }
}

/// The present budgets of a tree, as preconditions.
fn budget_expectations(tree: &Tree) -> Vec<Expectation> {
    let make = |object: Target, kind, budget: Money| Expectation {
        object,
        kind,
        aspect: Aspect::DailyBudget,
        value: budget.minor().to_string(),
    };
    if let Some(budget) = tree.campaign.daily_budget {
        return vec![make(Target::from(&tree.campaign.id), ObjectKind::Campaign, budget)];
    }
    let sets = tree.adsets.iter();
    sets.filter_map(|s| Some(make(Target::from(&s.id), ObjectKind::AdSet, s.daily_budget?)))
        .collect()
}

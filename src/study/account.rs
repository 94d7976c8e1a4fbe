//! An account of the study as evidence: rows in minor units, campaigns as they would be read.

use crate::domain::{
    CampaignId, ClimbId, Currency, DAY_MS, Day, HOUR_MS, Learning, LearningStatus, LineId, Moment,
    Money, Policy, Zone,
    climb::{Climb, Memory},
    evidence::{ArmFacts, Cell, DayFacts, Evidence, GateFacts},
    policy::Limits,
};
use crate::sandbox::market::{
    LEVELS, LearningStage, PURCHASE,
    policies::{DayRow, HISTORY_DAYS, Observed},
};

/// Days between a day and the morning on which it has been closed for 72 hours.
pub(super) const SETTLE_DAYS: i64 = 4;
/// The hour of the daily decision.
const DECIDE_HOUR: i64 = 6;

/// A campaign of the study: one ad set at one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arm {
    /// The level it optimises for.
    pub(super) level: usize,
    /// The first day whose rows are its own; rows before belong to an older campaign of that level.
    pub(super) since: i64,
    /// Its number, which makes its id.
    pub(super) number: u32,
    /// Switched on.
    pub(super) on: bool,
}

impl Arm {
    pub(super) fn id(self) -> CampaignId {
        CampaignId::new(self.number.to_string()).expect("a number is made of digits")
    }
}

/// The currency of every account of the study; the market's money has none.
pub(super) fn currency() -> Currency {
    "EUR".parse().expect("a currency code of three letters")
}

/// Day 0: a Monday far from the blackouts that ship with the default configuration.
pub(super) fn civil(day: i64) -> Day {
    Day::new(2026, 1, 5).expect("a day of the calendar").plus(day)
}

#[expect(clippy::cast_possible_truncation, reason = "daily money of one account, far below 2^53")]
fn minor(major: f64) -> i64 {
    libm::round(major * 100.0) as i64
}

/// Major units as money.
pub(super) fn money(major: f64) -> Money {
    Money::from_minor(minor(major), currency())
}

/// Money in major units.
pub(super) fn major(money: Money) -> f64 {
    f64::from(i32::try_from(money.minor()).unwrap_or(i32::MAX)) / 100.0
}

fn cell(row: &DayRow, own: bool) -> Cell {
    if !own {
        return Cell { events: vec![0; LEVELS], ..Cell::default() };
    }
    let bought = row.events[PURCHASE];
    Cell {
        spend_minor: minor(row.spend),
        // The study's rows carry no impressions; a day that spent was seen by somebody.
        impressions: u64::from(row.spend > 0.0),
        events: row.events.to_vec(),
        within_one_day: row.one_day_click,
        within_seven_days: bought,
        value_minor: minor(row.value),
    }
}

/// One closed day of both arms.
pub(super) fn facts(
    seen: &Observed<'_>,
    day: i64,
    incumbent: Arm,
    challenger: Option<Arm>,
) -> Option<DayFacts> {
    let at = usize::try_from(day + HISTORY_DAYS).ok()?;
    let row = |arm: Arm| Some(cell(seen.rows(arm.level).get(at)?, day >= arm.since));
    let mut account = (0_i64, 0_u32);
    for level in 0..LEVELS {
        let row = seen.rows(level).get(at)?;
        account.0 += minor(row.spend);
        account.1 += row.events[PURCHASE];
    }
    let challenger = match challenger {
        Some(arm) => Some(row(arm)?),
        None => None,
    };
    Some(DayFacts {
        day: civil(day),
        complete: true,
        incumbent: row(incumbent)?,
        challenger,
        account,
    })
}

/// A campaign as the agent would read it this morning.
pub(super) fn arm_facts(
    seen: &Observed<'_>,
    arm: Arm,
    budget: Money,
    policy: &Policy,
    zone: &Zone,
) -> ArmFacts {
    let view = seen.learning(arm.level);
    let status = match view.status {
        LearningStage::Idle => None,
        LearningStage::Learning => Some(LearningStatus::Learning),
        LearningStage::Success => Some(LearningStatus::Success),
        LearningStage::Limited => Some(LearningStatus::Limited),
    };
    let learning = status.filter(|_| arm.on).map(|status| Learning {
        status,
        conversions: u64::from(view.events_since_edit),
        last_significant_edit: view.last_edit_day.map(|day| zone.start_of(civil(day))),
    });
    let status = if arm.on { "ACTIVE" } else { "PAUSED" };
    ArmFacts {
        campaign: arm.id(),
        name: String::new(),
        rung: policy.ladder.rungs.get(arm.level).map(|rung| rung.key.clone()),
        status: status.to_owned(),
        effective_status: status.to_owned(),
        daily_budget: Some(budget),
        adsets: 1,
        ads: 1,
        in_review: 0,
        disapproved: 0,
        with_issues: 0,
        learning: learning.into_iter().collect(),
        refusals: Vec::new(),
        campaign_budget: false,
    }
}

/// When `day`'s decision is made.
pub(super) fn morning(zone: &Zone, day: i64) -> Moment {
    zone.start_of(civil(day)).plus(DECIDE_HOUR * HOUR_MS)
}

/// Limits that never bind: the study measures decisions, not somebody's purse.
fn generous(budget: Money) -> Option<Limits> {
    let times = |n| budget.checked_mul(n).ok();
    Some(Limits {
        max_daily_spend: times(100)?,
        max_spend_per_climb: times(1_000)?,
        max_regret_per_climb: times(1_000)?,
        max_step: None,
        max_weekly_spend: None,
    })
}

/// The evidence of an account's first morning.
pub(super) fn first_evidence(seen: &Observed<'_>, policy: &Policy, arm: Arm) -> Evidence {
    let zone = Zone::utc();
    let now = morning(&zone, seen.day);
    let budget = money(seen.budget);
    let mut policy = policy.clone();
    policy.limits = generous(budget);
    let rung = policy.ladder.rungs.get(arm.level).map_or_else(String::new, |r| r.key.clone());
    let memory = Memory { path: vec![rung.clone()], ..Memory::default() };
    let climb = Climb::open(climb_id(0), line(), arm.id(), &rung, now, memory);
    let incumbent = arm_facts(seen, arm, budget, &policy, &zone);
    let last = seen.day - SETTLE_DAYS;
    let days = (-HISTORY_DAYS..=last).filter_map(|day| facts(seen, day, arm, None)).collect();
    Evidence {
        version: 1,
        now,
        today: civil(seen.day),
        zone,
        currency: currency(),
        climb,
        policy,
        incumbent,
        challenger: None,
        challenger_gone: false,
        parity: None,
        days,
        gates: GateFacts {
            account_status: 1,
            interference: Vec::new(),
            token_expires: None,
            other_test: None,
            managed_daily_minor: budget.minor(),
            insights_read: Some(now.plus(-DAY_MS / 24)),
            no_raises: Vec::new(),
            study: None,
        },
    }
}

/// The name of the n-th climb.
pub(super) fn climb_id(n: u32) -> ClimbId {
    ClimbId::new(format!("study-{n}")).expect("letters and digits")
}

/// The one line of an account.
pub(super) fn line() -> LineId {
    LineId::new("study").expect("letters")
}

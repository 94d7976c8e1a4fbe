//! The policy: everything a decision needs besides the evidence, as plain values.
//!
//! A policy is stored with every decision (its JSON is part of the evidence), so all of it is plain data with its units
//! in the names: `_ms` milliseconds, `_days` civil days in the account's zone, `_bp` basis points (1/10 000) of money,
//! probabilities and ratios as plain numbers. It holds no secret, no address and no schedule. What the verdict rules
//! mean is the business of [`super::verdict`]; here stand a rule's name and the values a person may override.

mod blackout;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CampaignId, Currency, Day, Ladder, Money};
use crate::planted::{Bug, bug};

pub use blackout::{Blackout, BlackoutError};
pub use pattern::Pattern;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }
        impl $name {
            /// All spellings, in order.
            pub const NAMES: &[&str] = &[$($text),+];
            /// The spelling used in configuration, output and storage.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
            /// Reads the spelling; None for any other text.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

choice! {
    /// How much the daemon may do by itself.
    Mode {
        /// Read and keep history; propose nothing.
        Observe = "observe",
        /// Also work out plans; never hold the write side (the dry run, default).
        Propose = "propose",
        /// Carry out plans that a person approved.
        Supervised = "supervised",
        /// Carry out plans within the limits without asking.
        Autonomous = "autonomous",
    }
}

choice! {
    /// The name of a verdict rule.
    RuleName {
        /// First look after two weeks, promote at 0.90, at 0.75 on the last look (default).
        Balanced = "balanced",
        /// Fewer wrong promotions for half the power.
        Strict = "strict",
        /// More power for more wrong promotions.
        Quick = "quick",
        /// As balanced, but never an untested step down.
        ProveItFirst = "prove_it_first",
        /// Always-valid evidence, looked at every day.
        AlwaysValid = "always_valid",
        /// The literal point comparison on calendar day 14.
        Article = "article",
    }
}

choice! {
    /// How the two arms are kept apart.
    Isolation {
        /// Two campaigns side by side; audiences may overlap.
        None = "none",
        /// A Meta ad study with disjoint audiences.
        AdStudy = "ad_study",
    }
}

choice! {
    /// Where the challenger's budget comes from.
    BudgetMode {
        /// A test allowance on top of the run-rate, ending at the verdict (default).
        Additive = "additive",
        /// Half of the run-rate each.
        Split = "split",
    }
}

choice! {
    /// What decides about an untested step down, and about going back.
    JudgedBy {
        /// What it is expected to save over all markets that are possible (default).
        Saving = "saving",
        /// Purchases a week alone, and afterwards the days before and after.
        Volume = "volume",
    }
}

/// Why an autonomous agent asks a person all the same.
const UNREHEARSED: &str = "this build is not the one that passed its rehearsals, so a person approves each plan; build \
     the released source, or rehearse this one (`rungwise rehearse --seal`)";

/// Everything decisions need, validated as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// What was asked for; [`Policy::effective_mode`] is what holds.
    pub mode: Mode,
    /// The rungs, lowest first.
    pub ladder: Ladder,
    /// What may be spent; None means observe only.
    pub limits: Option<Limits>,
    /// Writes per hour and day.
    pub writes: WriteCaps,
    /// When a rung is eligible, and when it is left downwards.
    pub gates: Gates,
    /// How two arms are compared.
    pub compare: Compare,
    /// When a rung counts as stable.
    pub stabilising: Stabilising,
    /// How long the challenger may learn.
    pub warming: Warming,
    /// How the budget moves after a promotion.
    pub shifting: Shifting,
    /// When a lost climb may be tried again.
    pub retry: Retry,
    /// What decides about an untested step down. Evidence of builds before this key followed the volume.
    #[serde(default)]
    pub placement: Placement,
    /// How an untested placement is watched where the volume decided about it.
    pub probation: Probation,
    /// How long plans live and who must agree.
    pub approval: Approval,
    /// What the kill switch does besides stopping writes.
    #[serde(default)]
    pub stop: Stop,
    /// When a falling value per purchase holds a promotion.
    pub value_guard: ValueGuard,
    /// Which inputs are too old, and how long a token must live.
    pub freshness: Freshness,
    /// Days on which nothing is started, raised or judged, by name.
    pub blackouts: BTreeMap<String, Blackout>,
    /// Campaigns whose name matches are never touched.
    pub protect: Vec<Pattern>,
    /// Prefix of the marker that our objects carry in their names. Names can feed UTM tags.
    pub marker_prefix: String,
    /// Which campaigns are managed.
    pub lines: Lines,
    /// The program is not the one that was rehearsed and may not act alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrehearsed: bool,
}

/// What may be spent. All amounts are of one currency, the account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Sum of the daily budgets of everything managed, per day.
    pub max_daily_spend: Money,
    /// Spend of one climb's challenger, from activation to verdict.
    pub max_spend_per_climb: Money,
    /// Money a climb may lose against the incumbent's cost before it is stopped.
    pub max_regret_per_climb: Money,
    /// The largest single raise of a daily budget, on top of the share in [`Shifting::step_bp`].
    pub max_step: Option<Money>,
    /// The worst a calendar week (Sunday to Saturday) of everything managed may come to; None = seven times
    /// `max_daily_spend`.
    #[serde(default)]
    pub max_weekly_spend: Option<Money>,
}

impl Limits {
    /// The one currency of all limits.
    pub const fn currency(&self) -> Currency {
        self.max_daily_spend.currency()
    }
}

/// How many money-moving writes an account takes; creating PAUSED objects is bounded by the plan instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteCaps {
    /// Per rolling hour.
    pub per_hour: u32,
    /// Per rolling 24 hours.
    pub per_day: u32,
}

/// Volume gates, in optimised events per week and ad set at the arm's test budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gates {
    /// A micro rung needs this many events a week (Meta: about 50 leave the learning phase).
    pub micro_events_per_week: u32,
    /// … with at least this probability.
    pub micro_probability: f64,
    /// The macro rung needs this many conversions a week; below about 30 a lower rung usually wins.
    pub macro_events_per_week: u32,
    /// A micro rung is left downwards only when its forecast falls below this many events a week; what lies between
    /// this and the climb threshold is the hysteresis.
    pub micro_descend_below: u32,
    /// The same for the macro rung.
    pub macro_descend_below: u32,
    /// Below this many macro-conversions a week a line is placed on a lower rung untested and on probation, because a
    /// test could not decide; from here up to `tested_below` the lower rung is tested side by side.
    pub untested_below: u32,
    /// From this many macro-conversions a week on no line leaves the macro rung: a test of a lower rung costs more
    /// than it finds.
    pub tested_below: u32,
    /// A step down goes to the nearest lower rung that makes this many events a week: most of the learning effect is
    /// had by then, and a rung nearer to the purchase loses less.
    pub placement_events_per_week: u32,
    /// Days between two changes of rung of one line.
    pub rung_change_gap_days: u32,
    /// A comparison that can expect fewer macro-conversions in both arms together until its last look is not started.
    pub min_expected_conversions: u32,
}

/// How two arms are compared. `None` leaves a value to the rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compare {
    /// The rule.
    pub rule: RuleName,
    /// Paired decision days before the first look.
    pub window_days: u32,
    /// Paired decision days after which the comparison ends whatever it shows.
    pub max_window_days: u32,
    /// "Comparable" means a cost ratio up to 1 + margin.
    pub margin: f64,
    /// Overrides the rule's probability for *promote* at the ordinary looks.
    pub promote_at: Option<f64>,
    /// Overrides the rule's probability for *promote* at the last look.
    pub promote_at_last: Option<f64>,
    /// Overrides the rule's probability at or below which *stay* is decided.
    pub stay_at: Option<f64>,
    /// How the arms are kept apart.
    pub isolation: Isolation,
    /// Where the challenger's budget comes from.
    pub budget_mode: BudgetMode,
    /// The test allowance as a share of the run-rate in basis points, at most 10 000 (additive only).
    pub allowance_bp: i64,
    /// A day counts once it has been over for this long.
    pub settle_ms: i64,
}

/// When a rung counts as stable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stabilising {
    /// Days a rung must have run at least.
    pub min_days: u32,
    /// Days after which an unstable rung is reported as stuck.
    pub max_days: u32,
    /// Coefficient of variation of the weekly cost per optimised event, at most (0.30 and above is called high).
    pub max_cost_cv: f64,
}

/// How long the challenger may learn before its days count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warming {
    /// Days that never count.
    pub min_days: u32,
    /// Days after which learning is taken for the steady state.
    pub max_days: u32,
    /// Events of its own rung with which the challenger has learned earlier.
    pub events: u32,
}

/// How the budget moves after a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shifting {
    /// One raise in basis points of the current budget, at most.
    pub step_bp: i64,
    /// Between two raises of one campaign, at least.
    pub gap_ms: i64,
    /// Raises of one campaign in any 7 days, at most.
    pub max_steps_per_week: u32,
    /// The combined cost may worsen by this ratio before the shift stops and is judged again.
    pub worsen_margin: f64,
}

/// When a lost climb may be tried again: after the wait and with the growth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// Days since the verdict.
    pub after_days: u32,
    /// Forecast events of the challenger's rung against those of the last attempt.
    pub volume_factor: f64,
}

/// What decides about an untested step down, and how it is watched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// The expected saving or the volume.
    pub judged_by: JudgedBy,
    /// How many times a loss weighs a gain; None leaves it to the rule.
    pub loss_weight: Option<f64>,
    /// Days for which a saving is reckoned, and after which lessons are forgotten.
    pub horizon_days: u32,
    /// Days after the step down before it is looked at.
    pub first_look_days: u32,
    /// Days between two looks.
    pub look_every_days: u32,
    /// Days it is watched at most; then the line stands on the new rung.
    pub watch_days: u32,
}

impl Default for Placement {
    /// What was in force before there were prospects.
    fn default() -> Self {
        Self {
            judged_by: JudgedBy::Volume,
            loss_weight: None,
            horizon_days: 140,
            first_look_days: 10,
            look_every_days: 3,
            watch_days: 182,
        }
    }
}

/// How an untested placement is watched where the volume decided about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probation {
    /// Days after the placement on which it is compared with the time before; ascending.
    pub look_days: Vec<u32>,
    /// Days before the placement it is compared with.
    pub baseline_days: u32,
    /// It is taken back when the probability of a comparable cost is at or below this.
    pub revert_at: f64,
    /// From this probability on it has proven itself and the line may climb from it; until then it stays watched.
    pub proven_at: f64,
}

/// How long plans live and who must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// A plan that was not approved and begun by then is void.
    pub expires_ms: i64,
    /// How many different people must approve a plan.
    pub quorum: u32,
}

/// What the kill switch does besides stopping writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// End running tests and pause their challengers, the only write that still leaves then.
    pub pause_challengers: bool,
}

/// When a falling value per purchase holds a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValueGuard {
    /// False: value is only shown.
    pub enabled: bool,
    /// The fall that holds, as a share of the incumbent's value per purchase.
    pub max_fall: f64,
    /// … when it is at least this probable.
    pub probability: f64,
}

/// Which inputs are too old to decide upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// Age of the newest complete insights read, at most.
    pub insights_ms: i64,
    /// A token must outlive the next money stage by this, or be renewable.
    pub token_margin_days: u32,
}

/// Which campaigns are managed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lines {
    /// Every campaign that stands on the ladder and passes the gates.
    AllEligible,
    /// These and no other.
    Campaigns(BTreeSet<CampaignId>),
}

impl Lines {
    /// True when the campaign is in scope.
    pub fn includes(&self, campaign: &CampaignId) -> bool {
        match self {
            Self::AllEligible => true,
            Self::Campaigns(ids) => ids.contains(campaign),
        }
    }
}

impl Policy {
    /// What decides about an untested step down. The article knows volume only.
    pub fn placement_by(&self) -> JudgedBy {
        if self.compare.rule == RuleName::Article {
            JudgedBy::Volume
        } else {
            self.placement.judged_by
        }
    }
    /// How many times a loss of an untested step down weighs a gain.
    pub fn loss_weight(&self) -> f64 {
        self.placement.loss_weight.unwrap_or(match self.compare.rule {
            RuleName::Quick => 1.5,
            RuleName::Balanced
            | RuleName::ProveItFirst
            | RuleName::AlwaysValid
            | RuleName::Article => 3.0,
            RuleName::Strict => 5.0,
        })
    }
    /// Days an untested placement is watched at most.
    pub fn watch_days(&self) -> u32 {
        match self.placement_by() {
            JudgedBy::Saving => self.placement.watch_days,
            JudgedBy::Volume => self.probation.look_days.last().copied().unwrap_or(84),
        }
    }
    /// The mode that holds, and why when it is less than what was asked for: without limits nothing may be spent.
    pub fn effective_mode(&self) -> (Mode, Option<&'static str>) {
        if self.limits.is_none() && !matches!(self.mode, Mode::Observe) {
            return (Mode::Observe, Some("no limits are configured, so Rungwise only observes"));
        }
        if self.unrehearsed && matches!(self.mode, Mode::Autonomous) {
            return (Mode::Supervised, Some(UNREHEARSED));
        }
        if bug(Bug::ProposeWrites) && self.mode == Mode::Propose {
            return (Mode::Autonomous, None);
        }
        (self.mode, None)
    }
    /// The blackout that covers a day, if any, with its name.
    pub fn blackout_on(&self, day: Day) -> Option<(&str, &Blackout)> {
        self.blackouts.iter().find(|(_, b)| b.covers(day)).map(|(name, b)| (name.as_str(), b))
    }
    /// The pattern that protects a campaign of that name, if any.
    pub fn protected_by(&self, campaign_name: &str) -> Option<&Pattern> {
        self.protect.iter().find(|pattern| pattern.matches(campaign_name))
    }
}

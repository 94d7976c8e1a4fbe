//! A plan: an immutable, hashed, expiring list of writes with the values they expect to find.
//!
//! A plan is decided once and never edited. What a person approves is its hash, which covers the typed actions *and*
//! the exact request each of them will become ([`Template`]), with references such as `{campaign}` where ids come back
//! later. Nothing in this file can send anything.

use std::{collections::BTreeMap, fmt};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    AccountId, AdId, AdSetId, CampaignId, ClimbId, CreativeId, DecisionId, Fields, LineId, Moment,
    Money, ObjectId, OpKey, PlanId, Rung, Status,
};
use crate::planted::{Bug, bug};

/// An object a write is about: one that exists, or one an earlier action of the same plan creates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An existing object.
    Id(ObjectId),
    /// What the action of that key created.
    Created(String),
}

impl Target {
    /// As it stands in a request template: the id, or `{key}`.
    pub fn template(&self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Created(key) => format!("{{{key}}}"),
        }
    }
    /// The id, once everything it refers to has been created.
    pub fn resolve(&self, bindings: &Bindings) -> Option<ObjectId> {
        match self {
            Self::Id(id) => Some(id.clone()),
            Self::Created(key) => bindings.get(key).cloned(),
        }
    }
}
impl From<&CampaignId> for Target {
    fn from(id: &CampaignId) -> Self {
        Self::Id(id.into())
    }
}
impl From<&AdSetId> for Target {
    fn from(id: &AdSetId) -> Self {
        Self::Id(id.into())
    }
}
impl From<&AdId> for Target {
    fn from(id: &AdId) -> Self {
        Self::Id(id.into())
    }
}

/// Ids that settled creations of a plan brought, by action key.
pub type Bindings = BTreeMap<String, ObjectId>;

/// The kinds of object we write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A campaign.
    Campaign,
    /// An ad set.
    AdSet,
    /// An ad.
    Ad,
    /// A rule of Meta's own rule library.
    Rule,
    /// A study that splits people at random.
    Study,
}

impl ObjectKind {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::AdSet => "ad set",
            Self::Ad => "ad",
            Self::Rule => "rule",
            Self::Study => "study",
        }
    }
}

/// One write, in our words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Re-create a campaign, PAUSED.
    CreateCampaign {
        /// Whose likeness it is.
        source: CampaignId,
        /// Name with marker.
        name: String,
        /// Campaign budget per day; None when the ad sets carry it.
        daily_budget: Option<Money>,
        /// Spending limit, where Meta's floor allows one.
        spend_cap: Option<Money>,
        /// The source's fields as read.
        fields: Fields,
    },
    /// Re-create an ad set at another rung, PAUSED.
    CreateAdSet {
        /// Whose likeness it is.
        source: AdSetId,
        /// The campaign it goes into.
        campaign: Target,
        /// Name with marker.
        name: String,
        /// The rung it optimises for.
        rung: Box<Rung>,
        /// The pixel, for pixel events.
        pixel_id: Option<String>,
        /// Its own budget per day, when the campaign has none.
        daily_budget: Option<Money>,
        /// The dead-man bound: when Meta stops it by itself.
        end_time: Option<Moment>,
        /// Attribution windows, e.g. `CLICK_THROUGH:7`.
        attribution: Vec<String>,
        /// The source's fields as read.
        fields: Fields,
    },
    /// Re-create an ad with the same creative, PAUSED.
    CreateAd {
        /// Whose likeness it is.
        source: AdId,
        /// The ad set it goes into.
        adset: Target,
        /// Name with marker.
        name: String,
        /// The creative both arms share.
        creative: CreativeId,
        /// The source's fields as read.
        fields: Fields,
    },
    /// Turn something on, off or away.
    SetStatus {
        /// What.
        object: Target,
        /// Its kind.
        kind: ObjectKind,
        /// Where the switch goes.
        to: Status,
    },
    /// Set a daily budget to an absolute amount.
    SetDailyBudget {
        /// Campaign or ad set.
        object: Target,
        /// Its kind.
        kind: ObjectKind,
        /// The amount per day.
        to: Money,
    },
    /// Move the moment at which Meta ends an ad set by itself; None = runs on.
    SetEndTime {
        /// The ad set.
        object: Target,
        /// The new end.
        to: Option<Moment>,
    },
    /// Set or lift the spending limit of a campaign.
    SetSpendCap {
        /// The campaign.
        object: Target,
        /// The limit; None lifts it.
        to: Option<Money>,
    },
    /// Have Meta pause a campaign's delivery by its own rule once it has spent an amount.
    CreatePauseRule {
        /// Name with marker.
        name: String,
        /// The campaign it watches.
        campaign: Target,
        /// Pauses when lifetime spend exceeds this.
        spend_over: Money,
    },
    /// Remove a rule of our own.
    DeleteRule {
        /// The rule.
        rule: Target,
    },
    /// Have Meta split people at random between campaigns, half and half, from an instant on.
    CreateStudy {
        /// Name with marker.
        name: String,
        /// The business that owns the account: studies are its own.
        business: String,
        /// When it begins: in the future.
        start: Moment,
        /// When it ends by itself.
        end: Moment,
        /// The campaigns, one cell each, under the cell's name.
        cells: Vec<(String, Target)>,
    },
    /// End a study of our own.
    EndStudy {
        /// The study.
        study: Target,
    },
}

/// The cells of a study as text: share and campaign of each, in order of the campaigns' ids.
pub fn cells_text(cells: impl Iterator<Item = (i64, String)>) -> String {
    let mut cells: Vec<(String, i64)> = cells.map(|(share, id)| (id, share)).collect();
    cells.sort();
    let text: Vec<String> = cells.into_iter().map(|(id, share)| format!("{share}:{id}")).collect();
    text.join(" ")
}

/// Meta's word for a rule that is on.
pub const RULE_ON: &str = "ENABLED";

impl Op {
    /// True for writes that make a new object: never repeated without proof of absence.
    pub fn creates(&self) -> Option<ObjectKind> {
        match self {
            Self::CreateCampaign { .. } => Some(ObjectKind::Campaign),
            Self::CreateAdSet { .. } => Some(ObjectKind::AdSet),
            Self::CreateAd { .. } => Some(ObjectKind::Ad),
            Self::CreatePauseRule { .. } => Some(ObjectKind::Rule),
            Self::CreateStudy { .. } => Some(ObjectKind::Study),
            Self::SetStatus { .. }
            | Self::SetDailyBudget { .. }
            | Self::SetEndTime { .. }
            | Self::SetSpendCap { .. }
            | Self::DeleteRule { .. }
            | Self::EndStudy { .. } => None,
        }
    }
    /// True for writes after which the object may not be there any more.
    pub fn removes(&self) -> bool {
        matches!(self, Self::DeleteRule { .. } | Self::EndStudy { .. })
    }
    /// The share of a study's cell that each of `cells` gets, in percent.
    pub const fn cell_share(cells: usize) -> i64 {
        match cells {
            0 | 1 => 100,
            2 => 50,
            _ => 10,
        }
    }
    /// What a creation names as its source; None for what is copied from nothing.
    pub fn source(&self) -> Option<ObjectId> {
        match self {
            Self::CreateCampaign { source, .. } => Some(source.into()),
            Self::CreateAdSet { source, .. } => Some(source.into()),
            Self::CreateAd { source, .. } => Some(source.into()),
            Self::CreatePauseRule { .. }
            | Self::CreateStudy { .. }
            | Self::SetStatus { .. }
            | Self::SetDailyBudget { .. }
            | Self::SetEndTime { .. }
            | Self::SetSpendCap { .. }
            | Self::DeleteRule { .. }
            | Self::EndStudy { .. } => None,
        }
    }
    /// The name a creation gives its object.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::CreateCampaign { name, .. }
            | Self::CreateAdSet { name, .. }
            | Self::CreateAd { name, .. }
            | Self::CreatePauseRule { name, .. }
            | Self::CreateStudy { name, .. } => Some(name),
            Self::SetStatus { .. }
            | Self::SetDailyBudget { .. }
            | Self::SetEndTime { .. }
            | Self::SetSpendCap { .. }
            | Self::DeleteRule { .. }
            | Self::EndStudy { .. } => None,
        }
    }
    /// The object an edit is about, with its kind; None for creations.
    pub fn edits(&self) -> Option<(&Target, ObjectKind)> {
        match self {
            Self::SetStatus { object, kind, .. } | Self::SetDailyBudget { object, kind, .. } => {
                Some((object, *kind))
            }
            Self::SetEndTime { object, .. } => Some((object, ObjectKind::AdSet)),
            Self::SetSpendCap { object, .. } => Some((object, ObjectKind::Campaign)),
            Self::DeleteRule { rule } => Some((rule, ObjectKind::Rule)),
            Self::EndStudy { study } => Some((study, ObjectKind::Study)),
            Self::CreateCampaign { .. }
            | Self::CreateAdSet { .. }
            | Self::CreateAd { .. }
            | Self::CreatePauseRule { .. }
            | Self::CreateStudy { .. } => None,
        }
    }
    /// What a read of the object must show once this write is done.
    pub fn promises(&self) -> Vec<(Aspect, String)> {
        let budget = |b: &Option<Money>| b.map_or_else(String::new, |m| m.minor().to_string());
        let end = |e: &Option<Moment>| e.map_or_else(String::new, |m| m.seconds().to_string());
        let paused = || (Aspect::Status, Status::Paused.as_str().to_owned());
        match self {
            Self::CreateCampaign { name, daily_budget, spend_cap, .. } => vec![
                paused(),
                (Aspect::Name, name.clone()),
                (Aspect::DailyBudget, budget(daily_budget)),
                (Aspect::SpendCap, budget(spend_cap)),
            ],
            Self::CreateAdSet { name, daily_budget, end_time, rung, .. } => vec![
                paused(),
                (Aspect::Name, name.clone()),
                (Aspect::DailyBudget, budget(daily_budget)),
                (Aspect::EndTime, end(end_time)),
                (Aspect::Optimisation, rung.optimisation_key()),
            ],
            Self::CreateAd { name, .. } => vec![paused(), (Aspect::Name, name.clone())],
            Self::SetStatus { to, .. } => vec![(Aspect::Status, to.as_str().to_owned())],
            Self::SetDailyBudget { to, .. } => {
                vec![(Aspect::DailyBudget, to.minor().to_string())]
            }
            Self::SetEndTime { to, .. } => vec![(Aspect::EndTime, end(to))],
            Self::SetSpendCap { to, .. } => vec![(Aspect::SpendCap, budget(to))],
            Self::CreatePauseRule { name, spend_over, .. } => vec![
                (Aspect::Name, name.clone()),
                (Aspect::Status, RULE_ON.to_owned()),
                (Aspect::SpendCap, spend_over.minor().to_string()),
            ],
            Self::DeleteRule { .. } | Self::EndStudy { .. } => {
                vec![(Aspect::Status, Status::Deleted.as_str().to_owned())]
            }
            Self::CreateStudy { name, start, end, cells, .. } => vec![
                (Aspect::Name, name.clone()),
                (Aspect::StartTime, start.seconds().to_string()),
                (Aspect::EndTime, end.seconds().to_string()),
                (
                    Aspect::Cells,
                    cells_text(
                        cells.iter().map(|(_, t)| (Self::cell_share(cells.len()), t.template())),
                    ),
                ),
            ],
        }
    }
}

/// What of an object can be expected before a write and checked after it; values are compared as text: ids and
/// switches in Meta's spelling, money in minor units, instants in Unix seconds, "" = not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The name.
    Name,
    /// The switch.
    Status,
    /// What Meta makes of it.
    EffectiveStatus,
    /// Budget per day.
    DailyBudget,
    /// When it ends.
    EndTime,
    /// Spending limit.
    SpendCap,
    /// What it optimises, see [`Rung::optimisation_key`].
    Optimisation,
    /// Fingerprint of a campaign with everything in it, see [`super::likeness`].
    Tree,
    /// The same without the switches of its ad sets and ads.
    Content,
    /// When a study begins.
    StartTime,
    /// The cells of a study, see [`cells_text`].
    Cells,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Status => "status",
            Self::EffectiveStatus => "effective status",
            Self::DailyBudget => "daily budget",
            Self::EndTime => "end time",
            Self::SpendCap => "spend cap",
            Self::Optimisation => "optimised event",
            Self::Tree | Self::Content => "fingerprint",
            Self::StartTime => "start time",
            Self::Cells => "cells",
        })
    }
}

/// A precondition, re-read right before the write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Of what.
    pub object: Target,
    /// Its kind.
    pub kind: ObjectKind,
    /// Which aspect.
    pub aspect: Aspect,
    /// The value that must still be there.
    pub value: String,
}

/// The request an action becomes, with `{key}` where an id comes back later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// `POST` or `DELETE`.
    pub method: String,
    /// Path without version, e.g. `act_1/adsets`.
    pub path: String,
    /// Form parameters in order; never a secret.
    pub params: Vec<(String, String)>,
}

impl Template {
    /// The template with every `{key}` replaced by its binding; None while one is missing.
    pub fn bind(&self, bindings: &Bindings) -> Option<Self> {
        let fill = |text: &str| {
            let mut out = text.to_owned();
            for (key, id) in bindings {
                out = out.replace(&format!("{{{key}}}"), id.as_str());
            }
            out
        };
        let path = fill(&self.path);
        if path.contains('{') {
            return None;
        }
        let params = self.params.iter().map(|(n, v)| (n.clone(), fill(v))).collect();
        Some(Self { method: self.method.clone(), path, params })
    }
    /// Digest of the bound request, kept in the audit log beside the text.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.method.as_bytes());
        hash.update([0]);
        hash.update(self.path.as_bytes());
        for (name, value) in &self.params {
            hash.update([0]);
            hash.update(name.as_bytes());
            hash.update([1]);
            hash.update(value.as_bytes());
        }
        HEXLOWER.encode(&hash.finalize())
    }
}

/// One write of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Its name within the plan, e.g. `adset.2`; a creation's id is bound to it.
    pub key: String,
    /// The key that identifies this write for ever, carried in the name of what it creates.
    pub op_key: OpKey,
    /// The write.
    #[serde(flatten)]
    pub op: Op,
    /// What must still hold right before it.
    pub expects: Vec<Expectation>,
    /// Not before this instant: steps of a shift schedule.
    pub not_before: Option<Moment>,
    /// Why.
    pub reason: String,
    /// The exact request.
    pub request: Template,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// Re-create the campaign at another rung, everything PAUSED.
    Clone,
    /// Turn the challenger on: the one plan in which money starts.
    Activate,
    /// Bring both arms of a split test to equal budgets.
    Split,
    /// After a promotion: move the budget to the winner.
    Shift,
    /// After stay, abort or stop-loss: turn the challenger off and give the incumbent its budget back.
    End,
    /// Put away what is left over.
    CleanUp,
    /// Undo a placement: the old campaign on again, the placed one off.
    Revert,
}

impl PlanKind {
    /// The word used in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Activate => "activate",
            Self::Split => "split",
            Self::Shift => "shift",
            Self::End => "end",
            Self::CleanUp => "clean_up",
            Self::Revert => "revert",
        }
    }
    /// Plans that only lower what can be spent; the safety direction stays open when raises are blocked.
    pub const fn only_lowers(self) -> bool {
        match self {
            Self::End | Self::CleanUp => true,
            Self::Clone | Self::Activate | Self::Split | Self::Shift | Self::Revert => false,
        }
    }
}

/// What a plan can cost, shown before a person says yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyAtRisk {
    /// Extra daily budget while it runs.
    pub extra_per_day: Money,
    /// Extra spend in all, at most, over-delivery included.
    pub extra_total: Money,
    /// Worst regret: how much of it can have been spent for nothing before the stop-loss acts.
    pub worst_regret: Money,
    /// What can be undone, in words.
    pub reversible: String,
}

/// An immutable list of writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this document's form.
    pub version: u32,
    /// The account it is for.
    pub account: AccountId,
    /// The line it moves.
    pub line: LineId,
    /// The climb or placement it belongs to.
    pub climb: ClimbId,
    /// What it is for.
    pub kind: PlanKind,
    /// The decision that asked for it.
    pub decision: DecisionId,
    /// Hash of the evidence it was computed from.
    pub parent: String,
    /// Who asked for it: `agent`, a person by command, or a guard rail. Where two must agree, this one does not count.
    #[serde(default)]
    pub requested_by: String,
    /// When it was made.
    pub created: Moment,
    /// After this it can be neither approved nor applied.
    pub expires: Moment,
    /// One line for people.
    pub title: String,
    /// Why, in sentences with figures.
    pub reasons: Vec<String>,
    /// What it can cost.
    pub money: MoneyAtRisk,
    /// The writes, in order.
    pub actions: Vec<Action>,
}

/// The hash of a plan's stored bytes, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanHash(String);

impl PlanHash {
    /// Hash of a plan's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"rungwise/plan/v1");
        hash.update(bytes);
        Self(HEXLOWER.encode(&hash.finalize()))
    }
    /// Takes a hash a person or a row named; only its equality with a computed one means anything.
    pub fn named(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// Lower-case hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The short form used as the plan's id.
    pub fn plan_id(&self) -> PlanId {
        let short: String = self.0.chars().take(12).collect();
        PlanId::new(short).expect("hex digits are legal in an id")
    }
}
impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Plan {
    /// The bytes that are stored, shown to `plan -o` and hashed. Maps are ordered, so equal plans give equal bytes.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a plan has no map with non-text keys and no float")
    }
    /// The hash of [`Plan::bytes`].
    pub fn hash(&self) -> PlanHash {
        PlanHash::of(&self.bytes())
    }
    /// True once `now` has passed the expiry.
    pub fn is_expired(&self, now: Moment) -> bool {
        if bug(Bug::ExpiryAtEqual) { now >= self.expires } else { now > self.expires }
    }
    /// The action of that key.
    pub fn action(&self, key: &str) -> Option<&Action> {
        self.actions.iter().find(|a| a.key == key)
    }
    /// What the objects whose daily budgets it sets had before it, together; None where it sets none.
    pub fn budget_before(&self) -> Option<Money> {
        let mut before: BTreeMap<&Target, Money> = BTreeMap::new();
        for action in &self.actions {
            let Op::SetDailyBudget { object, to, .. } = &action.op else { continue };
            let of = |e: &&Expectation| e.object == *object && e.aspect == Aspect::DailyBudget;
            let minor = action.expects.iter().find(of)?.value.parse().ok()?;
            // Later steps expect what earlier ones have left.
            before.entry(object).or_insert(Money::from_minor(minor, to.currency()));
        }
        before.into_values().map(Ok).reduce(|sum, each| sum?.checked_add(each?))?.ok()
    }
}

/// Derives the key of one write: the same step of the same attempt always gets the same key, on every machine.
pub fn op_key(install: &str, climb: &ClimbId, attempt: u32, plan: PlanKind, action: &str) -> OpKey {
    let mut hash = Sha256::new();
    let action = if bug(Bug::OneKeyPerPlan) { "" } else { action };
    for part in [install, climb.as_str(), &attempt.to_string(), plan.as_str(), action] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let text = BASE32_NOPAD.encode(&hash.finalize());
    OpKey::new(text.chars().take(12).collect::<String>()).expect("base32 is legal in an id")
}

/// A person's (or the autonomous policy's) yes or no to one plan hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// What was approved.
    pub plan: PlanHash,
    /// By whom: a user name, or `policy:autonomous`.
    pub by: String,
    /// When.
    pub at: Moment,
    /// Yes or no.
    pub granted: bool,
    /// What they wrote.
    pub note: String,
}

/// Why a plan may not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// The bytes do not give the hash they are filed under.
    #[error("plan {id} was changed after it was made: its bytes hash to {found}, not {filed}")]
    Altered {
        /// Its id.
        id: PlanId,
        /// The hash it is filed under.
        filed: PlanHash,
        /// The hash of its bytes.
        found: PlanHash,
    },
    /// Past its expiry.
    #[error("plan {id} expired at {expired}")]
    Expired {
        /// Its id.
        id: PlanId,
        /// When it expired.
        expired: Moment,
    },
    /// The approval is for something else.
    #[error("the approval is for plan hash {approved}, not for {plan}")]
    OtherHash {
        /// What was approved.
        approved: PlanHash,
        /// What is to be done.
        plan: PlanHash,
    },
    /// Somebody said no.
    #[error("plan {id} was rejected by {by}")]
    Rejected {
        /// Its id.
        id: PlanId,
        /// Who said no.
        by: String,
    },
    /// Not enough people said yes.
    #[error("plan {id} has {have} of {need} approvals")]
    Quorum {
        /// Its id.
        id: PlanId,
        /// Different people who said yes.
        have: usize,
        /// How many are needed.
        need: usize,
    },
}

/// A plan somebody with the right to do so said yes to. The only constructor is [`ApprovedPlan::new`].
#[derive(Debug, Clone)]
pub struct ApprovedPlan {
    plan: Plan,
    hash: PlanHash,
    by: Vec<String>,
    may_raise: bool,
}

/// Beginning of the names under which guard rails agree to writes that only lower; no person can have such a name.
pub const GUARD: &str = "guard:";
/// The name under which the policy of the autonomous mode agrees.
pub const AUTONOMOUS: &str = "policy:autonomous";

/// True for names that no person may give as their own.
pub fn is_reserved_name(by: &str) -> bool {
    by.starts_with(GUARD) || by.starts_with("policy:")
}

impl ApprovedPlan {
    /// Checks bytes against hash, expiry, and that `quorum` different people approved this very hash, from two on
    /// without the one who asked for it.
    ///
    /// What a guard rail asked for and agreed to, and what a person asked for and the quorum has not agreed to yet, may
    /// be carried out as far as it only lowers what is spent: stopping never waits for a second pair of eyes.
    ///
    /// A plan whose execution began before its expiry may be finished after it when `started` is true; an unstarted
    /// one may not.
    pub fn new(
        bytes: &[u8],
        filed: &PlanHash,
        approvals: &[Approval],
        quorum: usize,
        now: Moment,
        started: bool,
    ) -> Result<Self, NotApproved> {
        let id = filed.plan_id();
        let found = PlanHash::of(bytes);
        let plan: Plan = match serde_json::from_slice(bytes) {
            Ok(plan) if found == *filed || bug(Bug::AlteredPlanPasses) => plan,
            _ => return Err(NotApproved::Altered { id, filed: filed.clone(), found }),
        };
        if let Some(other) = approvals.iter().find(|a| a.plan != *filed)
            && !bug(Bug::AnyHashApproves)
        {
            let (approved, plan) = (other.plan.clone(), filed.clone());
            return Err(NotApproved::OtherHash { approved, plan });
        }
        if let Some(no) = approvals.iter().find(|a| !a.granted)
            && !bug(Bug::RejectionIgnored)
        {
            return Err(NotApproved::Rejected { id, by: no.by.clone() });
        }
        let mut by: Vec<String> = approvals.iter().map(|a| a.by.clone()).collect();
        by.sort();
        by.dedup();
        let need = quorum.max(1);
        let guards = by.iter().filter(|name| name.starts_with(GUARD)).count();
        let counts = |name: &&String| {
            let asked_for_it = need > 1 && **name == plan.requested_by;
            !name.starts_with(GUARD) && !asked_for_it
        };
        let have = by.iter().filter(counts).count();
        let may_raise = have >= need || bug(Bug::QuorumByOne) && have + 1 >= need;
        let asked = by.contains(&plan.requested_by);
        if !may_raise && guards == 0 && !(asked && plan.kind.only_lowers()) {
            return Err(NotApproved::Quorum { id, have, need });
        }
        if plan.is_expired(now) && !started && !bug(Bug::ExpiryIgnored) {
            return Err(NotApproved::Expired { id, expired: plan.expires });
        }
        Ok(Self { plan, hash: filed.clone(), by, may_raise })
    }
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
    /// Its hash.
    pub fn hash(&self) -> &PlanHash {
        &self.hash
    }
    /// Who approved it.
    pub fn by(&self) -> &[String] {
        &self.by
    }
    /// False when only its lowering writes may leave.
    pub fn may_raise(&self) -> bool {
        self.may_raise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let eur = |minor| Money::from_minor(minor, "EUR".parse().unwrap());
        Plan {
            version: 1,
            account: AccountId::new("1").unwrap(),
            line: LineId::new("l").unwrap(),
            climb: ClimbId::new("c").unwrap(),
            kind: PlanKind::End,
            decision: DecisionId::new("d").unwrap(),
            parent: "e".into(),
            requested_by: "agent".into(),
            created: Moment::from_millis(0),
            expires: Moment::from_millis(1_000),
            title: "t".into(),
            reasons: vec![],
            money: MoneyAtRisk {
                extra_per_day: eur(0),
                extra_total: eur(0),
                worst_regret: eur(0),
                reversible: "yes".into(),
            },
            actions: vec![],
        }
    }
    fn yes(hash: &PlanHash, by: &str) -> Approval {
        let at = Moment::from_millis(5);
        Approval { plan: hash.clone(), by: by.into(), at, granted: true, note: String::new() }
    }

    #[test]
    fn any_changed_byte_voids_the_approval() {
        let bytes = plan().bytes();
        let hash = plan().hash();
        let now = Moment::from_millis(10);
        assert!(ApprovedPlan::new(&bytes, &hash, &[yes(&hash, "a")], 1, now, false).is_ok());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let answer = ApprovedPlan::new(&changed, &hash, &[yes(&hash, "a")], 1, now, false);
            assert!(matches!(answer, Err(NotApproved::Altered { .. })), "byte {at}");
        }
    }

    #[test]
    fn expiry_other_hash_refusal_and_quorum_each_stop_it() {
        let bytes = plan().bytes();
        let hash = plan().hash();
        let new = |approvals: &[Approval], quorum, ms, started| {
            ApprovedPlan::new(&bytes, &hash, approvals, quorum, Moment::from_millis(ms), started)
        };
        let a = yes(&hash, "a");
        assert!(new(std::slice::from_ref(&a), 1, 1_000, false).is_ok());
        let late = new(std::slice::from_ref(&a), 1, 1_001, false);
        assert!(matches!(late, Err(NotApproved::Expired { .. })));
        assert!(new(std::slice::from_ref(&a), 1, 1_001, true).is_ok(), "a begun plan is finished");
        let other = yes(&PlanHash::named("00"), "a");
        assert!(matches!(new(&[other], 1, 10, false), Err(NotApproved::OtherHash { .. })));
        let no = Approval { granted: false, ..a.clone() };
        assert!(matches!(new(&[a.clone(), no], 1, 10, false), Err(NotApproved::Rejected { .. })));
        let twice = new(&[a.clone(), a.clone()], 2, 10, false);
        assert!(matches!(twice, Err(NotApproved::Quorum { have: 1, need: 2, .. })));
        assert!(new(&[a, yes(&hash, "b")], 2, 10, false).is_ok());
        assert!(matches!(new(&[], 0, 10, false), Err(NotApproved::Quorum { need: 1, .. })));
    }

    #[test]
    fn a_template_binds_only_when_every_reference_is_known() {
        let template = Template {
            method: "POST".into(),
            path: "{campaign}".into(),
            params: vec![("campaign_id".into(), "{campaign}".into())],
        };
        assert_eq!(template.bind(&Bindings::new()), None);
        let mut bindings = Bindings::new();
        bindings.insert("campaign".into(), ObjectId::new("77").unwrap());
        let bound = template.bind(&bindings).unwrap();
        assert_eq!((bound.path.as_str(), bound.params[0].1.as_str()), ("77", "77"));
        assert_ne!(bound.digest(), template.digest());
    }

    #[test]
    fn an_op_key_depends_on_every_part() {
        let climb = ClimbId::new("c").unwrap();
        let base = op_key("i", &climb, 0, PlanKind::Clone, "campaign");
        assert_eq!(base.as_str().len(), 12);
        assert_ne!(base, op_key("j", &climb, 0, PlanKind::Clone, "campaign"));
        assert_ne!(base, op_key("i", &climb, 1, PlanKind::Clone, "campaign"));
        assert_ne!(base, op_key("i", &climb, 0, PlanKind::End, "campaign"));
        assert_ne!(base, op_key("i", &climb, 0, PlanKind::Clone, "adset.1"));
    }
}

//! The stored inputs of a decision: everything `decide` may look at, and nothing else.
//!
//! Evidence is collected from the store, filed under the hash of its bytes, and never changed; a replay reads it back
//! and must come to the same decision byte for byte. It holds only what an account's owner could see: rows as they
//! were read, statuses, Meta's own learning status, and the policy in force.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    CampaignId, Currency, Day, Learning, Moment, Money, Zone, climb::Climb, policy::Policy,
};

/// One arm on one day, summed over its ad sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Spend in minor units.
    #[serde(rename = "s")]
    pub spend_minor: i64,
    /// Impressions.
    #[serde(rename = "i")]
    pub impressions: u64,
    /// Events per rung of the ladder, lowest first; the last one are the macro-conversions.
    #[serde(rename = "e")]
    pub events: Vec<u32>,
    /// Macro-conversions within one day of the click or view, for the attribution lag.
    #[serde(rename = "p1")]
    pub within_one_day: u32,
    /// Macro-conversions within seven days of the click or one of the view.
    #[serde(rename = "p7")]
    pub within_seven_days: u32,
    /// Value of the macro-conversions in minor units.
    #[serde(rename = "v")]
    pub value_minor: i64,
}

impl Cell {
    /// Macro-conversions.
    pub fn macro_events(&self) -> u32 {
        self.events.last().copied().unwrap_or(0)
    }
    /// Events of one rung of the ladder.
    pub fn rung_events(&self, rung: usize) -> u32 {
        self.events.get(rung).copied().unwrap_or(0)
    }
    /// Spend without a single impression: the row is incomplete, a *gap*.
    pub fn is_gap(&self) -> bool {
        self.spend_minor > 0 && self.impressions == 0
    }
}

/// One closed day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayFacts {
    /// The day.
    #[serde(rename = "d")]
    pub day: Day,
    /// False when no complete read covers it after it settled: the day is missing, not empty.
    #[serde(rename = "ok")]
    pub complete: bool,
    /// The incumbent; a day without delivery is a cell of zeros.
    #[serde(rename = "a")]
    pub incumbent: Cell,
    /// The challenger, while there is one.
    #[serde(rename = "b")]
    pub challenger: Option<Cell>,
    /// Spend and macro-conversions of the whole account, for its blended CPA.
    #[serde(rename = "t")]
    pub account: (i64, u32),
}

/// A campaign as it stands now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmFacts {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its name; foreign text.
    pub name: String,
    /// The rung all its live ad sets optimise for; None when they differ or stand on none.
    pub rung: Option<String>,
    /// Its own switch, in Meta's spelling.
    pub status: String,
    /// What Meta makes of it.
    pub effective_status: String,
    /// Daily budget of the whole tree.
    pub daily_budget: Option<Money>,
    /// Live ad sets.
    pub adsets: u32,
    /// Live ads.
    pub ads: u32,
    /// Ads that wait for review, and ad sets and ads that Meta is still processing.
    pub in_review: u32,
    /// Ads that review refused.
    pub disapproved: u32,
    /// Ad sets and ads whose processing ended with issues: they are there, can be switched on, and deliver nothing.
    /// Evidence of builds before this key did not look.
    #[serde(default, skip_serializing_if = "none")]
    pub with_issues: u32,
    /// Meta's learning status of each live ad set, where it says.
    pub learning: Vec<Learning>,
    /// Why this campaign may not be managed; empty = it may.
    pub refusals: Vec<String>,
    /// True when it starts from a campaign budget.
    pub campaign_budget: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn none(count: &u32) -> bool {
    *count == 0
}

impl ArmFacts {
    /// Delivering as far as its switches go.
    pub fn is_on(&self) -> bool {
        self.status == "ACTIVE"
    }
}

/// How a copy compares with its source, field by field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParityFacts {
    /// Fields compared.
    pub compared: u32,
    /// Differences that are ordered: the event, the name, the budget, the end.
    pub expected: Vec<String>,
    /// Differences nobody ordered.
    pub unexpected: Vec<String>,
    /// Objects missing in the copy.
    pub missing: Vec<String>,
}

impl ParityFacts {
    /// Nothing differs but what was ordered.
    pub fn holds(&self) -> bool {
        self.unexpected.is_empty() && self.missing.is_empty()
    }
}

/// Facts that open or close the gates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateFacts {
    /// `account_status`; 1 = active.
    pub account_status: i64,
    /// Rules, studies and budget schedules that touch the incumbent.
    pub interference: Vec<String>,
    /// When the token ends; None = never, or renewable.
    pub token_expires: Option<Moment>,
    /// Another line of this account is in a test.
    pub other_test: Option<String>,
    /// Daily budgets of everything managed that is on, in minor units.
    #[serde(alias = "account_daily_minor")]
    pub managed_daily_minor: i64,
    /// When the newest complete read of insights ended.
    pub insights_read: Option<Moment>,
    /// Where an agent's own safety checks forbid raises, why.
    pub no_raises: Vec<String>,
    /// What a study would need, where the policy asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<StudyFacts>,
}

/// What a study of two arms needs at Meta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyFacts {
    /// The business that owns the account; studies are its own.
    pub business: Option<String>,
    /// The token has `business_management`; None when its permissions are not known.
    pub permitted: Option<bool>,
}

/// Everything a decision was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Version of this document's form.
    pub version: u32,
    /// When it was collected.
    pub now: Moment,
    /// The civil day then.
    pub today: Day,
    /// The account's zone.
    pub zone: Zone,
    /// The account's currency.
    pub currency: Currency,
    /// The climb as it stood.
    pub climb: Climb,
    /// The policy in force.
    pub policy: Policy,
    /// The incumbent.
    pub incumbent: ArmFacts,
    /// The challenger, once it exists.
    pub challenger: Option<ArmFacts>,
    /// Meta itself says that the challenger was archived or deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub challenger_gone: bool,
    /// How the challenger compares with the incumbent, while it is being built.
    pub parity: Option<ParityFacts>,
    /// Closed days, oldest first, without a hole.
    pub days: Vec<DayFacts>,
    /// Gate facts.
    pub gates: GateFacts,
}

impl Evidence {
    /// The bytes that are stored and hashed.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("evidence has only text keys and finite numbers")
    }
    /// Lower-case hex SHA-256 of stored evidence bytes.
    pub fn hash(bytes: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update(bytes);
        HEXLOWER.encode(&hash.finalize())
    }
    /// Position of a rung on the ladder.
    pub fn rung_index(&self, key: &str) -> Option<usize> {
        self.policy.ladder.rungs.iter().position(|r| r.key == key)
    }
    /// Position of the macro rung.
    pub fn macro_index(&self) -> usize {
        self.policy.ladder.rungs.len().saturating_sub(1)
    }
}

//! One ad set, one day, its numbers, as one read saw them.

use serde::{Deserialize, Serialize};

use super::{AdSetId, ByName, CampaignId, Day, Moment, Money};

/// How often one action happened, by attribution window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionCount {
    /// Under the ad set's own attribution setting (`value`).
    #[serde(rename = "v")]
    pub value: u64,
    /// Under explicit windows such as `7d_click`; a missing key is zero.
    #[serde(rename = "w", default, skip_serializing_if = "ByName::is_empty")]
    pub windows: ByName<u64>,
}

/// A daily row of one ad set.
///
/// The keys of `actions` are action types; those out of the `conversions` field carry the prefix `conversions:`.
/// Aliases of one event stand side by side and are never added up: a rung names the one it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsightRow {
    /// The ad set.
    pub adset: AdSetId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The civil day in the account's zone.
    pub day: Day,
    /// Spend of the day.
    pub spend: Money,
    /// Impressions.
    pub impressions: u64,
    /// Link clicks (`inline_link_clicks`).
    pub link_clicks: u64,
    /// `attribution_setting` under which `value` was counted, e.g. `7d_click_1d_view`.
    pub attribution: String,
    /// Counts by action type.
    pub actions: ByName<ActionCount>,
    /// Values by action type, in minor units of the account's currency.
    pub values: ByName<i64>,
}

impl InsightRow {
    /// Count of one action type under the ad set's own setting; absent = 0.
    pub fn count(&self, action_type: &str) -> u64 {
        self.actions.get(action_type).map_or(0, |a| a.value)
    }
    /// Value of one action type in minor units; absent = 0.
    pub fn value_minor(&self, action_type: &str) -> i64 {
        self.values.get(action_type).copied().unwrap_or(0)
    }
}

/// A row together with when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRow {
    /// When the read that brought it ended.
    pub seen_at: Moment,
    /// The row.
    pub row: InsightRow,
}

//! What Meta makes of the switches: `effective_status`, and whether an ad set can deliver at all.

use super::{
    objects::{Id, Kind, Node},
    world::World,
};

impl World {
    /// `effective_status` of a campaign, ad set or ad; other objects have only their own status.
    pub(super) fn effective(&self, node: &Node) -> &'static str {
        let campaign = self.nodes.get(&node.campaign).map_or("", |n| n.status());
        let adset = self.nodes.get(&node.adset).map_or("", |n| n.status());
        for gone in ["DELETED", "ARCHIVED"] {
            if [node.status(), adset, campaign].contains(&gone) {
                return if gone == "DELETED" { "DELETED" } else { "ARCHIVED" };
            }
        }
        if node.busy > self.now {
            return "IN_PROCESS";
        }
        if node.issues {
            return "WITH_ISSUES";
        }
        if node.kind == Kind::Ad && node.review > self.now {
            return "PENDING_REVIEW";
        }
        if node.rejected {
            return "DISAPPROVED";
        }
        match node.kind {
            _ if node.status() == "PAUSED" => "PAUSED",
            Kind::Ad if adset == "PAUSED" => "ADSET_PAUSED",
            Kind::Ad | Kind::AdSet if campaign == "PAUSED" => "CAMPAIGN_PAUSED",
            _ => "ACTIVE",
        }
    }
    /// The ads of an ad set that can be shown now; empty when the ad set itself cannot deliver.
    pub(super) fn showing(&self, adset: &Node) -> Vec<Id> {
        let Some(campaign) = self.nodes.get(&adset.campaign) else { return Vec::new() };
        let capped =
            campaign.amount("spend_cap").is_some_and(|cap| self.spent_by(campaign.id) >= cap);
        let begun = |n: &Node| n.moment("start_time").is_none_or(|t| t <= self.now);
        let ended = |n: &Node, field| n.moment(field).is_some_and(|t| t <= self.now);
        let used_up =
            |n: &Node| n.amount("lifetime_budget").is_some_and(|b| self.spent_by(n.id) >= b);
        if self.effective(adset) != "ACTIVE"
            || capped
            || !matches!(self.account_status, 1 | 9)
            || !begun(adset)
            || !begun(campaign)
            || ended(adset, "end_time")
            || ended(campaign, "stop_time")
            || used_up(adset)
            || used_up(campaign)
        {
            return Vec::new();
        }
        let shown = |id: &Id| self.nodes.get(id).is_some_and(|ad| self.effective(ad) == "ACTIVE");
        self.ads_of(adset.id).into_iter().filter(shown).collect()
    }
    /// Minor units a campaign or ad set has spent in its life, up to the end of yesterday.
    pub(super) fn spent_by(&self, id: Id) -> i64 {
        self.spent.get(&id).copied().unwrap_or(0)
    }
}

//! What stands in the account, as no read of the API would tell it: nothing hidden, nothing late.

use std::collections::BTreeMap;

use super::{
    handle::Sandbox,
    objects::{Kind, Node},
};
use crate::domain::Moment;

/// One campaign, ad set, ad, rule or study as it truly is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// `campaign`, `adset`, `ad`, or the word for a rule or study.
    pub kind: &'static str,
    /// Campaign of an ad set or ad, "0" otherwise.
    pub campaign: String,
    /// Its name.
    pub name: String,
    /// Its switch; a study has none and counts as on until it is ended.
    pub status: String,
    /// Budget per day in minor units.
    pub daily_budget: Option<i64>,
    /// Spend cap in minor units.
    pub spend_cap: Option<i64>,
    /// End of its schedule.
    pub end_time: Option<Moment>,
    /// What it was re-created or copied from, if anything.
    pub source: String,
    /// The event it optimises for, empty where there is none.
    pub event: String,
    /// Whom an ad set shows to and what it bids, or which creative an ad shows; empty for all else.
    pub shows: String,
    /// An ad that review has refused: it shows nothing, however it is switched.
    pub refused: bool,
}

impl Standing {
    /// Neither archived nor deleted.
    pub fn is_there(&self) -> bool {
        !matches!(self.status.as_str(), "ARCHIVED" | "DELETED")
    }
    /// Switched on; rules say ENABLED.
    pub fn is_on(&self) -> bool {
        matches!(self.status.as_str(), "ACTIVE" | "ENABLED")
    }
}

impl Sandbox {
    /// What Meta makes of the switches of every campaign, ad set and ad: `effective_status` by id.
    pub fn effective(&self) -> BTreeMap<String, &'static str> {
        let kinds = [Kind::Campaign, Kind::AdSet, Kind::Ad];
        self.with_world(|world| {
            let nodes = world.nodes.values().filter(|n| kinds.contains(&n.kind));
            nodes.map(|n| (n.id.to_string(), world.effective(n))).collect()
        })
    }
    /// Every campaign, ad set, ad, rule and study, oldest first.
    pub fn inventory(&self) -> Vec<Standing> {
        let kinds = [Kind::Campaign, Kind::AdSet, Kind::Ad, Kind::Rule, Kind::Study];
        self.with_world(|world| {
            let nodes = world.nodes.values().filter(|n| kinds.contains(&n.kind));
            let standing = nodes.map(|n| Standing {
                id: n.id.to_string(),
                kind: n.kind.word(),
                campaign: n.campaign.to_string(),
                name: n.text("name").to_owned(),
                status: match n.kind {
                    Kind::Study if n.text("canceled_time").is_empty() => "ACTIVE",
                    Kind::Study => "DELETED",
                    _ => n.status(),
                }
                .to_owned(),
                daily_budget: n.amount("daily_budget"),
                spend_cap: n.amount("spend_cap"),
                end_time: n.moment("end_time").or_else(|| n.moment("stop_time")),
                source: ["source_campaign_id", "source_adset_id", "source_ad_id"]
                    .into_iter()
                    .map(|name| n.text(name))
                    .find(|text| !text.is_empty())
                    .unwrap_or_default()
                    .to_owned(),
                event: n
                    .fields
                    .get("promoted_object")
                    .and_then(|o| o.get("custom_event_type")?.as_str())
                    .unwrap_or_default()
                    .to_owned(),
                shows: shows(n),
                refused: n.rejected,
            });
            standing.collect()
        })
    }
}

fn shows(node: &Node) -> String {
    let fields: &[&str] = match node.kind {
        Kind::AdSet => &["targeting", "bid_strategy", "bid_amount"],
        Kind::Ad => &["creative"],
        _ => &[],
    };
    let values = fields.iter().filter_map(|name| node.fields.get(*name));
    values.map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

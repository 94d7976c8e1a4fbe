//! What stands in the account, as no read of the API would tell it: nothing hidden, nothing late.

use super::{handle::Sandbox, objects::Kind};

/// One campaign, ad set, ad or rule as it truly is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// `campaign`, `adset`, `ad`, or the word for a rule.
    pub kind: &'static str,
    /// Campaign of an ad set or ad, "0" otherwise.
    pub campaign: String,
    /// Its name.
    pub name: String,
    /// Its switch.
    pub status: String,
    /// Budget per day in minor units.
    pub daily_budget: Option<i64>,
}

impl Sandbox {
    /// Every campaign, ad set, ad and rule, oldest first.
    pub fn inventory(&self) -> Vec<Standing> {
        let kinds = [Kind::Campaign, Kind::AdSet, Kind::Ad, Kind::Rule];
        self.with_world(|world| {
            let nodes = world.nodes.values().filter(|n| kinds.contains(&n.kind));
            let standing = nodes.map(|n| Standing {
                id: n.id.to_string(),
                kind: n.kind.word(),
                campaign: n.campaign.to_string(),
                name: n.text("name").to_owned(),
                status: n.status().to_owned(),
                daily_budget: n.amount("daily_budget"),
            });
            standing.collect()
        })
    }
}

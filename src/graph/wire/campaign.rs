//! A campaign.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, bad, num::Loose, read};
use crate::domain::{Campaign, CampaignId, Currency};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    id: Loose,
    name: Loose,
    objective: Loose,
    status: Loose,
    effective_status: Loose,
    daily_budget: Loose,
    lifetime_budget: Loose,
    spend_cap: Loose,
    bid_strategy: Loose,
    special_ad_categories: Option<Vec<Loose>>,
}

/// Reads a campaign.
pub(in crate::graph) fn parse(value: &Value, currency: Currency) -> Result<Campaign, WireError> {
    let (wire, fields, label): (Wire, _, _) = read("campaign", value)?;
    let money = |loose: &Loose, field| loose.money(&label, field, currency);
    let categories = wire.special_ad_categories.unwrap_or_default();
    Ok(Campaign {
        id: CampaignId::new(wire.id.0).map_err(|e| bad(&label, e))?,
        name: wire.name.0,
        objective: wire.objective.0.into(),
        status: wire.status.0.into(),
        effective_status: wire.effective_status.0.into(),
        daily_budget: money(&wire.daily_budget, "daily_budget")?,
        lifetime_budget: money(&wire.lifetime_budget, "lifetime_budget")?,
        spend_cap: money(&wire.spend_cap, "spend_cap")?,
        bid_strategy: wire.bid_strategy.filled().map(str::to_owned),
        special_ad_categories: categories
            .into_iter()
            .map(|c| c.0)
            .filter(|c| !c.is_empty() && c != "NONE")
            .collect(),
        fields,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{EffectiveStatus, Objective};

    #[test]
    fn unknown_words_keep_their_spelling_and_every_field_is_kept() {
        let value = json!({"id":"120","name":"N","objective":"OUTCOME_TELEPORT","status":"ACTIVE",
            "effective_status":"HIBERNATING","daily_budget":"5000","spend_cap":"922337203685478",
            "special_ad_categories":["NONE"],"brand_new":{"a":1}});
        let campaign = parse(&value, "JPY".parse().unwrap()).unwrap();
        assert_eq!(campaign.objective, Objective::Other("OUTCOME_TELEPORT".into()));
        assert_eq!(campaign.effective_status, EffectiveStatus::Other("HIBERNATING".into()));
        assert_eq!(campaign.daily_budget.unwrap().to_string(), "5000 JPY");
        assert_eq!((campaign.spend_cap, campaign.special_ad_categories.len()), (None, 0));
        assert_eq!(campaign.fields["brand_new"], json!({"a":1}));
        assert_eq!(campaign.fields.len(), 9);
    }

    #[test]
    fn a_campaign_with_a_broken_id_or_budget_is_refused() {
        let eur = "EUR".parse().unwrap();
        assert!(parse(&json!({"id":"act_1"}), eur).is_err());
        assert!(parse(&json!({"id":"1\n2"}), eur).is_err());
        let error = parse(&json!({"id":"12","daily_budget":"12,50"}), eur).unwrap_err();
        assert_eq!(error.to_string(), "campaign 12: daily_budget is not a whole number: \"12,50\"");
    }
}

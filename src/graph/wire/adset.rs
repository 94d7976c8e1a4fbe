//! An ad set.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, bad, num::Loose, read};
use crate::domain::{
    AdSet, AdSetId, CampaignId, Currency, Learning, Optimisation, rung::optimisation_key,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    id: Loose,
    campaign_id: Loose,
    name: Loose,
    status: Loose,
    effective_status: Loose,
    optimization_goal: Loose,
    promoted_object: Option<Promoted>,
    daily_budget: Loose,
    lifetime_budget: Loose,
    bid_strategy: Loose,
    bid_amount: Loose,
    end_time: Loose,
    learning_stage_info: Option<Stage>,
    attribution_spec: Option<Vec<Attribution>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Promoted {
    pixel_id: Loose,
    custom_event_type: Loose,
    custom_event_str: Loose,
    custom_conversion_id: Loose,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stage {
    status: Loose,
    conversions: Loose,
    last_sig_edit_ts: Loose,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attribution {
    event_type: Loose,
    window_days: Loose,
}

/// Reads an ad set.
pub(in crate::graph) fn parse(value: &Value, currency: Currency) -> Result<AdSet, WireError> {
    let (wire, fields, label): (Wire, _, _) = read("ad set", value)?;
    let money = |loose: &Loose, field| loose.money(&label, field, currency);
    let daily_budget = money(&wire.daily_budget, "daily_budget")?;
    let lifetime_budget = money(&wire.lifetime_budget, "lifetime_budget")?;
    let spec = wire.attribution_spec.as_deref().unwrap_or_default();
    let mut attribution: Vec<String> =
        spec.iter().map(|a| format!("{}:{}", a.event_type.0, a.window_days.0)).collect();
    attribution.sort();
    let learning = wire.learning_stage_info.as_ref().map(|s| stage(&label, s)).transpose()?;
    Ok(AdSet {
        id: AdSetId::new(wire.id.0).map_err(|e| bad(&label, e))?,
        campaign: CampaignId::new(wire.campaign_id.0).map_err(|e| bad(&label, e))?,
        name: wire.name.0,
        status: wire.status.0.into(),
        effective_status: wire.effective_status.0.into(),
        optimisation: optimisation(wire.optimization_goal, wire.promoted_object),
        daily_budget,
        lifetime_budget,
        bid_strategy: wire.bid_strategy.filled().map(str::to_owned),
        bid_amount: wire.bid_amount.int(&label, "bid_amount")?.filter(|n| *n != 0),
        end_time: wire.end_time.moment(&label, "end_time")?,
        learning: learning.flatten(),
        attribution,
        fields,
    })
}

fn stage(label: &str, stage: &Stage) -> Result<Option<Learning>, WireError> {
    let Some(status) = stage.status.filled() else { return Ok(None) };
    let conversions = match stage.conversions.filled() {
        None => 0,
        Some(text) => super::num::count(text).ok_or_else(|| {
            bad(label, format!("learning_stage_info.conversions is not a count: {text:?}"))
        })?,
    };
    let last_significant_edit = stage.last_sig_edit_ts.moment(label, "last_sig_edit_ts")?;
    Ok(Some(Learning { status: status.into(), conversions, last_significant_edit }))
}

fn optimisation(goal: Loose, promoted: Option<Promoted>) -> Optimisation {
    let promoted = promoted.unwrap_or_default();
    let some = |loose: Loose| loose.filled().map(str::to_owned);
    Optimisation {
        goal: goal.0,
        pixel_id: some(promoted.pixel_id),
        custom_event_type: some(promoted.custom_event_type),
        custom_event_str: some(promoted.custom_event_str),
        custom_conversion_id: some(promoted.custom_conversion_id),
    }
}

/// The text a rung is compared with. A goal other than pixel events has no event, whatever `promoted_object` names.
pub(in crate::graph) fn key(optimisation: &Optimisation) -> String {
    let event = |text: &'_ Option<String>| -> Option<String> {
        if optimisation.goal == "LANDING_PAGE_VIEWS" { None } else { text.clone() }
    };
    optimisation_key(
        &optimisation.goal,
        event(&optimisation.custom_event_type).as_deref(),
        event(&optimisation.custom_event_str).as_deref(),
        event(&optimisation.custom_conversion_id).as_deref(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::LearningStatus;

    #[test]
    fn an_ad_set_is_read_with_event_learning_and_windows() {
        let value = json!({"id":"5","campaign_id":"4","name":"S","status":"PAUSED",
            "effective_status":"CAMPAIGN_PAUSED","optimization_goal":"OFFSITE_CONVERSIONS",
            "promoted_object":{"pixel_id":"99","custom_event_type":"ADD_TO_CART","smart_pse_enabled":false},
            "daily_budget":"0","bid_amount":0,"end_time":"2026-12-01T00:00:00+0100",
            "attribution_spec":[{"event_type":"VIEW_THROUGH","window_days":1},
                {"event_type":"CLICK_THROUGH","window_days":"7"}],
            "learning_stage_info":{"status":"LEARNING","conversions":"12","last_sig_edit_ts":1_793_614_272}});
        let set = parse(&value, "EUR".parse().unwrap()).unwrap();
        assert_eq!(key(&set.optimisation), "OFFSITE_CONVERSIONS/ADD_TO_CART");
        assert_eq!(set.attribution, ["CLICK_THROUGH:7", "VIEW_THROUGH:1"]);
        assert_eq!((set.daily_budget, set.bid_amount), (None, None));
        assert_eq!(set.end_time.unwrap().rfc3339(), "2026-11-30T23:00:00Z");
        let learning = set.learning.unwrap();
        assert_eq!((learning.status, learning.conversions), (LearningStatus::Learning, 12));
    }

    #[test]
    fn a_landing_page_goal_has_no_event() {
        let value = json!({"id":"5","campaign_id":"4","optimization_goal":"LANDING_PAGE_VIEWS",
            "promoted_object":{"pixel_id":"9","custom_event_type":"PURCHASE"}});
        let set = parse(&value, "EUR".parse().unwrap()).unwrap();
        assert_eq!(key(&set.optimisation), "LANDING_PAGE_VIEWS");
        assert_eq!(set.learning, None);
    }
}

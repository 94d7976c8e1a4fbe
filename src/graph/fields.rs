//! Which fields are asked, and which of them are sent again when an object is re-created.
//!
//! Copying is by list: a field not named here is not sent. What a copy must equal although it is not sent (or is set by
//! the operation itself) is judged afterwards by [`crate::domain::parity`] over two reads.

use serde_json::{Map, Value, json};

use crate::domain::Fields;

/// Fields of the account.
pub const ACCOUNT: &str = "id,account_id,name,currency,timezone_name,timezone_id,\
timezone_offset_hours_utc,account_status,disable_reason,amount_spent,balance,spend_cap,\
min_daily_budget,min_campaign_group_spend_cap,attribution_spec,\
is_attribution_spec_system_default,default_dsa_payor,default_dsa_beneficiary,business";

/// Fields of a campaign.
pub const CAMPAIGN: &str = "id,account_id,name,objective,buying_type,status,configured_status,\
effective_status,special_ad_categories,special_ad_category_country,daily_budget,lifetime_budget,\
budget_remaining,spend_cap,bid_strategy,pacing_type,is_adset_budget_sharing_enabled,\
is_budget_schedule_enabled,promoted_object,smart_promotion_type,advantage_state_info,start_time,\
stop_time,created_time,updated_time,source_campaign_id,issues_info,recommendations,adlabels,\
last_budget_toggling_time";

/// Fields of an ad set.
pub const ADSET: &str = "id,account_id,campaign_id,name,status,configured_status,effective_status,\
optimization_goal,optimization_sub_event,billing_event,bid_strategy,bid_amount,bid_constraints,\
promoted_object,destination_type,attribution_spec,attribution_count_type,\
is_incremental_attribution_enabled,daily_budget,lifetime_budget,budget_remaining,\
daily_min_spend_target,daily_spend_cap,lifetime_min_spend_target,lifetime_spend_cap,pacing_type,\
adset_schedule,start_time,end_time,targeting,is_dynamic_creative,frequency_control_specs,\
placement_soft_opt_out,dsa_beneficiary,dsa_payor,regional_regulated_categories,\
regional_regulation_identities,value_rule_set_id,value_rules_applied,brand_safety_config,\
learning_stage_info,issues_info,recommendations,source_adset_id,created_time,updated_time,adlabels,\
recurring_budget_semantics,review_feedback";

/// Fields of an ad.
pub const AD: &str = "id,campaign_id,adset_id,name,status,configured_status,effective_status,\
creative{id,name,object_story_id,effective_object_story_id,url_tags},tracking_specs,\
conversion_specs,conversion_domain,ad_review_feedback,issues_info,source_ad_id,created_time,\
updated_time,last_updated_by_app_id,display_sequence,ad_schedule_start_time,ad_schedule_end_time,\
adlabels";

/// Fields of an entry of the activity log.
pub const ACTIVITY: &str =
    "event_time,event_type,object_id,object_name,object_type,application_id,actor_id,extra_data";

/// What else a campaign has and a copy must equal: asked only where twins are compared.
pub const CAMPAIGN_REST: &str = "boosted_object_id,budget_rebalance_flag,is_direct_send_campaign,\
is_message_campaign,is_skadnetwork_attribution,primary_attribution,special_ad_category,topline_id";

/// What else an ad set has and a copy must equal.
pub const ADSET_REST: &str = "anchor_event_attribution_window_days,automatic_manual_state,\
bid_adjustments,campaign_attribution,creative_sequence,creative_sequence_repetition_pattern,\
existing_customer_budget_percentage,full_funnel_exploration_mode,is_ba_skip_delayed_eligible,\
is_budget_schedule_enabled,lifetime_imps,max_budget_spend_percentage,min_budget_spend_percentage,\
multi_event_conversion_attribution_window_seconds,multi_optimization_goal_weight,\
time_based_ad_rotation_id_blocks,time_based_ad_rotation_intervals,trending_topics_spec,\
use_new_app_click";

/// What else an ad has and a copy must equal.
pub const AD_REST: &str = "creative_asset_groups_spec,priority";

/// Fields of a daily row of an ad set. Nothing unique, no breakdown: those are cut off after some months.
pub const INSIGHTS: &str = "account_currency,campaign_id,adset_id,attribution_setting,spend,\
impressions,inline_link_clicks,actions,action_values,conversions,conversion_values";

/// Fields of a daily row of the account.
pub const ACCOUNT_INSIGHTS: &str = "account_currency,spend";

/// Windows asked in every read, so that arms with different settings stay comparable.
pub const WINDOWS: &str = r#"["1d_click","7d_click","1d_view"]"#;

/// A field that is sent again, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Its name, the same in reads and writes.
    pub field: &'static str,
    /// Why it belongs to the likeness.
    pub reason: &'static str,
}

const fn copied(field: &'static str, reason: &'static str) -> Copied {
    Copied { field, reason }
}

/// What a re-created campaign takes over, beyond what the operation itself names. Budgets, name, status, times and
/// labels are not taken over.
pub const CAMPAIGN_COPY: &[Copied] = &[
    copied("special_ad_category_country", "goes with the special ad categories"),
    copied("promoted_object", "catalogue or app of the campaign"),
    copied("pacing_type", "delivery type"),
];

/// What a re-created ad set takes over. The event, attribution, budgets, bids, name, status, times and labels are not
/// in the list: the operation names them, or a cap per event would mean something else on another rung.
pub const ADSET_COPY: &[Copied] = &[
    copied("billing_event", "what is paid for"),
    copied("optimization_sub_event", "refines goals other than pixel events"),
    copied("destination_type", "where the click leads"),
    copied("is_incremental_attribution_enabled", "how results are counted"),
    copied("pacing_type", "delivery type"),
    copied("adset_schedule", "hours of delivery"),
    copied("is_dynamic_creative", "decides which ads fit; cannot be set later"),
    copied("frequency_control_specs", "how often a person is shown it"),
    copied("placement_soft_opt_out", "placements"),
    copied("dsa_beneficiary", "required where the EU is targeted"),
    copied("dsa_payor", "required where the EU is targeted"),
    copied("regional_regulated_categories", "required where regions regulate ads"),
    copied("regional_regulation_identities", "required where regions regulate ads"),
    copied("value_rule_set_id", "value rules weigh people"),
    copied("value_rules_applied", "value rules weigh people"),
    copied("daily_min_spend_target", "share within a campaign budget"),
    copied("daily_spend_cap", "share within a campaign budget"),
];

/// What a re-created ad takes over; the creative is shared by its id.
pub const AD_COPY: &[Copied] = &[
    copied("tracking_specs", "which events are counted"),
    copied("conversion_domain", "where conversions happen"),
    copied("display_sequence", "order within the ad set"),
];

/// Members of `promoted_object` that do not name the event and therefore stay.
pub const PROMOTED_COPY: &[&str] = &[
    "application_id",
    "object_store_url",
    "page_id",
    "product_catalog_id",
    "product_set_id",
    "whatsapp_phone_number",
];

/// The values a copy list takes from a read, in the order of the list; empty ones left out.
pub(super) fn take(fields: &Fields, list: &[Copied]) -> Vec<(String, String)> {
    let value = |copied: &Copied| {
        let text = param(fields.get(copied.field)?)?;
        // Reads answer with words writes do not know for "nothing set".
        (!matches!(text.as_str(), "NONE" | "UNDEFINED" | "0"))
            .then(|| (copied.field.to_owned(), text))
    };
    list.iter().filter_map(value).collect()
}

/// A value as a form parameter; None when there is nothing to send.
pub(super) fn param(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|t| !t.is_empty()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::Array(items) if items.is_empty() => None,
        Value::Object(map) if map.is_empty() => None,
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// Targeting as it may be written: keys that only reads know are left out, and the audience switch is always said.
///
/// An ad set from before the switch existed has none and means "off"; a new ad set without it would be switched on, which
/// is another audience (Marketing API v23 changelog; v26 demands it for special categories).
pub(super) fn targeting(fields: &Fields) -> Option<String> {
    let Some(Value::Object(read)) = fields.get("targeting") else { return None };
    let mut map: Map<String, Value> = read.clone();
    for key in ["targeting_relaxation_types", "targeting_optimization_types", "age_range_adjusted"]
    {
        map.remove(key);
    }
    let automation = map.entry("targeting_automation").or_insert_with(|| json!({}));
    if let Value::Object(switches) = automation {
        switches.entry("advantage_audience").or_insert_with(|| json!(0));
    }
    Some(Value::Object(map).to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const READ_ONLY: &[&str] = &[
        "id",
        "account_id",
        "effective_status",
        "configured_status",
        "budget_remaining",
        "learning_stage_info",
        "issues_info",
        "created_time",
        "updated_time",
        "start_time",
        "recommendations",
        "review_feedback",
        "targeting_optimization_types",
        "conversion_specs",
    ];

    #[test]
    fn every_copied_field_is_asked_and_none_is_read_only() {
        for (list, asked) in [(CAMPAIGN_COPY, CAMPAIGN), (ADSET_COPY, ADSET), (AD_COPY, AD)] {
            let asked: BTreeSet<&str> = asked.split(',').collect();
            for copied in list {
                assert!(asked.contains(copied.field), "{} is never read", copied.field);
                assert!(!READ_ONLY.contains(&copied.field), "{} is read only", copied.field);
                assert!(!copied.reason.is_empty());
            }
        }
    }

    #[test]
    fn no_field_is_asked_twice_or_with_a_blank() {
        for list in [ACCOUNT, CAMPAIGN, ADSET, INSIGHTS] {
            let fields: Vec<&str> = list.split(',').collect();
            let unique: BTreeSet<&str> = fields.iter().copied().collect();
            assert_eq!(unique.len(), fields.len());
            assert!(!list.contains(' '));
        }
        assert!(!AD.contains(' '));
    }

    #[test]
    fn an_old_audience_is_kept_by_switching_the_new_default_off() {
        let mut fields = Fields::new();
        assert_eq!(targeting(&fields), None);
        fields.insert(
            "targeting".into(),
            json!({"geo_locations":{"countries":["DE"]},"targeting_relaxation_types":{"custom_audience":0}}),
        );
        let wanted = r#"{"geo_locations":{"countries":["DE"]},"targeting_automation":{"advantage_audience":0}}"#;
        assert_eq!(targeting(&fields).as_deref(), Some(wanted));
        fields.insert("targeting".into(), json!({"targeting_automation":{"advantage_audience":1}}));
        assert_eq!(
            targeting(&fields).as_deref(),
            Some(r#"{"targeting_automation":{"advantage_audience":1}}"#)
        );
    }
}

//! From parameters to fields: each parameter has one shape, whatever encoding it came in.

use serde_json::{Map, Value, json};

use super::{
    errors::Refusal,
    laws::NO_CAP,
    objects::{Node, stamp},
    params::{Params, plain},
};
use crate::domain::{Moment, Zone};

/// Largest amount in minor units: what a day of it comes to in milliseconds still fits 64 bits.
const MOST: i64 = 50_000_000_000;

/// The shape of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    /// Minor units; read back as text.
    Amount,
    /// Read back as a number.
    Number,
    Time,
    List,
    Object,
    Flag,
}

use Shape::{Amount, Flag, List, Number, Object, Text, Time};

/// What a campaign takes.
pub(super) const CAMPAIGN: [(&str, Shape); 19] = [
    ("name", Text),
    ("status", Text),
    ("objective", Text),
    ("buying_type", Text),
    ("bid_strategy", Text),
    ("daily_budget", Amount),
    ("lifetime_budget", Amount),
    ("spend_cap", Amount),
    ("special_ad_categories", List),
    ("special_ad_category_country", List),
    ("pacing_type", List),
    ("start_time", Time),
    ("stop_time", Time),
    ("is_adset_budget_sharing_enabled", Flag),
    ("is_budget_schedule_enabled", Flag),
    ("promoted_object", Object),
    ("adlabels", List),
    ("source_campaign_id", Text),
    ("smart_promotion_type", Text),
];
/// What an ad set takes.
pub(super) const ADSET: [(&str, Shape); 37] = [
    ("name", Text),
    ("status", Text),
    ("optimization_goal", Text),
    ("optimization_sub_event", Text),
    ("billing_event", Text),
    ("bid_strategy", Text),
    ("bid_amount", Number),
    ("bid_constraints", Object),
    ("promoted_object", Object),
    ("destination_type", Text),
    ("attribution_spec", List),
    ("attribution_count_type", Text),
    ("is_incremental_attribution_enabled", Flag),
    ("daily_budget", Amount),
    ("lifetime_budget", Amount),
    ("daily_min_spend_target", Amount),
    ("daily_spend_cap", Amount),
    ("lifetime_min_spend_target", Amount),
    ("lifetime_spend_cap", Amount),
    ("pacing_type", List),
    ("adset_schedule", List),
    ("start_time", Time),
    ("end_time", Time),
    ("targeting", Object),
    ("is_dynamic_creative", Flag),
    ("frequency_control_specs", List),
    ("placement_soft_opt_out", Flag),
    ("dsa_beneficiary", Text),
    ("dsa_payor", Text),
    ("regional_regulated_categories", List),
    ("regional_regulation_identities", Object),
    ("value_rule_set_id", Text),
    ("brand_safety_config", Object),
    ("adlabels", List),
    ("source_adset_id", Text),
    ("is_budget_schedule_enabled", Flag),
    ("multi_optimization_goal_weight", Text),
];
/// What an ad takes, but for its creative.
pub(super) const AD: [(&str, Shape); 9] = [
    ("name", Text),
    ("status", Text),
    ("tracking_specs", List),
    ("conversion_domain", Text),
    ("display_sequence", Number),
    ("adlabels", List),
    ("source_ad_id", Text),
    ("ad_schedule_start_time", Time),
    ("ad_schedule_end_time", Time),
];

/// Writes the parameters that were sent into the fields of an object.
pub(super) fn absorb(
    node: &mut Node,
    params: &Params,
    zone: &Zone,
    known: &[(&str, Shape)],
) -> Result<(), Refusal> {
    for (name, shape) in known {
        if !params.has(name) {
            continue;
        }
        let bad = |what: &str| Refusal::new(100, format!("(#100) Param {name} must be {what}"));
        let value = match shape {
            Text => params.text(name).map_or(Value::Null, Value::String),
            Amount => match params.int(name)? {
                Some(n) if n != NO_CAP && !(0..=MOST).contains(&n) => {
                    return Err(bad("a positive amount in minor units"));
                }
                Some(0 | NO_CAP) | None => Value::Null,
                Some(n) => json!(n.to_string()),
            },
            Number => params.int(name)?.map_or(Value::Null, |n| json!(n)),
            Flag => json!(params.flag(name).ok_or_else(|| bad("a boolean"))?),
            Time => time(params, name, zone)?,
            List => match params.value(name) {
                Some(Value::Array(items)) => {
                    Value::Array(items.into_iter().map(ids_as_text).collect())
                }
                Some(Value::String(one)) => json!([one]),
                _ => return Err(bad("an array")),
            },
            Object => match params.value(name) {
                Some(Value::Object(map)) => ids_as_text(Value::Object(map)),
                _ => return Err(bad("a JSON object")),
            },
        };
        node.set(name, value);
    }
    Ok(())
}

fn time(params: &Params, name: &str, zone: &Zone) -> Result<Value, Refusal> {
    let text = params.text(name).unwrap_or_default();
    if text == "0" {
        return Ok(Value::Null);
    }
    let moment = match text.parse::<i64>() {
        Ok(seconds) => Ok(Moment::from_millis(seconds.saturating_mul(1000))),
        Err(_) => text.parse::<Moment>(),
    };
    let moment = moment
        .map_err(|_| Refusal::new(100, format!("(#100) Param {name} must be a timestamp")))?;
    Ok(stamp(zone, moment))
}

/// Ids sent as numbers are read back as texts.
fn ids_as_text(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let one = |(name, v): (String, Value)| {
                let id = v.is_number() && (name == "id" || name.ends_with("_id"));
                let v = if id { json!(plain(&v)) } else { v };
                (name, v)
            };
            Value::Object(map.into_iter().map(one).collect::<Map<_, _>>())
        }
        other => other,
    }
}

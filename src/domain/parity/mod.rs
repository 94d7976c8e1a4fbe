//! Is the copy like the source? Judged over two reads, field by field.
//!
//! Every field the Marketing API has for a campaign, an ad set and an ad is in one of three classes; a field in none of
//! them is held to be equal, so that a field Meta adds is noticed rather than overlooked. Reads differ in how they say
//! "nothing" (missing, null, empty, zero budget), and in the order of sets; such differences are none.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{Fields, plan::ObjectKind};
use Class::{Differs, Equal, ReadOnly};
pub use table::{AD, ADSET, CAMPAIGN, Class};

/// One field in which copy and source differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its name; members of `promoted_object` with a dot.
    pub field: String,
    /// The source's value; null when it has none.
    pub source: Value,
    /// The copy's value; null when it has none.
    pub copy: Value,
    /// Why that is as it should be; None = it is not.
    pub reason: Option<String>,
}

/// The comparison of one object with its copy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParityReport {
    /// Fields that were judged.
    pub judged: usize,
    /// Fields Meta computes, present in a read and left out.
    pub ignored: usize,
    /// Differences, by field.
    pub differences: Vec<Difference>,
}

impl ParityReport {
    /// True when nothing differs that should not.
    pub fn is_like(&self) -> bool {
        self.unexpected().next().is_none()
    }
    /// The differences that should not be.
    pub fn unexpected(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|d| d.reason.is_none())
    }
}

/// Compares two reads of campaigns. A difference in a field named in `allowed` is taken as announced.
pub fn compare_campaigns(source: &Fields, copy: &Fields, allowed: &[&str]) -> ParityReport {
    compare(ObjectKind::Campaign, source, copy, allowed)
}
/// Compares two reads of ad sets.
pub fn compare_adsets(source: &Fields, copy: &Fields, allowed: &[&str]) -> ParityReport {
    compare(ObjectKind::AdSet, source, copy, allowed)
}
/// Compares two reads of ads.
pub fn compare_ads(source: &Fields, copy: &Fields, allowed: &[&str]) -> ParityReport {
    compare(ObjectKind::Ad, source, copy, allowed)
}

/// The table of a kind; rules and studies have none, since they are never copied.
pub fn table(kind: ObjectKind) -> &'static [(&'static str, Class)] {
    match kind {
        ObjectKind::Campaign => CAMPAIGN,
        ObjectKind::AdSet => ADSET,
        ObjectKind::Ad => AD,
        ObjectKind::Rule | ObjectKind::Study => &[],
    }
}

fn class(kind: ObjectKind, field: &str) -> Class {
    table(kind).iter().find(|(name, _)| *name == field).map_or(Equal, |(_, class)| *class)
}

fn compare(kind: ObjectKind, source: &Fields, copy: &Fields, allowed: &[&str]) -> ParityReport {
    let (source, copy) = (flat(source), flat(copy));
    let names: BTreeSet<&String> = source.keys().chain(copy.keys()).collect();
    let mut report = ParityReport::default();
    for name in names {
        let class = class(kind, name);
        if matches!(class, ReadOnly(_)) {
            report.ignored += 1;
            continue;
        }
        report.judged += 1;
        let value = |side: &BTreeMap<String, Value>| side.get(name).cloned().unwrap_or_default();
        let (before, after) = (value(&source), value(&copy));
        if normal(name, &before) == normal(name, &after) {
            continue;
        }
        let announced = allowed.contains(&name.as_str());
        let reason = match class {
            Differs(reason) => Some(reason.to_owned()),
            Equal | ReadOnly(_) if announced => Some("announced in the plan".to_owned()),
            Equal | ReadOnly(_) => None,
        };
        report.differences.push(Difference {
            field: name.clone(),
            source: before,
            copy: after,
            reason,
        });
    }
    report
}

/// A digest of everything people can set on an object, but for the fields named in `skip`: two reads that mean the same
/// have the same digest.
pub fn digest(kind: ObjectKind, fields: &Fields, skip: &[&str]) -> String {
    let mut hash = Sha256::new();
    for (name, value) in flat(fields) {
        if matches!(class(kind, &name), ReadOnly(_)) || skip.contains(&name.as_str()) {
            continue;
        }
        let value = normal(&name, &value);
        if !value.is_null() {
            hash.update(name.as_bytes());
            hash.update([0]);
            hash.update(value.to_string().as_bytes());
            hash.update([1]);
        }
    }
    let mut text = HEXLOWER.encode(&hash.finalize());
    text.truncate(16);
    text
}

/// The fields with `promoted_object` taken apart: its event may differ, its other members may not.
fn flat(fields: &Fields) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    for (name, value) in fields {
        match value {
            Value::Object(map) if name == "promoted_object" => {
                for (member, inner) in map {
                    out.insert(format!("promoted_object.{member}"), inner.clone());
                }
            }
            _ => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    out
}

/// One form for everything that means the same.
fn normal(name: &str, value: &Value) -> Value {
    let cleaned = clean(value);
    match (name, cleaned) {
        ("special_ad_categories", Value::Array(items)) => {
            let real: Vec<Value> = items.into_iter().filter(|i| *i != "NONE").collect();
            if real.is_empty() { Value::Null } else { Value::Array(real) }
        }
        ("creative", Value::Object(map)) => map.get("id").cloned().unwrap_or_default(),
        ("targeting", Value::Object(map)) => audience(map),
        ("optimization_sub_event" | "destination_type", Value::String(text))
            if matches!(text.as_str(), "NONE" | "UNDEFINED") =>
        {
            Value::Null
        }
        (_, Value::String(text)) if text == "0" && is_amount(name) => Value::Null,
        (_, other) => other,
    }
}

fn is_amount(name: &str) -> bool {
    ["budget", "cap", "target", "bid_amount"].iter().any(|word| name.contains(word))
}

/// An audience without the switch and one with the switch off are the same audience.
fn audience(mut map: Map<String, Value>) -> Value {
    if let Some(Value::Object(switches)) = map.get_mut("targeting_automation") {
        if switches.get("advantage_audience") == Some(&Value::String("0".into())) {
            switches.remove("advantage_audience");
        }
        if switches.is_empty() {
            map.remove("targeting_automation");
        }
    }
    for computed in ["targeting_relaxation_types", "targeting_optimization_types"] {
        map.remove(computed);
    }
    Value::Object(map)
}

/// Empty values are nothing, numbers are their text, false is nothing, lists of plain values are sets.
fn clean(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(false) => Value::Null,
        Value::Bool(true) => Value::String("true".into()),
        Value::Number(n) => Value::String(n.to_string()),
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => Value::String(text.clone()),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(clean).filter(|v| !v.is_null()).collect();
            items.sort_by_cached_key(Value::to_string);
            if items.is_empty() { Value::Null } else { Value::Array(items) }
        }
        Value::Object(map) => {
            let pairs = map.iter().map(|(k, v)| (k.clone(), clean(v)));
            let map: Map<String, Value> = pairs.filter(|(_, v)| !v.is_null()).collect();
            if map.is_empty() { Value::Null } else { Value::Object(map) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        serde_json::from_value(value).unwrap()
    }
    fn source() -> Fields {
        fields(json!({"id":"5","campaign_id":"4","name":"S","status":"ACTIVE",
            "effective_status":"ACTIVE","optimization_goal":"OFFSITE_CONVERSIONS",
            "billing_event":"IMPRESSIONS","daily_budget":"5000","lifetime_budget":"0",
            "promoted_object":{"pixel_id":"99","custom_event_type":"ADD_TO_CART"},
            "targeting":{"geo_locations":{"countries":["DE","AT"]},"age_min":18},
            "attribution_spec":[{"event_type":"CLICK_THROUGH","window_days":7}]}))
    }
    fn copy() -> Fields {
        fields(json!({"id":"15","campaign_id":"14","name":"S [x]","status":"PAUSED",
            "effective_status":"CAMPAIGN_PAUSED","optimization_goal":"OFFSITE_CONVERSIONS",
            "billing_event":"IMPRESSIONS","daily_budget":"2500","end_time":"2026-12-01T00:00:00+0000",
            "promoted_object":{"pixel_id":"99","custom_event_type":"PURCHASE","smart_pse_enabled":false},
            "targeting":{"age_min":"18","geo_locations":{"countries":["AT","DE"]},
                "targeting_automation":{"advantage_audience":0}},
            "attribution_spec":[{"event_type":"CLICK_THROUGH","window_days":"7"}],
            "source_adset_id":"5","adset_schedule":[]}))
    }

    #[test]
    fn a_faithful_copy_differs_only_where_it_must() {
        let report = compare_adsets(&source(), &copy(), &[]);
        assert!(report.is_like(), "{:?}", report.unexpected().collect::<Vec<_>>());
        let differing: Vec<&str> = report.differences.iter().map(|d| d.field.as_str()).collect();
        assert_eq!(
            differing,
            [
                "campaign_id",
                "daily_budget",
                "end_time",
                "id",
                "name",
                "promoted_object.custom_event_type",
                "source_adset_id",
                "status"
            ]
        );
        assert!(report.judged > differing.len() && report.ignored > 0);
    }

    #[test]
    fn each_unfaithful_field_is_found() {
        for (field, value) in [
            ("targeting", json!({"geo_locations":{"countries":["DE"]},"age_min":18})),
            (
                "targeting",
                json!({"geo_locations":{"countries":["DE","AT"]},"age_min":18,
                "targeting_automation":{"advantage_audience":1}}),
            ),
            ("promoted_object", json!({"pixel_id":"98","custom_event_type":"PURCHASE"})),
            ("attribution_spec", json!([{"event_type":"CLICK_THROUGH","window_days":1}])),
            ("attribution_spec", json!(null)),
            ("bid_amount", json!(300)),
            ("billing_event", json!("CLICKS")),
            ("lifetime_budget", json!("1000")),
            ("is_dynamic_creative", json!(true)),
            ("dsa_payor", json!("Somebody")),
            ("a_field_of_tomorrow", json!("on")),
        ] {
            let mut copy = copy();
            copy.insert(field.into(), value.clone());
            let report = compare_adsets(&source(), &copy, &[]);
            let found: Vec<&str> = report.unexpected().map(|d| d.field.as_str()).collect();
            assert_eq!(found.len(), 1, "{field} = {value}: {found:?}");
            assert!(found[0].starts_with(field), "{found:?}");
            assert!(!report.is_like());
            let announced = compare_adsets(&source(), &copy, &[found[0]]);
            assert!(announced.is_like(), "{field} was announced");
        }
    }

    #[test]
    fn another_creative_and_another_objective_are_found() {
        let ad = |creative| fields(json!({"id":"1","creative":{"id":creative,"name":"n"}}));
        assert!(compare_ads(&ad("7"), &ad("7"), &[]).is_like());
        assert!(!compare_ads(&ad("7"), &ad("8"), &[]).is_like());
        let campaign = |objective: &str, categories: Value| {
            fields(json!({"objective":objective,"special_ad_categories":categories}))
        };
        let one = campaign("OUTCOME_SALES", json!([]));
        assert!(
            compare_campaigns(&one, &campaign("OUTCOME_SALES", json!(["NONE"])), &[]).is_like()
        );
        assert!(!compare_campaigns(&one, &campaign("OUTCOME_LEADS", json!([])), &[]).is_like());
        assert!(
            !compare_campaigns(&one, &campaign("OUTCOME_SALES", json!(["HOUSING"])), &[]).is_like()
        );
    }

    #[test]
    fn the_tables_hold_every_field_once_with_a_reason_where_one_is_due() {
        for (kind, size) in
            [(ObjectKind::Campaign, 48), (ObjectKind::AdSet, 80 + 8 + 6), (ObjectKind::Ad, 40)]
        {
            let names: BTreeSet<&str> = table(kind).iter().map(|(name, _)| *name).collect();
            assert_eq!((names.len(), table(kind).len()), (size, size), "{kind:?}");
            for (name, class) in table(kind) {
                if let Differs(reason) | ReadOnly(reason) = class {
                    assert!(!reason.is_empty(), "{name}");
                }
            }
        }
    }
}

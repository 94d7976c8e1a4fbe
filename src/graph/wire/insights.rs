//! Insights rows.
//!
//! Every number is a decimal in text, spend and values in major units. A missing action type, window or array is zero; a
//! malformed one fails the read, since a guessed number would end in a decision.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{WireError, bad, num};
use crate::domain::{ActionCount, AdSetId, CampaignId, Currency, Day, InsightRow, Money};

/// Key prefix of action types that come in the `conversions` fields.
const CONVERSIONS: &str = "conversions:";

/// Reads a daily row of an ad set.
pub(in crate::graph) fn row(value: &Value, currency: Currency) -> Result<InsightRow, WireError> {
    let label = label(value);
    let map = value.as_object().ok_or_else(|| bad(&label, "not an object"))?;
    let text = |field: &str| map.get(field).map(num::text_of).unwrap_or_default();
    check_currency(&label, &text("account_currency"), currency)?;
    let mut actions = BTreeMap::new();
    let mut values = BTreeMap::new();
    for (prefix, counts, amounts) in
        [("", "actions", "action_values"), (CONVERSIONS, "conversions", "conversion_values")]
    {
        for entry in entries(&label, map, counts)? {
            put(
                &label,
                counts,
                &mut actions,
                name(&label, prefix, entry)?,
                counted(&label, entry)?,
            )?;
        }
        for entry in entries(&label, map, amounts)? {
            let key = name(&label, prefix, entry)?;
            let minor = money(&label, &key, &field(entry, "value"), currency)?.minor();
            put(&label, amounts, &mut values, key, minor)?;
        }
    }
    Ok(InsightRow {
        adset: AdSetId::new(text("adset_id")).map_err(|e| bad(&label, e))?,
        campaign: CampaignId::new(text("campaign_id")).map_err(|e| bad(&label, e))?,
        day: day(&label, map)?,
        spend: spend(&label, map, currency)?,
        impressions: whole(&label, "impressions", &text("impressions"))?,
        link_clicks: whole(&label, "inline_link_clicks", &text("inline_link_clicks"))?,
        attribution: text("attribution_setting"),
        actions,
        values,
    })
}

/// Reads a daily row of the account: the day and its spend.
pub(in crate::graph) fn account_row(
    value: &Value,
    currency: Currency,
) -> Result<(Day, i64), WireError> {
    let label = label(value);
    let map = value.as_object().ok_or_else(|| bad(&label, "not an object"))?;
    check_currency(&label, &field(value, "account_currency"), currency)?;
    Ok((day(&label, map)?, spend(&label, map, currency)?.minor()))
}

/// Tells rows apart: one ad set (or account), one day.
pub(in crate::graph) fn key(value: &Value) -> Option<String> {
    let object = field(value, "adset_id");
    Some(format!("{object}/{}", value.get("date_start")?.as_str()?))
}

fn label(value: &Value) -> String {
    let (adset, day) = (field(value, "adset_id"), field(value, "date_start"));
    let object = if adset.is_empty() { "account".to_owned() } else { format!("ad set {adset}") };
    format!("insights of {object} on {day}")
}
fn field(value: &Value, name: &str) -> String {
    value.get(name).map(num::text_of).unwrap_or_default()
}

fn check_currency(label: &str, text: &str, currency: Currency) -> Result<(), WireError> {
    if text.is_empty() || text == currency.as_str() {
        return Ok(());
    }
    Err(bad(label, format!("it is in {text:?}, but the account is in {currency}")))
}

fn day(label: &str, map: &Map<String, Value>) -> Result<Day, WireError> {
    let text = |name: &str| map.get(name).map(num::text_of).unwrap_or_default();
    let (start, stop) = (text("date_start"), text("date_stop"));
    if start != stop {
        return Err(bad(label, format!("it covers {start} to {stop}, not one day")));
    }
    start.parse().map_err(|e| bad(label, e))
}

fn spend(label: &str, map: &Map<String, Value>, currency: Currency) -> Result<Money, WireError> {
    let text = map.get("spend").map(num::text_of).unwrap_or_default();
    let text = if text.is_empty() { "0" } else { &text };
    let spend = money(label, "spend", text, currency)?;
    if spend.minor() < 0 {
        return Err(bad(label, format!("spend is negative: {text:?}")));
    }
    Ok(spend)
}

fn money(label: &str, what: &str, text: &str, currency: Currency) -> Result<Money, WireError> {
    Money::from_major_rounded(text, currency).map_err(|e| bad(label, format!("{what}: {e}")))
}

fn whole(label: &str, what: &str, text: &str) -> Result<u64, WireError> {
    if text.is_empty() {
        return Ok(0);
    }
    num::count(text).ok_or_else(|| bad(label, format!("{what} is not a count: {text:?}")))
}

fn entries<'a>(
    label: &str,
    map: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a [Value], WireError> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(bad(label, format!("{name} is not a list"))),
    }
}

fn name(label: &str, prefix: &str, entry: &Value) -> Result<String, WireError> {
    match entry.get("action_type").and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(format!("{prefix}{text}")),
        _ => Err(bad(label, "an action has no action_type")),
    }
}

fn counted(label: &str, entry: &Value) -> Result<ActionCount, WireError> {
    let kind = field(entry, "action_type");
    let mut found =
        ActionCount { value: whole(label, &kind, &field(entry, "value"))?, ..Default::default() };
    for (key, value) in entry.as_object().into_iter().flatten() {
        if is_window(key) {
            let count = whole(label, &format!("{kind} {key}"), &num::text_of(value))?;
            found.windows.insert(key.clone(), count);
        }
    }
    Ok(found)
}

/// `7d_click`, `1d_view`, `1d_ev`; not the variants that count first conversions only.
fn is_window(key: &str) -> bool {
    let Some((days, kind)) = key.split_once("d_") else { return false };
    days.bytes().all(|b| b.is_ascii_digit()) && matches!(kind, "click" | "view" | "ev")
}

/// An action type that stands twice could be a split or a repetition: adding could double it, so neither is guessed.
fn put<V>(
    label: &str,
    list: &str,
    map: &mut BTreeMap<String, V>,
    key: String,
    value: V,
) -> Result<(), WireError> {
    if map.contains_key(&key) {
        return Err(bad(label, format!("{list} lists {key} twice")));
    }
    map.insert(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({"account_currency":"EUR","campaign_id":"4","adset_id":"5","spend":"53.39",
            "impressions":"4512","inline_link_clicks":"80","attribution_setting":"7d_click_1d_view",
            "actions":[
                {"action_type":"landing_page_view","value":"80","7d_click":"78","1d_view":"2"},
                {"action_type":"purchase","value":"2","7d_click":"2","7d_click_first_conversion":"1"},
                {"action_type":"omni_purchase","value":"2"}],
            "action_values":[{"action_type":"purchase","value":"119.8"}],
            "conversions":[{"action_type":"start_trial_website","value":"3.5"}],
            "conversion_values":[{"action_type":"start_trial_website","value":"7"}],
            "date_start":"2026-11-01","date_stop":"2026-11-01"})
    }
    fn read(value: &Value) -> Result<InsightRow, WireError> {
        row(value, "EUR".parse().unwrap())
    }

    #[test]
    fn a_row_keeps_windows_aliases_and_both_families_apart() {
        let row = read(&sample()).unwrap();
        assert_eq!((row.spend.minor(), row.impressions, row.link_clicks), (5339, 4512, 80));
        assert_eq!((row.count("purchase"), row.count("omni_purchase")), (2, 2));
        let windows: Vec<_> = row.actions["purchase"].windows.keys().collect();
        assert_eq!(windows, ["7d_click"]);
        assert_eq!(row.count("conversions:start_trial_website"), 4, "3.5 rounds half up");
        assert_eq!(row.value_minor("purchase"), 11_980);
        assert_eq!(row.value_minor("conversions:start_trial_website"), 700);
    }

    #[test]
    fn what_is_missing_is_zero() {
        let bare = json!({"campaign_id":"4","adset_id":5,"spend":7,
            "date_start":"2026-11-01","date_stop":"2026-11-01"});
        let row = read(&bare).unwrap();
        assert_eq!((row.spend.minor(), row.impressions, row.actions.len()), (700, 0, 0));
    }

    #[test]
    fn a_malformed_number_fails_with_object_and_day() {
        for (path, value) in [
            ("/spend", json!("12,50")),
            ("/spend", json!("-1")),
            ("/spend", json!("NaN")),
            ("/impressions", json!("1e3")),
            ("/actions/0/value", json!("x")),
            ("/actions/0/7d_click", json!("-2")),
            ("/action_values/0/value", json!("")),
            ("/actions/0/action_type", json!("")),
            ("/actions/2/action_type", json!("purchase")),
            ("/actions", json!("none")),
            ("/account_currency", json!("USD")),
            ("/date_stop", json!("2026-11-02")),
            ("/campaign_id", json!("")),
        ] {
            let mut broken = sample();
            *broken.pointer_mut(path).unwrap() = value.clone();
            let error = read(&broken).unwrap_err().to_string();
            let wanted = "insights of ad set 5 on 2026-11-01: ";
            assert!(error.starts_with(wanted), "{path} = {value}: {error}");
        }
    }

    #[test]
    fn yen_have_no_decimals() {
        let mut value = sample();
        value["account_currency"] = json!("JPY");
        value["spend"] = json!("5339.5");
        assert_eq!(row(&value, "JPY".parse().unwrap()).unwrap().spend.minor(), 5340);
    }
}

//! Insights rows.
//!
//! Every number is a decimal in text, spend and values in major units. A missing action type, window or array is zero; a
//! malformed one fails the read, since a guessed number would end in a decision.
//!
//! Rows of ad sets come by the hundred thousand: they are read straight from the bytes of a page into [`InsightRow`],
//! without a tree of values between.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{WireError, bad, num, text::Text};
use crate::domain::{ActionCount, AdSetId, ByName, CampaignId, Currency, Day, InsightRow, Money};

/// Key prefix of action types that come in the `conversions` fields.
const CONVERSIONS: &str = "conversions:";

/// A page of daily rows; texts are borrowed from its bytes.
#[derive(Debug, Deserialize)]
pub(in crate::graph) struct Page<'a> {
    #[serde(borrow, default)]
    data: Option<Vec<Row<'a>>>,
    #[serde(borrow, default)]
    paging: Paging<'a>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Paging<'a> {
    #[serde(borrow)]
    next: Text<'a>,
    #[serde(borrow)]
    cursors: Cursors<'a>,
}
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cursors<'a> {
    #[serde(borrow)]
    after: Text<'a>,
}

impl<'a> Page<'a> {
    /// Reads a page; None when it is no page of rows, whatever else it may be.
    pub(in crate::graph) fn read(body: &'a [u8]) -> Result<Option<Self>, serde_json::Error> {
        let page: Self = serde_json::from_slice(body)?;
        Ok((page.error.is_none() && page.data.is_some()).then_some(page))
    }
    /// `paging.next` and `paging.cursors.after`.
    pub(in crate::graph) fn steps(&self) -> (Option<String>, Option<String>) {
        let filled = |text: &Text<'_>| Some(text.0.to_string()).filter(|t| !t.is_empty());
        (filled(&self.paging.next), filled(&self.paging.cursors.after))
    }
    /// The rows, checked.
    pub(in crate::graph) fn rows(self, currency: Currency) -> Result<Vec<InsightRow>, WireError> {
        self.data.into_iter().flatten().map(|row| row.checked(currency)).collect()
    }
}

/// A daily row of an ad set as it comes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    account_currency: Text<'a>,
    #[serde(borrow)]
    campaign_id: Text<'a>,
    #[serde(borrow)]
    adset_id: Text<'a>,
    #[serde(borrow)]
    spend: Text<'a>,
    #[serde(borrow)]
    impressions: Text<'a>,
    #[serde(borrow)]
    inline_link_clicks: Text<'a>,
    #[serde(borrow)]
    attribution_setting: Text<'a>,
    #[serde(borrow)]
    date_start: Text<'a>,
    #[serde(borrow)]
    date_stop: Text<'a>,
    #[serde(borrow)]
    actions: List<Action<'a>>,
    #[serde(borrow)]
    action_values: List<Action<'a>>,
    #[serde(borrow)]
    conversions: List<Action<'a>>,
    #[serde(borrow)]
    conversion_values: List<Action<'a>>,
}

impl Row<'_> {
    fn checked(self, currency: Currency) -> Result<InsightRow, WireError> {
        let label = || {
            let (adset, day) = (&self.adset_id.0, &self.date_start.0);
            format!("insights of ad set {adset} on {day}")
        };
        self.plain(currency).map_err(|why| bad(label(), why))
    }
    /// The row, or what is wrong with it; the caller knows which row it is.
    fn plain(&self, currency: Currency) -> Result<InsightRow, String> {
        check_currency(&self.account_currency.0, currency)?;
        let (mut actions, mut values) = (ByName::default(), ByName::default());
        for (prefix, lists) in [
            ("", [("actions", &self.actions), ("action_values", &self.action_values)]),
            (
                CONVERSIONS,
                [
                    ("conversions", &self.conversions),
                    ("conversion_values", &self.conversion_values),
                ],
            ),
        ] {
            let [(counts, events), (amounts, worth)] = lists;
            for entry in events.items(counts)? {
                put(counts, &mut actions, &entry.name(prefix)?, entry.count()?)?;
            }
            for entry in worth.items(amounts)? {
                let key = entry.name(prefix)?;
                let minor = money(&key, &entry.value.0, currency)?.minor();
                put(amounts, &mut values, &key, minor)?;
            }
        }
        let say = |e: crate::domain::IdError| e.to_string();
        Ok(InsightRow {
            adset: AdSetId::new(&*self.adset_id.0).map_err(say)?,
            campaign: CampaignId::new(&*self.campaign_id.0).map_err(say)?,
            day: day(&self.date_start.0, &self.date_stop.0)?,
            spend: spend(&self.spend.0, currency)?,
            impressions: whole("impressions", &self.impressions.0)?,
            link_clicks: whole("inline_link_clicks", &self.inline_link_clicks.0)?,
            attribution: self.attribution_setting.0.to_string(),
            actions,
            values,
        })
    }
}

/// A list that may be missing, or something else altogether.
#[derive(Debug)]
struct List<T>(Option<Vec<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}
impl<T> List<T> {
    fn items(&self, name: &str) -> Result<&[T], String> {
        self.0.as_deref().ok_or_else(|| format!("{name} is not a list"))
    }
}
impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(List(Some(items)))
            }
            fn visit_unit<E>(self) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List<T>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(List(None))
            }
            fn visit_str<E>(self, _: &str) -> Result<List<T>, E> {
                Ok(List(None))
            }
            fn visit_bool<E>(self, _: bool) -> Result<List<T>, E> {
                Ok(List(None))
            }
            fn visit_u64<E>(self, _: u64) -> Result<List<T>, E> {
                Ok(List(None))
            }
            fn visit_i64<E>(self, _: i64) -> Result<List<T>, E> {
                Ok(List(None))
            }
            fn visit_f64<E>(self, _: f64) -> Result<List<T>, E> {
                Ok(List(None))
            }
        }
        d.deserialize_any(Any(std::marker::PhantomData))
    }
}

/// An entry of `actions`, `action_values` and their like.
#[derive(Debug)]
struct Action<'a> {
    kind: Text<'a>,
    value: Text<'a>,
    windows: Vec<(Text<'a>, Text<'a>)>,
}

impl Action<'_> {
    fn name(&self, prefix: &str) -> Result<Cow<'_, str>, String> {
        match &*self.kind.0 {
            "" => Err("an action has no action_type".to_owned()),
            kind if prefix.is_empty() => Ok(kind.into()),
            kind => Ok(format!("{prefix}{kind}").into()),
        }
    }
    fn count(&self) -> Result<ActionCount, String> {
        let mut found =
            ActionCount { value: whole(&self.kind.0, &self.value.0)?, windows: ByName::default() };
        for (key, value) in &self.windows {
            let count = num::count(&value.0).or((value.0.is_empty()).then_some(0));
            let count = count
                .ok_or_else(|| not_a_count(&format!("{} {}", self.kind.0, key.0), &value.0))?;
            found.windows.insert(&key.0, count);
        }
        Ok(found)
    }
}
impl<'de: 'a, 'a> Deserialize<'de> for Action<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Action<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an action with its counts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action<'de>, A::Error> {
                let (mut kind, mut value) = (Text::default(), Text::default());
                let mut windows = Vec::new();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    match &*key.0 {
                        "action_type" => kind = map.next_value()?,
                        "value" => value = map.next_value()?,
                        name if is_window(name) => windows.push((key, map.next_value()?)),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Action { kind, value, windows })
            }
        }
        d.deserialize_map(Members)
    }
}

/// Reads a daily row of the account: the day and its spend.
pub(in crate::graph) fn account_row(
    value: &Value,
    currency: Currency,
) -> Result<(Day, i64), WireError> {
    let label = label(value);
    let map: &Map<String, Value> = value.as_object().ok_or_else(|| bad(&label, "not an object"))?;
    let text = |name: &str| map.get(name).map(num::text_of).unwrap_or_default();
    let read = || {
        check_currency(&text("account_currency"), currency)?;
        let day = day(&text("date_start"), &text("date_stop"))?;
        Ok((day, spend(&text("spend"), currency)?.minor()))
    };
    read().map_err(|why: String| bad(&label, why))
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

fn check_currency(text: &str, currency: Currency) -> Result<(), String> {
    if text.is_empty() || text == currency.as_str() {
        return Ok(());
    }
    Err(format!("it is in {text:?}, but the account is in {currency}"))
}

fn day(start: &str, stop: &str) -> Result<Day, String> {
    if start != stop {
        return Err(format!("it covers {start} to {stop}, not one day"));
    }
    start.parse().map_err(|e: crate::domain::DayError| e.to_string())
}

fn spend(text: &str, currency: Currency) -> Result<Money, String> {
    let spend = money("spend", if text.is_empty() { "0" } else { text }, currency)?;
    if spend.minor() < 0 {
        return Err(format!("spend is negative: {text:?}"));
    }
    Ok(spend)
}

fn money(what: &str, text: &str, currency: Currency) -> Result<Money, String> {
    Money::from_major_rounded(text, currency).map_err(|e| format!("{what}: {e}"))
}

fn whole(what: &str, text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    num::count(text).ok_or_else(|| not_a_count(what, text))
}
fn not_a_count(what: &str, text: &str) -> String {
    format!("{what} is not a count: {text:?}")
}

/// `7d_click`, `1d_view`, `1d_ev`; not the variants that count first conversions only.
fn is_window(key: &str) -> bool {
    // What is asked for comes in every row.
    if matches!(key, "1d_click" | "7d_click" | "1d_view") {
        return true;
    }
    let Some((days, kind)) = key.split_once("d_") else { return false };
    days.bytes().all(|b| b.is_ascii_digit()) && matches!(kind, "click" | "view" | "ev")
}

/// An action type that stands twice could be a split or a repetition: adding could double it, so neither is guessed.
fn put<V>(list: &str, map: &mut ByName<V>, key: &str, value: V) -> Result<(), String> {
    match map.insert(key, value) {
        None => Ok(()),
        Some(_) => Err(format!("{list} lists {key} twice")),
    }
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
    fn row(value: &Value, currency: &str) -> Result<InsightRow, WireError> {
        let body = json!({ "data": [value] }).to_string();
        let page = Page::read(body.as_bytes()).unwrap().unwrap();
        page.rows(currency.parse().unwrap()).map(|mut rows| rows.remove(0))
    }
    fn read(value: &Value) -> Result<InsightRow, WireError> {
        row(value, "EUR")
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
        assert_eq!(row(&value, "JPY").unwrap().spend.minor(), 5340);
    }

    #[test]
    fn escapes_nulls_and_strangers_are_read_like_anything_else() {
        let body = r#"{"data":[{"campaign_id":"4","adset_id":"5","spend":"\u0031.50","account_currency":null,
            "actions":[{"action_type":"a\u0062","value":1,"7d_click":null,"new":{"x":[1]}}],"conversions":null,
            "later":[{"a":1}],"date_start":"2026-11-01","date_stop":"2026-11-01"}],
            "paging":{"cursors":{"after":"A\u003d"},"next":"https:\/\/x\/y"},"more":0}"#;
        let page = Page::read(body.as_bytes()).unwrap().unwrap();
        assert_eq!(page.steps(), (Some("https://x/y".into()), Some("A=".into())));
        let row = page.rows("EUR".parse().unwrap()).unwrap().remove(0);
        assert_eq!((row.spend.minor(), row.count("ab")), (150, 1));
        assert_eq!(row.actions["ab"].windows["7d_click"], 0);
    }

    #[test]
    fn what_is_no_page_of_rows_is_not_taken_for_an_empty_one() {
        for body in ["{}", "[]", r#"{"data":null}"#, r#"{"data":[],"error":{"code":1}}"#] {
            assert!(Page::read(body.as_bytes()).unwrap().is_none(), "{body}");
        }
        for body in ["", "null", "<html>", r#"{"data":{}}"#, r#"{"data":[{"spend":"1"#] {
            assert!(Page::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}

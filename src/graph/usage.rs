//! Usage headers, and how fast to go on.
//!
//! Four headers tell how much of an allowance is used up (Marketing API, "Rate limits"). Any of them may be missing,
//! numbers come as integers, decimals or text. What cannot be read is taken as not said.

use serde_json::{Map, Value};

use crate::ports::Response;

const HEADERS: [&str; 4] = [
    "x-app-usage",
    "x-ad-account-usage",
    "x-business-use-case-usage",
    "x-fb-ads-insights-throttle",
];

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pacing {
    /// Nothing to heed.
    Free,
    /// From 60 %: put pauses between calls.
    Slow,
    /// From 80 %: no writes but those that lower spend.
    ReadsOnly,
    /// From 95 %, or blocked already: nothing but writes that lower spend; calling on prolongs a block.
    Stop,
}

/// What is known of one allowance.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gauge {
    /// Percent used up.
    pub percent: f64,
    /// Until access is regained, in milliseconds; 0 = not blocked or not said.
    pub regain_ms: i64,
}

impl Gauge {
    /// What to do next.
    pub fn pacing(&self) -> Pacing {
        if self.regain_ms > 0 || self.percent >= 95.0 {
            Pacing::Stop
        } else if self.percent >= 80.0 {
            Pacing::ReadsOnly
        } else if self.percent >= 60.0 {
            Pacing::Slow
        } else {
            Pacing::Free
        }
    }
    fn widen(&mut self, other: Self) {
        self.percent = self.percent.max(other.percent);
        self.regain_ms = self.regain_ms.max(other.regain_ms);
    }
}

/// What the headers of one response said, the highest of each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// The account's score (`x-ad-account-usage`), which decays within minutes; None when it was not said.
    pub score: Option<f64>,
    /// Until the account's score resets, in milliseconds; 0 = not said.
    pub reset_ms: i64,
    /// What concerns insights only.
    pub insights: Gauge,
    /// What concerns every call: the app, and use cases other than insights.
    pub calls: Gauge,
    /// True on the small tier (60 points per five minutes).
    pub limited_tier: bool,
}

impl Usage {
    /// Reads the headers of a response; never fails.
    pub fn of(response: &Response) -> Self {
        let mut usage = Self::default();
        for name in HEADERS {
            let parsed = response.header(name).map(serde_json::from_str::<Value>);
            match parsed {
                Some(Ok(value)) => usage.take(name, &value),
                Some(Err(_)) => tracing::debug!(header = name, "usage header is not JSON"),
                None => {}
            }
        }
        usage
    }
    /// What to do next, by the scarcest allowance.
    pub fn pacing(&self) -> Pacing {
        let score = Gauge { percent: self.score.unwrap_or(0.0), regain_ms: 0 };
        score.pacing().max(self.insights.pacing()).max(self.calls.pacing())
    }
    /// Until access is regained, in milliseconds, whatever is blocked.
    pub fn regain_ms(&self) -> i64 {
        self.insights.regain_ms.max(self.calls.regain_ms)
    }

    fn take(&mut self, header: &str, value: &Value) {
        let Some(map) = value.as_object() else { return };
        match header {
            "x-ad-account-usage" => {
                self.tier(map);
                self.score = map.get("acc_id_util_pct").map(number);
                let reset = map.get("reset_time_duration").map_or(0.0, number);
                self.reset_ms = millis(reset * 1_000.0);
            }
            "x-fb-ads-insights-throttle" => {
                self.tier(map);
                self.insights.widen(gauge(map));
            }
            "x-app-usage" => self.calls.widen(gauge(map)),
            // By business or account, a list of use cases.
            _ => {
                let cases = map.values().filter_map(Value::as_array).flatten();
                for case in cases.filter_map(Value::as_object) {
                    self.tier(case);
                    let insights = case.get("type").and_then(Value::as_str) == Some("ads_insights");
                    let slot = if insights { &mut self.insights } else { &mut self.calls };
                    slot.widen(gauge(case));
                }
            }
        }
    }
    fn tier(&mut self, map: &Map<String, Value>) {
        let tier = map.get("ads_api_access_tier").and_then(Value::as_str).unwrap_or_default();
        self.limited_tier |= tier.starts_with("dev") || tier.starts_with("limited");
    }
}

fn gauge(map: &Map<String, Value>) -> Gauge {
    let percents =
        ["call_count", "total_time", "total_cputime", "acc_id_util_pct", "app_id_util_pct"];
    let percent = percents.iter().filter_map(|name| map.get(*name)).map(number);
    let minutes = map.get("estimated_time_to_regain_access").map_or(0.0, number);
    Gauge { percent: percent.fold(0.0, f64::max), regain_ms: millis(minutes * 60_000.0) }
}

fn number(value: &Value) -> f64 {
    let found = match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    found.filter(|n| n.is_finite() && *n >= 0.0).unwrap_or(0.0)
}

#[expect(clippy::cast_possible_truncation, reason = "bounded to two days before the cast")]
fn millis(ms: f64) -> i64 {
    ms.clamp(0.0, 172_800_000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(headers: &[(&str, &str)]) -> Usage {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Usage::of(&Response { status: 200, headers, body: Vec::new() })
    }

    #[test]
    fn the_scarcest_allowance_decides() {
        for (percent, wanted) in [
            ("0", Pacing::Free),
            ("59.99", Pacing::Free),
            ("60", Pacing::Slow),
            ("\"79.5\"", Pacing::Slow),
            ("80", Pacing::ReadsOnly),
            ("94.9", Pacing::ReadsOnly),
            ("95.0", Pacing::Stop),
            ("640", Pacing::Stop),
        ] {
            let account = format!(r#"{{"acc_id_util_pct":{percent},"reset_time_duration":100}}"#);
            let seen = usage(&[
                ("x-app-usage", r#"{"call_count":3,"total_time":1,"total_cputime":1}"#),
                ("x-ad-account-usage", &account),
            ]);
            assert_eq!(seen.pacing(), wanted, "{percent}");
            assert_eq!(seen.reset_ms, 100_000);
        }
    }

    #[test]
    fn minutes_to_regain_access_stop_everything() {
        let header = r#"{"1":[{"type":"ads_insights","call_count":1,"estimated_time_to_regain_access":7,
            "ads_api_access_tier":"development_access"},{"type":"ads_management","call_count":2}]}"#;
        let seen = usage(&[("x-business-use-case-usage", header)]);
        assert_eq!((seen.regain_ms(), seen.pacing()), (420_000, Pacing::Stop));
        assert!(seen.limited_tier);
        assert_eq!(seen.calls.pacing(), Pacing::Free, "insights are blocked, other calls are not");
    }

    #[test]
    fn malformed_headers_are_taken_as_not_said() {
        let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        for text in ["", "null", "{", "[]", "7", r#"{"call_count":null}"#, r#"{"call_count":"x"}"#]
            .into_iter()
            .chain([r#"{"call_count":-5}"#, r#"{"call_count":{"call_count":{}}}"#, deep.as_str()])
        {
            for name in HEADERS {
                assert_eq!(usage(&[(name, text)]).pacing(), Pacing::Free, "{name}: {text}");
            }
        }
        let huge = usage(&[("x-ad-account-usage", r#"{"reset_time_duration":1e300}"#)]);
        assert_eq!(huge.reset_ms, 172_800_000);
    }

    proptest::proptest! {
        #[test]
        fn no_header_text_is_too_odd(text in r#"[\x00-\x7f]{0,60}|[\[\]{}",:0-9a-z_e.+-]{0,60}"#) {
            for name in HEADERS {
                let seen = usage(&[(name, &text)]);
                proptest::prop_assert!(seen.score.unwrap_or(0.0) >= 0.0 && seen.regain_ms() >= 0);
            }
        }
    }
}

//! Numbers and instants in the forms Meta gives them.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{WireError, bad};
use crate::domain::{Currency, Moment, Money};

/// Meta's way to say "no limit" for a campaign's spend cap (Marketing API, Campaign reference).
pub(in crate::graph) const NO_CAP: &str = "922337203685478";

/// Text, number or truth value as text; null and anything else as "".
pub(in crate::graph) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// A scalar of any type as text; missing and null as "".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::graph) struct Loose(pub(in crate::graph) String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self(text_of(&Value::deserialize(d)?)))
    }
}
impl Loose {
    /// The text, None when there is none.
    pub(in crate::graph) fn filled(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|t| !t.is_empty())
    }
    /// A whole number.
    pub(super) fn int(&self, object: &str, field: &str) -> Result<Option<i64>, WireError> {
        self.filled().map(|text| whole(object, field, text)).transpose()
    }
    /// A budget or limit in minor units; "", "0" and the no-limit mark mean not set.
    pub(super) fn money(
        &self,
        object: &str,
        field: &str,
        currency: Currency,
    ) -> Result<Option<Money>, WireError> {
        if self.0 == NO_CAP {
            return Ok(None);
        }
        match self.int(object, field)? {
            None | Some(0) => Ok(None),
            Some(minor) if minor > 0 => Ok(Some(Money::from_minor(minor, currency))),
            Some(minor) => Err(bad(object, format!("{field} is negative: {minor}"))),
        }
    }
    /// An instant, as timestamp text or Unix seconds; "" and 0 mean not set.
    pub(in crate::graph) fn moment(
        &self,
        object: &str,
        field: &str,
    ) -> Result<Option<Moment>, WireError> {
        let Some(text) = self.filled() else { return Ok(None) };
        let found = match text.parse::<i64>() {
            Ok(seconds) => Some(Moment::from_millis(seconds.saturating_mul(1_000))),
            Err(_) => text.parse::<Moment>().ok(),
        };
        match found {
            None => Err(bad(object, format!("{field} is not an instant: {text:?}"))),
            Some(moment) => Ok(Some(moment).filter(|m| m.seconds() > 0)),
        }
    }
}

/// A whole number, also when it comes as `12.0`.
fn whole(object: &str, field: &str, text: &str) -> Result<i64, WireError> {
    let digits = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    digits.parse().map_err(|_| bad(object, format!("{field} is not a whole number: {text:?}")))
}

/// A count of zero or more, rounded half up where it is modelled; None when it is no plain decimal.
pub(in crate::graph) fn count(text: &str) -> Option<u64> {
    // Nearly all of them are short and whole.
    if !text.is_empty() && text.len() < 19 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.bytes().fold(0, |n, b| n * 10 + u64::from(b - b'0')));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let up = u64::from(fraction.as_bytes()[0] >= b'5');
    if fraction.bytes().any(|b| b != b'0') {
        tracing::debug!(text, "fractional count rounded half up");
    }
    whole.parse::<u64>().ok()?.checked_add(up)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn money(value: &Value) -> Result<Option<i64>, WireError> {
        let loose: Loose = serde_json::from_value(value.clone()).unwrap();
        let jpy = "JPY".parse().unwrap();
        loose.money("ad set 1", "daily_budget", jpy).map(|m| m.map(Money::minor))
    }

    #[test]
    fn budgets_are_minor_units_in_text_or_number_and_zero_means_not_set() {
        for (value, minor) in [
            (json!("5000"), Some(5000)),
            (json!(5000), Some(5000)),
            (json!(5000.0), Some(5000)),
            (json!("0"), None),
            (json!(0), None),
            (json!(""), None),
            (json!(null), None),
            (json!("922337203685478"), None),
        ] {
            assert_eq!(money(&value).unwrap(), minor, "{value}");
        }
    }

    #[test]
    fn malformed_budgets_are_refused_with_object_and_field() {
        for value in [
            json!("1,250"),
            json!("12,50"),
            json!("12.5"),
            json!("1e3"),
            json!(-1),
            json!("NaN"),
            json!("99999999999999999999"),
            json!("١٢"),
            json!("5000."),
        ] {
            let error = money(&value).unwrap_err().to_string();
            assert!(error.starts_with("ad set 1: daily_budget is "), "{error}");
        }
    }

    #[test]
    fn counts_round_half_up_and_refuse_everything_but_plain_decimals() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("2", Some(2)),
            ("2.49", Some(2)),
            ("2.5", Some(3)),
            ("0007", Some(7)),
            ("-1", None),
            ("", None),
            (".5", None),
            ("1.", None),
            ("1e3", None),
            ("NaN", None),
            ("1,250", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(count(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn instants_come_as_text_or_seconds_and_zero_means_never() {
        let at = |v: Value| serde_json::from_value::<Loose>(v).unwrap().moment("x", "end_time");
        let wanted = Some(Moment::from_millis(1_793_614_272_000));
        assert_eq!(at(json!(1_793_614_272)).unwrap(), wanted);
        assert_eq!(at(json!("2026-11-02T10:11:12+0000")).unwrap(), wanted);
        assert_eq!(at(json!("1970-01-01T00:00:00+0000")).unwrap(), None);
        assert_eq!(at(json!(0)).unwrap(), None);
        assert!(at(json!("tomorrow")).is_err());
    }
}

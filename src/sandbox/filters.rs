//! The `filtering` parameter and the `effective_status` shorthand.

use serde_json::Value;

use super::{
    errors::Refusal,
    params::{Params, plain},
};

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    /// E.g. `campaign.id`, `spend`.
    pub(super) field: String,
    pub(super) operator: String,
    pub(super) value: Value,
}

const OPERATORS: [&str; 20] = [
    "EQUAL",
    "NOT_EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUAL",
    "LESS_THAN",
    "LESS_THAN_OR_EQUAL",
    "IN_RANGE",
    "NOT_IN_RANGE",
    "CONTAIN",
    "NOT_CONTAIN",
    "CONTAINS_ANY",
    "NOT_CONTAINS_ANY",
    "IN",
    "NOT_IN",
    "STARTS_WITH",
    "ENDS_WITH",
    "ANY",
    "ALL",
    "AFTER",
    "BEFORE",
];

/// Reads `filtering`.
pub(super) fn filters(params: &Params) -> Result<Vec<Filter>, Refusal> {
    let bad =
        || Refusal::new(100, "(#100) Param filtering must be an array of {field, operator, value}");
    let items = match params.value("filtering") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(bad()),
    };
    let mut out = Vec::new();
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(field), Some(operator)) = (text("field"), text("operator")) else {
            return Err(bad());
        };
        let operator = operator.to_uppercase();
        if !OPERATORS.contains(&operator.as_str()) {
            let text = format!("(#100) Filtering operator {operator} is not one of {OPERATORS:?}");
            return Err(Refusal::new(100, text));
        }
        out.push(Filter { field, operator, value: item.get("value").cloned().unwrap_or_default() });
    }
    Ok(out)
}

impl Filter {
    /// True if `actual` passes; a value that does not exist passes only negative conditions.
    pub(super) fn passes(&self, actual: Option<&str>) -> bool {
        let Some(actual) = actual else { return self.operator.starts_with("NOT") };
        let wanted: Vec<String> = match &self.value {
            Value::Array(items) => items.iter().map(plain).collect(),
            other => vec![plain(other)],
        };
        let first = wanted.first().map_or("", String::as_str);
        let same = |w: &str| {
            w.eq_ignore_ascii_case(actual) || number(w).is_some_and(|n| number(actual) == Some(n))
        };
        let order = || Some(number(actual)?.total_cmp(&number(first)?));
        let inside = || {
            let (low, high) = (number(first)?, number(wanted.get(1)?)?);
            let x = number(actual)?;
            Some(low <= x && x <= high)
        };
        let contains = |w: &String| actual.to_lowercase().contains(&w.to_lowercase());
        match self.operator.as_str() {
            "EQUAL" => same(first),
            "NOT_EQUAL" => !same(first),
            "GREATER_THAN" | "AFTER" => order().is_some_and(std::cmp::Ordering::is_gt),
            "GREATER_THAN_OR_EQUAL" => order().is_some_and(std::cmp::Ordering::is_ge),
            "LESS_THAN" | "BEFORE" => order().is_some_and(std::cmp::Ordering::is_lt),
            "LESS_THAN_OR_EQUAL" => order().is_some_and(std::cmp::Ordering::is_le),
            "IN_RANGE" => inside().unwrap_or(false),
            "NOT_IN_RANGE" => !inside().unwrap_or(false),
            "CONTAIN" | "CONTAINS_ANY" => wanted.iter().any(contains),
            "NOT_CONTAIN" | "NOT_CONTAINS_ANY" => !wanted.iter().any(contains),
            "NOT_IN" => !wanted.iter().any(|w| same(w)),
            "STARTS_WITH" => actual.starts_with(first),
            "ENDS_WITH" => actual.ends_with(first),
            _ => wanted.iter().any(|w| same(w)),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(operator: &str, value: Value) -> Filter {
        Filter { field: "spend".into(), operator: operator.into(), value }
    }

    #[test]
    fn every_kind_of_operator_really_filters() {
        assert!(one("GREATER_THAN", json!(10)).passes(Some("10.5")));
        assert!(!one("GREATER_THAN", json!("10.5")).passes(Some("10.5")));
        assert!(one("IN", json!(["ACTIVE", "PAUSED"])).passes(Some("PAUSED")));
        assert!(!one("NOT_IN", json!(["ACTIVE"])).passes(Some("ACTIVE")));
        assert!(one("CONTAIN", json!("rung")).passes(Some("The Rung 2")));
        assert!(one("IN_RANGE", json!([1, 3])).passes(Some("2")));
        assert!(!one("IN", json!(["1"])).passes(None));
    }

    #[test]
    fn an_unknown_operator_is_refused() {
        let mut params = Params::default();
        params.set("filtering", json!([{"field": "id", "operator": "LIKE", "value": 1}]));
        assert_eq!(filters(&params).unwrap_err().code, 100);
    }
}

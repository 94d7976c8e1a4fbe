//! Automated rules and budget schedules.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, num::Loose, read};
use crate::domain::Moment;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    id: Loose,
    name: Loose,
    status: Loose,
    created_time: Loose,
    time_end: Loose,
}

/// A rule of Meta's rule library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::graph) struct Rule {
    pub(in crate::graph) id: String,
    pub(in crate::graph) name: String,
    pub(in crate::graph) status: String,
    pub(in crate::graph) created: Option<Moment>,
}

/// Reads a rule.
pub(in crate::graph) fn parse(value: &Value) -> Result<Rule, WireError> {
    let (wire, _, label): (Wire, _, _) = read("rule", value)?;
    let created = wire.created_time.moment(&label, "created_time")?;
    Ok(Rule { id: wire.id.0, name: wire.name.0, status: wire.status.0, created })
}

/// The spend a rule pauses at, in minor units; "" when it looks at no spend.
pub(in crate::graph) fn spend_over(rule: &Value) -> String {
    let filters = rule.pointer("/evaluation_spec/filters").and_then(Value::as_array);
    let spent = filters.into_iter().flatten().find(|f| f.get("field") == Some(&"spent".into()));
    spent.and_then(|f| f.get("value")).map(super::num::text_of).unwrap_or_default()
}

/// Reads the id and the end of a budget schedule; None = open end.
pub(in crate::graph) fn schedule(value: &Value) -> Result<(String, Option<Moment>), WireError> {
    let (wire, _, label): (Wire, _, _) = read("budget schedule", value)?;
    let end = wire.time_end.moment(&label, "time_end")?;
    Ok((wire.id.0, end))
}

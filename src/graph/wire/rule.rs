//! Automated rules, budget schedules, and whatever else is looked for by its name.

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
    source_campaign_id: Loose,
    source_adset_id: Loose,
    source_ad_id: Loose,
}

/// A rule of Meta's rule library, or an object of a list that is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::graph) struct Rule {
    pub(in crate::graph) id: String,
    pub(in crate::graph) name: String,
    pub(in crate::graph) status: String,
    pub(in crate::graph) created: Option<Moment>,
    /// What it was copied from; empty when that is nothing.
    pub(in crate::graph) source: String,
}

/// Reads a rule or a searched object.
pub(in crate::graph) fn parse(value: &Value) -> Result<Rule, WireError> {
    let (wire, _, label): (Wire, _, _) = read("rule", value)?;
    let created = wire.created_time.moment(&label, "created_time")?;
    // Meta spells "no source" as 0 or leaves it out.
    let sources = [wire.source_campaign_id.0, wire.source_adset_id.0, wire.source_ad_id.0];
    let source = sources.into_iter().find(|id| !id.is_empty() && id != "0").unwrap_or_default();
    Ok(Rule { id: wire.id.0, name: wire.name.0, status: wire.status.0, created, source })
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

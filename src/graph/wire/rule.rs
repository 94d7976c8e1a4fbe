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
    time_end: Loose,
}

/// A rule of Meta's rule library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::graph) struct Rule {
    pub(in crate::graph) id: String,
    pub(in crate::graph) name: String,
    pub(in crate::graph) status: String,
}

/// Reads a rule.
pub(in crate::graph) fn parse(value: &Value) -> Result<Rule, WireError> {
    let (wire, _, _): (Wire, _, _) = read("rule", value)?;
    Ok(Rule { id: wire.id.0, name: wire.name.0, status: wire.status.0 })
}

/// Reads the id and the end of a budget schedule; None = open end.
pub(in crate::graph) fn schedule(value: &Value) -> Result<(String, Option<Moment>), WireError> {
    let (wire, _, label): (Wire, _, _) = read("budget schedule", value)?;
    let end = wire.time_end.moment(&label, "time_end")?;
    Ok((wire.id.0, end))
}

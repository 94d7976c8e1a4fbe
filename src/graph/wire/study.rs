//! A study: people split at random over cells of objects.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, num::Loose, read};
use crate::domain::Moment;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    id: Loose,
    name: Loose,
    end_time: Loose,
    canceled_time: Loose,
    cells: Option<List<Cell>>,
}

/// A nested edge.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct List<T> {
    data: Vec<T>,
}
impl<T> Default for List<T> {
    fn default() -> Self {
        Self { data: Vec::new() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cell {
    campaigns: Option<List<Member>>,
    adsets: Option<List<Member>>,
    adaccounts: Option<List<Member>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Member {
    id: Loose,
}

/// A study with the ids of everything in its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::graph) struct Study {
    pub(in crate::graph) id: String,
    pub(in crate::graph) name: String,
    pub(in crate::graph) members: Vec<String>,
    end: Option<Moment>,
    cancelled: Option<Moment>,
}

impl Study {
    /// True while it can still split people: a study has no status, only times.
    pub(in crate::graph) fn is_live(&self, now: Moment) -> bool {
        self.cancelled.is_none() && self.end.is_none_or(|end| end > now)
    }
}

/// Reads a study.
pub(in crate::graph) fn parse(value: &Value) -> Result<Study, WireError> {
    let (wire, _, label): (Wire, _, _) = read("study", value)?;
    let end = wire.end_time.moment(&label, "end_time")?;
    let cancelled = wire.canceled_time.moment(&label, "canceled_time")?;
    let cells = wire.cells.unwrap_or_default().data;
    let lists = cells.into_iter().flat_map(|c| [c.campaigns, c.adsets, c.adaccounts]);
    let members = lists.flatten().flat_map(|l| l.data).map(|m| m.id.0).collect();
    Ok(Study { id: wire.id.0, name: wire.name.0, members, end, cancelled })
}

//! A study: people split at random over cells of objects.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, num::Loose, read};
use crate::domain::{Moment, plan::cells_text};

/// What is asked of a study that is read back.
pub(in crate::graph) const FIELDS: &str = "id,name,type,start_time,end_time,canceled_time,\
cells{id,name,treatment_percentage,campaigns{id},adsets{id},adaccounts{id}}";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    id: Loose,
    name: Loose,
    start_time: Loose,
    end_time: Loose,
    canceled_time: Loose,
    cells: Option<List<Cell>>,
}

/// A nested edge: an object with `data`, or the bare list that some versions answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum List<T> {
    Edge { data: Vec<T> },
    Bare(Vec<T>),
    Empty {},
}
impl<T> List<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::Edge { data } | Self::Bare(data) => data,
            Self::Empty {} => Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cell {
    treatment_percentage: Loose,
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
    /// Share in percent and object, of every member of every cell.
    cells: Vec<(i64, String)>,
    pub(in crate::graph) start: Option<Moment>,
    pub(in crate::graph) end: Option<Moment>,
    cancelled: Option<Moment>,
}

impl Study {
    /// True while it can still split people: a study has no status, only times.
    pub(in crate::graph) fn is_live(&self, now: Moment) -> bool {
        self.cancelled.is_none() && self.end.is_none_or(|end| end > now)
    }
    /// The switch it would have: ended by hand, or not.
    pub(in crate::graph) fn status(&self) -> &'static str {
        if self.cancelled.is_some() { "DELETED" } else { "ACTIVE" }
    }
    /// Its cells in the text form in which plans promise them.
    pub(in crate::graph) fn cells_text(&self) -> String {
        cells_text(self.cells.iter().cloned())
    }
}

/// Reads a study.
pub(in crate::graph) fn parse(value: &Value) -> Result<Study, WireError> {
    let (wire, _, label): (Wire, _, _) = read("study", value)?;
    let start = wire.start_time.moment(&label, "start_time")?;
    let end = wire.end_time.moment(&label, "end_time")?;
    let cancelled = wire.canceled_time.moment(&label, "canceled_time")?;
    let mut cells = Vec::new();
    for cell in wire.cells.map(List::into_vec).unwrap_or_default() {
        let share = cell.treatment_percentage.int(&label, "treatment_percentage")?.unwrap_or(0);
        let lists = [cell.campaigns, cell.adsets, cell.adaccounts];
        let members = lists.into_iter().flatten().flat_map(List::into_vec);
        cells.extend(members.map(|m| (share, m.id.0)));
    }
    let members = cells.iter().map(|(_, id)| id.clone()).collect();
    Ok(Study { id: wire.id.0, name: wire.name.0, members, cells, start, end, cancelled })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_compared_whatever_their_order_and_a_cancelled_study_is_over() {
        let body = json!({"id":"9","name":"S","start_time":"2026-11-02T00:00:00+0100",
            "end_time":1_793_614_272,"cells":{"data":[
                {"treatment_percentage":50,"campaigns":{"data":[{"id":"7"}]}},
                {"treatment_percentage":"50","campaigns":{"data":[{"id":"4"}]}}]}});
        let study = parse(&body).unwrap();
        assert_eq!(study.cells_text(), "50:4 50:7");
        assert_eq!((study.status(), study.members.len()), ("ACTIVE", 2));
        let mut over = body;
        over["canceled_time"] = json!("2026-11-03T00:00:00+0100");
        let over = parse(&over).unwrap();
        assert_eq!(over.status(), "DELETED");
        assert!(!over.is_live(Moment::from_millis(0)));
    }
}

//! Split tests: `ad_studies` and their cells.

use serde_json::{Map, Value, json};

use super::{
    errors::{Answer, Refusal},
    fields::{Field, requested},
    laws::one_of,
    nodes::render,
    objects::{Id, Kind, Node, map},
    paging::page,
    params::{Params, plain},
    request::Call,
    world::World,
};
use crate::domain::Moment;

/// Kinds of study (Marketing API, "Ad study").
const TYPES: [&str; 8] = [
    "LIFT",
    "SPLIT_TEST",
    "CONTINUOUS_LIFT_CONFIG",
    "GEO_LIFT",
    "BACKEND_AB_TESTING",
    "CREATIVE_SPEND_ENFORCEMENT",
    "PORTFOLIO_OPTIMIZER",
    "VERSION_CONTROL",
];
/// Cells of a study, objects of a cell, and studies that run at the same time.
const MOST_CELLS: usize = 150;
const MOST_MEMBERS: usize = 100;
const MOST_STUDIES: usize = 100;
const MEMBERS: [&str; 3] = ["campaigns", "adsets", "ads"];

fn seconds(params: &Params, name: &str) -> Result<Option<Moment>, Refusal> {
    let Some(text) = params.text(name) else { return Ok(None) };
    let read = text
        .parse::<i64>()
        .ok()
        .map(|s| Moment::from_millis(s.saturating_mul(1000)))
        .or_else(|| text.parse().ok());
    read.map(Some)
        .ok_or_else(|| Refusal::new(100, format!("(#100) Param {name} must be a timestamp")))
}

impl World {
    /// `POST /{business}/ad_studies`.
    pub(super) fn create_study(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        params.need("name")?;
        let mut draft = Node::new(0, Kind::Study, self.now, map([("type", json!("SPLIT_TEST"))]));
        for field in ["start_time", "end_time", "cells"] {
            params.need(field)?;
        }
        self.absorb_study(&mut draft, params)?;
        let live = |n: &&std::sync::Arc<Node>| {
            n.text("canceled_time").is_empty() && n.moment("end_time") > Some(self.now)
        };
        if self.of_kind(Kind::Study).filter(live).count() >= MOST_STUDIES {
            let text = "An advertiser can have at most 100 studies at the same time.";
            return Err(Refusal::invalid("name", text));
        }
        if draft.moment("start_time").is_none_or(|t| t <= self.now) {
            return Err(Refusal::invalid("start_time", "The start must lie in the future."));
        }
        let id = self.create(Kind::Study, (0, 0), draft.fields);
        Ok(json!({"id": id.to_string()}))
    }
    /// Reads and checks what a study consists of. Once it has started, start and shares stay as they are.
    pub(super) fn absorb_study(&mut self, node: &mut Node, params: &Params) -> Result<(), Refusal> {
        let started = node.moment("start_time").is_some_and(|t| t <= self.now);
        if let Some(kind) = params.text("type") {
            one_of("type", &kind, &TYPES)?;
        }
        for name in ["name", "description", "type"] {
            if let Some(text) = params.text(name) {
                node.set(name, json!(text));
            }
        }
        let (start, end) = (seconds(params, "start_time")?, seconds(params, "end_time")?);
        if started && (start.is_some() || params.has("cells")) {
            let text = "The start and the cells can't change once the study has started.";
            return Err(Refusal::invalid("start_time", text));
        }
        if let Some(t) = start {
            node.set("start_time", self.stamp(t));
        }
        if let Some(t) = end {
            node.set("end_time", self.stamp(t));
        }
        if start.is_some_and(|t| t < self.now) {
            let text = "The start of a study must lie in the future.";
            return Err(Refusal::invalid("start_time", text));
        }
        if node.moment("end_time") <= node.moment("start_time") {
            return Err(Refusal::invalid("end_time", "The end must lie after the start."));
        }
        if params.has("cells") {
            let cells = self.cells(params.value("cells").unwrap_or_default())?;
            node.set("cells", cells);
        }
        Ok(())
    }
    fn cells(&mut self, value: Value) -> Answer {
        let bad = |text: &str| Err(Refusal::invalid("cells", text));
        let Value::Array(items) = value else { return bad("cells must be a list.") };
        let (mut out, mut sum, mut taken) = (Vec::new(), 0, Vec::new());
        for item in &items {
            let share =
                item.get("treatment_percentage").map(plain).and_then(|t| t.parse::<i64>().ok());
            let Some(share) = share.filter(|s| *s >= 10) else {
                return bad("Each cell needs a treatment_percentage of at least 10.");
            };
            sum += share;
            let mut cell = Map::new();
            cell.insert("id".to_owned(), json!(self.next_id().to_string()));
            cell.insert("name".to_owned(), item.get("name").cloned().unwrap_or(json!("Cell")));
            cell.insert("treatment_percentage".to_owned(), json!(share));
            let before = taken.len();
            for kind in MEMBERS {
                let ids: Vec<String> = item
                    .get(kind)
                    .and_then(Value::as_array)
                    .map(|l| l.iter().map(plain).collect())
                    .unwrap_or_default();
                for id in &ids {
                    let known = id.parse::<Id>().is_ok_and(|n| self.nodes.contains_key(&n));
                    if !known || taken.contains(id) {
                        return bad("Every object must exist and be in one cell only.");
                    }
                    taken.push(id.clone());
                }
                if !ids.is_empty() {
                    let data: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
                    cell.insert(kind.to_owned(), json!({ "data": data }));
                }
            }
            if taken.len() - before > MOST_MEMBERS {
                return bad("A cell can hold at most 100 objects.");
            }
            if taken.len() == before {
                return bad("Each cell needs at least one object.");
            }
            out.push(Value::Object(cell));
        }
        if out.len() < 2 || out.len() > MOST_CELLS || sum > 100 {
            return bad(
                "A split test needs at least two cells whose shares add up to at most 100.",
            );
        }
        Ok(Value::Array(out))
    }
    /// `GET /{study}/cells`.
    pub(super) fn list_cells(&mut self, call: &Call, study: &Node) -> Answer {
        let cells = study.fields.get("cells").and_then(Value::as_array).cloned();
        let fields = requested(&call.params);
        let mut items = Vec::new();
        for cell in cells.unwrap_or_default() {
            items.push(self.show_cell(call, &cell, fields.as_deref())?);
        }
        page(call, items, 25, None)
    }
    /// A cell with some fields; its members are edges and come as lists of objects.
    pub(super) fn show_cell(
        &mut self,
        call: &Call,
        shown: &Value,
        fields: Option<&[Field]>,
    ) -> Answer {
        let id = plain(&shown["id"]);
        let mut out = map([("id", json!(id))]);
        for field in fields.unwrap_or_default() {
            let value = if field.name == "adaccounts" || MEMBERS.contains(&field.name.as_str()) {
                let mut params = Params::default();
                params.set("fields", json!(render(&field.sub)));
                let inner = call.nested(&id, &field.name, params);
                self.cell_edge(&inner, &id, &field.name)?
            } else {
                shown.get(&field.name).cloned().unwrap_or_default()
            };
            if !value.is_null() {
                out.insert(field.name.clone(), value);
            }
        }
        Ok(Value::Object(out))
    }
    /// The cell of that id, in whatever study.
    pub(super) fn cell(&self, id: &str) -> Option<Value> {
        let cells = self.of_kind(Kind::Study).filter_map(|n| n.fields.get("cells")?.as_array());
        cells.flatten().find(|c| c["id"] == id).cloned()
    }
    /// `GET /{cell}/campaigns`, `/adsets`, `/ads`.
    pub(super) fn cell_edge(&mut self, call: &Call, id: &str, edge: &str) -> Answer {
        if edge == "adaccounts" {
            return page(call, Vec::new(), 25, None);
        }
        if !MEMBERS.contains(&edge) {
            return Err(Refusal::nonexisting(edge, "AdStudyCell"));
        }
        let found = self.cell(id).unwrap_or_default();
        let ids: Vec<Id> = found[edge]["data"]
            .as_array()
            .map(|l| l.iter().filter_map(|m| plain(&m["id"]).parse().ok()).collect())
            .unwrap_or_default();
        let fields = requested(&call.params);
        let mut items = Vec::new();
        for node in ids.iter().filter_map(|id| self.nodes.get(id).cloned()).collect::<Vec<_>>() {
            items.push(self.show(call, &node, fields.as_deref())?);
        }
        page(call, items, 25, None)
    }
}

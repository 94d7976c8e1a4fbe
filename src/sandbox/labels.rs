//! Ad labels: names for groups of objects. An edit replaces the list, the edge adds to it or takes from it.

use serde_json::{Value, json};

use super::{
    creates::only_validates,
    dialect::success,
    errors::{Answer, Refusal},
    objects::{Id, Kind, Node, map},
    params::plain,
    request::Call,
    world::World,
};

const FIELD: &str = "adlabels";

/// What one entry names: an id, or a name.
fn named(item: &Value) -> Result<(Option<Id>, Option<String>), Refusal> {
    let text = |key: &str| item.get(key).map(plain).filter(|t| !t.is_empty());
    let id = text("id").and_then(|t| t.parse().ok());
    let name = text("name").or_else(|| item.as_str().map(str::to_owned));
    if id.is_none() && name.is_none() {
        return Err(Refusal::new(100, "(#100) Each label needs an id or a name").blaming(FIELD));
    }
    Ok((id, name))
}

impl World {
    /// `POST /act_…/adlabels`.
    pub(super) fn create_label(&mut self, call: &Call) -> Answer {
        let name = call.params.need("name")?;
        if only_validates(call) {
            return Ok(success());
        }
        let id = self.label(&name);
        Ok(json!({"id": id.to_string()}))
    }
    /// The label of that name; made if there is none.
    fn label(&mut self, name: &str) -> Id {
        let found = self.of_kind(Kind::Label).find(|n| n.text("name") == name).map(|n| n.id);
        found.unwrap_or_else(|| {
            let id = self.create(Kind::Label, (0, 0), map([("name", json!(name))]));
            if let Some(node) = self.edit(id) {
                node.visible = node.created;
            }
            id
        })
    }
    /// Labels named by id must exist; those named by name are made when the object is.
    pub(super) fn known_labels(&self, node: &Node) -> Result<(), Refusal> {
        let Some(items) = node.fields.get(FIELD).and_then(Value::as_array) else { return Ok(()) };
        for item in items {
            let (id, _) = named(item)?;
            let known = |id: Id| self.nodes.get(&id).is_some_and(|n| n.kind == Kind::Label);
            if let Some(id) = id.filter(|id| !known(*id)) {
                return Err(Refusal::invalid(FIELD, format!("The label {id} does not exist.")));
            }
        }
        Ok(())
    }
    /// Labels as a read shows them.
    pub(super) fn settle_labels(&mut self, node: &mut Node) {
        let Some(items) = node.fields.get(FIELD).and_then(Value::as_array).cloned() else {
            return;
        };
        let mut shown = Vec::new();
        for item in &items {
            let Ok((id, name)) = named(item) else { continue };
            let id = id.unwrap_or_else(|| self.label(&name.unwrap_or_default()));
            let Some(label) = self.nodes.get(&id) else { continue };
            shown.push(json!({
                "id": id.to_string(), "name": label.text("name"),
                "created_time": self.stamp(label.created), "updated_time": self.stamp(label.updated),
            }));
        }
        node.set(FIELD, if shown.is_empty() { Value::Null } else { Value::Array(shown) });
    }
    /// `POST` and `DELETE /{object}/adlabels`.
    pub(super) fn relabel(&mut self, call: &Call, node: &Node, add: bool) -> Answer {
        let Some(Value::Array(items)) = call.params.value(FIELD) else {
            return Err(Refusal::required(FIELD));
        };
        let asked = Node::new(0, node.kind, self.now, map([(FIELD, Value::Array(items))]));
        self.known_labels(&asked)?;
        if only_validates(call) {
            return Ok(success());
        }
        let mut asked = asked;
        self.settle_labels(&mut asked);
        let list = |n: &Node| -> Vec<Value> {
            n.fields.get(FIELD).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let asked = list(&asked);
        let mut now = list(node);
        let listed = |l: &[Value], item: &Value| l.iter().any(|x| x["id"] == item["id"]);
        if add {
            let fresh: Vec<Value> = asked.into_iter().filter(|a| !listed(&now, a)).collect();
            now.extend(fresh);
        } else {
            now.retain(|item| !listed(&asked, item));
        }
        let at = self.now;
        if let Some(own) = self.edit(node.id) {
            own.set(FIELD, if now.is_empty() { Value::Null } else { Value::Array(now) });
            own.updated = at;
        }
        Ok(success())
    }
    /// True if an object bears a label.
    pub(super) fn bears(node: &Node, label: Id) -> bool {
        let id = label.to_string();
        let list = node.fields.get(FIELD).and_then(Value::as_array);
        list.is_some_and(|l| l.iter().any(|item| item["id"] == id.as_str()))
    }
}

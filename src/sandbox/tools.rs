//! Ad rules and budget schedules.

use serde_json::{Value, json};

use super::{
    absorb::{Shape, absorb},
    errors::{Answer, Refusal},
    laws::one_of,
    objects::{Kind, Node, map},
    params::Params,
    request::Call,
    world::World,
};

const EXECUTIONS: [&str; 10] = [
    "PING_ENDPOINT",
    "NOTIFICATION",
    "PAUSE",
    "REBALANCE_BUDGET",
    "CHANGE_BUDGET",
    "CHANGE_BID",
    "ROTATE",
    "UNPAUSE",
    "CHANGE_CAMPAIGN_BUDGET",
    "ADD_INTEREST_RELAXATION",
];
const RULE: [(&str, Shape); 5] = [
    ("name", Shape::Text),
    ("status", Shape::Text),
    ("evaluation_spec", Shape::Object),
    ("execution_spec", Shape::Object),
    ("schedule_spec", Shape::Object),
];

impl World {
    /// `POST /act_…/adrules_library`.
    pub(super) fn create_rule(&mut self, call: &Call) -> Answer {
        for field in ["name", "evaluation_spec", "execution_spec"] {
            call.params.need(field)?;
        }
        let mut draft = Node::new(0, Kind::Rule, self.now, map([("status", json!("ENABLED"))]));
        self.absorb_rule(&mut draft, &call.params)?;
        draft.fields.insert("created_by".to_owned(), json!({"id": self.credentials.user_id}));
        let id = self.create(Kind::Rule, (0, 0), draft.fields);
        if let Some(node) = self.edit(id) {
            node.visible = node.created;
        }
        Ok(json!({"id": id.to_string()}))
    }
    /// Reads and checks what a rule consists of.
    pub(super) fn absorb_rule(&self, node: &mut Node, params: &Params) -> Result<(), Refusal> {
        absorb(node, params, self.zone(), &RULE)?;
        one_of("status", node.status(), &["ENABLED", "DISABLED", "DELETED", "HAS_ISSUES"])?;
        let part = |spec: &str, name: &str| {
            node.fields.get(spec).and_then(|s| s.get(name)).cloned().unwrap_or_default()
        };
        let kind = part("evaluation_spec", "evaluation_type");
        one_of("evaluation_type", kind.as_str().unwrap_or(""), &["SCHEDULE", "TRIGGER"])?;
        let filters = part("evaluation_spec", "filters");
        if filters.as_array().is_none_or(Vec::is_empty) {
            return Err(Refusal::invalid("evaluation_spec", "A rule needs at least one filter."));
        }
        let execution = part("execution_spec", "execution_type");
        one_of("execution_type", execution.as_str().unwrap_or(""), &EXECUTIONS)
    }
    /// `POST /{campaign or ad set}/budget_schedules`.
    pub(super) fn create_schedule(&mut self, call: &Call, node: &Node) -> Answer {
        let shapes = [
            ("budget_value", Shape::Amount),
            ("budget_value_type", Shape::Text),
            ("time_start", Shape::Time),
            ("time_end", Shape::Time),
        ];
        for (field, _) in shapes {
            call.params.need(field)?;
        }
        let mut draft = Node::new(0, Kind::Schedule, self.now, map([]));
        absorb(&mut draft, &call.params, self.zone(), &shapes)?;
        one_of("budget_value_type", draft.text("budget_value_type"), &["ABSOLUTE", "MULTIPLIER"])?;
        if draft.moment("time_end") <= draft.moment("time_start") {
            return Err(Refusal::invalid("time_end", "The end must lie after the start."));
        }
        let id = self.create(Kind::Schedule, (node.id, 0), draft.fields);
        self.note(self.now, "update_campaign_budget_scheduling_state", node.id, Value::Null);
        Ok(json!({"id": id.to_string()}))
    }
}

//! Bodies of audit links: who, what, why, before, after. One constructor per kind of record.

use serde_json::{Value, json};

use crate::{
    domain::{
        Moment,
        guard::{Movement, learning::significance},
        plan::{Action, ApprovedPlan, Bindings, Plan, PlanHash, Template},
        write_log::Entry,
    },
    ports::{MetaError, Record},
};

/// An audit link of any kind. `actor` is the person or the agent; `body` must be an object.
pub fn audit(at: Moment, kind: &str, actor: &str, body: Value) -> Record {
    let mut body = body;
    if let Some(map) = body.as_object_mut() {
        map.insert("actor".to_owned(), Value::from(actor));
        map.insert("time".to_owned(), Value::from(at.rfc3339()));
        map.insert("version".to_owned(), Value::from(env!("CARGO_PKG_VERSION")));
    }
    Record::Audit { at, kind: kind.to_owned(), body: body.to_string().into_bytes() }
}

/// *began*: written in the same transaction as the intent, before the request leaves, with what it reserves.
pub fn write_began(
    at: Moment,
    actor: &str,
    approved: &ApprovedPlan,
    action: &Action,
    request: &Template,
    bindings: &Bindings,
    moves: Option<&Movement>,
) -> Record {
    let plan: &Plan = approved.plan();
    let body = json!({
        "op_key": action.op_key,
        "plan": approved.hash().as_str(),
        "plan_kind": plan.kind.as_str(),
        "decision": plan.decision,
        "climb": plan.climb,
        "line": plan.line,
        "action": action.key,
        "reason": action.reason,
        "approved_by": approved.by(),
        "expects": action.expects,
        "promises": action.op.promises(),
        "request": request,
        "request_digest": request.digest(),
        "bindings": bindings,
        "reservation": moves,
        "learning": significance(&action.op, moves, None),
    });
    audit(at, "write_began", actor, body)
}

/// *ended*: what became of a write, by answer or by reading.
pub fn write_ended(
    at: Moment,
    actor: &str,
    action: &Action,
    plan: &PlanHash,
    entry: Entry,
    detail: &Value,
) -> Record {
    let body = json!({
        "op_key": action.op_key,
        "plan": plan.as_str(),
        "action": action.key,
        "outcome": entry.as_str(),
        "detail": detail,
    });
    audit(at, "write_ended", actor, body)
}

/// A failed exchange as data.
pub fn error(e: &MetaError) -> Value {
    json!({
        "what": e.what, "detail": e.detail, "class": format!("{:?}", e.class), "code": e.code,
        "subcode": e.subcode, "status": e.status, "fbtrace_id": e.trace, "wait_ms": e.wait_ms,
    })
}

//! Record: what stands on disk is complete, unchanged and without secrets.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        books::{Books, body_text},
        witness::Witness,
    },
    Finding, order,
};
use crate::ports::Record;

/// The part of evidence that is looked at.
#[derive(Deserialize)]
struct Days {
    days: Vec<DayOf>,
}
#[derive(Deserialize)]
struct DayOf {
    d: String,
}

fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    !secret.is_empty() && bytes.windows(secret.len()).any(|part| part == secret.as_bytes())
}

/// Judges one record that became durable.
pub fn entered(witness: &mut Witness, record: &Record) {
    match record {
        Record::Entry { op_key, .. } => {
            let write = witness.books.writes.get(op_key.as_str());
            if write.is_some_and(|w| w.status().is_none()) {
                witness.accuse("write_logs_are_possible", op_key.to_string());
            }
        }
        Record::Audit { kind, body, .. } => audited(witness, kind, body),
        Record::Plan(row) if witness.mandate.secrets.iter().any(|s| holds(&row.bytes, s)) => {
            witness.accuse("no_secret_is_recorded", format!("plan {}", row.hash));
        }
        Record::Evidence { hash, bytes, .. } => {
            if digest(bytes) != *hash {
                witness.accuse("decisions_stand_on_evidence", format!("{hash} is another's"));
            }
            let days = serde_json::from_slice::<Days>(bytes).map(|d| d.days).unwrap_or_default();
            if !days.is_sorted_by(|a, b| a.d < b.d) {
                witness.accuse("each_day_counts_once", hash.clone());
            }
        }
        Record::Decision(row) => {
            if !witness.books.evidence.contains(&row.evidence) {
                let what = format!("{} on {}", row.id, row.evidence);
                witness.accuse("decisions_stand_on_evidence", what);
            }
            let known = witness.books.decisions.insert(row.id.to_string(), digest(&row.doc));
            if known.is_some() {
                witness.accuse("decisions_are_written_once", row.id.to_string());
            }
            if let Ok(doc) = serde_json::from_slice::<Value>(&row.doc)
                && let Some(what) = unscheduled(&doc)
            {
                witness.accuse("verdicts_come_at_looks", format!("{}: {what}", row.id));
            }
        }
        _ => {}
    }
}

fn audited(witness: &mut Witness, kind: &str, body: &[u8]) {
    if witness.mandate.secrets.iter().any(|s| holds(body, s)) {
        witness.accuse("no_secret_is_recorded", format!("an audit link {kind}"));
    }
    if !matches!(kind, "write_ended" | "write_blocked") {
        return;
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return witness.accuse("audit_bodies_are_json", kind);
    };
    if kind == "write_ended" {
        return order::absence(witness, &body);
    }
    let plan = witness.books.plans.get(&body_text(&body, "plan"));
    let op_key = body_text(&body, "op_key");
    let action = plan.and_then(|p| p.plan.actions.iter().find(|a| a.op_key.as_str() == op_key));
    if action.is_some_and(order::lowers) {
        let what = format!("{op_key}: {}", body_text(&body, "why"));
        witness.accuse("the_safe_direction_stays_open", what);
    }
}

/// Why a verdict of a decision comes at the wrong time, if it does.
fn unscheduled(doc: &Value) -> Option<String> {
    let state = &doc["next"]["state"];
    let trail = doc["trail"].as_array()?;
    let now_judged = trail.len() > 1 && trail.last()? == "judged";
    let verdict = state["verdict"].as_str()?;
    let conclusion = doc["conclusion"].as_str().unwrap_or_default();
    let scheduled = doc["look"]["at"].is_number()
        || conclusion.contains("authorised time")
        || state["test"]["route"]["kind"] == "placement";
    (now_judged && verdict != "aborted" && !scheduled)
        .then(|| format!("{verdict} outside a look: {conclusion}"))
}

/// Compares what was committed with what is on disk.
pub fn history(books: &Books, decisions: &BTreeMap<String, String>, writes: usize) -> Vec<Finding> {
    let mut found = Vec::new();
    if *decisions != books.decisions {
        let what = "the decisions are not those that were committed".to_owned();
        found.push(("history_never_changes", what));
    }
    if writes != books.writes.len() {
        let what = format!("{writes} writes on disk, {} committed", books.writes.len());
        found.push(("history_never_changes", what));
    }
    found
}

/// Counts requests and links.
pub fn counted(books: &Books, requests: u64) -> Vec<Finding> {
    let (began, ended) = (books.began, books.ended);
    // A life that ends between the link and the request leaves a link without one.
    let missing = requests > began || ended > began;
    let what = format!("{requests} requests, {began} began, {ended} ended");
    missing.then_some(("every_request_is_audited", what)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::*, *};
    use crate::{
        domain::{ClimbId, DecisionId, LineId},
        ports::store::DecisionRow,
    };

    fn decision(doc: &Value, evidence: &str) -> Record {
        Record::Decision(DecisionRow {
            id: DecisionId::new("d").unwrap(),
            line: LineId::new("l").unwrap(),
            climb: ClimbId::new("c").unwrap(),
            at: AT,
            evidence: evidence.to_owned(),
            doc: doc.to_string().into_bytes(),
        })
    }
    fn evidence(body: &Value) -> Record {
        let bytes = body.to_string().into_bytes();
        Record::Evidence { hash: digest(&bytes), at: AT, bytes }
    }

    #[test]
    fn decisions_without_evidence_twice_or_between_looks_are_named() {
        let broken = found(|w| {
            w.committed(&[decision(&json!({}), "aa"), decision(&json!({}), "aa")]);
        });
        assert_eq!(broken, ["decisions_stand_on_evidence", "decisions_are_written_once"]);
        let early = json!({"trail": ["comparing", "judged"], "conclusion": "promote x",
            "next": {"state": {"is": "judged", "verdict": "promote"}}});
        assert!(unscheduled(&early).is_some());
        let mut looked = early.clone();
        looked["look"] = json!({"at": 14});
        assert!(unscheduled(&looked).is_none());
        let name = found(|w| {
            let given = evidence(&json!({"days": []}));
            let Record::Evidence { hash, .. } = &given else { unreachable!() };
            let hash = hash.clone();
            w.committed(&[given, decision(&early, &hash)]);
        });
        assert_eq!(name, ["verdicts_come_at_looks"]);
    }

    #[test]
    fn days_twice_secrets_and_broken_bodies_are_named() {
        let twice = json!({"days": [{"d": "2026-01-01"}, {"d": "2026-01-01"}]});
        assert_eq!(found(|w| w.committed(&[evidence(&twice)])), ["each_day_counts_once"]);
        let secret = found(|w| {
            w.mandate.secrets = vec!["EAABsecret".to_owned()];
            w.committed(&[audit("pulled", &json!({"why": "x EAABsecret y"}))]);
        });
        assert_eq!(secret, ["no_secret_is_recorded"]);
        let bare = Record::Audit { at: AT, kind: "write_ended".into(), body: b"{".to_vec() };
        assert_eq!(found(|w| w.committed(&[bare])), ["audit_bodies_are_json"]);
    }

    #[test]
    fn changed_history_and_unaudited_requests_are_named() {
        let other = BTreeMap::from([("d".to_owned(), "x".to_owned())]);
        let names = |found: Vec<Finding>| found.into_iter().map(|(n, _)| n).collect::<Vec<_>>();
        let found = names(history(&Books::default(), &other, 1));
        assert_eq!(found, ["history_never_changes", "history_never_changes"]);
        assert_eq!(names(counted(&Books::default(), 1)), ["every_request_is_audited"]);
    }
}

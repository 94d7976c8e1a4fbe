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
use crate::{
    domain::{DAY_MS, Moment, Zone, decide::rule_of},
    ports::{
        Record,
        store::{DecisionRow, PlanRow},
    },
};

/// The part of evidence that is looked at.
#[derive(Deserialize)]
struct Days {
    days: Vec<DayOf>,
    #[serde(default)]
    now: Option<Moment>,
}
#[derive(Deserialize)]
struct DayOf {
    d: String,
    #[serde(default)]
    ok: bool,
}

/// A day that counts as complete although it had not settled when the evidence was gathered.
fn open_day(witness: &Witness, read: &Days) -> Option<String> {
    let settle_ms = witness.mandate.policy.as_ref()?.compare.settle_ms;
    let zone: Zone = witness.mandate.account.1.parse().ok()?;
    let now = read.now?;
    let last = read.days.iter().rfind(|day| day.ok)?;
    let end = zone.end_of(last.d.parse().ok()?);
    (now.since(end) < settle_ms).then(|| last.d.clone())
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
        Record::Plan(row) => planned(witness, row),
        Record::Evidence { hash, bytes, .. } => {
            if digest(bytes) != *hash {
                witness.accuse("decisions_stand_on_evidence", format!("{hash} is another's"));
            }
            let read = serde_json::from_slice::<Days>(bytes).ok();
            if let Some(day) = read.as_ref().and_then(|read| open_day(witness, read)) {
                witness.accuse("decisions_rest_on_closed_days", format!("{day} of {hash}"));
            }
            let days = read.map(|read| read.days).unwrap_or_default();
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
            if let Ok(doc) = serde_json::from_slice::<Value>(&row.doc) {
                if let Some(what) = unscheduled(&doc) {
                    witness.accuse("verdicts_come_at_looks", format!("{}: {what}", row.id));
                }
                if let Some(what) = past_stop_loss(witness, &doc) {
                    witness.accuse("the_stop_loss_ends_a_test", format!("{}: {what}", row.id));
                }
                if let Some(what) = spoiled(witness, row, &doc) {
                    witness.accuse("a_spoiled_test_has_no_verdict", format!("{}: {what}", row.id));
                }
            }
        }
        _ => {}
    }
}

/// Judges a plan as filed.
fn planned(witness: &mut Witness, row: &PlanRow) {
    if witness.mandate.secrets.iter().any(|s| holds(&row.bytes, s)) {
        witness.accuse("no_secret_is_recorded", format!("plan {}", row.hash));
    }
    let own = witness.books.plans.get(row.hash.as_str()).into_iter();
    let mut keys: Vec<&str> =
        own.flat_map(|p| &p.plan.actions).map(|a| a.op_key.as_str()).collect();
    keys.sort_unstable();
    let twice = keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    let others = witness.books.plans.iter().filter(|(hash, _)| *hash != row.hash.as_str());
    let mut others = others.flat_map(|(_, p)| &p.plan.actions).map(|a| a.op_key.as_str());
    let again = || others.find(|key| keys.binary_search(key).is_ok());
    let lost = || keys.iter().copied().find(|key| witness.lost.contains(*key));
    if let Some(key) = twice.or_else(again).or_else(lost).map(str::to_owned) {
        let what = format!("{key} of {} plan {}", row.kind.as_str(), row.hash);
        witness.accuse("an_op_key_belongs_to_one_action", what);
    }
}

/// A test that goes on although its own meters are past their limits.
fn past_stop_loss(witness: &Witness, doc: &Value) -> Option<String> {
    let rule = rule_of(witness.mandate.policy.as_ref()?).stop_loss?;
    let meter = &doc["meter"];
    let number = |name: &str| meter[name].as_f64();
    let (excess, limit, evidence) = (number("excess_spend")?, number("limit")?, number("e_value")?);
    let over = evidence >= rule.e_value || limit > 0.0 && excess >= limit;
    let goes_on = matches!(doc["next"]["state"]["is"].as_str()?, "warming" | "comparing");
    (over && goes_on && meter["days"].as_i64()? >= rule.from_day)
        .then(|| format!("{excess:.0} of {limit:.0} lost, evidence {evidence:.1}"))
}

/// A verdict on a test in which somebody else moved something a day or more ago, and nobody has returned it since.
fn spoiled(witness: &Witness, row: &DecisionRow, doc: &Value) -> Option<String> {
    let test = &doc["next"]["state"]["test"];
    let verdict = doc["next"]["state"]["verdict"].as_str().filter(|v| *v != "aborted")?;
    if doc["trail"].as_array()?.len() < 2 || test["route"]["kind"] == "placement" {
        return None;
    }
    let begun = Moment::from_millis(test["activated"].as_i64()?);
    let told = witness.books.commands.get(row.climb.as_str());
    let arms = [doc["next"]["incumbent"].as_str()?, test["challenger"].as_str()?];
    let moved = arms.iter().filter_map(|id| Some((*id, *witness.people.moved.get(*id)?)));
    let late =
        |at: Moment| at > begun && row.at.since(at) >= DAY_MS && told.is_none_or(|t| *t < at);
    let (id, at) = moved.into_iter().find(|(_, at)| late(*at))?;
    Some(format!("{verdict} although campaign {id} was changed at {at}"))
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
    fn an_open_day_a_stop_loss_unheard_and_a_spoiled_verdict_are_named() {
        let policy = || Some(crate::config::from_toml("", &[]).unwrap().policy);
        let now = Moment::from_millis(0).plus(DAY_MS * 100);
        let zone: Zone = "Europe/Berlin".parse().unwrap();
        let days = |ago: i64| {
            let day = zone.day_of(now).plus(-ago).to_string();
            evidence(&json!({"now": now.millis(), "days": [{"d": day, "ok": true}]}))
        };
        let judged = |ago: i64| {
            found(|w| {
                w.mandate.policy = policy();
                w.committed(&[days(ago)]);
            })
        };
        assert_eq!(judged(2), ["decisions_rest_on_closed_days"]);
        assert!(judged(9).is_empty());
        let mut w = Witness::default();
        w.mandate.policy = policy();
        let meter = json!({"excess_spend": 9.0, "limit": 8.0, "e_value": 1.0, "days": 30});
        let goes_on = |is: &str| json!({"meter": meter, "next": {"state": {"is": is}}});
        assert!(past_stop_loss(&w, &goes_on("comparing")).is_some());
        assert!(past_stop_loss(&w, &goes_on("judged")).is_none());
        let verdict = json!({"trail": ["comparing", "judged"], "next": {"incumbent": "1", "state": {
            "is": "judged", "verdict": "stay",
            "test": {"activated": 0, "challenger": "2", "route": {"kind": "climb"}}}}});
        let Record::Decision(row) = decision(&verdict, "aa") else { unreachable!() };
        let row = DecisionRow { at: now, ..row };
        assert!(spoiled(&w, &row, &verdict).is_none());
        w.people.moved.insert("2".to_owned(), Moment::from_millis(5));
        assert!(spoiled(&w, &row, &verdict).is_some());
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

//! The witness's own books: what durable commits have told, kept apart from anything the agent says later.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    domain::{
        Moment,
        climb::{Climb, State, Test},
        plan::{Action, Bindings, Plan, PlanKind, Template},
        write_log::{Entry, WriteStatus},
    },
    ports::{Record, store::ClimbRow},
};

/// A plan as committed.
#[derive(Debug, Clone)]
pub struct FiledPlan {
    /// The document.
    pub plan: Plan,
    /// Everybody who said yes.
    pub yes: BTreeSet<String>,
    /// Somebody said no.
    pub rejected: bool,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why it ended so.
    pub why: String,
}

/// A write as committed.
#[derive(Debug, Clone)]
pub struct BookedWrite {
    /// Its plan's hash.
    pub plan: String,
    /// Its action within the plan.
    pub action: String,
    /// It creates something.
    pub creates: bool,
    /// The bound request.
    pub request: Template,
    /// Its log.
    pub entries: Vec<(Moment, Entry)>,
    /// What it created.
    pub object: Option<String>,
    /// A read has shown what it promised.
    pub verified: bool,
}

impl BookedWrite {
    /// Where it stands; None when its log is impossible.
    pub fn status(&self) -> Option<WriteStatus> {
        WriteStatus::fold(self.entries.iter().map(|(_, e)| *e)).ok()
    }
}

/// Everything committed so far, as far as invariants look at it.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Plans by hash.
    pub plans: BTreeMap<String, FiledPlan>,
    /// Writes by key.
    pub writes: BTreeMap<String, BookedWrite>,
    /// Digests of decisions by id.
    pub decisions: BTreeMap<String, String>,
    /// Hashes of evidence.
    pub evidence: BTreeSet<String>,
    /// Climbs as they stand.
    pub climbs: BTreeMap<String, Climb>,
    /// The test a climb had last.
    pub tests: BTreeMap<String, Test>,
    /// Audit links of writes that began.
    pub began: u64,
    /// Audit links of writes that ended for good: a write in doubt has not ended.
    pub ended: u64,
    /// Climbs that were once stuck: a person brings their campaigns to where they belong.
    pub stuck: BTreeSet<String>,
    /// Lines of which a person was told that nothing runs.
    pub told_dark: BTreeSet<String>,
    /// Person's commands by climb: when the last was given.
    pub commands: BTreeMap<String, Moment>,
    /// Plans of a climb that no write had begun when a person aborted it.
    pub aborted: BTreeSet<String>,
    /// Notes as they stand; an emptied one is none.
    pub notes: BTreeMap<String, String>,
}

/// The fields of an audit body.
pub fn body_text(body: &Value, name: &str) -> String {
    body.get(name).and_then(Value::as_str).unwrap_or("").to_owned()
}

impl Books {
    /// Enters one record; what an invariant must look at besides is returned to the caller's own judgement.
    pub fn enter(&mut self, record: &Record) {
        match record {
            Record::Plan(row) => {
                if let Ok(plan) = serde_json::from_slice::<Plan>(&row.bytes) {
                    let filed = FiledPlan {
                        plan,
                        yes: BTreeSet::new(),
                        rejected: false,
                        outcome: None,
                        why: String::new(),
                    };
                    self.plans.insert(row.hash.to_string(), filed);
                }
            }
            Record::PlanEnd(hash, end) => {
                if let Some(plan) = self.plans.get_mut(hash.as_str()) {
                    plan.outcome = Some(end.outcome.clone());
                    plan.why.clone_from(&end.why);
                }
            }
            Record::Approval(a) => {
                if let Some(plan) = self.plans.get_mut(a.plan.as_str()) {
                    if a.granted {
                        plan.yes.insert(a.by.clone());
                    } else {
                        plan.rejected = true;
                    }
                }
            }
            Record::Intent(row) => {
                let write = BookedWrite {
                    plan: row.plan.to_string(),
                    action: row.action.clone(),
                    creates: row.creates.is_some(),
                    request: row.request.clone(),
                    entries: Vec::new(),
                    object: None,
                    verified: false,
                };
                self.writes.insert(row.op_key.to_string(), write);
            }
            Record::Entry { op_key, at, entry, object } => {
                if let Some(write) = self.writes.get_mut(op_key.as_str()) {
                    write.entries.push((*at, *entry));
                    if let Some(object) = object {
                        write.object = Some(object.to_string());
                    }
                }
            }
            Record::Verified { op_key, .. } => {
                if let Some(write) = self.writes.get_mut(op_key.as_str()) {
                    write.verified = true;
                }
            }
            Record::Evidence { hash, .. } => {
                self.evidence.insert(hash.clone());
            }
            Record::Climb(row) => self.climb(row),
            Record::Command(row) => {
                self.commands.insert(row.subject.clone(), row.at);
                if row.kind == "climb_abort" {
                    self.abort(&row.subject);
                }
            }
            Record::Note { key, value } if value.is_empty() => {
                self.notes.remove(key);
            }
            Record::Note { key, value } => {
                self.notes.insert(key.clone(), value.clone());
            }
            Record::Audit { kind, body, .. } => match kind.as_str() {
                "write_began" => self.began = self.began.saturating_add(1),
                "write_ended" => {
                    let body: Value = serde_json::from_slice(body).unwrap_or_default();
                    let known = body_text(&body, "outcome") != Entry::OutcomeUnknown.as_str();
                    self.ended = self.ended.saturating_add(u64::from(known));
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn climb(&mut self, row: &ClimbRow) {
        let Ok(climb) = serde_json::from_slice::<Climb>(&row.doc) else { return };
        if matches!(climb.state, State::Stuck { .. }) {
            self.stuck.insert(row.id.to_string());
        }
        if climb.held.as_ref().is_some_and(|why| why.starts_with("nothing of ")) {
            self.told_dark.insert(climb.line.to_string());
        }
        if let Some(test) = climb.state.test() {
            self.tests.insert(row.id.to_string(), test.clone());
        }
        self.climbs.insert(row.id.to_string(), climb);
    }

    /// A person aborts a climb: what no write has begun yet is void.
    fn abort(&mut self, climb: &str) {
        let begun: BTreeSet<&String> = self.writes.values().map(|w| &w.plan).collect();
        let void = |(hash, filed): &(&String, &FiledPlan)| {
            filed.plan.climb.as_str() == climb && !begun.contains(hash)
        };
        let hashes: Vec<String> =
            self.plans.iter().filter(void).map(|(hash, _)| hash.clone()).collect();
        self.aborted.extend(hashes);
    }

    /// The action a write belongs to.
    pub fn action_of(&self, op_key: &str) -> Option<(&FiledPlan, &Action)> {
        let write = self.writes.get(op_key)?;
        let filed = self.plans.get(&write.plan)?;
        Some((filed, filed.plan.action(&write.action)?))
    }
    /// What the creations of a plan have brought.
    pub fn bindings(&self, plan: &str) -> Bindings {
        let of = self.writes.values().filter(|w| w.plan == plan);
        of.filter_map(|w| Some((w.action.clone(), w.object.as_deref()?.parse().ok()?))).collect()
    }
    /// The write that created an object.
    pub fn maker_of(&self, object: &str) -> Option<(&String, &BookedWrite)> {
        self.writes.iter().find(|(_, w)| w.creates && w.object.as_deref() == Some(object))
    }
    /// Writes nobody knows the outcome of.
    pub fn in_doubt(&self) -> impl Iterator<Item = &String> {
        let doubtful = |w: &BookedWrite| w.status() == Some(WriteStatus::InDoubt);
        self.writes.iter().filter(move |(_, w)| doubtful(w)).map(|(key, _)| key)
    }
    /// True once the first write of a plan of this kind was started for a climb.
    pub fn has_begun(&self, climb: &str, kind: PlanKind) -> bool {
        let begun = |w: &BookedWrite| w.entries.iter().any(|(_, e)| *e == Entry::Started);
        self.writes
            .values()
            .filter(|w| begun(w))
            .filter_map(|w| self.plans.get(&w.plan))
            .any(|p| p.plan.kind == kind && p.plan.climb.as_str() == climb)
    }
    /// One campaign of the line is making way for another, forth or back: two cannot change places in one write.
    pub fn is_changing_places(&self, climb: &Climb) -> bool {
        let mut begun = self.writes.values().filter_map(|w| self.plans.get(&w.plan));
        let changes = |plan: &Plan| match plan.kind {
            PlanKind::Revert => true,
            PlanKind::Activate => !plan.money.extra_total.is_positive(),
            _ => false,
        };
        begun.any(|p| p.outcome.is_none() && p.plan.line == climb.line && changes(&p.plan))
    }
    /// Every campaign a line has run on, as far as its climbs and tests tell.
    pub fn campaigns_of(&self, climb: &Climb) -> BTreeSet<&str> {
        let line = self.climbs.values().filter(|c| c.line == climb.line);
        let both = line.flat_map(|c| {
            let test = self.tests.get(c.id.as_str());
            [Some(c.incumbent.as_str()), test.map(|t| t.challenger.as_str())]
        });
        both.flatten().collect()
    }
    /// The plan that turned a campaign on, if one did.
    pub fn activation_of(&self, campaign: &str) -> Option<&FiledPlan> {
        let turned_on = |w: &&BookedWrite| {
            let on = w.request.params.iter().any(|(n, v)| n == "status" && v == "ACTIVE");
            on && w.request.path == campaign && !w.creates
        };
        let kinds = [PlanKind::Activate, PlanKind::Revert];
        let mut plans =
            self.writes.values().filter(turned_on).filter_map(|w| self.plans.get(&w.plan));
        plans.rfind(|p| kinds.contains(&p.plan.kind))
    }
}

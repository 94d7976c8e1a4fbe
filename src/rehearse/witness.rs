//! What is seen at the border as it happens: every commit before every send.
//!
//! The witness keeps its own books. A write may leave only on a permit that a durable commit gave it in the same life:
//! the *began* link with the digest of that very request. Permits die with the process, so a request sent again on the
//! strength of an old intent shows at once.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    domain::{Moment, plan::Template, write_log::Entry},
    ports::Record,
    sandbox::Standing,
};

/// Something that must never happen, happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// The seed of the story.
    pub seed: u64,
    /// What had gone wrong until then, oldest first.
    pub story: Vec<String>,
}

#[derive(Debug, Clone)]
struct Permit {
    op_key: String,
    plan: String,
    creates: bool,
}

/// The witness of one story.
#[derive(Debug, Default)]
pub struct Witness {
    seed: u64,
    story: Vec<String>,
    violations: Vec<Violation>,
    permits: BTreeMap<String, Vec<Permit>>,
    approved: BTreeSet<String>,
    rejected: BTreeSet<String>,
    sent: BTreeMap<String, u32>,
    absent: BTreeMap<String, u32>,
    creations: BTreeSet<String>,
    decisions: BTreeMap<String, String>,
    writes: u64,
    /// The mode writes at all.
    pub may_write: bool,
    /// Limit of the sum of daily budgets in minor units.
    pub daily_cap_minor: i64,
}

impl Witness {
    /// Nothing seen yet.
    pub fn new(seed: u64, may_write: bool, daily_cap_minor: i64) -> Self {
        Self { seed, may_write, daily_cap_minor, ..Self::default() }
    }
    /// Adds to the story.
    pub fn tell(&mut self, at: Moment, what: impl AsRef<str>) {
        self.story.push(format!("{at} {}", what.as_ref()));
    }
    /// Names a violation; the same one is kept once.
    pub fn accuse(&mut self, invariant: &'static str, what: impl Into<String>) {
        let what = what.into();
        let known = |v: &Violation| v.invariant == invariant && v.what == what;
        if !self.violations.iter().any(known) {
            let (seed, story) = (self.seed, self.story.clone());
            self.violations.push(Violation { invariant, what, seed, story });
        }
    }
    /// What was found, and what had gone wrong.
    pub fn into_parts(self) -> (Vec<Violation>, Vec<String>) {
        (self.violations, self.story)
    }
    /// True while nothing was found.
    pub fn is_content(&self) -> bool {
        self.violations.is_empty()
    }
    /// Writes sent so far.
    pub fn writes(&self) -> u64 {
        self.writes
    }
    /// Digests of the decisions committed, by id.
    pub fn decisions(&self) -> &BTreeMap<String, String> {
        &self.decisions
    }
    /// The process died: what it was allowed to send and did not, it may not send any more.
    pub fn died(&mut self) {
        self.permits.clear();
    }

    /// A batch became durable.
    pub fn committed(&mut self, batch: &[Record]) {
        for record in batch {
            if let Record::Entry { op_key, entry, .. } = record
                && *entry != Entry::Started
            {
                // Once something is known about it, the permit is used up.
                for permits in self.permits.values_mut() {
                    permits.retain(|p| p.op_key != op_key.as_str());
                }
            }
            match record {
                Record::Approval(a) if a.granted => {
                    self.approved.insert(a.plan.to_string());
                }
                Record::Approval(a) => {
                    self.rejected.insert(a.plan.to_string());
                }
                Record::Decision(row) => {
                    let digest = HEXLOWER.encode(&Sha256::digest(&row.doc));
                    if self.decisions.insert(row.id.to_string(), digest).is_some() {
                        self.accuse("decisions_are_written_once", row.id.to_string());
                    }
                }
                Record::Entry { op_key, entry: Entry::FoundAbsent, .. } => {
                    let n = self.absent.entry(op_key.to_string()).or_insert(0);
                    *n = n.saturating_add(1);
                }
                Record::Intent(row) if row.creates.is_some() => {
                    self.creations.insert(row.op_key.to_string());
                }
                Record::Audit { kind, body, .. } if kind == "write_began" => self.began(body),
                _ => {}
            }
        }
        let started = batch.iter().filter_map(|r| match r {
            Record::Entry { op_key, entry: Entry::Started, .. } => Some(op_key.to_string()),
            _ => None,
        });
        let audited =
            batch.iter().any(|r| matches!(r, Record::Audit { kind, .. } if kind == "write_began"));
        for op_key in started {
            if !audited {
                self.accuse("every_start_has_its_audit_link", op_key);
            }
        }
    }

    fn began(&mut self, body: &[u8]) {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return self.accuse("audit_bodies_are_json", "write_began");
        };
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let op_key = text("op_key");
        let creates = self.creations.contains(&op_key);
        let permit = Permit { creates, plan: text("plan"), op_key };
        self.permits.entry(text("request_digest")).or_default().push(permit);
    }

    /// A write is about to leave; `stopped` says why it should not.
    pub fn sends(&mut self, template: &Template, stopped: Option<&str>, world: &[Standing]) {
        self.writes = self.writes.saturating_add(1);
        let shown = format!("{} {}", template.method, template.path);
        if !self.may_write {
            self.accuse("dry_modes_write_nothing", &shown);
        }
        if let Some(why) = stopped {
            self.accuse("nothing_is_sent_while_stopped", format!("{shown} ({why})"));
        }
        let permit = self.permits.get_mut(&template.digest()).and_then(Vec::pop);
        let Some(permit) = permit else {
            return self.accuse("intent_and_audit_precede_the_send", shown);
        };
        if !self.approved.contains(&permit.plan) || self.rejected.contains(&permit.plan) {
            self.accuse("approval_precedes_the_write", format!("{shown} of plan {}", permit.plan));
        }
        let sent = self.sent.entry(permit.op_key.clone()).or_insert(0);
        *sent = sent.saturating_add(1);
        let allowed = self.absent.get(&permit.op_key).copied().unwrap_or(0).saturating_add(1);
        if *sent > allowed {
            let what = format!("{shown} (op {}) was sent {sent} times", permit.op_key);
            self.accuse("no_write_is_repeated_without_proof_of_absence", what);
        }
        let param = |name: &str| template.params.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let status = param("status").map(String::as_str);
        let rule = template.path.ends_with("adrules_library");
        if permit.creates && !rule && status != Some("PAUSED") {
            self.accuse("everything_is_created_paused", &shown);
        }
        if status == Some("ACTIVE") && !permit.creates {
            self.switches_on(&template.path, world);
        }
    }

    /// Money starts at one write: children are on before their campaign, never after.
    fn switches_on(&mut self, id: &str, world: &[Standing]) {
        let Some(object) = world.iter().find(|o| o.id == id) else { return };
        if object.kind == "campaign" {
            return;
        }
        let parent = world.iter().find(|o| o.id == object.campaign);
        if parent.is_some_and(|c| c.status == "ACTIVE") {
            let what = format!("{} {id} is switched on inside an active campaign", object.kind);
            self.accuse("money_starts_at_one_write", what);
        }
    }

    /// A write was carried out: the budgets before and after it.
    pub fn applied(&mut self, before: &[Standing], after: &[Standing]) {
        let (was, is) = (daily(before), daily(after));
        if is > was && is > self.daily_cap_minor {
            let cap = self.daily_cap_minor;
            self.accuse("daily_budgets_stay_within_the_limit", format!("{was} -> {is} over {cap}"));
        }
    }
}

/// Sum of the daily budgets that are on, in minor units.
pub fn daily(world: &[Standing]) -> i64 {
    let on = |o: &&Standing| o.kind == "campaign" && o.status == "ACTIVE";
    let budget = |campaign: &Standing| {
        campaign.daily_budget.unwrap_or_else(|| {
            let sets = world
                .iter()
                .filter(|o| o.kind == "adset" && o.campaign == campaign.id && o.status == "ACTIVE");
            sets.filter_map(|s| s.daily_budget).sum()
        })
    };
    world.iter().filter(on).map(budget).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{
        OpKey,
        plan::{Approval, PlanHash},
    };

    const AT: Moment = Moment::from_millis(0);

    fn template() -> Template {
        let params = vec![("daily_budget".to_owned(), "900".to_owned())];
        Template { method: "POST".to_owned(), path: "7".to_owned(), params }
    }
    fn began() -> Vec<Record> {
        let body = json!({"op_key": "K", "plan": "aa", "request_digest": template().digest()});
        let entry = Entry::Started;
        let op_key = OpKey::new("K").unwrap();
        vec![
            Record::Entry { op_key, at: AT, entry, object: None },
            Record::Audit { at: AT, kind: "write_began".into(), body: body.to_string().into() },
        ]
    }
    fn approved(granted: bool) -> Record {
        let (plan, by, note) = (PlanHash::named("aa"), "a".to_owned(), String::new());
        Record::Approval(Approval { plan, by, at: AT, granted, note })
    }
    fn found(act: impl FnOnce(&mut Witness)) -> Vec<&'static str> {
        let mut witness = Witness::new(1, true, 1_000);
        act(&mut witness);
        witness.into_parts().0.into_iter().map(|v| v.invariant).collect()
    }

    #[test]
    fn a_permitted_write_is_fine_and_the_same_without_a_commit_is_not() {
        let fine = found(|w| {
            w.committed(&[approved(true)]);
            w.committed(&began());
            w.sends(&template(), None, &[]);
        });
        assert!(fine.is_empty(), "{fine:?}");
        let bare = found(|w| w.sends(&template(), None, &[]));
        assert_eq!(bare, ["intent_and_audit_precede_the_send"]);
    }

    #[test]
    fn a_permit_does_not_outlive_its_process_and_a_repeat_needs_proof() {
        let stale = found(|w| {
            w.committed(&[approved(true)]);
            w.committed(&began());
            w.died();
            w.sends(&template(), None, &[]);
        });
        assert_eq!(stale, ["intent_and_audit_precede_the_send"]);
        let repeated = found(|w| {
            w.committed(&[approved(true)]);
            for _ in 0..2 {
                w.committed(&began());
                w.sends(&template(), None, &[]);
            }
        });
        assert_eq!(repeated, ["no_write_is_repeated_without_proof_of_absence"]);
    }

    #[test]
    fn stopped_dry_and_unapproved_writes_are_named() {
        let unapproved = found(|w| {
            w.committed(&[approved(true), approved(false)]);
            w.committed(&began());
            w.sends(&template(), Some("stop"), &[]);
        });
        assert_eq!(unapproved, ["nothing_is_sent_while_stopped", "approval_precedes_the_write"]);
        let dry = found(|w| {
            w.may_write = false;
            w.committed(&[approved(true)]);
            w.committed(&began());
            w.sends(&template(), None, &[]);
        });
        assert_eq!(dry, ["dry_modes_write_nothing"]);
    }

    #[test]
    fn a_raise_over_the_limit_and_a_switch_inside_an_active_campaign_are_named() {
        let standing = |kind, id: &str, campaign: &str, status: &str, budget| Standing {
            id: id.to_owned(),
            kind,
            campaign: campaign.to_owned(),
            name: String::new(),
            status: status.to_owned(),
            daily_budget: budget,
        };
        let small = [standing("campaign", "1", "0", "ACTIVE", Some(900))];
        let large = [standing("campaign", "1", "0", "ACTIVE", Some(1_100))];
        assert_eq!(found(|w| w.applied(&small, &large)), ["daily_budgets_stay_within_the_limit"]);
        assert!(found(|w| w.applied(&large, &small)).is_empty());
        let world = [small[0].clone(), standing("adset", "2", "1", "PAUSED", None)];
        assert_eq!(found(|w| w.switches_on("2", &world)), ["money_starts_at_one_write"]);
    }
}

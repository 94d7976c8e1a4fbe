//! A store in memory, as strict as the real one about what may follow what; for millions of short stories.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use rungwise::{
    domain::{
        AccountId, AccountInfo, CampaignId, ClimbId, DayRange, DecisionId, InsightRow, Moment,
        OpKey, SeenRow, Tree,
        audit::{Head, Link},
        plan::{Approval, PlanHash},
        write_log::{Entry, WriteStatus},
    },
    ports::{
        Record, Store, StoreError,
        store::{
            ClimbRow, CommandRow, CoverageRow, DecisionRow, IntentRow, PlanRow, SavedInsights,
            SealedRow,
        },
    },
};

use super::paper::Ticks;

/// What is in it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) account: Option<AccountInfo>,
    pub(crate) climbs: Vec<ClimbRow>,
    pub(crate) plans: Vec<PlanRow>,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) intents: Vec<IntentRow>,
    pub(crate) notes: BTreeMap<String, String>,
    /// Kind and body of the audit links.
    pub(crate) links: Vec<(String, Vec<u8>)>,
    /// Set where writes that move no money are started too.
    pub(crate) free: bool,
}

/// The store; each commit takes some time of the clock.
#[derive(Debug)]
pub(crate) struct Memory {
    held: Mutex<Held>,
    ticks: Arc<Ticks>,
}

impl Memory {
    pub(crate) fn new(ticks: Arc<Ticks>) -> Self {
        Self { held: Mutex::default(), ticks }
    }
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nobody panics while holding it")
    }
}

fn conflict(what: &OpKey) -> StoreError {
    StoreError::Conflict { doing: "recording a write", what: what.to_string() }
}

/// A write that moves money starts in one commit with its reservation, and every write with its audit link.
fn reserved(batch: &[Record], free: bool) {
    let started = batch.iter().find_map(|r| match r {
        Record::Entry { op_key, entry: Entry::Started, .. } => Some(op_key),
        _ => None,
    });
    let Some(op_key) = started else { return };
    let key = format!("move:{op_key}");
    let reserves = |r: &Record| matches!(r, Record::Note { key: k, .. } if *k == key);
    let began = |r: &Record| matches!(r, Record::Audit { kind, .. } if kind == "write_began");
    assert!(free || batch.iter().any(reserves), "{op_key} starts without a reservation");
    assert!(batch.iter().any(began), "{op_key} starts without an audit link");
}

fn one(held: &mut Held, record: Record) -> Result<(), StoreError> {
    match record {
        Record::Intent(row) => {
            if held.intents.iter().any(|i| i.op_key == row.op_key) {
                return Err(conflict(&row.op_key));
            }
            held.intents.push(row);
        }
        Record::Entry { op_key, at, entry, object } => {
            let row = held.intents.iter_mut().find(|i| i.op_key == op_key);
            let row = row.ok_or_else(|| conflict(&op_key))?;
            row.entries.push((at, entry));
            let log = row.entries.iter().map(|(_, e)| *e);
            WriteStatus::fold(log).map_err(|_| conflict(&op_key))?;
            row.object = object.or(row.object.take());
        }
        Record::Verified { op_key, .. } => {
            let row = held.intents.iter_mut().find(|i| i.op_key == op_key);
            row.ok_or_else(|| conflict(&op_key))?.verified = true;
        }
        Record::Plan(row) => held.plans.push(row),
        Record::PlanEnd(hash, end) => {
            let row = held.plans.iter_mut().find(|p| p.hash == hash && p.end.is_none());
            row.expect("a plan ends once").end = Some(end);
        }
        Record::Approval(approval) => held.approvals.push(approval),
        Record::Climb(row) => {
            held.climbs.retain(|c| c.id != row.id);
            held.climbs.push(row);
        }
        Record::Note { key, value } => {
            held.notes.insert(key, value);
        }
        Record::Audit { kind, body, .. } => held.links.push((kind, body)),
        other => panic!("the door does not write {other:?}"),
    }
    Ok(())
}

impl Store for Memory {
    async fn commit(&self, batch: Vec<Record>) -> Result<(), StoreError> {
        self.ticks.pass();
        let mut held = self.held();
        reserved(&batch, held.free);
        for record in batch {
            one(&mut held, record)?;
        }
        Ok(())
    }
    async fn save_insights(
        &self,
        _: &AccountId,
        _: DayRange,
        _: &[InsightRow],
        _: Moment,
    ) -> Result<SavedInsights, StoreError> {
        Ok(SavedInsights::default())
    }
    async fn add_insights(
        &self,
        _: &AccountId,
        _: &[InsightRow],
        _: Moment,
    ) -> Result<SavedInsights, StoreError> {
        Ok(SavedInsights::default())
    }
    async fn insights(
        &self,
        _: &AccountId,
        _: &[CampaignId],
        _: DayRange,
        _: Option<Moment>,
    ) -> Result<Vec<SeenRow>, StoreError> {
        Ok(vec![])
    }
    async fn insights_counting(
        &self,
        _: &AccountId,
        _: &[CampaignId],
        _: DayRange,
        _: Option<Moment>,
        _: &[String],
    ) -> Result<Vec<SeenRow>, StoreError> {
        Ok(vec![])
    }
    async fn coverage(
        &self,
        _: &AccountId,
        _: DayRange,
        _: Option<Moment>,
    ) -> Result<Vec<CoverageRow>, StoreError> {
        Ok(vec![])
    }
    async fn install_id(&self) -> Result<String, StoreError> {
        Ok("memory".to_owned())
    }
    async fn account(&self, _: &AccountId) -> Result<Option<AccountInfo>, StoreError> {
        Ok(self.held().account.clone())
    }
    async fn tree(&self, _: &CampaignId) -> Result<Option<Tree>, StoreError> {
        Ok(None)
    }
    async fn trees(&self) -> Result<Vec<Tree>, StoreError> {
        Ok(vec![])
    }
    async fn climbs(&self, open: bool) -> Result<Vec<ClimbRow>, StoreError> {
        Ok(self.held().climbs.iter().filter(|c| c.open || !open).cloned().collect())
    }
    async fn decisions(&self, _: Option<&ClimbId>, _: u32) -> Result<Vec<DecisionRow>, StoreError> {
        Ok(vec![])
    }
    async fn decision(&self, _: &DecisionId) -> Result<Option<DecisionRow>, StoreError> {
        Ok(None)
    }
    async fn evidence(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }
    async fn plans(&self, open: bool, _: u32) -> Result<Vec<PlanRow>, StoreError> {
        let all = self.held().plans.clone();
        Ok(all.into_iter().rev().filter(|p| p.end.is_none() || !open).collect())
    }
    async fn plans_like(&self, prefix: &str) -> Result<Vec<PlanRow>, StoreError> {
        let held = self.held();
        Ok(held.plans.iter().filter(|p| p.hash.as_str().starts_with(prefix)).cloned().collect())
    }
    async fn approvals(&self, plan: &PlanHash) -> Result<Vec<Approval>, StoreError> {
        // Whatever row stands under the plan, also one that is for another hash: the door has to look.
        let held = self.held();
        let known = |a: &&Approval| a.plan == *plan || held.plans.len() == 1;
        Ok(held.approvals.iter().filter(known).cloned().collect())
    }
    async fn intents(&self, plan: Option<&PlanHash>) -> Result<Vec<IntentRow>, StoreError> {
        let held = self.held();
        Ok(held.intents.iter().filter(|i| plan.is_none_or(|p| i.plan == *p)).cloned().collect())
    }
    async fn commands(&self) -> Result<Vec<CommandRow>, StoreError> {
        Ok(vec![])
    }
    async fn last_slot(&self, _: &str) -> Result<Option<Moment>, StoreError> {
        Ok(None)
    }
    async fn intents_since(&self, _: Moment) -> Result<Vec<IntentRow>, StoreError> {
        self.intents(None).await
    }
    async fn notes(&self, keys: &[String]) -> Result<BTreeMap<String, String>, StoreError> {
        let held = self.held();
        let found = keys.iter().filter_map(|k| Some((k.clone(), held.notes.get(k)?.clone())));
        Ok(found.collect())
    }
    async fn note(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.held().notes.get(key).cloned())
    }
    async fn sealed(&self) -> Result<Vec<SealedRow>, StoreError> {
        Ok(vec![])
    }
    async fn links(&self, _: i64, _: u32) -> Result<Vec<Link>, StoreError> {
        Ok(vec![])
    }
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(Head::genesis())
    }
}

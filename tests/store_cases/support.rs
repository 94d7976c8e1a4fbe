//! A directory with an agent's store, raw connections to its file, and small values of each kind.

use std::{path::Path, sync::Arc};

use data_encoding::HEXLOWER;
use rungwise::{
    daemon::AgentLock,
    domain::{
        AccountId, CampaignId, ClimbId, DayRange, DecisionId, InsightRow, LineId, Moment, Money,
        Tree,
        plan::{PlanHash, PlanKind, Template},
        write_log::Entry,
    },
    ports::{
        AgentHold as _, Record, StoreError,
        store::{DecisionRow, IntentRow, PlanRow},
    },
    store::{Access, DATABASE_FILE, SqliteStore},
};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// A directory and the agent's store in it.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) store: SqliteStore,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = agent(dir.path()).await.unwrap();
        Self { dir, store }
    }
    /// Closes and opens again, as after a restart.
    pub(crate) async fn reopened(self) -> Self {
        let Self { dir, store } = self;
        store.close().await;
        let store = agent(dir.path()).await.unwrap();
        Self { dir, store }
    }
    pub(crate) async fn read(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(self.dir.path(), &account(), Access::Read).await
    }
    /// Another program's connection: it has none of our settings, and cares for none of our rules.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        raw(&self.dir.path().join(DATABASE_FILE)).await
    }
}

pub(crate) async fn raw(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

pub(crate) async fn agent(dir: &Path) -> Result<SqliteStore, StoreError> {
    let lock = Arc::new(AgentLock::acquire(dir)?);
    assert!(lock.dir().is_absolute());
    SqliteStore::open(dir, &account(), Access::Agent(lock)).await
}

pub(crate) fn account() -> AccountId {
    AccountId::new("act_1").unwrap()
}
pub(crate) fn at(ms: i64) -> Moment {
    Moment::from_millis(ms)
}
pub(crate) fn days(since: &str, until: &str) -> DayRange {
    DayRange::new(since.parse().unwrap(), until.parse().unwrap()).unwrap()
}
pub(crate) fn campaign(id: &str) -> CampaignId {
    CampaignId::new(id).unwrap()
}
pub(crate) fn climb_id() -> ClimbId {
    ClimbId::new("shoes-2").unwrap()
}
pub(crate) fn line_id() -> LineId {
    LineId::new("shoes").unwrap()
}

pub(crate) fn insight(day: &str, adset: &str, purchases: u64) -> InsightRow {
    let actions = format!(r#"{{"purchase":{{"v":{purchases},"w":{{"7d_click":{purchases}}}}}}}"#);
    InsightRow {
        adset: adset.parse().unwrap(),
        campaign: campaign("70"),
        day: day.parse().unwrap(),
        spend: "12.34 EUR".parse().unwrap(),
        impressions: 1_000,
        link_clicks: 50,
        attribution: "7d_click_1d_view".into(),
        actions: serde_json::from_str(&actions).unwrap(),
        values: [("purchase", 9_900)].into_iter().collect(),
    }
}

pub(crate) fn tree(seen_at: Moment, name: &str) -> Tree {
    let text = format!(
        r#"{{"seen_at":{},"campaign":{{"id":"70","name":"{name}","objective":"OUTCOME_SALES","status":"ACTIVE",
        "effective_status":"ACTIVE","daily_budget":null,"lifetime_budget":null,"spend_cap":null,"bid_strategy":null,
        "special_ad_categories":[],"fields":{{"name":"{name}"}}}},"adsets":[],"ads":[]}}"#,
        seen_at.millis()
    );
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn evidence(bytes: &[u8]) -> Record {
    let hash = HEXLOWER.encode(&Sha256::digest(bytes));
    Record::Evidence { hash, at: at(10), bytes: bytes.to_vec() }
}
pub(crate) fn decision(id: &str, evidence: &[u8], ms: i64) -> DecisionRow {
    DecisionRow {
        id: DecisionId::new(id).unwrap(),
        line: line_id(),
        climb: climb_id(),
        at: at(ms),
        evidence: HEXLOWER.encode(&Sha256::digest(evidence)),
        doc: format!("{{ \"decision\":\"{id}\" }}").into_bytes(),
    }
}
pub(crate) fn plan(bytes: &[u8]) -> PlanRow {
    PlanRow {
        hash: PlanHash::of(bytes),
        line: line_id(),
        climb: climb_id(),
        kind: PlanKind::Clone,
        created: at(20),
        expires: at(99),
        bytes: bytes.to_vec(),
        end: None,
    }
}
pub(crate) fn intent(op_key: &str, plan: &[u8]) -> IntentRow {
    IntentRow {
        op_key: op_key.parse().unwrap(),
        plan: PlanHash::of(plan),
        action: format!("action.{op_key}"),
        creates: Some(rungwise::domain::plan::ObjectKind::AdSet),
        request: Template {
            method: "POST".into(),
            path: "act_1/adsets".into(),
            params: vec![("name".into(), "Schuhe ⟦x⟧".into())],
        },
        at: at(30),
        entries: vec![],
        object: None,
        verified: false,
    }
}
pub(crate) fn entry(op_key: &str, ms: i64, entry: Entry, object: Option<&str>) -> Record {
    let object = object.map(|id| id.parse().unwrap());
    Record::Entry { op_key: op_key.parse().unwrap(), at: at(ms), entry, object }
}
pub(crate) fn audit(n: i64) -> Record {
    Record::Audit { at: at(n), kind: "note".into(), body: format!("{{\"n\":{n}}}").into_bytes() }
}
pub(crate) fn note(key: &str, value: &str) -> Record {
    Record::Note { key: key.into(), value: value.into() }
}
pub(crate) fn eur(minor: i64) -> Money {
    Money::from_minor(minor, "EUR".parse().unwrap())
}

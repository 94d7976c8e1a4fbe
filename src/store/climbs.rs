//! Climbs, decisions and their evidence, read back.

use super::{rows::Got, sql, sqlite::SqliteStore};
use crate::{
    domain::{ClimbId, DecisionId},
    ports::{
        StoreError,
        store::{ClimbRow, DecisionRow},
    },
};

pub(crate) async fn climbs(store: &SqliteStore, open: bool) -> Result<Vec<ClimbRow>, StoreError> {
    let doing = "reading climbs";
    let text = if open { sql::CLIMBS_OPEN } else { sql::CLIMBS_GET };
    let rows = store.rows(doing, sqlx::query(text).bind(store.key())).await?;
    let climb = |got: &Got<'_>| {
        Ok(ClimbRow {
            id: got.parsed("climb")?,
            line: got.parsed("line")?,
            state: got.text("state")?,
            open: got.flag("open")?,
            doc: got.blob("doc")?,
            updated_at: got.moment("updated_at")?,
        })
    };
    rows.iter().map(|row| climb(&Got::new(row, doing))).collect()
}

fn decision_of(got: &Got<'_>) -> Result<DecisionRow, StoreError> {
    Ok(DecisionRow {
        id: got.parsed("decision")?,
        line: got.parsed("line")?,
        climb: got.parsed("climb")?,
        at: got.moment("at")?,
        evidence: got.text("evidence")?,
        doc: got.blob("doc")?,
    })
}

pub(crate) async fn decisions(
    store: &SqliteStore,
    climb: Option<&ClimbId>,
    limit: u32,
) -> Result<Vec<DecisionRow>, StoreError> {
    let doing = "reading decisions";
    let text = if climb.is_some() { sql::DECISIONS_OF_CLIMB } else { sql::DECISIONS_GET };
    let mut get = sqlx::query(text).bind(store.key()).bind(i64::from(limit));
    if let Some(climb) = climb {
        get = get.bind(climb.as_str());
    }
    let rows = store.rows(doing, get).await?;
    rows.iter().map(|row| decision_of(&Got::new(row, doing))).collect()
}

pub(crate) async fn decision(
    store: &SqliteStore,
    id: &DecisionId,
) -> Result<Option<DecisionRow>, StoreError> {
    let doing = "reading a decision";
    let get = sqlx::query(sql::DECISION_GET).bind(store.key()).bind(id.as_str());
    store.row(doing, get).await?.map(|row| decision_of(&Got::new(&row, doing))).transpose()
}

pub(crate) async fn evidence(
    store: &SqliteStore,
    hash: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let doing = "reading evidence";
    let get = sqlx::query(sql::EVIDENCE_GET).bind(store.key()).bind(hash);
    store.row(doing, get).await?.map(|row| Got::new(&row, doing).blob("bytes")).transpose()
}

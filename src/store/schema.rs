//! The schema as the audit chain knows it: statements that change it cannot be refused, so they are made to show.
//!
//! Each time the agent has made or upgraded the database it records a link of kind `schema`: the digest of every table,
//! index and trigger, and the engine's own count of changes to them. The digest finds a guard that is gone, the count
//! one that was dropped and put back.

use std::fmt;

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{
    audit::{AuditError, schema_digest},
    dialect,
    error::failed,
    rows::Got,
    sql,
    sqlite::SqliteStore,
};
use crate::{
    domain::Moment,
    ports::{Record, Store as _, StoreError},
};

/// Kind of the audit links that record the schema.
pub(crate) const KIND: &str = "schema";

/// What can be compared of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) digest: String,
    pub(crate) changes: i64,
    pub(crate) version: i64,
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.digest.get(..12).unwrap_or(&self.digest);
        write!(f, "version {} digest {short} change {}", self.version, self.changes)
    }
}

/// The schema as it is.
pub(crate) async fn read(conn: &mut SqliteConnection) -> Result<Schema, StoreError> {
    let doing = "reading the schema";
    let digest = schema_digest(conn).await?;
    let number = |text: &'static str| sqlx::query_scalar::<_, i64>(text);
    let changes = number(dialect::SCHEMA_CHANGES).fetch_one(&mut *conn).await;
    let version = number(dialect::SCHEMA_VERSION_OF_FILE).fetch_one(&mut *conn).await;
    let fail = failed(doing);
    Ok(Schema { digest, changes: changes.map_err(&fail)?, version: version.map_err(&fail)? })
}

/// The schema as the newest link of its kind recorded it.
async fn recorded(conn: &mut SqliteConnection) -> Result<Option<Schema>, StoreError> {
    let doing = "reading the recorded schema";
    let get = sqlx::query(sql::AUDIT_LAST_SCHEMA);
    let Some(row) = get.fetch_optional(conn).await.map_err(failed(doing))? else { return Ok(None) };
    let body = Got::new(&row, doing).blob("body")?;
    let unreadable = |why: &str| super::error::document("audit link of the schema", &why);
    let body: Value = serde_json::from_slice(&body).map_err(|e| unreadable(&e.to_string()))?;
    let number = |name: &str| body.get(name).and_then(Value::as_i64);
    let digest = body.get("digest").and_then(Value::as_str).map(str::to_owned);
    match (digest, number("changes"), number("version")) {
        (Some(digest), Some(changes), Some(version)) => {
            Ok(Some(Schema { digest, changes, version }))
        }
        _ => Err(unreadable("it lacks a field")),
    }
}

/// What a verified history is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The newest link.
    pub head: crate::domain::audit::Head,
    /// What a person must look at before anything is written, although nothing is broken.
    pub doubt: Option<String>,
}

impl SqliteStore {
    /// What the agent asks before anything else: verifies the chain after the newest sealed head of `anchors`, and the
    /// schema against the chain. Records the schema of a new or upgraded database. An error also stops the door.
    pub async fn prove(
        &self,
        anchors: &super::AnchorFile,
        now: Moment,
    ) -> Result<Proved, AuditError> {
        let proved = self.prove_closely(anchors, now).await;
        if let Err(e) = &proved {
            self.standing().break_off(&e.to_string());
        }
        proved
    }

    async fn prove_closely(
        &self,
        anchors: &super::AnchorFile,
        now: Moment,
    ) -> Result<Proved, AuditError> {
        let sealed = anchors.read()?;
        let newest = sealed.heads.into_iter().max_by_key(|h| h.seq);
        let from = newest.unwrap_or_else(crate::domain::audit::Head::genesis);
        self.verify_audit_from(&from).await?;
        let doubt = self.prove_schema(now).await?;
        let head = self.head().await?;
        self.standing().remember_head(head.clone());
        Ok(Proved { head, doubt })
    }

    /// Fails when the schema is not the one the newest link of its kind recorded. Before the first such link there is
    /// nothing to hold it against.
    pub async fn schema_is_recorded(&self) -> Result<(), AuditError> {
        let mut conn = self.read_connection("reading the schema").await?;
        let found = read(&mut conn).await?;
        let recorded = recorded(&mut conn).await?;
        conn.done();
        match recorded {
            Some(recorded) if recorded != found => {
                let (recorded, found) = (recorded.to_string(), found.to_string());
                Err(AuditError::Schema { recorded, found })
            }
            _ => Ok(()),
        }
    }

    async fn prove_schema(&self, now: Moment) -> Result<Option<String>, AuditError> {
        let doing = "reading the schema";
        let mut conn = self.read_connection(doing).await?;
        let found = read(&mut conn).await?;
        let known = recorded(&mut conn).await?;
        conn.done();
        let doubt = match &known {
            Some(known) if *known == found => None,
            Some(known) if known.version == found.version && known.digest != found.digest => {
                let (recorded, found) = (known.to_string(), found.to_string());
                return Err(AuditError::Schema { recorded, found });
            }
            Some(known) if known.version == found.version => Some(
                "its tables were changed and changed back, or a copy was put in its place by hand"
                    .to_owned(),
            ),
            Some(_) | None => None,
        };
        if known.as_ref() != Some(&found) {
            self.record_schema(&found, now).await?;
        }
        self.standing().remember_schema(found);
        Ok(doubt)
    }

    async fn record_schema(&self, found: &Schema, now: Moment) -> Result<(), StoreError> {
        let body = json!({
            "actor": "agent", "time": now.rfc3339(), "digest": found.digest, "changes": found.changes,
            "version": found.version,
        });
        let body = body.to_string().into_bytes();
        self.commit(vec![Record::Audit { at: now, kind: KIND.to_owned(), body }]).await
    }
}

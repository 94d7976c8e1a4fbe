//! Commands, slots, notes and the installation's own id, read back.

use std::collections::BTreeMap;

use super::{error::document, rows::Got, sql, sqlite::SqliteStore};
use crate::{
    domain::Moment,
    ports::{StoreError, store::CommandRow},
};

pub(crate) async fn install_id(store: &SqliteStore) -> Result<String, StoreError> {
    let doing = "reading the installation's id";
    let row = store.row(doing, sqlx::query(sql::META_GET).bind("install_id")).await?;
    let row = row.ok_or_else(|| document("installation id", &"it is missing"))?;
    Got::new(&row, doing).text("value")
}

pub(crate) async fn commands(store: &SqliteStore) -> Result<Vec<CommandRow>, StoreError> {
    let doing = "reading commands";
    let rows = store.rows(doing, sqlx::query(sql::COMMANDS_WAITING).bind(store.key())).await?;
    let command = |got: &Got<'_>| {
        Ok(CommandRow {
            id: got.int("id")?,
            at: got.moment("at")?,
            by: got.text("given_by")?,
            kind: got.text("kind")?,
            subject: got.text("subject")?,
            note: got.text("note")?,
        })
    };
    rows.iter().map(|row| command(&Got::new(row, doing))).collect()
}

pub(crate) async fn last_slot(
    store: &SqliteStore,
    job: &str,
) -> Result<Option<Moment>, StoreError> {
    let doing = "reading the last slot";
    let get = sqlx::query(sql::SLOT_LAST).bind(store.key()).bind(job);
    let Some(row) = store.row(doing, get).await? else { return Ok(None) };
    Ok(Got::new(&row, doing).optional_int("slot")?.map(Moment::from_millis))
}

pub(crate) async fn notes(
    store: &SqliteStore,
    keys: &[String],
) -> Result<BTreeMap<String, String>, StoreError> {
    let doing = "reading notes";
    let wanted = serde_json::Value::from(keys).to_string();
    let get = sqlx::query(sql::NOTES_GET).bind(store.key()).bind(wanted);
    let rows = store.rows(doing, get).await?;
    let read = rows.iter().map(|row| {
        let got = Got::new(row, doing);
        Ok((got.text("name")?, got.text("value")?))
    });
    read.collect()
}

pub(crate) async fn note(store: &SqliteStore, key: &str) -> Result<Option<String>, StoreError> {
    let doing = "reading a note";
    let get = sqlx::query(sql::NOTE_GET).bind(store.key()).bind(key);
    store.row(doing, get).await?.map(|row| Got::new(&row, doing).text("value")).transpose()
}

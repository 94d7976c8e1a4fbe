//! Sealed secrets on disk. What is inside them is [`super::vault`]'s business.

use sqlx::SqliteConnection;

use super::{commit::run, error::document, rows::Got, sql, sqlite::SqliteStore};
use crate::{
    domain::AccountId,
    ports::{
        StoreError,
        store::{SealedRow, Standing},
    },
};

fn row_of(got: &Got<'_>) -> Result<SealedRow, StoreError> {
    let word = got.text("standing")?;
    let standing = Standing::parse(&word)
        .ok_or_else(|| document("standing of a secret", &format!("{word:?} is unknown")))?;
    Ok(SealedRow {
        id: got.text("id")?,
        purpose: got.text("purpose")?,
        standing,
        key_id: got.text("key_id")?,
        nonce: got.blob("nonce")?,
        sealed: got.blob("sealed")?,
        facts: got.blob("facts")?,
        made_at: got.moment("made_at")?,
    })
}

pub(crate) async fn sealed(store: &SqliteStore) -> Result<Vec<SealedRow>, StoreError> {
    let doing = "reading sealed secrets";
    let rows = store.rows(doing, sqlx::query(sql::SECRETS_GET).bind(store.key())).await?;
    rows.iter().map(|row| row_of(&Got::new(row, doing))).collect()
}

impl SqliteStore {
    /// The sealed secrets of every account of this database: whoever replaces a key must reach all of them.
    pub async fn all_sealed(&self) -> Result<Vec<(AccountId, SealedRow)>, StoreError> {
        let doing = "reading sealed secrets";
        let rows = self.rows(doing, sqlx::query(sql::SECRETS_ALL)).await?;
        let one = |got: &Got<'_>| Ok((got.parsed("account")?, row_of(got)?));
        rows.iter().map(|row| one(&Got::new(row, doing))).collect()
    }
}

pub(crate) async fn put(
    conn: &mut SqliteConnection,
    account: &str,
    row: &SealedRow,
) -> Result<(), StoreError> {
    let put = sqlx::query(sql::SECRET_PUT)
        .bind(&row.id)
        .bind(account)
        .bind(&row.purpose)
        .bind(row.standing.as_str())
        .bind(&row.key_id)
        .bind(&row.nonce)
        .bind(&row.sealed)
        .bind(&row.facts)
        .bind(row.made_at.millis());
    run(conn, "keeping a sealed secret", put).await.map(drop)
}

pub(crate) async fn remove(
    conn: &mut SqliteConnection,
    account: &str,
    id: &str,
) -> Result<(), StoreError> {
    let gone = sqlx::query(sql::SECRET_REMOVE).bind(account).bind(id);
    run(conn, "dropping a sealed secret", gone).await.map(drop)
}

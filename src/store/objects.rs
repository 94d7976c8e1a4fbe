//! The account and the campaigns' trees as read.

use sqlx::SqliteConnection;

use super::{
    commit::{run, sha256},
    doc,
    error::failed,
    rows::Got,
    sql,
    sqlite::SqliteStore,
};
use crate::{
    domain::{AccountInfo, CampaignId, Moment, Tree},
    ports::StoreError,
};

pub(crate) async fn put_account(
    conn: &mut SqliteConnection,
    account: &str,
    info: &AccountInfo,
    at: Moment,
) -> Result<(), StoreError> {
    let bytes = doc::encode("account", info)?;
    let put = sqlx::query(sql::ACCOUNT_PUT).bind(account).bind(bytes).bind(at.millis());
    run(conn, "keeping the account", put).await.map(drop)
}

/// Keeps a tree as a new version only when it differs from the newest in anything but the time of the read.
pub(crate) async fn put_tree(
    conn: &mut SqliteConnection,
    account: &str,
    tree: &Tree,
) -> Result<(), StoreError> {
    let doing = "keeping a tree";
    let campaign = tree.campaign.id.as_str();
    let timeless = Tree { seen_at: Moment::from_millis(0), ..tree.clone() };
    let bytes = doc::encode("tree", &timeless)?;
    let digest = sha256(&bytes);
    let seen = tree.seen_at.millis();
    let head = sqlx::query(sql::TREE_HEAD)
        .bind(account)
        .bind(campaign)
        .fetch_optional(&mut *conn)
        .await
        .map_err(failed(doing))?;
    if let Some(row) = &head {
        let known = Got::new(row, doing).text("digest")?;
        if known == digest {
            let put = sqlx::query(sql::TREE_SEEN).bind(account).bind(campaign).bind(seen);
            return run(conn, doing, put).await.map(drop);
        }
    }
    let version = sqlx::query(sql::TREE_PUT)
        .bind(account)
        .bind(campaign)
        .bind(seen)
        .bind(&digest)
        .bind(bytes);
    run(conn, doing, version).await?;
    let head = sqlx::query(sql::TREE_HEAD_PUT)
        .bind(account)
        .bind(campaign)
        .bind(seen)
        .bind(&digest)
        .bind(seen);
    run(conn, doing, head).await.map(drop)
}

pub(crate) async fn account(store: &SqliteStore) -> Result<Option<AccountInfo>, StoreError> {
    let doing = "reading the account";
    let row = store.row(doing, sqlx::query(sql::ACCOUNT_GET).bind(store.key())).await?;
    row.map(|row| doc::decode("account", Got::new(&row, doing).bytes("doc")?)).transpose()
}

fn tree_of(row: &Got<'_>) -> Result<Tree, StoreError> {
    let tree: Tree = doc::decode("tree", row.bytes("doc")?)?;
    // The last read that found it so: a tree that has not changed for a month is not a month old.
    Ok(Tree { seen_at: row.moment("seen_at")?, ..tree })
}

pub(crate) async fn tree(
    store: &SqliteStore,
    campaign: &CampaignId,
) -> Result<Option<Tree>, StoreError> {
    let doing = "reading a tree";
    let get = sqlx::query(sql::TREE_GET).bind(store.key()).bind(campaign.as_str());
    store.row(doing, get).await?.map(|row| tree_of(&Got::new(&row, doing))).transpose()
}

pub(crate) async fn versions(store: &SqliteStore) -> Result<Vec<Tree>, StoreError> {
    let doing = "reading the versions of trees";
    let rows = store.rows(doing, sqlx::query(sql::TREES_HISTORY).bind(store.key())).await?;
    rows.iter().map(|row| tree_of(&Got::new(row, doing))).collect()
}

pub(crate) async fn trees(store: &SqliteStore) -> Result<Vec<Tree>, StoreError> {
    let doing = "reading the trees";
    let rows = store.rows(doing, sqlx::query(sql::TREES_GET).bind(store.key())).await?;
    rows.iter().map(|row| tree_of(&Got::new(row, doing))).collect()
}

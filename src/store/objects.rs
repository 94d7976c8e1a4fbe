//! The account and the campaigns' trees as read.

use std::collections::BTreeMap;

use serde::Serialize;
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
    domain::{AccountInfo, Ad, AdSet, Campaign, CampaignId, Moment, Tree},
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

/// A tree without the time of its read: the same bytes as long as nothing in it changes.
#[derive(Serialize)]
struct Timeless<'t> {
    seen_at: Moment,
    campaign: &'t Campaign,
    adsets: &'t [AdSet],
    ads: &'t [Ad],
}

impl<'t> Timeless<'t> {
    fn of(Tree { seen_at: _, campaign, adsets, ads }: &'t Tree) -> Self {
        Self { seen_at: Moment::from_millis(0), campaign, adsets, ads }
    }
}

/// Keeps each tree as a new version only when it differs from the newest in anything but the time of the read.
pub(crate) async fn put_trees(
    conn: &mut SqliteConnection,
    account: &str,
    trees: &[&Tree],
) -> Result<(), StoreError> {
    let doing = "keeping trees";
    let mut heads = tree_heads(conn, account, trees).await?;
    let mut seen_again: BTreeMap<&str, i64> = BTreeMap::new();
    for tree in trees {
        let campaign = tree.campaign.id.as_str();
        let bytes = doc::encode("tree", &Timeless::of(tree))?;
        let (digest, seen) = (sha256(&bytes), tree.seen_at.millis());
        if heads.get(campaign) == Some(&digest) {
            seen_again.insert(campaign, seen);
            continue;
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
        run(conn, doing, head).await?;
        heads.insert(campaign.to_owned(), digest);
    }
    if seen_again.is_empty() {
        return Ok(());
    }
    let seen_again = serde_json::json!(seen_again).to_string();
    let put = sqlx::query(sql::TREES_SEEN).bind(account).bind(seen_again);
    run(conn, doing, put).await.map(drop)
}

/// Digest of the newest version by campaign.
async fn tree_heads(
    conn: &mut SqliteConnection,
    account: &str,
    trees: &[&Tree],
) -> Result<BTreeMap<String, String>, StoreError> {
    let doing = "keeping trees";
    let campaigns: Vec<&str> = trees.iter().map(|tree| tree.campaign.id.as_str()).collect();
    let campaigns = serde_json::json!(campaigns).to_string();
    let get = sqlx::query(sql::TREE_HEADS).bind(account).bind(campaigns);
    let rows = get.fetch_all(&mut *conn).await.map_err(failed(doing))?;
    let head = |got: Got<'_>| Ok((got.text("campaign")?, got.text("digest")?));
    rows.iter().map(|row| head(Got::new(row, doing))).collect()
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

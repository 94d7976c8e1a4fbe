//! Upgrades: the older database is copied and verified first, and comes through whole; a newer one is refused by name.

use std::{borrow::Cow, fs};

use rungwise::{
    domain::audit::{Head, Link},
    ports::Store as _,
    store::{Access, AnchorFile, Backup, DATABASE_FILE, SqliteStore},
};
use sqlx::Connection as _;

use super::support::*;

/// The schema this program knows.
fn newest() -> i64 {
    sqlx::migrate!("migrations/sqlite").iter().map(|m| m.version).max().unwrap()
}

/// The name of the copy made before an upgrade to `version`.
fn copy_before(version: i64) -> String {
    format!("backups/before-schema-{version}.db")
}

/// A database as the first version left it, with a short history.
async fn first_version() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut conn = raw(&dir.path().join(DATABASE_FILE)).await;
    let mut migrations = sqlx::migrate!("migrations/sqlite");
    migrations.migrations = Cow::Owned(migrations.migrations.iter().take(1).cloned().collect());
    migrations.run(&mut conn).await.unwrap();
    sqlx::raw_sql(
        "pragma journal_mode = wal; insert into meta (name, value) values ('install_id', 'abc')",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    let mut head = Head::genesis();
    for n in 0..5 {
        let link =
            Link::after(&head, at(n), "note", format!("{{\"n\":{n},\"actor\":\"ana\"}}").into());
        sqlx::query(
            "insert into audit (seq, at, kind, body, prev, hash) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(link.seq)
        .bind(link.at.millis())
        .bind(&link.kind)
        .bind(&link.body)
        .bind(link.prev.as_str())
        .bind(link.hash.as_str())
        .execute(&mut conn)
        .await
        .unwrap();
        head = link.head();
    }
    conn.close().await.unwrap();
    dir
}

#[tokio::test]
async fn an_older_database_is_copied_before_it_is_upgraded_and_loses_nothing() {
    let dir = first_version().await;
    let reader = SqliteStore::open(dir.path(), &account(), Access::Read).await.unwrap_err();
    assert!(reader.hint().contains("upgrades"), "{reader}: only the agent upgrades");
    let store = agent(dir.path()).await.unwrap();
    let copy = dir.path().join(copy_before(newest()));
    assert_eq!(Backup::inspect(&copy).await.unwrap().head.seq, 5);
    assert_eq!(store.install_id().await.unwrap(), "abc");
    assert_eq!(store.verify_audit().await.unwrap().seq, 5);
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
    let proved = store.prove(&AnchorFile::open(dir.path()).unwrap(), at(9)).await.unwrap();
    assert_eq!((proved.head.seq, proved.doubt), (6, None), "the new schema is recorded");
    store.close().await;
    // An upgrade that was cut off after the copy finds it and goes on.
    agent(dir.path()).await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused_with_the_name_of_the_copy_made_before() {
    let dir = first_version().await;
    agent(dir.path()).await.unwrap().close().await;
    let mut newer = raw(&dir.path().join(DATABASE_FILE)).await;
    let next = newest() + 1;
    let text = format!("pragma user_version = {next}; pragma wal_checkpoint(truncate)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut newer).await.unwrap();
    newer.close().await.unwrap();
    let copy = dir.path().join(copy_before(next));
    fs::rename(dir.path().join(copy_before(newest())), &copy).unwrap();
    for access in [Access::Read, Access::Commands] {
        let error = SqliteStore::open(dir.path(), &account(), access).await.unwrap_err();
        assert!(error.to_string().contains(&format!("version {next}")), "{error}");
        assert!(error.to_string().contains(&copy_before(next)), "{error}");
        assert!(error.hint().contains("db restore"), "{error}");
    }
    let error = agent(dir.path()).await.unwrap_err().to_string();
    assert!(error.contains(&copy_before(next)), "{error}");
}

#[tokio::test]
async fn an_upgrade_that_cannot_be_copied_first_does_not_happen() {
    let dir = first_version().await;
    // A file stands where the directory of copies would be.
    fs::write(dir.path().join("backups"), "").unwrap();
    assert!(agent(dir.path()).await.is_err());
    let mut conn = raw(&dir.path().join(DATABASE_FILE)).await;
    let version: i64 =
        sqlx::query_scalar("pragma user_version").fetch_one(&mut conn).await.unwrap();
    assert_eq!(version, 1);
}

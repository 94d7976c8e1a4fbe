//! Files that are not ours, not whole or not for this version are refused with a hint and left as they are.

use std::{fs, path::Path};

use rungwise::{
    ports::{Record, Store as _, StoreError},
    store::{ANCHOR_FILE, Access, AnchorFile, Backup, DATABASE_FILE, SqliteStore},
};
use sqlx::Connection as _;

use super::support::*;

/// Tries every way of opening and expects each to be refused with `why`, and nothing to be touched.
async fn refused(dir: &Path, why: &str) {
    let file = dir.join(DATABASE_FILE);
    let before = fs::read(&file).ok();
    let tries = [
        agent(dir).await.map(drop),
        SqliteStore::open(dir, &account(), Access::Commands).await.map(drop),
        SqliteStore::open(dir, &account(), Access::Read).await.map(drop),
    ];
    for outcome in tries {
        let error = outcome.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error} should say {why:?}");
        assert!(error.to_string().contains(DATABASE_FILE), "{error} should name the file");
        assert!(!error.hint().is_empty());
    }
    assert_eq!(fs::read(&file).ok(), before, "the file must be left as it is");
    for rest in ["-wal", "-shm", "-journal"] {
        assert!(!dir.join(format!("{DATABASE_FILE}{rest}")).exists(), "{rest} was left behind");
    }
}

/// A closed database of ours.
async fn finished() -> tempfile::TempDir {
    let world = World::new().await;
    world.store.commit((0..50).map(audit).collect()).await.unwrap();
    world.store.close().await;
    world.dir
}

#[tokio::test]
async fn files_that_are_no_database_of_ours_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(DATABASE_FILE);
    fs::write(&file, b"").unwrap();
    refused(dir.path(), "empty").await;
    fs::write(&file, b"hello").unwrap();
    refused(dir.path(), "not a database").await;
    fs::write(&file, vec![b'x'; 8_192]).unwrap();
    refused(dir.path(), "not a database").await;
    fs::remove_file(&file).unwrap();
    let mut other = raw(&file).await;
    sqlx::raw_sql("create table t (a); pragma application_id = 7;")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    refused(dir.path(), "another program").await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = finished().await;
    let mut newer = raw(&dir.path().join(DATABASE_FILE)).await;
    sqlx::raw_sql("pragma user_version = 99; pragma wal_checkpoint(truncate);")
        .execute(&mut newer)
        .await
        .unwrap();
    newer.close().await.unwrap();
    refused(dir.path(), "version 99").await;
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    let dir = finished().await;
    let file = dir.path().join(DATABASE_FILE);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 4_096]).unwrap();
    refused(dir.path(), "cut short").await;
    fs::write(&file, &whole[..50]).unwrap();
    refused(dir.path(), "not a database").await;
}

#[tokio::test]
async fn a_damaged_page_is_found_by_the_integrity_check() {
    let dir = finished().await;
    let file = dir.path().join(DATABASE_FILE);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(8).position(|w| w == b"{\"n\":17}").unwrap();
    // The page that holds this row loses its head.
    let page = at / 4_096 * 4_096;
    bytes[page..page + 64].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let reader = SqliteStore::open(dir.path(), &account(), Access::Read).await.unwrap();
    let told = reader.integrity().await;
    assert!(told.is_err() || !told.unwrap().is_empty());
    assert!(reader.backup(&dir.path().join("copy.db")).await.is_err());
    assert!(!dir.path().join("copy.db").exists());
}

#[tokio::test]
async fn without_a_database_only_the_agent_makes_one() {
    let dir = tempfile::tempdir().unwrap();
    for access in [Access::Read, Access::Commands] {
        let error = SqliteStore::open(dir.path(), &account(), access).await.unwrap_err();
        assert!(error.to_string().contains("there is no database"), "{error}");
        assert!(error.hint().contains("rungwise init"));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // What a crash while making one leaves behind is no obstacle.
    fs::write(dir.path().join("rungwise.db.unfinished"), b"half").unwrap();
    agent(dir.path()).await.unwrap();
    let missing = dir.path().join("nowhere");
    assert!(SqliteStore::open(&missing, &account(), Access::Read).await.is_err());
}

#[tokio::test]
async fn a_vanished_database_with_anchored_history_is_not_begun_anew() {
    let dir = finished().await;
    let reader = SqliteStore::open(dir.path(), &account(), Access::Read).await.unwrap();
    AnchorFile::open(dir.path()).unwrap().append(&reader.head().await.unwrap()).unwrap();
    reader.close().await;
    fs::remove_file(dir.path().join(DATABASE_FILE)).unwrap();
    let error = agent(dir.path()).await.unwrap_err().to_string();
    assert!(error.contains("audit row 50"), "{error}");
    fs::remove_file(dir.path().join(ANCHOR_FILE)).unwrap();
    agent(dir.path()).await.unwrap();
}

/// A closed database in a directory the engine cannot write to. Permissions do not bind every user, so a link to
/// nowhere, which the engine does not follow, also stands where it would put its shared memory.
#[cfg(unix)]
#[tokio::test]
async fn a_read_only_directory_can_be_read() {
    let dir = finished().await;
    let memory = dir.path().join(format!("{DATABASE_FILE}-shm"));
    assert!(!memory.exists() && !dir.path().join(format!("{DATABASE_FILE}-wal")).exists());
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &memory).unwrap();
    let mut permissions = fs::metadata(dir.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(dir.path(), permissions).unwrap();
    let reader = SqliteStore::open(dir.path(), &account(), Access::Read).await.unwrap();
    assert_eq!(reader.verify_audit().await.unwrap().seq, 50);
    assert!(reader.commit(vec![audit(1)]).await.is_err());
    let error = SqliteStore::open(dir.path(), &account(), Access::Commands).await.unwrap_err();
    assert!(error.hint().contains("writable"), "{error}");
    let log = dir.path().join(format!("{DATABASE_FILE}-wal"));
    if fs::write(log, b"pending").is_ok() {
        // The file alone is then not the whole: half of it must not be shown as all.
        assert!(SqliteStore::open(dir.path(), &account(), Access::Read).await.is_err());
    }
}

#[tokio::test]
async fn the_agent_must_hold_the_lock_of_the_very_directory() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lock = rungwise::daemon::AgentLock::acquire(there.path()).unwrap();
    let access = Access::Agent(std::sync::Arc::new(lock));
    let error = SqliteStore::open(here.path(), &account(), access).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }));
    assert!(!here.path().join(DATABASE_FILE).exists());
}

#[tokio::test]
async fn the_lock_lives_as_long_as_any_clone_of_the_agents_store() {
    let world = World::new().await;
    let clone = world.store.clone();
    let dir = world.dir;
    drop(world.store);
    assert!(matches!(agent(dir.path()).await, Err(StoreError::Locked { .. })));
    clone.close().await;
    agent(dir.path()).await.unwrap();
}

#[tokio::test]
async fn the_lock_outlives_a_store_that_was_merely_dropped_until_its_log_is_merged() {
    let world = World::new().await;
    world.store.commit(vec![audit(1)]).await.unwrap();
    let dir = world.dir;
    drop(world.store);
    // The connection is closed by a task of this very thread, so it is still there.
    assert!(matches!(agent(dir.path()).await, Err(StoreError::Locked { .. })));
    let next = loop {
        match agent(dir.path()).await {
            Err(StoreError::Locked { .. }) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    assert_eq!(next.verify_audit().await.unwrap().seq, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_agents_that_start_at_once_exactly_one_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let starts: Vec<_> = (0..40)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { agent(&path).await })
        })
        .collect();
    let mut running = Vec::new();
    for start in starts {
        match start.await.unwrap() {
            Ok(store) => running.push(store),
            Err(error) => assert!(matches!(error, StoreError::Locked { .. }), "{error}"),
        }
    }
    assert_eq!(running.len(), 1);
    running[0].commit(vec![audit(1)]).await.unwrap();
    assert_eq!(running[0].integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_that_was_lost_is_never_made_anew_to_another_file() {
    let world = World::new().await;
    let file = world.dir.path().join(DATABASE_FILE);
    let copy = world.dir.path().join("copy.db");
    world.store.backup(&copy).await.unwrap();
    fs::rename(&copy, &file).unwrap();
    // The connection at hand still reads the file it was opened on.
    world.store.head().await.unwrap();
    // Abandoned on its way, unless the engine's thread was quicker.
    loop {
        let mut read = std::pin::pin!(world.store.head());
        let once = std::future::poll_fn(|cx| std::task::Poll::Ready(read.as_mut().poll(cx)));
        if once.await.is_pending() {
            break;
        }
    }
    let error = world.store.head().await.unwrap_err();
    assert!(error.to_string().contains("replaced"), "{error}");
}

#[tokio::test]
async fn a_file_that_was_replaced_under_the_agent_stops_its_writes() {
    let world = World::new().await;
    let file = world.dir.path().join(DATABASE_FILE);
    let copy = world.dir.path().join("copy.db");
    world.store.backup(&copy).await.unwrap();
    world.store.check_file().unwrap();
    fs::rename(&copy, &file).unwrap();
    assert!(world.store.check_file().is_err());
    let error = world.store.commit(vec![audit(1)]).await.unwrap_err();
    assert!(error.to_string().contains("replaced"), "{error}");
    fs::remove_file(&file).unwrap();
    assert!(
        world
            .store
            .commit(vec![Record::Note { key: "a".into(), value: "b".into() }])
            .await
            .is_err()
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_database_and_its_copies_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    world.store.commit(vec![audit(1)]).await.unwrap();
    let copy = world.dir.path().join("copy.db");
    let backup = world.store.backup(&copy).await.unwrap();
    assert_eq!(backup.head, world.store.head().await.unwrap());
    for name in [DATABASE_FILE, "rungwise.db-wal", "copy.db"] {
        let mode = fs::metadata(world.dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

#[tokio::test]
async fn a_backup_is_a_whole_database_and_never_replaces_a_file() {
    let world = World::new().await;
    world.store.commit((0..9).map(audit).collect()).await.unwrap();
    let there = tempfile::tempdir().unwrap();
    let copy = there.path().join(DATABASE_FILE);
    let backup = world.store.backup(&copy).await.unwrap();
    assert_eq!(backup.bytes, fs::metadata(&copy).unwrap().len());
    assert!(matches!(world.store.backup(&copy).await, Err(StoreError::Conflict { .. })));
    let restored = agent(there.path()).await.unwrap();
    assert_eq!(restored.verify_audit().await.unwrap(), world.store.head().await.unwrap());
    assert_eq!(restored.install_id().await.unwrap(), world.store.install_id().await.unwrap());
    restored.commit(vec![audit(10)]).await.unwrap();
    assert_eq!(restored.head().await.unwrap().seq, 10);
}

#[tokio::test]
async fn a_restored_copy_takes_the_place_and_keeps_what_was_there() {
    let world = World::new().await;
    world.store.commit(vec![audit(1)]).await.unwrap();
    let copy = world.dir.path().join("copy.db");
    let backup = world.store.backup(&copy).await.unwrap();
    assert_eq!(Backup::inspect(&copy).await.unwrap(), backup);
    world.store.commit(vec![audit(2)]).await.unwrap();
    let dir = world.dir;
    world.store.close().await;
    let lock = std::sync::Arc::new(rungwise::daemon::AgentLock::acquire(dir.path()).unwrap());
    let restored = Backup::restore(&copy, &*lock).await.unwrap();
    assert_eq!(restored.head, backup.head);
    let replaced = dir.path().join(format!("{DATABASE_FILE}.replaced1"));
    assert_eq!(Backup::inspect(&replaced).await.unwrap().head.seq, 2);
    let store = SqliteStore::open(dir.path(), &account(), Access::Agent(lock)).await.unwrap();
    assert_eq!(store.head().await.unwrap().seq, 1);
}

#[tokio::test]
async fn a_copy_with_a_changed_audit_row_is_no_backup() {
    let world = World::new().await;
    world.store.commit(vec![audit(1), audit(2)]).await.unwrap();
    let mut raw = world.raw().await;
    let tamper = "drop trigger audit_never_updated; update audit set kind = 'x' where seq = 1";
    sqlx::raw_sql(tamper).execute(&mut raw).await.unwrap();
    let copy = world.dir.path().join("copy.db");
    let error = world.store.backup(&copy).await.unwrap_err().to_string();
    assert!(error.contains("audit row 1 was changed"), "{error}");
    assert!(!copy.exists() && !world.dir.path().join("copy.db.part").exists());
}

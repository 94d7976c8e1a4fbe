//! Too little room, a held lock, and a file that is not what it was: nothing is sent, nothing is lost, it goes on.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rungwise::{
    domain::write_log::Entry,
    ports::{Record, StopSwitch as _, Store as _, StoreError},
    store::{AuditError, Change, CommitHook, DATABASE_FILE, RESERVE_FILE},
};
use sqlx::Connection as _;

use super::support::*;

/// A world with a write that was sent, and the reserve in place.
async fn sent() -> World {
    let world = World::new().await;
    world.store.look().await.unwrap();
    let batch = vec![
        Record::Plan(plan(b"p")),
        Record::Intent(intent("op", b"p")),
        entry("op", 1, Entry::Started, None),
        audit(1),
    ];
    world.store.commit(batch).await.unwrap();
    assert!(world.dir.path().join(RESERVE_FILE).exists());
    world
}

fn large(n: i64) -> Record {
    Record::Audit { at: at(n), kind: "k".into(), body: vec![b' '; 400_000] }
}

#[tokio::test]
async fn the_reserve_is_given_up_for_an_outcome_and_never_for_an_intent() {
    let world = sent().await;
    let reserve = world.dir.path().join(RESERVE_FILE);
    world.store.limit_pages(1).await.unwrap();
    let mut second = intent("op2", b"p");
    second.action = "another".into();
    let begins = vec![Record::Intent(second), entry("op2", 2, Entry::Started, None), large(2)];
    let error = world.store.commit(begins).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(reserve.exists(), "what was not sent needs no reserve");
    // The writer's connection was replaced, and with it the limit.
    world.store.limit_pages(1).await.unwrap();
    let ends = vec![
        entry("op", 3, Entry::Succeeded, Some("5")),
        audit(3),
        note("large", &" ".repeat(400_000)),
    ];
    world.store.commit(ends).await.unwrap();
    assert!(!reserve.exists(), "the outcome took the reserve");
    let log = &world.store.intents(None).await.unwrap()[0];
    assert_eq!(log.entries.last().unwrap().1, Entry::Succeeded);
    world.store.look().await.unwrap();
    assert!(reserve.exists(), "and it is made again once there is room");
    assert_eq!(world.store.verify_audit().await.unwrap().seq, 2);
}

/// Fills the disk for as long as it is switched on.
#[derive(Debug, Default)]
struct Full(AtomicBool);
impl CommitHook for Full {
    fn before(&self, _: Change<'_>) -> Result<(), StoreError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(StoreError::Full { doing: "rehearsing" });
        }
        Ok(())
    }
    fn after(&self, _: Change<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_refuses_every_kind_of_change_and_all_of_them_work_again_when_there_is_room() {
    let world = World::new().await;
    let full = Arc::new(Full::default());
    let store = world.store.clone().with_hook(full.clone());
    let day = days("2026-01-01", "2026-01-01");
    let rows = [insight("2026-01-01", "11", 1)];
    full.0.store(true, Ordering::SeqCst);
    assert!(matches!(store.commit(vec![audit(1)]).await, Err(StoreError::Full { .. })));
    let saved = store.save_insights(&account(), day, &rows, at(1)).await;
    assert!(matches!(saved, Err(StoreError::Full { .. })));
    full.0.store(false, Ordering::SeqCst);
    store.commit(vec![audit(1)]).await.unwrap();
    store.save_insights(&account(), day, &rows, at(1)).await.unwrap();
}

#[tokio::test]
#[ignore = "holds the lock for as long as a person with a shell would: 30 s"]
async fn a_lock_held_for_half_a_minute_fails_changes_cleanly_and_passes() {
    let world = World::new().await;
    world.store.commit(vec![audit(1)]).await.unwrap();
    let mut shell = world.raw().await;
    sqlx::raw_sql("begin immediate").execute(&mut shell).await.unwrap();
    let begun = std::time::Instant::now();
    let mut refused = 0;
    while begun.elapsed().as_secs() < 30 {
        let error = world.store.commit(vec![audit(2)]).await.unwrap_err();
        assert!(error.to_string().contains("locked"), "{error}");
        refused += 1;
        assert_eq!(world.store.head().await.unwrap().seq, 1, "reads go on");
    }
    sqlx::raw_sql("rollback").execute(&mut shell).await.unwrap();
    world.store.commit(vec![audit(2)]).await.unwrap();
    println!("{refused} changes refused in {:?}", begun.elapsed());
}

#[tokio::test]
async fn an_older_copy_written_over_the_file_in_place_is_noticed() {
    let world = World::new().await;
    for n in 0..200 {
        world.store.commit(vec![large(n)]).await.unwrap();
        if n == 0 {
            world.store.backup(&world.dir.path().join("old.db")).await.unwrap();
        }
        if n > 2 {
            break;
        }
    }
    // Everything is merged into the file, as after some hours of work.
    let mut raw = world.raw().await;
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    world.store.look().await.unwrap();
    let old = fs::read(world.dir.path().join("old.db")).unwrap();
    fs::write(world.dir.path().join(DATABASE_FILE), old).unwrap();
    assert!(world.store.look().await.is_err());
    assert!(world.store.standing().stopped().is_some());
    let error = world.store.commit(vec![audit(9)]).await.unwrap_err();
    assert!(error.to_string().contains("shorter"), "{error}");
}

#[tokio::test]
async fn a_tail_cut_beneath_the_agent_is_noticed_at_the_next_look() {
    let world = World::new().await;
    world.store.commit(vec![audit(1), audit(2)]).await.unwrap();
    let mut eve = world.raw().await;
    sqlx::raw_sql("drop trigger audit_never_deleted; delete from audit where seq = 2")
        .execute(&mut eve)
        .await
        .unwrap();
    let seen = world.store.look().await;
    assert!(matches!(seen, Err(AuditError::Broken(_))), "{seen:?}");
    assert!(world.store.standing().stopped().unwrap().contains("tail was cut"));
}

#[tokio::test]
async fn a_grown_log_is_merged_at_the_next_look_and_a_long_read_is_told() {
    let world = World::new().await;
    let mut reader = world.raw().await;
    sqlx::raw_sql("begin; select count(*) from audit").execute(&mut reader).await.unwrap();
    for n in 0..30 {
        world.store.commit(vec![large(n)]).await.unwrap();
    }
    let held = world.store.look().await.unwrap().wal_bytes;
    assert!(held > 8 * 1024 * 1024, "a reader holds the log: {held}");
    sqlx::raw_sql("rollback").execute(&mut reader).await.unwrap();
    // Once merged, the next commits begin the log anew instead of growing it.
    world.store.look().await.unwrap();
    for n in 30..60 {
        world.store.commit(vec![large(n)]).await.unwrap();
        world.store.look().await.unwrap();
    }
    assert!(world.store.log_bytes() <= held + 8 * 1024 * 1024, "{}", world.store.log_bytes());
}

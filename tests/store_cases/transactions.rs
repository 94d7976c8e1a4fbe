//! Batches are whole or absent, whatever happens around them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use rungwise::{
    ports::{Record, Store as _, StoreError},
    store::{Access, Change, CommitHook, SqliteStore},
};

use super::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_never_make_a_write_fail_and_see_whole_batches() {
    let world = World::new().await;
    let reader = world.read().await.unwrap();
    let person = SqliteStore::open(world.dir.path(), &account(), Access::Commands).await.unwrap();
    let store = world.store.clone();
    let agent = tokio::spawn(async move {
        for n in 0..200 {
            // Two rows and two links per batch: a reader must never see one without the other.
            let batch =
                vec![note("a", &n.to_string()), audit(n), note("b", &n.to_string()), audit(n)];
            store.commit(batch).await.unwrap();
        }
    });
    let command = rungwise::ports::store::CommandRow {
        id: 0,
        at: at(1),
        by: "ada".into(),
        kind: "k".into(),
        subject: "s".into(),
        note: String::new(),
    };
    let commands = tokio::spawn(async move {
        for _ in 0..50 {
            person.commit(vec![Record::Command(command.clone())]).await.unwrap();
        }
    });
    while !agent.is_finished() {
        assert_eq!(reader.head().await.unwrap().seq % 2, 0);
        reader.verify_audit().await.unwrap();
    }
    agent.await.unwrap();
    commands.await.unwrap();
    assert_eq!(reader.head().await.unwrap().seq, 400);
    assert_eq!(world.store.commands().await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_commit_is_complete_or_absent_and_the_store_goes_on() {
    let world = World::new().await;
    let mut complete = 0;
    for n in 0..100_usize {
        let key = format!("n{n}");
        let batch = vec![note(&key, "1"), audit(1), audit(2), note(&format!("{key}-end"), "1")];
        {
            let commit = world.store.commit(batch);
            let mut commit = std::pin::pin!(commit);
            // Polled a few times, then dropped at whatever point it has reached.
            for _ in 0..n % 5 {
                let once =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(commit.as_mut().poll(cx)));
                if once.await.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // A commit queued behind it shows that the connection is sound.
        world.store.commit(vec![note("alive", &key)]).await.unwrap();
    }
    for n in 0..100 {
        let start = world.store.note(&format!("n{n}")).await.unwrap();
        let end = world.store.note(&format!("n{n}-end")).await.unwrap();
        assert_eq!(start, end, "batch {n}");
        complete += i64::from(start.is_some());
    }
    assert_eq!(world.store.verify_audit().await.unwrap().seq, complete * 2);
    assert!(complete > 0, "a commit that was begun is carried out");
}

#[tokio::test]
async fn an_abandoned_read_leaves_a_sound_connection_to_the_next() {
    let world = World::new().await;
    world.store.commit(vec![audit(1), audit(2)]).await.unwrap();
    for polls in 0..6 {
        {
            let mut read = std::pin::pin!(world.store.links(0, 10));
            for _ in 0..polls {
                let once =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(read.as_mut().poll(cx)));
                if once.await.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(world.store.links(0, 10).await.unwrap().len(), 2, "after {polls} polls");
        world.store.commit(vec![note("alive", &polls.to_string())]).await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_store_answers_nobody() {
    let world = World::new().await;
    let clone = world.store.clone();
    world.store.clone().close().await;
    for told in [clone.commit(vec![audit(1)]).await.unwrap_err(), clone.head().await.unwrap_err()] {
        assert!(told.to_string().contains("closed"), "{told}");
    }
}

/// Where a guard could still abort it, the engine undoes only the failed statement; elsewhere it ends the transaction by
/// itself and leaves the driver's count wrong. Both must heal.
#[tokio::test]
async fn a_full_disk_loses_nothing_and_writing_resumes_without_a_restart() {
    let world = World::new().await;
    world.store.commit(vec![audit(0)]).await.unwrap();
    let large = " ".repeat(400_000);
    let guarded = Record::Audit { at: at(1), kind: "k".into(), body: large.clone().into_bytes() };
    let unguarded = note("large", &large);
    for (n, record) in
        [guarded.clone(), unguarded.clone(), guarded, unguarded].into_iter().enumerate()
    {
        let batch = vec![note("a", &n.to_string()), audit(1), record];
        world.store.limit_pages(1).await.unwrap();
        let error = world.store.commit(batch).await.unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        assert!(error.hint().contains("space"));
        assert_eq!(world.store.note("a").await.unwrap(), None, "nothing of the batch exists");
        // Space is back.
        world.store.limit_pages(1_000_000).await.unwrap();
        world.store.commit(vec![note("b", &n.to_string())]).await.unwrap();
    }
    assert_eq!(world.store.verify_audit().await.unwrap().seq, 1);
    assert_eq!(world.store.integrity().await.unwrap(), Vec::<String>::new());
}

/// Refuses the n-th call; even numbers stand before a commit, odd ones after it.
#[derive(Debug)]
struct StopAt {
    left: AtomicI64,
}
impl StopAt {
    fn call(&self) -> Result<(), StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(StoreError::Database { doing: "rehearsing", why: "stopped".into() });
        }
        Ok(())
    }
}
impl CommitHook for StopAt {
    fn before(&self, _: Change<'_>) -> Result<(), StoreError> {
        self.call()
    }
    fn after(&self, change: Change<'_>) -> Result<(), StoreError> {
        assert!(matches!(change, Change::Batch(_) | Change::Insights { rows: 1, .. }));
        self.call()
    }
}

#[tokio::test]
async fn a_hook_stops_the_world_on_either_side_of_a_commit() {
    for (stop, durable) in [(0, 0), (1, 1), (2, 1), (3, 2)] {
        let world = World::new().await;
        let hook = Arc::new(StopAt { left: AtomicI64::new(stop) });
        let store = world.store.clone().with_hook(hook);
        let mut told = Ok(());
        for n in 0..2 {
            told = store.commit(vec![audit(n)]).await;
            if told.is_err() {
                break;
            }
        }
        assert!(told.unwrap_err().to_string().contains("stopped"));
        assert_eq!(world.store.head().await.unwrap().seq, durable, "stopped at {stop}");
    }
}

#[tokio::test]
async fn a_hook_stands_around_insights_too() {
    let world = World::new().await;
    let day = days("2026-01-01", "2026-01-01");
    let rows = [insight("2026-01-01", "11", 1)];
    for (stop, kept) in [(0, 0), (1, 1)] {
        let hook = Arc::new(StopAt { left: AtomicI64::new(stop) });
        let store = world.store.clone().with_hook(hook);
        assert!(store.save_insights(&account(), day, &rows, at(1)).await.is_err());
        let seen = world.store.insights(&account(), &[], day, None).await.unwrap();
        assert_eq!(seen.len(), kept);
    }
}

#[tokio::test]
async fn a_note_keeps_every_character() {
    let world = World::new().await;
    let text = "a\0b \u{1f600} \"q\" \\ \n \u{7f} \u{2028} '";
    world.store.commit(vec![note("x", text), note("y\0z", "1")]).await.unwrap();
    assert_eq!(world.store.note("x").await.unwrap().as_deref(), Some(text));
    assert_eq!(world.store.note("y\0z").await.unwrap().as_deref(), Some("1"));
}

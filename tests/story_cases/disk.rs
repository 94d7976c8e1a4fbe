//! The disk fills up at a commit, and at the next ones, and has room again: at every commit of a story in turn.
//!
//! `RUNGWISE_FULL_EVERY` sets every how many commits one is tried; 1 tries all of them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use rungwise::{
    app::{
        AppError,
        tick::{Scope, tick},
    },
    graph::is_mutation,
    ports::{Store as _, StoreError},
    sandbox::LogEntry,
    store::{Change, CommitHook},
};

use super::{custody, support::*};

/// Commits that find the disk full, one after the other.
const FULL_FOR: i64 = 3;

/// Counts commits; those from `from` on find no room.
#[derive(Debug)]
struct Filling {
    seen: AtomicI64,
    from: i64,
}

impl CommitHook for Filling {
    fn before(&self, _: Change<'_>) -> Result<(), StoreError> {
        let n = self.seen.fetch_add(1, Ordering::SeqCst);
        if (self.from..self.from + FULL_FOR).contains(&n) {
            return Err(StoreError::Full { doing: "rehearsing a full disk" });
        }
        Ok(())
    }
    fn after(&self, _: Change<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// One story in which the agent is never restarted; how many commits it made, how many passes failed.
async fn live(from: i64) -> (i64, u32) {
    let mut story = Story::begin(ready_shop(1), "autonomous", LIMITS).await;
    let hook = Arc::new(Filling { seen: AtomicI64::new(0), from });
    story.parts.store = story.parts.store.clone().with_hook(hook.clone());
    let mut failed = 0;
    for _ in 0..30 {
        story.sleep_hours(8);
        let hands = story.parts.hands();
        let done = tick(story.parts.desk("agent"), hands.as_ref(), Scope { decide: true }).await;
        match done {
            Ok(_) => {}
            Err(AppError::Store(StoreError::Full { .. })) => failed += 1,
            Err(e) => panic!("full at {from}: {e}"),
        }
        sent_writes_have_intents(&story, from).await;
    }
    let climbs = story.climbs().await;
    assert!(climbs.iter().all(|c| c.state.as_str() != "stuck"), "full at {from}: {climbs:?}");
    custody::holds(&story).await;
    (hook.seen.load(Ordering::SeqCst), failed)
}

/// Nothing was sent whose intent could not be stored.
async fn sent_writes_have_intents(story: &Story, from: i64) {
    let log = story.world.requests();
    let sent: Vec<&LogEntry> =
        log.iter().filter(|e| is_mutation(&custody::request_of(e))).collect();
    let intents = story.parts.store.intents(None).await.unwrap().len();
    assert!(sent.len() <= intents, "full at {from}: {} sent, {intents} recorded", sent.len());
}

#[tokio::test]
async fn a_disk_that_fills_up_at_any_commit_sends_nothing_unrecorded_and_the_agent_goes_on() {
    let every = crate::asked::asked("RUNGWISE_FULL_EVERY");
    let (commits, failed) = live(i64::MAX - FULL_FOR).await;
    assert_eq!(failed, 0);
    let step = every.unwrap_or(commits / 4).max(1);
    let mut tried = 0;
    for from in (0..commits).step_by(usize::try_from(step).unwrap()) {
        let (_, failed) = live(from).await;
        assert!(failed > 0, "nothing failed at {from}");
        tried += 1;
    }
    println!("{commits} commits in the story, full at {tried} of them");
}

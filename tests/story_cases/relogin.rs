//! The token dies in the middle of a climb: the agent waits, loses no step, and goes on after a new login.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rungwise::{
    app::tick::{Scope, tick},
    domain::climb::State,
    ports::{Method, Store as _},
    sandbox::{Fault, Faults},
};

use super::support::{LIMITS, Story, ready_shop};

/// From a request on Meta answers nothing but 190, until somebody has logged in again.
#[derive(Debug)]
struct Dead {
    from: u64,
    logged_in: Arc<AtomicBool>,
}

impl Faults for Dead {
    fn strike(&mut self, n: u64, _: Method, _: &str) -> Option<Fault> {
        let dead = n >= self.from && !self.logged_in.load(Ordering::Relaxed);
        dead.then_some(Fault::Error { status: 400, code: 190, subcode: Some(460), applied: false })
    }
}

/// What was made, by kind, in order.
fn created(story: &Story) -> Vec<String> {
    let log = story.world.requests();
    let of = |e: &rungwise::sandbox::LogEntry| {
        let list = e.mutation["created"].as_array().cloned().unwrap_or_default();
        list.into_iter().map(|o| o["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    log.iter().flat_map(of).collect()
}

/// Lives until the challenger warms; `k` requests after the first yes the token dies for a day.
async fn lived(k: Option<u64>) -> Vec<String> {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.pass(true).await;
    assert!(story.answer_all(true).await, "{}", story.tale());
    if let Some(k) = k {
        let logged_in = Arc::new(AtomicBool::new(false));
        let from = story.world.requests().len() as u64 + k;
        story.world.set_faults(Dead { from, logged_in: Arc::clone(&logged_in) });
        let mut failed = 0;
        for _ in 0..6 {
            story.sleep_hours(4);
            let hands = story.parts.hands();
            let scope = Scope { decide: true };
            failed +=
                u32::from(tick(story.parts.desk("agent"), hands.as_ref(), scope).await.is_err());
            story.answer_all(true).await;
        }
        assert!(failed > 0, "{k}: a dead token is no silent success");
        let before = created(&story).len();
        logged_in.store(true, Ordering::Relaxed);
        assert_eq!(created(&story).len(), before);
    }
    story.until(12, 1, |c| matches!(c.state, State::Warming { .. })).await;
    story.parts.store.verify_audit().await.unwrap();
    for intent in story.parts.store.intents(None).await.unwrap() {
        assert!(intent.verified, "{} was never read back: {}", intent.action, story.tale());
    }
    created(&story)
}

#[tokio::test]
async fn a_token_that_dies_anywhere_costs_time_and_nothing_else() {
    let undisturbed = lived(None).await;
    assert!(undisturbed.len() >= 4, "campaign, ad set, ad, rule: {undisturbed:?}");
    for k in (1..=40).step_by(3) {
        assert_eq!(lived(Some(k)).await, undisturbed, "dead {k} requests after the yes");
    }
}

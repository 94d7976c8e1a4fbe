//! A line that is down for a day: no decisions, few probes, no burst when it is back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rungwise::{
    app::{
        pull,
        tick::{Scope, tick},
    },
    domain::HOUR_MS,
    ports::{Clock as _, Store as _, TransportError},
    sandbox::Sandbox,
};

use super::support::{Agent, Wire, shop};

const MINUTE: i64 = 60_000;

/// An agent, and the switch that takes its line down.
async fn behind_a_line(world: &Sandbox) -> (Agent, Arc<AtomicBool>) {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let wire = Wire::with(world, move |_| {
        let lost = || Err(TransportError::Lost("timed out".to_owned()));
        is_down.load(Ordering::SeqCst).then(lost)
    });
    (Agent::new(wire).await, down)
}

#[tokio::test]
async fn in_24_hours_of_silence_nothing_is_decided_and_one_probe_goes_out_in_five_minutes() {
    let world = shop(60);
    let (agent, down) = behind_a_line(&world).await;
    let pass = async || {
        let hands = agent.parts.hands();
        tick(agent.parts.desk("agent"), hands.as_ref(), Scope { decide: true }).await.is_ok()
    };
    assert!(pass().await);
    let normal = agent.wire.asked().len();
    let decided = agent.parts.store.decisions(None, 100).await.unwrap().len();
    assert!(decided > 0, "with an answer there is a decision");

    down.store(true, Ordering::SeqCst);
    let start = world.clock().now();
    let mut sent = Vec::new();
    // Somebody asks every minute, far more often than any schedule does.
    while world.clock().now() < start.plus(24 * HOUR_MS) {
        world.advance_to(world.clock().now().plus(MINUTE));
        assert!(!pass().await);
        let at = world.clock().now();
        sent.extend(agent.wire.asked().iter().map(|_| at));
    }
    assert_eq!(agent.parts.store.decisions(None, 100).await.unwrap().len(), decided);
    assert!(sent.len() <= 4 + 24 * 12, "{} requests in a day", sent.len());
    // After the tries of the first read each five minutes see one request at most.
    for (n, at) in sent.iter().enumerate().skip(4) {
        let within = sent[n..].iter().filter(|t| t.since(*at) < 5 * MINUTE).count();
        assert_eq!(within, 1, "at {at}");
    }

    down.store(false, Ordering::SeqCst);
    world.advance_to(world.clock().now().plus(5 * MINUTE));
    assert!(pass().await);
    let back = agent.wire.asked().len();
    assert!(back <= 2 * normal, "{back} requests after the outage, {normal} before");
}

#[tokio::test]
async fn an_account_that_has_changed_stays_changed_until_it_is_read_again() {
    let world = shop(5);
    let (agent, down) = behind_a_line(&world).await;
    let pull = async || {
        world.advance_to(world.clock().now().plus(HOUR_MS));
        let _ = pull::pull(agent.parts.desk("agent"), None).await;
        pull::has_changed(&agent.parts.store).await.unwrap()
    };
    assert!(!pull().await);
    world.show_odd_account(Some(("USD", "Europe/Berlin")));
    assert!(pull().await);
    down.store(true, Ordering::SeqCst);
    assert!(pull().await, "nothing says that it is the old one again");
    down.store(false, Ordering::SeqCst);
    world.show_odd_account(None);
    assert!(!pull().await);
}

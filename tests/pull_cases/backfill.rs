//! A long first read: cut off anywhere it goes on where it stood; what cannot have changed is not read again.

use rand::{Rng as _, SeedableRng as _};
use rungwise::{
    app::pull::{self, Pulled},
    domain::{DAY_MS, Day, HOUR_MS},
    ports::{Clock as _, Store as _},
    sandbox::Sandbox,
    store::DATABASE_FILE,
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::support::{Agent, Wire, shop, small_shop};

/// Everything that was kept, without when it was seen.
async fn kept(agent: &Agent) -> Vec<(String, String, String)> {
    let path = agent.dir.path().join(DATABASE_FILE);
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    let text = "select day, adset, digest from insights order by day, adset, seen_at";
    sqlx::query_as(text).fetch_all(&mut conn).await.unwrap()
}

async fn pulled(agent: &Agent, since: Option<Day>) -> Pulled {
    pull::pull(agent.parts.desk("agent"), since).await.unwrap()
}
fn today(world: &Sandbox) -> Day {
    "Europe/Berlin".parse::<rungwise::domain::Zone>().unwrap().day_of(world.clock().now())
}

/// Pulls until it is done or the process dies; true when it is done.
async fn try_pull(agent: &Agent, since: Option<Day>) -> bool {
    let fuse = &agent.wire.fuse;
    tokio::select! {
        biased;
        () = fuse.died.notified() => false,
        done = pull::pull(agent.parts.desk("agent"), since) => done.is_ok(),
    }
}

#[tokio::test]
async fn a_backfill_of_37_months_killed_at_20_random_points_ends_with_the_rows_of_an_uninterrupted_one()
 {
    let world = small_shop(1_140);
    let since = today(&world).months_before(37);
    let whole = Agent::new(Wire::to(&world)).await;
    assert!(try_pull(&whole, Some(since)).await);
    let wanted = kept(&whole).await;
    let steps = whole.wire.fuse.steps();
    assert!(wanted.len() > 2_000, "{} rows", wanted.len());
    assert!(steps > 40, "{steps} requests and sides of commits");

    let mut random = rand_pcg::Pcg64::seed_from_u64(37);
    let mut deaths = 0;
    // Killed once, then run to its end: four times; and killed sixteen times in a row.
    for lives in [1, 1, 1, 1, 16] {
        let mut agent = Agent::new(Wire::to(&world)).await;
        for _ in 0..lives {
            // In a row each life dies early, else the last one would have nothing left to do.
            let most = if lives == 1 { steps } else { steps / 16 };
            agent.wire.fuse.set(random.random_range(1..=most));
            let done = try_pull(&agent, Some(since)).await;
            deaths += u32::from(!done);
            agent = agent.again().await;
        }
        let last = pulled(&agent, Some(since)).await;
        assert_eq!(kept(&agent).await, wanted, "after {lives} deaths");
        assert!(last.unexplained.is_empty(), "{:?}", last.unexplained);
        // Nothing is left: the next pull has only the moving days to read.
        agent.wire.asked();
        let next = pulled(&agent, None).await;
        assert_eq!((next.saved.new, next.saved.restated), (0, 0));
        assert!(agent.wire.asked().len() < 9);
    }
    assert_eq!(deaths, 20, "every life but the last ones ended before its time");
}

#[tokio::test]
async fn a_backfill_that_was_cut_off_is_taken_up_by_the_next_ordinary_pull() {
    let world = small_shop(400);
    let since = today(&world).plus(-390);
    let agent = Agent::new(Wire::to(&world)).await;
    agent.wire.fuse.set(12);
    assert!(!try_pull(&agent, Some(since)).await);
    let agent = agent.again().await;
    let some = kept(&agent).await.len();
    assert_eq!(pulled(&agent, None).await.range.since(), since);
    let all = kept(&agent).await;
    assert!(some < all.len() && all[0].0 == since.to_string(), "{some} of {}", all.len());
    let after = pulled(&agent, None).await.range;
    assert_eq!(after.since(), today(&world).plus(-29), "once is enough");
}

#[tokio::test]
async fn what_cannot_have_changed_is_not_read_again() {
    let world = small_shop(400);
    let agent = Agent::new(Wire::to(&world)).await;
    let first = pulled(&agent, Some(today(&world).plus(-399))).await;
    assert!(first.saved.new > 700);
    let insights = |agent: &Agent| {
        let asked = agent.wire.asked();
        let of = asked.iter().filter(|r| r.path.ends_with("/insights"));
        of.map(|r| {
            let time = &r.query.iter().find(|(n, _)| n == "time_range").unwrap().1;
            let time: serde_json::Value = serde_json::from_str(time).unwrap();
            let day = |n: &str| time[n].as_str().unwrap().parse::<Day>().unwrap();
            (day("since"), day("until"))
        })
        .collect::<Vec<_>>()
    };
    assert!(insights(&agent).len() > 8);
    // An hour later: the settled days are known since an hour.
    world.advance_to(world.clock().now().plus(HOUR_MS));
    let again = pulled(&agent, None).await;
    assert_eq!((again.saved.new, again.saved.restated), (0, 0));
    let young = (today(&world).plus(-3), today(&world));
    assert_eq!(insights(&agent), [young, young], "totals and rows of the days that still move");
    // A day later: everything that Meta may still restate, and nothing older.
    world.advance_to(world.clock().now().plus(DAY_MS));
    pulled(&agent, None).await;
    let month = (today(&world).plus(-29), today(&world));
    assert_eq!(insights(&agent), [month, month]);
    // After 28 days of daily pulls each day was read once after it had become final.
    for _ in 0..32 {
        world.advance_to(world.clock().now().plus(DAY_MS));
        pulled(&agent, None).await;
    }
    agent.wire.asked();
    let old = pulled(&agent, Some(today(&world).plus(-399))).await;
    assert_eq!(old.saved.new, 0);
    let asked = insights(&agent);
    assert!(asked.iter().all(|(since, _)| *since >= today(&world).plus(-3)), "{asked:?}");
}

#[tokio::test]
async fn a_settled_day_that_does_not_add_up_is_named_and_holds_raises_until_it_does() {
    let world = shop(60);
    let lying = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let lies = std::sync::Arc::clone(&lying);
    let inner = world.clone();
    let wire = Wire::with(&world, move |request| {
        let total = request.path.ends_with("/insights")
            && request.query.iter().any(|(n, v)| n == "level" && v == "account");
        if !total || !lies.load(std::sync::atomic::Ordering::SeqCst) {
            return None;
        }
        let answer = futures_now(&inner, request);
        let mut body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let rows = body["data"].as_array_mut().unwrap();
        if let Some(row) = rows.iter_mut().find(|r| r["date_start"] == "2025-12-20") {
            let spend: f64 = row["spend"].as_str().unwrap().parse().unwrap();
            row["spend"] = format!("{:.2}", spend + 1.23).into();
        }
        Some(Ok(rungwise::ports::Response { body: body.to_string().into_bytes(), ..answer }))
    });
    let agent = Agent::new(wire).await;
    let first = pulled(&agent, None).await;
    let day: Day = "2025-12-20".parse().unwrap();
    assert_eq!(first.unexplained.into_iter().collect::<Vec<_>>(), [(day, 123)]);
    let why = async || {
        let now = agent.parts.clock.now();
        let account = agent.parts.store.account(&agent.parts.account.id).await.unwrap().unwrap();
        pull::unreconciled(&agent.parts.store, &account, now).await.unwrap()
    };
    assert_eq!(why().await, ["on 2025-12-20 the ad sets and the account differ by 1.23 EUR"]);
    // A pull that does not read that day again says nothing new about it.
    world.advance_to(world.clock().now().plus(HOUR_MS));
    pulled(&agent, None).await;
    assert_eq!(why().await.len(), 1);
    lying.store(false, std::sync::atomic::Ordering::SeqCst);
    world.advance_to(world.clock().now().plus(DAY_MS));
    pulled(&agent, None).await;
    assert!(why().await.is_empty());
}

/// The world answers at once; its future is only the form a transport has.
fn futures_now(world: &Sandbox, request: &rungwise::ports::Request) -> rungwise::ports::Response {
    use std::task::{Context, Poll, Waker};

    use rungwise::ports::Transport as _;
    let mut answer = world.send(request);
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the world answers at once"),
    }
}

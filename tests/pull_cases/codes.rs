//! Codes provoked in the rehearsal world: what a whole pull does about each class, by the world's own log.

use rungwise::{
    app::{AppError, pull},
    ports::{MetaClass, Method, Store as _},
    sandbox::{Fault, ScriptedFaults},
};

use super::support::{Agent, Wire, shop, small_shop};

fn fault(status: u16, code: i64, subcode: i64) -> Fault {
    let subcode = (subcode != 0).then_some(subcode);
    Fault::Error { status, code, subcode, applied: false }
}

#[tokio::test]
async fn a_pull_gets_over_what_passes_and_names_what_does_not() {
    use MetaClass::{Auth, Gone, Policy, Refused, Throttled, Unknown, Version};
    // One answer of each kind on the way; None = the pull succeeds all the same.
    let cases: [(u16, i64, i64, Option<MetaClass>); 24] = [
        (500, 1, 0, None),
        (500, 2, 0, None),
        (500, -2, 2_490_547, None),
        (400, 960, 0, None),
        (400, 100, 99, None),
        (400, 100, 1_504_018, None),
        (400, 2, 1_504_038, None),
        (400, 100, 1_487_534, None),
        (400, -3, 1_504_045, None),
        (400, 4, 0, None),
        (400, 4, 1_504_022, None),
        (400, 17, 2_446_079, None),
        (400, 613, 0, None),
        (400, 613, 1_487_742, None),
        (400, 80_000, 2_446_079, None),
        (400, 3018, 0, None),
        (400, 341, 0, Some(Throttled)),
        (401, 190, 463, Some(Auth)),
        (403, 200, 0, Some(Auth)),
        (400, 100, 33, Some(Gone)),
        (400, 100, 0, Some(Refused)),
        (400, 368, 0, Some(Policy)),
        (400, 2635, 0, Some(Version)),
        (400, 987_654, 0, Some(Unknown)),
    ];
    let wanted = {
        let agent = Agent::new(Wire::to(&small_shop(60))).await;
        pull::pull(agent.parts.desk("agent"), None).await.unwrap().saved
    };
    for (status, code, sub, class) in cases {
        let world = small_shop(60);
        let agent = Agent::new(Wire::to(&world)).await;
        let strike = fault(status, code, sub);
        world.set_faults(ScriptedFaults::default().on(Method::Get, "/insights", strike));
        let name = format!("{code}/{sub}");
        match (pull::pull(agent.parts.desk("agent"), None).await, class) {
            (Ok(done), None) => {
                assert_eq!(done.saved, wanted, "{name}: the same rows as without it");
                assert!(done.unexplained.is_empty(), "{name}");
            }
            (Err(AppError::Meta(e)), Some(class)) => {
                assert_eq!((e.class, e.code), (class, Some(code)), "{e}");
                let last = world.requests().last().unwrap().status;
                assert_eq!(last, status, "{name}: nothing is sent after it");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_warning_about_the_version_is_an_alarm_of_the_next_pass_and_a_dead_version_ends_it() {
    use rungwise::app::tick::{Scope, tick};
    let world = shop(60);
    let inner = world.clone();
    let wire = Wire::with(&world, move |request| {
        use rungwise::ports::Transport as _;
        let mut answer = inner.send(request);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(Ok(mut answer)) = answer.as_mut().poll(&mut context) else {
            panic!("the world answers at once")
        };
        let warning = ("x-ad-api-version-warning".to_owned(), "v26.0 ends soon".to_owned());
        answer.headers.push(warning);
        Some(Ok(answer))
    });
    let agent = Agent::new(wire).await;
    let hands = agent.parts.hands();
    let done =
        tick(agent.parts.desk("agent"), hands.as_ref(), Scope { decide: true }).await.unwrap();
    let alarm = "Meta warns about the API version in use: v26.0 ends soon";
    assert!(done.alarms.iter().any(|a| a == alarm), "{:?}", done.alarms);

    let world = shop(60);
    let agent = Agent::new(Wire::to(&world)).await;
    world.set_faults(ScriptedFaults::default().on(Method::Get, "/campaigns", fault(400, 2635, 0)));
    let hands = agent.parts.hands();
    let ended = tick(agent.parts.desk("agent"), hands.as_ref(), Scope { decide: true }).await;
    let Err(AppError::Meta(e)) = ended else { panic!("a pass on a dead version") };
    assert_eq!((e.class, e.hint()), (MetaClass::Version, "set api.version to a current version"));
    assert!(
        agent.parts.store.decisions(None, 1).await.unwrap().is_empty(),
        "and nothing was decided"
    );
}

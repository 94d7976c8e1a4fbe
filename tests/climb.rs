//! The climb machine over every state and event: nothing panics, ends stay ends, money never moves by surprise.

use rungwise::domain::{
    CampaignId, ClimbId, Day, LineId, Moment, Money,
    climb::{
        Built, Climb, Command, Effect, Event, Memory, Pending, PlanOutcome, Route, RouteKind,
        State, Step, Test, Verdict,
    },
    plan::{PlanHash, PlanKind},
};

fn today() -> Day {
    "2026-03-01".parse().expect("a day")
}

fn route(kind: RouteKind) -> Route {
    Route { from: "add_to_cart".to_owned(), to: "initiate_checkout".to_owned(), kind }
}

fn test(kind: RouteKind) -> Test {
    let eur = |minor| Money::from_minor(minor, "EUR".parse().expect("three letters"));
    Test {
        route: route(kind),
        challenger: CampaignId::new("2").expect("digits"),
        activated: Moment::from_millis(0),
        first_day: today(),
        last_day: today().plus(50),
        incumbent_budget: eur(1_000),
        challenger_budget: eur(1_000),
        run_rate: eur(1_000),
        not_before: None,
        looks: 0,
        rule: None,
        study: None,
    }
}

fn climb(state: State) -> Climb {
    let id = ClimbId::new("climb-1").expect("legal");
    let line = LineId::new("line-1").expect("legal");
    let incumbent = CampaignId::new("1").expect("digits");
    let memory = Memory { path: vec!["add_to_cart".to_owned()], ..Memory::default() };
    let mut climb = Climb::open(id, line, incumbent, "add_to_cart", Moment::from_millis(0), memory);
    climb.state = state;
    climb
}

fn states() -> Vec<State> {
    let mut all = vec![
        State::Observing,
        State::Settled { rung: "initiate_checkout".to_owned() },
        State::Stayed { verdict: Verdict::Stay },
        State::Aborted,
        State::Stuck { why: "a reason".to_owned() },
    ];
    for kind in [RouteKind::Climb, RouteKind::TestedPlacement, RouteKind::Placement] {
        let challenger = Some(CampaignId::new("2").expect("digits"));
        all.extend([
            State::Eligible { route: route(kind) },
            State::Stabilising { route: route(kind) },
            State::Proposed { route: route(kind) },
            State::Cloning { route: route(kind), challenger: None, rule: None, study: None },
            State::Cloning { route: route(kind), challenger, rule: None, study: None },
            State::Warming { test: test(kind) },
            State::Comparing { test: test(kind) },
            State::Probation { test: test(kind) },
            State::Shifting { test: test(kind) },
        ]);
        for verdict in [Verdict::Promote, Verdict::Stay, Verdict::Inconclusive, Verdict::Aborted] {
            all.push(State::Judged { test: test(kind), verdict });
        }
    }
    all
}

fn events() -> Vec<Event> {
    let step = |step| Event::Decided { step, today: today() };
    let mut all = vec![
        step(Step::Wait),
        step(Step::Open { route: route(RouteKind::Climb) }),
        step(Step::Close),
        step(Step::Stable),
        step(Step::Ready { cut_first: false }),
        step(Step::Ready { cut_first: true }),
        step(Step::Unfit),
        step(Step::Learned),
        step(Step::Looked),
        step(Step::Tainted { from: today() }),
        step(Step::Drift { what: "somebody changed it".to_owned() }),
        Event::Filed(Pending { kind: PlanKind::Clone, plan: PlanHash::named("aa") }),
    ];
    for verdict in [Verdict::Promote, Verdict::Stay, Verdict::Inconclusive, Verdict::Aborted] {
        all.push(step(Step::Verdict { verdict, weekly_milli: 1_000 }));
    }
    for command in [Command::Pause, Command::Resume, Command::Abort, Command::Promote] {
        all.push(Event::Commanded { command, today: today() });
    }
    let kinds = [
        PlanKind::Clone,
        PlanKind::Activate,
        PlanKind::Split,
        PlanKind::Shift,
        PlanKind::End,
        PlanKind::CleanUp,
        PlanKind::Revert,
    ];
    let outcomes = [
        PlanOutcome::Done,
        PlanOutcome::Rejected,
        PlanOutcome::Expired,
        PlanOutcome::Stale,
        PlanOutcome::Failed,
    ];
    for kind in kinds {
        for outcome in outcomes {
            let built = Built {
                challenger: Some(CampaignId::new("2").expect("digits")),
                rule: None,
                study: None,
                test: Some(Box::new(test(RouteKind::Climb))),
            };
            all.push(Event::Ended { kind, outcome, built, today: today() });
        }
    }
    all
}

fn proposals(effects: &[Effect]) -> Vec<PlanKind> {
    let kinds = effects.iter().filter_map(|e| match e {
        Effect::Propose { kind } => Some(*kind),
        _ => None,
    });
    kinds.collect()
}

#[test]
fn an_ended_climb_never_proposes_and_never_starts_again_by_a_decision_or_command() {
    for state in states().into_iter().filter(|s| !s.is_open()) {
        for event in events() {
            if matches!(event, Event::Ended { .. } | Event::Filed(_)) {
                continue;
            }
            let (next, effects) = climb(state.clone()).on(&event);
            assert_eq!(next.state, state, "{event:?}");
            assert!(proposals(&effects).is_empty(), "{event:?}");
        }
    }
}

#[test]
fn at_most_one_plan_is_asked_for_at_a_time_and_one_next_climb_is_opened_only_at_an_end() {
    for state in states() {
        for event in events() {
            let (next, effects) = climb(state.clone()).on(&event);
            assert!(proposals(&effects).len() <= 1, "{} {event:?}", state.as_str());
            let opened = effects.iter().filter(|e| matches!(e, Effect::OpenNext { .. })).count();
            assert!(opened <= 1);
            if opened == 1 {
                assert!(!next.state.is_open(), "{} {event:?}", state.as_str());
            }
        }
    }
}

#[test]
fn only_a_promotion_shifts_and_everything_else_gives_the_incumbent_its_line_back() {
    for kind in [RouteKind::Climb, RouteKind::TestedPlacement] {
        for (verdict, plan) in [
            (Verdict::Promote, PlanKind::Shift),
            (Verdict::Stay, PlanKind::End),
            (Verdict::Inconclusive, PlanKind::End),
            (Verdict::Aborted, PlanKind::End),
        ] {
            let step = Step::Verdict { verdict, weekly_milli: 70_000 };
            let event = Event::Decided { step, today: today() };
            let (next, effects) = climb(State::Comparing { test: test(kind) }).on(&event);
            assert_eq!(proposals(&effects), [plan], "{verdict:?}");
            assert_eq!(next.memory.last_failure.is_some(), verdict != Verdict::Promote);
        }
    }
}

#[test]
fn a_placement_that_fails_is_reverted_and_one_that_holds_settles_without_a_write() {
    let state = State::Probation { test: test(RouteKind::Placement) };
    let verdict = |verdict| Event::Decided {
        step: Step::Verdict { verdict, weekly_milli: 1 },
        today: today(),
    };
    let (_, effects) = climb(state.clone()).on(&verdict(Verdict::Stay));
    assert_eq!(proposals(&effects), [PlanKind::Revert]);
    let (next, effects) = climb(state).on(&verdict(Verdict::Promote));
    assert!(matches!(next.state, State::Settled { .. }));
    assert!(proposals(&effects).is_empty());
}

#[test]
fn a_hold_is_set_by_drift_or_command_and_lifted_only_by_a_person() {
    let warming = climb(State::Warming { test: test(RouteKind::Climb) });
    let drift = Step::Drift { what: "budget".to_owned() };
    let (held, effects) = warming.on(&Event::Decided { step: drift, today: today() });
    assert!(held.held.is_some() && matches!(effects.as_slice(), [Effect::Alarm { .. }]));
    let (still, _) = held.on(&Event::Decided { step: Step::Wait, today: today() });
    assert!(still.held.is_some());
    let (free, _) = still.on(&Event::Commanded { command: Command::Resume, today: today() });
    assert!(free.held.is_none());
}

#[test]
fn a_closing_plan_that_keeps_failing_ends_with_a_person() {
    let judged = State::Judged { test: test(RouteKind::Climb), verdict: Verdict::Stay };
    let mut at = climb(judged);
    let failed = Event::Ended {
        kind: PlanKind::End,
        outcome: PlanOutcome::Failed,
        built: Built::default(),
        today: today(),
    };
    for _ in 0..50 {
        let (next, effects) = at.on(&failed);
        at = next;
        if proposals(&effects).is_empty() {
            break;
        }
        let pending = Pending { kind: PlanKind::End, plan: PlanHash::named("aa") };
        at = at.on(&Event::Filed(pending)).0;
    }
    assert!(matches!(at.state, State::Stuck { .. }), "{:?}", at.state);
}

#[test]
fn every_attempt_has_its_own_number() {
    let at = climb(State::Proposed { route: route(RouteKind::Climb) });
    let pending = Pending { kind: PlanKind::Clone, plan: PlanHash::named("aa") };
    let (next, _) = at.on(&Event::Filed(pending.clone()));
    assert_eq!((at.attempts, next.attempts), (0, 1));
    assert_eq!(next.pending, Some(pending));
}

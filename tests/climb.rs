//! The climb machine over every state and event: nothing panics, ends stay ends, money never moves by surprise.

use rungwise::domain::{
    CampaignId, ClimbId, Day, LineId, Moment, Money, ObjectId,
    climb::{
        Built, Climb, Command, Effect, Event, Failure, Memory, Pending, Placed, PlanOutcome, Route,
        RouteKind, State, Step, Test, Verdict,
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
        State::Stuck { why: "a reason".to_owned(), placed: None },
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
        step(Step::Lost { what: "the incumbent".to_owned() }),
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
                handed_over: false,
                cut_from: None,
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
fn a_climb_that_lost_its_incumbent_is_stuck_unless_it_waits_for_a_plan() {
    let lost = decided(Step::Lost { what: "campaign 1 is gone".to_owned() });
    for kind in KINDS {
        let built = cloning(kind);
        let (next, effects) = climb(built.clone()).on(&lost);
        let State::Stuck { why, placed } = &next.state else { panic!("{:?}", next.state) };
        assert_eq!(why, "campaign 1 is gone");
        assert_eq!(placed.is_some(), kind == RouteKind::Placement, "a test carries no line yet");
        assert!(matches!(&effects[..], [Effect::Alarm { .. }]), "{effects:?}");
        let (same, none) = waiting(built.clone()).on(&lost);
        assert_eq!((same.state, none), (built, Vec::new()));
        for verdict in [Verdict::Promote, Verdict::Stay] {
            let judged = climb(State::Judged { test: test(kind), verdict });
            let (next, _) = judged.on(&lost);
            let State::Stuck { placed, .. } = next.state else { panic!("{:?}", next.state) };
            let carries = kind == RouteKind::Placement || verdict == Verdict::Promote;
            assert_eq!(placed.is_some(), carries, "{kind:?} {verdict:?}");
        }
    }
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
        if matches!(at.state, State::Stuck { .. }) {
            break;
        }
        let decided = Event::Decided { step: Step::Looked, today: today() };
        let asked = [proposals(&effects), proposals(&at.on(&decided).1)].concat();
        assert_eq!(asked, [PlanKind::End], "a pass later at the latest");
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

const KINDS: [RouteKind; 3] = [RouteKind::Climb, RouteKind::TestedPlacement, RouteKind::Placement];

fn decided(step: Step) -> Event {
    Event::Decided { step, today: today() }
}

fn commanded(command: Command) -> Event {
    Event::Commanded { command, today: today() }
}

fn ended(kind: PlanKind, outcome: PlanOutcome, built: Built) -> Event {
    Event::Ended { kind, outcome, built, today: today() }
}

fn cloning(kind: RouteKind) -> State {
    let challenger = Some(CampaignId::new("2").expect("digits"));
    State::Cloning { route: route(kind), challenger, rule: None, study: None }
}

fn waiting(state: State) -> Climb {
    let pending = Pending { kind: PlanKind::Clone, plan: PlanHash::named("aa") };
    Climb { pending: Some(pending), ..climb(state) }
}

/// The rung and campaign the next climb of the line begins with, and its memory.
fn next_climb(effects: &[Effect]) -> Option<(String, String, Memory)> {
    effects.iter().find_map(|e| match e {
        Effect::OpenNext { incumbent, rung, memory } => {
            Some((incumbent.to_string(), rung.clone(), memory.clone()))
        }
        _ => None,
    })
}

fn alarms(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Alarm { .. })).count()
}

#[test]
fn a_plan_is_asked_for_where_none_waits_and_never_a_second_time() {
    let judged = |kind, verdict| State::Judged { test: test(kind), verdict };
    let cases = [
        (State::Proposed { route: route(RouteKind::Climb) }, Step::Stable, PlanKind::Clone),
        (cloning(RouteKind::Climb), Step::Ready { cut_first: false }, PlanKind::Activate),
        (cloning(RouteKind::Climb), Step::Ready { cut_first: true }, PlanKind::Split),
        (cloning(RouteKind::Climb), Step::Unfit, PlanKind::CleanUp),
        (judged(RouteKind::Climb, Verdict::Stay), Step::Looked, PlanKind::End),
        (judged(RouteKind::Climb, Verdict::Promote), Step::Close, PlanKind::Shift),
        (judged(RouteKind::Placement, Verdict::Aborted), Step::Unfit, PlanKind::Revert),
    ];
    for (state, step, kind) in cases {
        let (same, effects) = climb(state.clone()).on(&decided(step.clone()));
        assert_eq!((proposals(&effects), &same.state), (vec![kind], &state), "{step:?}");
        let (same, effects) = waiting(state.clone()).on(&decided(step.clone()));
        assert_eq!(
            (proposals(&effects), &same.state),
            (vec![], &state),
            "{step:?} while one waits"
        );
    }
}

#[test]
fn a_climb_that_is_to_wait_stays_as_it_is_and_asks_for_nothing() {
    for state in states() {
        let at = climb(state);
        let (same, effects) = at.on(&decided(Step::Wait));
        assert_eq!((same, effects), (at.clone(), vec![]), "{}", at.state.as_str());
    }
}

#[test]
fn a_proposal_is_dropped_when_its_gate_closes_unless_a_plan_waits_for_an_answer() {
    let proposed = State::Proposed { route: route(RouteKind::Climb) };
    let (next, _) = climb(proposed.clone()).on(&decided(Step::Close));
    assert_eq!(next.state, State::Observing);
    let (next, _) = waiting(proposed.clone()).on(&decided(Step::Close));
    assert_eq!(next.state, proposed);
}

#[test]
fn the_way_to_a_proposal_is_open_open_stable_and_any_closed_gate_leads_back() {
    let open = decided(Step::Open { route: route(RouteKind::Climb) });
    let (eligible, _) = climb(State::Observing).on(&open);
    let (stabilising, _) = eligible.on(&open);
    let (proposed, effects) = stabilising.on(&decided(Step::Stable));
    let words = [&eligible, &stabilising, &proposed].map(|c| c.state.as_str());
    assert_eq!(words, ["eligible", "stabilising", "proposed"]);
    assert_eq!(proposed.state.route(), Some(&route(RouteKind::Climb)));
    assert_eq!(proposals(&effects), [PlanKind::Clone]);
    for at in [eligible, stabilising] {
        assert_eq!(at.on(&decided(Step::Close)).0.state, State::Observing);
    }
}

#[test]
fn a_look_is_counted_and_a_taint_moves_the_first_day_and_neither_moves_the_test_on() {
    let states: [fn(Test) -> State; 3] = [
        |test| State::Warming { test },
        |test| State::Comparing { test },
        |test| State::Probation { test },
    ];
    let from = today().plus(3);
    for state in states {
        let at = climb(state(test(RouteKind::Climb)));
        let (looked, effects) = at.on(&decided(Step::Looked));
        assert_eq!(looked.state, state(Test { looks: 1, ..test(RouteKind::Climb) }));
        assert_eq!(effects, []);
        let (tainted, _) = looked.on(&decided(Step::Tainted { from }));
        let expected = Test { looks: 1, not_before: Some(from), ..test(RouteKind::Climb) };
        assert_eq!(tainted.state, state(expected));
    }
}

#[test]
fn a_challenger_warms_until_it_has_learned_and_only_then_is_compared() {
    let warming = climb(State::Warming { test: test(RouteKind::Climb) });
    let (comparing, effects) = warming.on(&decided(Step::Learned));
    assert_eq!(comparing.state, State::Comparing { test: test(RouteKind::Climb) });
    assert_eq!(effects, []);
}

#[test]
fn a_verdict_ends_every_running_test_and_a_failed_one_is_remembered_with_its_volume() {
    for state in [
        State::Warming { test: test(RouteKind::Climb) },
        State::Comparing { test: test(RouteKind::Climb) },
        State::Probation { test: test(RouteKind::Placement) },
    ] {
        let step = Step::Verdict { verdict: Verdict::Aborted, weekly_milli: 41_000 };
        let (next, effects) = climb(state).on(&decided(step));
        assert!(matches!(next.state, State::Judged { verdict: Verdict::Aborted, .. }));
        assert_eq!(proposals(&effects).len(), 1);
        let failure =
            Failure { to: "initiate_checkout".to_owned(), day: today(), weekly_milli: 41_000 };
        assert_eq!(next.memory.last_failure, Some(failure));
    }
}

#[test]
fn what_comes_of_a_clone_plan() {
    let challenger = || Some(CampaignId::new("2").expect("digits"));
    let whole = || Built { challenger: challenger(), ..Built::default() };
    let proposed = climb(State::Proposed { route: route(RouteKind::Climb) });
    let ask = |outcome, built| proposed.on(&ended(PlanKind::Clone, outcome, built));

    let (next, effects) = ask(PlanOutcome::Done, whole());
    assert_eq!((next.state, effects), (cloning(RouteKind::Climb), vec![]));

    let (next, effects) = ask(PlanOutcome::Rejected, Built::default());
    assert_eq!(next.state, State::Aborted);
    let (incumbent, rung, memory) = next_climb(&effects).expect("the line goes on");
    assert_eq!((incumbent.as_str(), rung.as_str()), ("1", "add_to_cart"));
    let failure = memory.last_failure.expect("a move that was refused rests");
    assert_eq!((failure.to.as_str(), failure.day), ("initiate_checkout", today()));

    let (next, effects) = ask(PlanOutcome::Expired, Built::default());
    assert_eq!((next.state, alarms(&effects)), (State::Observing, 0), "nobody said no");

    for outcome in [PlanOutcome::Stale, PlanOutcome::Failed] {
        let (next, effects) = ask(outcome, Built::default());
        assert_eq!((next.state, proposals(&effects)), (State::Observing, vec![]));
        assert_eq!(alarms(&effects), 1);
        let (next, effects) = ask(outcome, whole());
        assert_eq!(next.state, cloning(RouteKind::Climb), "half a challenger is put away");
        assert_eq!((proposals(&effects), alarms(&effects)), (vec![PlanKind::CleanUp], 1));
    }
}

#[test]
fn a_placement_begins_its_probation_and_a_test_warms() {
    for kind in KINDS {
        let built = Built { test: Some(Box::new(test(kind))), ..Built::default() };
        let event = ended(PlanKind::Activate, PlanOutcome::Done, built);
        let (next, effects) = climb(cloning(kind)).on(&event);
        let expected = match kind {
            RouteKind::Placement => State::Probation { test: test(kind) },
            _ => State::Warming { test: test(kind) },
        };
        assert_eq!((next.state, effects), (expected, vec![]));
    }
    let event = ended(PlanKind::Activate, PlanOutcome::Done, Built::default());
    let (next, _) = climb(cloning(RouteKind::Climb)).on(&event);
    assert!(matches!(next.state, State::Stuck { .. }), "an activation without a test is a bug");
}

#[test]
fn an_activation_that_fails_is_put_away_with_everything_it_had_made() {
    let id = |text: &str| ObjectId::new(text).expect("digits");
    let event = |built| ended(PlanKind::Activate, PlanOutcome::Failed, built);
    let made = Built { rule: Some(id("7")), study: Some(id("8")), ..Built::default() };
    let (next, effects) = climb(cloning(RouteKind::Climb)).on(&event(made));
    assert_eq!((proposals(&effects), alarms(&effects)), (vec![PlanKind::CleanUp], 1));
    let kept = |state: &State| match state {
        State::Cloning { challenger, rule, study, .. } => {
            [challenger.is_some(), *rule == Some(id("7")), *study == Some(id("8"))]
        }
        _ => [false; 3],
    };
    assert_eq!(kept(&next.state), [true; 3]);
    let (next, _) = next.on(&event(Built::default()));
    assert_eq!(kept(&next.state), [true; 3], "what an earlier try made is not forgotten");
}

#[test]
fn an_activation_nobody_answers_is_asked_for_again_and_a_refused_one_is_put_away() {
    for kind in [PlanKind::Activate, PlanKind::Split] {
        let event = ended(kind, PlanOutcome::Expired, Built::default());
        let (next, effects) = climb(cloning(RouteKind::Climb)).on(&event);
        assert_eq!((next.state, proposals(&effects)), (cloning(RouteKind::Climb), vec![]));
        assert_eq!(alarms(&effects), 0);
    }
    let event = ended(PlanKind::Activate, PlanOutcome::Rejected, Built::default());
    let (_, effects) = climb(cloning(RouteKind::Climb)).on(&event);
    assert_eq!(proposals(&effects), [PlanKind::CleanUp]);
    let event = ended(PlanKind::Split, PlanOutcome::Done, Built::default());
    let (next, effects) = climb(cloning(RouteKind::Climb)).on(&event);
    assert_eq!((next.state, effects), (cloning(RouteKind::Climb), vec![]), "the cut is made");
}

#[test]
fn a_challenger_put_away_ends_the_climb_and_its_move_rests() {
    let event = ended(PlanKind::CleanUp, PlanOutcome::Done, Built::default());
    let (next, effects) = climb(cloning(RouteKind::Climb)).on(&event);
    assert_eq!(next.state, State::Aborted);
    let (incumbent, rung, memory) = next_climb(&effects).expect("the line goes on");
    assert_eq!((incumbent.as_str(), rung.as_str()), ("1", "add_to_cart"));
    assert_eq!(memory.last_failure.map(|f| f.to).as_deref(), Some("initiate_checkout"));
}

#[test]
fn a_promotion_carried_out_puts_the_line_on_the_winner_and_its_rung() {
    for state in [
        State::Judged { test: test(RouteKind::Climb), verdict: Verdict::Promote },
        State::Shifting { test: test(RouteKind::Climb) },
    ] {
        let mut at = climb(state);
        at.memory.last_failure =
            Some(Failure { to: "purchase".to_owned(), day: today(), weekly_milli: 1 });
        let mut event = ended(PlanKind::Shift, PlanOutcome::Done, Built::default());
        if let Event::Ended { today, .. } = &mut event {
            *today = today.plus(30);
        }
        let (next, effects) = at.on(&event);
        assert_eq!(next.state, State::Settled { rung: "initiate_checkout".to_owned() });
        let (incumbent, rung, memory) = next_climb(&effects).expect("the line goes on");
        assert_eq!((incumbent.as_str(), rung.as_str()), ("2", "initiate_checkout"));
        assert_eq!(memory.path, ["add_to_cart", "initiate_checkout"]);
        assert_eq!(memory.rung_since, Some(today()), "since the challenger's first day");
        assert_eq!(memory.last_failure, None);
    }
}

#[test]
fn a_test_that_ends_otherwise_leaves_the_line_where_it_was() {
    for (verdict, plan) in [
        (Verdict::Stay, PlanKind::End),
        (Verdict::Inconclusive, PlanKind::End),
        (Verdict::Aborted, PlanKind::End),
        (Verdict::Stay, PlanKind::Revert),
        (Verdict::Aborted, PlanKind::Revert),
    ] {
        let judged = State::Judged { test: test(RouteKind::Climb), verdict };
        let event = ended(plan, PlanOutcome::Done, Built::default());
        let (next, effects) = climb(judged).on(&event);
        let expected = match verdict {
            Verdict::Aborted => State::Aborted,
            verdict => State::Stayed { verdict },
        };
        assert_eq!(next.state, expected);
        let (incumbent, rung, memory) = next_climb(&effects).expect("the line goes on");
        assert_eq!((incumbent.as_str(), rung.as_str()), ("1", "add_to_cart"));
        assert_eq!(memory.path, ["add_to_cart"]);
    }
}

#[test]
fn a_closing_plan_that_is_refused_is_left_to_a_person() {
    for state in [
        State::Judged { test: test(RouteKind::Climb), verdict: Verdict::Stay },
        State::Shifting { test: test(RouteKind::Climb) },
    ] {
        let event = ended(PlanKind::End, PlanOutcome::Rejected, Built::default());
        let (next, effects) = climb(state.clone()).on(&event);
        assert_eq!((next.state, next.held.is_some()), (state, true));
        assert_eq!((proposals(&effects), alarms(&effects)), (vec![], 1));
    }
}

#[test]
fn undoing_is_tried_six_times_and_only_a_failure_is_a_try() {
    let judged = State::Judged { test: test(RouteKind::Climb), verdict: Verdict::Stay };
    for (state, kind) in [(judged, PlanKind::End), (cloning(RouteKind::Climb), PlanKind::CleanUp)] {
        let on = |at: &Climb, outcome| at.on(&ended(kind, outcome, Built::default()));
        let mut at = climb(state.clone());
        for failures in 1..6 {
            let outcome = if failures % 2 == 0 { PlanOutcome::Stale } else { PlanOutcome::Failed };
            let effects;
            (at, effects) = on(&at, outcome);
            // What Meta refused is tried again by a later pass, not in the same breath.
            let later = outcome == PlanOutcome::Failed;
            let asked = if later { vec![] } else { vec![kind] };
            assert_eq!((at.undo_failures, proposals(&effects)), (failures, asked));
            // A plan nobody answered is filed again and is no failure.
            (at, _) = on(&at, PlanOutcome::Expired);
            assert_eq!((at.undo_failures, &at.state), (failures, &state));
        }
        for sixth in [PlanOutcome::Failed, PlanOutcome::Stale] {
            let (stuck, effects) = on(&at, sixth);
            assert!(matches!(stuck.state, State::Stuck { .. }), "{kind:?}: {:?}", stuck.state);
            assert_eq!((proposals(&effects), alarms(&effects)), (vec![], 1));
        }
        let (done, _) = on(&at, PlanOutcome::Done);
        assert_eq!(done.undo_failures, 0, "what went well is no longer counted");
        let (refused, _) = on(&at, PlanOutcome::Rejected);
        assert_eq!(refused.undo_failures, at.undo_failures);
    }
}

#[test]
fn a_stuck_climb_names_the_campaign_that_may_carry_the_line_and_no_other() {
    for (kind, handed_over, carries) in [
        (RouteKind::Climb, false, false),
        (RouteKind::Climb, true, true),
        (RouteKind::TestedPlacement, false, false),
        (RouteKind::TestedPlacement, true, true),
        (RouteKind::Placement, false, true),
        (RouteKind::Placement, true, true),
    ] {
        let judged = State::Judged { test: test(kind), verdict: Verdict::Aborted };
        for state in [judged, cloning(kind)] {
            let at = Climb { handed_over, undo_failures: 5, ..climb(state) };
            let (stuck, _) = at.on(&ended(PlanKind::Revert, PlanOutcome::Failed, Built::default()));
            let State::Stuck { placed, .. } = &stuck.state else { panic!("{:?}", stuck.state) };
            let campaign = CampaignId::new("2").expect("digits");
            let named = Placed { campaign, rung: "initiate_checkout".to_owned() };
            assert_eq!(*placed, carries.then_some(named), "{kind:?}, {handed_over}");
            let ids: Vec<&str> = stuck.campaigns().map(CampaignId::as_str).collect();
            assert_eq!(ids, if carries { vec!["2", "1"] } else { vec!["1"] });
        }
    }
}

#[test]
fn a_plan_that_ends_answers_the_wait_for_it() {
    let at = waiting(State::Proposed { route: route(RouteKind::Climb) });
    let (next, _) = at.on(&ended(PlanKind::Clone, PlanOutcome::Expired, Built::default()));
    assert_eq!(next.pending, None);
}

#[test]
fn a_person_may_end_any_open_climb_and_what_runs_is_closed_by_its_plan() {
    let judged = |kind| State::Judged { test: test(kind), verdict: Verdict::Promote };
    for (state, plan) in [
        (State::Warming { test: test(RouteKind::Climb) }, PlanKind::End),
        (State::Comparing { test: test(RouteKind::Climb) }, PlanKind::End),
        (State::Probation { test: test(RouteKind::Placement) }, PlanKind::Revert),
        (judged(RouteKind::Climb), PlanKind::End),
        (judged(RouteKind::Placement), PlanKind::Revert),
        (State::Shifting { test: test(RouteKind::Climb) }, PlanKind::End),
    ] {
        let mut at = climb(state);
        at.held = Some("paused by a person".to_owned());
        let (next, effects) = at.on(&commanded(Command::Abort));
        assert_eq!(proposals(&effects), [plan], "{:?}", at.state);
        assert!(matches!(next.state, State::Judged { verdict: Verdict::Aborted, .. }));
        assert_eq!(next.held, None, "the closing plan may be carried out");
    }
    let at = Climb { held: Some("drift".to_owned()), ..climb(cloning(RouteKind::Climb)) };
    let (next, effects) = at.on(&commanded(Command::Abort));
    assert_eq!((proposals(&effects), next.held), (vec![PlanKind::CleanUp], None));
    for state in [State::Observing, State::Proposed { route: route(RouteKind::Climb) }] {
        let moves = state.route().is_some();
        let at = Climb { held: Some("drift".to_owned()), ..climb(state) };
        let (next, effects) = at.on(&commanded(Command::Abort));
        assert_eq!((next.state, next.held), (State::Aborted, None));
        let (_, _, memory) = next_climb(&effects).expect("the line goes on");
        assert_eq!(memory.last_failure.is_some(), moves, "a move that was refused rests");
    }
}

#[test]
fn a_person_may_take_the_challenger_while_it_runs_and_at_no_other_time() {
    for state in states().into_iter().filter(State::is_open) {
        let at = Climb { held: Some("drift".to_owned()), ..climb(state.clone()) };
        let (next, effects) = at.on(&commanded(Command::Promote));
        match state {
            State::Warming { .. } | State::Comparing { .. } => {
                assert_eq!(next.held, None);
                assert!(matches!(next.state, State::Judged { verdict: Verdict::Promote, .. }));
                assert_eq!(proposals(&effects), [PlanKind::Shift]);
            }
            State::Probation { .. } => assert!(matches!(next.state, State::Settled { .. })),
            _ => {
                assert_eq!(next, at, "{}", state.as_str());
                assert!(matches!(effects.as_slice(), [Effect::Note { .. }]));
            }
        }
    }
}

#[test]
fn a_command_to_an_ended_climb_is_noted_and_a_pause_holds_any_other() {
    for state in states() {
        let (next, effects) = climb(state.clone()).on(&commanded(Command::Pause));
        assert_eq!(next.held.is_some(), state.is_open(), "{}", state.as_str());
        assert_eq!(effects.len(), usize::from(!state.is_open()));
    }
}

#[test]
fn a_state_is_called_in_output_what_it_is_called_in_storage() {
    for state in states() {
        let stored = serde_json::to_value(&state).expect("json");
        assert_eq!(stored["is"], state.as_str());
        let ended = matches!(state.as_str(), "settled" | "stayed" | "aborted");
        assert_eq!(state.is_open(), !ended);
    }
    for verdict in [Verdict::Promote, Verdict::Stay, Verdict::Inconclusive, Verdict::Aborted] {
        assert_eq!(serde_json::to_value(verdict).expect("json"), verdict.as_str());
    }
    for outcome in ["done", "rejected", "expired", "stale", "failed"] {
        let parsed = PlanOutcome::parse(outcome).expect("one of them");
        assert_eq!(parsed.as_str(), outcome);
        assert_eq!(serde_json::to_value(parsed).expect("json"), outcome);
    }
    assert_eq!(PlanOutcome::parse("withdrawn"), None);
}

#[test]
fn a_test_runs_from_its_activation_to_its_closing_and_its_campaign_is_the_challenger() {
    for state in states() {
        let word = state.as_str();
        let runs = matches!(word, "warming" | "comparing" | "probation" | "judged" | "shifting");
        let challenger = state.test().map(|t| t.challenger.as_str());
        assert_eq!(challenger, runs.then_some("2"), "{word}");
        let built = matches!(state, State::Cloning { challenger: Some(_), .. });
        let at = climb(state.clone());
        let challenger = at.challenger().map(CampaignId::as_str);
        assert_eq!(challenger, (runs || built).then_some("2"), "{word}");
    }
}

#[test]
fn every_climb_survives_storage_and_failures_are_stored_only_where_there_are_some() {
    for state in states() {
        let mut at = climb(state);
        for failures in [0, 3] {
            at.undo_failures = failures;
            let text = serde_json::to_string(&at).expect("json");
            assert_eq!(text.contains("undo_failures"), failures > 0);
            assert_eq!(serde_json::from_str::<Climb>(&text).expect("json"), at);
        }
    }
}

#[test]
fn a_new_climb_watches_and_knows_what_it_was_given() {
    let at = climb(State::Observing);
    assert_eq!(
        (at.id.as_str(), at.line.as_str(), at.incumbent.as_str()),
        ("climb-1", "line-1", "1")
    );
    assert_eq!((at.rung.as_str(), at.opened), ("add_to_cart", Moment::from_millis(0)));
    assert_eq!((at.attempts, at.undo_failures, &at.held, &at.pending), (0, 0, &None, &None));
    assert_eq!(at.memory.path, ["add_to_cart"]);
}

#[test]
fn an_incumbent_that_was_turned_off_for_nothing_goes_on_before_the_challenger_goes() {
    let ended = |kind, outcome, handed_over| Event::Ended {
        kind,
        outcome,
        built: Built { handed_over, ..Built::default() },
        today: today(),
    };
    for outcome in [PlanOutcome::Failed, PlanOutcome::Stale, PlanOutcome::Rejected] {
        let begun = waiting(cloning(RouteKind::Placement));
        let (next, effects) = begun.on(&ended(PlanKind::Activate, outcome, false));
        assert_eq!((next.handed_over, proposals(&effects)), (false, vec![PlanKind::CleanUp]));

        let (off, effects) = begun.on(&ended(PlanKind::Activate, outcome, true));
        assert_eq!((off.handed_over, proposals(&effects)), (true, vec![PlanKind::Revert]));
        // Whatever comes between, the next pass asks for it again.
        let decided = Event::Decided { step: Step::Wait, today: today() };
        assert_eq!(proposals(&off.on(&decided).1), [PlanKind::Revert]);
        let abort = Event::Commanded { command: Command::Abort, today: today() };
        assert_eq!(proposals(&off.on(&abort).1), [PlanKind::Revert]);
        let (off, effects) = off.on(&ended(PlanKind::Revert, PlanOutcome::Stale, false));
        assert_eq!((off.handed_over, proposals(&effects)), (true, vec![PlanKind::Revert]));

        let (on, effects) = off.on(&ended(PlanKind::Revert, PlanOutcome::Done, false));
        assert_eq!((on.handed_over, proposals(&effects)), (false, vec![PlanKind::CleanUp]));
        let (away, _) = on.on(&ended(PlanKind::CleanUp, PlanOutcome::Done, false));
        assert_eq!(away.state, State::Aborted);
    }
}

#[test]
fn what_the_incumbent_had_before_the_first_cut_is_remembered() {
    let cut = |minor: Option<i64>| Event::Ended {
        kind: PlanKind::Split,
        outcome: PlanOutcome::Stale,
        built: Built {
            cut_from: minor.map(|minor| Money::from_minor(minor, "EUR".parse().expect("known"))),
            ..Built::default()
        },
        today: today(),
    };
    let at = waiting(cloning(RouteKind::Climb));
    let (none, _) = at.on(&cut(None));
    assert_eq!(none.cut_from, None, "nothing of it went through");
    let (first, _) = none.on(&cut(Some(9_000)));
    let (second, _) = first.on(&cut(Some(7_200)));
    assert_eq!(second.cut_from.map(Money::minor), Some(9_000));
}

#[test]
fn a_clone_that_is_refused_on_the_way_is_put_away() {
    let refused = |challenger: Option<&str>| Event::Ended {
        kind: PlanKind::Clone,
        outcome: PlanOutcome::Rejected,
        built: Built {
            challenger: challenger.map(|id| CampaignId::new(id).expect("digits")),
            ..Built::default()
        },
        today: today(),
    };
    let begun = waiting(State::Proposed { route: route(RouteKind::Climb) });
    assert_eq!(begun.on(&refused(None)).0.state, State::Aborted);
    let (next, effects) = begun.on(&refused(Some("2")));
    assert_eq!(proposals(&effects), [PlanKind::CleanUp]);
    assert!(matches!(next.state, State::Cloning { challenger: Some(_), .. }), "{next:?}");
}

#[test]
fn a_promotion_that_is_broken_off_after_the_incumbent_went_off_goes_back() {
    let judged = State::Judged { test: test(RouteKind::Climb), verdict: Verdict::Promote };
    let built = Built { handed_over: true, ..Built::default() };
    let (refused, _) = waiting(judged).on(&ended(PlanKind::Shift, PlanOutcome::Rejected, built));
    assert!(refused.handed_over && refused.held.is_some());
    let abort = Event::Commanded { command: Command::Abort, today: today() };
    let (back, effects) = refused.on(&abort);
    assert_eq!(proposals(&effects), [PlanKind::Revert]);
    let (done, _) = back.on(&ended(PlanKind::Revert, PlanOutcome::Done, Built::default()));
    assert_eq!((done.state, done.handed_over), (State::Aborted, false));
}

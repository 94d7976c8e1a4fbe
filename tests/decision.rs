//! Whole decisions on made-up evidence: what only shows when all parts work together.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use rungwise::{
    app::note::note,
    domain::{
        climb::{Effect, RouteKind, State},
        decide::{closed_gates, decide},
        evidence::{ArmFacts, Evidence, ParityFacts},
        plan::PlanKind,
        policy::RuleName,
    },
};

#[path = "support/evidence.rs"]
mod made;

/// A line that optimises for the macro rung and sells `a_day` times a day, with nothing on its newest `quiet` days.
fn selling(a_day: u32, quiet: usize) -> Evidence {
    let mut evidence = made::evidence(&made::policy(), 0, false);
    "purchase".clone_into(&mut evidence.climb.rung);
    let silent_from = evidence.days.len() - quiet;
    for (n, day) in evidence.days.iter_mut().enumerate() {
        *day.incumbent.events.last_mut().unwrap() = if n < silent_from { a_day } else { 0 };
    }
    evidence
}

#[test]
fn a_pixel_that_went_silent_closes_a_gate_and_a_quiet_weekend_does_not() {
    let dead = closed_gates(&selling(6, 3));
    let gate = dead.iter().find(|g| g.name == "pixel").expect("18 purchases are missing");
    assert!(gate.why.contains("no purchase for 3 day(s) although 18"), "{}", gate.why);
    for (a_day, quiet) in [(6, 0), (2, 2), (1, 5)] {
        let gates = closed_gates(&selling(a_day, quiet));
        assert!(!gates.iter().any(|g| g.name == "pixel"), "{a_day} a day, {quiet} quiet days");
    }
}

#[test]
fn no_campaign_takes_anothers_place_in_an_account_that_is_over_its_daily_limit() {
    let mut evidence = selling(1, 0);
    evidence.gates.managed_daily_minor = evidence.policy.limits.unwrap().max_daily_spend.minor();
    let within = decide(&evidence);
    assert!(within.closed.is_empty(), "{:?}", within.closed);
    let route = within.next.state.route().expect("it steps down").clone();
    assert_eq!(route.kind, RouteKind::Placement);
    evidence.gates.managed_daily_minor += 1;
    let names: Vec<String> = decide(&evidence).closed.into_iter().map(|g| g.name).collect();
    assert_eq!(names, ["max_daily_spend"]);
}

#[test]
fn a_test_is_planned_and_judged_with_the_accounts_own_noise() {
    let steady = made::evidence(&made::policy(), 0, true);
    let mut wild = steady.clone();
    for (n, day) in wild.days.iter_mut().take(80).enumerate() {
        *day.incumbent.events.last_mut().unwrap() = if n * 5 % 11 < 2 { 9 } else { 0 };
    }
    let dispersion = |e: &Evidence| decide(e).look.unwrap().figures.unwrap().dispersion.daily;
    assert!(
        dispersion(&wild) > dispersion(&steady) + 0.5,
        "{} {}",
        dispersion(&wild),
        dispersion(&steady)
    );
    let planned = |testing_days: &Evidence| {
        let mut evidence = made::evidence(&made::policy(), 0, false);
        evidence.days.clone_from(&testing_days.days);
        evidence.days.truncate(80);
        for day in &mut evidence.days {
            day.challenger = None;
        }
        let told = decide(&evidence);
        told.outlook.unwrap_or_else(|| panic!("{:?}", told.closed)).looks[0].detectable
    };
    assert!(planned(&wild) < planned(&steady), "noisier days detect only larger differences");
}

#[test]
fn every_rule_tells_what_it_costs_and_what_would_have_changed_the_look() {
    for name in RuleName::NAMES {
        let mut policy = made::policy();
        policy.compare.rule = RuleName::parse(name).unwrap();
        let looking = made::evidence(&policy, 0, false);
        let reasons = decide(&looking).reasons.join("; ");
        assert!(reasons.contains(&format!("rule {name}")), "{name}: {reasons}");
        let testing = made::evidence(&policy, 0, true);
        let decision = decide(&testing);
        let told = note(&decision, &testing);
        let figures = told.figures.join("; ");
        for wanted in ["incumbent add_to_cart", "challenger initiate_checkout", "90 % interval"] {
            assert!(figures.contains(wanted), "{name}: {figures}");
        }
        assert!(!told.change.is_empty(), "{name}: {told:?}");
        let daily = decision.look.unwrap().figures.unwrap().odds.is_some();
        assert_eq!(daily, *name == "always_valid");
    }
}

/// A challenger that is built and waits to be turned on.
fn built(undo_failures: u32, status: &str) -> Evidence {
    let mut evidence = made::evidence(&made::policy(), 0, true);
    let test = evidence.climb.state.test().unwrap().clone();
    evidence.climb.state = State::Cloning {
        route: test.route,
        challenger: Some(test.challenger),
        rule: None,
        study: None,
    };
    evidence.climb.undo_failures = undo_failures;
    status.clone_into(&mut evidence.challenger.as_mut().unwrap().status);
    evidence
}

#[test]
fn a_challenger_whose_plan_failed_is_put_away_by_whatever_pass_comes_next() {
    let told = decide(&built(1, "PAUSED"));
    assert_eq!(told.effects, [Effect::Propose { kind: PlanKind::CleanUp }], "{told:?}");
    let told = decide(&built(0, "PAUSED"));
    assert!(!told.effects.contains(&Effect::Propose { kind: PlanKind::CleanUp }), "{told:?}");
}

#[test]
fn a_challenger_that_somebody_turned_on_is_left_to_people() {
    let told = decide(&built(0, "ACTIVE"));
    let held = told.next.held.expect("hands off");
    assert!(held.contains("turned campaign"), "{held}");
    assert!(
        !told.effects.iter().any(|e| matches!(e, Effect::Propose { .. })),
        "{:?}",
        told.effects
    );
}

#[test]
fn a_challenger_with_issues_is_put_away_and_one_in_process_is_waited_for() {
    let paritied = |change: fn(&mut ArmFacts)| {
        let mut evidence = built(0, "PAUSED");
        evidence.parity = Some(ParityFacts {
            compared: 40,
            expected: Vec::new(),
            unexpected: Vec::new(),
            missing: Vec::new(),
        });
        change(evidence.challenger.as_mut().unwrap());
        decide(&evidence).effects
    };
    let proposes = |kind| [Effect::Propose { kind }];
    assert_eq!(paritied(|_| ()), proposes(PlanKind::Activate));
    assert_eq!(paritied(|arm| arm.with_issues = 1), proposes(PlanKind::CleanUp));
    assert_eq!(paritied(|arm| arm.in_review = 1), []);
}

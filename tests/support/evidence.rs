//! Made-up evidence: 120 days of five rungs, for benchmarks and for tests of the whole decision.

#![allow(clippy::unwrap_used, reason = "a fixture that fails fails its test")]

use rungwise::{
    config,
    domain::{
        CampaignId, ClimbId, Currency, Day, LineId, Money, Policy, Zone,
        climb::{Climb, Memory, Route, RouteKind, State, Test},
        evidence::{ArmFacts, Cell, DayFacts, Evidence, GateFacts},
    },
};

pub(crate) fn eur() -> Currency {
    "EUR".parse().unwrap()
}

pub(crate) fn policy() -> Policy {
    let caps = "[limits]\nmax_daily_spend = \"900.00 EUR\"\nmax_spend_per_climb = \"9000.00 EUR\"\n\
                max_regret_per_climb = \"2000.00 EUR\"\n";
    config::from_toml(caps, &[]).unwrap().policy
}

/// A day of an arm, a little better or worse than the one before.
fn cell(i: i64, shift: u32) -> Cell {
    let swing = u32::try_from((i * 7 + i64::from(shift)) % 5).unwrap();
    let purchases = 1 + u32::from(swing > 2);
    Cell {
        spend_minor: 8_000 + i64::from(swing) * 150,
        impressions: 9_000,
        events: vec![90, 60, 14 + swing, 8 + swing, purchases],
        within_one_day: purchases.min(1),
        within_seven_days: purchases,
        value_minor: i64::from(purchases) * 6_000,
    }
}

/// A test in its fifth week, 120 days of history, eleven purchases a week and arm; `wobble` makes decisions differ.
pub(crate) fn evidence(policy: &Policy, wobble: u32, testing: bool) -> Evidence {
    let first = Day::new(2026, 1, 1).unwrap();
    let (days, start) = (120_i64, 85_i64);
    let facts = (0..days).map(|i| {
        let (a, b) = (cell(i, wobble), cell(i, 3 + wobble));
        let challenger = testing.then(|| if i >= start { b } else { Cell::default() });
        let account = (a.spend_minor, a.macro_events());
        DayFacts { day: first.plus(i), complete: true, incumbent: a, challenger, account }
    });
    let campaign = |id: &str| CampaignId::new(id).unwrap();
    let budget = Money::from_minor(8_000, eur());
    let arm = |id: &str, rung: &str| ArmFacts {
        campaign: campaign(id),
        name: "Shop".into(),
        rung: Some(rung.into()),
        status: "ACTIVE".into(),
        effective_status: "ACTIVE".into(),
        daily_budget: Some(budget),
        adsets: 1,
        ads: 2,
        in_review: 0,
        disapproved: 0,
        with_issues: 0,
        learning: vec![],
        refusals: vec![],
        campaign_budget: false,
    };
    let today = first.plus(days + 3);
    let now = Zone::utc().start_of(today).plus(23_400_000);
    let memory = Memory { path: vec!["add_to_cart".into()], ..Memory::default() };
    let line = LineId::new("line-1").unwrap();
    let id = ClimbId::new("climb-1").unwrap();
    let opened = Zone::utc().start_of(first);
    let mut climb = Climb::open(id, line, campaign("1"), "add_to_cart", opened, memory);
    if testing {
        let route = Route {
            from: "add_to_cart".into(),
            to: "initiate_checkout".into(),
            kind: RouteKind::Climb,
        };
        let test = Test {
            route,
            challenger: campaign("2"),
            activated: Zone::utc().start_of(first.plus(start - 1)),
            first_day: first.plus(start),
            last_day: first.plus(start + 50),
            incumbent_budget: budget,
            challenger_budget: budget,
            run_rate: budget,
            not_before: None,
            looks: 1,
            rule: None,
            study: None,
        };
        climb.state = State::Comparing { test };
    }
    Evidence {
        version: 1,
        now,
        today,
        zone: Zone::utc(),
        currency: eur(),
        climb,
        policy: policy.clone(),
        incumbent: arm("1", "add_to_cart"),
        challenger: testing.then(|| arm("2", "initiate_checkout")),
        challenger_gone: false,
        parity: None,
        days: facts.collect(),
        gates: GateFacts {
            account_status: 1,
            interference: vec![],
            token_expires: None,
            other_test: None,
            managed_daily_minor: 8_000,
            insights_read: Some(now),
            no_raises: vec![],
            study: None,
        },
    }
}

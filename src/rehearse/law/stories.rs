//! Wrong stories around a plan: each invariant that needs one is shown able to fire.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    super::witness::{Leaving, Witness},
    life, money,
    tests::*,
};
use crate::{
    domain::{
        AccountId, CampaignId, ClimbId, DAY_MS, Day, DecisionId, LineId, Moment, Money, Status,
        climb::{Climb, Memory, Route, RouteKind, State, Test},
        plan::{
            Action, Aspect, Expectation, MoneyAtRisk, ObjectKind, Op, Plan, PlanKind, Target,
            Template,
        },
        write_log::Entry,
    },
    ports::{
        Record,
        store::{ClimbRow, CommandRow, IntentRow, PlanRow},
    },
    sandbox::{LedgerDay, Standing},
};

fn eur(minor: i64) -> Money {
    Money::from_minor(minor, "EUR".parse().unwrap())
}
fn target(id: &str) -> Target {
    Target::Id(id.parse().unwrap())
}
fn switch(key: &str, id: &str, to: Status) -> Action {
    let op = Op::SetStatus { object: target(id), kind: ObjectKind::Campaign, to };
    act(key, op)
}
fn budget(key: &str, id: &str, from: i64, to: i64) -> Action {
    let op = Op::SetDailyBudget { object: target(id), kind: ObjectKind::Campaign, to: eur(to) };
    Action { expects: vec![expected(id, Aspect::DailyBudget, from)], ..act(key, op) }
}
fn expected(id: &str, aspect: Aspect, value: i64) -> Expectation {
    let (object, kind) = (target(id), ObjectKind::Campaign);
    Expectation { object, kind, aspect, value: value.to_string() }
}
fn act(key: &str, op: Op) -> Action {
    let request = match &op {
        Op::SetStatus { object, to, .. } => edit(&object.template(), "status", to.as_str()),
        Op::SetDailyBudget { object, to, .. } => {
            edit(&object.template(), "daily_budget", &to.minor().to_string())
        }
        Op::SetEndTime { object, .. } => edit(&object.template(), "end_time", "0"),
        _ => edit("act_1/campaigns", "status", "PAUSED"),
    };
    let op_key = super::tests::key(&key.to_uppercase());
    let (expects, reason) = (Vec::new(), String::new());
    Action { key: key.to_owned(), op_key, op, expects, not_before: None, reason, request }
}

/// A plan of climb `c` that may cost `extra` in all and `extra` more a day.
fn plan(kind: PlanKind, actions: Vec<Action>, extra: i64) -> Plan {
    Plan {
        version: 1,
        account: AccountId::new("1").unwrap(),
        line: LineId::new("l").unwrap(),
        climb: ClimbId::new("c").unwrap(),
        kind,
        decision: DecisionId::new("d").unwrap(),
        parent: String::new(),
        requested_by: "agent".to_owned(),
        created: AT,
        expires: AT.plus(DAY_MS),
        title: String::new(),
        reasons: Vec::new(),
        money: MoneyAtRisk {
            extra_per_day: eur(extra),
            extra_total: eur(extra),
            worst_regret: eur(0),
            reversible: String::new(),
        },
        actions,
    }
}
fn climb(state: State) -> Record {
    let (id, line) = (ClimbId::new("c").unwrap(), LineId::new("l").unwrap());
    let climb = Climb {
        state,
        ..Climb::open(id, line, CampaignId::new("1").unwrap(), "purchase", AT, Memory::default())
    };
    Record::Climb(ClimbRow {
        id: climb.id.clone(),
        line: climb.line.clone(),
        state: climb.state.as_str().to_owned(),
        open: climb.state.is_open(),
        doc: serde_json::to_vec(&climb).unwrap(),
        updated_at: AT,
    })
}
fn test(run_rate: i64) -> Test {
    let kind = RouteKind::Climb;
    let route = Route { from: "add_to_cart".to_owned(), to: "purchase".to_owned(), kind };
    let day = Day::new(2026, 1, 10).unwrap();
    Test {
        route,
        challenger: CampaignId::new("9").unwrap(),
        activated: AT,
        first_day: day,
        last_day: day,
        incumbent_budget: eur(run_rate),
        challenger_budget: eur(run_rate),
        run_rate: eur(run_rate),
        not_before: None,
        looks: 0,
        rule: None,
        study: None,
    }
}

/// Files and approves a plan; returns its hash.
fn file(w: &mut Witness, plan: &Plan) -> String {
    let hash = plan.hash();
    let row = PlanRow {
        hash: hash.clone(),
        line: plan.line.clone(),
        climb: plan.climb.clone(),
        kind: plan.kind,
        created: plan.created,
        expires: plan.expires,
        bytes: plan.bytes(),
        end: None,
    };
    w.committed(&[Record::Plan(row), climb(State::Observing), approved(hash.as_str(), true)]);
    hash.as_str().to_owned()
}

/// Begins the write of an action at a time, as the agent does.
fn begin(w: &mut Witness, plan: &Plan, hash: &str, key: &str, at: Moment) -> Template {
    let action = plan.action(key).unwrap();
    let intent = Record::Intent(IntentRow {
        op_key: action.op_key.clone(),
        plan: plan.hash(),
        action: action.key.clone(),
        creates: action.op.creates(),
        request: action.request.clone(),
        at,
        entries: Vec::new(),
        object: None,
        verified: false,
    });
    let op_key = action.op_key.as_str();
    let body = json!({"op_key": op_key, "plan": hash, "request_digest": action.request.digest()});
    let started =
        Record::Entry { op_key: action.op_key.clone(), at, entry: Entry::Started, object: None };
    w.committed(&[intent, started, audit("write_began", &body)]);
    action.request.clone()
}

/// The invariants broken by sending one action of a plan into a world.
fn sent(
    plan: &Plan,
    key: &str,
    world: &[Standing],
    before: impl FnOnce(&mut Witness),
) -> Vec<&'static str> {
    found(|w| {
        let hash = file(w, plan);
        before(w);
        let request = begin(w, plan, &hash, key, AT);
        send(w, &request, world);
    })
}

fn on(id: &str, budget: i64) -> Standing {
    Standing { daily_budget: Some(budget), ..standing("campaign", id, "ACTIVE") }
}

#[test]
fn what_is_right_breaks_nothing() {
    let raise = plan(PlanKind::Shift, vec![budget("raise", "1", 900, 1_000)], 0);
    let fine = sent(&raise, "raise", &[on("1", 900)], |_| {});
    assert!(fine.is_empty(), "{fine:?}");
}

#[test]
fn a_world_that_is_not_as_expected_and_an_overwritten_edit_are_named() {
    let raise = plan(PlanKind::Shift, vec![budget("raise", "1", 900, 1_000)], 0);
    assert_eq!(sent(&raise, "raise", &[on("1", 950)], |_| {}), ["a_persons_edit_wins"]);
    let op = Op::SetEndTime { object: target("1"), to: None };
    let unbind = plan(PlanKind::Shift, vec![act("unbind", op)], 0);
    let touched = sent(&unbind, "unbind", &[on("1", 900)], |w| {
        let field = ("1".to_owned(), "end_time".to_owned());
        w.people.touched.insert(field, AT.plus(1));
    });
    assert_eq!(touched, ["a_persons_edit_is_not_overwritten"]);
}

#[test]
fn a_raise_before_its_cut_and_one_beside_a_doubt_are_named() {
    let shift = plan(
        PlanKind::Shift,
        vec![budget("cut", "1", 900, 800), budget("raise", "1", 900, 1_000)],
        0,
    );
    assert_eq!(sent(&shift, "raise", &[on("1", 900)], |_| {}), ["lower_before_raise"]);
    let raise = plan(PlanKind::Shift, vec![budget("raise", "1", 900, 1_000)], 0);
    let other = plan(PlanKind::End, vec![switch("pause", "1", Status::Paused)], 0);
    let unsure = sent(&raise, "raise", &[on("1", 900)], |w| {
        let hash = file(w, &other);
        begin(w, &other, &hash, "pause", AT);
    });
    assert_eq!(unsure, ["no_raise_while_unsure"]);
}

#[test]
fn a_late_beginning_is_named() {
    let raise = plan(PlanKind::Shift, vec![budget("raise", "1", 900, 1_000)], 0);
    let late = found(|w| {
        let hash = file(w, &raise);
        let request = begin(w, &raise, &hash, "raise", AT.plus(2 * DAY_MS));
        send(w, &request, &[on("1", 900)]);
    });
    assert_eq!(late, ["an_expired_plan_begins_nothing"]);
}

#[test]
fn money_without_a_bound_and_more_than_approved_are_named() {
    let activate = plan(PlanKind::Activate, vec![switch("campaign", "1", Status::Active)], 500);
    let off = Standing { status: "PAUSED".to_owned(), ..on("1", 900) };
    let unbound = sent(&activate, "campaign", std::slice::from_ref(&off), |_| {});
    assert_eq!(unbound, ["the_bound_precedes_the_money"]);
    let more = found(|w| {
        let hash = file(w, &activate);
        w.leaving = Some(("CAMPAIGN".to_owned(), hash));
        w.applied(AT, &[off], &[on("1", 900)], false);
    });
    assert_eq!(more, ["no_climb_adds_more_than_was_approved"]);
}

#[test]
fn a_challenger_that_shows_something_else_is_named_unless_the_edit_is_fresh() {
    let activate = plan(PlanKind::Activate, vec![switch("campaign", "9", Status::Active)], 0);
    let set = |id: &str, campaign: &str, shows: &str| Standing {
        campaign: campaign.to_owned(),
        shows: shows.to_owned(),
        ..standing("adset", id, "ACTIVE")
    };
    let off = Standing { status: "PAUSED".to_owned(), ..on("9", 900) };
    let world = |shows: &str| vec![off.clone(), set("11", "1", "a"), set("91", "9", shows)];
    let edited = |at: Moment| {
        move |w: &mut Witness| {
            w.people.touched.insert(("91".to_owned(), "targeting".to_owned()), at);
        }
    };
    let like = "a_challenger_is_like_its_incumbent";
    assert!(!sent(&activate, "campaign", &world("a"), |_| {}).contains(&like));
    assert!(sent(&activate, "campaign", &world("b"), |_| {}).contains(&like));
    assert!(!sent(&activate, "campaign", &world("b"), edited(AT)).contains(&like));
    assert!(sent(&activate, "campaign", &world("b"), edited(AT.plus(-DAY_MS))).contains(&like));
}

#[test]
fn a_way_back_needs_the_proof_of_its_building_unless_a_restore_has_lost_it() {
    let back = plan(PlanKind::Revert, vec![switch("campaign", "9", Status::Active)], 0);
    let begin = plan(PlanKind::Activate, vec![switch("campaign", "9", Status::Active)], 0);
    let off = Standing { status: "PAUSED".to_owned(), ..on("9", 900) };
    let unread = |plan: &Plan, lost: bool| {
        let found = sent(plan, "campaign", std::slice::from_ref(&off), |w| {
            w.books.writes.insert("BUILT".to_owned(), booked("9"));
            if lost {
                let mut later = w.clone();
                later.books.writes.entry("BUILT".to_owned()).and_modify(|w| w.verified = true);
                w.goes_back(later, &[]);
            }
        });
        found.contains(&"nothing_unverified_is_switched_on")
    };
    assert!(unread(&back, false));
    assert!(!unread(&back, true));
    assert!(unread(&begin, true));
}

#[test]
fn a_blocked_pause_is_named() {
    let end = plan(PlanKind::End, vec![switch("pause", "1", Status::Paused)], 0);
    let blocked = found(|w| {
        let hash = file(w, &end);
        let body = json!({"op_key": "PAUSE", "plan": hash, "why": "no raises now"});
        w.committed(&[audit("write_blocked", &body)]);
    });
    assert_eq!(blocked, ["the_safe_direction_stays_open"]);
}

#[test]
fn an_open_plan_nobody_waits_for_is_named() {
    let end = plan(PlanKind::End, vec![switch("pause", "1", Status::Paused)], 0);
    let mut w = Witness::default();
    file(&mut w, &end);
    let found = life::rest(&w.books, &w.people);
    assert_eq!(found[0].0, "every_open_plan_is_waited_for");
}

/// A challenger `9` that was built and turned on for 500 in all.
fn running(w: &mut Witness) {
    let activate = plan(PlanKind::Activate, vec![switch("campaign", "9", Status::Active)], 500);
    let hash = file(w, &activate);
    begin(w, &activate, &hash, "campaign", AT);
    w.ours = BTreeSet::from(["9".to_owned()]);
}

#[test]
fn a_test_over_its_total_is_named_and_abnormal_delivery_is_not() {
    let mut w = Witness::default();
    running(&mut w);
    let world = [on("9", 100)];
    let over = money::totals(&w, &world, |_| (501, 0));
    assert_eq!(over[0].0, "a_test_stays_within_its_total");
    assert!(money::totals(&w, &world, |_| (900, 400)).is_empty());
}

#[test]
fn a_test_that_states_another_budget_is_named() {
    let mut w = Witness::default();
    w.committed(&[climb(State::Warming { test: test(100) })]);
    assert!(money::stated(&w, &[on("1", 100), on("9", 100)]).is_empty());
    let half = [on("1", 100), on("9", 50)];
    assert_eq!(money::stated(&w, &half)[0].0, "a_test_knows_its_budgets");
    w.people.touched.insert(("9".to_owned(), "daily_budget".to_owned()), AT);
    assert!(money::stated(&w, &half).is_empty());
}

#[test]
fn a_year_at_twice_the_run_rate_and_a_dark_line_are_named() {
    let mut w = Witness::default();
    w.committed(&[climb(State::Warming { test: test(100) })]);
    let day = |n: i64, campaign: &str, spend| LedgerDay {
        day: Day::new(2026, 3, 1).unwrap().plus(n),
        adset_id: String::new(),
        campaign_id: campaign.to_owned(),
        level: 4,
        spend_minor: spend,
        budget_minor: 100,
        purchases: 0,
        expected_purchases: 0.0,
        events: [0; 5],
        value_minor: 0,
    };
    let both: Vec<LedgerDay> = (0..30).flat_map(|n| [day(n, "1", 100), day(n, "9", 100)]).collect();
    let died = Day::new(2026, 1, 8).unwrap();
    let year = |days| money::DeadYear {
        world: &[],
        days,
        died,
        last: Day::new(2027, 1, 8).unwrap(),
        effective: BTreeMap::new(),
        delivers: true,
    };
    assert_eq!(money::dead(&w, &year(&both))[0].0, "a_dead_agent_leaves_the_run_rate");
    w.committed(&[climb(State::Settled { rung: "purchase".to_owned() })]);
    assert_eq!(money::dead(&w, &year(&[]))[0].0, "a_dead_agent_leaves_no_line_dark");
}

#[test]
fn what_is_stuck_and_on_is_named() {
    let mut w = Witness::default();
    let op = Op::CreateCampaign {
        source: CampaignId::new("1").unwrap(),
        name: "x".to_owned(),
        daily_budget: None,
        spend_cap: None,
        fields: crate::domain::Fields::default(),
    };
    let clone = plan(PlanKind::Clone, vec![act("campaign", op)], 0);
    let hash = file(&mut w, &clone);
    begin(&mut w, &clone, &hash, "campaign", AT);
    w.books.writes.get_mut("CAMPAIGN").unwrap().object = Some("9".to_owned());
    w.committed(&[climb(State::Stuck { why: "x".to_owned(), placed: None })]);
    assert_eq!(life::stuck(&w, &[on("9", 100)])[0].0, "stuck_is_paused");
    assert!(life::stuck(&w, &[standing("campaign", "9", "PAUSED")]).is_empty());
}

#[test]
fn a_line_that_was_turned_off_and_never_on_again_is_named() {
    let off = plan(PlanKind::Activate, vec![switch("incumbent", "1", Status::Paused)], 0);
    let mut w = Witness::default();
    let hash = file(&mut w, &off);
    begin(&mut w, &off, &hash, "incumbent", AT);
    w.committed(&[climb(State::Observing)]);
    let paused = standing("campaign", "1", "PAUSED");
    assert!(life::dark(&w, std::slice::from_ref(&paused)).is_empty(), "the write is in doubt");
    let write = w.books.writes.values_mut().next().unwrap();
    write.entries.push((AT, Entry::Succeeded));
    assert_eq!(life::dark(&w, std::slice::from_ref(&paused))[0].0, "no_line_is_left_dark");
    assert!(life::dark(&w, &[on("1", 900)]).is_empty());
    w.people.touched.insert(("1".to_owned(), "status".to_owned()), AT);
    assert!(life::dark(&w, &[paused]).is_empty(), "a person's");
}

#[test]
fn a_cut_that_is_never_given_back_is_named() {
    let cut = plan(PlanKind::Split, vec![budget("incumbent.1", "1", 1_000, 800)], 0);
    let mut w = Witness::default();
    let hash = file(&mut w, &cut);
    begin(&mut w, &cut, &hash, "incumbent.1", AT);
    w.books.writes.values_mut().next().unwrap().entries.push((AT, Entry::Succeeded));
    w.committed(&[climb(State::Observing)]);
    assert!(life::cut(&w, &[on("1", 800)]).is_empty(), "its climb goes on");
    w.committed(&[climb(State::Aborted)]);
    assert_eq!(life::cut(&w, &[on("1", 800)])[0].0, "a_cut_is_given_back");
    assert!(life::cut(&w, &[on("1", 998)]).is_empty(), "but for rounding");
    let end = plan(PlanKind::CleanUp, vec![budget("incumbent.1", "1", 800, 1_000)], 0);
    let no = file(&mut w, &end);
    w.books.plans.get_mut(no.as_str()).unwrap().rejected = true;
    assert!(life::cut(&w, &[on("1", 800)]).is_empty(), "a person said no");
    w.books.plans.remove(no.as_str());
    w.people.moved.insert("1".to_owned(), AT);
    assert!(life::cut(&w, &[on("1", 800)]).is_empty(), "a person's");
}

#[test]
fn a_raise_on_a_disabled_account_is_named() {
    let raise = plan(PlanKind::Shift, vec![budget("raise", "1", 900, 1_000)], 0);
    let found = found(|w| {
        let hash = file(w, &raise);
        let template = begin(w, &raise, &hash, "raise", AT);
        let world = [on("1", 900)];
        w.sends(Leaving {
            template: &template,
            stopped: None,
            world: &world,
            now: AT,
            account: &account(),
            account_status: 2,
        });
    });
    assert_eq!(found, ["no_raise_while_unsure"]);
}

#[test]
fn a_second_test_beside_a_running_one_is_named() {
    let activate = plan(PlanKind::Activate, vec![switch("campaign", "1", Status::Active)], 500);
    let off = Standing { status: "PAUSED".to_owned(), ..on("1", 900) };
    let running = standing("campaign", "9", "ACTIVE");
    let beside = sent(&activate, "campaign", &[off, running], |w| {
        let mut other = climb(State::Warming { test: test(100) });
        if let Record::Climb(row) = &mut other {
            row.id = ClimbId::new("other").unwrap();
        }
        w.committed(&[other]);
    });
    assert!(beside.contains(&"one_test_at_a_time"), "{beside:?}");
}

#[test]
fn a_key_of_two_actions_is_named() {
    let once = plan(PlanKind::End, vec![switch("pause", "1", Status::Paused)], 0);
    let mut again = once.clone();
    again.title = "another".to_owned();
    let twice = vec![switch("pause", "1", Status::Paused), switch("pause", "2", Status::Paused)];
    let found = found(|w| {
        file(w, &once);
        file(w, &again);
    });
    assert_eq!(found, ["an_op_key_belongs_to_one_action"]);
    let within = super::tests::found(|w| {
        file(w, &plan(PlanKind::End, twice, 0));
    });
    assert_eq!(within, ["an_op_key_belongs_to_one_action"]);
}

#[test]
fn a_name_without_its_marker_and_a_no_that_was_a_yes_are_named() {
    let op = Op::CreateCampaign {
        source: CampaignId::new("1").unwrap(),
        name: "x".to_owned(),
        daily_budget: None,
        spend_cap: None,
        fields: crate::domain::Fields::default(),
    };
    let clone = plan(PlanKind::Clone, vec![act("campaign", op)], 0);
    let created = found(|w| {
        let hash = file(w, &clone);
        let request = begin(w, &clone, &hash, "campaign", AT);
        send(w, &request, &[]);
        w.applied(AT, &[], &[standing("campaign", "9", "PAUSED")], false);
        let link = audit("write_ended", &json!({"op_key": "CAMPAIGN", "outcome": "refused"}));
        w.committed(&[entry("CAMPAIGN", Entry::Refused), link]);
    });
    assert!(created.contains(&"what_we_create_carries_its_marker"), "{created:?}");
    assert!(created.contains(&"a_recorded_no_is_true"), "{created:?}");
}

#[test]
fn a_write_after_a_refusal_or_through_an_open_breaker_is_named() {
    let shift = plan(
        PlanKind::Shift,
        vec![budget("cut", "1", 900, 800), budget("raise", "2", 900, 1_000)],
        0,
    );
    let refused = |n: usize| {
        sent(&shift, "raise", &[on("2", 900)], |w| {
            let hash = w.books.plans.keys().next().cloned().unwrap_or_default();
            begin(w, &shift, &hash, "cut", AT);
            let link = audit("write_ended", &json!({"op_key": "CUT", "outcome": "refused"}));
            w.committed(&[entry("CUT", Entry::Refused), link]);
            for _ in 1..n {
                super::order::entered(w, &entry("CUT", Entry::Refused));
            }
        })
    };
    assert!(refused(1).contains(&"a_failed_plan_sends_nothing_more"), "{:?}", refused(1));
    assert!(!refused(2).contains(&"an_open_breaker_lets_only_cuts_out"), "{:?}", refused(2));
    assert!(refused(3).contains(&"an_open_breaker_lets_only_cuts_out"), "{:?}", refused(3));
}

#[test]
fn the_policys_yes_after_a_failure_is_named_until_a_person_lifts_it() {
    let end = plan(PlanKind::End, vec![switch("pause", "1", Status::Paused)], 0);
    let yes = |hash: &str| {
        let mut yes = approved(hash, true);
        if let Record::Approval(yes) = &mut yes {
            yes.by = crate::domain::plan::AUTONOMOUS.to_owned();
        }
        yes
    };
    let after = |lifted: bool| {
        found(|w| {
            let hash = file(w, &end);
            let why = json!({"why": "Meta refused three writes in a row"});
            w.committed(&[audit("breaker_opened", &why)]);
            if lifted {
                w.committed(&[audit("lifted", &json!({}))]);
            }
            w.committed(&[yes(&hash)]);
        })
    };
    assert_eq!(after(false), ["autonomy_waits_for_a_person"]);
    assert!(after(true).is_empty());
}

#[test]
fn an_object_of_another_write_or_of_a_person_is_named() {
    let bound = |by: fn(&mut Witness)| {
        found(|w| {
            by(w);
            let object = Some("9".parse().unwrap());
            let record =
                Record::Entry { op_key: key("K"), at: AT, entry: Entry::FoundApplied, object };
            super::order::entered(w, &record);
        })
    };
    let name = "an_object_comes_of_its_own_write";
    assert_eq!(bound(|w| drop(w.made.insert("9".into(), "L".into()))), [name]);
    assert_eq!(bound(|w| w.people.made.extend([("9".into(), AT)])), [name]);
    assert!(bound(|w| drop(w.made.insert("9".into(), "K".into()))).is_empty());
}

#[test]
fn an_activation_that_begins_after_an_abort_is_named() {
    let activate = plan(PlanKind::Activate, vec![switch("campaign", "9", Status::Active)], 0);
    let abort = |climb: &str| {
        Record::Command(CommandRow {
            id: 1,
            at: AT,
            by: "ana".to_owned(),
            kind: "climb_abort".to_owned(),
            subject: climb.to_owned(),
            note: String::new(),
        })
    };
    let begun = |aborted: &[Record]| {
        found(|w| {
            let hash = file(w, &activate);
            w.committed(aborted);
            let request = begin(w, &activate, &hash, "campaign", AT);
            send(w, &request, &[]);
        })
    };
    assert!(begun(&[abort("c")]).contains(&"what_was_aborted_begins_nothing"));
    assert!(!begun(&[abort("another")]).contains(&"what_was_aborted_begins_nothing"));
}

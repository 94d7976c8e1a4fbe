//! What each kind of plan holds, write by write, and where its bounds lie.

use proptest::prelude::*;
use rungwise::domain::{
    DAY_MS, Day, HOUR_MS, Moment, Money, ObjectId, Status, Tree, Zone,
    climb::{Climb, RouteKind, State, Test, Verdict},
    plan::{Aspect, ObjectKind, Op, PlanKind},
    planner::{self, DraftPlan, Refusal, Wish},
    policy::{Isolation, Policy},
};

use super::{NOW, ad_sets, climb, eur, found, plan, play, policy, route, test, tree, with_fields};

const KINDS: [RouteKind; 3] = [RouteKind::Climb, RouteKind::TestedPlacement, RouteKind::Placement];

/// A plan from a wish that differs from the usual one.
fn wish(
    kind: PlanKind,
    climb: &Climb,
    policy: &Policy,
    trees: (&Tree, Option<&Tree>),
    differs: impl FnOnce(&mut Wish<'_>),
) -> Result<DraftPlan, Refusal> {
    let zone = Zone::utc();
    let made = ad_sets(trees.1);
    let mut wish = Wish {
        kind,
        climb,
        policy,
        source: trees.0,
        challenger: trees.1,
        made: &made,
        install: "test",
        min_spend_cap: None,
        token_expires: None,
        now: Moment::from_millis(NOW),
        zone: &zone,
        business: Some("9"),
    };
    differs(&mut wish);
    wish.plan()
}

fn proposed(kind: RouteKind) -> Climb {
    climb(State::Proposed { route: route(kind) })
}

fn cloning(kind: RouteKind, built: &Tree) -> Climb {
    let challenger = Some(built.campaign.id.clone());
    climb(State::Cloning { route: route(kind), challenger, rule: None, study: None })
}

fn judged(test: Test, verdict: Verdict) -> Climb {
    climb(State::Judged { test, verdict })
}

fn today() -> Day {
    Zone::utc().day_of(Moment::from_millis(NOW))
}

fn midnight(days: i64) -> Moment {
    Zone::utc().start_of(today().plus(days))
}

fn keys(drafted: &DraftPlan) -> Vec<&str> {
    drafted.actions.iter().map(|a| a.key.as_str()).collect()
}

/// Every budget a plan sets, with its key.
fn budgets(drafted: &DraftPlan) -> Vec<(&str, i64)> {
    let set = drafted.actions.iter().filter_map(|a| match &a.op {
        Op::SetDailyBudget { to, .. } => Some((a.key.as_str(), to.minor())),
        _ => None,
    });
    set.collect()
}

/// The switches a plan makes: object and where it goes.
fn switches(drafted: &DraftPlan) -> Vec<(String, Status)> {
    let set = drafted.actions.iter().filter_map(|a| match &a.op {
        Op::SetStatus { object, to, .. } => Some((object.template(), to.clone())),
        _ => None,
    });
    set.collect()
}

/// The ends of the ad sets a clone plan makes.
fn ends(drafted: &DraftPlan) -> Vec<Option<Moment>> {
    let ends = drafted.actions.iter().filter_map(|a| match &a.op {
        Op::CreateAdSet { end_time, .. } => Some(*end_time),
        _ => None,
    });
    ends.collect()
}

#[test]
fn every_copy_stands_under_its_own_parent_with_its_sources_budget_and_the_new_rung() {
    let source = tree(1_000, None, &[3_000, 7_000], 2, true);
    let policy = policy(false);
    let drafted =
        plan(PlanKind::Clone, &proposed(RouteKind::Climb), &policy, &source, None).unwrap();
    let rung =
        |key: &str| policy.ladder.rungs.iter().find(|r| r.key == key).expect("on the ladder");
    let (from, to) = (rung("add_to_cart"), rung("initiate_checkout"));
    assert_eq!(
        keys(&drafted),
        ["campaign", "adset.1", "ad.1.1", "ad.1.2", "adset.2", "ad.2.1", "ad.2.2"]
    );
    let mut parent = String::new();
    for action in &drafted.actions {
        let name = action.op.name().expect("a creation has a name");
        assert!(name.contains("initiate_checkout [rw:") && name.ends_with(']'), "{name}");
        match &action.op {
            Op::CreateCampaign { daily_budget, source, .. } => {
                assert!(name.starts_with("Shop | "), "{name}");
                assert_eq!((source.as_str(), *daily_budget), ("1000", None));
            }
            Op::CreateAdSet { source: id, campaign, rung, daily_budget, .. } => {
                let set = source.adsets.iter().find(|s| s.id == *id).expect("a source");
                assert!(name.starts_with(&set.name), "{name}");
                assert_eq!(*daily_budget, set.daily_budget);
                assert_eq!(campaign.template(), "{campaign}");
                assert_eq!(**rung, *to);
                let expected = &action.expects[0];
                assert_eq!(expected.aspect, Aspect::Optimisation);
                assert_eq!(expected.value, from.optimisation_key());
                parent = id.to_string();
            }
            Op::CreateAd { source: id, adset, .. } => {
                let ad = source.ads.iter().find(|a| a.id == *id).expect("a source");
                assert_eq!(ad.adset.as_str(), parent, "an ad goes where its source is");
                assert_eq!(
                    adset.template(),
                    format!("{{{}}}", &action.key.replace("ad.", "adset.")[..7])
                );
            }
            other => panic!("a clone only creates: {other:?}"),
        }
    }
}

#[test]
fn a_rung_that_is_not_on_the_ladder_is_refused_by_name() {
    let mut climb = proposed(RouteKind::Climb);
    let mut odd = route(RouteKind::Climb);
    odd.to = "nirvana".to_owned();
    climb.state = State::Proposed { route: odd };
    let source = tree(1_000, None, &[3_000], 1, true);
    let refused = plan(PlanKind::Clone, &climb, &policy(false), &source, None);
    assert_eq!(refused.unwrap_err(), Refusal::NoRung("nirvana".to_owned()));
}

#[test]
fn an_ad_set_that_names_no_pixel_takes_the_one_its_own_ads_report_to() {
    let mut source = tree(1_000, None, &[3_000, 7_000, 9_000], 1, true);
    for set in &mut source.adsets {
        set.optimisation.pixel_id = None;
    }
    for (ad, pixel) in source.ads.iter_mut().zip(["71", "72"]) {
        let specs = serde_json::json!([{ "action.type": ["x"] }, { "fb_pixel": [pixel] }]);
        ad.fields.insert("tracking_specs".to_owned(), specs);
    }
    let drafted =
        plan(PlanKind::Clone, &proposed(RouteKind::Climb), &policy(false), &source, None).unwrap();
    let pixels: Vec<Option<&str>> = drafted
        .actions
        .iter()
        .filter_map(|a| match &a.op {
            Op::CreateAdSet { pixel_id, .. } => Some(pixel_id.as_deref()),
            _ => None,
        })
        .collect();
    assert_eq!(pixels, [Some("71"), Some("72"), None]);
}

#[test]
fn the_bound_is_what_a_test_needs_and_its_money_is_the_worst_until_then() {
    // 42 days of comparing, 12 of learning, settling and review, 4 for the yes.
    for (isolation, days) in [(Isolation::None, 58), (Isolation::AdStudy, 60)] {
        let mut policy = policy(false);
        policy.compare.isolation = isolation;
        let source = tree(1_000, Some(10_000), &[1], 1, true);
        for kind in KINDS {
            let drafted = plan(PlanKind::Clone, &proposed(kind), &policy, &source, None).unwrap();
            let money = &drafted.money;
            if kind == RouteKind::Placement {
                assert_eq!(ends(&drafted), [None], "it takes the line's own place");
                assert_eq!((money.extra_total, money.extra_per_day), (eur(0), eur(0)));
                assert_eq!(money.worst_regret, planner::exposure(eur(10_000), 28).unwrap());
                continue;
            }
            assert_eq!(ends(&drafted), [Some(midnight(days))]);
            assert_eq!(money.extra_total, planner::exposure(eur(10_000), days).unwrap());
            assert_eq!((money.extra_per_day, money.worst_regret), (eur(10_000), eur(210_000)));
        }
    }
}

#[test]
fn in_a_split_nothing_is_spent_on_top_of_the_run_rate() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let drafted =
        plan(PlanKind::Clone, &proposed(RouteKind::Climb), &policy(true), &source, None).unwrap();
    assert_eq!(drafted.money.extra_per_day, eur(0));
    assert_eq!(drafted.money.extra_total, planner::exposure(eur(5_000), 58).unwrap());
}

#[test]
fn what_somebody_put_on_top_of_a_challengers_share_is_money_that_its_activation_adds() {
    let source = tree(1_000, Some(5_000), &[1], 1, true);
    for (share, adds) in [(4_000, 0), (5_000, 0), (5_125, 125), (10_000, 5_000)] {
        let built = tree(500_000, Some(share), &[1], 1, false);
        let at = cloning(RouteKind::Climb, &built);
        let drafted = plan(PlanKind::Activate, &at, &policy(true), &source, Some(&built)).unwrap();
        assert_eq!(drafted.money.extra_per_day, eur(adds), "a share of {share}");
    }
}

#[test]
fn the_regret_shown_is_no_more_than_the_limit_of_one_climb() {
    for (limit, shown) in [(209_999, 209_999), (210_001, 210_000), (1, 1)] {
        let mut policy = policy(false);
        if let Some(limits) = policy.limits.as_mut() {
            limits.max_regret_per_climb = eur(limit);
        }
        let source = tree(1_000, Some(10_000), &[1], 1, true);
        let drafted =
            plan(PlanKind::Clone, &proposed(RouteKind::Climb), &policy, &source, None).unwrap();
        assert_eq!(drafted.money.worst_regret, eur(shown));
    }
}

#[test]
fn the_limit_of_one_climb_shortens_the_test_down_to_its_first_look_and_no_further() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let ask = |limit: i64, kind| {
        let mut policy = policy(false);
        if let Some(limits) = policy.limits.as_mut() {
            limits.max_spend_per_climb = eur(limit);
        }
        plan(PlanKind::Clone, &proposed(kind), &policy, &source, None)
    };
    // Three days more than the plain sum: the last week may be flexed. 14 + 12 + 4 days are the least.
    let drafted = ask(33 * 10_000, RouteKind::Climb).unwrap();
    assert_eq!(ends(&drafted), [Some(midnight(30))]);
    assert_eq!(drafted.money.extra_total, eur(33 * 10_000));
    let drafted = ask(43 * 10_000, RouteKind::Climb).unwrap();
    assert_eq!(ends(&drafted), [Some(midnight(40))]);
    let refused = ask(33 * 10_000 - 1, RouteKind::Climb).unwrap_err().to_string();
    assert!(refused.contains("pays for 25 days") && refused.contains("needs 26"), "{refused}");
    assert!(ask(1, RouteKind::Placement).is_ok(), "an untested step costs nothing extra");
}

#[test]
fn the_bound_ends_with_the_hour_in_which_the_token_does() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let ask = |token: Moment| {
        let (policy, at) = (policy(false), proposed(RouteKind::Climb));
        let differs = |w: &mut Wish<'_>| w.token_expires = Some(token);
        ends(&wish(PlanKind::Clone, &at, &policy, (&source, None), differs).unwrap())
    };
    let whole = midnight(20).plus(12 * HOUR_MS);
    assert_eq!(ask(whole), [Some(whole)]);
    assert_eq!(ask(whole.plus(HOUR_MS - 1)), [Some(whole)]);
    assert_eq!(ask(midnight(100)), [Some(midnight(58))], "a long token moves nothing");
}

#[test]
fn the_campaign_is_capped_where_metas_floor_lets_the_total_be_one() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let ask = |kind, floor| {
        let differs = |w: &mut Wish<'_>| w.min_spend_cap = floor;
        let (policy, at) = (policy(false), proposed(kind));
        let drafted = wish(PlanKind::Clone, &at, &policy, (&source, None), differs).unwrap();
        match &drafted.actions[0].op {
            Op::CreateCampaign { spend_cap, .. } => *spend_cap,
            other => panic!("the campaign comes first: {other:?}"),
        }
    };
    let total = planner::exposure(eur(10_000), 58).unwrap();
    let above = total.checked_add(eur(1)).unwrap();
    assert_eq!(ask(RouteKind::Climb, Some(total)), Some(total));
    assert_eq!(ask(RouteKind::Climb, Some(eur(1))), Some(total));
    assert_eq!(ask(RouteKind::Climb, Some(above)), None);
    assert_eq!(ask(RouteKind::Climb, None), None, "an unknown floor is not tried");
    assert_eq!(ask(RouteKind::Placement, Some(eur(1))), None, "the line itself is not capped");
}

#[test]
fn an_activation_authorises_the_days_its_bound_touches() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    for (end, days, last_day) in [
        (midnight(10), 10, today().plus(10)),
        (midnight(10).plus(1), 11, today().plus(10)),
        (midnight(11).plus(-1), 11, today().plus(10)),
    ] {
        let mut built = tree(500_000, Some(8_000), &[1, 1], 1, false);
        built.adsets[0].end_time = Some(end);
        built.adsets[1].end_time = Some(midnight(40));
        let at = cloning(RouteKind::Climb, &built);
        let drafted = plan(PlanKind::Activate, &at, &policy(false), &source, Some(&built)).unwrap();
        assert_eq!(drafted.money.extra_total, planner::exposure(eur(8_000), days).unwrap());
        let begun = drafted.test.expect("a test begins");
        assert_eq!((begun.first_day, begun.last_day), (today().plus(1), last_day));
        let rule = drafted.actions.iter().find_map(|a| match &a.op {
            Op::CreatePauseRule { spend_over, .. } => Some(*spend_over),
            _ => None,
        });
        assert_eq!(rule, Some(drafted.money.extra_total), "Meta's own rule keeps the same total");
    }
}

#[test]
fn a_placement_is_watched_as_long_as_the_policy_says() {
    let policy = policy(false);
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let mut built = tree(500_000, Some(10_000), &[1], 1, false);
    built.adsets[0].end_time = None;
    let at = cloning(RouteKind::Placement, &built);
    let drafted = plan(PlanKind::Activate, &at, &policy, &source, Some(&built)).unwrap();
    let begun = drafted.test.expect("a test begins");
    assert_eq!(begun.last_day, today().plus(i64::from(policy.watch_days())));
}

#[test]
fn the_run_rate_of_a_split_is_both_halves_and_of_anything_else_the_lines_own() {
    let source = tree(1_000, Some(6_000), &[1], 1, true);
    let built = tree(500_000, Some(4_000), &[1], 1, false);
    for (split, kind, run_rate) in [
        (true, RouteKind::Climb, 10_000),
        (true, RouteKind::TestedPlacement, 10_000),
        (true, RouteKind::Placement, 6_000),
        (false, RouteKind::Climb, 6_000),
    ] {
        let at = cloning(kind, &built);
        let drafted = plan(PlanKind::Activate, &at, &policy(split), &source, Some(&built)).unwrap();
        let begun = drafted.test.expect("a test begins");
        assert_eq!(begun.run_rate, eur(run_rate), "{kind:?}, split {split}");
        let arms = (begun.incumbent_budget, begun.challenger_budget);
        assert_eq!(arms, (eur(6_000), eur(4_000)));
    }
}

#[test]
fn a_study_begins_at_the_midnight_after_the_last_yes_and_holds_the_switch_until_then() {
    let mut policy = policy(false);
    policy.compare.isolation = Isolation::AdStudy;
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let yes = Moment::from_millis(NOW + policy.approval.expires_ms + HOUR_MS);
    let start = Zone::utc().start_of(Zone::utc().day_of(yes).plus(1));
    let ask = |kind, end: Moment, business| {
        let mut built = tree(500_000, Some(10_000), &[1], 1, false);
        built.adsets[0].end_time = Some(end);
        let differs = |w: &mut Wish<'_>| w.business = business;
        let at = cloning(kind, &built);
        wish(PlanKind::Activate, &at, &policy, (&source, Some(&built)), differs)
    };
    let end = start.plus(1);
    let drafted = ask(RouteKind::Climb, end, Some("9")).unwrap();
    assert_eq!(keys(&drafted)[..2], ["rule", "study"], "both bounds before anything is on");
    match &drafted.actions[1].op {
        Op::CreateStudy { start: from, end: to, cells, business, name } => {
            assert_eq!((*from, *to, business.as_str()), (start, end, "9"));
            let cells: Vec<String> = cells.iter().map(|(_, t)| t.template()).collect();
            assert_eq!(cells, ["1000", "500000"]);
            assert!(name.contains("[rw:"), "{name}");
        }
        other => panic!("a study: {other:?}"),
    }
    assert_eq!(drafted.actions.last().and_then(|a| a.not_before), Some(start));
    let late = ask(RouteKind::Climb, start, Some("9"));
    assert_eq!(late.unwrap_err(), Refusal::StudyTooLate(start));
    assert_eq!(ask(RouteKind::Climb, end, None).unwrap_err(), Refusal::NoBusiness);
    let placed = ask(RouteKind::Placement, end, None).unwrap();
    assert!(!keys(&placed).contains(&"study"), "nobody is kept apart without a test");
}

#[test]
fn without_isolation_there_is_no_study_and_no_wait() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let built = tree(500_000, Some(10_000), &[1], 2, false);
    let at = cloning(RouteKind::Climb, &built);
    let drafted = plan(PlanKind::Activate, &at, &policy(false), &source, Some(&built)).unwrap();
    assert_eq!(keys(&drafted), ["rule", "ad.1", "ad.2", "adset.1", "campaign"]);
    assert!(drafted.actions.iter().all(|a| a.not_before.is_none()));
}

#[test]
fn what_an_activation_switches_on_is_no_edit_and_what_is_switched_in_the_incumbent_is_one() {
    // Meta tells of switches among the other fields.
    let switched = |tree: &Tree, word: &str| {
        let mut tree = with_fields(tree.clone());
        let sets = tree.adsets.iter_mut().map(|s| &mut s.fields);
        for fields in sets.chain(tree.ads.iter_mut().map(|a| &mut a.fields)) {
            fields.insert("status".to_owned(), word.into());
        }
        tree
    };
    let source = switched(&tree(1_000, Some(10_000), &[1, 1], 1, true), "ACTIVE");
    let built = switched(&tree(500_000, Some(10_000), &[1, 1], 1, false), "PAUSED");
    let at = cloning(RouteKind::Climb, &built);
    let drafted = plan(PlanKind::Activate, &at, &policy(false), &source, Some(&built)).unwrap();
    let unedited = |source: &Tree, built: &Tree| {
        let trees = [source.clone(), built.clone()];
        let all = drafted.actions.iter().flat_map(|a| &a.expects);
        let mut whole = all.filter(|e| matches!(e.aspect, Aspect::Tree | Aspect::Content));
        whole.all(|e| found(e, &trees).as_ref() == Some(&e.value))
    };
    assert!(unedited(&source, &built) && unedited(&source, &switched(&built, "ACTIVE")));
    assert!(!unedited(&switched(&source, "PAUSED"), &built));
}

#[test]
fn a_promotion_takes_every_bound_of_the_test_off_the_winner() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let mut built = tree(500_000, Some(10_000), &[1, 1, 1], 1, true);
    built.campaign.spend_cap = Some(eur(900_000));
    built.adsets[0].end_time = Some(midnight(30));
    built.adsets[2].end_time = Some(midnight(30));
    let id = |text: &str| ObjectId::new(text).expect("digits");
    let mut test = test(10_000, 10_000, 10_000);
    (test.rule, test.study) = (Some(id("7")), Some(id("8")));
    let at = judged(test, Verdict::Promote);
    let drafted = plan(PlanKind::Shift, &at, &policy(false), &source, Some(&built)).unwrap();
    assert_eq!(
        keys(&drafted),
        ["study", "loser", "unbound.1", "unbound.3", "uncap", "rule"],
        "the study first, the loser before the winner's bounds"
    );
    assert_eq!(switches(&drafted), [("1000".to_owned(), Status::Paused)]);

    // What somebody moves before the bound is lifted wins.
    let expected = |key: &str| {
        let action = drafted.actions.iter().find(|a| a.key == key).expect("it is planned");
        action.expects.iter().map(|e| (e.aspect, e.value.clone())).collect::<Vec<_>>()
    };
    let end = midnight(30).seconds().to_string();
    assert_eq!(expected("unbound.1"), [(Aspect::EndTime, end)]);
    assert_eq!(expected("uncap"), [(Aspect::SpendCap, "900000".to_owned())]);

    // What somebody added to the winner keeps its end.
    let trees = (&source, Some(&built));
    let drafted = wish(PlanKind::Shift, &at, &policy(false), trees, |w| w.made = &[]).unwrap();
    assert_eq!(keys(&drafted), ["study", "loser", "uncap", "rule"]);
}

#[test]
fn a_shift_cuts_the_loser_before_the_winners_bounds_go_where_it_holds_too_much() {
    let mut built = tree(500_000, Some(5_000), &[1], 1, true);
    built.adsets[0].end_time = Some(midnight(30));
    let shift = |loser: i64, on: bool| {
        let source = tree(1_000, Some(loser), &[1], 1, on);
        let at = judged(test(10_000, loser, 5_000), Verdict::Promote);
        plan(PlanKind::Shift, &at, &policy(false), &source, Some(&built)).unwrap()
    };
    assert_eq!(keys(&shift(10_000, true))[..2], ["cut.0", "unbound.1"]);
    assert_eq!(budgets(&shift(10_000, true))[0], ("cut.0", 5_000));
    assert_eq!(keys(&shift(5_000, true))[0], "unbound.1", "they share the run-rate already");
    let off = shift(10_000, false);
    assert_eq!(switches(&off), [], "what is off is left alone");
    assert!(budgets(&off).iter().all(|(key, _)| key.starts_with("raise")), "{:?}", keys(&off));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_shift_never_raises_the_loser_nor_the_sum_above_what_was_on_or_approved(
        loser in 1_000_i64..20_000, winner in 1_000_i64..20_000, rate in 2_000_i64..20_000,
        sets in any::<bool>(),
    ) {
        let whole = |minor| (!sets).then_some(minor);
        let source = tree(1_000, whole(loser), &[loser / 3, loser - loser / 3], 1, true);
        let built = tree(500_000, whole(winner), &[winner / 2, winner - winner / 2], 1, true);
        let at = judged(test(rate, loser, winner), Verdict::Promote);
        let Ok(drafted) = plan(PlanKind::Shift, &at, &policy(false), &source, Some(&built)) else {
            return Ok(());
        };
        let (most, _) = play(&drafted, [&source, &built]);
        prop_assert!(most <= rate.max(loser + winner), "{most}");
        let mut left: std::collections::BTreeMap<String, i64> = source
            .adsets
            .iter()
            .map(|s| (s.id.to_string(), s.daily_budget.map_or(0, Money::minor)))
            .collect();
        left.insert("1000".to_owned(), loser);
        for action in &drafted.actions {
            if let Op::SetDailyBudget { object, to, .. } = &action.op
                && let Some(now) = left.get_mut(&object.template())
            {
                prop_assert!(to.minor() <= *now, "{} from {} to {}", action.key, now, to);
                *now = to.minor();
            }
        }
    }
}

#[test]
fn the_end_of_a_test_gives_back_what_it_took_and_takes_nothing_else() {
    let built = tree(500_000, Some(5_000), &[1], 1, true);
    let end = |now: i64, verdict| {
        let source = tree(1_000, Some(now), &[1], 1, true);
        let mut test = test(10_000, 5_000, 5_000);
        test.rule = Some(ObjectId::new("7").expect("digits"));
        test.study = Some(ObjectId::new("8").expect("digits"));
        let at = judged(test, verdict);
        plan(PlanKind::End, &at, &policy(true), &source, Some(&built)).unwrap()
    };
    let halved = end(5_000, Verdict::Stay);
    assert_eq!(keys(&halved)[..3], ["challenger", "rule", "study"], "the challenger stops first");
    assert_eq!(budgets(&halved).last().map(|(_, minor)| *minor), Some(10_000));
    for now in [10_000, 12_000] {
        assert_eq!(budgets(&end(now, Verdict::Stay)), [], "what a person gave stays: {now}");
    }
    for verdict in [Verdict::Stay, Verdict::Inconclusive, Verdict::Aborted] {
        let title = end(10_000, verdict).title;
        assert!(title.contains(verdict.as_str()), "{title}");
    }
}

#[test]
fn a_promotion_over_a_loser_that_somebody_emptied_needs_no_cut() {
    let mut built = tree(500_000, Some(5_000), &[1], 1, true);
    built.adsets[0].end_time = Some(midnight(30));
    let mut source = tree(1_000, None, &[5_000], 1, true);
    source.adsets.clear();
    let at = judged(test(10_000, 5_000, 5_000), Verdict::Promote);
    let drafted = plan(PlanKind::Shift, &at, &policy(true), &source, Some(&built)).unwrap();
    let names = keys(&drafted);
    assert!(!names.iter().any(|key| key.starts_with("cut")), "{names:?}");
    assert_eq!(switches(&drafted), [("1000".to_owned(), Status::Paused)]);
    assert_eq!(budgets(&drafted).last().map(|(_, to)| *to), Some(10_000));
}

#[test]
fn a_test_over_an_incumbent_that_somebody_emptied_still_ends() {
    let built = tree(500_000, Some(5_000), &[1], 1, true);
    let mut source = tree(1_000, None, &[5_000], 1, true);
    source.adsets.clear();
    for (kind, verdict) in [(PlanKind::End, Verdict::Aborted), (PlanKind::Revert, Verdict::Aborted)]
    {
        let at = judged(test(10_000, 5_000, 5_000), verdict);
        let drafted = plan(kind, &at, &policy(false), &source, Some(&built)).unwrap();
        assert_eq!(switches(&drafted)[0], ("500000".to_owned(), Status::Paused));
        assert!(budgets(&drafted).is_empty());
    }
}

#[test]
fn a_winner_that_somebody_emptied_is_not_promoted() {
    let source = tree(1_000, Some(5_000), &[1], 1, true);
    let mut built = tree(500_000, None, &[5_000], 1, true);
    built.adsets.clear();
    let at = judged(test(10_000, 5_000, 5_000), Verdict::Promote);
    let refused = plan(PlanKind::Shift, &at, &policy(true), &source, Some(&built));
    assert_eq!(refused, Err(Refusal::NoBudget("500000".to_owned())));
}

#[test]
fn a_placement_taken_back_stops_before_the_old_campaign_starts_if_that_is_off() {
    let built = tree(500_000, Some(5_000), &[1], 1, true);
    for on in [false, true] {
        let source = tree(1_000, Some(5_000), &[1], 1, on);
        let mut placed = test(5_000, 5_000, 5_000);
        placed.route = route(RouteKind::Placement);
        let at = judged(placed, Verdict::Stay);
        let drafted = plan(PlanKind::Revert, &at, &policy(false), &source, Some(&built)).unwrap();
        let mut wanted = vec![("500000".to_owned(), Status::Paused)];
        wanted.extend((!on).then(|| ("1000".to_owned(), Status::Active)));
        assert_eq!(switches(&drafted), wanted);
    }
}

#[test]
fn what_goes_back_says_why_in_its_title() {
    let built = tree(500_000, Some(5_000), &[1], 1, true);
    let source = tree(1_000, Some(5_000), &[1], 1, false);
    let mut placed = test(5_000, 5_000, 5_000);
    placed.route = route(RouteKind::Placement);
    for (at, why) in [
        (cloning(RouteKind::Placement, &built), "the placement did not come about"),
        (judged(placed, Verdict::Stay), "the placement did not prove itself"),
        (judged(test(5_000, 5_000, 5_000), Verdict::Aborted), "the promotion was broken off"),
    ] {
        let drafted = plan(PlanKind::Revert, &at, &policy(false), &source, Some(&built)).unwrap();
        assert_eq!(drafted.title, format!("Go back to add_to_cart: {why}"));
    }
}

#[test]
fn a_promotion_taken_back_gives_the_old_campaign_its_whole_budget_again() {
    let built = tree(500_000, Some(9_000), &[1], 1, true);
    let source = tree(1_000, Some(1_000), &[1], 1, false);
    let at = judged(test(10_000, 5_000, 5_000), Verdict::Aborted);
    let drafted = plan(PlanKind::Revert, &at, &policy(true), &source, Some(&built)).unwrap();
    let wanted = [("500000".to_owned(), Status::Paused), ("1000".to_owned(), Status::Active)];
    assert_eq!(switches(&drafted), wanted);
    assert_eq!(budgets(&drafted)[0], ("incumbent.1", 1_200));
    assert_eq!(budgets(&drafted).last().map(|(_, to)| *to), Some(10_000));
    assert!(drafted.actions.iter().all(|a| a.not_before.is_none_or(|at| at < drafted.expires)));
}

#[test]
fn a_leftover_is_paused_if_it_runs_and_goes_with_its_rule_and_study() {
    let source = tree(1_000, Some(5_000), &[1], 1, true);
    let id = |text: &str| Some(ObjectId::new(text).expect("digits"));
    for (on, made) in [(false, false), (true, true)] {
        let built = tree(500_000, Some(5_000), &[1], 1, on);
        let mut at = cloning(RouteKind::Climb, &built);
        if let State::Cloning { rule, study, .. } = &mut at.state
            && made
        {
            (*rule, *study) = (id("7"), id("8"));
        }
        let drafted = plan(PlanKind::CleanUp, &at, &policy(false), &source, Some(&built)).unwrap();
        let wanted: &[&str] =
            if on { &["off", "rule", "study", "leftover"] } else { &["leftover"] };
        assert_eq!(keys(&drafted), wanted);
        let last = drafted.actions.last().map(|a| a.op.clone());
        assert!(matches!(last, Some(Op::SetStatus { to: Status::Archived, .. })), "{last:?}");
    }
}

#[test]
fn a_cut_for_a_split_test_is_given_back_before_its_leftover_goes() {
    let source = tree(1_000, Some(5_000), &[1], 1, true);
    let built = tree(500_000, Some(5_000), &[1], 1, false);
    let mut at = cloning(RouteKind::Climb, &built);
    for cut_from in [Some(10_000), Some(5_001), Some(5_000), None] {
        at.cut_from = cut_from.map(eur);
        let drafted = plan(PlanKind::CleanUp, &at, &policy(true), &source, Some(&built)).unwrap();
        let last = budgets(&drafted).last().map(|(_, to)| *to);
        assert_eq!(last, cut_from.filter(|whole| *whole > 5_000));
        assert_eq!(keys(&drafted).last(), Some(&"leftover"));
        assert!(drafted.actions.iter().all(|a| a.not_before.is_none_or(|at| at < drafted.expires)));
    }
}

#[test]
fn steps_are_due_half_an_hour_into_a_day_of_the_account_from_tomorrow_on() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let at = proposed(RouteKind::Climb);
    let drafted = plan(PlanKind::Split, &at, &policy(true), &source, None).unwrap();
    let first = drafted.actions.first().expect("a cut");
    assert_eq!(first.not_before, Some(midnight(1).plus(30 * 60_000)));
    for action in &drafted.actions {
        let due = action.not_before.expect("every step has its time");
        assert_eq!(due.millis().rem_euclid(DAY_MS), 30 * 60_000);
    }
    assert_eq!(budgets(&drafted).last(), Some(&("incumbent.4", 5_000)));
}

#[test]
fn the_parts_of_a_tree_are_stepped_together_under_names_of_their_own() {
    let mut source = tree(1_000, None, &[4_000, 6_000, 9_000], 1, true);
    source.adsets[2].status = Status::Paused;
    let at = proposed(RouteKind::Climb);
    let drafted = plan(PlanKind::Split, &at, &policy(true), &source, None).unwrap();
    assert_eq!(
        budgets(&drafted)[..2],
        [("incumbent.1.1", 3_200), ("incumbent.1.2", 4_800)],
        "a fifth off what is on; what is off is no part of it"
    );
    let [.., a, b] = budgets(&drafted)[..] else { panic!("two parts") };
    assert_eq!((a.1, b.1), (2_000, 3_000));
}

#[test]
fn a_tree_that_is_all_off_is_scaled_by_what_it_would_spend_if_it_were_on() {
    let off = tree(500_000, None, &[4_000, 6_000], 1, false);
    let parts = planner::scaled(&off, eur(5_000)).unwrap();
    assert_eq!(parts.iter().map(|(_, b)| b.minor()).collect::<Vec<_>>(), [2_000, 3_000]);
    let mut half = tree(500_000, None, &[4_000, 6_000], 1, true);
    half.adsets[0].status = Status::Paused;
    let parts = planner::scaled(&half, eur(5_000)).unwrap();
    assert_eq!(parts.iter().map(|(_, b)| b.minor()).collect::<Vec<_>>(), [5_000]);
    let empty = tree(500_000, None, &[0, 0], 1, true);
    assert!(matches!(planner::scaled(&empty, eur(5_000)), Err(Refusal::NoBudget(_))));
    let one = tree(500_000, Some(1), &[1], 1, true);
    assert_eq!(planner::scaled(&one, eur(5_000)), Ok(vec![]), "the campaign carries it");
}

#[test]
fn an_amount_that_does_not_fit_is_refused_and_days_are_what_a_cap_pays_for() {
    assert_eq!(planner::exposure(eur(i64::MAX / 2), 7), Err(Refusal::Range));
    assert_eq!(planner::exposure(eur(1_000), 7), Ok(eur(10_000)));
    assert_eq!(planner::affordable_days(eur(10_000), eur(1_000)), 7);
    assert_eq!(planner::affordable_days(eur(9_999), eur(1_000)), 6);
}

#[test]
fn plans_that_move_no_extra_money_say_so_in_the_lines_currency() {
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let built = tree(500_000, Some(10_000), &[1], 1, true);
    let at = judged(test(10_000, 10_000, 10_000), Verdict::Promote);
    let drafted = plan(PlanKind::Shift, &at, &policy(false), &source, Some(&built)).unwrap();
    let money = &drafted.money;
    assert_eq!([money.extra_per_day, money.extra_total, money.worst_regret], [eur(0); 3]);
    let kinds: Vec<ObjectKind> =
        drafted.actions.iter().filter_map(|a| a.op.edits().map(|(_, kind)| kind)).collect();
    assert_eq!(kinds, [ObjectKind::Campaign]);
}

//! The planner's laws of money, over random trees: PAUSED first, one switch last, lower before raise, sums conserved.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rungwise::domain::{
    Ad, AdSet, AdSetId, Campaign, CampaignId, ClimbId, Currency, EffectiveStatus, LineId, Moment,
    Money, Objective, Optimisation, Status, Tree, Zone,
    climb::{Climb, Memory, Route, RouteKind, State, Test, Verdict},
    likeness::{fingerprint, likeness},
    plan::{Aspect, Expectation, ObjectKind, Op, PlanKind, Target},
    planner::{DraftPlan, Refusal, Wish},
    policy::{BudgetMode, Policy},
};

#[path = "planner_cases/plans.rs"]
mod plans;

const NOW: i64 = 1_770_000_000_000;

fn eur(minor: i64) -> Money {
    Money::from_minor(minor, "EUR".parse::<Currency>().expect("three letters"))
}

fn policy(split: bool) -> Policy {
    let limits = [
        ("limits.max_daily_spend", "100000.00 EUR"),
        ("limits.max_spend_per_climb", "10000000.00 EUR"),
        ("limits.max_regret_per_climb", "1000000.00 EUR"),
    ];
    let mut policy = rungwise::config::from_toml("", &limits).expect("defaults are valid").policy;
    if split {
        policy.compare.budget_mode = BudgetMode::Split;
    }
    policy
}

/// A tree with a campaign budget, or one budget per ad set; `first` numbers its objects.
fn tree(first: u64, campaign_budget: Option<i64>, sets: &[i64], ads: usize, on: bool) -> Tree {
    let status = if on { Status::Active } else { Status::Paused };
    let effective = EffectiveStatus::from(status.as_str());
    let campaign = Campaign {
        id: CampaignId::new(first.to_string()).expect("digits"),
        name: "Shop".to_owned(),
        objective: Objective::Sales,
        status: status.clone(),
        effective_status: effective.clone(),
        daily_budget: campaign_budget.map(eur),
        lifetime_budget: None,
        spend_cap: None,
        bid_strategy: None,
        special_ad_categories: Vec::new(),
        fields: BTreeMap::new(),
    };
    let mut adsets = Vec::new();
    let mut all_ads = Vec::new();
    for (i, budget) in sets.iter().enumerate() {
        let id = first + 1 + 100 * (i as u64 + 1);
        adsets.push(AdSet {
            id: id.to_string().parse().expect("digits"),
            campaign: campaign.id.clone(),
            name: format!("Set {i}"),
            status: status.clone(),
            effective_status: effective.clone(),
            optimisation: Optimisation {
                goal: "OFFSITE_CONVERSIONS".to_owned(),
                pixel_id: Some("9".to_owned()),
                custom_event_type: Some("ADD_TO_CART".to_owned()),
                custom_event_str: None,
                custom_conversion_id: None,
            },
            daily_budget: campaign_budget.is_none().then(|| eur(*budget)),
            lifetime_budget: None,
            bid_strategy: None,
            bid_amount: None,
            end_time: (!on).then(|| Moment::from_millis(NOW + 50 * 86_400_000)),
            learning: None,
            attribution: vec!["CLICK_THROUGH:7".to_owned(), "VIEW_THROUGH:1".to_owned()],
            fields: BTreeMap::new(),
        });
        for j in 0..ads {
            all_ads.push(Ad {
                id: (id + 1 + j as u64).to_string().parse().expect("digits"),
                campaign: campaign.id.clone(),
                adset: id.to_string().parse().expect("digits"),
                name: format!("Ad {j}"),
                status: status.clone(),
                effective_status: effective.clone(),
                creative: Some("55".parse().expect("digits")),
                fields: BTreeMap::new(),
            });
        }
    }
    Tree { seen_at: Moment::from_millis(NOW), campaign, adsets, ads: all_ads }
}

fn route(kind: RouteKind) -> Route {
    Route { from: "add_to_cart".to_owned(), to: "initiate_checkout".to_owned(), kind }
}

fn climb(state: State) -> Climb {
    let id = ClimbId::new("climb-1").expect("legal");
    let line = LineId::new("line-1").expect("legal");
    let incumbent = CampaignId::new("1000").expect("digits");
    let memory = Memory::default();
    let mut climb =
        Climb::open(id, line, incumbent, "add_to_cart", Moment::from_millis(NOW), memory);
    climb.state = state;
    climb
}

/// The ad sets of a challenger, all of our making.
fn ad_sets(challenger: Option<&Tree>) -> Vec<AdSetId> {
    challenger.iter().flat_map(|c| c.adsets.iter().map(|s| s.id.clone())).collect()
}

fn plan(
    kind: PlanKind,
    climb: &Climb,
    policy: &Policy,
    source: &Tree,
    challenger: Option<&Tree>,
) -> Result<DraftPlan, Refusal> {
    let zone = Zone::utc();
    let made = ad_sets(challenger);
    Wish {
        kind,
        climb,
        policy,
        source,
        challenger,
        made: &made,
        install: "test",
        min_spend_cap: None,
        token_expires: None,
        now: Moment::from_millis(NOW),
        zone: &zone,
        business: Some("9"),
    }
    .plan()
}

fn test(run_rate: i64, incumbent: i64, challenger: i64) -> Test {
    let day = Zone::utc().day_of(Moment::from_millis(NOW));
    Test {
        route: route(RouteKind::Climb),
        challenger: CampaignId::new("500000").expect("digits"),
        activated: Moment::from_millis(NOW),
        first_day: day,
        last_day: day.plus(50),
        incumbent_budget: eur(incumbent),
        challenger_budget: eur(challenger),
        run_rate: eur(run_rate),
        not_before: None,
        looks: 1,
        rule: None,
        study: None,
    }
}

fn sum(budgets: &BTreeMap<String, i64>) -> i64 {
    budgets.values().sum()
}

/// Plays the budget writes of a plan in order over both trees and returns the largest sum of budgets that were on.
fn play(drafted: &DraftPlan, trees: [&Tree; 2]) -> (i64, i64) {
    let mut on: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for tree in trees {
        let budgets = match tree.campaign.daily_budget {
            Some(b) => BTreeMap::from([(tree.campaign.id.to_string(), b.minor())]),
            None => tree
                .adsets
                .iter()
                .map(|s| (s.id.to_string(), s.daily_budget.map_or(0, Money::minor)))
                .collect(),
        };
        on.insert(tree.campaign.id.to_string(), budgets);
    }
    let total = |on: &BTreeMap<String, BTreeMap<String, i64>>| on.values().map(sum).sum::<i64>();
    let mut most = total(&on);
    for action in &drafted.actions {
        match &action.op {
            Op::SetDailyBudget { object, to, .. } => {
                for budgets in on.values_mut() {
                    if let Some(slot) = budgets.get_mut(&object.template()) {
                        *slot = to.minor();
                    }
                }
            }
            Op::SetStatus { object, kind: ObjectKind::Campaign, to: Status::Paused } => {
                on.remove(&object.template());
            }
            _ => {}
        }
        most = most.max(total(&on));
    }
    (most, total(&on))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_clone_creates_everything_paused_under_its_own_marker_and_conserves_the_budget(
        budgets in prop::collection::vec(100_i64..50_000, 1..5), ads in 1_usize..4, cbo in any::<bool>(),
    ) {
        let total: i64 = budgets.iter().sum();
        let source = tree(1_000, cbo.then_some(total), &budgets, ads, true);
        let climb = climb(State::Proposed { route: route(RouteKind::Climb) });
        let drafted = plan(PlanKind::Clone, &climb, &policy(false), &source, None).unwrap();
        let mut names = std::collections::BTreeSet::new();
        let mut created = 0;
        for action in &drafted.actions {
            prop_assert!(action.op.creates().is_some(), "a clone only creates");
            let promises = action.op.promises();
            prop_assert!(promises.iter().any(|(_, v)| v == "PAUSED"), "{}", action.key);
            prop_assert!(names.insert(action.op.name().unwrap().to_owned()), "one marker per object");
            created += match &action.op {
                Op::CreateCampaign { daily_budget, .. } => daily_budget.map_or(0, Money::minor),
                Op::CreateAdSet { daily_budget, end_time, .. } => {
                    prop_assert!(end_time.is_some(), "the dead-man bound");
                    daily_budget.map_or(0, Money::minor)
                }
                _ => 0,
            };
        }
        prop_assert_eq!(created, total, "additive: the challenger gets the run-rate");
        prop_assert_eq!(drafted.actions.len(), 1 + budgets.len() * (1 + ads));
        prop_assert!(drafted.money.extra_total >= drafted.money.extra_per_day);
    }

    #[test]
    fn money_starts_at_the_last_write_of_an_activation(
        budgets in prop::collection::vec(100_i64..50_000, 1..4), ads in 1_usize..4, placed in any::<bool>(),
    ) {
        let kind = if placed { RouteKind::Placement } else { RouteKind::Climb };
        let source = tree(1_000, None, &budgets, ads, true);
        let built = tree(500_000, None, &budgets, ads, false);
        let state = State::Cloning {
            route: route(kind), challenger: Some(built.campaign.id.clone()), rule: None, study: None,
        };
        let drafted = plan(PlanKind::Activate, &climb(state), &policy(false), &source, Some(&built)).unwrap();
        let (last, before) = drafted.actions.split_last().unwrap();
        let own = built.campaign.id.to_string();
        let switches_on = |op: &Op| matches!(op,
            Op::SetStatus { object, kind: ObjectKind::Campaign, to: Status::Active } if object.template() == own);
        prop_assert!(switches_on(&last.op));
        prop_assert!(before.iter().all(|a| !switches_on(&a.op)));
        let pauses_old = before.iter().any(|a| matches!(&a.op,
            Op::SetStatus { to: Status::Paused, .. }));
        prop_assert_eq!(pauses_old, placed, "only a placement replaces the old campaign at once");
        let bound = before.iter().any(|a| matches!(a.op, Op::CreatePauseRule { .. }));
        prop_assert_eq!(bound, !placed, "a test has Meta's own rule as its bound");
    }

    #[test]
    fn an_activation_that_goes_on_midway_is_the_same_one(
        budgets in prop::collection::vec(500_i64..50_000, 1..5), on in prop::collection::vec(any::<bool>(), 5), split in any::<bool>(),
    ) {
        let source = tree(1_000, None, &budgets, 1, true);
        let mut built = tree(500_000, None, &budgets, 1, false);
        let state = State::Cloning {
            route: route(RouteKind::Climb), challenger: Some(built.campaign.id.clone()), rule: None, study: None,
        };
        let activate = |built: &Tree| {
            plan(PlanKind::Activate, &climb(state.clone()), &policy(split), &source, Some(built)).unwrap()
        };
        let fresh = activate(&built);
        for (set, on) in built.adsets.iter_mut().zip(on) {
            if on { set.status = Status::Active; }
        }
        let midway = activate(&built);
        prop_assert_eq!(&midway.money, &fresh.money);
        let budgets = |drafted: &DraftPlan| {
            let test = drafted.test.as_ref().unwrap();
            (test.incumbent_budget, test.challenger_budget, test.run_rate)
        };
        prop_assert_eq!(budgets(&midway), budgets(&fresh));
    }

    #[test]
    fn a_shift_never_lets_the_sum_of_budgets_rise_and_ends_at_the_run_rate(
        run_rate in 2_000_i64..200_000, split in any::<bool>(), cbo in any::<bool>(),
    ) {
        let (a, b) = if split { (run_rate - run_rate / 2, run_rate / 2) } else { (run_rate, run_rate) };
        let source = tree(1_000, cbo.then_some(a), &[a], 1, true);
        let built = tree(500_000, cbo.then_some(b), &[b], 1, true);
        let judged = State::Judged { test: test(run_rate, a, b), verdict: Verdict::Promote };
        let drafted = plan(PlanKind::Shift, &climb(judged), &policy(split), &source, Some(&built)).unwrap();
        let (most, end) = play(&drafted, [&source, &built]);
        prop_assert_eq!(most, a + b, "no instant may spend more than before the shift");
        prop_assert_eq!(end, run_rate);
        let mut at = Moment::from_millis(NOW);
        for action in &drafted.actions {
            if let Some(due) = action.not_before {
                prop_assert!(due >= at, "steps are in order");
                at = due;
            }
        }
    }

    #[test]
    fn ending_a_test_restores_the_run_rate_by_raises_of_at_most_a_fifth(
        run_rate in 2_000_i64..200_000, split in any::<bool>(),
    ) {
        let half = run_rate / 2;
        let (a, b) = if split { (run_rate - half, half) } else { (run_rate, run_rate) };
        let source = tree(1_000, Some(a), &[a], 1, true);
        let built = tree(500_000, Some(b), &[b], 1, true);
        let judged = State::Judged { test: test(run_rate, a, b), verdict: Verdict::Stay };
        let drafted = plan(PlanKind::End, &climb(judged), &policy(split), &source, Some(&built)).unwrap();
        let first = &drafted.actions[0].op;
        let paused = matches!(first, Op::SetStatus { to: Status::Paused, .. });
        prop_assert!(paused, "lower before raise: the challenger stops first");
        let (most, end) = play(&drafted, [&source, &built]);
        prop_assert!(most <= a + b);
        prop_assert_eq!(end, run_rate);
        let mut before = a;
        for action in &drafted.actions {
            if let Op::SetDailyBudget { to, .. } = &action.op {
                prop_assert!((to.minor() - before) * 10_000 <= before * 2_000, "{before} -> {to}");
                before = to.minor();
            }
        }
    }
}

#[test]
fn a_test_the_limit_cannot_pay_for_is_refused_by_name() {
    let mut policy = policy(false);
    if let Some(limits) = policy.limits.as_mut() {
        limits.max_spend_per_climb = eur(100_000);
    }
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let climb = climb(State::Proposed { route: route(RouteKind::Climb) });
    let refused = plan(PlanKind::Clone, &climb, &policy, &source, None).unwrap_err();
    assert!(refused.to_string().contains("max_spend_per_climb"), "{refused}");
}

#[test]
fn without_limits_no_test_can_be_planned() {
    let mut policy = policy(false);
    policy.limits = None;
    let source = tree(1_000, Some(10_000), &[1], 1, true);
    let climb = climb(State::Proposed { route: route(RouteKind::Climb) });
    let refused = plan(PlanKind::Clone, &climb, &policy, &source, None);
    assert_eq!(refused.unwrap_err(), Refusal::NoLimits);
}

/// The value an expectation would find; ids created by the plan itself are taken to be as promised.
fn found(expected: &Expectation, trees: &[Tree]) -> Option<String> {
    let money = |m: Option<Money>| m.map_or_else(String::new, |m| m.minor().to_string());
    let Target::Id(id) = &expected.object else { return Some(expected.value.clone()) };
    for tree in trees {
        let c = &tree.campaign;
        if c.id.as_str() == id.as_str() {
            return match expected.aspect {
                Aspect::Status => Some(c.status.to_string()),
                Aspect::DailyBudget => Some(money(c.daily_budget)),
                Aspect::SpendCap => Some(money(c.spend_cap)),
                Aspect::Tree => Some(fingerprint(&likeness(tree, true))),
                Aspect::Content => Some(fingerprint(&likeness(tree, false))),
                _ => None,
            };
        }
        if let Some(s) = tree.adsets.iter().find(|s| s.id.as_str() == id.as_str()) {
            let end = s.end_time.map_or_else(String::new, |e| e.seconds().to_string());
            return match expected.aspect {
                Aspect::Status => Some(s.status.to_string()),
                Aspect::DailyBudget => Some(money(s.daily_budget)),
                Aspect::EndTime => Some(end),
                _ => None,
            };
        }
        if let Some(a) = tree.ads.iter().find(|a| a.id.as_str() == id.as_str()) {
            return (expected.aspect == Aspect::Status).then(|| a.status.to_string());
        }
    }
    None
}

/// A tree with the fields a read would have.
fn with_fields(mut tree: Tree) -> Tree {
    let fields = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), serde_json::Value::from(*v))).collect()
    };
    tree.campaign.fields = fields(&[("name", "Shop"), ("objective", "OUTCOME_SALES")]);
    for set in &mut tree.adsets {
        set.fields =
            fields(&[("name", "Set"), ("targeting", "DE"), ("billing_event", "IMPRESSIONS")]);
    }
    for ad in &mut tree.ads {
        ad.fields = fields(&[("name", "Ad"), ("creative", "55"), ("tracking_specs", "px")]);
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_tree_but_the_verified_one_is_turned_on(
        how in 0_usize..16, which in any::<prop::sample::Index>(), of in any::<prop::sample::Index>(), cbo in any::<bool>(),
    ) {
        let budgets = [4_000, 6_000];
        let source = with_fields(tree(1_000, cbo.then_some(10_000), &budgets, 2, true));
        let mut built = with_fields(tree(500_000, cbo.then_some(10_000), &budgets, 2, false));
        built.campaign.spend_cap = Some(eur(900_000));
        let state = State::Cloning {
            route: route(RouteKind::Climb), challenger: Some(built.campaign.id.clone()), rule: None, study: None,
        };
        let drafted = plan(PlanKind::Activate, &climb(state), &policy(false), &source, Some(&built)).unwrap();
        let last = drafted.actions.last().unwrap();
        // What our own writes of this plan have done until then.
        for set in &mut built.adsets { set.status = Status::Active; }
        for ad in &mut built.ads { ad.status = Status::Active; }
        let holds = |source: &Tree, built: &Tree| {
            let trees = [source.clone(), built.clone()];
            last.expects.iter().all(|e| found(e, &trees).as_ref() == Some(&e.value))
        };
        prop_assert!(holds(&source, &built), "the tree as it was verified");
        let (mut a, mut b) = (source, built.clone());
        let set = which.index(b.adsets.len());
        let ad = of.index(b.ads.len());
        let value = || serde_json::Value::from("changed");
        let put = |fields: &mut rungwise::domain::Fields, name: &str| { fields.insert(name.to_owned(), value()); };
        match how {
            0 => { b.ads.remove(ad); }
            1 => { b.adsets.remove(set); }
            2 => { let mut one = b.ads[ad].clone(); one.id = "777777".parse().unwrap(); b.ads.push(one); }
            3 => { let mut one = b.adsets[set].clone(); one.id = "777777".parse().unwrap(); b.adsets.push(one); }
            4 => b.ads[ad].status = Status::Paused,
            5 => b.adsets[set].status = Status::Paused,
            6 => b.adsets[set].end_time = None,
            7 => b.adsets[set].end_time = Some(Moment::from_millis(NOW + 51 * 86_400_000)),
            8 => b.campaign.spend_cap = None,
            9 if cbo => b.campaign.daily_budget = Some(eur(10_001)),
            9 => b.adsets[set].daily_budget = Some(eur(6_001)),
            10 => put(&mut b.adsets[set].fields, "targeting"),
            11 => put(&mut b.ads[ad].fields, "creative"),
            12 => put(&mut b.campaign.fields, "bid_strategy"),
            13 => put(&mut a.adsets[set].fields, "targeting"),
            14 => a.ads[ad].fields.clear(),
            _ => a.campaign.status = Status::Paused,
        }
        prop_assert!(!holds(&a, &b), "mutation {how} goes unnoticed");
    }
}

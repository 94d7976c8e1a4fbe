//! Other ladders and other shapes of accounts.

use rungwise::{
    domain::{
        climb::RouteKind,
        plan::{Op, PlanKind},
    },
    sandbox::{EventFamily, Scenario},
};
use serde_json::Value;

use super::{
    custody,
    support::{LIMITS, Story, short, world},
};

/// The fields of what was created, by the sandbox's record.
fn rebuilt(story: &Story, kind: &str) -> Vec<Value> {
    let log = story.world.requests();
    let created =
        log.iter().flat_map(|e| e.mutation["created"].as_array().cloned().unwrap_or_default());
    created.filter(|c| c["type"] == kind).map(|c| c["fields"].clone()).collect()
}

/// A line on Lead steps down one ladder and settles there. The scenario's two ad sets stand on different rungs, which
/// no line may: here both stand on Lead.
async fn leads_step_down(ladder: &str, to: &str, goal: &str, event: Option<&str>) {
    let mut scenario = short(Scenario::lead_generation());
    scenario.campaigns[0].adsets[1].level = 4;
    let more = format!("{LIMITS}[ladder]\n{ladder}\n");
    let mut story = Story::begin(world(scenario, |_| ()), "supervised", &more).await;
    let tried = story.until(30, 2, |c| c.state.test().is_some()).await;
    let route = tried.state.test().unwrap().route.clone();
    assert_eq!((route.from.as_str(), route.to.as_str()), ("lead", to), "{}", story.tale());
    let sets = rebuilt(&story, "adset");
    assert_eq!(sets.len(), 2, "both ad sets are re-created");
    for set in sets {
        assert_eq!(set["optimization_goal"], goal);
        assert_eq!(set["promoted_object"]["custom_event_type"].as_str(), event);
    }
    story.until(120, 4, |c| !c.state.is_open()).await;
    custody::holds(&story).await;
}

#[tokio::test]
async fn the_lead_generation_ladder_is_stepped_down_to_the_page_view() {
    let ladder = "preset = \"lead_gen\"";
    leads_step_down(ladder, "page_view", "LANDING_PAGE_VIEWS", None).await;
}

#[tokio::test]
async fn a_lead_generation_ladder_with_an_event_counted_in_conversions_is_stepped_down_to_it() {
    let ladder = "preset = \"custom\"\nobjective = \"OUTCOME_LEADS\"\n\
                  rungs = [\"contact\", \"complete_registration\", \"lead\"]";
    leads_step_down(ladder, "contact", "OFFSITE_CONVERSIONS", Some("CONTACT")).await;
}

/// The default scenario manages two lines at once; the shop's campaign budget line alone tells the story here.
#[tokio::test]
async fn a_ladder_with_a_custom_conversion_is_stepped_down_to_it() {
    let mut scenario = short(Scenario::custom_conversion());
    let EventFamily::Custom(id) = scenario.events[2].family else { panic!("a custom conversion") };
    scenario.campaigns.remove(0);
    scenario.campaigns[0].daily_budget = Some(9_000);
    let more = format!(
        "{LIMITS}[ladder]\npreset = \"custom\"\nobjective = \"OUTCOME_SALES\"\n\
         rungs = [\"conversion:{id}\", \"initiate_checkout\", \"purchase\"]\n"
    );
    let mut story = Story::begin(world(scenario, |_| ()), "supervised", &more).await;
    let tried = story.until(30, 2, |c| c.state.test().is_some()).await;
    let route = tried.state.test().unwrap().route.clone();
    assert_eq!((route.from.as_str(), route.to), ("purchase", format!("conversion:{id}")));
    for set in rebuilt(&story, "adset") {
        assert_eq!(set["promoted_object"]["custom_conversion_id"], id.to_string());
    }
    story.until(120, 4, |c| !c.state.is_open()).await;
    custody::holds(&story).await;
}

#[tokio::test]
async fn campaign_budgets_and_ad_set_budgets_with_several_sets_and_ads_are_both_rebuilt_whole() {
    for (kept, sets, ads) in [(0, 2, 3), (1, 2, 4)] {
        let mut scenario = short(Scenario::default());
        scenario.campaigns = vec![scenario.campaigns.swap_remove(kept)];
        let own_budgets = scenario.campaigns[0].daily_budget.is_none();
        // Enough volume for one rung up from AddToCart, too little to stay on Purchase.
        for set in &mut scenario.campaigns[0].adsets {
            set.daily_budget = set.daily_budget.map(|b| b * 4);
        }
        scenario.campaigns[0].daily_budget = scenario.campaigns[0].daily_budget.map(|b| b / 2);
        let mut story = Story::begin(world(scenario, |_| ()), "supervised", LIMITS).await;
        let tried = story.until(90, 3, |c| c.state.test().is_some()).await;
        let test = tried.state.test().unwrap().clone();
        if kept == 1 {
            assert_ne!(test.route.kind, RouteKind::Climb, "from the top the way is down");
        }
        let plans = story.plans().await;
        let clone = &plans.iter().find(|(_, p)| p.kind == PlanKind::Clone).unwrap().1;
        let count = |f: fn(&Op) -> bool| clone.actions.iter().filter(|a| f(&a.op)).count();
        assert_eq!(count(|op| matches!(op, Op::CreateAdSet { .. })), sets);
        assert_eq!(count(|op| matches!(op, Op::CreateAd { .. })), ads);
        let budgeted = |op: &Op| matches!(op, Op::CreateAdSet { daily_budget: Some(_), .. });
        let with_budget = clone.actions.iter().filter(|a| budgeted(&a.op)).count();
        assert_eq!(with_budget, if own_budgets { sets } else { 0 });
        assert_eq!(test.challenger_budget, test.incumbent_budget, "equal budgets are compared");
        custody::holds(&story).await;
    }
}

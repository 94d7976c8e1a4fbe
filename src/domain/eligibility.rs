//! Which campaigns may be managed at all, and by name why the others may not.
//!
//! A refusal is a lasting property of the campaign; passing conditions (processing, issues, no volume) are gates.

use serde_json::Value;

use super::{
    Campaign, EffectiveStatus, Fields, Ladder, Objective, Rung, Status, Tree, policy::Policy,
};
use crate::planted::{Bug, bug};

/// Ad sets one climb re-creates at most: each is several writes, and the plan must stay readable.
pub const MAX_ADSETS: usize = 20;
/// Ads one climb re-creates at most.
pub const MAX_ADS: usize = 60;

/// The live ad sets of a tree.
pub fn live_adsets(tree: &Tree) -> impl Iterator<Item = &super::AdSet> {
    tree.adsets.iter().filter(|s| s.status == Status::Active)
}

/// The live ads of a tree that review has not refused, within its live ad sets.
pub fn live_ads(tree: &Tree) -> impl Iterator<Item = &super::Ad> {
    tree.ads.iter().filter(|a| {
        a.status == Status::Active
            && a.effective_status != EffectiveStatus::Disapproved
            && live_adsets(tree).any(|s| s.id == a.adset)
    })
}

/// The rung that every live ad set of the tree stands on.
pub fn rung_of<'a>(tree: &Tree, ladder: &'a Ladder) -> Option<&'a Rung> {
    let mut sets = live_adsets(tree);
    let first = sets.next()?;
    let rung = ladder.rungs.iter().find(|r| r.matches(&first.optimisation))?;
    sets.all(|s| rung.matches(&s.optimisation)).then_some(rung)
}

/// Why a campaign may not be managed; empty = it may.
pub fn refusals(tree: &Tree, policy: &Policy) -> Vec<String> {
    let campaign = &tree.campaign;
    let mut why = Vec::new();
    if !policy.lines.includes(&campaign.id) {
        why.push("it is not listed under lines.campaigns".to_owned());
    }
    if let Some(pattern) = policy.protected_by(&campaign.name)
        && !bug(Bug::ProtectIgnored)
    {
        why.push(format!("its name matches the protect pattern {}", pattern.as_str()));
    }
    why.extend(campaign_refusals(campaign));
    let sets: Vec<_> = live_adsets(tree).collect();
    if sets.is_empty() {
        why.push("it has no live ad set".to_owned());
    } else if rung_of(tree, &policy.ladder).is_none() {
        why.push(format!(
            "its ad sets do not all stand on one rung of the ladder {}",
            policy.ladder.name
        ));
    }
    if live_ads(tree).next().is_none() {
        why.push("it has no live ad".to_owned());
    }
    if sets.len() > MAX_ADSETS || live_ads(tree).count() > MAX_ADS {
        why.push(format!("it has more than {MAX_ADSETS} ad sets or {MAX_ADS} ads"));
    }
    if campaign.objective != policy.ladder.objective {
        let (is, wants) = (&campaign.objective, &policy.ladder.objective);
        why.push(format!("its objective is {is}, the ladder {} wants {wants}", policy.ladder.name));
    }
    for set in &sets {
        why.extend(adset_refusals(set));
    }
    why.sort();
    why.dedup();
    why
}

fn campaign_refusals(campaign: &Campaign) -> Vec<String> {
    let mut why = Vec::new();
    if let Objective::Other(objective) = &campaign.objective {
        why.push(format!("its objective {objective} is a legacy one and cannot be re-created"));
    }
    if !campaign.special_ad_categories.is_empty() {
        let list = campaign.special_ad_categories.join(", ");
        why.push(format!("it is in a special ad category ({list})"));
    }
    let text = |name: &str| text(&campaign.fields, name);
    if let Some(kind) = text("smart_promotion_type").filter(|k| k != "GUIDED_CREATION") {
        why.push(format!("it is a smart campaign ({kind})"));
    }
    if let Some(kind) = text("buying_type").filter(|k| k != "AUCTION") {
        why.push(format!("its buying type is {kind}, not AUCTION"));
    }
    why.extend(bid_refusal(campaign.bid_strategy.as_deref(), None));
    if campaign.lifetime_budget.is_some() {
        why.push("it has a lifetime budget; a climb needs daily budgets".to_owned());
    }
    if flag(&campaign.fields, "is_adset_budget_sharing_enabled") {
        why.push("its ad sets share budget, which would blur the comparison".to_owned());
    }
    why
}

fn adset_refusals(set: &super::AdSet) -> Vec<String> {
    let mut why = Vec::new();
    why.extend(bid_refusal(set.bid_strategy.as_deref(), set.bid_amount));
    if set.lifetime_budget.is_some() {
        why.push("an ad set has a lifetime budget; a climb needs daily budgets".to_owned());
    }
    if set.end_time.is_some() {
        why.push("an ad set has an end date".to_owned());
    }
    if flag(&set.fields, "is_dynamic_creative") {
        why.push("an ad set uses dynamic creative".to_owned());
    }
    let promoted = set.fields.get("promoted_object");
    if promoted.and_then(|p| p.get("product_set_id")).is_some() {
        why.push("an ad set sells from a catalogue".to_owned());
    }
    if set.fields.get("adset_schedule").is_some_and(|s| s.as_array().is_some_and(|a| !a.is_empty()))
    {
        why.push("an ad set has a delivery schedule".to_owned());
    }
    why
}

/// Caps are per optimised event and mean something else on another rung.
fn bid_refusal(strategy: Option<&str>, amount: Option<i64>) -> Option<String> {
    match strategy {
        None | Some("LOWEST_COST_WITHOUT_CAP") if amount.is_none_or(|a| a == 0) => None,
        None | Some("LOWEST_COST_WITHOUT_CAP") => {
            Some("it has a bid amount, which cannot be carried to another rung".to_owned())
        }
        Some("COST_CAP") => {
            Some("it has a cost cap, which cannot be carried to another rung".to_owned())
        }
        Some("LOWEST_COST_WITH_BID_CAP") => {
            Some("it has a bid cap, which cannot be carried to another rung".to_owned())
        }
        Some(other) => Some(format!("its bid strategy is {other}")),
    }
}

fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
}

fn flag(fields: &Fields, name: &str) -> bool {
    fields.get(name).and_then(Value::as_bool).unwrap_or(false)
}

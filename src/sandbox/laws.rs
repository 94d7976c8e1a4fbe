//! The rules of validity: which values Meta accepts together. Each rule names its code and subcode.

use serde_json::Value;

use super::{
    edges::MIN_DAILY_BUDGET,
    errors::Refusal,
    objects::{Id, Kind, Node},
    params::plain,
    world::World,
};
use crate::domain::{DAY_MS, Moment};

/// Objectives that can still be created.
pub(super) const OBJECTIVES: [&str; 6] = [
    "OUTCOME_AWARENESS",
    "OUTCOME_TRAFFIC",
    "OUTCOME_ENGAGEMENT",
    "OUTCOME_LEADS",
    "OUTCOME_APP_PROMOTION",
    "OUTCOME_SALES",
];
const CATEGORIES: [&str; 7] = [
    "NONE",
    "EMPLOYMENT",
    "HOUSING",
    "FINANCIAL_PRODUCTS_SERVICES",
    "ISSUES_ELECTIONS_POLITICS",
    "ONLINE_GAMBLING_AND_GAMING",
    "CREDIT",
];
const STRATEGIES: [&str; 4] = [
    "LOWEST_COST_WITHOUT_CAP",
    "LOWEST_COST_WITH_BID_CAP",
    "COST_CAP",
    "LOWEST_COST_WITH_MIN_ROAS",
];
const BILLING: [&str; 11] = [
    "APP_INSTALLS",
    "CLICKS",
    "IMPRESSIONS",
    "LINK_CLICKS",
    "LISTING_INTERACTION",
    "NONE",
    "OFFER_CLAIMS",
    "PAGE_LIKES",
    "POST_ENGAGEMENT",
    "PURCHASE",
    "THRUPLAY",
];
/// Countries where the Digital Services Act asks who pays and who benefits.
const EU: [&str; 27] = [
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV",
    "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE",
];
/// `spend_cap` value that removes the cap.
pub(super) const NO_CAP: i64 = 922_337_203_685_478;

/// Refuses a value that is not in a list.
pub(super) fn one_of(field: &str, value: &str, allowed: &[&str]) -> Result<(), Refusal> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let text =
        format!("(#100) Param {field} must be one of {{{}}} - got {value:?}", allowed.join(", "));
    Err(Refusal::new(100, text).blaming(field))
}

/// Events that can be optimised under an objective with a website as conversion location; None = no pixel event.
fn events_of(objective: &str) -> Option<&'static [&'static str]> {
    Some(match objective {
        "OUTCOME_SALES" => &[
            "PURCHASE",
            "INITIATED_CHECKOUT",
            "ADD_PAYMENT_INFO",
            "ADD_TO_CART",
            "COMPLETE_REGISTRATION",
            "DONATE",
            "START_TRIAL",
            "SUBSCRIBE",
            "CONTENT_VIEW",
            "OTHER",
        ],
        "OUTCOME_LEADS" => &[
            "LEAD",
            "COMPLETE_REGISTRATION",
            "CONTACT",
            "FIND_LOCATION",
            "SCHEDULE",
            "START_TRIAL",
            "SUBMIT_APPLICATION",
            "SUBSCRIBE",
            "OTHER",
        ],
        "OUTCOME_ENGAGEMENT" => &[
            "ADD_TO_WISHLIST",
            "CONTACT",
            "CUSTOMIZE_PRODUCT",
            "DONATE",
            "FIND_LOCATION",
            "SCHEDULE",
            "SEARCH",
            "START_TRIAL",
            "SUBMIT_APPLICATION",
            "SUBSCRIBE",
            "CONTENT_VIEW",
            "OTHER",
        ],
        _ => return None,
    })
}

fn goals_of(objective: &str) -> &'static [&'static str] {
    match objective {
        "OUTCOME_SALES" => &[
            "OFFSITE_CONVERSIONS",
            "VALUE",
            "LANDING_PAGE_VIEWS",
            "LINK_CLICKS",
            "IMPRESSIONS",
            "REACH",
            "CONVERSATIONS",
        ],
        "OUTCOME_LEADS" => &[
            "OFFSITE_CONVERSIONS",
            "LANDING_PAGE_VIEWS",
            "LINK_CLICKS",
            "IMPRESSIONS",
            "REACH",
            "LEAD_GENERATION",
            "QUALITY_LEAD",
            "QUALITY_CALL",
            "CONVERSATIONS",
        ],
        "OUTCOME_ENGAGEMENT" => &[
            "OFFSITE_CONVERSIONS",
            "LANDING_PAGE_VIEWS",
            "LINK_CLICKS",
            "IMPRESSIONS",
            "REACH",
            "POST_ENGAGEMENT",
            "THRUPLAY",
            "EVENT_RESPONSES",
            "PAGE_LIKES",
            "CONVERSATIONS",
            "PROFILE_AND_PAGE_ENGAGEMENT",
        ],
        "OUTCOME_TRAFFIC" => &[
            "LANDING_PAGE_VIEWS",
            "LINK_CLICKS",
            "IMPRESSIONS",
            "REACH",
            "QUALITY_CALL",
            "CONVERSATIONS",
            "VISIT_INSTAGRAM_PROFILE",
        ],
        "OUTCOME_AWARENESS" => &["AD_RECALL_LIFT", "REACH", "IMPRESSIONS", "THRUPLAY"],
        "OUTCOME_APP_PROMOTION" => &[
            "APP_INSTALLS",
            "OFFSITE_CONVERSIONS",
            "APP_INSTALLS_AND_OFFSITE_CONVERSIONS",
            "VALUE",
            "LINK_CLICKS",
        ],
        _ => &[],
    }
}

/// Objective × goal × event (2490408).
pub(super) fn combination(
    objective: &str,
    goal: &str,
    object: Option<&Value>,
) -> Result<(), Refusal> {
    let wrong = |user: String| {
        Refusal::new(100, "Invalid parameter")
            .sub(2_490_408)
            .saying("Performance goal isn't available", user)
    };
    if !goals_of(objective).contains(&goal) {
        return Err(wrong(format!(
            "The performance goal {goal} isn't available with the objective {objective}."
        )));
    }
    let Some(kind) = object.and_then(|o| o.get("custom_event_type")).map(plain) else {
        return Ok(());
    };
    let allowed = events_of(objective).unwrap_or_default();
    let custom = object.is_some_and(|o| o.get("custom_conversion_id").is_some());
    if !matches!(goal, "OFFSITE_CONVERSIONS" | "VALUE")
        || objective == "OUTCOME_APP_PROMOTION"
        || custom
    {
        return Ok(());
    }
    if goal == "VALUE" && kind != "PURCHASE" {
        return Err(wrong("Value optimisation needs the conversion event PURCHASE.".to_owned()));
    }
    if allowed.contains(&kind.as_str()) {
        return Ok(());
    }
    Err(wrong(format!(
        "The conversion event {kind} isn't available with the objective {objective}."
    )))
}

/// Attribution windows: 1 or 7 days click with or without 1 day view for conversions, 1 day click for everything else.
pub(super) fn attribution(goal: &str, spec: &Value) -> Result<(), Refusal> {
    let bad = |user: &str| Err(Refusal::invalid("attribution_spec", user));
    let Some(items) = spec.as_array() else { return bad("attribution_spec must be a list.") };
    let (mut click, mut view) = (0, 0);
    for item in items {
        let days =
            item.get("window_days").map(plain).and_then(|t| t.parse::<i64>().ok()).unwrap_or(-1);
        match item.get("event_type").and_then(Value::as_str) {
            Some("CLICK_THROUGH") => click = days,
            Some("VIEW_THROUGH") => view = days,
            Some("ENGAGED_VIDEO_VIEW") if days <= 1 => {}
            _ => {
                return bad(
                    "event_type must be CLICK_THROUGH, VIEW_THROUGH or ENGAGED_VIDEO_VIEW.",
                );
            }
        }
    }
    let conversions = matches!(goal, "OFFSITE_CONVERSIONS" | "VALUE");
    match (conversions, click, view) {
        (true, 1 | 7, 0 | 1) | (false, 1, 0) => Ok(()),
        (true, _, _) => bad("Choose 1-day click or 7-day click, with or without 1-day view."),
        (false, _, _) => bad("Only 1-day click is available for this performance goal."),
    }
}

/// A switch that can be set on creation.
pub(super) fn switch(status: &str) -> Result<(), Refusal> {
    one_of("status", status, &["ACTIVE", "PAUSED"])
}

/// Special ad categories: always sent, and known.
pub(super) fn categories(list: Option<&[String]>) -> Result<(), Refusal> {
    let Some(list) = list else { return Err(Refusal::required("special_ad_categories")) };
    for category in list {
        one_of("special_ad_categories", category, &CATEGORIES)?;
        if category == "CREDIT" {
            let text = "CREDIT was replaced by FINANCIAL_PRODUCTS_SERVICES.";
            return Err(Refusal::invalid("special_ad_categories", text));
        }
    }
    Ok(())
}

/// Bid strategy and its cap.
pub(super) fn bidding(node: &Node, inherited: Option<&str>) -> Result<(), Refusal> {
    let own = node.text("bid_strategy");
    if !own.is_empty() {
        one_of("bid_strategy", own, &STRATEGIES)?;
    }
    if let Some(campaign) = inherited.filter(|c| !own.is_empty() && *c != own && !c.is_empty()) {
        let text = format!("Ad sets under a campaign budget share its bid strategy {campaign}.");
        return Err(Refusal::invalid("bid_strategy", text));
    }
    if node.kind == Kind::Campaign {
        return Ok(());
    }
    let strategy = if own.is_empty() { inherited.unwrap_or("") } else { own };
    let capped = matches!(strategy, "COST_CAP" | "LOWEST_COST_WITH_BID_CAP");
    let amount =
        node.fields.get("bid_amount").map(plain).and_then(|t| t.parse::<i64>().ok()).unwrap_or(0);
    if capped && amount <= 0 {
        return Err(Refusal::new(100, "Invalid parameter").sub(1_815_857).saying(
            "Bid amount required",
            format!("Bid amount is required for the bid strategy {strategy}."),
        ));
    }
    if strategy == "LOWEST_COST_WITH_MIN_ROAS" && node.fields.get("bid_constraints").is_none() {
        return Err(Refusal::invalid(
            "bid_constraints",
            "roas_average_floor is required for this bid strategy.",
        ));
    }
    if strategy == "LOWEST_COST_WITH_BID_CAP"
        && node.amount("daily_budget").is_some_and(|b| b < amount)
    {
        return Err(too_low("The daily budget must be at least the bid cap."));
    }
    Ok(())
}

/// A budget below what Meta takes (1885272).
fn too_low(user: &str) -> Refusal {
    Refusal::new(100, "Invalid parameter").sub(1_885_272).saying("Your budget is too low", user)
}

impl World {
    /// Budgets of one object: at most one kind, above the minimum, lifetime only with an end.
    pub(super) fn budget(&self, node: &Node) -> Result<(), Refusal> {
        let (daily, lifetime) = (node.amount("daily_budget"), node.amount("lifetime_budget"));
        if daily.is_some() && lifetime.is_some() {
            return Err(Refusal::invalid(
                "lifetime_budget",
                "Choose a daily or a lifetime budget, not both.",
            ));
        }
        let least = MIN_DAILY_BUDGET;
        let end = if node.kind == Kind::Campaign { "stop_time" } else { "end_time" };
        if let Some(budget) = daily.or(lifetime).filter(|b| *b < least) {
            let text =
                format!("{} is below the minimum of {}.", self.major(budget), self.major(least));
            let refusal = too_low(&text);
            return Err(if node.kind == Kind::Campaign { refusal.sub(2_238_055) } else { refusal });
        }
        if lifetime.is_some() && node.kind == Kind::AdSet && node.moment(end).is_none() {
            return Err(Refusal::invalid(
                "end_time",
                "An end time is required with a lifetime budget.",
            ));
        }
        Ok(())
    }
    /// Start and end of an ad set or campaign.
    pub(super) fn schedule(&self, node: &Node, start: Moment) -> Result<(), Refusal> {
        let name = if node.kind == Kind::Campaign { "stop_time" } else { "end_time" };
        let Some(end) = node.moment(name) else { return Ok(()) };
        if end <= start || end <= self.now {
            let text = "The end must lie after the start and in the future.";
            return Err(Refusal::invalid(name, text).sub(1_487_033));
        }
        let short = end.since(start) < DAY_MS && node.amount("daily_budget").is_some();
        if short {
            let text = "An ad set with a daily budget must run for at least 24 hours.";
            return Err(Refusal::invalid(name, text));
        }
        Ok(())
    }
    /// Everything about an ad set as a whole, under its campaign.
    pub(super) fn lawful_adset(
        &self,
        node: &Node,
        campaign: &Node,
        version: u32,
    ) -> Result<(), Refusal> {
        let goal = node.text("optimization_goal");
        let objective = campaign.text("objective");
        if !OBJECTIVES.contains(&objective) {
            let text = format!(
                "New ad sets can't be created in campaigns with the objective {objective}."
            );
            return Err(Refusal::invalid("campaign_id", text).sub(2_490_408));
        }
        one_of("billing_event", node.text("billing_event"), &BILLING)?;
        let object = node.fields.get("promoted_object");
        combination(objective, goal, object)?;
        if matches!(goal, "OFFSITE_CONVERSIONS" | "VALUE" | "LANDING_PAGE_VIEWS")
            && node.text("billing_event") != "IMPRESSIONS"
        {
            let text = format!("With the performance goal {goal} only IMPRESSIONS can be billed.");
            return Err(Refusal::invalid("billing_event", text));
        }
        self.promoted(goal, objective, object)?;
        if let Some(spec) = node.fields.get("attribution_spec") {
            attribution(goal, spec)?;
        }
        targeted(node, campaign, version)?;
        let cbo = campaign
            .amount("daily_budget")
            .or_else(|| campaign.amount("lifetime_budget"))
            .is_some();
        let own = node.amount("daily_budget").or_else(|| node.amount("lifetime_budget")).is_some();
        if cbo == own {
            let text = if cbo {
                "The campaign has a budget: set either an ad set budget or a campaign budget."
            } else {
                "Set a budget for the ad set, or a campaign budget."
            };
            return Err(Refusal::new(100, "Invalid parameter")
                .sub(1_885_621)
                .saying("Budget", text));
        }
        bidding(node, cbo.then(|| campaign.text("bid_strategy")))?;
        self.budget(node)?;
        let start = node.moment("start_time").unwrap_or(self.now);
        self.schedule(node, start)
    }
    /// What is promoted, for goals that need it.
    fn promoted(&self, goal: &str, objective: &str, object: Option<&Value>) -> Result<(), Refusal> {
        let bad = |user: String| Err(Refusal::invalid("promoted_object", user));
        if !matches!(goal, "OFFSITE_CONVERSIONS" | "VALUE") || objective == "OUTCOME_APP_PROMOTION"
        {
            return Ok(());
        }
        let part =
            |name: &str| object.and_then(|o| o.get(name)).map(plain).filter(|t| !t.is_empty());
        if part("pixel_id").is_none() && part("custom_conversion_id").is_none() {
            return bad(
                "A promoted object with a pixel is required for this performance goal.".to_owned()
            );
        }
        if part("custom_event_type").is_none() && part("custom_conversion_id").is_none() {
            return bad("pixel_id needs a custom_event_type.".to_owned());
        }
        if part("custom_event_str").is_some()
            && part("custom_event_type").as_deref() != Some("OTHER")
        {
            return bad("custom_event_str needs custom_event_type OTHER.".to_owned());
        }
        let Some(conversion) = part("custom_conversion_id") else { return Ok(()) };
        let known = |id: Id| self.nodes.get(&id).is_some_and(|n| n.kind == Kind::CustomConversion);
        if conversion.parse().is_ok_and(known) {
            return Ok(());
        }
        bad(format!("The custom conversion {conversion} does not exist in this account."))
    }
    /// A campaign as a whole.
    pub(super) fn lawful_campaign(&self, node: &Node) -> Result<(), Refusal> {
        self.budget(node)?;
        let pooled =
            node.amount("daily_budget").or_else(|| node.amount("lifetime_budget")).is_some();
        if !pooled && !node.text("bid_strategy").is_empty() {
            let text = "A bid strategy needs a campaign budget; set it on the ad sets instead.";
            return Err(Refusal::new(100, "Invalid parameter")
                .sub(1_885_737)
                .saying("Bid strategy", text));
        }
        let shares = node.fields.get("is_adset_budget_sharing_enabled");
        if pooled && shares.and_then(Value::as_bool) == Some(true) {
            return Err(super::catalogue::called(100, Some(4_834_002)));
        }
        bidding(node, None)?;
        if let Some(cap) = node.amount("spend_cap") {
            let floor = 100 * self.offset();
            if cap < floor || cap <= self.spent_by(node.id) {
                let text = format!(
                    "The spending limit must be at least {} and above what was spent.",
                    self.major(floor)
                );
                return Err(Refusal::new(100, "Invalid parameter")
                    .sub(2_446_307)
                    .saying("Spending limit", text));
            }
        }
        let start = node.moment("start_time").unwrap_or(self.now);
        self.schedule(node, start)
    }
}

/// Where it is shown, and what the law of that place asks for.
fn targeted(node: &Node, campaign: &Node, version: u32) -> Result<(), Refusal> {
    let targeting = node.fields.get("targeting").cloned().unwrap_or_default();
    let geo = targeting.get("geo_locations").and_then(Value::as_object);
    let places = [
        "countries",
        "regions",
        "cities",
        "zips",
        "country_groups",
        "places",
        "geo_markets",
        "custom_locations",
    ];
    let somewhere = geo.is_some_and(|g| {
        places.iter().any(|p| g.get(*p).and_then(Value::as_array).is_some_and(|l| !l.is_empty()))
    }) || targeting.get("custom_audiences").is_some();
    if !somewhere {
        let text = "The targeting must name at least one location.";
        return Err(Refusal::invalid("targeting", text));
    }
    let listed =
        geo.and_then(|g| g.get("countries")).and_then(Value::as_array).cloned().unwrap_or_default();
    let european = listed.iter().any(|c| c.as_str().is_some_and(|c| EU.contains(&c)));
    for (field, subcode) in [("dsa_beneficiary", 3_858_079), ("dsa_payor", 3_858_081)] {
        if european && node.text(field).is_empty() {
            let text = format!("{field} is required for ads shown in the European Union.");
            return Err(Refusal::invalid(field, text).sub(subcode));
        }
    }
    let special = campaign.fields.get("special_ad_categories").and_then(Value::as_array).cloned();
    let hec = special.unwrap_or_default().iter().any(|c| {
        matches!(c.as_str(), Some("HOUSING" | "EMPLOYMENT" | "FINANCIAL_PRODUCTS_SERVICES"))
    });
    let explicit = &targeting["targeting_automation"]["advantage_audience"];
    if hec && version >= 26 && !matches!(plain(explicit).as_str(), "0" | "1") {
        let text =
            "Special ad categories need targeting_automation.advantage_audience set to 0 or 1.";
        return Err(Refusal::invalid("targeting", text));
    }
    Ok(())
}

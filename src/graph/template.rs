//! From an operation in our words to the exact request it becomes. Pure.

use serde_json::{Map, Value, json};

use super::{
    fields::{AD_COPY, ADSET_COPY, CAMPAIGN_COPY, PROMOTED_COPY, param, take, targeting},
    wire::num::NO_CAP,
};
use crate::domain::{
    AccountId, CreativeId, Fields, Goal, Moment, Money, Rung, Status,
    plan::{ObjectKind, Op, Target, Template},
};
use crate::planted::{Bug, bug};

type Params = Vec<(String, String)>;

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// The request of an operation, with `{key}` where an id comes back later.
pub(super) fn of(account: &AccountId, op: &Op) -> Template {
    let post = |path: String, params| Template { method: "POST".into(), path, params };
    let edge = |edge: &str, params| post(format!("{}/{edge}", account.act()), params);
    match op {
        Op::CreateCampaign { .. } => edge("campaigns", campaign(op)),
        Op::CreateAdSet { .. } => edge("adsets", adset(op)),
        Op::CreateAd { source, adset, name, creative, fields } => {
            edge("ads", ad(source.as_str(), adset, name, creative, fields))
        }
        Op::CreatePauseRule { name, campaign, spend_over } => {
            edge("adrules_library", pause_rule(name, campaign, *spend_over))
        }
        Op::CreateStudy { name, business, start, end, cells } => {
            post(format!("{business}/ad_studies"), study(name, *start, *end, cells))
        }
        Op::DeleteRule { rule }
        | Op::EndStudy { study: rule }
        | Op::SetStatus { object: rule, kind: ObjectKind::Rule, to: Status::Deleted } => {
            Template { method: "DELETE".into(), path: rule.template(), params: Vec::new() }
        }
        Op::SetStatus { object, kind, to } => {
            post(object.template(), vec![pair("status", switch(*kind, to))])
        }
        Op::SetDailyBudget { object, to, .. } => {
            post(object.template(), vec![pair("daily_budget", to.minor().to_string())])
        }
        Op::SetEndTime { object, to } => {
            let end = to.map_or_else(|| "0".to_owned(), |m| m.seconds().to_string());
            post(object.template(), vec![pair("end_time", end)])
        }
        Op::SetSpendCap { object, to } => {
            let cap = to.map_or_else(|| NO_CAP.to_owned(), |m| m.minor().to_string());
            post(object.template(), vec![pair("spend_cap", cap)])
        }
    }
}

/// Rules have words of their own for on and off.
fn switch(kind: ObjectKind, to: &Status) -> String {
    match (kind, to) {
        (ObjectKind::Rule, Status::Active) => "ENABLED".to_owned(),
        (ObjectKind::Rule, Status::Paused | Status::Archived) => "DISABLED".to_owned(),
        _ => to.as_str().to_owned(),
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str).filter(|t| !t.is_empty())
}

/// The switch of everything that is created.
fn newborn() -> Status {
    if bug(Bug::CreatedActive) { Status::Active } else { Status::Paused }
}

fn campaign(op: &Op) -> Params {
    let Op::CreateCampaign { source, name, daily_budget, spend_cap, fields } = op else {
        return Params::new();
    };
    let mut params = vec![
        pair("name", name),
        pair("objective", text(fields, "objective").unwrap_or_default()),
        pair("status", newborn().as_str()),
        pair("buying_type", text(fields, "buying_type").unwrap_or("AUCTION")),
        pair("special_ad_categories", categories(fields)),
    ];
    match daily_budget {
        Some(budget) => {
            params.push(pair("daily_budget", budget.minor().to_string()));
            params.extend(text(fields, "bid_strategy").map(|s| pair("bid_strategy", s)));
        }
        // Sharing would let a fifth of an ad set's budget flow to its siblings; from v24 on it must be said
        // (error 4834011).
        None => params.push(pair("is_adset_budget_sharing_enabled", "false")),
    }
    params.extend(spend_cap.map(|cap| pair("spend_cap", cap.minor().to_string())));
    params.extend(take(fields, CAMPAIGN_COPY));
    params.push(pair("source_campaign_id", source.as_str()));
    params
}

/// Special ad categories must always be sent; none is said as `["NONE"]`.
fn categories(fields: &Fields) -> String {
    match fields.get("special_ad_categories") {
        Some(Value::Array(list)) if !list.is_empty() => Value::Array(list.clone()).to_string(),
        _ => r#"["NONE"]"#.to_owned(),
    }
}

fn adset(op: &Op) -> Params {
    let Op::CreateAdSet {
        source,
        campaign,
        name,
        rung,
        pixel_id,
        daily_budget,
        end_time,
        attribution,
        fields,
    } = op
    else {
        return Params::new();
    };
    let mut params = vec![
        pair("name", name),
        pair("campaign_id", campaign.template()),
        pair("status", newborn().as_str()),
        pair("optimization_goal", rung.goal.as_str()),
    ];
    let promoted = promoted(rung, pixel_id.as_deref(), fields);
    params.extend(promoted.map(|object| pair("promoted_object", object)));
    params.extend(targeting(fields).map(|t| pair("targeting", t)));
    if !attribution.is_empty() {
        params.push(pair("attribution_spec", windows(attribution)));
    }
    if let Some(budget) = daily_budget {
        params.push(pair("daily_budget", budget.minor().to_string()));
        params.extend(text(fields, "bid_strategy").map(|s| pair("bid_strategy", s)));
    }
    params.extend(end_time.map(|end| pair("end_time", end.seconds().to_string())));
    if param(fields.get("billing_event").unwrap_or(&Value::Null)).is_none() {
        params.push(pair("billing_event", "IMPRESSIONS"));
    }
    params.extend(take(fields, ADSET_COPY));
    params.push(pair("source_adset_id", source.as_str()));
    params
}

/// The event of the rung, with those members of the source's object that do not name an event.
fn promoted(rung: &Rung, pixel_id: Option<&str>, fields: &Fields) -> Option<String> {
    let source = fields.get("promoted_object").and_then(Value::as_object);
    let mut map = Map::new();
    for key in PROMOTED_COPY {
        if let Some(value) = source.and_then(|s| s.get(*key)) {
            map.insert((*key).to_owned(), value.clone());
        }
    }
    if rung.goal == Goal::OffsiteConversions {
        let own = source.and_then(|s| s.get("pixel_id")).and_then(Value::as_str);
        for (key, value) in [
            ("pixel_id", pixel_id.or(own)),
            ("custom_event_type", rung.custom_event_type.as_deref()),
            ("custom_event_str", rung.custom_event_str.as_deref()),
            ("custom_conversion_id", rung.custom_conversion_id.as_deref()),
        ] {
            if let Some(value) = value {
                map.insert(key.to_owned(), json!(value));
            }
        }
    }
    (!map.is_empty()).then(|| Value::Object(map).to_string())
}

/// `CLICK_THROUGH:7` becomes `{"event_type":"CLICK_THROUGH","window_days":7}`.
fn windows(list: &[String]) -> String {
    let one = |text: &String| {
        let (event, days) = text.split_once(':').unwrap_or((text, "1"));
        json!({"event_type": event, "window_days": days.parse::<u32>().unwrap_or(1)})
    };
    Value::Array(list.iter().map(one).collect()).to_string()
}

fn ad(source: &str, adset: &Target, name: &str, creative: &CreativeId, fields: &Fields) -> Params {
    let mut params = vec![
        pair("name", name),
        pair("adset_id", adset.template()),
        pair("status", newborn().as_str()),
        pair("creative", json!({"creative_id": creative.as_str()}).to_string()),
    ];
    params.extend(take(fields, AD_COPY));
    params.push(pair("source_ad_id", source));
    params
}

/// One cell per campaign, equal shares (Marketing API, "Split testing").
fn study(name: &str, start: Moment, end: Moment, cells: &[(String, Target)]) -> Params {
    let share = Op::cell_share(cells.len());
    let cell = |(name, campaign): &(String, Target)| json!({"name": name, "treatment_percentage": share, "campaigns": [campaign.template()]});
    let cells: Vec<Value> = cells.iter().map(cell).collect();
    vec![
        pair("name", name),
        pair("type", "SPLIT_TEST"),
        pair("start_time", start.seconds().to_string()),
        pair("end_time", end.seconds().to_string()),
        pair("cells", Value::Array(cells).to_string()),
    ]
}

/// Checked by Meta every half hour; money in rules is in minor units (Marketing API, "Ad rules").
fn pause_rule(name: &str, campaign: &Target, spend_over: Money) -> Params {
    let filter = |field: &str, operator: &str, value: Value| json!({"field": field, "operator": operator, "value": value});
    let evaluation = json!({
        "evaluation_type": "SCHEDULE",
        "filters": [
            filter("entity_type", "EQUAL", json!("CAMPAIGN")),
            filter("time_preset", "EQUAL", json!("LIFETIME")),
            filter("id", "IN", json!([campaign.template()])),
            filter("spent", "GREATER_THAN", json!(spend_over.minor())),
        ],
    });
    vec![
        pair("name", name),
        pair("evaluation_spec", evaluation.to_string()),
        pair("execution_spec", json!({"execution_type": "PAUSE"}).to_string()),
        pair("schedule_spec", json!({"schedule_type": "SEMI_HOURLY"}).to_string()),
        pair("status", "ENABLED"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AdId, AdSetId, CampaignId, Moment, ObjectId};

    fn account() -> AccountId {
        AccountId::new("act_1").unwrap()
    }
    fn fields(value: Value) -> Fields {
        serde_json::from_value(value).unwrap()
    }
    fn eur(minor: i64) -> Money {
        Money::from_minor(minor, "EUR".parse().unwrap())
    }
    fn id(text: &str) -> Target {
        Target::Id(ObjectId::new(text).unwrap())
    }
    fn shown(op: &Op) -> String {
        let template = of(&account(), op);
        let params: Vec<String> =
            template.params.iter().map(|(n, v)| format!("\n{n}={v}")).collect();
        format!("{} {}{}", template.method, template.path, params.concat())
    }
    fn rung(goal: Goal, event: Option<&str>) -> Box<Rung> {
        Box::new(Rung {
            key: "k".into(),
            title: "T".into(),
            goal,
            custom_event_type: event.map(str::to_owned),
            custom_event_str: None,
            custom_conversion_id: None,
            action_type: "a".into(),
        })
    }

    #[test]
    fn a_campaign_whose_ad_sets_carry_the_budget() {
        let op = Op::CreateCampaign {
            source: CampaignId::new("4").unwrap(),
            name: "N".into(),
            daily_budget: None,
            spend_cap: Some(eur(50_000)),
            fields: fields(json!({"id":"4","objective":"OUTCOME_SALES","buying_type":"AUCTION",
                "special_ad_categories":[],"bid_strategy":"LOWEST_COST_WITHOUT_CAP",
                "effective_status":"ACTIVE","budget_remaining":"7","start_time":"2026-01-01T00:00:00+0000",
                "adlabels":[{"id":"1"}]})),
        };
        assert_eq!(
            shown(&op),
            "POST act_1/campaigns\nname=N\nobjective=OUTCOME_SALES\nstatus=PAUSED\n\
             buying_type=AUCTION\nspecial_ad_categories=[\"NONE\"]\n\
             is_adset_budget_sharing_enabled=false\nspend_cap=50000\nsource_campaign_id=4"
        );
    }

    #[test]
    fn a_campaign_with_its_own_budget_and_special_category() {
        let op = Op::CreateCampaign {
            source: CampaignId::new("4").unwrap(),
            name: "N".into(),
            daily_budget: Some(eur(5_000)),
            spend_cap: None,
            fields: fields(json!({"objective":"OUTCOME_LEADS","special_ad_categories":["HOUSING"],
                "special_ad_category_country":["US"],"bid_strategy":"LOWEST_COST_WITHOUT_CAP"})),
        };
        assert_eq!(
            shown(&op),
            "POST act_1/campaigns\nname=N\nobjective=OUTCOME_LEADS\nstatus=PAUSED\n\
             buying_type=AUCTION\nspecial_ad_categories=[\"HOUSING\"]\ndaily_budget=5000\n\
             bid_strategy=LOWEST_COST_WITHOUT_CAP\nspecial_ad_category_country=[\"US\"]\n\
             source_campaign_id=4"
        );
    }

    fn adset_op(rung: Box<Rung>, budget: Option<Money>) -> Op {
        Op::CreateAdSet {
            source: AdSetId::new("5").unwrap(),
            campaign: Target::Created("campaign".into()),
            name: "S".into(),
            rung,
            pixel_id: None,
            daily_budget: budget,
            end_time: Some(Moment::from_millis(1_793_614_272_000)),
            attribution: vec!["CLICK_THROUGH:7".into(), "VIEW_THROUGH:1".into()],
            fields: fields(
                json!({"id":"5","billing_event":"IMPRESSIONS","destination_type":"WEBSITE",
                "optimization_sub_event":"NONE","bid_strategy":"LOWEST_COST_WITHOUT_CAP",
                "bid_amount":300,"pacing_type":["standard"],"is_dynamic_creative":false,
                "promoted_object":{"pixel_id":"99","custom_event_type":"ADD_TO_CART",
                    "product_set_id":"8","pixel_rule":"{}","smart_pse_enabled":false},
                "targeting":{"geo_locations":{"countries":["DE"]}},
                "learning_stage_info":{"status":"SUCCESS"},"start_time":"2026-01-01T00:00:00+0000"}),
            ),
        }
    }

    #[test]
    fn an_ad_set_at_the_next_pixel_event() {
        let rung = rung(Goal::OffsiteConversions, Some("INITIATED_CHECKOUT"));
        assert_eq!(
            shown(&adset_op(rung, Some(eur(2_500)))),
            "POST act_1/adsets\nname=S\ncampaign_id={campaign}\nstatus=PAUSED\n\
             optimization_goal=OFFSITE_CONVERSIONS\n\
             promoted_object={\"custom_event_type\":\"INITIATED_CHECKOUT\",\"pixel_id\":\"99\",\"product_set_id\":\"8\"}\n\
             targeting={\"geo_locations\":{\"countries\":[\"DE\"]},\"targeting_automation\":{\"advantage_audience\":0}}\n\
             attribution_spec=[{\"event_type\":\"CLICK_THROUGH\",\"window_days\":7},{\"event_type\":\"VIEW_THROUGH\",\"window_days\":1}]\n\
             daily_budget=2500\nbid_strategy=LOWEST_COST_WITHOUT_CAP\nend_time=1793614272\n\
             billing_event=IMPRESSIONS\ndestination_type=WEBSITE\npacing_type=[\"standard\"]\n\
             is_dynamic_creative=false\nsource_adset_id=5"
        );
    }

    #[test]
    fn an_ad_set_for_landing_page_views_under_a_campaign_budget_names_no_event_and_no_bid() {
        let text = shown(&adset_op(rung(Goal::LandingPageViews, None), None));
        assert!(text.contains("optimization_goal=LANDING_PAGE_VIEWS\n"));
        assert!(text.contains("promoted_object={\"product_set_id\":\"8\"}\n"));
        for absent in ["bid_", "daily_budget", "start_time", "pixel_id", "learning", "NONE"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }

    #[test]
    fn an_ad_shares_the_creative() {
        let op = Op::CreateAd {
            source: AdId::new("6").unwrap(),
            adset: Target::Created("adset.1".into()),
            name: "A".into(),
            creative: CreativeId::new("777").unwrap(),
            fields: fields(json!({"id":"6","conversion_domain":"shop.example",
                "tracking_specs":[{"action.type":["offsite_conversion"],"fb_pixel":["99"]}],
                "conversion_specs":[{"x":1}],"effective_status":"ACTIVE"})),
        };
        assert_eq!(
            shown(&op),
            "POST act_1/ads\nname=A\nadset_id={adset.1}\nstatus=PAUSED\n\
             creative={\"creative_id\":\"777\"}\n\
             tracking_specs=[{\"action.type\":[\"offsite_conversion\"],\"fb_pixel\":[\"99\"]}]\n\
             conversion_domain=shop.example\nsource_ad_id=6"
        );
    }

    #[test]
    fn the_pause_rule_watches_one_campaign_and_its_reference_binds() {
        let op = Op::CreatePauseRule {
            name: "R".into(),
            campaign: Target::Created("campaign".into()),
            spend_over: eur(20_000),
        };
        let template = of(&account(), &op);
        assert_eq!(
            shown(&op),
            "POST act_1/adrules_library\nname=R\n\
             evaluation_spec={\"evaluation_type\":\"SCHEDULE\",\"filters\":[\
             {\"field\":\"entity_type\",\"operator\":\"EQUAL\",\"value\":\"CAMPAIGN\"},\
             {\"field\":\"time_preset\",\"operator\":\"EQUAL\",\"value\":\"LIFETIME\"},\
             {\"field\":\"id\",\"operator\":\"IN\",\"value\":[\"{campaign}\"]},\
             {\"field\":\"spent\",\"operator\":\"GREATER_THAN\",\"value\":20000}]}\n\
             execution_spec={\"execution_type\":\"PAUSE\"}\n\
             schedule_spec={\"schedule_type\":\"SEMI_HOURLY\"}\nstatus=ENABLED"
        );
        let bindings = [("campaign".to_owned(), ObjectId::new("42").unwrap())].into();
        let bound = template.bind(&bindings).unwrap();
        assert!(bound.params[1].1.contains(r#""value":["42"]"#));
    }

    #[test]
    fn edits_set_absolute_values() {
        let set = |object| Op::SetStatus { object, kind: ObjectKind::AdSet, to: Status::Active };
        let campaign = ObjectKind::Campaign;
        let end = |to| Op::SetEndTime { object: id("5"), to };
        let cap = |to| Op::SetSpendCap { object: id("4"), to };
        let budget = Op::SetDailyBudget { object: id("4"), kind: campaign, to: eur(6_000) };
        let rule = |to| Op::SetStatus { object: id("9"), kind: ObjectKind::Rule, to };
        for (op, wanted) in [
            (set(Target::Created("adset.1".into())), "POST {adset.1}\nstatus=ACTIVE"),
            (budget, "POST 4\ndaily_budget=6000"),
            (end(Some(Moment::from_millis(5_999))), "POST 5\nend_time=5"),
            (end(None), "POST 5\nend_time=0"),
            (cap(Some(eur(10_000))), "POST 4\nspend_cap=10000"),
            (cap(None), "POST 4\nspend_cap=922337203685478"),
            (Op::DeleteRule { rule: id("9") }, "DELETE 9"),
            (rule(Status::Paused), "POST 9\nstatus=DISABLED"),
            (rule(Status::Deleted), "DELETE 9"),
        ] {
            assert_eq!(shown(&op), wanted);
        }
    }
}

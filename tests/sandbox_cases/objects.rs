//! Words of objects: reading, listing, writing, copying, watching.

use rungwise::{
    domain::{DAY_MS, HOUR_MS},
    ports::Method,
    sandbox::Options,
};
use serde_json::{Value, json};

use super::{
    Row,
    support::{Client, code, created, list},
};

fn on(client: &Client, version: &'static str) -> Client {
    Client { world: client.world.clone(), act: client.act.clone(), version }
}

pub(crate) const ROWS: &[Row] = &[
    ("versions v21 to v26 are served, under their own name", || {
        let client = Client::new();
        for version in ["v21.0", "v22.0", "v23.0", "v24.0", "v25.0", "v26.0"] {
            let reply = on(&client, version).reply(Method::Get, "ACT", &[("fields", "id")]);
            assert_eq!((reply.status, reply.header("facebook-api-version")), (200, Some(version)));
        }
        assert_eq!(code(&on(&client, "v20.0").get("ACT", &[])).0, 2635);
        assert_eq!(code(&on(&client, "v27.0").get("ACT", &[])).0, 2500);
    }),
    ("a version that has ended is upgraded with a warning", || {
        let client = Client::at("2026-11-02T08:00:00Z");
        let warned = |version| {
            on(&client, version)
                .reply(Method::Get, "ACT", &[])
                .header("x-ad-api-version-warning")
                .is_some()
        };
        assert!(warned("v24.0") && !warned("v25.0") && !warned("v26.0"));
        let client = Client::at("2026-09-02T08:00:00Z");
        assert!(
            on(&client, "v24.0")
                .reply(Method::Get, "ACT", &[])
                .header("x-ad-api-version-warning")
                .is_none()
        );
    }),
    ("slashes at the end and doubled ones do not matter", || {
        let client = Client::new();
        assert_eq!(client.get("ACT/", &[])["id"], client.get("/ACT", &[])["id"]);
    }),
    ("fields nest, with limits and filters of their own", || {
        let client = Client::new();
        let fields = "name,adsets.limit(1).effective_status(['ACTIVE']){id,ads.limit(1){id,creative{id,name}},campaign{name}}";
        let body = client.get(&client.id("campaigns", 0), &[("fields", fields)]);
        let set = &body["adsets"]["data"][0];
        assert_eq!(list(&body["adsets"]).len(), 1);
        assert!(
            set["ads"]["data"][0]["creative"]["name"].is_string()
                && set["campaign"]["name"].is_string()
        );
        assert!(
            body["adsets"]["paging"]["next"].as_str().unwrap().contains("/adsets?"),
            "nested pages go on by themselves"
        );
        let body = client
            .get("ACT", &[("fields", "campaigns{id,name},insights.date_preset(last_7d){spend}")]);
        assert_eq!(list(&body["campaigns"]).len(), 2);
        assert!(body["insights"]["data"][0]["spend"].is_string());
    }),
    ("limit, cursors, summary", || {
        let client = Client::new();
        let body = client.get("ACT/ads", &[("limit", "3"), ("summary", "total_count")]);
        assert_eq!((list(&body).len(), &body["summary"]["total_count"]), (3, &json!(7)));
        let after = body["paging"]["cursors"]["after"].as_str().unwrap();
        let next = client.get("ACT/ads", &[("limit", "3"), ("after", after)]);
        assert_ne!(next["data"][0]["id"], body["data"][0]["id"]);
        let before = next["paging"]["cursors"]["before"].as_str().unwrap();
        assert_eq!(
            client.get("ACT/ads", &[("limit", "3"), ("before", before)])["data"],
            body["data"]
        );
        assert_eq!(code(&client.get("ACT/ads", &[("limit", "0")])).0, 100);
    }),
    ("filtering of objects filters", || {
        let client = Client::new();
        let ask = |edge: &str, field: &str, operator: &str, value: Value| {
            let text = json!([{"field": field, "operator": operator, "value": value}]).to_string();
            list(&client.get(edge, &[("filtering", &text)])).len()
        };
        let campaign = client.id("campaigns", 1);
        assert_eq!(ask("ACT/adsets", "campaign.id", "IN", json!([campaign])), 2);
        assert_eq!(ask("ACT/ads", "adset.name", "CONTAIN", json!("Interests")), 2);
        assert_eq!(ask("ACT/campaigns", "name", "STARTS_WITH", json!("Shop | P")), 1);
        assert_eq!(ask("ACT/ads", "ad.effective_status", "NOT_IN", json!(["ACTIVE"])), 0);
        let soon = client.world.requests().len();
        assert!(soon > 0);
        assert_eq!(
            ask("ACT/campaigns", "campaign.updated_time", "GREATER_THAN", json!(4_000_000_000_u64)),
            0
        );
        assert_eq!(code(&client.get("ACT/ads", &[("filtering", r#"[{"field":"id"}]"#)])).0, 100);
    }),
    ("updated_since and order_by", || {
        let client = Client::new();
        let since = rungwise::ports::Clock::now(&client.world.clock()).seconds().to_string();
        assert!(list(&client.get("ACT/adsets", &[("updated_since", &since)])).is_empty());
        client.pass(60_000);
        let first = client.id("adsets", 0);
        client.post(&first, &[("name", "changed")]);
        assert_eq!(
            list(&client.get("ACT/adsets", &[("updated_since", &since)]))[0]["id"],
            first.as_str()
        );
        let sorted = client.get("ACT/adsets", &[("order_by", "updated_time"), ("sort", "desc")]);
        assert_eq!(sorted["data"][0]["id"], first.as_str());
    }),
    ("legal fields without a value are absent, unknown edges are nonexisting fields", || {
        let client = Client::new();
        let set = client.id("adsets", 0);
        assert_eq!(
            client.get(&set, &[("fields", "id,issues_info,rf_prediction_id")]),
            json!({"id": set})
        );
        let text =
            |path: &str| client.get(path, &[])["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            text(&format!("{set}/hats"))
                .contains("nonexisting field (hats) on node type (AdCampaign)")
        );
        assert!(text("ACT/hats").contains("on node type (AdAccount)"));
        assert_eq!(code(&client.post(&format!("{set}/hats"), &[])), (100, 33));
    }),
    ("a strict world refuses unknown fields, types and values in Meta's words", || {
        let client = Client::with(Options { strict: true, ..Options::default() });
        let set = client.id("adsets", 0);
        let text = |body: &Value| body["error"]["message"].as_str().unwrap_or("").to_owned();
        assert_eq!(
            text(&client.get(&set, &[("fields", "id,dayly")])),
            "(#100) Tried accessing nonexisting field (dayly) on node type (AdCampaign)"
        );
        assert!(
            text(&client.get("ACT/insights", &[("fields", "speend")]))
                .contains("speend is not valid for fields param")
        );
        assert_eq!(
            text(&client.post(&set, &[("daily_budget", "many")])),
            "(#100) Param daily_budget must be an integer"
        );
        assert!(
            text(&client.post(&set, &[("status", "ON")]))
                .starts_with("(#100) Param status must be one of {")
        );
        assert!(
            text(&client.get("ACT/ads", &[("effective_status", r#"["LIVE"]"#)])).is_empty(),
            "the list of ads takes any text"
        );
        assert!(
            text(&client.get("ACT/adsets", &[("effective_status", r#"["LIVE"]"#)]))
                .contains("effective_status[0] must be one of")
        );
        let body = client.post(&set, &[("status", "ON")]);
        assert_eq!(body["error"]["error_data"]["blame_field_specs"], json!([["status"]]));
        assert_eq!(
            client.post(&set, &[("colour", "red")]),
            json!({"success": true}),
            "unknown parameters are ignored"
        );
        assert!(client.get(&set, &[("fields", "ad_set_goal")])["error"].is_null());
        assert_eq!(code(&on(&client, "v25.0").get(&set, &[("fields", "ad_set_goal")])).0, 100);
    }),
    ("several ids in one read until 2026-10-27, and never again", || {
        let before = Client::at("2026-10-26T08:00:00Z");
        let ids = [before.id("adsets", 0), before.id("adsets", 1)];
        let both = before.get("", &[("ids", &ids.join(",")), ("fields", "name")]);
        assert!(both[&ids[0]]["name"].is_string() && both[&ids[1]]["name"].is_string(), "{both}");
        before.pass(2 * DAY_MS);
        assert_eq!(code(&before.get("", &[("ids", &ids.join(","))])).0, 100);
        let estimate = |c: &Client| {
            list(&c.get(&format!("{}/delivery_estimate", c.id("adsets", 0)), &[]))[0].clone()
        };
        assert!(estimate(&before).get("daily_outcomes_curve").is_none());
        assert!(
            estimate(&Client::at("2026-10-01T08:00:00Z")).get("daily_outcomes_curve").is_some()
        );
    }),
    ("budgets come back as texts in minor units, unset ones as \"0\"", || {
        let client = Client::new();
        assert_eq!(client.field(&client.id("adsets", 0), "daily_budget"), "6000");
        assert_eq!(client.field(&client.id("adsets", 2), "daily_budget"), "0");
        assert!(client.field(&client.id("adsets", 0), "budget_remaining").is_string());
    }),
    ("minimum budgets are told and kept", || {
        let client = Client::new();
        let least = &client.get("ACT/minimum_budgets", &[])["data"][0];
        let floor = least["min_daily_budget_imp"].as_i64().unwrap();
        assert_eq!(least["currency"], "EUR");
        let set = client.id("adsets", 0);
        assert_eq!(
            code(&client.post(&set, &[("daily_budget", &(floor - 1).to_string())])),
            (100, 1_885_272)
        );
    }),
    ("activities: who, what, when, filtered by object, person, kind and fields", || {
        let client = Client::new();
        let (set, campaign) = (client.id("adsets", 0), client.id("campaigns", 0));
        client.post(&set, &[("daily_budget", "6100")]);
        client.world.edit_as_person(&set, &[("daily_budget", "6200")]).unwrap();
        let of = |more: &[(&str, &str)]| list(&client.get("ACT/activities", more));
        let budget = of(&[("category", "BUDGET")]);
        assert_eq!(budget.len(), 2);
        for name in [
            "actor_id",
            "actor_name",
            "event_time",
            "event_type",
            "object_id",
            "object_type",
            "extra_data",
            "application_id",
            "translated_event_type",
        ] {
            assert!(budget[0][name].is_string(), "{name}");
        }
        assert!(serde_json::from_str::<Value>(budget[0]["extra_data"].as_str().unwrap()).is_ok());
        assert_eq!(
            of(&[("oid", &campaign), ("add_children", "true"), ("category", "BUDGET")]).len(),
            2
        );
        assert_eq!(of(&[("oid", &campaign), ("category", "BUDGET")]).len(), 0);
        assert_eq!(
            of(&[("extra_oids", &json!([set]).to_string()), ("category", "BUDGET")]).len(),
            2
        );
        assert_eq!(of(&[("uid", "1")]).len(), 0);
        assert_eq!(of(&[("since", "2099-01-01")]).len(), 0);
        assert_eq!(
            of(&[("fields", "event_type"), ("category", "BUDGET")])[0],
            json!({"event_type": "update_ad_set_budget"})
        );
        assert_eq!(
            list(&client.get(&format!("{set}/activities"), &[("category", "BUDGET")])).len(),
            2
        );
    }),
    ("ad rules are made, govern, act, are switched off and deleted", || {
        let client = Client::new();
        let campaign = client.id("campaigns", 0);
        let evaluation = json!({"evaluation_type": "SCHEDULE", "filters": [
            {"field": "entity_type", "operator": "EQUAL", "value": "CAMPAIGN"},
            {"field": "id", "operator": "IN", "value": [campaign]},
            {"field": "time_preset", "operator": "EQUAL", "value": "LIFETIME"},
            {"field": "spent", "operator": "GREATER_THAN", "value": 1}]})
        .to_string();
        let rule = created(&client.post(
            "ACT/adrules_library",
            &[
                ("name", "R"),
                ("evaluation_spec", &evaluation),
                ("execution_spec", r#"{"execution_type":"PAUSE"}"#),
                ("schedule_spec", r#"{"schedule_type":"SEMI_HOURLY"}"#),
            ],
        ));
        assert_eq!(
            client.get(&format!("{campaign}/adrules_governed"), &[])["data"][0]["id"],
            rule.as_str()
        );
        client.post(&rule, &[("status", "DISABLED")]);
        assert!(list(&client.get(&format!("{campaign}/adrules_governed"), &[])).is_empty());
        client.pass(2 * DAY_MS);
        assert_eq!(client.field(&campaign, "status"), "ACTIVE");
        client.post(&rule, &[("status", "ENABLED")]);
        client.pass(2 * DAY_MS);
        assert_eq!(client.field(&campaign, "status"), "PAUSED");
        assert_eq!(client.delete(&rule), json!({"success": true}));
        assert!(list(&client.get("ACT/adrules_library", &[])).is_empty());
        let bad = client.post(
            "ACT/adrules_library",
            &[
                ("name", "R"),
                ("evaluation_spec", &evaluation),
                ("execution_spec", r#"{"execution_type":"EXPLODE"}"#),
            ],
        );
        assert_eq!(code(&bad).0, 100);
    }),
    ("pixels, and what fires on them by hour, source and kind", || {
        let client = Client::new();
        let fields = "id,name,last_fired_time,is_unavailable,creation_time,owner_business";
        let pixel = &client.get("ACT/adspixels", &[("fields", fields)])["data"][0];
        assert!(pixel["last_fired_time"].is_string() && pixel["owner_business"]["id"].is_string());
        let stats = |more: &[(&str, &str)]| {
            let mut pairs = vec![("limit", "500")];
            pairs.extend(more);
            list(&client.get(&format!("{}/stats", pixel["id"].as_str().unwrap()), &pairs))
        };
        let total = |rows: &[Value]| -> i64 {
            rows.iter()
                .flat_map(|r| r["data"].as_array().unwrap())
                .map(|d| d["count"].as_i64().unwrap())
                .sum()
        };
        let all = stats(&[("aggregation", "event")]);
        assert_eq!(all.len(), 24, "a day of hours");
        assert!(
            all[0]["data"].to_string().contains("PageView") && all[0]["start_time"].is_string()
        );
        let web = stats(&[("aggregation", "event"), ("event_source", "WEB_ONLY")]);
        assert!(total(&web) < total(&all) && total(&web) > 0);
        let one = stats(&[("aggregation", "event"), ("event", "Purchase")]);
        assert!(one.iter().all(|r| r["data"].as_array().unwrap().len() == 1));
        assert!(!stats(&[("aggregation", "device_type")]).is_empty());
        assert_eq!(
            code(&client.get(
                &format!("{}/stats", pixel["id"].as_str().unwrap()),
                &[("aggregation", "weather")]
            ))
            .0,
            100
        );
        let month_ago = "2026-05-01T00:00:00Z";
        assert!(stats(&[("start_time", month_ago)]).len() <= 7 * 24);
    }),
    ("custom conversions are listed, made and counted", || {
        let client =
            Client::of(rungwise::sandbox::Scenario::custom_conversion(), Options::default());
        let first = client.id("customconversions", 0);
        assert!(!list(&client.get(&format!("{first}/stats"), &[])).is_empty());
        let rule = r#"{"and":[{"event":{"eq":"Purchase"}},{"value":{"gt":100}}]}"#;
        let pixel = client.id("adspixels", 0);
        let pairs = [
            ("name", "Big"),
            ("rule", rule),
            ("event_source_id", pixel.as_str()),
            ("custom_event_type", "PURCHASE"),
        ];
        let made = created(&client.post("ACT/customconversions", &pairs));
        assert_eq!(client.field(&made, "rule"), rule);
        let campaign = created(&client.campaign(&[]));
        let object = json!({"pixel_id": pixel, "custom_conversion_id": made, "custom_event_type": "PURCHASE"}).to_string();
        created(&client.adset(&campaign, &[("promoted_object", &object)]));
        assert_eq!(code(&client.post("ACT/customconversions", &[("name", "x")])).0, 100);
    }),
    ("labels are made by name, put on, taken off, replaced, and lead to what bears them", || {
        let client = Client::new();
        let (set, campaign) = (client.id("adsets", 0), client.id("campaigns", 0));
        let label = created(&client.post("ACT/adlabels", &[("name", "ladder")]));
        let named = r#"[{"name":"ladder"},{"name":"second"}]"#;
        client.post(&format!("{set}/adlabels"), &[("adlabels", named)]);
        let on = |id: &str| -> Vec<Value> {
            client.field(id, "adlabels").as_array().cloned().unwrap_or_default()
        };
        assert_eq!((on(&set).len(), &on(&set)[0]["id"]), (2, &json!(label)), "the edge adds");
        assert_eq!(list(&client.get(&format!("{label}/adsets"), &[]))[0]["id"], set.as_str());
        let by_id = json!([{"id": label}]).to_string();
        client.post(&set, &[("adlabels", &by_id)]);
        assert_eq!(on(&set).len(), 1, "an edit replaces");
        client.any(Method::Delete, &format!("{set}/adlabels"), &[("adlabels", &by_id)]);
        assert!(on(&set).is_empty());
        client.post(&campaign, &[("adlabels", &by_id)]);
        assert_eq!(list(&client.get(&format!("{label}/campaigns"), &[])).len(), 1);
        assert_eq!(code(&client.post(&campaign, &[("adlabels", r#"[{"id":"1"}]"#)])).0, 100);
        let fresh = created(&client.campaign(&[("adlabels", r#"[{"name":"third"}]"#)]));
        assert_eq!(on(&fresh)[0]["name"], "third");
        assert_eq!(list(&client.get("ACT/adlabels", &[])).len(), 3);
    }),
    ("studies split people over cells, read as nested edges, and end", || {
        let client = Client::new();
        let (a, b) = (client.id("campaigns", 0), client.id("campaigns", 1));
        let now = rungwise::ports::Clock::now(&client.world.clock()).seconds();
        let path = format!("{}/ad_studies", client.world.credentials().business_id);
        let make = |start: i64, kind: &str, second: &str| {
            let cells = json!([{"name": "A", "treatment_percentage": 50, "campaigns": [a]},
                               {"name": "B", "treatment_percentage": 50, "campaigns": [second]}])
            .to_string();
            client.post(
                &path,
                &[
                    ("name", "S"),
                    ("type", kind),
                    ("start_time", &start.to_string()),
                    ("end_time", &(now + 900_000).to_string()),
                    ("cells", &cells),
                ],
            )
        };
        assert_eq!(code(&make(now - 60, "SPLIT_TEST", &b)).0, 100, "the start must lie ahead");
        assert_eq!(code(&make(now + 60, "COIN_TOSS", &b)).0, 100);
        assert_eq!(code(&make(now + 60, "SPLIT_TEST", &a)).0, 100, "an object is in one cell only");
        let study = created(&make(now + 60, "SPLIT_TEST", &b));
        let fields = "id,name,type,start_time,end_time,cells{id,name,treatment_percentage,campaigns{id},adsets{id}}";
        let read = client.get("ACT/ad_studies", &[("fields", fields)])["data"][0].clone();
        assert_eq!(read["cells"]["data"][1]["campaigns"]["data"][0]["id"], b.as_str());
        assert_eq!(list(&client.get(&format!("{study}/cells"), &[("fields", "name")])).len(), 2);
        let cell = read["cells"]["data"][0]["id"].as_str().unwrap();
        assert_eq!(list(&client.get(&format!("{cell}/campaigns"), &[]))[0]["id"], a.as_str());
        client.pass(HOUR_MS);
        assert_eq!(
            code(&client.post(&study, &[("start_time", &(now + 9_999).to_string())])).0,
            100
        );
        assert_eq!(
            client.post(&study, &[("end_time", &(now + 990_000).to_string())]),
            json!({"success": true})
        );
        client.delete(&study);
        assert!(client.field(&study, "canceled_time").is_string());
    }),
    ("studies need the business's permission", || {
        let scopes = vec!["ads_read".to_owned(), "ads_management".to_owned()];
        let client = Client::with(Options { scopes, ..Options::default() });
        let path = format!("{}/ad_studies", client.world.credentials().business_id);
        let reply = client.reply(Method::Post, &path, &[("name", "S")]);
        assert_eq!(
            (reply.status, code(&serde_json::from_slice(&reply.body).unwrap()).0),
            (403, 200)
        );
        let reader =
            Client::with(Options { scopes: vec!["ads_read".to_owned()], ..Options::default() });
        let set = reader.id("adsets", 0);
        assert_eq!(code(&reader.post(&set, &[("daily_budget", "6100")])).0, 200);
        assert!(
            reader.post("ACT/insights", &[])["report_run_id"].is_string(),
            "a report changes nothing"
        );
    }),
    ("budget schedules are set, listed, nested and taken away", || {
        let client = Client::new();
        let set = client.id("adsets", 0);
        let now = rungwise::ports::Clock::now(&client.world.clock()).seconds();
        let (start, end) = ((now + 60).to_string(), (now + 90_000).to_string());
        let pairs = [
            ("budget_value", "3000"),
            ("budget_value_type", "ABSOLUTE"),
            ("time_start", start.as_str()),
            ("time_end", end.as_str()),
        ];
        let schedule = created(&client.post(&format!("{set}/budget_schedules"), &pairs));
        let read = client.get(&set, &[("fields", "budget_schedules{id,budget_value,time_end}")]);
        assert_eq!(read["budget_schedules"]["data"][0]["id"], schedule.as_str());
        assert_eq!(code(&client.post(&format!("{set}/budget_schedules"), &pairs[..3])).0, 100);
        client.delete(&schedule);
        assert!(list(&client.get(&format!("{set}/budget_schedules"), &[])).is_empty());
    }),
    ("copies keep lineage, names as told, PAUSED, and a localised word when nobody says", || {
        let client = Client::new();
        let set = client.id("adsets", 0);
        let copy = |more: &[(&str, &str)]| {
            client.post(&format!("{set}/copies"), more)["copied_adset_id"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let plain = copy(&[]);
        assert_eq!(
            (client.field(&plain, "name"), client.field(&plain, "status")),
            (json!("Lookalike 1 % - Copy"), json!("PAUSED"))
        );
        assert_eq!(client.field(&plain, "source_adset_id"), set.as_str());
        assert_eq!(client.field(&copy(&[("locale", "de_DE")]), "name"), "Lookalike 1 % – Kopie");
        let named = copy(&[("rename_options", r#"{"rename_prefix":"<","rename_suffix":">"}"#)]);
        assert_eq!(client.field(&named, "name"), "<Lookalike 1 %>");
        let kept = copy(&[
            ("rename_options", r#"{"rename_strategy":"NO_RENAME"}"#),
            ("status_option", "INHERITED_FROM_SOURCE"),
        ]);
        assert_eq!(
            (client.field(&kept, "name"), client.field(&kept, "status")),
            (json!("Lookalike 1 %"), json!("ACTIVE"))
        );
        let there = list(&client.get(
            &format!("{set}/copies"),
            &[("effective_status", r#"["PAUSED","ACTIVE","IN_PROCESS"]"#)],
        ));
        assert_eq!(there.len(), 4);
        assert_eq!(code(&client.post(&format!("{set}/copies"), &[("status_option", "ON")])).0, 100);
        let german = Client::with(Options { locale: "de_DE".to_owned(), ..Options::default() });
        let copied = german.post(&format!("{}/copies", german.id("campaigns", 0)), &[])["copied_campaign_id"].as_str().unwrap().to_owned();
        assert!(german.field(&copied, "name").as_str().unwrap().ends_with(" – Kopie"));
    }),
    ("copies take times, overrides and another creative", || {
        let client = Client::new();
        let (campaign, set, ad) =
            (client.id("campaigns", 0), client.id("adsets", 0), client.id("ads", 0));
        let now = rungwise::ports::Clock::now(&client.world.clock()).seconds();
        let (start, end) = ((now + 86_400).to_string(), (now + 5 * 86_400).to_string());
        let copy =
            client.post(&format!("{set}/copies"), &[("start_time", &start), ("end_time", &end)]);
        let read = client
            .get(copy["copied_adset_id"].as_str().unwrap(), &[("fields", "start_time,end_time")]);
        assert!(read["start_time"].is_string() && read["end_time"].is_string(), "{read}");
        let copy = client.post(
            &format!("{campaign}/copies"),
            &[("parameter_overrides", r#"{"spend_cap":20000}"#)],
        );
        assert_eq!(
            client.field(copy["copied_campaign_id"].as_str().unwrap(), "spend_cap"),
            "20000"
        );
        let copy = client
            .post(&format!("{ad}/copies"), &[("creative_parameters", r#"{"url_tags":"utm=b"}"#)]);
        let fresh = copy["copied_ad_id"].as_str().unwrap();
        let read = client.get(fresh, &[("fields", "creative{id,url_tags}")]);
        assert_eq!(read["creative"]["url_tags"], "utm=b");
        assert_ne!(
            read["creative"]["id"],
            client.get(&ad, &[("fields", "creative{id}")])["creative"]["id"]
        );
    }),
    ("copies obey the laws of today: size, legacy types, EU, standard enhancements", || {
        let client = Client::new();
        let large = client.id("campaigns", 1);
        assert_eq!(
            code(&client.post(&format!("{large}/copies"), &[("deep_copy", "true")])),
            (100, 1_885_194)
        );
        assert!(
            client.post(&format!("{large}/copies"), &[])["copied_campaign_id"].is_string(),
            "a shallow copy is small"
        );
        let spec = json!({"page_id": "1"}).to_string();
        let bundle =
            r#"{"creative_features_spec":{"standard_enhancements":{"enroll_status":"OPT_IN"}}}"#;
        let creative = created(&client.post(
            "ACT/adcreatives",
            &[("name", "C"), ("object_story_spec", &spec), ("degrees_of_freedom_spec", bundle)],
        ));
        let set = client.id("adsets", 0);
        let named = json!({"creative_id": creative}).to_string();
        let ad = created(
            &client.post("ACT/ads", &[("name", "A"), ("adset_id", &set), ("creative", &named)]),
        );
        assert_eq!(code(&client.post(&format!("{ad}/copies"), &[])), (100, 3_858_504));
        assert_eq!(
            code(&client.post(&format!("{set}/copies"), &[("deep_copy", "true")])),
            (100, 3_858_504)
        );
        assert!(client.post(&format!("{set}/copies"), &[])["copied_adset_id"].is_string());
    }),
    ("validate_only tells the truth and changes nothing; copies do not heed it", || {
        let client = Client::new();
        let trial = ("execution_options", r#"["validate_only"]"#);
        assert_eq!(client.campaign(&[trial]), json!({"success": true}));
        let campaign = client.id("campaigns", 0);
        assert_eq!(client.adset(&campaign, &[trial]), json!({"success": true}));
        assert_eq!(
            code(&client.adset(&campaign, &[trial, ("daily_budget", "5")])),
            (100, 1_885_272)
        );
        assert_eq!(client.post("ACT/adlabels", &[("name", "L"), trial]), json!({"success": true}));
        assert!(client.world.requests().iter().all(|r| r.mutation.is_null()));
        assert!(
            client.post(&format!("{campaign}/copies"), &[trial])["copied_campaign_id"].is_string()
        );
    }),
    ("the EU asks for payer and beneficiary, special categories for the audience switch", || {
        let client = Client::new();
        let campaign = created(&client.campaign(&[]));
        let europe = ("targeting", r#"{"geo_locations":{"countries":["FR"]}}"#);
        assert_eq!(code(&client.adset(&campaign, &[europe])), (100, 3_858_079));
        assert_eq!(
            code(&client.adset(&campaign, &[europe, ("dsa_beneficiary", "U")])),
            (100, 3_858_081)
        );
        let housing = created(&client.campaign(&[("special_ad_categories", r#"["HOUSING"]"#)]));
        assert_eq!(code(&client.adset(&housing, &[])).0, 100);
        created(&on(&client, "v25.0").adset(&housing, &[]));
        assert_eq!(code(&client.campaign(&[("special_ad_categories", "")])).0, 100);
    }),
    ("campaigns without a budget must say whether ad sets share theirs", || {
        let client = Client::new();
        let unsaid = [("is_adset_budget_sharing_enabled", "")];
        assert_eq!(code(&client.campaign(&unsaid)), (100, 4_834_011));
        assert_eq!(code(&on(&client, "v25.0").campaign(&unsaid)), (100, 4_834_011));
        created(
            &client.campaign(&[("is_adset_budget_sharing_enabled", ""), ("daily_budget", "9000")]),
        );
        let strict = Client::with(Options { sharing_flag_since: 24, ..Options::default() });
        assert_eq!(code(&on(&strict, "v24.0").campaign(&unsaid)), (100, 4_834_011));
    }),
    ("a rejected ad tells why and is revived by nothing", || {
        let client = Client::new();
        let ad = client.id("ads", 0);
        assert!(client.world.disapprove(&ad));
        let read =
            client.get(&ad, &[("fields", "effective_status,issues_info,ad_review_feedback")]);
        assert_eq!(
            (&read["effective_status"], &read["issues_info"][0]["error_type"]),
            (&json!("DISAPPROVED"), &json!("HARD_ERROR"))
        );
        assert!(read["ad_review_feedback"].is_object());
        client.post(&ad, &[("status", "PAUSED")]);
        assert_eq!(code(&client.post(&ad, &[("status", "ACTIVE")])), (100, 2_490_468));
        let other = json!({"creative_id": client.id("adcreatives", 1)}).to_string();
        assert_eq!(code(&client.post(&ad, &[("creative", &other)])), (100, 2_490_427));
    }),
    ("the account's own spending limit changes at most ten times a day", || {
        let client = Client::new();
        for n in 1..=10 {
            assert_eq!(
                client.post("ACT", &[("spend_cap", &(n * 100_000).to_string())]),
                json!({"success": true})
            );
        }
        assert_eq!(client.get("ACT", &[("fields", "spend_cap")])["spend_cap"], "1000000");
        assert_eq!(code(&client.post("ACT", &[("spend_cap", "5")])), (17, 1_885_172));
        client.pass(DAY_MS);
        assert_eq!(client.post("ACT", &[("spend_cap", "500000")]), json!({"success": true}));
    }),
    ("the app can demand a proof, also where a batch carries it for its entries", || {
        let client = Client::with(Options { require_proof: true, ..Options::default() });
        assert_eq!(code(&client.get("ACT", &[])).0, 100);
    }),
];

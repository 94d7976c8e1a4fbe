//! The rehearsal world as a client meets it: each rule that refuses has a case here that fails if the rule is gone.

use rungwise::{
    domain::{DAY_MS, HOUR_MS, Moment, Zone},
    ports::{Clock, Method, Request, Response, Transport, TransportError},
    sandbox::{
        Fault, Options, Sandbox, Scenario, ScriptedFaults, SteadyAudience, Tier,
        http::{ServeOptions, serve},
    },
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// A client that knows how to log in and nothing else.
struct Client {
    sandbox: Sandbox,
    act: String,
    version: &'static str,
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

impl Client {
    fn new(scenario: Scenario) -> Self {
        Self::of(Sandbox::new(scenario))
    }
    fn of(sandbox: Sandbox) -> Self {
        let act = format!("act_{}", sandbox.credentials().account_id);
        Self { sandbox, act, version: "v26.0" }
    }
    async fn send(
        &self,
        method: Method,
        path: &str,
        pairs: Pairs<'_>,
    ) -> Result<Response, TransportError> {
        let path = format!("/{}/{}", self.version, path.replace("ACT", &self.act));
        let mut request = Request::get(path);
        request.method = method;
        for (name, value) in pairs {
            request = if method == Method::Get {
                request.with(name, *value)
            } else {
                request.form(name, *value)
            };
        }
        request.token = Some(self.sandbox.credentials().access_token);
        self.sandbox.send(&request).await
    }
    async fn any(&self, method: Method, path: &str, pairs: Pairs<'_>) -> Value {
        let reply = self.send(method, path, pairs).await.expect("no fault is set");
        serde_json::from_slice(&reply.body).expect("answers are JSON")
    }
    async fn get(&self, path: &str, pairs: Pairs<'_>) -> Value {
        self.any(Method::Get, path, pairs).await
    }
    async fn post(&self, path: &str, pairs: Pairs<'_>) -> Value {
        self.any(Method::Post, path, pairs).await
    }
    /// The id of the n-th object of an account edge.
    async fn id(&self, edge: &str, n: usize) -> String {
        let list = self.get(&format!("ACT/{edge}"), &[("fields", "id"), ("limit", "100")]).await;
        list["data"][n]["id"].as_str().expect("the edge has that many objects").to_owned()
    }
    async fn pixel(&self) -> String {
        self.id("adspixels", 0).await
    }
    fn pass(&self, ms: i64) {
        self.sandbox.advance_to(self.sandbox.clock().now().plus(ms));
    }
    /// Creates a paused campaign without a budget.
    async fn campaign(&self, more: Pairs<'_>) -> Value {
        let mut pairs = vec![
            ("name", "New"),
            ("objective", "OUTCOME_SALES"),
            ("special_ad_categories", "[]"),
            ("is_adset_budget_sharing_enabled", "false"),
        ];
        with(&mut pairs, more);
        self.post("ACT/campaigns", &pairs).await
    }
    /// Creates a paused ad set in a campaign; `more` replaces or adds parameters, an empty value removes one.
    async fn adset(&self, campaign: &str, more: Pairs<'_>) -> Value {
        let object =
            json!({"pixel_id": self.pixel().await, "custom_event_type": "ADD_TO_CART"}).to_string();
        let mut pairs = vec![
            ("name", "Set"),
            ("campaign_id", campaign),
            ("daily_budget", "5000"),
            ("billing_event", "IMPRESSIONS"),
            ("optimization_goal", "OFFSITE_CONVERSIONS"),
            ("promoted_object", object.as_str()),
            ("targeting", r#"{"geo_locations":{"countries":["US"]}}"#),
        ];
        with(&mut pairs, more);
        self.post("ACT/adsets", &pairs).await
    }
}

fn with<'a>(pairs: &mut Vec<(&'a str, &'a str)>, more: &[(&'a str, &'a str)]) {
    for (name, value) in more {
        pairs.retain(|(n, _)| n != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
}

fn code(body: &Value) -> (i64, i64) {
    let number = |name: &str| body["error"][name].as_i64().unwrap_or(0);
    (number("code"), number("error_subcode"))
}

fn created(body: &Value) -> String {
    assert!(body["id"].is_string(), "not created: {body}");
    body["id"].as_str().unwrap_or_default().to_owned()
}

fn shop() -> Client {
    Client::new(Scenario::default())
}

#[tokio::test]
async fn a_wrong_token_a_wrong_proof_and_an_unknown_id_are_refused_as_meta_does() {
    let client = shop();
    let mut request = Request::get(format!("/v26.0/{}", client.act)).with("access_token", "WRONG");
    let reply = client.sandbox.send(&request).await.unwrap();
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, code(&body).0), (400, 190));
    assert_eq!(body["error"]["type"], "OAuthException");
    assert!(body["error"]["fbtrace_id"].as_str().unwrap().len() > 8);
    request = Request::get(format!("/v26.0/{}", client.act));
    request.token = Some(client.sandbox.credentials().access_token);
    request.proof = Some("00".into());
    let body: Value =
        serde_json::from_slice(&client.sandbox.send(&request).await.unwrap().body).unwrap();
    assert_eq!((code(&body).0, &body["error"]["type"]), (100, &json!("GraphMethodException")));
    assert_eq!(code(&client.get("424242", &[]).await), (100, 33));
    request = Request::get(format!("/{}", client.act));
    request.token = Some(client.sandbox.credentials().access_token);
    let body: Value =
        serde_json::from_slice(&client.sandbox.send(&request).await.unwrap().body).unwrap();
    assert_eq!(code(&body).0, 2635, "Marketing calls need a version");
}

#[tokio::test]
async fn fields_are_shown_as_asked_and_unknown_ones_are_absent() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    let fields =
        "name,campaign{id,name},daily_budget,no_such_field,ads.limit(1){id,creative{id,url_tags}}";
    let body = client.get(&set, &[("fields", fields)]).await;
    assert!(body["daily_budget"].is_string());
    assert!(body["campaign"]["name"].is_string());
    assert!(body["ads"]["data"][0]["creative"]["url_tags"].is_string());
    assert!(body.get("no_such_field").is_none());
    assert_eq!(client.get(&set, &[]).await, json!({"id": set}));
}

#[tokio::test]
async fn lists_page_by_cursor_count_on_request_and_refuse_bad_cursors() {
    let client = shop();
    let first =
        client.get("ACT/ads", &[("limit", "2"), ("summary", "true"), ("fields", "id")]).await;
    assert_eq!(first["summary"]["total_count"], 7);
    let next = first["paging"]["next"].as_str().unwrap();
    assert!(next.contains("access_token=") && next.contains("limit=2"));
    let (mut after, mut seen) = (first["paging"]["cursors"]["after"].clone(), 2);
    while let Some(cursor) = after.as_str().map(str::to_owned) {
        let page =
            client.get("ACT/ads", &[("limit", "2"), ("fields", "id"), ("after", &cursor)]).await;
        seen += page["data"].as_array().unwrap().len();
        after = page["paging"]["cursors"]["after"].clone();
    }
    assert_eq!(seen, 7);
    assert_eq!(code(&client.get("ACT/ads", &[("after", "garbage")]).await).0, 2642);
}

#[tokio::test]
async fn archived_objects_show_only_when_asked_for() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    client.post(&set, &[("status", "ARCHIVED")]).await;
    let count = |body: Value| body["data"].as_array().unwrap().len();
    assert_eq!(count(client.get("ACT/adsets", &[]).await), 3);
    let asked = client.get("ACT/adsets", &[("effective_status", r#"["ARCHIVED"]"#)]).await;
    assert_eq!(asked["data"][0]["id"], set.as_str());
    let filtering = r#"[{"field":"name","operator":"CONTAIN","value":"visitors"}]"#;
    assert_eq!(count(client.get("ACT/adsets", &[("filtering", filtering)]).await), 1);
}

async fn rows(client: &Client, path: &str, more: Pairs<'_>) -> Vec<Value> {
    let mut pairs = vec![
        ("level", "adset"),
        ("time_increment", "1"),
        ("date_preset", "last_30d"),
        (
            "fields",
            "adset_id,spend,impressions,actions,action_values,cost_per_action_type,results,attribution_setting",
        ),
        ("limit", "1000"),
    ];
    with(&mut pairs, more);
    let body = client.get(path, &pairs).await;
    assert!(body["data"].is_array(), "{body}");
    body["data"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn insights_are_texts_with_alias_families_and_windows() {
    let client = shop();
    let windows = [("action_attribution_windows", r#"["1d_click","7d_click","1d_view"]"#)];
    let all = rows(&client, "ACT/insights", &windows).await;
    assert_eq!(all.len(), 4 * 30);
    let row = all.iter().find(|r| r["actions"].to_string().contains("omni_purchase")).unwrap();
    assert!(row["spend"].is_string() && row["impressions"].is_string());
    let value = |name: &str| {
        let list = row["actions"].as_array().unwrap();
        list.iter().find(|a| a["action_type"] == name).unwrap_or_else(|| panic!("{name}"))["value"]
            .clone()
    };
    for alias in ["purchase", "omni_purchase", "onsite_web_purchase", "web_in_store_purchase"] {
        assert_eq!(value(alias), value("offsite_conversion.fb_pixel_purchase"));
    }
    assert_eq!(
        value("omni_initiated_checkout"),
        value("offsite_conversion.fb_pixel_initiate_checkout")
    );
    assert!(row["actions"].to_string().contains("7d_click"));
    assert!(!row["cost_per_action_type"].to_string().contains("offsite_conversion."));
    assert_eq!(row["attribution_setting"], "7d_click_1d_view");
}

#[tokio::test]
async fn totals_of_the_account_equal_the_sum_of_the_sets_and_of_the_ads() {
    let client = shop();
    let cents = |rows: &[Value]| -> i64 {
        let one =
            |r: &Value| (r["spend"].as_str().unwrap().parse::<f64>().unwrap() * 100.0).round();
        rows.iter().map(|r| format!("{}", one(r)).parse::<i64>().unwrap()).sum()
    };
    let total = |level| [("level", level), ("time_increment", "all_days")];
    let account = rows(&client, "ACT/insights", &total("account")).await;
    assert_eq!(account.len(), 1);
    for level in ["campaign", "adset", "ad"] {
        assert_eq!(
            cents(&account),
            cents(&rows(&client, "ACT/insights", &total(level)).await),
            "{level}"
        );
    }
}

#[tokio::test]
async fn breakdowns_slice_rows_without_losing_or_inventing_anything() {
    let client = shop();
    let sum = |rows: &[Value]| -> u64 {
        rows.iter().map(|r| r["impressions"].as_str().unwrap().parse::<u64>().unwrap()).sum()
    };
    let whole = rows(&client, "ACT/insights", &[]).await;
    let sliced = rows(&client, "ACT/insights", &[("breakdowns", "age,gender")]).await;
    assert_eq!((sliced.len(), sum(&sliced)), (whole.len() * 6, sum(&whole)));
    assert!(sliced[0]["age"].is_string() && sliced[0]["gender"].is_string());
}

#[tokio::test]
async fn absurd_numbers_and_endless_nesting_are_survived() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    for budget in ["9223372036854775807", "-5", "1e300", "abc"] {
        assert_eq!(code(&client.post(&set, &[("daily_budget", budget)]).await).0, 100, "{budget}");
    }
    client.post(&set, &[("end_time", "9223372036854775807")]).await;
    let deep = "campaign{adsets{".repeat(2_000);
    client.get(&set, &[("fields", &deep)]).await;
    let far = r#"{"since":"2026-05-01","until":"9999-12-31"}"#;
    let future = rows(&client, "ACT/insights", &[("time_range", far), ("date_preset", "")]).await;
    assert!(!future.is_empty());
}

#[tokio::test]
async fn recent_days_are_restated_and_settle_and_today_has_no_rows_yet() {
    let client = Client::new(Scenario::default());
    client.pass(HOUR_MS);
    let zone: Zone = "Europe/Berlin".parse().unwrap();
    let yesterday = zone.day_of(client.sandbox.clock().now()).plus(-1);
    let range = format!(r#"{{"since":"{yesterday}","until":"{yesterday}"}}"#);
    let landing = |rows: &[Value]| -> i64 {
        let sets = rows.iter().flat_map(|r| r["actions"].as_array().unwrap().clone());
        let views = sets.filter(|a| a["action_type"] == "landing_page_view");
        views.map(|a| a["value"].as_str().unwrap().parse::<i64>().unwrap()).sum()
    };
    let pairs = [("time_range", range.as_str()), ("date_preset", "")];
    let fresh = landing(&rows(&client, "ACT/insights", &pairs).await);
    client.pass(3 * DAY_MS);
    let later = landing(&rows(&client, "ACT/insights", &pairs).await);
    client.pass(10 * DAY_MS);
    let last = landing(&rows(&client, "ACT/insights", &pairs).await);
    assert!(fresh < later && later < last, "{fresh} {later} {last}");
    assert!(rows(&client, "ACT/insights", &[("date_preset", "today")]).await.is_empty());
}

#[tokio::test]
async fn insights_filter_sort_and_know_their_retention() {
    let client = shop();
    let campaign = client.id("campaigns", 0).await;
    let filtering =
        format!(r#"[{{"field":"campaign.id","operator":"IN","value":["{campaign}"]}}]"#);
    assert_eq!(rows(&client, "ACT/insights", &[("filtering", &filtering)]).await.len(), 60);
    let none = r#"[{"field":"spend","operator":"GREATER_THAN","value":1000000}]"#;
    assert!(rows(&client, "ACT/insights", &[("filtering", none)]).await.is_empty());
    let sorted = rows(&client, "ACT/insights", &[("sort", r#"["spend_descending"]"#)]).await;
    let spends: Vec<f64> =
        sorted.iter().map(|r| r["spend"].as_str().unwrap().parse().unwrap()).collect();
    assert!(spends.is_sorted_by(|a, b| a >= b));
    let old = client
        .get("ACT/insights", &[("time_range", r#"{"since":"2022-01-01","until":"2026-01-01"}"#)])
        .await;
    assert_eq!(code(&old).0, 3018);
    let backwards = r#"{"since":"2026-02-01","until":"2026-01-01"}"#;
    assert_eq!(code(&client.get("ACT/insights", &[("time_range", backwards)]).await).0, 100);
    assert_eq!(code(&client.get("ACT/insights", &[("time_increment", "91")]).await).0, 100);
}

#[tokio::test]
async fn a_report_run_progresses_and_refuses_to_be_read_early() {
    let client = shop();
    let run = client
        .post(
            "ACT/insights",
            &[("level", "adset"), ("time_increment", "1"), ("date_preset", "last_7d")],
        )
        .await;
    let id = run["report_run_id"].as_str().unwrap().to_owned();
    assert_eq!(code(&client.get(&format!("{id}/insights"), &[]).await).0, 2601);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let state = client.get(&id, &[("fields", "async_status,async_percent_completion")]).await;
        assert!(state["async_percent_completion"].is_number());
        seen.push(state["async_status"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["Job Not Started", "Job Started", "Job Running", "Job Completed"]);
    let rows = client.get(&format!("{id}/insights"), &[("limit", "100")]).await;
    assert_eq!(rows["data"].as_array().unwrap().len(), 28);
    assert!(
        client.sandbox.requests().iter().all(|r| r.mutation.is_null()),
        "a report changes nothing"
    );
}

#[tokio::test]
async fn lead_events_come_in_their_own_field_and_custom_conversions_under_their_id() {
    let leads = Client::new(Scenario::lead_generation());
    let all = rows(&leads, "ACT/insights", &[("fields", "actions,conversions")]).await;
    assert!(all[0]["conversions"].to_string().contains("contact_website"));
    assert!(!all[0]["actions"].to_string().contains("contact"));
    assert!(all[0]["actions"].to_string().contains("offsite_conversion.fb_pixel_lead"));
    let custom = Client::new(Scenario::custom_conversion());
    let id = custom.id("customconversions", 0).await;
    let all = rows(&custom, "ACT/insights", &[]).await;
    assert!(all[0]["actions"].to_string().contains(&format!("offsite_conversion.custom.{id}")));
}

#[tokio::test]
async fn a_campaign_needs_what_meta_needs() {
    let client = shop();
    let cases: [(Pairs<'_>, (i64, i64)); 9] = [
        (&[("name", "")], (100, 0)),
        (&[("objective", "CONVERSIONS")], (100, 0)),
        (&[("special_ad_categories", "")], (100, 0)),
        (&[("special_ad_categories", r#"["CHEESE"]"#)], (100, 0)),
        (&[("status", "ARCHIVED")], (100, 0)),
        (&[("is_adset_budget_sharing_enabled", "")], (100, 4_834_011)),
        (&[("bid_strategy", "COST_CAP")], (100, 1_885_737)),
        (&[("daily_budget", "20")], (100, 2_238_055)),
        (&[("spend_cap", "500")], (100, 2_446_307)),
    ];
    for (more, expected) in cases {
        assert_eq!(code(&client.campaign(more).await), expected, "{more:?}");
    }
    let id = created(&client.campaign(&[("spend_cap", "15000")]).await);
    let read =
        client.get(&id, &[("fields", "status,spend_cap,daily_budget,effective_status")]).await;
    assert_eq!(
        read,
        json!({"id": id, "status": "PAUSED", "spend_cap": "15000", "effective_status": "PAUSED"})
    );
}

#[tokio::test]
async fn an_ad_set_needs_what_meta_needs() {
    let client = shop();
    let campaign = created(&client.campaign(&[]).await);
    let pixel = client.pixel().await;
    let event = |kind: &str| json!({"pixel_id": pixel, "custom_event_type": kind}).to_string();
    let (search, bare) = (event("SEARCH"), json!({"pixel_id": pixel}).to_string());
    let named =
        json!({"pixel_id": pixel, "custom_event_type": "PURCHASE", "custom_event_str": "x"})
            .to_string();
    let absent = json!({"pixel_id": pixel, "custom_conversion_id": "1"}).to_string();
    let view = r#"[{"event_type":"CLICK_THROUGH","window_days":7},{"event_type":"VIEW_THROUGH","window_days":7}]"#;
    let seven = r#"[{"event_type":"CLICK_THROUGH","window_days":7}]"#;
    let europe = r#"{"geo_locations":{"countries":["DE"]}}"#;
    let cases: [(Pairs<'_>, (i64, i64)); 18] = [
        (&[("name", "")], (100, 0)),
        (&[("campaign_id", "123")], (100, 0)),
        (&[("optimization_goal", "")], (100, 0)),
        (&[("optimization_goal", "THRUPLAY")], (100, 2_490_408)),
        (&[("billing_event", "LINK_CLICKS")], (100, 0)),
        (&[("targeting", "{}")], (100, 0)),
        (&[("promoted_object", "")], (100, 0)),
        (&[("promoted_object", &bare)], (100, 0)),
        (&[("promoted_object", &search)], (100, 2_490_408)),
        (&[("promoted_object", &named)], (100, 0)),
        (&[("promoted_object", &absent)], (100, 0)),
        (&[("attribution_spec", view)], (100, 0)),
        (
            &[
                ("attribution_spec", seven),
                ("optimization_goal", "LANDING_PAGE_VIEWS"),
                ("promoted_object", ""),
            ],
            (100, 0),
        ),
        (&[("daily_budget", "50")], (100, 1_885_272)),
        (&[("daily_budget", "")], (100, 1_885_621)),
        (&[("daily_budget", ""), ("lifetime_budget", "90000")], (100, 0)),
        (&[("bid_strategy", "COST_CAP")], (100, 1_815_857)),
        (&[("targeting", europe)], (100, 3_858_079)),
    ];
    for (more, expected) in cases {
        assert_eq!(code(&client.adset(&campaign, more).await), expected, "{more:?}");
    }
    let beneficiary = [("targeting", europe), ("dsa_beneficiary", "Us")];
    assert_eq!(code(&client.adset(&campaign, &beneficiary).await), (100, 3_858_081));
    let pooled = client.id("campaigns", 1).await;
    assert_eq!(
        code(&client.adset(&pooled, &[]).await),
        (100, 1_885_621),
        "a campaign budget is enough"
    );
    created(&client.adset(&campaign, &[]).await);
}

#[tokio::test]
async fn special_categories_must_say_whether_the_audience_may_widen() {
    let mut client = shop();
    let campaign = created(&client.campaign(&[("special_ad_categories", r#"["HOUSING"]"#)]).await);
    assert_eq!(code(&client.adset(&campaign, &[]).await).0, 100);
    let said =
        r#"{"geo_locations":{"countries":["US"]},"targeting_automation":{"advantage_audience":0}}"#;
    created(&client.adset(&campaign, &[("targeting", said)]).await);
    client.version = "v25.0";
    created(&client.adset(&campaign, &[]).await);
}

#[tokio::test]
async fn the_event_of_a_published_ad_set_is_immutable_and_of_a_draft_is_not() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    let object =
        json!({"pixel_id": client.pixel().await, "custom_event_type": "INITIATED_CHECKOUT"})
            .to_string();
    assert_eq!(code(&client.post(&set, &[("promoted_object", &object)]).await), (100, 3_260_011));
    assert_eq!(
        code(&client.post(&set, &[("optimization_goal", "LINK_CLICKS")]).await),
        (100, 3_260_011)
    );
    let campaign = created(&client.campaign(&[]).await);
    let draft = created(&client.adset(&campaign, &[]).await);
    assert_eq!(
        client.post(&draft, &[("promoted_object", &object)]).await,
        json!({"success": true})
    );
}

#[tokio::test]
async fn the_fifth_budget_change_within_an_hour_is_refused() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    for budget in ["6100", "6200", "6300", "6400"] {
        assert_eq!(client.post(&set, &[("daily_budget", budget)]).await, json!({"success": true}));
    }
    assert_eq!(code(&client.post(&set, &[("daily_budget", "6500")]).await), (613, 1_487_632));
    client.pass(HOUR_MS);
    assert_eq!(client.post(&set, &[("daily_budget", "6500")]).await, json!({"success": true}));
}

#[tokio::test]
async fn a_budget_cannot_fall_below_what_was_spent_today() {
    let client = shop();
    client.pass(9 * HOUR_MS);
    let set = client.id("adsets", 0).await;
    assert_eq!(code(&client.post(&set, &[("daily_budget", "200")]).await), (100, 1_885_650));
    assert_eq!(
        code(&client.post(&set, &[("lifetime_budget", "90000"), ("daily_budget", "0")]).await).0,
        100
    );
}

#[tokio::test]
async fn archived_objects_take_only_a_name_or_their_deletion() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    client.post(&set, &[("status", "ARCHIVED")]).await;
    assert_eq!(code(&client.post(&set, &[("status", "ACTIVE")]).await), (100, 1_487_566));
    assert_eq!(code(&client.post(&set, &[("daily_budget", "7000")]).await), (100, 1_487_566));
    assert_eq!(client.post(&set, &[("name", "old")]).await, json!({"success": true}));
    assert_eq!(client.any(Method::Delete, &set, &[]).await, json!({"success": true}));
    assert_eq!(client.get(&set, &[("fields", "status")]).await["status"], "DELETED");
    assert_eq!(code(&client.post(&set, &[("status", "PAUSED")]).await), (100, 1_487_566));
}

#[tokio::test]
async fn validate_only_tells_the_truth_and_changes_nothing() {
    let client = shop();
    let trial = ("execution_options", r#"["validate_only"]"#);
    assert_eq!(client.campaign(&[trial]).await, json!({"success": true}));
    let set = client.id("adsets", 0).await;
    assert_eq!(
        client.post(&set, &[("daily_budget", "9000"), trial]).await,
        json!({"success": true})
    );
    assert_eq!(code(&client.post(&set, &[("daily_budget", "1"), trial]).await), (100, 1_885_272));
    assert!(client.sandbox.requests().iter().all(|r| r.mutation.is_null()));
}

#[tokio::test]
async fn copies_keep_lineage_take_names_and_have_a_size_limit() {
    let client = shop();
    let (small, large) = (client.id("campaigns", 0).await, client.id("campaigns", 1).await);
    let deep = [
        ("deep_copy", "true"),
        ("rename_options", r#"{"rename_strategy":"DEEP_RENAME","rename_suffix":" up"}"#),
    ];
    assert_eq!(code(&client.post(&format!("{large}/copies"), &deep).await), (100, 1_885_194));
    let copy = client.post(&format!("{small}/copies"), &deep).await;
    assert_eq!(copy["ad_object_ids"].as_array().unwrap().len(), 6, "campaign, two sets, three ads");
    let id = copy["copied_campaign_id"].as_str().unwrap();
    let read = client
        .get(
            id,
            &[("fields", "name,status,source_campaign_id,adsets{name,status,effective_status}")],
        )
        .await;
    assert_eq!((&read["status"], &read["source_campaign_id"]), (&json!("PAUSED"), &json!(small)));
    assert!(read["adsets"]["data"][0]["name"].as_str().unwrap().ends_with(" up"));
    let found = client.get(&format!("{small}/copies"), &[("fields", "id")]).await;
    assert_eq!(found["data"][0]["id"], id);
}

#[tokio::test]
async fn an_ad_needs_a_creative_and_goes_through_review_before_it_delivers() {
    let client = shop();
    let campaign = created(&client.campaign(&[("status", "ACTIVE")]).await);
    let set = created(&client.adset(&campaign, &[("status", "ACTIVE")]).await);
    let creative = client.id("adcreatives", 0).await;
    assert_eq!(code(&client.post("ACT/ads", &[("name", "A"), ("adset_id", &set)]).await).0, 100);
    let wrong = [("name", "A"), ("adset_id", set.as_str()), ("creative", r#"{"creative_id":"1"}"#)];
    assert_eq!(code(&client.post("ACT/ads", &wrong).await).0, 100);
    let named = json!({"creative_id": creative}).to_string();
    let ad = created(
        &client
            .post(
                "ACT/ads",
                &[("name", "A"), ("adset_id", &set), ("creative", &named), ("status", "ACTIVE")],
            )
            .await,
    );
    let state = || async {
        client.get(&ad, &[("fields", "effective_status")]).await["effective_status"].clone()
    };
    assert_eq!(state().await, "IN_PROCESS");
    client.pass(61_000);
    assert_eq!(state().await, "PENDING_REVIEW");
    client.pass(2 * HOUR_MS);
    assert_eq!(state().await, "ACTIVE");
    client.pass(3 * DAY_MS);
    let spent: i64 = client
        .sandbox
        .ledger()
        .days
        .iter()
        .filter(|d| d.adset_id == set)
        .map(|d| d.spend_minor)
        .sum();
    assert!(spent > 5_000, "{spent}");
}

#[tokio::test]
async fn an_ad_set_holds_at_most_fifty_ads_that_are_not_archived() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    let named = json!({"creative_id": client.id("adcreatives", 0).await}).to_string();
    let ad = [("name", "A"), ("adset_id", set.as_str()), ("creative", named.as_str())];
    let first = created(&client.post("ACT/ads", &ad).await);
    for _ in 0..48 {
        created(&client.post("ACT/ads", &ad).await);
    }
    assert_eq!(code(&client.post("ACT/ads", &ad).await).0, 100);
    client.post(&first, &[("status", "ARCHIVED")]).await;
    created(&client.post("ACT/ads", &ad).await);
}

#[tokio::test]
async fn a_disapproved_ad_and_a_disabled_account_do_not_deliver() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    let ad =
        client.get(&format!("{set}/ads"), &[]).await["data"][0]["id"].as_str().unwrap().to_owned();
    assert!(client.sandbox.disapprove(&ad) && !client.sandbox.disapprove(&set));
    assert_eq!(
        client.get(&ad, &[("fields", "effective_status")]).await["effective_status"],
        "DISAPPROVED"
    );
    let zone: Zone = "Europe/Berlin".parse().unwrap();
    let today = zone.day_of(client.sandbox.clock().now());
    client.pass(4 * DAY_MS);
    let spends = |from| -> Vec<(String, i64)> {
        let days = client.sandbox.ledger().days;
        days.into_iter()
            .filter(|d| d.day > from && d.spend_minor > 0)
            .map(|d| (d.adset_id, d.spend_minor))
            .collect()
    };
    let after = spends(today);
    assert!(!after.is_empty() && after.iter().all(|(id, _)| *id != set));
    client.sandbox.set_account_status(2);
    assert_eq!(client.get("ACT", &[("fields", "account_status")]).await["account_status"], 2);
    client.pass(4 * DAY_MS);
    assert!(spends(today.plus(5)).is_empty());
}

#[tokio::test]
async fn children_of_archived_parents_are_refused() {
    let client = shop();
    let campaign = created(&client.campaign(&[]).await);
    client.post(&campaign, &[("status", "ARCHIVED")]).await;
    assert_eq!(code(&client.adset(&campaign, &[]).await), (100, 1_487_566));
}

#[tokio::test]
async fn effective_status_follows_the_parents() {
    let client = shop();
    let campaign = client.id("campaigns", 0).await;
    client.post(&campaign, &[("status", "PAUSED")]).await;
    let fields = [("fields", "status,effective_status")];
    let sets = client.get(&format!("{campaign}/adsets"), &fields).await;
    assert_eq!(sets["data"][0]["effective_status"], "CAMPAIGN_PAUSED");
    assert_eq!(sets["data"][0]["status"], "ACTIVE");
    client.post(&campaign, &[("status", "ACTIVE")]).await;
    let set = sets["data"][0]["id"].as_str().unwrap();
    client.post(set, &[("status", "PAUSED")]).await;
    let ads = client.get(&format!("{set}/ads"), &fields).await;
    assert_eq!(ads["data"][0]["effective_status"], "ADSET_PAUSED");
}

fn spent(client: &Client, campaign: &str) -> i64 {
    client
        .sandbox
        .ledger()
        .days
        .iter()
        .filter(|d| d.campaign_id == campaign)
        .map(|d| d.spend_minor)
        .sum()
}

#[tokio::test]
async fn a_pausing_rule_stops_the_money_and_says_so_in_the_log() {
    let client = shop();
    let campaign = client.id("campaigns", 0).await;
    let limit = 4_000;
    let evaluation = json!({"evaluation_type": "SCHEDULE", "filters": [
        {"field": "entity_type", "operator": "EQUAL", "value": "CAMPAIGN"},
        {"field": "id", "operator": "IN", "value": [campaign]},
        {"field": "time_preset", "operator": "EQUAL", "value": "TODAY"},
        {"field": "spent", "operator": "GREATER_THAN", "value": limit},
    ]})
    .to_string();
    let pause = r#"{"execution_type":"PAUSE"}"#;
    let rule =
        [("name", "brake"), ("evaluation_spec", evaluation.as_str()), ("execution_spec", pause)];
    assert_eq!(code(&client.post("ACT/adrules_library", &rule[..2]).await).0, 100);
    let id = created(&client.post("ACT/adrules_library", &rule).await);
    assert_eq!(
        client.get(&format!("{campaign}/adrules_governed"), &[]).await["data"][0]["id"],
        id.as_str()
    );
    let before = spent(&client, &campaign);
    client.pass(5 * DAY_MS);
    let day_budget = 14_000;
    assert!(spent(&client, &campaign) - before <= limit + day_budget / 48 * 2);
    assert_eq!(client.get(&campaign, &[("fields", "status")]).await["status"], "PAUSED");
    let log = client.get("ACT/activities", &[("category", "STATUS")]).await;
    assert_eq!(log["data"][0]["actor_name"], "Automated rule");
    assert_eq!(client.any(Method::Delete, &id, &[]).await, json!({"success": true}));
    assert_eq!(code(&client.get(&id, &[]).await), (100, 33));
}

#[tokio::test]
async fn spend_caps_and_end_times_stop_delivery() {
    let client = shop();
    let campaign = client.id("campaigns", 0).await;
    let cap = spent(&client, &campaign) + 30_000;
    assert_eq!(
        client.post(&campaign, &[("spend_cap", &cap.to_string())]).await,
        json!({"success": true})
    );
    client.pass(10 * DAY_MS);
    assert_eq!(spent(&client, &campaign), cap);
    let client = shop();
    let set = client.id("adsets", 0).await;
    let end = client.sandbox.clock().now().plus(26 * HOUR_MS);
    client.post(&set, &[("end_time", &end.seconds().to_string())]).await;
    client.pass(6 * DAY_MS);
    let zone: Zone = "Europe/Berlin".parse().unwrap();
    let last = zone.day_of(end);
    let late: i64 = client
        .sandbox
        .ledger()
        .days
        .iter()
        .filter(|d| d.adset_id == set && d.day > last)
        .map(|d| d.spend_minor)
        .sum();
    assert_eq!(late, 0);
}

#[tokio::test]
async fn own_and_foreign_edits_can_be_told_apart_in_the_activity_log() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    client.post(&set, &[("daily_budget", "6100")]).await;
    client.pass(60_000);
    client.sandbox.edit_as_person(&set, &[("daily_budget", "6200")]).unwrap();
    assert!(client.sandbox.edit_as_person(&set, &[("daily_budget", "1")]).is_err());
    let log = client.get("ACT/activities", &[("category", "BUDGET")]).await;
    let app = client.sandbox.credentials().app_id;
    assert_eq!(log["data"][0]["application_id"], "0");
    assert_eq!(log["data"][1]["application_id"], app.as_str());
    assert!(log["data"][1]["extra_data"].as_str().unwrap().contains("6100"));
    assert_eq!(client.sandbox.requests().iter().filter(|r| !r.mutation.is_null()).count(), 1);
}

#[tokio::test]
async fn significant_edits_restart_learning_and_small_budget_steps_do_not() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    let edited = || async {
        client.get(&set, &[("fields", "learning_stage_info")]).await["learning_stage_info"].clone()
    };
    let before = edited().await;
    assert_eq!(before["status"], "SUCCESS");
    client.post(&set, &[("daily_budget", "7200")]).await;
    assert_eq!(edited().await["last_sig_edit_ts"], before["last_sig_edit_ts"]);
    client.post(&set, &[("daily_budget", "14000")]).await;
    let after = edited().await;
    assert!(after["last_sig_edit_ts"].as_i64() > before["last_sig_edit_ts"].as_i64());
    assert_eq!((&after["status"], &after["conversions"]), (&json!("LEARNING"), &json!(0)));
}

#[tokio::test]
async fn split_tests_are_made_read_and_ended() {
    let client = shop();
    let (a, b) = (client.id("campaigns", 0).await, client.id("campaigns", 1).await);
    let now = client.sandbox.clock().now().seconds();
    let (start, end) = ((now + 3_600).to_string(), (now + 864_000).to_string());
    let cells = |share: i64| {
        json!([{"name": "A", "treatment_percentage": share, "campaigns": [a]},
               {"name": "B", "treatment_percentage": 50, "campaigns": [b]}])
        .to_string()
    };
    let path = format!("{}/ad_studies", client.sandbox.credentials().business_id);
    let study = |cells: String| {
        let path = path.clone();
        let (start, end, client) = (start.clone(), end.clone(), &client);
        async move {
            client
                .post(
                    &path,
                    &[("name", "S"), ("start_time", &start), ("end_time", &end), ("cells", &cells)],
                )
                .await
        }
    };
    assert_eq!(code(&study(cells(5)).await).0, 100);
    assert_eq!(code(&study(cells(60)).await).0, 100);
    let id = created(&study(cells(50)).await);
    let fields = "name,cells{id,treatment_percentage,campaigns{id,name}},start_time";
    let read = client.get("ACT/ad_studies", &[("fields", fields)]).await;
    let cell = &read["data"][0]["cells"]["data"][0];
    assert_eq!(
        (&cell["treatment_percentage"], &cell["campaigns"]["data"][0]["id"]),
        (&json!(50), &json!(a))
    );
    assert_eq!(client.get(&format!("{a}/ad_studies"), &[]).await["data"][0]["id"], id.as_str());
    client.any(Method::Delete, &id, &[]).await;
    assert!(client.get(&id, &[("fields", "canceled_time")]).await["canceled_time"].is_string());
}

#[tokio::test]
async fn a_batch_answers_each_entry_on_its_own() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    let batch = json!([
        {"method": "GET", "relative_url": format!("{set}/?fields=id%2Cname")},
        {"method": "POST", "relative_url": format!("{set}/"), "body": "daily_budget=6500"},
        {"method": "GET", "relative_url": "999"},
        {"method": "POST", "relative_url": format!("{}/campaigns", client.act), "name": "make",
         "body": "name=B&objective=OUTCOME_SALES&special_ad_categories=[]&is_adset_budget_sharing_enabled=false"},
        {"method": "GET", "relative_url": "{result=make:$.id}?fields=name"},
    ])
    .to_string();
    let answer = client.post("", &[("batch", &batch)]).await;
    let codes: Vec<i64> =
        answer.as_array().unwrap().iter().map(|a| a["code"].as_i64().unwrap()).collect();
    assert_eq!(codes, [200, 200, 400, 200, 200]);
    let last: Value = serde_json::from_str(answer[4]["body"].as_str().unwrap()).unwrap();
    assert_eq!(last["name"], "B");
    let many = json!(vec![json!({"method": "GET", "relative_url": "me"}); 51]).to_string();
    assert_eq!(code(&client.post("", &[("batch", &many)]).await).0, 100);
}

#[tokio::test]
async fn the_limited_tier_blocks_when_told_to_and_usage_is_always_shown() {
    let options = Options { tier: Tier::Limited, enforce_limits: true, ..Options::default() };
    let scenario = Scenario::default();
    let client = Client::of(Sandbox::with(scenario, options, Box::new(SteadyAudience::new(1))));
    let reply = client.send(Method::Get, "ACT", &[]).await.unwrap();
    let usage: Value = serde_json::from_str(reply.header("x-ad-account-usage").unwrap()).unwrap();
    assert!(usage["acc_id_util_pct"].as_f64().unwrap() > 1.0);
    assert_eq!(usage["ads_api_access_tier"], "development_access");
    for name in ["x-app-usage", "x-business-use-case-usage", "x-fb-ads-insights-throttle"] {
        assert!(reply.header(name).is_some(), "{name}");
    }
    for _ in 0..59 {
        client.get("ACT", &[]).await;
    }
    assert_eq!(code(&client.get("ACT", &[]).await), (17, 2_446_079));
}

#[tokio::test]
async fn a_token_can_expire() {
    let scenario = Scenario::default();
    let until = scenario.start.plus(DAY_MS);
    let options = Options { token_expires: Some(until), ..Options::default() };
    let client = Client::of(Sandbox::with(scenario, options, Box::new(SteadyAudience::new(1))));
    assert_eq!(client.get("me", &[]).await["name"], "Rehearsal system user");
    client.pass(DAY_MS);
    assert_eq!(code(&client.get("me", &[]).await), (190, 463));
}

#[tokio::test]
async fn a_campaign_budget_is_shared_and_can_be_handed_to_the_ad_sets() {
    let client = shop();
    let campaign = client.id("campaigns", 1).await;
    let sets = client.get(&format!("{campaign}/adsets"), &[("fields", "daily_budget")]).await;
    assert_eq!(sets["data"][0]["daily_budget"], "0");
    let first = sets["data"][0]["id"].as_str().unwrap();
    assert_eq!(code(&client.post(first, &[("daily_budget", "5000")]).await), (100, 1_885_621));
    let second = sets["data"][1]["id"].as_str().unwrap();
    let budgets = json!([{"adset_id": first, "daily_budget": 9000}, {"adset_id": second, "daily_budget": 8000}]);
    client.post(&campaign, &[("adset_budgets", &budgets.to_string())]).await;
    assert_eq!(client.get(first, &[("fields", "daily_budget")]).await["daily_budget"], "9000");
    let read = client.get(&campaign, &[("fields", "daily_budget")]).await;
    assert!(read.get("daily_budget").is_none(), "{read}");
}

#[tokio::test]
async fn a_running_boost_spends_more_without_touching_the_budget() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    let now = client.sandbox.clock().now().seconds();
    let (start, end) = (now.to_string(), (now + 4 * 86_400).to_string());
    let boost = [
        ("budget_value", "9000"),
        ("budget_value_type", "ABSOLUTE"),
        ("time_start", start.as_str()),
        ("time_end", end.as_str()),
    ];
    let before = client.sandbox.ledger();
    created(&client.post(&format!("{set}/budget_schedules"), &boost).await);
    client.pass(3 * DAY_MS);
    let of = |days: &[rungwise::sandbox::LedgerDay]| {
        days.iter().rev().find(|d| d.adset_id == set).map_or(0, |d| d.spend_minor)
    };
    assert!(of(&client.sandbox.ledger().days) > of(&before.days) * 2);
    assert_eq!(client.get(&set, &[("fields", "daily_budget")]).await["daily_budget"], "6000");
}

#[tokio::test]
async fn a_fresh_object_can_lag_behind_its_creation() {
    let options = Options { list_lag_ms: 30_000, ..Options::default() };
    let client =
        Client::of(Sandbox::with(Scenario::default(), options, Box::new(SteadyAudience::new(1))));
    let id = created(&client.campaign(&[]).await);
    assert_eq!(code(&client.get(&id, &[]).await), (100, 33));
    assert_eq!(client.get("ACT/campaigns", &[]).await["data"].as_array().unwrap().len(), 2);
    client.pass(30_000);
    assert_eq!(client.get(&id, &[]).await["id"], id.as_str());
}

#[tokio::test]
async fn the_request_log_shows_what_changed_and_hides_secrets() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    client.post(&set, &[("daily_budget", "6100")]).await;
    client.post(&set, &[("daily_budget", "6100")]).await;
    client.campaign(&[]).await;
    client.campaign(&[("objective", "NONSENSE")]).await;
    let log = client.sandbox.requests();
    let token = client.sandbox.credentials().access_token.expose_secret().to_owned();
    assert!(!serde_json::to_string(&log).unwrap().contains(&token));
    let changed = &log[1].mutation["changed"][format!("adset:{set}")]["daily_budget"];
    assert_eq!(changed, &json!(["6000", "6100"]));
    assert!(log[2].mutation.is_null(), "the same value again changes nothing");
    assert_eq!(log[3].mutation["created"][0]["type"], "campaign");
    assert!(log[4].mutation.is_null() && !log[4].applied && log[3].applied);
    assert_eq!(log.iter().map(|r| r.status).collect::<Vec<_>>(), [200, 200, 200, 200, 400]);
}

#[tokio::test]
async fn faults_strike_on_the_side_of_the_act_they_name() {
    let client = shop();
    let set = client.id("adsets", 0).await;
    let budget =
        || async { client.get(&set, &[("fields", "daily_budget")]).await["daily_budget"].clone() };
    let script = ScriptedFaults::default()
        .on(Method::Post, &set, Fault::LostReply)
        .on(Method::Post, &set, Fault::ServerError { applied: false })
        .on(Method::Post, &set, Fault::Html { status: 502, applied: true })
        .on(Method::Post, &set, Fault::Refused)
        .on(
            Method::Post,
            &set,
            Fault::Error { status: 400, code: 17, subcode: Some(2_446_079), applied: false },
        );
    client.sandbox.set_faults(script);
    let (to, set) = (&client, &set);
    let try_budget = |text: &'static str| async move {
        to.send(Method::Post, set, &[("daily_budget", text)]).await
    };
    assert!(matches!(try_budget("6100").await, Err(TransportError::Lost(_))));
    assert_eq!(budget().await, "6100");
    assert_eq!(try_budget("6200").await.unwrap().status, 500);
    assert_eq!(budget().await, "6100");
    assert!(try_budget("6300").await.unwrap().body.starts_with(b"<html>"));
    assert_eq!(budget().await, "6300");
    assert!(matches!(try_budget("6400").await, Err(TransportError::NotSent(_))));
    let reply = try_budget("6400").await.unwrap();
    assert_eq!(code(&serde_json::from_slice(&reply.body).unwrap()).0, 17);
    assert_eq!(budget().await, "6300");
    let next = client.sandbox.requests().len() as u64 + 1;
    client.sandbox.set_faults(
        ScriptedFaults::default().at(next, Fault::Truncated).at(next + 1, Fault::PageLoop),
    );
    let cut = client.send(Method::Get, "ACT/ads", &[]).await.unwrap();
    assert!(serde_json::from_slice::<Value>(&cut.body).is_err());
    let page = client.get("ACT/ads", &[("limit", "2")]).await;
    assert_eq!(page["paging"]["cursors"]["after"], page["paging"]["cursors"]["before"]);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_world_and_the_ledger_adds_up() {
    let one = Sandbox::new(Scenario::default());
    let other = Sandbox::new(Scenario::default());
    assert_eq!(one.ledger(), other.ledger());
    assert_ne!(one.ledger(), Sandbox::new(Scenario::default().seeded(2)).ledger());
    let ledger = one.ledger();
    assert_eq!(ledger.total_spend_minor, ledger.days.iter().map(|d| d.spend_minor).sum::<i64>());
    assert!(ledger.days.len() >= 4 * 120, "history");
    assert!(ledger.total_expected_purchases > 0.0);
}

#[tokio::test]
async fn every_scenario_obeys_its_own_laws() {
    let scenarios = [
        Scenario::default(),
        Scenario::stuck_at_purchase(),
        Scenario::lead_generation(),
        Scenario::custom_conversion(),
    ];
    for scenario in scenarios {
        let name = scenario.name.clone();
        let client = Client::new(scenario);
        let sets = client.get("ACT/adsets", &[("fields", "id,campaign_id")]).await;
        for set in sets["data"].as_array().unwrap() {
            let target = [("campaign_id", set["campaign_id"].as_str().unwrap())];
            let copy =
                client.post(&format!("{}/copies", set["id"].as_str().unwrap()), &target).await;
            assert!(copy["copied_adset_id"].is_string(), "{name}: {copy}");
        }
    }
}

#[tokio::test]
async fn the_pixel_tells_what_fires_on_the_site() {
    let client = shop();
    let stats =
        client.get(&format!("{}/stats", client.pixel().await), &[("aggregation", "event")]).await;
    let text = stats["data"].to_string();
    for event in ["PageView", "ViewContent", "AddToCart", "Purchase"] {
        assert!(text.contains(event), "{event}");
    }
}

#[tokio::test]
async fn over_http_every_body_encoding_and_the_admin_paths_work() {
    let sandbox = Sandbox::new(Scenario::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(listener, sandbox.clone(), ServeOptions { speed: 0.0 }));
    let c = sandbox.credentials();
    let (token, act) = (c.access_token.expose_secret().to_owned(), format!("act_{}", c.account_id));
    let http = reqwest::Client::new();
    let read = |reply: reqwest::Response| async {
        serde_json::from_str::<Value>(&reply.text().await.unwrap()).unwrap()
    };
    let sets =
        format!("{base}/v24.0/{act}/adsets/?access_token={token}&limit=1&fields=['id', 'name']");
    let page = read(http.get(&sets).send().await.unwrap()).await;
    let set = page["data"][0]["id"].as_str().unwrap().to_owned();
    let next = page["paging"]["next"].as_str().unwrap().to_owned();
    assert!(next.starts_with(&base));
    assert_ne!(read(http.get(&next).send().await.unwrap()).await["data"][0]["id"], set.as_str());
    let url = format!("{base}/v26.0/{set}");
    let boundary = "--B\r\nContent-Disposition: form-data; name=\"daily_budget\"\r\n\r\n6100\r\n--B\r\nContent-Disposition: \
                    form-data; name=\"access_token\"\r\n\r\nTOKEN\r\n--B--\r\n";
    let bodies = [
        ("application/json", json!({"daily_budget": 6300, "id": set}).to_string()),
        ("application/x-www-form-urlencoded", format!("daily_budget=6200&access_token={token}")),
        ("multipart/form-data; boundary=B", boundary.replace("TOKEN", &token)),
    ];
    for (kind, body) in bodies {
        let request = http
            .post(&url)
            .header("content-type", kind)
            .header("authorization", format!("Bearer {token}"));
        assert_eq!(
            read(request.body(body).send().await.unwrap()).await,
            json!({"success": true}),
            "{kind}"
        );
    }
    let debug = format!(
        "{base}/debug_token?input_token={token}&access_token={}|{}",
        c.app_id,
        c.app_secret.expose_secret()
    );
    assert_eq!(read(http.get(&debug).send().await.unwrap()).await["data"]["is_valid"], true);
    let before = read(http.get(format!("{base}/_sandbox/clock")).send().await.unwrap()).await;
    let advance = http.post(format!("{base}/_sandbox/advance")).body(r#"{"seconds":86400}"#);
    let after = read(advance.send().await.unwrap()).await;
    assert_eq!(after["now_ms"].as_i64().unwrap() - before["now_ms"].as_i64().unwrap(), DAY_MS);
    let now: Moment = after["now"].as_str().unwrap().parse().unwrap();
    assert_eq!(now, sandbox.clock().now());
    let log = read(http.get(format!("{base}/_sandbox/requests")).send().await.unwrap()).await;
    assert_eq!(log.as_array().unwrap().len(), 6, "admin calls are not in it");
    assert!(!log.to_string().contains(&token));
    assert!(read(http.get(format!("{base}/_sandbox/ledger")).send().await.unwrap()).await["total_spend_minor"].is_i64());
    server.abort();
}

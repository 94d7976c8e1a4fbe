//! The same call in every spelling clients use, over HTTP.

use rungwise::sandbox::{
    Sandbox, Scenario,
    http::{ServeOptions, serve},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

struct Served {
    base: String,
    token: String,
    act: String,
    set: String,
    http: reqwest::Client,
}

async fn served() -> Served {
    let sandbox = Sandbox::new(Scenario::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let who = sandbox.credentials();
    tokio::spawn(serve(listener, sandbox, ServeOptions { speed: 0.0 }));
    let (token, act) =
        (who.access_token.expose_secret().to_owned(), format!("act_{}", who.account_id));
    let mut served = Served { base, token, act, set: String::new(), http: reqwest::Client::new() };
    let url = format!("{}/v26.0/{}/adsets?access_token={}", served.base, served.act, served.token);
    let list = read(served.http.get(url)).await;
    served.set = list["data"][0]["id"].as_str().unwrap().to_owned();
    served
}

async fn read(request: reqwest::RequestBuilder) -> Value {
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

fn multipart(parts: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    format!("{}--B--\r\n", parts.iter().map(part).collect::<String>())
}

#[tokio::test]
async fn the_token_is_taken_from_query_form_multipart_json_and_header() {
    let s = served().await;
    let (url, token) = (format!("{}/v25.0/{}", s.base, s.set), s.token.as_str());
    let kinds = [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=B",
        "application/json",
    ];
    let bodies = [
        format!("name=f&access_token={token}"),
        multipart(&[("name", "m"), ("access_token", token)]),
        json!({"name": "j", "access_token": token, "id": s.set}).to_string(),
    ];
    for (kind, body) in kinds.iter().zip(bodies) {
        let request = s.http.post(&url).header("content-type", *kind).body(body);
        assert_eq!(read(request).await, json!({"success": true}), "{kind}");
    }
    for scheme in ["Bearer", "OAuth"] {
        let request = s.http.get(&url).header("authorization", format!("{scheme} {token}"));
        assert_eq!(read(request).await["id"], s.set.as_str());
    }
    let query = format!("{url}?access_token={token}");
    assert_eq!(read(s.http.post(&query).body("")).await, json!({"success": true}));
    assert_eq!(read(s.http.get(&url)).await["error"]["code"], 104, "and without any it is refused");
}

#[tokio::test]
async fn get_and_delete_may_carry_a_body_and_a_method_may_be_a_parameter() {
    let s = served().await;
    let url = |tail: &str| format!("{}/v26.0/{tail}?access_token={}", s.base, s.token);
    let json_get = s.http.get(url(&s.set)).header("content-type", "application/json").body("{}");
    assert_eq!(read(json_get).await["id"], s.set.as_str());
    let fields = s
        .http
        .get(url(&s.set))
        .header("content-type", "application/json")
        .body(r#"{"fields":["name","status"]}"#);
    assert_eq!(read(fields).await["status"], "ACTIVE");
    let as_get = s.http.post(url(&s.set)).body("method=get&fields=status");
    assert_eq!(read(as_get).await["status"], "ACTIVE");
    let form =
        "name=D&objective=OUTCOME_SALES&special_ad_categories=[]&is_adset_budget_sharing_enabled=0";
    let made = read(s.http.post(url(&format!("{}/campaigns", s.act))).body(form)).await;
    let id = made["id"].as_str().unwrap();
    let gone = s.http.delete(url(id)).header("content-type", "application/json").body("{}");
    assert_eq!(read(gone).await, json!({"success": true}));
    let made = read(s.http.post(url(&format!("{}/campaigns", s.act))).body(form)).await;
    let gone = s.http.post(url(made["id"].as_str().unwrap())).body("method=delete");
    assert_eq!(read(gone).await, json!({"success": true}));
}

#[tokio::test]
async fn objects_come_as_json_or_as_texts_booleans_in_four_spellings_lists_in_four() {
    let s = served().await;
    let campaigns = format!("{}/v26.0/{}/campaigns?access_token={}", s.base, s.act, s.token);
    let typed = json!({"name": "J", "objective": "OUTCOME_SALES", "special_ad_categories": [], "status": "PAUSED",
                       "is_adset_budget_sharing_enabled": false});
    let made = read(
        s.http.post(&campaigns).header("content-type", "application/json").body(typed.to_string()),
    )
    .await;
    let campaign = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    for flag in ["false", "False", "0", "FALSE"] {
        let form = multipart(&[
            ("name", "M"),
            ("objective", "OUTCOME_SALES"),
            ("special_ad_categories", "[]"),
            ("is_adset_budget_sharing_enabled", flag),
        ]);
        let request = s
            .http
            .post(&campaigns)
            .header("content-type", "multipart/form-data; boundary=B")
            .body(form);
        assert!(read(request).await["id"].is_string(), "{flag}");
    }
    let adsets = format!("{}/v26.0/{}/adsets?access_token={}", s.base, s.act, s.token);
    let typed = json!({"name": "S", "campaign_id": campaign, "daily_budget": 5000, "billing_event": "IMPRESSIONS",
        "optimization_goal": "LINK_CLICKS", "targeting": {"geo_locations": {"countries": ["US"]}},
        "attribution_spec": [{"event_type": "CLICK_THROUGH", "window_days": 1}]});
    let made = read(
        s.http.post(&adsets).header("content-type", "application/json").body(typed.to_string()),
    )
    .await;
    assert!(made["id"].is_string(), "{made}");
    for list in [r#"["id","name"]"#, "id,name", "['id', 'name']", "[id,name]"] {
        let url =
            reqwest::Url::parse_with_params(&adsets, [("fields", list), ("limit", "1")]).unwrap();
        assert!(read(s.http.get(url)).await["data"][0]["name"].is_string(), "{list}");
    }
    let entries =
        json!({"batch": [{"method": "GET", "relative_url": "me"}], "include_headers": false});
    let root = format!("{}/v26.0/?access_token={}", s.base, s.token);
    let out = read(
        s.http.post(root).header("content-type", "application/json").body(entries.to_string()),
    )
    .await;
    assert_eq!(out[0]["code"], 200, "{out}");
}

#[tokio::test]
async fn the_next_page_is_a_complete_address() {
    let s = served().await;
    let url = format!(
        "{}/v24.0/{}/ads?access_token={}&limit=2&fields=id&summary=true",
        s.base, s.act, s.token
    );
    let (mut page, mut seen) = (read(s.http.get(url)).await, Vec::new());
    loop {
        seen.extend(page["data"].as_array().unwrap().iter().map(|a| a["id"].clone()));
        let Some(next) = page["paging"]["next"].as_str().map(str::to_owned) else { break };
        assert!(next.starts_with(&s.base) && next.contains("/v24.0/"));
        page = read(s.http.get(next)).await;
    }
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[tokio::test]
async fn an_operator_orders_faults_and_plays_the_person() {
    let s = served().await;
    let admin = |path: &str| format!("{}/_sandbox/{path}", s.base);
    let post = |path: &str, body: Value| s.http.post(admin(path)).body(body.to_string());
    let rows = format!("{}/v26.0/{}/insights?access_token={}", s.base, s.act, s.token);
    let usage =
        json!({"1": [{"type": "ads_insights", "estimated_time_to_regain_access": 19}]}).to_string();
    let order = json!({"match": "/insights", "method": "GET", "times": 1, "status": 400,
        "json": {"error": {"message": "m", "code": 80_000, "error_subcode": 2_446_079}},
        "headers": {"x-business-use-case-usage": usage}});
    assert_eq!(read(post("faults", order)).await["ordered"], true);
    let reply = s.http.get(&rows).send().await.unwrap();
    assert_eq!(
        (reply.status().as_u16(), reply.headers()["x-business-use-case-usage"].to_str().unwrap()),
        (400, usage.as_str())
    );
    assert!(read(s.http.get(&rows)).await["data"].is_array());
    assert_eq!(post("faults", json!({"kind": "rain"})).send().await.unwrap().status(), 400);
    post("faults", json!({"code": 2})).send().await.unwrap();
    s.http.delete(admin("faults")).send().await.unwrap();
    assert!(read(s.http.get(&rows)).await["data"].is_array());
    let edit = json!({"object_id": s.set, "changes": {"daily_budget": "6600"}});
    assert_eq!(read(post("person", edit)).await["done"], true);
    let log =
        format!("{}/v26.0/{}/activities?category=BUDGET&access_token={}", s.base, s.act, s.token);
    assert_eq!(read(s.http.get(log)).await["data"][0]["application_id"], "0");
    assert_eq!(read(post("person", json!({"account_status": 2}))).await["done"], true);
    let account =
        format!("{}/v26.0/{}?fields=account_status&access_token={}", s.base, s.act, s.token);
    assert_eq!(read(s.http.get(account)).await["account_status"], 2);
    assert_eq!(post("person", json!({"disapprove": "1"})).send().await.unwrap().status(), 400);
}

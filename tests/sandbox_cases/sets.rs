//! Words of many requests at once: batches and request sets.

use rungwise::sandbox::{Fault, Options, ScriptedFaults};
use serde_json::{Value, json};

use super::{
    Row,
    support::{Client, code, created, list},
};

fn batch(client: &Client, entries: &Value) -> Vec<Value> {
    client
        .post("", &[("batch", &entries.to_string())])
        .as_array()
        .expect("a batch answers a list")
        .clone()
}

fn body(entry: &Value) -> Value {
    serde_json::from_str(entry["body"].as_str().expect("the body is a text"))
        .expect("it holds JSON")
}

/// Looks at a set until it is done.
fn finished(client: &Client, set: &str) -> Value {
    for _ in 0..60 {
        let read = client.get(set, &[("fields", "is_completed,total_count,success_count,error_count,initial_count,canceled_count,status,result")]);
        if read["is_completed"] == true {
            return read;
        }
    }
    panic!("the set never ends");
}

pub(crate) const ROWS: &[Row] = &[
    (
        "a batch answers every entry with code, headers and a body of text; failures stay their own",
        || {
            let client = Client::new();
            let set = client.id("adsets", 0);
            let out = batch(
                &client,
                &json!([
                    {"method": "GET", "relative_url": format!("{set}/?fields=id%2Cname")},
                    {"method": "GET", "relative_url": "999?fields=id"},
                    {"method": "POST", "relative_url": set, "body": "daily_budget=6500"},
                    {"method": "GET", "relative_url": format!("{}/insights?date_preset=last_7d&fields=spend", client.act)},
                ]),
            );
            let codes: Vec<i64> = out.iter().map(|e| e["code"].as_i64().unwrap()).collect();
            assert_eq!(codes, [200, 400, 200, 200]);
            assert_eq!(code(&body(&out[1])), (100, 33));
            assert!(body(&out[3])["data"][0]["spend"].is_string());
            let names: Vec<&str> = out[0]["headers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|h| h["name"].as_str().unwrap())
                .collect();
            assert!(
                names.contains(&"x-business-use-case-usage")
                    && names.contains(&"x-fb-ads-insights-throttle")
            );
        },
    ),
    ("a batch without headers, when told so", || {
        let client = Client::new();
        let out = client.post(
            "",
            &[("batch", r#"[{"method":"GET","relative_url":"me"}]"#), ("include_headers", "false")],
        );
        assert!(out[0].get("headers").is_none() && out[0]["code"] == 200, "{out}");
    }),
    ("entries name results of others, one or many, and fall with what they depend on", || {
        let client = Client::new();
        let campaign = "name=B&objective=OUTCOME_SALES&special_ad_categories=[]&is_adset_budget_sharing_enabled=false";
        let url = format!("{}/campaigns", client.act);
        let out = batch(
            &client,
            &json!([
                {"method": "POST", "relative_url": url, "name": "make", "body": campaign},
                {"method": "GET", "relative_url": "{result=make:$.id}?fields=name"},
                {"method": "GET", "name": "all", "relative_url": format!("{}/adsets?fields=id", client.act)},
                {"method": "GET", "relative_url": format!("{}/ads?filtering=[{{\"field\":\"adset.id\",\"operator\":\"IN\",\"value\":[\"{{result=all:$.data.*.id}}\"]}}]", client.act)},
                {"method": "POST", "relative_url": url, "name": "fails", "body": "name=B"},
                {"method": "GET", "relative_url": "me", "depends_on": "fails"},
                {"method": "GET", "relative_url": "me", "depends_on": "make"},
            ]),
        );
        let codes: Vec<i64> = out.iter().map(|e| e["code"].as_i64().unwrap()).collect();
        assert_eq!(codes, [200, 200, 200, 200, 400, 400, 200]);
        assert_eq!(body(&out[1])["name"], "B");
    }),
    ("what came to no answer in time is null, though it was done", || {
        let client = Client::new();
        let (a, b) = (client.id("adsets", 0), client.id("adsets", 1));
        let entries = json!([{"method": "POST", "relative_url": a, "body": "daily_budget=6100"},
                             {"method": "POST", "relative_url": b, "body": "daily_budget=8100"}]);
        let next = client.world.requests().len() as u64 + 1;
        client.world.set_faults(ScriptedFaults::default().at(next, Fault::BatchNulls { from: 1 }));
        let out = batch(&client, &entries);
        assert!(out[0]["code"] == 200 && out[1].is_null());
        assert_eq!(client.field(&b, "daily_budget"), "8100");
    }),
    ("omitted answers are null", || {
        let client = Client::new();
        let out = batch(
            &client,
            &json!([{"method": "GET", "relative_url": "me", "name": "x", "omit_response_on_success": true}]),
        );
        assert!(out[0].is_null());
    }),
    ("fifty entries at most, ten of them new ads", || {
        let client = Client::new();
        let many = |n: usize, entry: Value| json!(vec![entry; n]).to_string();
        let me = json!({"method": "GET", "relative_url": "me"});
        let ad = json!({"method": "POST", "relative_url": format!("{}/ads", client.act), "body": "name=A"});
        assert!(client.post("", &[("batch", &many(50, me.clone()))]).is_array());
        assert_eq!(code(&client.post("", &[("batch", &many(51, me))])).0, 100);
        assert_eq!(code(&client.post("", &[("batch", &many(11, ad))])).0, 100);
    }),
    ("each entry counts for itself", || {
        let client = Client::with(Options {
            tier: rungwise::sandbox::Tier::Limited,
            enforce_limits: true,
            ..Options::default()
        });
        let entry = json!({"method": "GET", "relative_url": client.act});
        let out = batch(&client, &json!(vec![entry.clone(); 50]));
        assert!(out.iter().all(|e| e["code"] == 200));
        let out = batch(&client, &json!(vec![entry; 20]));
        let codes: Vec<bool> = out.iter().map(|e| e["code"] == 200).collect();
        assert_eq!(codes, [vec![true; 10], vec![false; 10]].concat());
    }),
    ("an asynchronous batch copies what is too large for a call", || {
        let client = Client::new();
        let large = client.id("campaigns", 1);
        let entries =
            json!([{"method": "POST", "relative_url": format!("{large}/copies"), "name": "copy",
                              "body": "deep_copy=true&status_option=PAUSED"}])
            .to_string();
        let started = client.post("", &[("asyncbatch", &entries)]);
        let session = started["async_sessions"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(started["async_sessions"][0]["name"], "copy");
        let done = finished(&client, &session);
        assert_eq!((&done["status"], &done["success_count"]), (&json!("COMPLETED"), &json!(1)));
        let result: Value = serde_json::from_str(done["result"].as_str().unwrap()).unwrap();
        let copy = result["copied_campaign_id"].as_str().unwrap();
        assert_eq!(list(&client.get(&format!("{copy}/ads"), &[])).len(), 4);
        assert_eq!(
            result["ad_object_ids"].as_array().unwrap().len(),
            7,
            "campaign, two sets, four ads"
        );
    }),
    ("a request set goes on in the background and tells its counts and requests", || {
        let client = Client::new();
        let (a, b) = (client.id("adsets", 0), client.id("adsets", 1));
        let entries = json!([
            {"name": "first", "relative_url": a, "body": "name=renamed"},
            {"name": "bad", "relative_url": b, "body": "daily_budget=1"},
            {"name": "after", "relative_url": b, "body": "name=never", "depends_on": "bad"},
        ])
        .to_string();
        let set = created(
            &client.post("ACT/async_batch_requests", &[("name", "S"), ("adbatch", &entries)]),
        );
        let fresh = client.get(&set, &[("fields", "is_completed,initial_count,total_count")]);
        assert_eq!(
            (&fresh["is_completed"], &fresh["total_count"], &fresh["initial_count"]),
            (&json!(false), &json!(3), &json!(3))
        );
        client.pass(10_000);
        let done = finished(&client, &set);
        let counts = ["success_count", "error_count", "canceled_count", "initial_count"]
            .map(|c| done[c].as_i64().unwrap());
        assert_eq!(counts, [1, 1, 1, 0]);
        let requests =
            list(&client.get(&format!("{set}/requests"), &[("fields", "id,status,result,input")]));
        let statuses: Vec<&str> = requests.iter().map(|r| r["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["SUCCESS", "ERROR", "CANCELED_DEPENDENCY"]);
        assert_eq!(code(&requests[1]["result"]), (100, 1_885_272));
        let only = list(&client.get(
            &format!("{set}/requests"),
            &[("statuses", r#"["ERROR"]"#), ("fields", "status")],
        ));
        assert_eq!(only.len(), 1);
        assert_eq!(
            client.get(only[0]["id"].as_str().unwrap(), &[("fields", "status")])["status"],
            "ERROR"
        );
        assert_eq!(client.field(&a, "name"), "renamed");
        assert_eq!(list(&client.get("ACT/asyncadrequestsets", &[("fields", "id")])).len(), 1);
    }),
    ("a set of ad specifications makes ads", || {
        let client = Client::new();
        let spec = json!([{"name": "A", "adset_id": client.id("adsets", 0), "creative": {"creative_id": client.id("adcreatives", 0)}}]).to_string();
        let set = created(&client.post(
            "ACT/asyncadrequestsets",
            &[("name", "S"), ("ad_specs", &spec), ("notification_mode", "OFF")],
        ));
        finished(&client, &set);
        let request = list(&client.get(&format!("{set}/requests"), &[("fields", "status,result")]))
            [0]
        .clone();
        assert_eq!(request["status"], "SUCCESS");
        assert_eq!(client.field(request["result"]["id"].as_str().unwrap(), "name"), "A");
    }),
];

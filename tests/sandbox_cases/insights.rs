//! Words of reports.

use rungwise::{
    domain::{DAY_MS, HOUR_MS},
    sandbox::{Options, Scenario},
};
use serde_json::{Value, json};

use super::{
    Row,
    support::{Client, action, code, list},
};

pub(crate) const ROWS: &[Row] = &[
    ("fields default to impressions and spend", || {
        let row = list(&Client::new().get("ACT/insights", &[]))[0].clone();
        let names: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(names, ["date_start", "date_stop", "impressions", "spend"]);
    }),
    ("numbers are texts, in rows and in lists", || {
        for row in
            Client::new().rows(&[("fields", "spend,impressions,reach,frequency,cpm,actions")])
        {
            for name in ["spend", "impressions", "reach", "frequency", "cpm"] {
                assert!(row[name].is_string(), "{name}: {row}");
            }
            assert!(row["actions"].as_array().unwrap().iter().all(|a| a["value"].is_string()));
        }
    }),
    (
        "time_range includes both ends, time_ranges are rows of their own and drop the increment",
        || {
            let client = Client::new();
            let day = |n: u32| format!("2026-05-{n:02}");
            let range = |a, b| json!({"since": day(a), "until": day(b)});
            let one =
                client.rows(&[("time_range", &range(10, 12).to_string()), ("date_preset", "")]);
            assert_eq!(one.len(), 4 * 3);
            let two = json!([range(1, 7), range(8, 14)]).to_string();
            let two =
                client.rows(&[("time_ranges", &two), ("date_preset", ""), ("level", "account")]);
            let spans: Vec<_> =
                two.iter().map(|r| (r["date_start"].clone(), r["date_stop"].clone())).collect();
            assert_eq!(spans, [(json!(day(1)), json!(day(7))), (json!(day(8)), json!(day(14)))]);
        },
    ),
    ("date_preset knows its words and no others", || {
        let client = Client::new();
        let known = "today yesterday this_month last_month this_quarter maximum data_maximum last_3d last_7d last_14d \
                     last_28d last_30d last_90d last_week_mon_sun last_week_sun_sat last_quarter last_year \
                     this_week_mon_today this_week_sun_today this_year";
        for word in known.split_whitespace() {
            assert!(
                client.get("ACT/insights", &[("date_preset", word)])["data"].is_array(),
                "{word}"
            );
        }
        for word in ["lifetime", "last_5d"] {
            assert_eq!(
                code(&client.get("ACT/insights", &[("date_preset", word)])).0,
                100,
                "{word}"
            );
        }
    }),
    ("time_increment: a number of days, monthly, all_days", || {
        let client = Client::new();
        let count =
            |increment| client.rows(&[("time_increment", increment), ("level", "account")]).len();
        assert_eq!((count("1"), count("7"), count("all_days")), (30, 5, 1));
        let months = client.rows(&[
            ("time_increment", "monthly"),
            ("level", "account"),
            ("date_preset", "last_90d"),
        ]);
        assert_eq!(months.len(), 2, "the months of the history");
        assert_eq!(code(&client.get("ACT/insights", &[("time_increment", "0")])).0, 100);
    }),
    ("breakdowns slice exactly, mixed families are refused, unknown ones too", || {
        let client = Client::new();
        let sum = |rows: &[Value]| -> u64 {
            rows.iter().map(|r| r["impressions"].as_str().unwrap().parse::<u64>().unwrap()).sum()
        };
        let whole = client.rows(&[]);
        let hours =
            client.rows(&[("breakdowns", "hourly_stats_aggregated_by_advertiser_time_zone")]);
        assert_eq!(sum(&whole), sum(&hours));
        assert_eq!(
            hours[0]["hourly_stats_aggregated_by_advertiser_time_zone"],
            "00:00:00 - 00:59:59"
        );
        let refused = |b| code(&client.get("ACT/insights", &[("breakdowns", b)]));
        assert_eq!(refused(r#"["age","country"]"#), (2, 1_504_041));
        assert_eq!(refused("shoe_size").0, 100);
    }),
    ("what happens off Meta is not told by hour or region", || {
        let client = Client::new();
        let rows = client.rows(&[("breakdowns", "region")]);
        assert!(rows.iter().all(|r| action(r, "actions", "purchase").is_null() && r["action_values"].is_null()));
        assert!(rows.iter().any(|r| !action(r, "actions", "link_click").is_null()));
    }),
    (
        "window keys stand beside value, only when they count something; dead windows are silent",
        || {
            let windows = r#"["1d_click","7d_click","28d_click","1d_view","7d_view","28d_view"]"#;
            let rows = Client::new().rows(&[("action_attribution_windows", windows)]);
            let all: Vec<Value> = rows
                .iter()
                .map(|r| action(r, "actions", "offsite_conversion.fb_pixel_purchase"))
                .collect();
            let number = |v: &Value| v.as_str().map_or(0, |t| t.parse::<i64>().unwrap());
            for a in all.iter().filter(|a| a.is_object()) {
                assert_eq!(
                    number(&a["value"]),
                    number(&a["7d_click"]) + number(&a["1d_view"]),
                    "{a}"
                );
                assert!(number(&a["1d_click"]) <= number(&a["7d_click"]));
                assert!(a.get("7d_view").is_none() && a.get("28d_view").is_none());
            }
            assert!(
                all.iter().any(|a| a.get("1d_view").is_none() && a.is_object()),
                "an absent key is zero"
            );
        },
    ),
    ("the default windows are 7-day click and 1-day view; unknown windows are refused", || {
        let client = Client::new();
        let rows = client.rows(&[("action_attribution_windows", "default")]);
        let a = action(&rows[0], "actions", "landing_page_view");
        assert!(a["7d_click"].is_string() && a.get("1d_click").is_none(), "{a}");
        assert_eq!(
            code(&client.get("ACT/insights", &[("action_attribution_windows", r#"["3d_click"]"#)]))
                .0,
            100
        );
    }),
    ("values and costs carry windows too", || {
        let rows = Client::new().rows(&[("action_attribution_windows", r#"["7d_click"]"#)]);
        let row = rows.iter().find(|r| !action(r, "action_values", "purchase").is_null()).unwrap();
        assert!(action(row, "action_values", "purchase")["7d_click"].is_string());
        assert!(action(row, "cost_per_action_type", "purchase")["7d_click"].is_string());
    }),
    ("unified attribution and report time change nothing any more", || {
        let client = Client::new();
        let plain = client.rows(&[]);
        let asked = client.rows(&[
            ("use_unified_attribution_setting", "false"),
            ("action_report_time", "impression"),
        ]);
        assert_eq!(plain, asked);
    }),
    ("alias families tell the same events again", || {
        let rows = Client::new().rows(&[]);
        let row = rows.iter().find(|r| !action(r, "actions", "purchase").is_null()).unwrap();
        let value = |n: &str| action(row, "actions", n)["value"].clone();
        let own = value("offsite_conversion.fb_pixel_purchase");
        for alias in [
            "purchase",
            "omni_purchase",
            "onsite_web_purchase",
            "onsite_web_app_purchase",
            "web_in_store_purchase",
        ] {
            assert_eq!(value(alias), own, "{alias}");
        }
        assert_eq!(value("omni_initiated_checkout"), value("initiate_checkout"));
        assert!(action(row, "actions", "omni_landing_page_view").is_object());
    }),
    ("costs leave out the pixel's names, roas has its own", || {
        let fields = "cost_per_action_type,purchase_roas,website_purchase_roas,action_values";
        let rows = Client::new().rows(&[("fields", fields)]);
        let row = rows.iter().find(|r| r["purchase_roas"].is_array()).unwrap();
        assert!(!row["cost_per_action_type"].to_string().contains("offsite_conversion."));
        assert_eq!(row["purchase_roas"][0]["action_type"], "omni_purchase");
        assert_eq!(
            row["website_purchase_roas"][0]["action_type"],
            "offsite_conversion.fb_pixel_purchase"
        );
        assert!(action(row, "action_values", "offsite_conversion.fb_pixel_purchase").is_object());
    }),
    ("standard events of leads come in conversions, with their own cost", || {
        let client = Client::of(Scenario::lead_generation(), Options::default());
        let rows = client.rows(&[("fields", "actions,conversions,cost_per_conversion")]);
        assert!(action(&rows[0], "conversions", "contact_website").is_object());
        assert!(action(&rows[0], "conversions", "contact_total").is_object());
        assert!(action(&rows[0], "cost_per_conversion", "contact_website").is_object());
        assert!(!rows[0]["actions"].to_string().contains("contact"));
    }),
    ("results name what Meta optimises for", || {
        let rows = Client::new()
            .rows(&[("fields", "results,cost_per_result,attribution_setting,optimization_goal")]);
        let result = &rows[0]["results"][0];
        assert_eq!(result["indicator"], "actions:offsite_conversion.fb_pixel_add_to_cart");
        assert!(result["values"][0]["value"].is_string());
        assert_eq!(result["values"][0]["attribution_windows"], json!(["7d_click", "1d_view"]));
        assert_eq!(
            (&rows[0]["attribution_setting"], &rows[0]["optimization_goal"]),
            (&json!("7d_click_1d_view"), &json!("OFFSITE_CONVERSIONS"))
        );
    }),
    ("no row without delivery", || {
        let client = Client::new();
        let campaign = super::support::created(&client.campaign(&[]));
        let set = super::support::created(&client.adset(&campaign, &[]));
        client.pass(3 * DAY_MS);
        let body = client.get(
            &format!("{set}/insights"),
            &[("date_preset", "maximum"), ("time_increment", "1")],
        );
        assert_eq!(body, json!({"data": []}));
    }),
    ("days are restated for 28 days and then final", || {
        // Many cheap events, so that the last tenths of a percent are whole events.
        let mut scenario = Scenario::default();
        scenario.campaigns[0].adsets[0].daily_budget = Some(400_000);
        let client = Client::of(scenario, Options::default());
        client.pass(HOUR_MS);
        let set = client.id("adsets", 0);
        let day = list(&client.get(
            &format!("{set}/insights"),
            &[("time_increment", "1"), ("date_preset", "yesterday")],
        ))[0]["date_start"]
            .clone();
        let range = json!({"since": day, "until": day}).to_string();
        let landing = || {
            let pairs = [("fields", "actions"), ("time_range", range.as_str())];
            let row = list(&client.get(&format!("{set}/insights"), &pairs))[0].clone();
            action(&row, "actions", "landing_page_view")["value"]
                .as_str()
                .unwrap()
                .parse::<i64>()
                .unwrap()
        };
        let mut seen = vec![landing()];
        for days in [7, 13, 8, 10] {
            client.pass(days * DAY_MS);
            seen.push(landing());
        }
        assert!(seen.is_sorted() && seen[0] < seen[1] && seen[1] < seen[3], "{seen:?}");
        assert_eq!(seen[3], seen[4], "after 28 days nothing changes: {seen:?}");
    }),
    ("today has no rows until it has ended", || {
        assert!(Client::new().rows(&[("date_preset", "today")]).is_empty());
    }),
    ("filtering filters rows by object and by figure", || {
        let client = Client::new();
        let campaign = client.id("campaigns", 0);
        let filter = |field: &str, operator: &str, value: Value| {
            let text = json!([{"field": field, "operator": operator, "value": value}]).to_string();
            client.rows(&[("filtering", &text)]).len()
        };
        assert_eq!(filter("campaign.id", "IN", json!([campaign])), 60);
        assert_eq!(filter("campaign.id", "NOT_IN", json!([campaign])), 60);
        assert_eq!(filter("spend", "GREATER_THAN", json!(0)), 120);
        assert_eq!(filter("spend", "GREATER_THAN", json!("1000000")), 0);
        assert_eq!(filter("adset.name", "CONTAIN", json!("Visitors")), 30);
        assert_eq!(filter("adset.effective_status", "IN", json!(["PAUSED"])), 0);
        assert_eq!(filter("adset.delivery_info", "IN", json!(["active"])), 120);
    }),
    ("archived objects leave lists of rows, not the totals", || {
        let client = Client::new();
        let before = client.rows(&[("level", "account"), ("time_increment", "all_days")]);
        client.post(&client.id("adsets", 0), &[("status", "ARCHIVED")]);
        assert_eq!(client.rows(&[]).len(), 90);
        assert_eq!(client.rows(&[("level", "account"), ("time_increment", "all_days")]), before);
        let gone = r#"[{"field":"adset.effective_status","operator":"IN","value":["ARCHIVED","DELETED"]}]"#;
        assert_eq!(client.rows(&[("filtering", gone)]).len(), 30);
    }),
    ("sort by a figure or an action, either way", || {
        let client = Client::new();
        let spends = |sort: &str| -> Vec<f64> {
            let rows = client.rows(&[("sort", sort)]);
            rows.iter().map(|r| r["spend"].as_str().unwrap().parse().unwrap()).collect()
        };
        assert!(spends(r#"["spend_descending"]"#).is_sorted_by(|a, b| a >= b));
        assert!(spends("spend_ascending").is_sorted());
        client.rows(&[("sort", r#"["actions:link_click_ascending"]"#)]);
    }),
    ("summary adds up what it names, default_summary all fields", || {
        let client = Client::new();
        let body = client.get(
            "ACT/insights",
            &[("level", "campaign"), ("summary", "spend,impressions"), ("fields", "spend")],
        );
        assert!(
            body["summary"]["spend"].is_string() && body["summary"]["impressions"].is_string(),
            "{body}"
        );
        let body = client.get(
            "ACT/insights",
            &[("level", "campaign"), ("default_summary", "true"), ("fields", "spend,clicks")],
        );
        assert!(body["summary"]["clicks"].is_string(), "{body}");
    }),
    ("pages of rows follow their own next", || {
        let client = Client::new();
        let pairs = [
            ("level", "adset"),
            ("time_increment", "1"),
            ("limit", "50"),
            ("fields", "adset_id"),
            ("date_preset", "last_30d"),
        ];
        let body = client.get("ACT/insights", &pairs);
        let next = body["paging"]["next"].as_str().unwrap();
        for kept in [
            "level=adset",
            "time_increment=1",
            "limit=50",
            "fields=adset_id",
            "date_preset=last_30d",
            "access_token=",
            "after=",
        ] {
            assert!(next.contains(kept), "{kept} in {next}");
        }
        let last = client.get("ACT/insights", &[("after", "CUR_99999"), ("fields", "spend")]);
        assert_eq!(last["data"], json!([]), "asked once more after the end");
    }),
    ("retention: 37 months, 13 for hours and unique figures, 6 for frequency values", || {
        let client = Client::new();
        let asked = |since: &str, more: (&str, &str)| {
            let range = json!({"since": since, "until": "2026-05-01"}).to_string();
            code(&client.get("ACT/insights", &[("time_range", &range), more])).0
        };
        assert_eq!(asked("2023-04-30", ("fields", "spend")), 3018);
        assert_eq!(asked("2023-05-02", ("fields", "spend")), 0);
        assert_eq!(asked("2025-04-01", ("fields", "unique_clicks")), 3018);
        assert_eq!(
            asked("2025-04-01", ("breakdowns", "hourly_stats_aggregated_by_advertiser_time_zone")),
            3018
        );
        assert_eq!(asked("2025-10-01", ("breakdowns", "frequency_value")), 3018);
        assert_eq!(asked("2025-10-01", ("fields", "unique_clicks")), 0);
    }),
    ("old reach by breakdown and mmm are for report runs only", || {
        let client = Client::new();
        let old = r#"{"since":"2024-05-01","until":"2026-05-01"}"#;
        let pairs = [("time_range", old), ("fields", "reach"), ("breakdowns", "age")];
        assert_eq!(code(&client.get("ACT/insights", &pairs)).0, 100);
        assert!(client.post("ACT/insights", &pairs)["report_run_id"].is_string());
        assert_eq!(code(&client.get("ACT/insights", &[("breakdowns", "mmm")])).0, 100);
    }),
    ("too much at once is refused: less for code 1, far less for 1487534", || {
        let options = Options { sync_rows: 100, report_rows: 1_000, ..Options::default() };
        let client = Client::with(options);
        let pairs = |preset| [("level", "adset"), ("time_increment", "1"), ("date_preset", preset)];
        let reply = client.reply(rungwise::ports::Method::Get, "ACT/insights", &pairs("last_30d"));
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, code(&body)), (500, (1, 0)));
        assert!(body["error"]["message"].as_str().unwrap().contains("reduce the amount of data"));
        let sliced = [("date_preset", "maximum"), ("breakdowns", "age,gender")];
        assert_eq!(code(&client.get("ACT/insights", &sliced)), (100, 1_487_534));
        assert!(client.get("ACT/insights", &pairs("last_7d"))["data"].is_array());
    }),
    ("a report run shows every status", || {
        let options = Options { report_rows: 150, ..Options::default() };
        let client = Client::with(options);
        let run = |preset| {
            client.post("ACT/insights", &[("date_preset", preset), ("fields", "spend")])["report_run_id"].as_str().unwrap().to_owned()
        };
        let poll = |id: &str| {
            client.get(id, &[("fields", "async_status,async_percent_completion,error_code,error_subcode,error_message,error_user_title,error_user_msg")])
        };
        let follow = |id: &str| -> Vec<String> {
            (0..5).map(|_| poll(id)["async_status"].as_str().unwrap().to_owned()).collect()
        };
        let good = run("last_30d");
        assert_eq!(
            follow(&good),
            ["Job Not Started", "Job Started", "Job Running", "Job Completed", "Job Completed"]
        );
        assert_eq!(poll(&good)["async_percent_completion"], 100);
        assert_eq!(list(&client.get(&format!("{good}/insights"), &[])).len(), 1);
        let bad = run("maximum");
        assert_eq!(follow(&bad)[2..], ["Job Failed", "Job Failed", "Job Failed"]);
        let failed = poll(&bad);
        assert_eq!(
            (&failed["error_code"], &failed["error_subcode"]),
            (&json!(100), &json!(1_487_534))
        );
        assert!(failed["error_message"].is_string() && failed["error_user_msg"].is_string());
        assert_eq!(code(&client.get(&format!("{bad}/insights"), &[])), (-2, 2_490_547));
        client.pass(31 * DAY_MS);
        assert_eq!(poll(&good)["async_status"], "Job Skipped", "forgotten after thirty days");
    }),
    ("a report run ends by itself as time goes on, and can be unknown for a moment", || {
        let client = Client::with(Options { list_lag_ms: 1_000, ..Options::default() });
        let id = client.post("ACT/insights", &[])["report_run_id"].as_str().unwrap().to_owned();
        assert_eq!(code(&client.get(&id, &[])), (100, 33));
        client.pass(21_000);
        assert_eq!(client.field(&id, "async_status"), "Job Completed");
    }),
    ("a summary of a run can only name what the run has", || {
        let client = Client::new();
        let id = client.post("ACT/insights", &[("fields", "spend")])["report_run_id"]
            .as_str()
            .unwrap()
            .to_owned();
        client.pass(30_000);
        let body = client.get(&format!("{id}/insights"), &[("summary", "impressions")]);
        assert!(body["error"]["message"].as_str().unwrap().contains("summary param"), "{body}");
        assert!(
            client.get(&format!("{id}/insights"), &[("summary", "spend")])["summary"]["spend"]
                .is_string()
        );
    }),
    ("a probe without any parameter is answered", || {
        assert_eq!(list(&Client::new().get("ACT/insights", &[])).len(), 1);
        assert_eq!(
            list(&Client::new().get("ACT/insights", &[("fields", r#"["account_id"]"#)])).len(),
            1
        );
    }),
];

//! One function per parser of foreign bytes: whatever the bytes, each must come back with a value or an error, soon and
//! without a panic. Shared by the targets in `fuzz/` and by the tests on stable.

use std::sync::Arc;

use rungwise::{
    config,
    daemon::schedule::Schedule,
    domain::{AccountId, CampaignId, DayRange, Moment, Zone, one_line, plan::Plan},
    exports,
    graph::{Client, Link, Options, Secrets, usage::Usage},
    ports::{
        BoxFuture, Clock, MetaRead as _, Request, Response, Transport, TransportError,
        meta::InsightPages as _,
    },
    sandbox::{Sandbox, Scenario},
};

/// Answers everything with the same bytes, and counts.
struct Echo {
    status: u16,
    header: Option<(String, String)>,
    body: Vec<u8>,
    asked: std::sync::atomic::AtomicUsize,
}

impl Transport for Echo {
    fn send<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        let asked = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let answer = Response {
            status: self.status,
            headers: self.header.iter().cloned().collect(),
            body: self.body.clone(),
        };
        // Bytes that make a client ask without end are a finding, not a hang.
        assert!(asked < 20_000, "the client never stops asking");
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// A clock that is always where one waits for it to be.
#[derive(Default)]
struct Leap(std::sync::atomic::AtomicI64);

impl Clock for Leap {
    fn now(&self) -> Moment {
        let start = 1_767_600_000_000;
        Moment::from_millis(start + self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
    fn wait_until(&self, until: Moment) -> BoxFuture<'_, ()> {
        let ahead = until.since(self.now()).max(0);
        self.0.fetch_add(ahead, std::sync::atomic::Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

fn client(status: u16, header: Option<(String, String)>, body: &[u8]) -> Client<Echo> {
    let options = Options {
        account: AccountId::new("act_1").expect("digits"),
        version: "v26.0".to_owned(),
        points: None,
        marker: "[rw:".to_owned(),
        seed: Some(1),
    };
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let echo = Echo { status, header, body: body.to_vec(), asked };
    let secrets = Secrets::new("t".repeat(30).into(), None::<(&str, &secrecy::SecretString)>);
    Client::new(Link::new(echo, Arc::new(Leap::default()), secrets, options))
}

/// Runs a read to its end; nothing in it ever waits for real.
fn finish<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(work)
}

/// The body of an error, under every kind of status.
pub(crate) fn error_body(bytes: &[u8]) {
    for status in [200, 400, 401, 500] {
        let _ = finish(client(status, None, bytes).account());
    }
}

/// A page of insights, and of any other list.
pub(crate) fn insights_page(bytes: &[u8]) {
    let (first, last) =
        ("2026-01-01".parse().expect("a day"), "2026-01-03".parse().expect("a day"));
    let days = DayRange::new(first, last).expect("in order");
    let client = client(200, None, bytes);
    finish(async {
        let mut pages = client.insights(days);
        while let Ok(Some(page)) = pages.next().await {
            assert!(page.rows.iter().all(|r| days.contains(r.day)), "rows of other days");
        }
        let _ = client.account_spend(days).await;
    });
}

/// Lists of campaigns, ad sets and ads.
pub(crate) fn tree_page(bytes: &[u8]) {
    let client = client(200, None, bytes);
    let _ = finish(client.trees(&[]));
    let one = CampaignId::new("12").expect("digits");
    let _ = finish(client.twins(std::slice::from_ref(&one)));
    let _ = finish(client.interference(&one));
}

/// The usage headers.
pub(crate) fn usage_header(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    for name in [
        "x-app-usage",
        "x-ad-account-usage",
        "x-business-use-case-usage",
        "x-fb-ads-insights-throttle",
        "date",
    ] {
        let headers = vec![(name.to_owned(), text.clone())];
        let answer = Response { status: 200, headers, body: Vec::new() };
        let usage = Usage::of(&answer);
        assert!(usage.pacing() >= rungwise::graph::usage::Pacing::Free);
        let _ = finish(client(400, Some((name.to_owned(), text.clone())), b"{}").token());
    }
}

/// What `debug_token` says.
pub(crate) fn token_reply(bytes: &[u8]) {
    let _ = finish(client(200, None, bytes).token());
}

/// A batch, as the rehearsal world reads it from any client.
pub(crate) fn batch(bytes: &[u8]) {
    let world = Sandbox::new(Scenario { history_days: 1, ..Scenario::default() });
    let token = world.credentials().access_token;
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut request = Request::post("/v26.0/").form("batch", text);
    request.token = Some(token);
    let _ = finish(world.send(&request));
}

/// A cron expression.
pub(crate) fn cron(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let zone: Zone = "America/Santiago".parse().expect("a zone");
    let start = Moment::from_millis(1_767_600_000_000);
    if let Ok(schedule) = Schedule::parse(&text, &zone) {
        let next = schedule.upcoming(start, 3);
        assert!(next.windows(2).all(|w| w[0] < w[1]), "slots go forward");
    }
}

/// A configuration file.
pub(crate) fn config_file(bytes: &[u8]) {
    if let Err(e) = config::from_toml(&String::from_utf8_lossy(bytes), &[]) {
        assert!(!e.to_string().is_empty());
    }
}

/// An export of Ads Manager, or insights as JSON.
pub(crate) fn export(bytes: &[u8]) {
    if let Ok(table) = exports::read("file.csv", bytes) {
        let _ = table.totals();
    }
}

/// A plan file.
pub(crate) fn plan_file(bytes: &[u8]) {
    if let Ok(plan) = serde_json::from_slice::<Plan>(bytes) {
        let again = serde_json::to_vec(&plan).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<Plan>(&again).expect("and read again"), plan);
    }
}

/// A name, as it is shown to people.
pub(crate) fn shown_name(bytes: &[u8]) {
    let shown = one_line(&String::from_utf8_lossy(bytes));
    assert!(!shown.chars().any(char::is_control));
}

/// A name, what is tried, and a few real inputs to begin with.
pub(crate) type Entry = (&'static str, fn(&[u8]), Vec<&'static [u8]>);

/// Every entry.
pub(crate) fn all() -> Vec<Entry> {
    const ERROR: &[u8] = br#"{"error":{"message":"(#80004) There have been too many calls","type":"OAuthException","code":80004,"error_subcode":2446079,"is_transient":true,"error_data":"{\"blame_field_specs\":[[\"name\"]]}","error_user_title":"t","error_user_msg":"m","fbtrace_id":"A1b2"}}"#;
    const ROWS: &[u8] = br#"{"data":[{"campaign_id":"7","adset_id":"71","date_start":"2026-01-01","date_stop":"2026-01-01","spend":"53.40","impressions":"9000","inline_link_clicks":"12","account_currency":"EUR","attribution_setting":"7d_click_1d_view","actions":[{"action_type":"purchase","value":"2","7d_click":"2"}],"action_values":[{"action_type":"purchase","value":"181.50"}]}],"paging":{"cursors":{"before":"A","after":"B"}}}"#;
    const TREES: &[u8] = br#"{"data":[{"id":"12","name":"Shop | purchase [rw:7Q2M]","objective":"OUTCOME_SALES","status":"ACTIVE","effective_status":"ACTIVE","daily_budget":"3000","spend_cap":"922337203685478","special_ad_categories":[],"created_time":"2026-01-01T00:00:00+0000","campaign_id":"12","adset_id":"13","optimization_goal":"OFFSITE_CONVERSIONS","promoted_object":{"pixel_id":"5","custom_event_type":"PURCHASE"},"learning_stage_info":{"status":"LEARNING","conversions":3,"last_sig_edit_ts":1767600000},"creative":{"id":"9"}}]}"#;
    const USAGE: &[u8] = br#"{"1":[{"type":"ads_management","call_count":28,"total_cputime":25,"total_time":101.5,"estimated_time_to_regain_access":"7","ads_api_access_tier":"standard_access"}],"call_count":96,"acc_id_util_pct":9.67,"app_id_util_pct":0}"#;
    const TOKEN: &[u8] = br#"{"data":{"app_id":"1","type":"SYSTEM_USER","is_valid":true,"expires_at":0,"data_access_expires_at":1775000000,"scopes":["ads_read","ads_management"],"granular_scopes":[{"scope":"ads_read","target_ids":["1"]}]}}"#;
    const BATCH: &[u8] = br#"[{"method":"GET","relative_url":"v26.0/me"},{"method":"POST","relative_url":"act_1/campaigns","body":"name=x&status=PAUSED","name":"a"},{"method":"GET","relative_url":"{result=a:$.id}"},null]"#;
    const CONFIG: &[u8] = b"[account]\nid = \"act_1\"\ncurrency = \"EUR\"\n[mode]\nlevel = \"supervised\"\n[limits]\nmax_daily_spend = \"300.00 EUR\"\nmax_spend_per_climb = \"2000.00 EUR\"\nmax_regret_per_climb = \"300.00 EUR\"\n[compare]\nwindow = \"14d\"\nmargin = 0.10\n[schedule]\npull = \"0 15 */3 * * *\"\n";
    const CSV: &[u8] = "\u{feff}Tag;Kampagnenname;Ausgegebener Betrag (EUR);K\u{e4}ufe;Impressionen\n2026-06-01;A;1.234,50;3;9000\n;;3.223,75;21;\n".as_bytes();
    const PLAN: &[u8] = br#"{"version":1,"kind":"end","actions":[]}"#;
    vec![
        ("error_body", error_body as fn(&[u8]), vec![ERROR, b"<html>502</html>", b""]),
        (
            "insights_page",
            insights_page,
            vec![ROWS, br#"{"data":[]}"#, br#"{"report_run_id":"6"}"#],
        ),
        ("tree_page", tree_page, vec![TREES]),
        ("usage_header", usage_header, vec![USAGE, b"Thu, 26 Nov 2026 20:28:42 GMT"]),
        ("token_reply", token_reply, vec![TOKEN]),
        ("batch", batch, vec![BATCH]),
        (
            "cron",
            cron,
            vec![b"0 30 6 * * *", b"0 0 0 29 2 *", b"0 15 */3 1-7 Jan-Mar Mon,Fri 2026"],
        ),
        ("config_file", config_file, vec![CONFIG, config::DEFAULT_TOML.as_bytes()]),
        (
            "export",
            export,
            vec![
                CSV,
                ROWS,
                b"Day,Campaign name,Amount spent (USD),Purchases\n2026-01-01,\"a,\"\"b\",10.00,1\n",
            ],
        ),
        ("plan_file", plan_file, vec![PLAN]),
        ("shown_name", shown_name, vec!["a\u{202e}b\u{1b}[31m\r\n\0</script>".as_bytes()]),
    ]
}

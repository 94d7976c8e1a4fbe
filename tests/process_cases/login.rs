//! The login from end to end: the real binary, the rehearsal world's dialog over HTTP, and a browser played by hand.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::support::Site;

/// A command on the site without a token in its environment: only what `login` stored can serve.
pub(crate) fn bare(site: &Site, args: &[&str]) -> Command {
    let mut command = site.command(args);
    command.env_remove("RUNGWISE_API_TOKEN");
    command
}

/// `login --no-browser` that waits for its browser.
pub(crate) struct Waiting {
    child: Child,
    talk: BufReader<std::process::ChildStdout>,
    pub(crate) address: String,
}

pub(crate) fn begin(site: &Site, more: &[&str]) -> Waiting {
    let args = [&["login", "--no-browser", "--json"], more].concat();
    let mut command = bare(site, &args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut talk = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    talk.read_line(&mut line).unwrap();
    let first: Value = serde_json::from_str(&line).unwrap_or_else(|e| {
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        panic!("{e}: {line:?} {why}")
    });
    Waiting { child, talk, address: first["open"].as_str().unwrap().to_owned() }
}

impl Waiting {
    /// Exit code, last line of stdout, and everything on stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.talk.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

pub(crate) fn browser() -> reqwest::Client {
    let none = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(none).build().unwrap()
}

/// Name and value of every input and button of a page, as a browser would send them when `decision` is pressed.
fn filled(page: &str, decision: &str) -> Vec<(String, String)> {
    let clear = |t: &str| {
        t.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&amp;", "&")
    };
    let mut fields: Vec<(String, String)> = page
        .split("<input ")
        .skip(1)
        .map(|tag| {
            let of = |name: &str| {
                let rest = tag.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
                clear(rest.split('"').next().unwrap_or_default())
            };
            (of("name"), of("value"))
        })
        .collect();
    fields.push(("decision".to_owned(), decision.to_owned()));
    fields
}

/// Opens the address, presses a button, and returns where the dialog sends the browser.
pub(crate) async fn answer(address: &str, decision: &str) -> String {
    let browser = browser();
    let page = browser.get(address).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("ads_management"), "the page says what is asked for: {page}");
    let path = address.split('?').next().unwrap();
    let sent = browser.post(path).form(&filled(&page, decision)).send().await.unwrap();
    assert_eq!(sent.status(), 302);
    let back = sent.headers()["location"].to_str().unwrap().to_owned();
    back.split('#').next().unwrap().to_owned()
}

pub(crate) fn param<'a>(address: &'a str, name: &str) -> &'a str {
    let query = address.split_once('?').unwrap().1;
    let pair = query.split('&').find_map(|p| p.strip_prefix(&format!("{name}=")));
    pair.unwrap_or_else(|| panic!("{name} in {address}"))
}

#[tokio::test]
async fn a_person_logs_in_and_the_agent_works_with_what_was_stored() {
    let site = Site::open("supervised");
    for pkce in [false, true] {
        let more: &[&str] = if pkce { &["--pkce"] } else { &[] };
        let waiting = begin(&site, more);
        assert_eq!(waiting.address.contains("code_challenge="), pkce);
        let redirect = answer(&waiting.address, "approve").await;
        assert!(redirect.starts_with("http://127.0.0.1:"), "{redirect}");
        assert_eq!(param(&redirect, "state"), param(&waiting.address, "state"));
        // A stranger on this machine who does not know the path.
        let root = redirect.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        assert_eq!(browser().get(&root).send().await.unwrap().status(), 404);
        let page = browser().get(&redirect).send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["cache-control"], "no-store");
        // The second request finds nobody.
        assert!(browser().get(&redirect).send().await.is_err(), "the door is shut");
        let (code, out, err) = waiting.end();
        assert_eq!(code, Some(0), "{err}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(told["kind"], "USER");
        assert_eq!(told["scopes"], serde_json::json!(["ads_read", "ads_management"]));
        assert!(told["expires"].as_str().unwrap().starts_with("2026-03-06"), "{told:#}");
        // The code was used by the login; nobody can use it again.
        let form = [
            ("client_id", site.text("app_id")),
            ("client_secret", site.text("app_secret")),
            ("redirect_uri", redirect.split('?').next().unwrap()),
            ("code", param(&redirect, "code")),
        ];
        let url = format!("{}/v26.0/oauth/access_token", site.text("base_url"));
        let again = browser().post(url).form(&form).send().await.unwrap().text().await.unwrap();
        let again: Value = serde_json::from_str(&again).unwrap();
        assert_eq!(again["error"]["error_subcode"], 36_009, "{again:#}");
    }
    let status = bare(&site, &["doctor", "--json"]).output().unwrap();
    let checks: Value = serde_json::from_slice(&status.stdout).unwrap();
    let of = |name: &str| {
        let list = checks["checks"].as_array().unwrap();
        list.iter().find(|c| c["check"] == name).unwrap_or_else(|| panic!("{name}: {checks:#}"))
    };
    assert_eq!(of("token")["level"], "warn", "a person's token is second best: {checks:#}");
    assert!(of("token")["found"].as_str().unwrap().contains("USER token from rungwise login"));
    for name in [
        "app",
        "token end",
        "permissions",
        "account",
        "reach",
        "pixel",
        "clock",
        "API version",
        "disk",
        "key custody",
        "business",
        "campaigns",
        "database",
        "configuration",
        "kill switch",
    ] {
        assert_eq!(of(name)["level"], "ok", "{name}: {checks:#}");
    }
    assert_eq!((status.status.code(), &checks["ok"]), (Some(0), &true.into()));
    let tick = bare(&site, &["tick", "--json"]).output().unwrap();
    assert_eq!(tick.status.code(), Some(0), "{}", String::from_utf8_lossy(&tick.stderr));
}

#[tokio::test]
async fn a_no_and_a_forged_answer_store_nothing() {
    let site = Site::open("supervised");
    let waiting = begin(&site, &[]);
    let redirect = answer(&waiting.address, "deny").await;
    browser().get(&redirect).send().await.unwrap();
    let (code, _, err) = waiting.end();
    assert_eq!(code, Some(77), "{err}");
    assert!(err.contains("Permissions error"), "{err}");
    assert!(err.contains("hint: "), "{err}");
    // The answer of one login given to another: mixed up.
    let (one, two) = (begin(&site, &[]), begin(&site, &[]));
    let right = answer(&one.address, "approve").await;
    let foreign = answer(&two.address, "approve").await;
    let door = right.split('?').next().unwrap();
    let mixed = format!("{door}?{}", foreign.split_once('?').unwrap().1);
    browser().get(mixed).send().await.unwrap();
    let (code, _, err) = one.end();
    assert_eq!(code, Some(77), "{err}");
    assert!(err.contains("belongs to another login"), "{err}");
    drop(two);
    let found = bare(&site, &["doctor", "--json"]).output().unwrap();
    assert_eq!(found.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&found.stdout).contains("there is no access token"));
}

//! Bad input, one row each: one line that names the input, a hint, the exit code, and nothing changed.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
};

use crate::support::{Site, contents, rungwise};
use rungwise::{daemon::AgentLock, store::DATABASE_FILE};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// What a refusal must look like.
fn refused(case: &str, done: &Output, code: i32, says: &[&str]) {
    let talk = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{case}: {talk}");
    let errors: Vec<&str> = talk.lines().filter(|l| l.starts_with("error: ")).collect();
    let hints: Vec<&str> = talk.lines().filter(|l| l.starts_with("hint: ")).collect();
    assert_eq!((errors.len(), hints.len()), (1, 1), "{case}: one line and one hint: {talk}");
    assert!(hints[0].len() > 12, "{case}: {talk}");
    for text in says {
        assert!(errors[0].contains(text) || hints[0].contains(text), "{case}: {text:?} in {talk}");
    }
    let rest = talk.lines().filter(|l| !l.starts_with("error: ") && !l.starts_with("hint: "));
    let logged = rest.filter(|l| !l.contains(" INFO ") && !l.contains(" WARN "));
    assert_eq!(logged.count(), 0, "{case}: nothing else is said: {talk}");
}

#[test]
fn wrong_configurations_name_the_place_and_what_to_write_instead() {
    let account = "[account]\nid = \"act_1\"\n";
    let limits = |cap: &str| {
        format!(
            "{account}currency = \"EUR\"\n[limits]\nmax_daily_spend = \"{cap}\"\n\
             max_spend_per_climb = \"100.00 EUR\"\nmax_regret_per_climb = \"10.00 EUR\"\n"
        )
    };
    let rows: [(&str, String, &[&str]); 8] = [
        (
            "unknown key",
            format!("{account}[mode]\nlevle = \"propose\"\n"),
            &["4", "levle", "level"],
        ),
        ("unknown table", format!("{account}[limit]\nmax_step = \"1.00 EUR\"\n"), &["limit"]),
        ("negative cap", limits("-5.00 EUR"), &["max_daily_spend", "-5.00 EUR"]),
        ("foreign cap", limits("5.00 USD"), &["USD", "EUR"]),
        ("malformed money", limits("5,00 EUR"), &["max_daily_spend", "5,00", "120.00 EUR"]),
        (
            "unknown zone",
            format!("{account}time_zone = \"Europe/Berlln\"\n"),
            &["time_zone", "Europe/Berlln"],
        ),
        (
            "illegal ladder",
            format!(
                "{account}[ladder]\npreset = \"custom\"\nobjective = \"OUTCOME_LEADS\"\nrungs = [\"add_to_cart\", \"lead\"]\n"
            ),
            &["add_to_cart", "OUTCOME_LEADS"],
        ),
        (
            "search under sales",
            format!(
                "{account}[ladder]\npreset = \"custom\"\nobjective = \"OUTCOME_SALES\"\nrungs = [\"search\", \"purchase\"]\n"
            ),
            &["search"],
        ),
    ];
    for (case, text, says) in rows {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), text).unwrap();
        let before = contents(dir.path());
        for args in [&["config", "check"][..], &["tick"]] {
            let done = rungwise()
                .env("RUNGWISE_API_TOKEN", "x".repeat(30))
                .arg("--dir")
                .arg(dir.path())
                .args(args)
                .output()
                .unwrap();
            refused(case, &done, 78, says);
        }
        assert_eq!(contents(dir.path()), before, "{case}");
    }
}

#[test]
fn files_that_cannot_be_compared_are_refused_by_name() {
    let good = "Day,Campaign name,Amount spent (EUR),Purchases\n2026-01-01,A,10.00,1\n";
    let rows: [(&str, &str, &[&str]); 3] = [
        ("no spend column", "Day,Campaign name,Purchases\n2026-01-01,A,3\n", &["bad.csv", "spen"]),
        (
            "no purchase column",
            "Day,Campaign name,Amount spent (EUR)\n2026-01-01,A,3\n",
            &["bad.csv", "urchase"],
        ),
        ("empty file", "", &["bad.csv", "empty"]),
    ];
    for (case, text, says) in rows {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("good.csv"), dir.path().join("bad.csv"));
        fs::write(&a, good).unwrap();
        fs::write(&b, text).unwrap();
        refused(case, &rungwise().arg("compare").args([&a, &b]).output().unwrap(), 65, says);
    }
}

/// What the database knows, as the commands tell it.
fn known(site: &Site) -> (String, String) {
    let all = site.run(&["audit", "export"]);
    let plans = site.run(&["show", "--all", "--json"]);
    (String::from_utf8(all.stdout).unwrap(), String::from_utf8(plans.stdout).unwrap())
}

#[tokio::test]
async fn plans_that_may_not_be_approved_are_refused_and_stay_as_they_are() {
    let site = Site::open("supervised");
    let file = site.path().join("next.json");
    let done = site.run(&["plan", "-o", file.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(2), "{}", String::from_utf8_lossy(&done.stderr));
    let hash = site.json(&["show"])[0]["hash"].as_str().unwrap().to_owned();
    let before = known(&site);
    let whole = fs::read(&file).unwrap();
    for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut edited = whole.clone();
        edited[at] ^= 1;
        fs::write(&file, edited).unwrap();
        let done = site.run(&["approve", "--file", file.to_str().unwrap()]);
        refused("one byte", &done, 79, &["hash of this file", "changed"]);
    }
    let mut other = hash.clone();
    other.replace_range(10..11, if &hash[10..11] == "0" { "1" } else { "0" });
    refused("another hash", &site.run(&["approve", &other]), 83, &[&other, "show"]);
    refused("no hash", &site.run(&["approve", "yes!"]), 83, &["yes!"]);
    advance(&site, 25 * 3_600).await;
    refused("expired", &site.run(&["approve", &hash]), 79, &["expired at", "fresh plan"]);
    assert_eq!(known(&site), before);
    let log = site.admin("requests").await;
    assert!(log.as_array().unwrap().iter().all(|e| e["mutation"].is_null()));
}

/// Lets the sandbox's time pass, as an operator does with curl.
async fn advance(site: &Site, seconds: i64) {
    let url = format!("{}/_sandbox/advance", site.text("base_url"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = format!("{{\"seconds\":{seconds}}}");
    assert!(client.post(url).body(body).send().await.unwrap().status().is_success());
}

async fn raw(path: &Path, statements: &'static str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
}

/// The schema version in the file's own header.
fn header_version(database: &Path) -> u32 {
    let bytes = fs::read(database).unwrap();
    u32::from_be_bytes(bytes[60..64].try_into().unwrap())
}

#[tokio::test]
async fn databases_of_others_and_directories_in_use_or_closed_are_refused() {
    let site = Site::open("supervised");
    let database = site.path().join(DATABASE_FILE);
    raw(&database, "create table t (a); pragma application_id = 7;").await;
    let before = contents(&site.path());
    for args in [&["tick"][..], &["status"], &["approve", "abcdef"]] {
        refused("another program", &site.run(args), 78, &[DATABASE_FILE, "another program"]);
    }
    let same = |then: &[(std::path::PathBuf, Vec<u8>)]| {
        let databases = |all: &[(std::path::PathBuf, Vec<u8>)]| {
            all.iter().filter(|(p, _)| !p.ends_with("agent.lock")).cloned().collect::<Vec<_>>()
        };
        databases(then) == databases(&before)
    };
    assert!(same(&contents(&site.path())));
    fs::remove_file(&database).unwrap();
    site.json(&["tick"]);
    let own = header_version(&database);
    raw(&database, "pragma user_version = 99; pragma wal_checkpoint(truncate);").await;
    for args in [&["tick"][..], &["status"]] {
        refused("newer schema", &site.run(args), 78, &[DATABASE_FILE, "version 99"]);
    }
    let back = format!("pragma user_version = {own}; pragma wal_checkpoint(truncate);");
    raw(&database, Box::leak(back.into_boxed_str())).await;
    let held = AgentLock::acquire(&site.path()).unwrap();
    refused("second agent", &site.run(&["tick"]), 75, &["another agent", "--dir"]);
    drop(held);
    site.json(&["tick"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let site = Site::open("supervised");
    let config = site.path().join("config.toml");
    // Even root can make no file here.
    for (dir, code) in [("/proc/rungwise", 73), ("/proc/self", 78)] {
        let mut command = rungwise();
        command.env("RUNGWISE_API_TOKEN", site.text("access_token"));
        command.args(["--dir", dir, "--config"]).arg(&config).arg("tick");
        refused(dir, &command.output().unwrap(), code, &[dir, "writ"]);
    }
}

/// A server that answers some paths itself and passes the others on to the sandbox.
fn between(site: &Site, path_has: &'static str, kind: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let world = site.text("base_url").trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let Some(head) = read_head(&mut stream) else { continue };
            let line = head.lines().next().unwrap_or_default();
            let answer = if line.contains(path_has) {
                let length = body.len();
                format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
            } else {
                pass_on(&world, &head)
            };
            let _ = stream.write_all(&answer);
        }
    });
    url
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn pass_on(world: &str, head: &str) -> Vec<u8> {
    let mut upstream = TcpStream::connect(world).unwrap();
    let head = head.trim_end_matches("\r\n");
    upstream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn a_meta_that_does_not_answer_sensibly_is_reported_and_nothing_is_kept() {
    const LOOP: &str = r#"{"data":[],"paging":{"cursors":{"before":"A","after":"A"},"next":"https://graph.facebook.com/v26.0/act_1/campaigns?after=A"}}"#;
    let rows: [(&str, &str, &str, &str, &[&str]); 3] = [
        ("HTML", "/campaigns", "text/html", "<html><body>Sorry</body></html>", &["campaigns"]),
        ("page loop", "/campaigns", "application/json", LOOP, &["page"]),
        ("truncated JSON", "/campaigns", "application/json", "{\"data\":[{\"id\":\"12", &["JSON"]),
    ];
    // Time flies here, so that the pauses between repeated reads are short.
    let site = Site::open_at("supervised", "200");
    for (case, path, kind, body, says) in rows {
        site.configure("supervised", &between(&site, path, kind, body));
        refused(case, &site.run(&["tick"]), 69, says);
        let status = site.json(&["status"]);
        // The record of the schema, made when the database was.
        assert_eq!(status["audit_head"], 1, "{case}: nothing is kept of a half read");
        assert_eq!(status["insights_read"], Value::Null, "{case}: nothing is kept of a half read");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    site.configure("supervised", &url);
    refused("sandbox down", &site.run(&["tick"]), 69, &["base_url"]);
    refused("sandbox down", &site.run(&["sync"]), 69, &["base_url"]);
    site.configure("supervised", site.text("base_url"));
    let mut wrong = site.command(&["tick"]);
    wrong.env("RUNGWISE_API_TOKEN", "EAABwrongwrongwrongwrongwrong");
    let done = wrong.output().unwrap();
    refused("wrong token", &done, 77, &["190", "token"]);
    assert!(!String::from_utf8_lossy(&done.stderr).contains("EAABwrong"), "a token is never shown");
    // With what is right it works, so each row failed for its own reason.
    site.json(&["tick"]);
    let log = site.admin("requests").await;
    assert!(log.as_array().unwrap().iter().all(|e| e["mutation"].is_null()));
}

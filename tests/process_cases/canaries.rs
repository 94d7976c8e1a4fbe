//! Twelve secrets, and every place a run leaves anything behind: none of them may stand anywhere in clear.

use std::process::Stdio;

use secrecy::SecretString;

use crate::{
    login::{answer, bare, begin, browser, param},
    support::{Site, contents},
};

/// A token that Meta does not know.
const UNKNOWN: &str = "EAABcanaryThatMetaDoesNotKnow0123456789";
/// What seals the audit heads, given by the environment.
const AUDIT_KEY: &str = "canary-audit-key-0123456789";
/// A key of the secrets, given by the environment.
const ENV_KEY: &str = "abababababababababababababababababcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

/// Runs `login --system-user` with a token on standard input.
fn take_in(site: &Site, token: &str) -> (Option<i32>, String) {
    use std::io::Write as _;
    let mut command = bare(site, &["login", "--system-user", "--json"]);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
}

/// Tokens on standard input and in a file, bad ones first; what the commands said.
fn tokens_taken_in(site: &Site) -> String {
    let mut said = String::new();
    for (given, code) in
        [(UNKNOWN, 77), ("", 65), ("two words", 65), (site.text("access_token"), 0)]
    {
        let (ended, text) = take_in(site, &format!("{given}\n"));
        assert_eq!(ended, Some(code), "{text}");
        said.push_str(&text);
    }
    let file = site.path().join("token.txt");
    std::fs::write(&file, UNKNOWN).unwrap();
    let from_file = ["login", "--system-user", "--token-file", file.to_str().unwrap()];
    let done = bare(site, &from_file).output().unwrap();
    assert_eq!(done.status.code(), Some(77));
    std::fs::remove_file(&file).unwrap();
    said + &String::from_utf8_lossy(&[done.stdout, done.stderr].concat())
}

/// What a person's login leaves: what it said, its arguments, its code and its state.
struct LoggedIn {
    said: String,
    arguments: Vec<u8>,
    code: String,
    state: String,
}

async fn a_person_logged_in(site: &Site) -> LoggedIn {
    let waiting = begin(site, &[]);
    let arguments = std::fs::read(format!("/proc/{}/cmdline", waiting.pid())).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", waiting.pid())).unwrap();
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
    let none: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(none, ["0", "0"], "no core file is ever written");
    let redirect = answer(&waiting.address, "approve").await;
    let (grant, state) =
        (param(&redirect, "code").to_owned(), param(&redirect, "state").to_owned());
    browser().get(&redirect).send().await.unwrap();
    let (ended, out, err) = waiting.end();
    assert_eq!(ended, Some(0), "{err}");
    LoggedIn { said: out + &err, arguments, code: grant, state }
}

/// The commands of a run, failing ones among them.
const RUN: [&[&str]; 26] = [
    &["doctor"],
    &["sync"],
    &["config", "show"],
    &["config", "check"],
    &["tick", "--now", "2026-01-05T06:30:00Z"],
    &["show", "--json"],
    &["tick", "--no-decide", "--json"],
    &["tick", "--now", "2026-01-05T18:30:00Z"],
    &["show", "--json"],
    &["tick", "--no-decide", "--json"],
    &["tick", "--now", "2026-01-06T06:30:00Z"],
    &["show", "--json"],
    &["tick", "--no-decide", "--json"],
    &["status"],
    &["forecast"],
    &["drift"],
    &["explain"],
    &["replay", "--all"],
    &["audit", "log"],
    &["audit", "export"],
    &["audit", "verify"],
    &["login", "--rotate-key"],
    &["doctor", "--json"],
    &["health"],
    &["tick", "--now", "2025-01-01T00:00:00Z"],
    &["approve", "ffff"],
];

/// A run with everything logged that can be, with the stored token and with the one of the environment.
fn whole_run(site: &Site) -> String {
    let mut said = String::new();
    for with_env in [false, true] {
        for args in RUN {
            let mut command = if with_env { site.command(args) } else { bare(site, args) };
            command.env("RUNGWISE_LOG_LEVEL", "trace").env("RUST_BACKTRACE", "1");
            command.env("RUNGWISE_AUDIT_KEY", AUDIT_KEY).env("RUNGWISE_SECRETS_KEY", ENV_KEY);
            let done = command.output().unwrap();
            assert!(done.status.code().is_some_and(|c| c < 100), "{args:?} crashed");
            said.push_str(&String::from_utf8_lossy(&[done.stdout, done.stderr].concat()));
            // Whatever was proposed is approved, so that writes happen.
            if args[0] == "show" {
                approve_all(site);
            }
        }
    }
    said
}

fn approve_all(site: &Site) {
    for plan in site.json(&["show"]).as_array().unwrap() {
        if plan["end"].is_null() && plan["approved_by"].as_array().unwrap().is_empty() {
            site.run(&["approve", plan["hash"].as_str().unwrap()]);
        }
    }
}

async fn canaries(site: &Site, login: &LoggedIn) -> [(&'static str, String); 12] {
    let kept =
        |name: &str| std::fs::read_to_string(site.path().join(name)).unwrap().trim().to_owned();
    let (token, app_secret) = (site.text("access_token"), site.text("app_secret"));
    let stored = stored_token(site, &kept("secrets.key")).await;
    [
        ("the system user's token", token.to_owned()),
        ("the app secret", app_secret.to_owned()),
        ("proof of the system user's token", proof(app_secret, token)),
        ("proof of the person's token", proof(app_secret, &stored)),
        ("the person's token", stored),
        ("the login code", login.code.clone()),
        ("the login state", login.state.clone()),
        ("the key of the secrets", kept("secrets.key")),
        ("the key of the secrets in the environment", ENV_KEY.to_owned()),
        ("the audit key", AUDIT_KEY.to_owned()),
        ("a token Meta does not know", UNKNOWN.to_owned()),
        ("the key of the audit heads", kept("head.key")),
    ]
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

#[tokio::test]
async fn no_secret_leaves_the_place_it_belongs_to() {
    let site = Site::open("supervised");
    let mut said = tokens_taken_in(&site);
    let login = a_person_logged_in(&site).await;
    said.push_str(&login.said);
    said.push_str(&whole_run(&site));
    let log = site.admin("requests").await.to_string();
    assert!(log.contains("\"POST\""), "a run without writes shows nothing");
    backed_up(&site, &site.path().join("backup.db")).await;
    let canaries = canaries(&site, &login).await;
    let mut sinks: Vec<(String, Vec<u8>)> = vec![
        ("stdout and stderr".into(), said.into_bytes()),
        ("arguments of the process".into(), login.arguments),
        ("request log of the world".into(), log.into_bytes()),
    ];
    for (path, bytes) in contents(&site.path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !["secrets.key", "head.key"].contains(&name.as_str()) {
            sinks.push((name, bytes));
        }
    }
    // The search finds what is there.
    for (sink, text) in [
        ("config.toml", "app_id"),
        ("backup.db", "token_stored"),
        ("stdout and stderr", "write_began"),
        ("stdout and stderr", " INFO rungwise"),
    ] {
        let (_, bytes) = sinks.iter().find(|(name, _)| name == sink).unwrap();
        assert!(holds(bytes, text), "{text} in {sink}");
    }
    assert!(sinks.iter().any(|(name, _)| name == "rungwise.db"));
    let (_, anchors) = sinks.iter().find(|(name, _)| name == "anchors.log").unwrap();
    let head = String::from_utf8_lossy(anchors).split_whitespace().nth(1).unwrap().to_owned();
    let chain = site.run(&["audit", "export"]).stdout;
    assert!(
        head.len() == 64 && holds(&chain, &head),
        "a copied head is a link of the chain: {head}"
    );
    for (sink, bytes) in &sinks {
        for (name, canary) in &canaries {
            assert!(canary.len() >= 16, "{name} is long enough to be unmistakable");
            assert!(!holds(bytes, canary), "{name} stands in {sink}");
        }
    }
    let bytes: usize = sinks.iter().map(|(_, b)| b.len()).sum();
    println!("{} canaries, {} sinks, {bytes} bytes", canaries.len(), sinks.len());
}

/// The stored token, opened with the key of the site.
async fn stored_token(site: &Site, key: &str) -> String {
    use rungwise::{
        domain::AccountId,
        ports::Store as _,
        store::{Access, Keyring, SqliteStore},
    };
    use secrecy::ExposeSecret as _;
    let account = AccountId::new(site.text("account_id")).unwrap();
    let store = SqliteStore::open(&site.path(), &account, Access::Read).await.unwrap();
    let rows = store.sealed().await.unwrap();
    assert_eq!(rows.len(), 1, "one token, however many were taken in");
    let ring = Keyring::parse(&SecretString::from(key.to_owned())).unwrap();
    let token = ring.open(&account, &rows[0]).unwrap();
    store.close().await;
    token.expose_secret().to_owned()
}

async fn backed_up(site: &Site, to: &std::path::Path) {
    use rungwise::{
        domain::AccountId,
        store::{Access, SqliteStore},
    };
    let account = AccountId::new(site.text("account_id")).unwrap();
    let store = SqliteStore::open(&site.path(), &account, Access::Read).await.unwrap();
    store.backup(to).await.unwrap();
    store.close().await;
}

fn proof(secret: &str, token: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(token.as_bytes());
    data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
}

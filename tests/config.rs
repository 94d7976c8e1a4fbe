//! The configuration as a user meets it: what is refused, where the finger points, what comes out.

use std::{collections::BTreeMap, path::Path};

use rungwise::{
    cli::config as commands,
    config::{self, Config, ConfigError, DEFAULT_TOML, Origin, SecretSource, from_toml, load},
    domain::{
        AccountId, HOUR_MS, Moment, Policy,
        policy::{Lines, Mode, RuleName},
    },
};

const CAPS: &str = "[limits]\nmax_daily_spend = \"300.00 EUR\"\nmax_spend_per_climb = \"2000.00 EUR\"\n\
                    max_regret_per_climb = \"300.00 EUR\"\n";

fn refused(text: &str) -> (String, Option<String>) {
    let error = from_toml(text, &[]).expect_err(text);
    (error.to_string(), error.hint())
}

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[expect(clippy::unwrap_used, reason = "a test's own directory")]
fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[expect(clippy::unwrap_used, reason = "a test's own directory")]
fn loaded(text: &str, vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "config.toml", text);
    load(Some(&dir.path().join("config.toml")), &env(vars))
}

#[test]
fn the_defaults_alone_are_valid_and_only_observe() {
    let config = from_toml("", &[]).unwrap();
    assert!(config.accounts.is_empty());
    let policy = config.policy;
    assert_eq!(policy.mode, Mode::Propose);
    let (mode, why) = policy.effective_mode();
    assert_eq!(mode, Mode::Observe);
    assert!(why.unwrap().contains("limits"));
    assert_eq!(policy.compare.rule, RuleName::Balanced);
    assert_eq!((policy.compare.window_days, policy.compare.max_window_days), (14, 42));
    assert_eq!(policy.compare.settle_ms, 72 * HOUR_MS);
    assert_eq!(policy.shifting.step_bp, 2_000);
    assert_eq!(policy.lines, Lines::AllEligible);
    let black_friday = "2026-11-27".parse().unwrap();
    assert_eq!(policy.blackout_on(black_friday).unwrap().0, "black_friday");
    assert!(policy.blackout_on("2026-07-01".parse().unwrap()).is_none());
    assert!(policy.protected_by("Brand - DO NOT TOUCH!").is_some());
}

#[test]
fn with_caps_the_configured_mode_holds() {
    let config = from_toml(&format!("[mode]\nlevel = \"supervised\"\n{CAPS}"), &[]).unwrap();
    assert_eq!(config.policy.effective_mode(), (Mode::Supervised, None));
    assert_eq!(config.policy.limits.unwrap().max_daily_spend.to_string(), "300.00 EUR");
}

#[test]
fn the_embedded_file_documents_every_key() {
    let shown = from_toml("", &[]).unwrap().effective;
    for key in shown.iter().map(|e| e.key.as_str()) {
        let (table, name) = key.rsplit_once('.').unwrap();
        let secret = ["api.token", "api.app_secret", "audit.key", "secrets.key"].contains(&key);
        let documented = if secret {
            format!("RUNGWISE_{}", key.replace('.', "_").to_uppercase())
        } else {
            format!("{name} =")
        };
        let header = format!("\n[{table}]\n");
        let part = DEFAULT_TOML.split_once(&header).unwrap_or_else(|| panic!("{header}")).1;
        let part = part.split_once("\n[").map_or(part, |(own, _)| own);
        assert!(part.contains(&documented), "{key} is not documented");
    }
}

#[test]
fn an_unknown_key_is_named_with_line_and_suggestion() {
    let (error, hint) = refused("[mode]\nlevel = \"observe\"\n\n[compare]\nwindw = \"14d\"\n");
    assert_eq!(error, "config.toml:5: unknown key 'compare.windw'");
    assert_eq!(hint.unwrap(), "did you mean 'window'?");
    let (error, hint) = refused("[compair]\nwindow = \"14d\"\n");
    assert_eq!(error, "config.toml:1: unknown key 'compair'");
    assert_eq!(hint.unwrap(), "did you mean 'compare'?");
}

#[test]
fn each_bad_value_is_refused_at_its_own_line() {
    let table = [
        ("compare", "window = 14", "text in quotes"),
        ("compare", "window = \"14\"", "no duration"),
        ("compare", "window = \"0d\"", "zero"),
        ("compare", "window = \"-14d\"", "no duration"),
        ("compare", "window = \"15d\"", "whole weeks"),
        ("compare", "window = \"7d\"", "7d"),
        ("compare", "window = \"49d\"", "longer than"),
        ("compare", "window = \"30h\"", "whole days"),
        ("compare", "settle = \"24h\"", "72h"),
        ("compare", "margin = 10", "not between 0 and 1"),
        ("compare", "margin = nan", "NaN"),
        ("compare", "margin = \"10%\"", "no % sign"),
        ("compare", "margin = true", "must be a number"),
        ("compare", "rule = \"balance\"", "not one of balanced"),
        ("compare", "promote_at = 0.2", "not between"),
        ("mode", "level = \"auto\"", "autonomous"),
        ("shifting", "step = 20", "not between"),
        ("shifting", "step = 0.25", "not between"),
        ("shifting", "gap = \"24h\"", "48h"),
        ("shifting", "max_steps_per_week = 4", "not between 1 and 3"),
        ("gates", "micro_descend_below = 50", "flap"),
        ("gates", "micro_events_per_week = -1", "not between"),
        ("approval", "quorum = 0", "not between"),
        ("approval", "quorum = \"2\"", "must be an integer"),
        ("value_guard", "enabled = \"yes\"", "true or false"),
        ("probation", "looks = [28, 21]", "ascend"),
        ("blackout", "easter = \"04-31..05-02\"", "range of days"),
        ("account", "time_zone = \"Europe/Berln\"", "time zone"),
        ("account", "id = \"act_12x\"", "only digits"),
        ("account", "currency = \"Euro\"", "currency"),
        ("lines", "scope = \"listed\"", "nothing is not everything"),
        ("lines", "campaigns = [\"12\"]", "no effect"),
        ("protect", "names = [\" \"]", "blank"),
        ("marker", "prefix = \"rw_\"", "letters or digits"),
        ("schedule", "pull = \"15 */3 * * *\"", "5 fields"),
        ("schedule", "pull = \"0 0 0 30 2 *\"", "never comes"),
        ("schedule", "pull = \"0 0 24 * * *\"", "not a cron expression"),
        ("api", "version = \"26\"", "is \"26\""),
        ("api", "timeout = \"0s\"", "zero"),
        ("api", "token = \"EAAB\"", "secret"),
        ("log", "format = \"xml\"", "text, json"),
        ("log", "level = \"loud=\"", "no level"),
        ("log", "level = \"verbose\"", "no level"),
        ("store", "dir = \"\"", "empty"),
        ("store", "dir = 2026-01-01", "must be"),
        ("ladder", "preset = \"shop\"", "not one of"),
        ("ladder", "objective = \"OUTCOME_LEADS\"", "OUTCOME_LEADS does not take"),
        ("ladder", "rungs = [\"purchase\"]", "no effect"),
    ];
    for (section, line, expected) in table {
        let (error, _) = refused(&format!("\n[{section}]\n{line}\n"));
        assert!(error.contains(expected), "{line}: {error}");
        if !line.contains("listed") {
            assert!(error.starts_with("config.toml:3: "), "{line}: {error}");
        }
    }
}

#[test]
fn a_percentage_where_a_share_is_meant_gets_the_right_number_as_hint() {
    let (_, hint) = refused("[shifting]\nstep = 20\n");
    assert_eq!(hint.unwrap(), "a share is meant: write 0.2 for 20 %");
}

#[test]
fn caps_must_be_positive_well_formed_complete_and_of_one_currency() {
    for (bad, expected) in [
        ("\"-300.00 EUR\"", "above zero"),
        ("\"0 EUR\"", "above zero"),
        ("\"300,00 EUR\"", "not an amount"),
        ("\"300.001 EUR\"", "more decimals"),
        ("\"300\"", "not an amount"),
        ("300", "text in quotes"),
        ("\"300.00 USD\"", "is in EUR, unlike limits.max_daily_spend (USD)"),
    ] {
        let text = CAPS.replacen("\"300.00 EUR\"", bad, 1);
        let (error, _) = refused(&text);
        assert!(error.contains(expected), "{bad}: {error}");
    }
    let (error, hint) = refused("[limits]\nmax_daily_spend = \"300.00 EUR\"\n");
    assert_eq!(error, "'limits.max_spend_per_climb' is missing");
    assert!(hint.unwrap().contains("go together"));
    let (error, _) =
        refused(&CAPS.replace("max_regret_per_climb = \"300", "max_regret_per_climb = \"3000"));
    assert!(error.contains("more than a climb may spend"), "{error}");
}

#[test]
fn caps_in_a_foreign_currency_are_refused_once_the_account_is_known() {
    let config = from_toml(&format!("{CAPS}[account]\nid = \"act_7\"\n"), &[]).unwrap();
    let account = config.account(None).unwrap();
    assert!(account.check_currency("EUR".parse().unwrap()).is_ok());
    let error = account.check_currency("USD".parse().unwrap()).unwrap_err().to_string();
    assert_eq!(
        error,
        "config.toml:2: 'limits.max_daily_spend' is in EUR, but account act_7 is in USD"
    );
    let zoned = from_toml("[account]\nid = \"7\"\ntime_zone = \"Europe/Berlin\"\n", &[]).unwrap();
    assert!(zoned.accounts[0].check_zone(&"Europe/Berlin".parse().unwrap()).is_ok());
    assert!(zoned.accounts[0].check_zone(&"America/New_York".parse().unwrap()).is_err());
}

#[test]
fn tokens_go_to_meta_or_to_this_machine_only() {
    let url = |url: &str| from_toml("", &[("account.id", "1"), ("api.base_url", url)]);
    for good in [
        "https://graph.facebook.com",
        "https://graph.facebook.com/",
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "http://localhost:1",
    ] {
        let config = url(good).unwrap();
        assert_eq!(
            config.accounts[0].api.base_url.is_loopback(),
            !good.contains("facebook"),
            "{good}"
        );
    }
    for bad in [
        "http://graph.facebook.com",
        "https://graph.facebook.com.evil.example",
        "https://graph.facebook.com@evil.example",
        "https://graph.facebook.com:444",
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example:80",
        "http://localhost:80/x",
        "http://localhost:99999",
        "http://localhost:+80",
        "http://10.0.0.1",
        "http://0.0.0.0:80",
        "ftp://localhost",
    ] {
        assert!(url(bad).is_err(), "{bad}");
    }
}

#[test]
fn ladders_can_be_written_and_are_checked_under_their_objective() {
    let ladder = |rungs: &str, objective: &str| {
        from_toml(
            &format!(
                "[ladder]\npreset = \"custom\"\nobjective = \"{objective}\"\nrungs = {rungs}\n"
            ),
            &[],
        )
    };
    let config = ladder(
        r#"["page_view", "custom:Quiz Done", "conversion:12:LEAD", "purchase"]"#,
        "OUTCOME_SALES",
    );
    let error = config.unwrap_err();
    assert!(error.to_string().contains("'conversion:12'"), "{error}");
    let config = ladder(
        r#"["page_view", "custom:Quiz Done", "conversion:12", "purchase"]"#,
        "OUTCOME_SALES",
    )
    .unwrap();
    let keys: Vec<&str> = config.policy.ladder.rungs.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(keys, ["page_view", "custom:Quiz Done", "conversion:12", "purchase"]);
    let (error, hint) = refused(
        "[ladder]\npreset = \"custom\"\nobjective = \"OUTCOME_SALES\"\nrungs = [\"search\", \"purchase\"]\n",
    );
    assert!(error.starts_with("config.toml:4: rung 'search' is not legal"), "{error}");
    assert!(hint.unwrap().contains("OUTCOME_ENGAGEMENT"));
    let slip = ladder(r#"["add_to_card", "purchase"]"#, "OUTCOME_SALES").unwrap_err();
    assert_eq!(slip.hint().unwrap(), "did you mean 'add_to_cart'?");
    let renamed = from_toml(
        "[ladder]\npreset = \"lead_gen\"\n[ladder.action_types]\nlead = \"onsite_web_lead\"\n",
        &[],
    )
    .unwrap();
    assert_eq!(renamed.policy.ladder.macro_rung().unwrap().action_type, "onsite_web_lead");
    let stray = from_toml("[ladder.action_types]\nlead = \"onsite_web_lead\"\n", &[]).unwrap_err();
    assert!(stray.to_string().contains("not on the ladder"), "{stray}");
}

#[test]
fn the_environment_beats_the_file_and_a_misspelt_variable_is_an_error() {
    let text = "[account]\nid = \"act_1\"\n[compare]\nwindow = \"21d\"\nmargin = 0.05\n";
    let config =
        loaded(text, &[("RUNGWISE_COMPARE_WINDOW", "28d"), ("RUNGWISE_PROBATION_LOOKS", "7, 14")])
            .unwrap();
    let account = config.account(None).unwrap();
    assert_eq!(account.policy.compare.window_days, 28);
    assert_eq!(account.policy.probation.look_days, [7, 14]);
    let origin =
        |key: &str| account.effective.iter().find(|e| e.key == key).unwrap().origin.clone();
    assert_eq!(origin("compare.window"), Some(Origin::Env("RUNGWISE_COMPARE_WINDOW".into())));
    assert_eq!(origin("compare.margin").unwrap().to_string(), "config.toml:5");
    assert!(matches!(origin("compare.rule"), Some(Origin::Default(_))));
    assert_eq!(origin("limits.max_step"), None);
    let slip = loaded(text, &[("RUNGWISE_COMPARE_WINDO", "28d")]).unwrap_err();
    assert_eq!(slip.to_string(), "unknown environment variable RUNGWISE_COMPARE_WINDO");
    assert_eq!(slip.hint().unwrap(), "did you mean RUNGWISE_COMPARE_WINDOW?");
    let bad = loaded(text, &[("RUNGWISE_APPROVAL_QUORUM", "two")]).unwrap_err();
    assert!(bad.to_string().starts_with("RUNGWISE_APPROVAL_QUORUM: "), "{bad}");
}

#[test]
fn a_secret_comes_from_a_variable_or_a_file_and_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "config.toml", "[account]\nid = \"act_1\"\n[api]\ntoken_file = \"token\"\n");
    write(dir.path(), "token", "EAABfromfile\n");
    let path = dir.path().join("config.toml");
    let from_file = load(Some(&path), &env(&[])).unwrap();
    let token = from_file.accounts[0].api.token.as_ref().unwrap();
    assert_eq!(token.source, SecretSource::File(dir.path().join("token")));
    let from_env = load(Some(&path), &env(&[("RUNGWISE_API_TOKEN", "EAABfromenv")])).unwrap();
    let token = from_env.accounts[0].api.token.as_ref().unwrap();
    assert_eq!(token.source, SecretSource::Env("RUNGWISE_API_TOKEN".into()));
    for config in [&from_file, &from_env] {
        for json in [false, true] {
            let mut out = Vec::new();
            commands::show(config, json, &mut out).unwrap();
            commands::check(config, &BTreeMap::new(), Moment::from_millis(0), json, &mut out)
                .unwrap();
            let text = format!("{}{config:?}", String::from_utf8(out).unwrap());
            assert!(!text.contains("EAAB"), "{text}");
        }
    }
    let mut out = Vec::new();
    commands::show(&from_env, false, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("api.token = ***"));
    write(dir.path(), "token", "two\nlines\n");
    assert!(load(Some(&path), &env(&[])).unwrap_err().to_string().contains("one line"));
    std::fs::remove_file(dir.path().join("token")).unwrap();
    assert!(load(Some(&path), &env(&[])).unwrap_err().to_string().contains("cannot be read"));
    let in_file = refused("[api]\napp_secret = \"x\"\n");
    assert!(in_file.1.unwrap().contains("RUNGWISE_API_APP_SECRET"));
}

#[test]
fn an_agency_has_one_file_per_account_with_its_own_caps_and_token() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "config.toml", "[mode]\nlevel = \"supervised\"\n[compare]\nmargin = 0.05\n");
    write(dir.path(), "accounts.d/b.toml", &format!("[account]\nid = \"act_2\"\n{CAPS}"));
    write(dir.path(), "accounts.d/a.toml", "[account]\nid = \"act_1\"\n[compare]\nmargin = 0.2\n");
    write(dir.path(), "accounts.d/notes.txt", "not read");
    let path = dir.path().join("config.toml");
    let vars = [("RUNGWISE_API_TOKEN", "shared"), ("RUNGWISE_API_TOKEN_ACT_2", "own")];
    let config = load(Some(&path), &env(&vars)).unwrap();
    assert_eq!(config.accounts.len(), 2);
    assert_eq!(config.files.len(), 3);
    let [one, two] = config.accounts.as_slice() else { panic!("two accounts") };
    assert!((one.policy.compare.margin - 0.2).abs() < 1e-12);
    assert!((two.policy.compare.margin - 0.05).abs() < 1e-12);
    assert_eq!(one.policy.effective_mode().0, Mode::Observe);
    assert_eq!(two.policy.effective_mode().0, Mode::Supervised);
    let source = |a: &config::AccountConfig| a.api.token.as_ref().unwrap().source.to_string();
    assert_eq!(
        (source(one), source(two)),
        ("RUNGWISE_API_TOKEN".into(), "RUNGWISE_API_TOKEN_ACT_2".into())
    );
    let named = AccountId::new("act_2").unwrap();
    assert_eq!(config.account(Some(&named)).unwrap().id, named);
    assert!(matches!(config.account(None), Err(ConfigError::WhichAccount(ids)) if ids.len() == 2));

    write(dir.path(), "accounts.d/c.toml", "[account]\nid = \"2\"\n");
    let twice = load(Some(&path), &env(&[])).unwrap_err().to_string();
    assert_eq!(twice, "accounts.d/c.toml:2: account act_2 is configured twice");
    write(dir.path(), "accounts.d/c.toml", "[account]\nid = \"3\"\n[store]\ndir = \"x\"\n");
    assert!(matches!(load(Some(&path), &env(&[])), Err(ConfigError::NotPerAccount { .. })));
    write(dir.path(), "accounts.d/c.toml", "[mode]\nlevel = \"observe\"\n");
    assert!(matches!(load(Some(&path), &env(&[])), Err(ConfigError::Missing { .. })));
}

#[test]
fn a_named_file_must_exist_and_directories_are_relative_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.toml");
    assert!(matches!(load(Some(&missing), &env(&[])), Err(ConfigError::Read { .. })));
    write(dir.path(), "config.toml", "[store]\ndir = \"state\"\n");
    let path = dir.path().join("config.toml");
    assert_eq!(load(Some(&path), &env(&[])).unwrap().dir, dir.path().join("state"));
    let shown = dir.path().display().to_string();
    let by_dir = load(None, &env(&[("RUNGWISE_DIR", &shown)])).unwrap();
    assert_eq!((by_dir.files.len(), by_dir.dir), (1, dir.path().to_owned()));
}

#[test]
fn a_sandbox_is_configured_in_code() {
    let config = from_toml(
        CAPS,
        &[
            ("account.id", "act_42"),
            ("api.base_url", "http://127.0.0.1:4455"),
            ("api.token", "sandbox-token-of-20-chars"),
            ("mode.level", "autonomous"),
        ],
    )
    .unwrap();
    let account = config.account(None).unwrap();
    assert_eq!(account.policy.effective_mode().0, Mode::Autonomous);
    assert_eq!(account.api.token.as_ref().unwrap().source, SecretSource::Given);
    assert!(from_toml("", &[("api.tokn", "x")]).is_err());
}

#[test]
fn a_build_that_was_not_rehearsed_asks_a_person_and_a_rehearsed_policy_has_no_word_of_it() {
    let mut policy = from_toml(CAPS, &[("mode.level", "autonomous")]).unwrap().policy;
    assert_eq!(policy.effective_mode(), (Mode::Autonomous, None));
    assert!(!serde_json::to_string(&policy).unwrap().contains("unrehearsed"));
    policy.unrehearsed = true;
    let (mode, why) = policy.effective_mode();
    assert_eq!(mode, Mode::Supervised);
    assert!(why.unwrap().contains("rehearse"), "{why:?}");
    policy.mode = Mode::Observe;
    assert_eq!(policy.effective_mode(), (Mode::Observe, None));
}

#[test]
fn a_policy_survives_its_json_unchanged() {
    let policy = from_toml(CAPS, &[]).unwrap().policy;
    let text = serde_json::to_string(&policy).unwrap();
    let back: Policy = serde_json::from_str(&text).unwrap();
    assert_eq!(back, policy);
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

#[test]
fn check_tells_the_mode_why_and_the_next_wake_ups_in_both_clocks() {
    let text = "[account]\nid = \"act_1\"\ntime_zone = \"America/New_York\"\n";
    let config = from_toml(text, &[]).unwrap();
    let now: Moment = "2026-10-31T12:00:00Z".parse().unwrap();
    let mut out = Vec::new();
    commands::check(&config, &BTreeMap::new(), now, false, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("observe (configured: propose): no limits"), "{text}");
    assert!(text.contains("2026-11-01T11:30:00Z  2026-11-01 06:30 America/New_York"), "{text}");
    let mut out = Vec::new();
    commands::check(&config, &BTreeMap::new(), now, true, &mut out).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let account = &json["accounts"][0];
    assert_eq!(account["mode"]["effective"], "observe");
    assert_eq!(account["schedules"].as_array().unwrap().len(), 8);
    assert_eq!(account["schedules"][0]["next"].as_array().unwrap().len(), 3);
    let mut out = Vec::new();
    commands::default(&mut out).unwrap();
    assert_eq!(out, DEFAULT_TOML.as_bytes());
}

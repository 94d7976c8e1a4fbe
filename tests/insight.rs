//! Tables, audits and looks back over a history that the agent really read, on the built-in market.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

use std::sync::Arc;

use rungwise::{
    app::{
        backtest, blended, calibration, collect, commands, drift, events, forecast,
        note::note,
        tick,
        views::{decision_of, evidence_of},
    },
    boot::{self, AnyClock, AnyTransport, Parts, Role},
    cli::sandbox::populate,
    config,
    domain::{
        DAY_MS, Day, DayRange, InsightRow, Policy, climb::Climb, decide::decide, policy::RuleName,
    },
    ports::{Clock as _, Request, Store as _, Transport as _},
    sandbox::{Sandbox, Scenario},
};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

/// An account with its agent in propose mode.
struct Account {
    sandbox: Sandbox,
    parts: Parts,
    _dir: TempDir,
}

impl Account {
    async fn new() -> Self {
        Self::in_mode("propose").await
    }
    async fn in_mode(level: &str) -> Self {
        let start = "2026-01-05T06:30:00Z".parse().unwrap();
        let sandbox = populate(Scenario::stuck_at_purchase().seeded(1).starting(start));
        let who = sandbox.credentials();
        let text = format!(
            "[account]\nid = \"act_{}\"\n[mode]\nlevel = \"{level}\"\n[limits]\nmax_daily_spend = \"400.00 EUR\"\n\
             max_spend_per_climb = \"8000.00 EUR\"\nmax_regret_per_climb = \"1000.00 EUR\"\n\
             [api]\nbase_url = \"http://127.0.0.1:1\"\napp_id = \"{}\"\n\
             [gates]\nuntested_below = 15\ntested_below = 30\n[placement]\njudged_by = \"volume\"\n",
            who.account_id, who.app_id
        );
        let secrets = [
            ("api.token", who.access_token.expose_secret()),
            ("api.app_secret", who.app_secret.expose_secret()),
        ];
        let account = config::from_toml(&text, &secrets).unwrap().account(None).unwrap().clone();
        let dir = tempfile::tempdir().unwrap();
        let store = boot::open_store(dir.path(), &account, Role::Agent).await.unwrap();
        let transport: AnyTransport = Arc::new(sandbox.clone());
        let clock: AnyClock = Arc::new(sandbox.clock());
        let parts = Parts::assemble(store, &account, transport, clock, Some(1)).unwrap();
        Self { sandbox, parts, _dir: dir }
    }
    fn policy(&self) -> &Policy {
        &self.parts.account.policy
    }
    fn id(&self) -> &rungwise::domain::AccountId {
        &self.parts.account.id
    }
    /// One pass; true when a person said yes to something that is now to be carried out.
    async fn pass(&self, decide: bool) -> bool {
        let hands = self.parts.hands();
        let desk = self.parts.desk("agent");
        tick::tick(desk, hands.as_ref(), tick::Scope { decide }).await.unwrap();
        let mut approved = false;
        for plan in self.parts.store.plans(true, 50).await.unwrap() {
            let new = self.parts.store.approvals(&plan.hash).await.unwrap().is_empty();
            if new && hands.is_some() {
                commands::approve(desk, &plan, "Ana", "").await.unwrap();
                approved = true;
            }
        }
        approved
    }
    /// One pass with decisions each morning; a person says yes to whatever is filed.
    async fn live(&self, days: i64) {
        for _ in 0..days {
            let mut decide = true;
            while self.pass(decide).await {
                decide = false;
            }
            self.sandbox.advance_to(self.parts.clock.now().plus(DAY_MS));
        }
    }
}

#[tokio::test]
async fn the_rung_table_and_the_gates_of_the_same_day_agree() {
    let account = Account::new().await;
    account.live(1).await;
    let store = &account.parts.store;
    let report = forecast::forecast(store, account.id(), account.policy()).await.unwrap();
    let line = &report.lines[0];
    let row = store.decisions(None, 1).await.unwrap().pop().unwrap();
    let decided =
        decision_of(&row).unwrap().choice.expect("the morning's decision has a rung table");
    assert_eq!(line.table.chosen, decided.key);
    for (mine, theirs) in line.table.rungs.iter().zip(&decided.rungs) {
        let (a, b) = (mine.at_test.unwrap(), theirs.forecast.unwrap());
        assert!((a.p_enough - b.p_enough).abs() < 1e-9, "{}: {a:?} {b:?}", mine.key);
        assert_eq!(mine.viable, theirs.viable);
    }
    assert_eq!(line.rung, "purchase");
    assert!(line.table.p_macro_enough < 0.5 && line.volume.contains("a lower rung usually wins"));
    let next = line.next.as_ref().unwrap();
    assert_eq!(next.kind, "step_down");
    assert!(next.sentences[0].contains("inconclusive") && next.weeks > 2.0);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["currency"], "EUR");
    assert!(json["lines"][0]["next"]["spend"].is_string(), "money is text in major units");
}

#[tokio::test]
async fn the_weekly_audit_files_what_it_found_in_the_chain() {
    let account = Account::new().await;
    account.live(4).await;
    let before = account.parts.store.head().await.unwrap().seq;
    let report = events::weekly(account.parts.desk("agent")).await.unwrap();
    let links = account.parts.store.links(before, 10).await.unwrap();
    assert!(links.iter().any(|l| l.kind == "events_audited"), "{links:?}");
    let line = &report.lines[0];
    assert_eq!(line.audit.ratios.len(), account.policy().ladder.rungs.len() - 1);
    assert!(!line.audit.learning.is_empty() && line.audit.friction.is_some());
    assert!(report.actions().all(|(_, _, why)| why.chars().any(|c| c.is_ascii_digit())));
    assert_eq!(report.maturity.pattern.completeness.len(), 28);
}

#[tokio::test]
async fn a_history_of_decisions_is_replayed_on_its_own_evidence() {
    let account = Account::new().await;
    account.live(6).await;
    let store = &account.parts.store;
    let again =
        backtest::backtest(store, account.id(), account.policy(), (None, None)).await.unwrap();
    let line = &again.lines[0];
    assert_eq!((line.days, line.as_decided), (6, 6), "{again:?}");
    assert!(line.spans.iter().any(|s| s.kind == "step_down"), "{:?}", line.spans);
    let mut cautious = account.policy().clone();
    cautious.compare.rule = RuleName::ProveItFirst;
    let other = backtest::backtest(store, account.id(), &cautious, (None, None)).await.unwrap();
    assert_eq!(other.rule, "prove_it_first");
    assert_ne!(
        serde_json::to_string(&other.lines[0].spans).unwrap(),
        serde_json::to_string(&line.spans).unwrap(),
        "another rule says something else"
    );
}

#[tokio::test]
async fn a_history_that_was_only_read_can_be_backtested_too() {
    let account = Account::new().await;
    rungwise::app::pull::pull(account.parts.desk("agent"), None).await.unwrap();
    let store = &account.parts.store;
    let range = (Some("2025-12-01".parse().unwrap()), Some("2026-01-05".parse().unwrap()));
    let found = backtest::backtest(store, account.id(), account.policy(), range).await.unwrap();
    let line = &found.lines[0];
    assert!(line.days >= 30 && line.as_decided == 0, "{found:?}");
    assert!(line.tests.is_empty() && !line.spans.is_empty());
    let past = calibration::calibration(store, account.id(), account.policy()).await.unwrap();
    assert!(past.verdicts.is_empty() && past.sentence.contains("too few"));
}

#[tokio::test]
async fn an_outside_change_is_named_field_by_field_and_an_unread_account_says_sync() {
    let account = Account::new().await;
    let store = &account.parts.store;
    let early = forecast::forecast(store, account.id(), account.policy()).await.unwrap_err();
    assert!(early.hint().contains("sync"), "{early}");
    account.live(1).await;
    let still = drift::drift(store, &account.parts.client).await.unwrap();
    assert!(still.campaigns >= 1 && still.foreign().count() == 0, "{:?}", still.changes);
    let tree = store.trees().await.unwrap().remove(0);
    let set = tree.adsets[0].id.clone();
    let mut edit = Request::post(format!("/v26.0/{set}")).form("name", "renamed by hand");
    edit.token = Some(account.sandbox.credentials().access_token);
    let reply = account.sandbox.send(&edit).await.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    account.sandbox.advance_to(account.parts.clock.now().plus(DAY_MS / 24));
    let found = drift::drift(store, &account.parts.client).await.unwrap();
    let change = found.foreign().find(|c| c.field == "name").expect("the new name is noticed");
    assert_eq!((change.kind, change.id.as_str()), ("ad set", set.as_str()));
    assert_eq!(change.now, "renamed by hand");
    let log = change.log.as_deref().expect("the activity log tells of it");
    assert!(log.contains("update_ad_set"), "{log}");
}

#[tokio::test]
async fn the_account_as_a_whole_is_held_against_the_days_before_a_test() {
    let account = Account::in_mode("supervised").await;
    account.live(9).await;
    let store = &account.parts.store;
    let mut seen = None;
    for row in store.decisions(None, 50).await.unwrap() {
        seen = seen.or(blended::of_decision(store, &row).await.unwrap());
    }
    let seen = seen.expect("a placement has been running for days");
    // Each of these decisions can be told: the conclusion first, then figures and what would change it.
    let mut changes = 0;
    for row in store.decisions(None, 50).await.unwrap() {
        let decision = decision_of(&row).unwrap();
        let told = note(&decision, &evidence_of(store, &row).await.unwrap().unwrap());
        assert_eq!(told.conclusion, decision.conclusion);
        changes += told.change.len();
        let all = [told.figures, told.why, told.change].concat();
        assert!(all.iter().all(|line| !line.contains("NaN") && !line.contains("inf ")), "{all:?}");
    }
    assert!(changes > 0, "something would have changed something");
    assert_eq!(seen.figures.days.0, 28);
    assert!((1..=9).contains(&seen.figures.days.1), "{seen:?}");
    assert!(seen.figures.low < seen.figures.median && seen.figures.median < seen.figures.high);
    assert!(seen.sentence.starts_with("whole account: CPA ") && seen.sentence.contains("EUR"));
    let again =
        backtest::backtest(store, account.id(), account.policy(), (None, None)).await.unwrap();
    let test = &again.lines[0].tests[0];
    assert!(test.would_have_started && test.real.is_none() && test.policy.is_none(), "{test:?}");
}

#[tokio::test]
async fn a_day_younger_than_seventy_two_hours_never_changes_a_decision() {
    let account = Account::in_mode("supervised").await;
    account.live(30).await;
    let (store, id) = (&account.parts.store, account.id());
    let info = store.account(id).await.unwrap().unwrap();
    let trees = store.trees().await.unwrap();
    let climbs: Vec<Climb> = store
        .climbs(true)
        .await
        .unwrap()
        .iter()
        .map(|row| serde_json::from_slice(&row.doc).unwrap())
        .collect();
    let collected = async || {
        let desk = account.parts.desk("agent");
        let now = desk.clock.now();
        let sight =
            collect::Sight::of(desk.store, id, desk.policy, &info.zone, now, None).await.unwrap();
        let pass = collect::Pass {
            account: &info,
            trees: &trees,
            climbs: &climbs,
            no_raises: &[],
            token_expires: None,
            token_scopes: &[],
            sight: &sight,
        };
        collect::evidence(desk, &pass, &climbs[0], Vec::new()).await.unwrap().unwrap()
    };
    let before = collected().await;
    let last = before.days.last().unwrap().day;
    let settled = DayRange::new(last, last).unwrap();
    let template = store.insights(id, &[], settled, None).await.unwrap();
    assert!(!template.is_empty() && last.plus(4) >= before.today, "{last} {}", before.today);
    // Days that ended less than 72 hours ago are read again with absurd figures; then a settled day is.
    let absurd = async |day: Day, factor: u64| {
        let rows: Vec<InsightRow> = template
            .iter()
            .map(|seen| {
                let mut row = InsightRow { day, ..seen.row.clone() };
                for action in row.actions.values_mut() {
                    action.value = action.value * factor + factor;
                }
                row
            })
            .collect();
        let range = DayRange::new(day, day).unwrap();
        store.save_insights(id, range, &rows, account.parts.clock.now()).await.unwrap();
    };
    for (age, factor) in [(1, 1_000), (2, 7), (3, 50)] {
        absurd(last.plus(age), factor).await;
        let mut after = collected().await;
        assert_eq!(after.days, before.days, "{age} days after the last settled one");
        after.gates.insights_read = before.gates.insights_read;
        assert_eq!(decide(&after).bytes(), decide(&before).bytes());
    }
    absurd(last, 1_000).await;
    assert_ne!(collected().await.days, before.days, "a settled day counts");
}

//! History tables refuse every statement that would change a row, with the product's own connection settings and with
//! any other program's.

use rungwise::{
    domain::{plan::PlanHash, write_log::Entry},
    ports::{Record, Store as _, store::EndRow},
    store::DATABASE_FILE,
};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::support::*;

const HISTORY: [&str; 13] = [
    "meta",
    "trees",
    "insights",
    "coverage",
    "evidence",
    "decisions",
    "plans",
    "plan_ends",
    "approvals",
    "intents",
    "intent_entries",
    "audit",
    "slots",
];

async fn filled() -> World {
    let world = World::new().await;
    let approval = serde_json::from_str(&format!(
        r#"{{"plan":"{}","by":"ada","at":1,"granted":true,"note":""}}"#,
        PlanHash::of(b"p")
    ));
    let end = EndRow { outcome: "done".into(), why: String::new(), at: at(1) };
    let batch = vec![
        Record::Tree(Box::new(tree(at(1), "A"))),
        evidence(b"e"),
        Record::Decision(decision("d", b"e", 1)),
        Record::Plan(plan(b"p")),
        Record::PlanEnd(PlanHash::of(b"p"), end),
        Record::Approval(approval.unwrap()),
        Record::Intent(intent("op", b"p")),
        entry("op", 1, Entry::Started, None),
        entry("op", 2, Entry::Succeeded, Some("5")),
        Record::Slot { job: "pull".into(), slot: at(1), at: at(1) },
        audit(1),
    ];
    world.store.commit(batch).await.unwrap();
    let day = days("2026-01-01", "2026-01-01");
    let rows = [insight("2026-01-01", "11", 1)];
    world.store.save_insights(&account(), day, &rows, at(1)).await.unwrap();
    world
}

async fn columns(conn: &mut SqliteConnection, table: &str) -> Vec<String> {
    let text = format!("select name from pragma_table_info('{table}')");
    sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(conn).await.unwrap()
}

async fn contents(conn: &mut SqliteConnection, table: &str) -> Vec<String> {
    let columns =
        columns(conn, table).await.iter().map(|c| format!("quote({c})")).collect::<Vec<_>>();
    let text = format!("select {} from {table}", columns.join(" || '|' || "));
    sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(conn).await.unwrap()
}

async fn assert_refuses_changes(conn: &mut SqliteConnection) {
    for table in HISTORY {
        let before = contents(conn, table).await;
        assert!(!before.is_empty(), "{table} must hold a row to try");
        let columns = columns(conn, table).await;
        let (all, first) = (columns.join(", "), columns[0].clone());
        let upsert = format!(
            "insert into {table} ({all}) select {all} from {table} where true
             on conflict do update set {first} = excluded.{first}"
        );
        for text in [
            format!("update {table} set {first} = {first}"),
            format!("delete from {table}"),
            format!("insert or replace into {table} ({all}) select {all} from {table}"),
            format!("replace into {table} ({all}) select {all} from {table}"),
            format!("update or replace {table} set {first} = {first}"),
            upsert,
        ] {
            let done = sqlx::raw_sql(AssertSqlSafe(text.clone())).execute(&mut *conn).await;
            assert!(done.is_err(), "{text}");
        }
        // The same key under a new row number, as a replacement would be smuggled in.
        if first == "id" {
            let rest = columns[1..].join(", ");
            let text =
                format!("insert or replace into {table} ({rest}) select {rest} from {table}");
            let done = sqlx::raw_sql(AssertSqlSafe(text.clone())).execute(&mut *conn).await;
            let keyless = ["coverage", "approvals", "intent_entries"].contains(&table);
            assert!(done.is_err() || keyless, "{text}");
            if keyless {
                assert!(contents(conn, table).await.starts_with(&before), "{table}");
                continue;
            }
        }
        assert_eq!(contents(conn, table).await, before, "{table}");
    }
}

#[tokio::test]
async fn every_history_table_refuses_change_on_connections_with_our_settings() {
    let world = filled().await;
    let options = SqliteConnectOptions::new()
        .filename(world.dir.path().join(DATABASE_FILE))
        .pragma("recursive_triggers", "on")
        .foreign_keys(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    assert_refuses_changes(&mut conn).await;
}

#[tokio::test]
async fn every_history_table_refuses_change_on_connections_with_the_engines_defaults() {
    let world = filled().await;
    let mut conn = world.raw().await;
    assert_refuses_changes(&mut conn).await;
}

#[tokio::test]
async fn the_list_of_history_tables_is_the_schemas() {
    let world = World::new().await;
    let mut conn = world.raw().await;
    let text =
        "select tbl_name from sqlite_schema where type = 'trigger' and name like '%_never_deleted'";
    let mut guarded: Vec<String> = sqlx::query_scalar(text).fetch_all(&mut conn).await.unwrap();
    guarded.sort();
    let mut listed = HISTORY.to_vec();
    listed.sort_unstable();
    assert_eq!(guarded, listed);
}

#[tokio::test]
async fn a_command_is_kept_and_answered_once() {
    let world = World::new().await;
    let command = rungwise::ports::store::CommandRow {
        id: 0,
        at: at(1),
        by: "ada".into(),
        kind: "climb_pause".into(),
        subject: "c".into(),
        note: String::new(),
    };
    world.store.commit(vec![Record::Command(command)]).await.unwrap();
    let mut conn = world.raw().await;
    for text in [
        "delete from commands",
        "update commands set note = 'x'",
        "update commands set note = 'x', done_at = 1, answer = ''",
        "insert or replace into commands (id, account, at, given_by, kind, subject, note)
         values (1, '1', 1, 'eve', 'k', 's', '')",
    ] {
        assert!(sqlx::raw_sql(text).execute(&mut conn).await.is_err(), "{text}");
    }
    let done = |ms| vec![Record::CommandDone { id: 1, at: at(ms), answer: "ok".into() }];
    world.store.commit(done(2)).await.unwrap();
    assert!(world.store.commit(done(3)).await.is_err());
    conn.close().await.unwrap();
}

#[tokio::test]
async fn a_dropped_guard_changes_the_schema_digest() {
    let world = World::new().await;
    let before = world.store.schema_digest().await.unwrap();
    let mut conn = world.raw().await;
    sqlx::raw_sql("analyze").execute(&mut conn).await.unwrap();
    assert_eq!(world.store.schema_digest().await.unwrap(), before, "statistics are no schema");
    sqlx::raw_sql("drop trigger audit_never_updated").execute(&mut conn).await.unwrap();
    assert_ne!(world.store.schema_digest().await.unwrap(), before);
}

//! Any byte of the audit log that is changed behind our back is found.

use rungwise::store::DATABASE_FILE;
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::support::{LIMITS, Story, ready_shop};

const COLUMNS: [&str; 5] = ["at", "kind", "body", "prev", "hash"];

/// A small generator: the same bytes are changed in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn one_changed_byte_anywhere_in_the_audit_log_is_found() {
    let mut story = Story::begin(ready_shop(3), "supervised", LIMITS).await;
    story.agreed_pass().await;
    story.sleep_hours(12);
    story.agreed_pass().await;
    let history = &story.parts.store;
    let head = history.verify_audit().await.unwrap();
    assert!(head.seq > 20);
    let options = SqliteConnectOptions::new().filename(story.dir.path().join(DATABASE_FILE));
    let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
    let guards: Vec<String> = sqlx::query_scalar(
        "select name from sqlite_master where type = 'trigger' and tbl_name = 'audit'",
    )
    .fetch_all(&mut raw)
    .await
    .unwrap();
    assert!(!guards.is_empty());
    for name in guards {
        let drop = format!("drop trigger {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut raw).await.unwrap();
    }
    let mut dice = Dice(7);
    for round in 0..60 {
        let seq = i64::try_from(dice.roll(usize::try_from(head.seq).unwrap())).unwrap() + 1;
        let column = COLUMNS[round % COLUMNS.len()];
        change(&mut raw, seq, column, &mut dice).await;
        let found = history.verify_audit().await;
        assert!(found.is_err(), "row {seq}: a changed byte of {column} was not found");
        sqlx::raw_sql(
            "update audit set at = b.at, kind = b.kind, body = b.body, prev = b.prev, hash = b.hash
            from before as b where audit.seq = b.seq; drop table before;",
        )
        .execute(&mut raw)
        .await
        .unwrap();
        assert_eq!(history.verify_audit().await.unwrap(), head, "the way back is whole");
    }
}

/// Flips one bit of one byte of one column, keeping the row in a table `before`.
async fn change(raw: &mut SqliteConnection, seq: i64, column: &str, dice: &mut Dice) {
    let keep = format!("create temp table before as select * from audit where seq = {seq}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(keep)).execute(&mut *raw).await.unwrap();
    if column == "at" {
        let bit = 1_i64 << dice.roll(40);
        let put = format!("update audit set at = (at | {bit}) - (at & {bit}) where seq = {seq}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(put)).execute(&mut *raw).await.unwrap();
        return;
    }
    let read = format!("select cast({column} as blob) from audit where seq = {seq}");
    let mut bytes: Vec<u8> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(read)).fetch_one(&mut *raw).await.unwrap();
    let at = dice.roll(bytes.len());
    bytes[at] ^= 1;
    let kind = if column == "body" { "blob" } else { "text" };
    let put = format!("update audit set {column} = cast($1 as {kind}) where seq = {seq}");
    sqlx::query(sqlx::AssertSqlSafe(put)).bind(bytes).execute(raw).await.unwrap();
}

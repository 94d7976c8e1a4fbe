//! Statements that change the schema cannot be refused by it; each one shows at the next look and at the next start.

use rungwise::{
    ports::{StopSwitch as _, Store as _},
    store::{AnchorFile, AuditError, Proved},
};

use super::support::*;

/// A proved history, as an agent has it.
async fn proved() -> World {
    let world = World::new().await;
    world.store.commit(vec![audit(1), audit(2)]).await.unwrap();
    prove(&world).await.unwrap();
    world.store.look().await.unwrap();
    world
}

async fn prove(world: &World) -> Result<Proved, AuditError> {
    world.store.prove(&AnchorFile::open(world.dir.path()).unwrap(), at(5)).await
}

const TRICKS: [(&str, &str); 12] = [
    ("a guard dropped", "drop trigger audit_never_updated"),
    (
        "a guard weakened",
        "drop trigger audit_never_deleted;
         create trigger audit_never_deleted before delete on audit begin select 1; end",
    ),
    ("a trigger added", "create trigger eve after insert on audit begin select 1; end"),
    ("a view added", "create view audit_view as select 1"),
    ("a table added", "create table shadow (a)"),
    ("an index added", "create index eve on audit (at)"),
    ("an index dropped", "drop index audit_schema"),
    ("a column added", "alter table notes add column eve text"),
    ("a column renamed", "alter table notes rename column value to worth"),
    ("a table renamed", "alter table coverage rename to covered"),
    ("a table dropped", "drop table slots"),
    (
        "the schema written by hand",
        "pragma writable_schema = on;
         update sqlite_schema set sql = replace(sql, 'append-only', 'appendonly') where name = 'audit_never_updated';
         pragma schema_version = 9999; pragma writable_schema = off",
    ),
];

#[tokio::test]
async fn every_change_of_the_schema_shuts_the_door_at_the_next_look_and_the_next_start() {
    for (name, text) in TRICKS {
        let world = proved().await;
        assert_eq!(world.store.standing().stopped(), None);
        let mut eve = world.raw().await;
        sqlx::raw_sql(text).execute(&mut eve).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let seen = world.store.look().await;
        assert!(matches!(seen, Err(AuditError::Schema { .. })), "{name}: {seen:?}");
        assert!(world.store.standing().stopped().unwrap().contains("schema"), "{name}");
        assert!(world.store.schema_is_recorded().await.is_err(), "{name}");
        drop(eve);
        let world = world.reopened().await;
        let again = prove(&world).await;
        assert!(matches!(again, Err(AuditError::Schema { .. })), "{name}: {again:?}");
        assert!(world.store.standing().stopped().is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_guard_that_was_dropped_and_put_back_is_in_doubt_once() {
    let world = proved().await;
    let mut eve = world.raw().await;
    let text: String =
        sqlx::query_scalar("select sql from sqlite_schema where name = 'audit_never_updated'")
            .fetch_one(&mut eve)
            .await
            .unwrap();
    sqlx::raw_sql("drop trigger audit_never_updated").execute(&mut eve).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut eve).await.unwrap();
    drop(eve);
    assert!(matches!(world.store.look().await, Err(AuditError::Schema { .. })));
    let world = world.reopened().await;
    let doubt = prove(&world).await.unwrap().doubt;
    assert!(doubt.unwrap().contains("changed back"));
    assert_eq!(prove(&world).await.unwrap().doubt, None, "it was recorded");
}

#[tokio::test]
async fn the_schema_is_recorded_once_and_a_restart_adds_nothing() {
    let world = proved().await;
    let head = world.store.head().await.unwrap();
    assert_eq!(world.store.links(2, 9).await.unwrap()[0].kind, "schema");
    let world = world.reopened().await;
    assert_eq!(prove(&world).await.unwrap().head, head);
    assert_eq!(prove(&world).await.unwrap().doubt, None);
}

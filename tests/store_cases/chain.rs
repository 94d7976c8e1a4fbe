//! The audit chain on disk: what was changed behind our back is found.

use rungwise::{
    domain::audit::{ChainBreak, Head, LinkHash},
    ports::Store as _,
    store::{AnchorFile, AuditError},
};
use sqlx::AssertSqlSafe;

use super::support::*;

const DROP_GUARDS: &str = "drop trigger audit_never_updated; drop trigger audit_never_deleted;
    drop trigger audit_follows; drop trigger audit_once_by_seq; drop trigger audit_once_by_hash;";

async fn chained(n: i64) -> World {
    let world = World::new().await;
    for first in 0..n {
        world.store.commit(vec![audit(first)]).await.unwrap();
    }
    world
}

fn break_of(outcome: Result<Head, AuditError>) -> ChainBreak {
    match outcome.unwrap_err() {
        AuditError::Broken(found) => found,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn any_change_of_any_column_is_found_once_the_guards_are_gone() {
    let changes = [
        "update audit set at = at + 1 where seq = 3",
        "update audit set kind = 'nothing' where seq = 3",
        "update audit set body = cast('{\"n\":9}' as blob) where seq = 3",
        "update audit set prev = hash where seq = 3",
        "update audit set hash = prev where seq = 3; ",
        "update audit set hash = replace(hash, substr(hash, 1, 4), 'ffff') where seq = 6",
        "delete from audit where seq = 3",
        "delete from audit where seq = 1",
        "update audit set seq = 99 where seq = 6",
        "update audit set seq = 98 where seq = 3; update audit set seq = 3 where seq = 4;
         update audit set seq = 4 where seq = 98",
        "insert into audit (seq, at, kind, body, prev, hash)
         select 7, at, kind, body, hash, replace(hash, substr(hash, 1, 4), 'fffe') from audit where seq = 6",
    ];
    for change in changes {
        let world = chained(6).await;
        assert_eq!(world.store.verify_audit().await.unwrap().seq, 6);
        let mut raw = world.raw().await;
        sqlx::raw_sql(DROP_GUARDS).execute(&mut raw).await.unwrap();
        // Two rows of one hash need the uniqueness gone as well, which no statement can do: that change is refused.
        let done = sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut raw).await;
        if done.is_ok() {
            break_of(world.store.verify_audit().await);
        } else {
            assert!(change.contains("set hash = prev"), "{change}: {done:?}");
        }
    }
}

#[tokio::test]
async fn every_single_byte_of_a_body_is_covered() {
    let world = chained(3).await;
    let mut raw = world.raw().await;
    sqlx::raw_sql(DROP_GUARDS).execute(&mut raw).await.unwrap();
    let body: Vec<u8> = sqlx::query_scalar("select body from audit where seq = 2")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    let put = "update audit set body = $1 where seq = 2";
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        sqlx::query(put).bind(changed).execute(&mut raw).await.unwrap();
        assert_eq!(break_of(world.store.verify_audit().await), ChainBreak::Content { seq: 2 });
    }
    sqlx::query(put).bind(body).execute(&mut raw).await.unwrap();
    world.store.verify_audit().await.unwrap();
}

#[tokio::test]
async fn a_cut_tail_and_a_rewritten_past_show_against_anchors() {
    let world = chained(3).await;
    let early = world.store.head().await.unwrap();
    world.store.commit(vec![audit(4), audit(5)]).await.unwrap();
    let late = world.store.head().await.unwrap();
    let file = AnchorFile::open(world.dir.path()).unwrap();
    file.append(&late).unwrap();
    file.append(&early).unwrap();
    let anchors = file.read().unwrap().heads;
    assert_eq!(world.store.verify_audit_against(&anchors).await.unwrap(), late);
    assert_eq!(world.store.verify_audit_from(&early).await.unwrap(), late);
    assert_eq!(world.store.verify_audit_from(&late).await.unwrap(), late);

    let mut raw = world.raw().await;
    sqlx::raw_sql(DROP_GUARDS).execute(&mut raw).await.unwrap();
    sqlx::raw_sql("delete from audit where seq = 5").execute(&mut raw).await.unwrap();
    assert_eq!(world.store.verify_audit().await.unwrap().seq, 4, "the chain alone cannot know");
    let cut = ChainBreak::Cut { seq: 4, anchored: 5 };
    assert_eq!(break_of(world.store.verify_audit_against(&anchors).await), cut);
    assert_eq!(break_of(world.store.verify_audit_from(&late).await), cut);

    // A whole new chain of the same length is consistent in itself.
    sqlx::raw_sql("delete from audit").execute(&mut raw).await.unwrap();
    world.store.commit((10..15).map(audit).collect()).await.unwrap();
    world.store.verify_audit().await.unwrap();
    let rewritten = ChainBreak::Rewritten { seq: 3 };
    assert_eq!(break_of(world.store.verify_audit_against(&anchors).await), rewritten);
    assert_eq!(break_of(world.store.verify_audit_from(&early).await), rewritten);
}

#[tokio::test]
async fn a_checkpoint_spares_the_links_before_it() {
    let world = chained(4).await;
    let mut raw = world.raw().await;
    sqlx::raw_sql(DROP_GUARDS).execute(&mut raw).await.unwrap();
    let hash: String = sqlx::query_scalar("select hash from audit where seq = 3")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    sqlx::raw_sql("update audit set kind = 'x' where seq = 1").execute(&mut raw).await.unwrap();
    let from = Head { seq: 3, hash: LinkHash::stored(hash) };
    assert_eq!(world.store.verify_audit_from(&from).await.unwrap().seq, 4);
    assert_eq!(break_of(world.store.verify_audit().await), ChainBreak::Content { seq: 1 });
}

#[tokio::test]
#[ignore = "a million links: run it in release, it prints its time"]
async fn a_million_links_are_verified_within_thirty_seconds() {
    let world = World::new().await;
    let start = std::time::Instant::now();
    for first in 0..100_i64 {
        let batch = (0..10_000).map(|n| audit(first * 10_000 + n)).collect();
        world.store.commit(batch).await.unwrap();
    }
    println!("written in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    assert_eq!(world.store.verify_audit().await.unwrap().seq, 1_000_000);
    let took = start.elapsed();
    println!("verified in {took:?}");
    assert!(took.as_secs() <= 30, "{took:?}");
}

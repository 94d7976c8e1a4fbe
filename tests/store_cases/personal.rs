//! Erasing what people are called: gone from every byte, and the chain stays whole. `RUNGWISE_ERASURES` sets of how many
//! people.

use std::fs;

use rungwise::{
    domain::plan::{Approval, PlanHash},
    ports::{Record, Store as _, store::CommandRow},
    store::DATABASE_FILE,
};
use serde_json::{Value, json};

use super::support::*;

fn acted(n: i64, name: &str) -> Record {
    let body = json!({ "actor": name, "n": n, "approved_by": [name, "policy:autonomous"] });
    Record::Audit { at: at(n), kind: "approved".into(), body: body.to_string().into_bytes() }
}

fn holds(world: &World, text: &str) -> bool {
    ["", "-wal"].iter().any(|rest| {
        let file = world.dir.path().join(format!("{DATABASE_FILE}{rest}"));
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(text.len()).any(|w| w == text.as_bytes())
    })
}

#[tokio::test]
async fn erased_names_leave_a_green_chain_and_no_byte() {
    let world = World::new().await;
    let wanted = crate::asked::asked("RUNGWISE_ERASURES");
    let people = wanted.unwrap_or(40_i64);
    let name = |n: i64| format!("person-{n:04}-of-the-team");
    world.store.commit((0..people).map(|n| acted(n, &name(n))).collect()).await.unwrap();
    let before = world.store.head().await.unwrap();
    assert!(holds(&world, &name(7)));
    let kept = |n: i64| n % 10 == 5;
    for n in (0..people).filter(|n| !kept(*n)) {
        assert!(world.store.erase(&name(n), "agent", at(n)).await.unwrap());
    }
    assert!(!world.store.erase(&name(7), "agent", at(1)).await.unwrap(), "it is gone already");
    let links = world.store.links(0, u32::MAX).await.unwrap();
    let erased = i64::try_from((0..people).filter(|n| !kept(*n)).count()).unwrap();
    let head = world.store.verify_audit_against(&[before]).await.unwrap();
    assert_eq!(head.seq, people + erased);
    let known = world.store.people().await.unwrap();
    for (n, link) in (0..people).zip(&links) {
        let mut body: Value = serde_json::from_slice(&link.body).unwrap();
        known.name_all(&mut body);
        let wanted = name(n);
        let shown = if kept(n) { wanted.as_str() } else { "[erased]" };
        assert_eq!((body["actor"].as_str(), body["n"].as_i64()), (Some(shown), Some(n)));
        assert_eq!(body["approved_by"][1], "policy:autonomous");
        assert_eq!(holds(&world, &wanted), kept(n), "{wanted}");
    }
    assert_eq!(i64::try_from(known.openings().count()).unwrap(), people - erased);
    assert_eq!(world.store.integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn one_person_has_one_token_until_erased_and_approvals_count_people_still() {
    let world = World::new().await;
    let hash = PlanHash::of(b"p");
    let approval = |by: &str| {
        let (plan, by, note) = (hash.clone(), by.to_owned(), "looks right to me".to_owned());
        Record::Approval(Approval { plan, by, at: at(1), granted: true, note })
    };
    let command = CommandRow {
        id: 0,
        at: at(1),
        by: "ana".into(),
        kind: "climb_pause".into(),
        subject: "c".into(),
        note: "because of ana".into(),
    };
    let batch = vec![
        Record::Plan(plan(b"p")),
        approval("ana"),
        approval("ben"),
        approval("ana"),
        Record::Command(command.clone()),
    ];
    world.store.commit(batch).await.unwrap();
    let people = |rows: Vec<Approval>| rows.into_iter().map(|a| a.by).collect::<Vec<_>>();
    assert_eq!(people(world.store.approvals(&hash).await.unwrap()), ["ana", "ben", "ana"]);
    let waiting = world.store.commands().await.unwrap();
    assert_eq!(waiting, [CommandRow { id: 1, ..command }]);
    assert!(world.store.erase("ana", "ben", at(2)).await.unwrap());
    let after = people(world.store.approvals(&hash).await.unwrap());
    assert!(after[0].starts_with("p:") && after[0] == after[2] && after[1] == "ben", "{after:?}");
    assert!(world.store.erase("because of ana", "ben", at(2)).await.unwrap());
    world.store.commit(vec![approval("ana")]).await.unwrap();
    let later = people(world.store.approvals(&hash).await.unwrap());
    assert_eq!(later[3], "ana", "who comes back is known again");
}

#[tokio::test]
async fn personal_text_cannot_be_changed_or_dropped_by_statement() {
    let world = World::new().await;
    world.store.commit(vec![acted(1, "ana")]).await.unwrap();
    let mut eve = world.raw().await;
    for text in [
        "update personal set value = 'eve'",
        "update personal set token = 'p:0'",
        "delete from personal",
        "insert or replace into personal (id, token, salt, value) values (1, 'p:9', x'00', 'eve')",
        "insert into personal (token, salt, value) select token, salt, 'eve' from personal",
    ] {
        assert!(sqlx::raw_sql(text).execute(&mut eve).await.is_err(), "{text}");
    }
}

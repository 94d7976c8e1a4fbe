//! Everything in, everything out, also after a restart and for two accounts.

use rungwise::{
    domain::{
        AccountId, AccountInfo, Zone,
        plan::{Approval, PlanHash},
        write_log::Entry,
    },
    ports::{
        Record, Store as _, StoreError,
        store::{ClimbRow, CommandRow, EndRow},
    },
    store::{Access, SqliteStore},
};

use super::support::*;

fn info() -> AccountInfo {
    AccountInfo {
        name: "Schuhladen \u{202e}\n\"x\"".into(),
        currency: "EUR".parse().unwrap(),
        zone: "Europe/Berlin".parse::<Zone>().unwrap(),
        status: 1,
        min_daily_budget: Some(eur(100)),
        min_spend_cap: None,
        business: None,
    }
}
fn climb(id: &str, open: bool, state: &str) -> ClimbRow {
    ClimbRow {
        id: id.parse().unwrap(),
        line: line_id(),
        state: state.into(),
        open,
        doc: b"{ \"as\" : \"given\" }".to_vec(),
        updated_at: at(40),
    }
}
fn yes(plan: &[u8]) -> Approval {
    let (plan, by, note) = (PlanHash::of(plan), "ada".to_owned(), "go".to_owned());
    Approval { plan, by, at: at(25), granted: true, note }
}
fn command() -> CommandRow {
    let (by, kind, subject) = ("ada".into(), "climb_pause".into(), "shoes-2".into());
    CommandRow { id: 0, at: at(50), by, kind, subject, note: "wait".into() }
}
fn end(outcome: &str) -> EndRow {
    EndRow { outcome: outcome.into(), why: "as planned".into(), at: at(60) }
}

async fn tell(store: &SqliteStore) {
    let batch = vec![
        // Rows may refer to rows that come later in the batch.
        Record::Decision(decision("d1", b"e1", 11)),
        evidence(b"e1"),
        evidence(b"e1"),
        Record::Account(Box::new(info()), at(5)),
        Record::Tree(Box::new(tree(at(5), "A"))),
        Record::Climb(climb("shoes-1", true, "comparing")),
        Record::Climb(climb("shoes-2", true, "proposed")),
        Record::Climb(climb("shoes-1", false, "settled")),
        Record::Plan(plan(b"p1")),
        Record::Plan(plan(b"p2")),
        Record::Approval(yes(b"p1")),
        audit(1),
    ];
    store.commit(batch).await.unwrap();
    let batch = vec![
        Record::Intent(intent("op1", b"p1")),
        entry("op1", 31, Entry::Started, None),
        audit(2),
    ];
    store.commit(batch).await.unwrap();
    let doubts = store.intents_since(at(1_000)).await.unwrap();
    assert_eq!(doubts.len(), 1, "what may be in doubt is read however old it is");
    let batch = vec![
        entry("op1", 32, Entry::OutcomeUnknown, None),
        entry("op1", 33, Entry::FoundApplied, Some("900")),
        Record::Verified { op_key: "op1".parse().unwrap(), at: at(34) },
        Record::Verified { op_key: "op1".parse().unwrap(), at: at(35) },
        Record::PlanEnd(PlanHash::of(b"p1"), end("done")),
        Record::Decision(decision("d2", b"e1", 12)),
        Record::Command(command()),
        Record::Command(command()),
        Record::Slot { job: "pull".into(), slot: at(70), at: at(71) },
        Record::Slot { job: "pull".into(), slot: at(72), at: at(73) },
        note("mode", "observe"),
        note("mode", "propose"),
        audit(3),
    ];
    store.commit(batch).await.unwrap();
    store
        .commit(vec![Record::CommandDone { id: 1, at: at(80), answer: "paused".into() }])
        .await
        .unwrap();
}

async fn check(store: &SqliteStore) {
    assert_eq!(store.account(&account()).await.unwrap(), Some(info()));
    assert_eq!(store.tree(&campaign("70")).await.unwrap(), Some(tree(at(5), "A")));
    let newest_first = [climb("shoes-2", true, "proposed"), climb("shoes-1", false, "settled")];
    assert_eq!(store.climbs(false).await.unwrap(), newest_first);
    assert_eq!(store.climbs(true).await.unwrap(), newest_first[..1]);
    let (d1, d2) = (decision("d1", b"e1", 11), decision("d2", b"e1", 12));
    assert_eq!(store.decisions(None, 9).await.unwrap(), [d2.clone(), d1.clone()]);
    assert_eq!(store.decisions(Some(&climb_id()), 1).await.unwrap(), [d2]);
    assert_eq!(store.decisions(Some(&"other".parse().unwrap()), 9).await.unwrap(), []);
    assert_eq!(store.decision(&d1.id).await.unwrap().as_ref(), Some(&d1));
    assert_eq!(store.evidence(&d1.evidence).await.unwrap(), Some(b"e1".to_vec()));
    assert_eq!(store.evidence("00").await.unwrap(), None);

    let (p1, p2) = (plan(b"p1"), plan(b"p2"));
    let ended = rungwise::ports::store::PlanRow { end: Some(end("done")), ..p1.clone() };
    assert_eq!(store.plans(true, 9).await.unwrap(), std::slice::from_ref(&p2));
    assert_eq!(store.plans(false, 9).await.unwrap(), [p2.clone(), ended.clone()]);
    assert_eq!(store.plans_like(&p1.hash.as_str()[..12]).await.unwrap(), [ended]);
    assert_eq!(store.plans_like("").await.unwrap().len(), 2);
    assert_eq!(store.plans_like("%").await.unwrap(), []);
    assert_eq!(store.approvals(&p1.hash).await.unwrap(), [yes(b"p1")]);
    assert_eq!(store.approvals(&p2.hash).await.unwrap(), []);

    let mut write = intent("op1", b"p1");
    write.entries = vec![
        (at(31), Entry::Started),
        (at(32), Entry::OutcomeUnknown),
        (at(33), Entry::FoundApplied),
    ];
    write.object = Some("900".parse().unwrap());
    write.verified = true;
    assert_eq!(store.intents(None).await.unwrap(), std::slice::from_ref(&write));
    assert_eq!(store.intents_since(at(33)).await.unwrap(), std::slice::from_ref(&write));
    let after = store.intents_since(at(1_000)).await.unwrap();
    assert!(after.is_empty(), "it is settled, and nothing became of it since: {after:?}");
    assert_eq!(store.intents(Some(&p1.hash)).await.unwrap(), [write]);
    assert_eq!(store.intents(Some(&p2.hash)).await.unwrap(), []);

    assert_eq!(store.commands().await.unwrap(), [CommandRow { id: 2, ..command() }]);
    assert_eq!(store.last_slot("pull").await.unwrap(), Some(at(72)));
    assert_eq!(store.last_slot("decide").await.unwrap(), None);
    assert_eq!(store.note("mode").await.unwrap().as_deref(), Some("propose"));
    assert_eq!(store.note("none").await.unwrap(), None);
    let links = store.links(1, 1).await.unwrap();
    assert_eq!((links.len(), links[0].seq, links[0].body.as_slice()), (1, 2, &b"{\"n\":2}"[..]));
    assert_eq!(store.head().await.unwrap().seq, 3);
    assert_eq!(store.verify_audit().await.unwrap().seq, 3);
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_stored_comes_back_also_after_a_restart_and_for_a_reader() {
    let world = World::new().await;
    let install = world.store.install_id().await.unwrap();
    assert_eq!(install.len(), 32);
    let schema = world.store.schema_digest().await.unwrap();
    tell(&world.store).await;
    check(&world.store).await;
    check(&world.read().await.unwrap()).await;
    let world = world.reopened().await;
    check(&world.store).await;
    assert_eq!(world.store.install_id().await.unwrap(), install);
    assert_eq!(world.store.schema_digest().await.unwrap(), schema);
}

#[tokio::test]
async fn accounts_of_one_database_do_not_see_each_other() {
    let world = World::new().await;
    tell(&world.store).await;
    let other = world.store.for_account(&AccountId::new("2").unwrap());
    assert!(other.climbs(false).await.unwrap().is_empty());
    assert!(other.plans(false, 9).await.unwrap().is_empty());
    assert!(other.intents(None).await.unwrap().is_empty());
    assert!(other.commands().await.unwrap().is_empty());
    assert!(other.trees().await.unwrap().is_empty());
    assert_eq!(other.note("mode").await.unwrap(), None);
    let slot = Record::Slot { job: "pull".into(), slot: at(70), at: at(71) };
    other
        .commit(vec![slot, Record::Climb(climb("shoes-1", true, "observing")), audit(4)])
        .await
        .unwrap();
    assert_eq!(world.store.climbs(true).await.unwrap().len(), 1);
    assert_eq!(world.store.head().await.unwrap().seq, 4, "the audit chain is one per database");
}

#[tokio::test]
async fn what_may_exist_once_exists_once_and_the_conflict_is_named() {
    let world = World::new().await;
    tell(&world.store).await;
    let cases = [
        (Record::Intent(intent("op1", b"p2")), "intents.op_key"),
        (
            Record::Slot { job: "pull".into(), slot: at(70), at: at(90) },
            "slots.account, slots.job, slots.slot",
        ),
        (Record::PlanEnd(PlanHash::of(b"p1"), end("failed")), "plan_ends.plan"),
        (Record::Plan(plan(b"p1")), "plans.hash"),
        (Record::Decision(decision("d1", b"e1", 99)), "decisions.account, decisions.decision"),
    ];
    for (record, name) in cases {
        let error =
            world.store.commit(vec![note("mode", "lost"), record, audit(9)]).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Conflict { what, .. } if what == name),
            "{name}: {error}"
        );
    }
    let batch = vec![
        Record::Intent(intent("op2", b"p2")),
        entry("op2", 31, Entry::Started, None),
        entry("op2", 32, Entry::Succeeded, Some("900")),
    ];
    let error = world.store.commit(batch).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Conflict { what, .. } if what.contains("object")),
        "{error}"
    );
    check(&world.store).await;
}

#[tokio::test]
async fn impossible_write_logs_and_false_hashes_are_refused() {
    let world = World::new().await;
    tell(&world.store).await;
    let verified = |key: &str| Record::Verified { op_key: key.parse().unwrap(), at: at(9) };
    let done = || {
        world.store.commit(vec![Record::CommandDone { id: 1, at: at(81), answer: "again".into() }])
    };
    assert!(done().await.is_err(), "a command is answered once");
    for record in [
        entry("op1", 40, Entry::Started, None),
        entry("op1", 40, Entry::Succeeded, None),
        entry("nobody", 40, Entry::Started, None),
        verified("nobody"),
        Record::Evidence { hash: "0".repeat(64), at: at(1), bytes: b"x".to_vec() },
        Record::Plan(rungwise::ports::store::PlanRow { hash: PlanHash::of(b"q"), ..plan(b"p3") }),
        Record::Decision(decision("d3", b"never filed", 9)),
        Record::CommandDone { id: 77, at: at(1), answer: "x".into() },
    ] {
        let shown = format!("{record:?}");
        assert!(world.store.commit(vec![record]).await.is_err(), "{shown}");
    }
    check(&world.store).await;
}

/// The trigger in the schema and the fold in the domain must be the same table.
#[tokio::test]
async fn the_schema_accepts_exactly_the_logs_the_domain_accepts() {
    use rungwise::domain::write_log::WriteStatus;
    let all = [
        Entry::Started,
        Entry::Succeeded,
        Entry::Refused,
        Entry::OutcomeUnknown,
        Entry::FoundApplied,
        Entry::FoundAbsent,
    ];
    let world = World::new().await;
    world.store.commit(vec![Record::Plan(plan(b"p"))]).await.unwrap();
    let mut legal: Vec<Vec<Entry>> = vec![vec![]];
    let mut n = 0;
    for _ in 0..4 {
        let mut longer = Vec::new();
        for log in &legal {
            for next in all {
                n += 1;
                let key = format!("op{n}");
                let whole: Vec<Entry> = log.iter().copied().chain([next]).collect();
                let mut batch = vec![Record::Intent(intent(&key, b"p"))];
                batch.extend(whole.iter().map(|e| entry(&key, 1, *e, None)));
                let stored = world.store.commit(batch).await.is_ok();
                let possible = WriteStatus::fold(whole.iter().copied()).is_ok();
                assert_eq!(stored, possible, "{whole:?}");
                if possible {
                    longer.push(whole);
                }
            }
        }
        legal = longer;
    }
}

#[tokio::test]
async fn a_person_s_process_gives_commands_and_approvals_only_while_the_agent_runs() {
    let world = World::new().await;
    tell(&world.store).await;
    let person = SqliteStore::open(world.dir.path(), &account(), Access::Commands).await.unwrap();
    person.commit(vec![Record::Command(command()), Record::Approval(yes(b"p2"))]).await.unwrap();
    assert_eq!(world.store.commands().await.unwrap().len(), 2);
    assert_eq!(world.store.approvals(&PlanHash::of(b"p2")).await.unwrap().len(), 1);
    // Their audit links go on the chain at once; everything else is the agent's.
    person.commit(vec![Record::Command(command()), audit(9)]).await.unwrap();
    for record in [note("a", "b"), Record::Plan(plan(b"p9"))] {
        assert!(person.commit(vec![Record::Command(command()), record]).await.is_err());
    }
    assert_eq!(world.store.commands().await.unwrap().len(), 3);
    let reader = world.read().await.unwrap();
    assert!(reader.commit(vec![Record::Command(command())]).await.is_err());
    let day = days("2026-01-01", "2026-01-01");
    assert!(person.save_insights(&account(), day, &[], at(1)).await.is_err());
}

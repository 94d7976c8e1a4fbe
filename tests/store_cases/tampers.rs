//! Random tampering with the audit store by somebody who owns the database file and drops its guards: everything up to
//! the last copied head is found.
//!
//! `RUNGWISE_TAMPERS` sets how many are tried.

use std::{fs, path::Path};

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use rungwise::{
    domain::audit::{Head, Link, LinkHash},
    ports::{StopSwitch as _, Store as _},
    store::{AnchorFile, Backup, DATABASE_FILE},
};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::support::*;

/// Links of the history that is tampered with.
const LINKS: i64 = 60;
const CLASSES: [&str; 9] =
    ["column", "bit", "delete", "swap", "insert", "truncate", "re-stamp", "clone", "roll back"];
const GUARDS: [&str; 5] = [
    "audit_never_updated",
    "audit_never_deleted",
    "audit_follows",
    "audit_once_by_seq",
    "audit_once_by_hash",
];

/// A closed history whose every tenth head was copied out, an older copy of it, and somebody else's history.
struct Victim {
    dir: tempfile::TempDir,
    heads: Vec<Head>,
    file: Vec<u8>,
    older: Vec<u8>,
    foreign: Vec<u8>,
}

async fn history(first: i64) -> (tempfile::TempDir, Vec<u8>) {
    let world = World::new().await;
    let file = AnchorFile::open(world.dir.path()).unwrap();
    let older = world.dir.path().join("older.db");
    for n in 0..LINKS {
        if n == LINKS / 2 {
            world.store.backup(&older).await.unwrap();
        }
        world.store.commit(vec![audit(first + n)]).await.unwrap();
        if (n + 1) % 10 == 0 {
            file.append(&world.store.head().await.unwrap()).unwrap();
        }
    }
    world.store.close().await;
    (world.dir, fs::read(older).unwrap())
}

async fn victim() -> Victim {
    let (dir, older) = history(1_000).await;
    let (other, _) = history(500_000).await;
    let heads = AnchorFile::open(dir.path()).unwrap().read().unwrap().heads;
    assert_eq!(heads.last().unwrap().seq, LINKS);
    let read = |dir: &Path| fs::read(dir.join(DATABASE_FILE)).unwrap();
    let (file, foreign) = (read(dir.path()), read(other.path()));
    Victim { dir, heads, file, older, foreign }
}

async fn run(conn: &mut SqliteConnection, text: String) {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(text.clone())).execute(conn).await;
    done.unwrap_or_else(|e| panic!("{text}: {e}"));
}

async fn all(conn: &mut SqliteConnection) -> Vec<Link> {
    let text = "select seq, at, kind, body, prev, hash from audit order by seq";
    let rows = sqlx::query(text).fetch_all(conn).await.unwrap();
    let link = |r: &sqlx::sqlite::SqliteRow| Link {
        seq: r.get("seq"),
        at: at(r.get("at")),
        kind: r.get("kind"),
        body: r.get("body"),
        prev: LinkHash::stored(r.get::<String, _>("prev")),
        hash: LinkHash::stored(r.get::<String, _>("hash")),
    };
    rows.iter().map(link).collect()
}

/// Writes the chain anew from `links`, whatever they are.
async fn rewrite(conn: &mut SqliteConnection, links: &[Link]) {
    run(conn, "delete from audit".into()).await;
    for link in links {
        sqlx::query(
            "insert into audit (seq, at, kind, body, prev, hash) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(link.seq)
        .bind(link.at.millis())
        .bind(&link.kind)
        .bind(&link.body)
        .bind(link.prev.as_str())
        .bind(link.hash.as_str())
        .execute(&mut *conn)
        .await
        .unwrap();
    }
}

/// Every link from `k` on with its hash made anew, as somebody who knows the rule would do it.
fn restamped(links: &[Link], k: usize) -> Vec<Link> {
    let mut head = k.checked_sub(1).map_or_else(Head::genesis, |n| links[n].head());
    let mut out = links[..k].to_vec();
    for link in &links[k..] {
        let again = Link::after(&head, link.at, &link.kind, link.body.clone());
        head = again.head();
        out.push(again);
    }
    out
}

async fn by_statement(path: &Path, class: &str, rng: &mut Pcg64Mcg) {
    let mut conn = raw(path).await;
    let mut guards = Vec::new();
    for name in GUARDS {
        let get = sqlx::query_scalar("select sql from sqlite_schema where name = $1").bind(name);
        guards.push(get.fetch_one(&mut conn).await.unwrap());
        run(&mut conn, format!("drop trigger {name}")).await;
    }
    let mut links = all(&mut conn).await;
    let at = rng.random_range(0..links.len());
    let last = links.len() - 1;
    match class {
        "column" => match rng.random_range(0..5) {
            0 => links[at].at = links[at].at.plus(rng.random_range(1..1_000_000)),
            1 => links[at].kind.push('!'),
            2 => links[at].body = format!("{{\"n\":{}}}", rng.random_range(0..900)).into_bytes(),
            3 => links[at].prev = LinkHash::stored("f".repeat(64)),
            _ => links[at].hash = LinkHash::stored("e".repeat(64)),
        },
        "delete" => drop(links.remove(at)),
        "swap" => {
            let other = (at + rng.random_range(1..links.len())) % links.len();
            let (a, b) = (links[at].clone(), links[other].clone());
            (links[at].body, links[other].body) = (b.body, a.body);
            if rng.random() {
                (links[at].hash, links[other].hash) = (b.hash, a.hash);
            }
        }
        "insert" => {
            let head = at.checked_sub(1).map_or_else(Head::genesis, |n| links[n].head());
            links.insert(at, Link::after(&head, links[at].at, "note", b"{\"n\":0}".to_vec()));
            for link in &mut links[at + 1..] {
                link.seq += 1;
            }
        }
        "truncate" => links.truncate(rng.random_range(0..last)),
        "re-stamp" => {
            links[at].body = b"{\"n\":-1}".to_vec();
            links = restamped(&links, at);
        }
        other => unreachable!("{other}"),
    }
    rewrite(&mut conn, &links).await;
    if rng.random() {
        for text in guards {
            run(&mut conn, text).await;
        }
    }
    conn.close().await.unwrap();
}

/// One bit of the bytes of one row, in the file itself.
fn flipped(file: &[u8], rng: &mut Pcg64Mcg) -> Vec<u8> {
    let body = format!("{{\"n\":{}}}", 1_000 + rng.random_range(0..LINKS)).into_bytes();
    let found = file.windows(body.len()).position(|w| w == body).expect("the row is in the file");
    let mut file = file.to_vec();
    file[found + rng.random_range(0..body.len())] ^= 1 << rng.random_range(0..8);
    file
}

#[tokio::test]
async fn every_random_tamper_is_found_up_to_the_last_copied_head() {
    let wanted = crate::asked::asked("RUNGWISE_TAMPERS");
    let wanted: usize = wanted.unwrap_or(180);
    let victim = victim().await;
    let clean =
        Backup::inspect_against(&victim.dir.path().join(DATABASE_FILE), &victim.heads).await;
    assert_eq!(clean.unwrap().head.seq, LINKS);
    let mut rng = Pcg64Mcg::seed_from_u64(20_260_101);
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join(DATABASE_FILE);
    let mut tried = [0_usize; CLASSES.len()];
    for n in 0..wanted {
        let class = CLASSES[n % CLASSES.len()];
        for rest in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(work.path().join(format!("{DATABASE_FILE}{rest}")));
        }
        match class {
            "bit" => fs::write(&path, flipped(&victim.file, &mut rng)).unwrap(),
            "clone" => fs::write(&path, &victim.foreign).unwrap(),
            "roll back" => fs::write(&path, &victim.older).unwrap(),
            statement => {
                fs::write(&path, &victim.file).unwrap();
                by_statement(&path, statement, &mut rng).await;
            }
        }
        let seen = Backup::inspect_against(&path, &victim.heads).await;
        assert!(seen.is_err(), "tamper {n} ({class}) was not found");
        tried[n % CLASSES.len()] += 1;
    }
    println!("{wanted} tampers, all found: {:?}", CLASSES.iter().zip(tried).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_forged_head_is_found_and_an_agent_does_not_start_on_a_rolled_back_history() {
    let victim = victim().await;
    let path = victim.dir.path().join(DATABASE_FILE);
    fs::write(&path, &victim.older).unwrap();
    let store = agent(victim.dir.path()).await.unwrap();
    let anchors = AnchorFile::open(victim.dir.path()).unwrap();
    let error = store.prove(&anchors, at(1)).await.unwrap_err().to_string();
    assert!(error.contains("row 60 was copied out"), "{error}");
    assert!(store.standing().stopped().unwrap().contains("row 60"), "the door is shut");
    let log = victim.dir.path().join(rungwise::store::ANCHOR_FILE);
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("60 ", "61 ", 1)).unwrap();
    assert!(store.prove(&anchors, at(1)).await.unwrap_err().to_string().contains("wrong seal"));
}

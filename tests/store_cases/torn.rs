//! A write-ahead log cut at any byte, as a power failure cuts it: what comes back is an exact prefix of the commits.
//!
//! `RUNGWISE_CUTS` sets how many offsets are tried.

use std::{fs, path::Path};

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use rungwise::{
    ports::{Record, Store as _},
    store::{AnchorFile, DATABASE_FILE, KEY_FILE},
};

use super::support::*;

const COMMITS: i64 = 40;

fn log_of(dir: &Path) -> std::path::PathBuf {
    dir.join(format!("{DATABASE_FILE}-wal"))
}

/// Database and log of a process that died after [`COMMITS`] commits, none of which was merged into the file.
async fn died() -> (World, Vec<u8>, Vec<u8>) {
    let world = World::new().await.reopened().await;
    for n in 1..=COMMITS {
        let bytes = format!("evidence {n}").into_bytes();
        let batch = vec![
            note("n", &n.to_string()),
            evidence(&bytes),
            Record::Decision(decision(&format!("d{n}"), &bytes, n)),
            audit(n),
        ];
        world.store.commit(batch).await.unwrap();
    }
    let file = fs::read(world.dir.path().join(DATABASE_FILE)).unwrap();
    let log = fs::read(log_of(world.dir.path())).unwrap();
    (world, file, log)
}

#[tokio::test]
async fn a_torn_log_gives_an_exact_prefix_of_the_commits() {
    let wanted = crate::asked::asked("RUNGWISE_CUTS");
    let wanted: usize = wanted.unwrap_or(60);
    let (world, file, log) = died().await;
    let key = fs::read(world.dir.path().join(KEY_FILE)).unwrap();
    let mut rng = Pcg64Mcg::seed_from_u64(7);
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..wanted {
        let cut = match n {
            0 => 0,
            1 => log.len(),
            _ => rng.random_range(0..log.len()),
        };
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(DATABASE_FILE), &file).unwrap();
        fs::write(dir.path().join(KEY_FILE), &key).unwrap();
        let mut torn = log[..cut].to_vec();
        if n % 3 == 2 {
            // Some disks give back nothing, others zeros or rubbish, for what was not written.
            torn.extend(
                (0..rng.random_range(1..5_000)).map(|_| if n % 2 == 0 { 0 } else { rng.random() }),
            );
        }
        fs::write(log_of(dir.path()), torn).unwrap();
        let store = agent(dir.path()).await.unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new(), "cut at {cut}");
        let head = store.verify_audit().await.unwrap();
        let decisions = store.decisions(None, u32::MAX).await.unwrap();
        let survived = i64::try_from(decisions.len()).unwrap();
        assert_eq!(head.seq, survived, "cut at {cut}: chain and state differ");
        for (age, row) in decisions.iter().rev().enumerate() {
            assert_eq!(row.id.as_str(), format!("d{}", age + 1), "cut at {cut}");
        }
        let noted = store.note("n").await.unwrap();
        assert_eq!(noted, (survived > 0).then(|| survived.to_string()), "cut at {cut}");
        if cut == log.len() {
            assert_eq!(survived, COMMITS, "a whole log gives every commit");
        }
        // It goes on from there.
        store.commit(vec![audit(99)]).await.unwrap();
        store.prove(&AnchorFile::open(dir.path()).unwrap(), at(100)).await.unwrap();
        seen.insert(survived);
    }
    assert!(seen.len() > wanted.min(40) / 4, "the cuts fell on few commits: {seen:?}");
    println!("{wanted} cuts of a log of {} bytes, prefixes seen: {}", log.len(), seen.len());
}

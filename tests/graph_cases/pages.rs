//! A list is complete or an error: random lists in random pages, with everything a server may do wrong about cursors.

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rungwise::graph::{Step, Walk};
use serde_json::{Value, json};

fn by_id(row: &Value) -> Option<String> {
    row.get("id")?.as_str().map(str::to_owned)
}

/// The pages of a list: which rows, and which page each names as the next one.
struct Server {
    pages: Vec<Vec<u64>>,
    next: Vec<Option<usize>>,
}

impl Server {
    fn draw(rng: &mut Pcg64Mcg) -> Self {
        let count = rng.random_range(1..8);
        let mut id = 0;
        let mut page = |rng: &mut Pcg64Mcg| {
            let first = id;
            id += rng.random_range(0..4_u64);
            (first..id).collect::<Vec<u64>>()
        };
        let mut pages: Vec<Vec<u64>> = (0..count).map(|_| page(rng)).collect();
        let mut next: Vec<Option<usize>> = (1..count).map(Some).chain([None]).collect();
        let at = rng.random_range(0..count);
        match rng.random_range(0..4) {
            // The list runs in a circle, or jumps back.
            0 => next[at] = Some(rng.random_range(0..=at)),
            // A page comes with rows of an earlier one.
            1 => {
                let again = pages[rng.random_range(0..=at)].clone();
                pages[at].extend(again);
            }
            _ => {}
        }
        Self { pages, next }
    }
    fn answer(&self, at: usize) -> Value {
        let data: Vec<Value> =
            self.pages[at].iter().map(|id| json!({"id": id.to_string()})).collect();
        let next = self.next[at].map(|n| json!(format!("https://graph.example/x?after={n}")));
        let after = self.next[at].map_or_else(|| "end".to_owned(), |n| n.to_string());
        json!({"data": data, "paging": {"cursors": {"after": after}, "next": next}})
    }
}

#[test]
fn a_list_is_complete_or_an_error() {
    for seed in 0..2_000 {
        let rng = &mut Pcg64Mcg::seed_from_u64(seed);
        let server = Server::draw(rng);
        let mut walk = Walk::new(by_id);
        let mut at = 0;
        let ended = loop {
            match walk.take(server.answer(at)) {
                Ok(Step::Next(cursor)) => at = cursor.parse().expect("our own cursor"),
                Ok(Step::End) => break true,
                Err(_) => break false,
            }
        };
        let all: BTreeSet<String> = server.pages.iter().flatten().map(u64::to_string).collect();
        let rows: Vec<String> = walk.into_rows().iter().filter_map(by_id).collect();
        let read: BTreeSet<String> = rows.iter().cloned().collect();
        assert!(!ended || read == all, "case {seed}: {read:?} is not {all:?}");
        assert_eq!(read.len(), rows.len(), "case {seed}: each row once");
    }
}

//! When a life that went wrong stands again where one without the mishap stood.
//!
//! What follows from there is the other life's future, which is lived and judged on its own; there is no need to live
//! it again. Compared is all that the future depends on: the world as it truly is, every climb, every open plan, where
//! each write stands, and what the agent has noted; moments may differ by what a restart and a doubt take. Where
//! anything else differs, a life goes on to its end.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{
    books::{Books, FiledPlan},
    witness::Witness,
};
use crate::{
    domain::{HOUR_MS, Moment, write_log::WriteStatus},
    sandbox::Standing,
};

/// Moments that matter to the quarter of an hour: when a raise was made.
const NEAR_MS: i64 = HOUR_MS / 2;
/// All others: until a doubt is settled.
const LATE_MS: i64 = 2 * HOUR_MS;

/// Where a life stands between two passes.
#[derive(Debug, Clone)]
pub(super) struct Face {
    at: Moment,
    world: Vec<Standing>,
    books: Books,
    raised: BTreeMap<String, Vec<Moment>>,
    added: BTreeMap<String, i64>,
}

impl Face {
    pub(super) fn of(at: Moment, world: Vec<Standing>, witness: &Witness) -> Self {
        let (books, raised) = (witness.books.clone(), witness.raised.clone());
        Self { at, world, books, raised, added: witness.added.clone() }
    }

    /// What stands elsewhere than in `other`; None when nothing does.
    pub(super) fn differs(&self, other: &Self) -> Option<&'static str> {
        let (mine, theirs) = (&self.books, &other.books);
        let same = [
            ("time", near(self.at, other.at, NEAR_MS)),
            ("world", self.world == other.world),
            ("added", self.added == other.added),
            ("raised", self.raised_as(other)),
            ("commands", mine.commands.keys().eq(theirs.commands.keys())),
            ("writes", written(mine) == written(theirs)),
            ("climbs", alike(&carried(mine), &carried(theirs))),
            ("plans", planned(mine, theirs)),
            ("notes", noted(mine, theirs)),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
    }

    fn raised_as(&self, other: &Self) -> bool {
        let near = |a: &Vec<Moment>, b: &Vec<Moment>| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(*a, *b, NEAR_MS))
        };
        self.raised.keys().eq(other.raised.keys())
            && self.raised.values().zip(other.raised.values()).all(|(a, b)| near(a, b))
    }
}

fn near(a: Moment, b: Moment, within_ms: i64) -> bool {
    a.since(b).abs() <= within_ms
}

/// What is known of a write: where it stands, whether it was read back, what it created, what it is called.
type Known<'a> = (Option<WriteStatus>, bool, Option<&'a str>, &'a str);

/// What is known of each write.
fn written(books: &Books) -> BTreeMap<&str, Known<'_>> {
    let of = books.writes.iter().map(|(key, w)| {
        (key.as_str(), (w.status(), w.verified, w.object.as_deref(), w.action.as_str()))
    });
    of.collect()
}

/// The climbs, oldest first; the name of one tells when it was opened.
fn carried(books: &Books) -> Vec<Value> {
    let mut climbs: Vec<_> = books.climbs.values().collect();
    climbs.sort_by_key(|c| (c.opened, c.line.clone()));
    let mut values: Vec<Value> =
        climbs.into_iter().map(|c| serde_json::to_value(c).unwrap_or_default()).collect();
    for climb in values.iter_mut().filter_map(Value::as_object_mut) {
        climb.remove("id");
    }
    values
}

/// The same plans are open, with the same writes still to make.
fn planned(mine: &Books, theirs: &Books) -> bool {
    let open = |books: &'_ Books| -> Vec<FiledPlan> {
        let open = books.plans.values().filter(|p| p.outcome.is_none());
        let mut open: Vec<FiledPlan> = open.cloned().collect();
        open.sort_by_key(|p| (p.plan.line.clone(), p.plan.kind.as_str()));
        open
    };
    let (mine, theirs) = (open(mine), open(theirs));
    mine.len() == theirs.len()
        && mine.iter().zip(&theirs).all(|(a, b)| {
            let (p, q) = (&a.plan, &b.plan);
            let agreed = a.yes.is_empty() == b.yes.is_empty() && a.rejected == b.rejected;
            let same = (p.line == q.line) && (p.kind == q.kind) && (p.money == q.money);
            agreed && same && near(p.expires, q.expires, LATE_MS) && alike(&p.actions, &q.actions)
        })
}

/// The agent remembers the same; what it noted about a doubt is of no use once the doubt is settled.
fn noted(mine: &Books, theirs: &Books) -> bool {
    let (a, b) = (notes(mine), notes(theirs));
    a.keys().eq(b.keys()) && a.values().zip(b.values()).all(|(a, b)| alike_values(a, b))
}

fn notes(books: &Books) -> BTreeMap<&str, Value> {
    let settled: BTreeSet<String> = books
        .writes
        .iter()
        .filter(|(_, w)| w.status() != Some(WriteStatus::InDoubt))
        .map(|(key, _)| format!("absent:{key}"))
        .collect();
    let kept = books.notes.iter().filter(|(key, _)| !settled.contains(*key));
    let value =
        |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let mut notes: BTreeMap<&str, Value> =
        kept.map(|(key, text)| (key.as_str(), value(text))).collect();
    // What a write could have cost at worst shrinks by the minute, and is of use until the write is settled.
    let moves = notes.iter_mut().filter(|(key, _)| key.starts_with("move:"));
    for note in moves.filter_map(|(_, note)| note.as_object_mut()) {
        note.remove("worst");
    }
    // How far back the log is read matters only to a breaker that would open, which is told of in the same note; that a
    // person closed it after a death, only to refusals before, of which a life without that death has none.
    if let Some(breaker) = notes.get_mut("breaker").and_then(Value::as_object_mut) {
        breaker.remove("clean");
        breaker.remove("closed");
    }
    notes
}

fn alike<T: Serialize>(a: &T, b: &T) -> bool {
    let value = |of: &T| serde_json::to_value(of).unwrap_or_default();
    alike_values(&value(a), &value(b))
}

/// Equal but for moments that are near, and hashes of what holds moments.
fn alike_values(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.keys().eq(b.keys()) && a.values().zip(b.values()).all(|(a, b)| alike_values(a, b))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike_values(a, b))
        }
        (Value::Number(a), Value::Number(b)) => {
            let moments =
                a.as_i64().zip(b.as_i64()).filter(|(a, b)| is_moment(*a) && is_moment(*b));
            a == b || moments.is_some_and(|(a, b)| a.abs_diff(b) <= LATE_MS.unsigned_abs())
        }
        (Value::String(a), Value::String(b)) => a == b || (is_hash(a) && is_hash(b)),
        _ => a == b,
    }
}

/// Milliseconds of a year between 2020 and 2033.
fn is_moment(n: i64) -> bool {
    (1_577_836_800_000..2_000_000_000_000).contains(&n)
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::books::BookedWrite, *};
    use crate::domain::{plan::Template, write_log::Entry};

    const AT: Moment = Moment::from_millis(1_767_571_200_000);

    fn face(change: impl FnOnce(&mut Face)) -> Face {
        let mut face = Face::of(AT, Vec::new(), &Witness::default());
        face.books.notes.insert("read".to_owned(), AT.millis().to_string());
        change(&mut face);
        face
    }

    #[test]
    fn moments_may_be_late_and_nothing_else_may_differ() {
        let one = face(|_| ());
        assert_eq!(one.differs(&face(|f| f.at = AT.plus(NEAR_MS))), None);
        assert_eq!(one.differs(&face(|f| f.at = AT.plus(NEAR_MS + 1))), Some("time"));
        let noted = |text: String| face(|f| drop(f.books.notes.insert("read".to_owned(), text)));
        assert_eq!(one.differs(&noted((AT.millis() + LATE_MS).to_string())), None);
        assert_eq!(one.differs(&noted((AT.millis() + LATE_MS + 1).to_string())), Some("notes"));
        assert_eq!(one.differs(&noted("shock".to_owned())), Some("notes"));
        let raised = |ms| face(|f| drop(f.raised.insert("1".to_owned(), vec![AT.plus(ms)])));
        assert_eq!(one.differs(&raised(0)), Some("raised"));
        assert_eq!(raised(0).differs(&raised(NEAR_MS)), None);
        assert_eq!(raised(0).differs(&raised(NEAR_MS + 1)), Some("raised"));
        assert_eq!(
            one.differs(&face(|f| f.added = BTreeMap::from([("c".to_owned(), 1)]))),
            Some("added")
        );
        let told = face(|f| {
            f.books.commands.insert("c".to_owned(), AT);
        });
        assert_eq!(one.differs(&told), Some("commands"));
    }

    #[test]
    fn a_note_about_a_settled_doubt_counts_no_more() {
        let hash = |c: &str| json!({"plan": c.repeat(64), "n": 7});
        assert!(alike_values(&hash("a"), &hash("b")));
        assert!(!alike_values(&json!({"plan": "a"}), &json!({"plan": "b"})));
        assert!(!alike_values(&json!([1]), &json!([1, 2])));
        assert!(!alike_values(&json!(7), &json!(8)), "a small number is no moment");
        let absent = |key: &str| {
            face(|f| drop(f.books.notes.insert(format!("absent:{key}"), "1".to_owned())))
        };
        assert_eq!(absent("K").differs(&face(|_| ())), Some("notes"));
        let written = |face: &mut Face, entries: &[Entry]| {
            let write = BookedWrite {
                plan: String::new(),
                action: "campaign".to_owned(),
                creates: true,
                request: Template { method: "POST".into(), path: "1".into(), params: vec![] },
                entries: entries.iter().map(|e| (AT, *e)).collect(),
                object: None,
                verified: false,
            };
            face.books.writes.insert("K".to_owned(), write);
        };
        let settled = face(|f| written(f, &[Entry::Started, Entry::FoundAbsent]));
        let mut noted = settled.clone();
        noted.books.notes.insert("absent:K".to_owned(), "1".to_owned());
        assert_eq!(noted.differs(&settled), None);
        let open = face(|f| written(f, &[Entry::Started]));
        assert_eq!(open.differs(&settled), Some("writes"));
    }
}

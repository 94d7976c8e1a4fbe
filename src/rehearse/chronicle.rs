//! What the agent did, in the words of a story: whoever looks for the cause of a violation reads it between the troubles.

use super::books::Books;
use crate::{
    domain::{climb::Climb, write_log::Entry},
    ports::{Record, Request},
};

/// Characters of a hash or a reason that are shown.
const SHORT: usize = 12;
const LONG: usize = 160;

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// What a commit says beyond what `books` know, a line each: climbs that move or are held, plans that come and go, yes
/// and no, and writes that did not simply succeed.
pub(super) fn lines(books: &Books, batch: &[Record]) -> Vec<String> {
    batch.iter().filter_map(|record| line(books, record)).collect()
}

fn line(books: &Books, record: &Record) -> Option<String> {
    match record {
        Record::Climb(row) => {
            let is: Climb = serde_json::from_slice(&row.doc).ok()?;
            let was = books.climbs.get(row.id.as_str());
            let same = was.is_some_and(|c| c.state.as_str() == row.state && c.held == is.held);
            let held = is.held.map(|why| format!(", on hold: {}", cut(&why, LONG)));
            (!same).then(|| {
                let of = is.incumbent;
                format!("{} of {of} is {}{}", row.id, row.state, held.unwrap_or_default())
            })
        }
        Record::Plan(row) => {
            let (kind, hash) = (row.kind.as_str(), cut(row.hash.as_str(), SHORT));
            Some(format!("{} files {kind} plan {hash}", row.climb))
        }
        Record::Approval(a) => {
            let word = if a.granted { "yes" } else { "no" };
            Some(format!("{} says {word} to plan {}", a.by, cut(a.plan.as_str(), SHORT)))
        }
        Record::PlanEnd(hash, end) => {
            let kind = books.plans.get(hash.as_str()).map_or("a", |p| p.plan.kind.as_str());
            let (hash, why) = (cut(hash.as_str(), SHORT), cut(&end.why, LONG));
            Some(format!("{kind} plan {hash} ends {}: {why}", end.outcome))
        }
        Record::Entry { op_key, entry, object, .. } => {
            let action = books.writes.get(op_key.as_str()).map_or("", |w| w.action.as_str());
            let object = object.as_ref().map(|id| format!(" -> {id}")).unwrap_or_default();
            (*entry != Entry::Started)
                .then(|| format!("write {op_key} ({action}) {}{object}", entry.as_str()))
        }
        _ => None,
    }
}

/// A write as it leaves.
pub(super) fn sent(request: &Request) -> String {
    let shown = ["name", "status", "daily_budget", "end_time", "spend_cap"];
    let params = request.form.iter().filter(|(name, _)| shown.contains(&name.as_str()));
    let params: Vec<String> = params.map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} {} {}", request.method, request.path, params.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::law::tests::{approved, entry};

    #[test]
    fn a_yes_and_a_doubt_are_told_and_a_beginning_is_not() {
        let batch =
            [approved("aa", true), entry("K", Entry::Started), entry("K", Entry::OutcomeUnknown)];
        let told = lines(&Books::default(), &batch);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("a says yes to plan"), "{told:?}");
        let request = Request::post("/v26.0/77").form("status", "ACTIVE").form("access_token", "x");
        assert_eq!(sent(&request), "POST /v26.0/77 status=ACTIVE");
    }
}

//! Takes a decision on stored evidence and files evidence, decision and the climb's new state as one commit.

use serde_json::json;

use crate::planted::{Bug, bug};
use crate::{
    app::{Desk, Result, journal, lines::climb_id, propose::climb_row},
    domain::{
        DecisionId,
        climb::{Climb, Effect},
        decide::{Decision, decide},
        evidence::Evidence,
    },
    ports::{Clock, MetaRead, Record, Store, store::DecisionRow},
};

/// A filed decision.
#[derive(Debug, Clone)]
pub struct Filed {
    /// Its id.
    pub id: DecisionId,
    /// Hash of its evidence.
    pub evidence: String,
    /// The decision.
    pub decision: Decision,
    /// The climb after it.
    pub climb: Climb,
}

/// Decides and files. The decision is a function of the stored bytes: it is taken on what was read back from them.
pub async fn decide_and_file<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    evidence: &Evidence,
) -> Result<Filed> {
    let bytes = evidence.bytes();
    let hash = Evidence::hash(&bytes);
    let mut decision = decide(evidence);
    if bug(Bug::DecisionOfTheHour) {
        decision.reasons.push(desk.clock.now().to_string());
    }
    let id = decision_id(&hash);
    // Two passes at one instant can meet the same evidence: the decision stands already.
    if let Some(known) = desk.store.decision(&id).await?
        && known.doc == decision.bytes()
    {
        let climb = decision.next.clone();
        return Ok(Filed { id, evidence: hash, decision, climb });
    }
    let now = desk.clock.now();
    let climb = decision.next.clone();
    let row = DecisionRow {
        id: id.clone(),
        line: climb.line.clone(),
        climb: climb.id.clone(),
        at: now,
        evidence: hash.clone(),
        doc: decision.bytes(),
    };
    let note = journal::audit(
        now,
        "decided",
        desk.actor,
        json!({
            "decision": id, "climb": climb.id, "line": climb.line, "evidence": hash,
            "before": evidence.climb.state.as_str(), "after": climb.state.as_str(),
            "conclusion": decision.conclusion, "effects": decision.effects,
        }),
    );
    let mut batch = vec![
        Record::Evidence { hash: hash.clone(), at: now, bytes },
        Record::Decision(row),
        Record::Climb(climb_row(&climb, now)),
        note,
    ];
    batch.extend(opened(&climb, &decision.effects, now));
    batch.retain(|r| !(bug(Bug::DecisionWithoutEvidence) && matches!(r, Record::Evidence { .. })));
    desk.store.commit(batch).await?;
    Ok(Filed { id, evidence: hash, decision, climb })
}

/// The id of the decision on evidence of that hash.
pub fn decision_id(evidence: &str) -> DecisionId {
    let short: String = evidence.chars().take(16).collect();
    DecisionId::new(short).expect("hex digits are legal in an id")
}

/// The next climb of a line, where an effect asks for one.
pub fn opened(ended: &Climb, effects: &[Effect], now: crate::domain::Moment) -> Vec<Record> {
    opened_held(ended, effects, None, now)
}

/// The same, held from the start for a reason that only a person can take away.
pub(super) fn opened_held(
    ended: &Climb,
    effects: &[Effect],
    held: Option<&str>,
    now: crate::domain::Moment,
) -> Vec<Record> {
    let next = effects.iter().filter_map(|effect| match effect {
        Effect::OpenNext { incumbent, rung, memory } => {
            let line = ended.line.clone();
            let id = next_id(ended, incumbent, now);
            let climb = Climb::open(id, line, incumbent.clone(), rung, now, memory.clone());
            let climb = Climb { held: held.map(str::to_owned), ..climb };
            Some(Record::Climb(climb_row(&climb, now)))
        }
        Effect::Propose { .. } | Effect::Alarm { .. } | Effect::Note { .. } => None,
    });
    next.collect()
}

/// The id of the climb that follows `ended`. A climb can end in the second it was opened in, and its successor must not
/// take its name: write keys are made from it.
fn next_id(
    ended: &Climb,
    incumbent: &crate::domain::CampaignId,
    now: crate::domain::Moment,
) -> crate::domain::ClimbId {
    let id = climb_id(incumbent, now);
    let taken = ended.id.as_str();
    match taken.strip_prefix(id.as_str()) {
        None => id,
        Some(tail) => {
            let count = tail.strip_prefix('.').and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
            let name = format!("{id}.{}", count.saturating_add(1));
            crate::domain::ClimbId::new(name).expect("a number after a dot is legal in an id")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CampaignId, LineId, Moment, climb::Memory};

    #[test]
    fn a_climb_that_follows_another_within_the_same_second_has_a_name_of_its_own() {
        let (campaign, now) = (CampaignId::new("7").unwrap(), Moment::from_millis(5_000));
        let climb = |id| {
            let line = LineId::new("l").unwrap();
            Climb::open(id, line, campaign.clone(), "purchase", now, Memory::default())
        };
        let first = climb(climb_id(&campaign, now));
        let second = climb(next_id(&first, &campaign, now));
        let third = next_id(&second, &campaign, now);
        let names = [first.id.as_str(), second.id.as_str(), third.as_str()];
        assert_eq!(names, ["climb-7-5", "climb-7-5.2", "climb-7-5.3"]);
        assert_eq!(next_id(&second, &campaign, now.plus(1_000)).as_str(), "climb-7-6");
    }
}

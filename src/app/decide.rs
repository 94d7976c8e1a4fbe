//! Takes a decision on stored evidence and files evidence, decision and the climb's new state as one commit.

use serde_json::json;

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
    let decision = decide(evidence);
    let id = decision_id(&hash);
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
    let next = effects.iter().filter_map(|effect| match effect {
        Effect::OpenNext { incumbent, rung, memory } => {
            let line = ended.line.clone();
            let id = climb_id(incumbent, now);
            let climb = Climb::open(id, line, incumbent.clone(), rung, now, memory.clone());
            Some(Record::Climb(climb_row(&climb, now)))
        }
        Effect::Propose { .. } | Effect::Alarm { .. } | Effect::Note { .. } => None,
    });
    next.collect()
}

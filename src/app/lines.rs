//! Finds the campaigns that can be managed and opens the first climb of each line.

use serde_json::json;

use crate::{
    app::{Desk, Result, journal, propose::climb_row},
    domain::{
        CampaignId, ClimbId, LineId, Moment, Status, Tree,
        climb::{Climb, Memory},
        eligibility::{refusals, rung_of},
    },
    ports::{Clock, MetaRead, Record, Store, StoreError, store::ClimbRow},
};

/// Reads a stored climb back.
pub fn climb_of(row: &ClimbRow) -> std::result::Result<Climb, StoreError> {
    serde_json::from_slice(&row.doc)
        .map_err(|e| StoreError::Document { what: format!("climb {}", row.id), why: e.to_string() })
}

/// All unfinished climbs, oldest first; first opening one for every campaign that may be managed and is not yet.
pub async fn open_climbs<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    trees: &[Tree],
) -> Result<Vec<Climb>> {
    let mut climbs = Vec::new();
    for row in desk.store.climbs(true).await? {
        climbs.push(climb_of(&row)?);
    }
    climbs.reverse();
    let now = desk.clock.now();
    let mut batch = Vec::new();
    for tree in trees.iter().filter(|t| t.campaign.status == Status::Active) {
        let id = &tree.campaign.id;
        let taken = climbs.iter().any(|c| c.incumbent == *id || c.challenger() == Some(id));
        // A campaign of our own that no climb knows is a leftover, never a new line.
        let ours = tree.campaign.name.contains(&format!("[{}:", desk.policy.marker_prefix));
        if taken || ours || !refusals(tree, desk.policy).is_empty() {
            continue;
        }
        let Some(rung) = rung_of(tree, &desk.policy.ladder) else { continue };
        let line = LineId::new(format!("line-{id}")).expect("digits make a legal id");
        // Another campaign carries its line by now. Whoever turns the old one on again wants no second copy of it.
        if climbs.iter().any(|c| c.line == line) {
            continue;
        }
        let memory = Memory { path: vec![rung.key.clone()], ..Memory::default() };
        let climb = Climb::open(climb_id(id, now), line, id.clone(), &rung.key, now, memory);
        batch.push(Record::Climb(climb_row(&climb, now)));
        batch.push(journal::audit(
            now,
            "line_opened",
            desk.actor,
            json!({ "line": climb.line, "campaign": id, "name": tree.campaign.name, "rung": rung.key }),
        ));
        climbs.push(climb);
    }
    if !batch.is_empty() {
        desk.store.commit(batch).await?;
    }
    Ok(climbs)
}

/// Id of a climb that starts from a campaign at an instant.
pub fn climb_id(incumbent: &CampaignId, now: Moment) -> ClimbId {
    ClimbId::new(format!("climb-{incumbent}-{}", now.seconds())).expect("digits make a legal id")
}

//! What is compared between passes: the truth of the world with what was committed and with what is on disk.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{RehearsalError, law, stage::Stage};
use crate::{
    app::replay,
    domain::{DAY_MS, audit::Head},
    ports::Store,
    sandbox::Lateness,
};

/// What earlier checks have seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) head: Head,
    /// The agent's clock has once been put back.
    pub(super) clock_went_back: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self { head: Head::genesis(), clock_went_back: false }
    }
}

/// Checks everything that must hold after any pass or death.
pub(super) async fn after_pass(stage: &mut Stage) -> Result<(), RehearsalError> {
    let verified = stage.parts().store.verify_audit_from(&stage.seen.head).await;
    let world = stage.border.world.inventory();
    let waits = stage.parts().switch.held().is_some();
    let mut witness = stage.border.witness();
    law::life::lit(&mut witness.books, &world);
    let (people, ours, blind) = (&witness.people, &witness.ours, witness.blind);
    let mut found = law::identity::inventory(&world, &witness.books, people, blind);
    // While a restore waits for a person's look nothing is switched on, and what is unknown is what they are to look at.
    if !waits {
        found.extend(law::identity::unknown(&world, &witness.books, people, ours));
    }
    found
        .extend(law::money::totals(&witness, &world, |id| stage.border.world.spent_and_excess(id)));
    found.extend(law::money::stated(&witness, &world));
    found.extend(law::record::counted(&witness.books, witness.writes()));
    for (name, what) in found {
        witness.accuse(name, what);
    }
    match verified {
        Ok(head) => stage.seen.head = head,
        Err(e) => witness.accuse("the_audit_chain_verifies", e.to_string()),
    }
    Ok(())
}

/// Checks what must hold once nothing has gone wrong for hours.
pub(super) fn after_quiet(stage: &Stage) {
    let world = stage.border.world.inventory();
    let mut witness = stage.border.witness();
    let mut found = law::life::rest(&witness.books, &witness.people);
    found.extend(law::life::stuck(&witness, &world));
    found.extend(law::life::dark(&witness, &world));
    found.extend(law::life::cut(&witness, &world));
    // Some objects become visible a day after they were made; the quiet days are too few for those.
    if stage.setting.lateness == Lateness::Fixed {
        found.extend(law::identity::leftovers(&world, &witness.books, &witness.people));
    }
    found.extend(law::identity::unwatched(&world, &witness.books, &witness.people));
    for (name, what) in found {
        witness.accuse(name, what);
    }
}

/// Lets the world go on for a year without any agent, in a copy.
pub(super) fn dead_year(stage: &Stage) {
    let world = stage.border.world.fork();
    world.set_account_status(1);
    let now = stage.now();
    let end = now.plus(365 * DAY_MS);
    world.advance_to(end);
    let zone =
        &stage.setting.zone.parse::<crate::domain::Zone>().expect("the zone was parsed before");
    let (standing, ledger) = (world.inventory(), world.ledger());
    let mut witness = stage.border.witness();
    let mut found = law::money::totals(&witness, &standing, |id| world.spent_and_excess(id));
    let year = law::money::DeadYear {
        world: &standing,
        days: &ledger.days,
        died: zone.day_of(now),
        last: zone.day_of(end),
        effective: world.effective(),
        delivers: true,
    };
    found.extend(law::money::dead(&witness, &year));
    for (name, what) in found {
        witness.accuse(name, what);
    }
    drop(witness);
    stage.border.coverage().event("dead_for_a_year");
}

/// Checks the whole history once, at the end: nothing that was written has changed, every decision replays, and the
/// file is sound.
pub(super) async fn history(stage: &mut Stage) -> Result<(), RehearsalError> {
    let store = &stage.parts().store;
    let rows = store.decisions(None, u32::MAX).await?;
    let writes = store.intents(None).await?.len();
    let whole = store.verify_audit().await;
    let problems = store.integrity().await?;
    let mut replays = Vec::new();
    // Replaying is dear; every seventh decision of the story stands for the rest.
    for row in rows.iter().step_by(7) {
        replays.push((row.id.to_string(), replay::replay(store, row).await?));
    }
    {
        let mut coverage = stage.border.coverage();
        for row in &rows {
            let doc: serde_json::Value = serde_json::from_slice(&row.doc).unwrap_or_default();
            let closed = doc["closed"].as_array().into_iter().flatten();
            closed.filter_map(|gate| gate["name"].as_str()).for_each(|gate| coverage.closed(gate));
        }
    }
    let mut witness = stage.border.witness();
    if let Err(e) = whole {
        witness.accuse("the_audit_chain_verifies", e.to_string());
    }
    for problem in problems {
        witness.accuse("the_database_is_sound", problem);
    }
    let on_disk: BTreeMap<String, String> =
        rows.iter().map(|r| (r.id.to_string(), HEXLOWER.encode(&Sha256::digest(&r.doc)))).collect();
    for (name, what) in law::record::history(&witness.books, &on_disk, writes) {
        witness.accuse(name, what);
    }
    for (id, outcome) in replays {
        if outcome != replay::Replayed::Same {
            witness.accuse("decisions_replay_to_the_same_bytes", format!("{id}: {outcome:?}"));
        }
    }
    Ok(())
}

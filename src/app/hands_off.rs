//! Hands off what somebody else edited: the climb is held until a person returns it (`rungwise climb resume`).
//!
//! While a test runs, everything in both campaigns stays as it was when the test began, but for what our own plans set.
//! The baseline is one digest per object and the end of each ad set, kept as a note; the door compares again before each
//! write, see [`crate::domain::likeness`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::planted::{Bug, bug};
use crate::{
    app::{Desk, Result, journal, lines::climb_of, propose::climb_row},
    domain::{
        AdSetId, CampaignId, ClimbId, Moment, Status, Tree,
        climb::{Climb, Event, RouteKind, State, Step, Test},
        likeness::{Likeness, differences, likeness},
        plan::Template,
    },
    ports::{Clock, MetaRead, Record, Store},
};

/// Differences named in one sentence, at most.
const NAMED: usize = 4;

/// A campaign as it was when it was last looked at.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Baseline {
    objects: Likeness,
    /// When each ad set ends. The likeness leaves ends out, because a promotion lifts those that bound the test.
    ends: BTreeMap<AdSetId, Option<Moment>>,
}

impl Baseline {
    fn of(tree: &Tree) -> Self {
        let ends = tree.adsets.iter().map(|set| (set.id.clone(), set.end_time)).collect();
        Self { objects: likeness(tree, true), ends }
    }

    fn note(&self, campaign: &CampaignId) -> Record {
        let value = serde_json::to_string(self).expect("a baseline has only text keys");
        Record::Note { key: baseline_key(campaign), value }
    }
}

fn baseline_key(campaign: &CampaignId) -> String {
    format!("likeness:{campaign}")
}

fn race_key(climb: &ClimbId) -> String {
    format!("raced:{climb}")
}

/// Remembers that somebody edited an object of a climb while it was written; the next pass holds the climb.
pub fn raced(climb: &ClimbId, why: &str) -> Record {
    Record::Note { key: race_key(climb), value: why.to_owned() }
}

/// Holds every running climb whose campaigns somebody else has changed; says which.
pub async fn watch<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    trees: &[Tree],
) -> Result<Vec<String>> {
    let mut alarms = Vec::new();
    for row in desk.store.climbs(true).await? {
        let climb = climb_of(&row)?;
        let Some(test) = climb.state.test().cloned() else { continue };
        // In one commit with the hold: a baseline that moved on without it would forget the edit.
        let mut batch = Vec::new();
        let mut what = raced_before(desk, &climb.id, &mut batch).await?;
        what.extend(edited(desk, &climb, &test, trees, &mut batch).await?);
        if what.is_empty() || climb.held.is_some() || bug(Bug::HandsStayOn) {
            if !batch.is_empty() {
                desk.store.commit(batch).await?;
            }
            continue;
        }
        what.truncate(NAMED);
        let what = what.join("; ");
        alarms.push(hold(desk, &climb, &what, batch).await?);
    }
    Ok(alarms)
}

/// Remembers both campaigns of a test as they are when it begins.
pub async fn begin<S: Store, R, C>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    trees: &[Tree],
) -> Result<()> {
    let Some(test) = climb.state.test() else { return Ok(()) };
    let arms = [&climb.incumbent, &test.challenger];
    let found = trees.iter().filter(|t| arms.contains(&&t.campaign.id));
    let records = found.map(|tree| Baseline::of(tree).note(&tree.campaign.id)).collect();
    Ok(desk.store.commit(records).await?)
}

async fn raced_before<S: Store, R, C>(
    desk: Desk<'_, S, R, C>,
    climb: &ClimbId,
    batch: &mut Vec<Record>,
) -> Result<Vec<String>> {
    let key = race_key(climb);
    let Some(why) = desk.store.note(&key).await?.filter(|why| !why.is_empty()) else {
        return Ok(Vec::new());
    };
    batch.push(Record::Note { key, value: String::new() });
    Ok(vec![why])
}

/// What differs from the baseline and from the budgets of the test. The baseline moves on as soon as it was told, so
/// that a climb a person returns starts from what is there.
async fn edited<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    test: &Test,
    trees: &[Tree],
    batch: &mut Vec<Record>,
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for id in [&climb.incumbent, &test.challenger] {
        let Some(tree) = trees.iter().find(|t| t.campaign.id == *id) else {
            told.push(format!("campaign {id} is gone or can no longer be read"));
            continue;
        };
        let now = Baseline::of(tree);
        let before = desk.store.note(&baseline_key(id)).await?;
        let before = before.and_then(|text| serde_json::from_str::<Baseline>(&text).ok());
        if before.as_ref() != Some(&now) {
            batch.push(now.note(id));
        }
        let Some(before) = before else { continue };
        told.extend(differences(&before.objects, &now.objects));
        told.extend(ends_moved(desk, &before, &now).await?);
    }
    told.extend(money_changed(climb, test, trees));
    Ok(told)
}

/// Ad sets that got another end. What a plan of ours has set is left to the door: a read may lag behind it for a day.
async fn ends_moved<S: Store, R, C>(
    desk: Desk<'_, S, R, C>,
    before: &Baseline,
    now: &Baseline,
) -> Result<Vec<String>> {
    let moved =
        |id: &AdSetId, end: &Option<Moment>| before.ends.get(id).is_some_and(|was| was != end);
    let mut moved: Vec<_> = now.ends.iter().filter(|(id, end)| moved(id, end)).collect();
    if !moved.is_empty() {
        let writes = desk.store.intents(None).await?;
        moved.retain(|(id, _)| !writes.iter().any(|write| sets_end(&write.request, id)));
    }
    let told = moved.into_iter().map(|(id, end)| match end {
        Some(end) => format!("ad set {id} now ends at {end}"),
        None => format!("the end of ad set {id} was removed"),
    });
    Ok(told.collect())
}

fn sets_end(request: &Template, set: &AdSetId) -> bool {
    request.path == set.as_str() && request.params.iter().any(|(name, _)| name == "end_time")
}

/// Switches and budgets of a test that waits for nothing: only somebody else can have moved them.
fn money_changed(climb: &Climb, test: &Test, trees: &[Tree]) -> Vec<String> {
    let quiet = climb.pending.is_none()
        && matches!(
            climb.state,
            State::Warming { .. } | State::Comparing { .. } | State::Probation { .. }
        );
    if !quiet {
        return Vec::new();
    }
    let mut told = Vec::new();
    let placed = test.route.kind == RouteKind::Placement;
    let arms = [
        ("incumbent", &climb.incumbent, test.incumbent_budget, !placed),
        ("challenger", &test.challenger, test.challenger_budget, true),
    ];
    for (arm, id, budget, runs) in arms {
        let Some(tree) = trees.iter().find(|t| t.campaign.id == *id) else { continue };
        let on = tree.campaign.status == Status::Active;
        if on != runs {
            told.push(format!("the {arm} was switched to {}", tree.campaign.status));
        } else if runs && tree.daily_budget_when_on() != Some(budget) {
            let is = tree.daily_budget_when_on();
            let is = is.map_or_else(|| "gone".to_owned(), |b| b.to_string());
            told.push(format!("the daily budget of the {arm} is {is}, not {budget}"));
        }
    }
    told
}

/// Takes the hands off one climb, together with `batch`; the sentence for people.
pub async fn hold<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    what: &str,
    mut batch: Vec<Record>,
) -> Result<String> {
    let now = desk.clock.now();
    let today = desk.today().await?;
    let step = Step::Drift { what: format!("somebody else changed it: {what}") };
    let (next, _) = climb.on(&Event::Decided { step, today });
    let body = json!({ "climb": climb.id, "state": climb.state.as_str(), "what": what });
    let link = journal::audit(now, "hands_off", desk.actor, body);
    batch.extend([Record::Climb(climb_row(&next, now)), link]);
    desk.store.commit(batch).await?;
    Ok(format!(
        "{}: hands off, somebody else changed it: {what}; `rungwise climb resume {}` returns it",
        climb.id, climb.id
    ))
}

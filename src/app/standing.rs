//! What the agent may do right now: the mode that holds, the circuit breaker, and every reason against a raise.
//!
//! What a guard rail took is kept as a note, told in the audit log, shown by `status`, and given back by a person
//! (`rungwise lift`). Only the breaker may close by itself, after an hour and one complete read.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::planted::{Bug, bug};
use crate::{
    app::{
        Desk, Result, journal,
        pull::{self, READ_NOTE},
    },
    domain::{
        DAY_MS, Moment,
        guard::{
            breaker::{self, Outcome},
            pacing::SHOCK_HOLD_MS,
        },
        policy::Mode,
        write_log::{Entry, WriteStatus},
    },
    ports::{Clock, MetaRead, Record, Store, StoreError, store::IntentRow},
};

/// Name of the note of a demotion.
const DEMOTED: &str = "demoted";
/// Name of the note of the circuit breaker.
const BREAKER: &str = "breaker";
/// Name of the note of the last shock.
const SHOCK: &str = "shock";
/// Notes that stand while a guard rail has taken something, or has once been lifted.
pub const TAKEN: [&str; 3] = [DEMOTED, BREAKER, SHOCK];
/// Clocks further apart than this make every day and deadline doubtful.
const MOST_SKEW_MS: i64 = 120_000;

/// Something a guard rail took, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// When.
    pub at: Moment,
    /// Why.
    pub why: String,
}

/// What the breaker remembers besides the write logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Breaker {
    /// Reads that contradicted a done write.
    contradicted: Vec<Moment>,
    /// When it was closed last, by itself or by a person.
    closed: Option<Moment>,
    /// When it closed by itself.
    closings: Vec<Moment>,
    /// The trip that was told of.
    told: Option<Moment>,
    /// A complete read found it shut then. What happened before has been judged; what happened since has not, however
    /// long nothing could be read.
    #[serde(default)]
    clean: Option<Moment>,
}

impl Breaker {
    /// How far back it looks at a moment.
    fn since(&self, now: Moment) -> Moment {
        self.clean.map_or(Moment::from_millis(0), |at| at.min(now).plus(-BREAKER_MS))
    }
}

async fn document<S: Store, T: for<'d> Deserialize<'d>>(store: &S, key: &str) -> Result<Option<T>> {
    let text = store.note(key).await?.filter(|text| !text.is_empty());
    let read = text.map(|text| {
        serde_json::from_str(&text)
            .map_err(|e| StoreError::Document { what: format!("note {key}"), why: e.to_string() })
    });
    Ok(read.transpose()?)
}

fn note<T: Serialize>(key: &str, value: &T) -> Record {
    let value = serde_json::to_string(value).expect("notes have only text keys");
    Record::Note { key: key.to_owned(), value }
}

/// The mode that holds, and why it is less than what was configured.
pub async fn mode<S: Store, R, C>(desk: Desk<'_, S, R, C>) -> Result<(Mode, Option<String>)> {
    mode_of(desk.store, desk.policy).await
}

/// The same for readers.
pub async fn mode_of<S: Store>(
    store: &S,
    policy: &crate::domain::Policy,
) -> Result<(Mode, Option<String>)> {
    let (mode, why) = policy.effective_mode();
    if mode != Mode::Autonomous {
        return Ok((mode, why.map(str::to_owned)));
    }
    let Some(taken) = document::<S, Taken>(store, DEMOTED).await? else { return Ok((mode, None)) };
    let why = format!(
        "autonomy was taken back at {} ({}); `rungwise lift` returns it",
        taken.at, taken.why
    );
    Ok((Mode::Supervised, Some(why)))
}

/// Takes autonomy back until a person returns it; the first reason is kept.
pub async fn demote<S: Store, R, C: Clock>(desk: Desk<'_, S, R, C>, why: &str) -> Result<()> {
    Ok(desk.store.commit(demotion(desk, why).await?).await?)
}

/// That autonomy is taken: the note and its audit link.
pub fn taken(at: Moment, by: &str, why: &str) -> [Record; 2] {
    let link = journal::audit(at, "demoted", by, json!({ "why": why }));
    [note(DEMOTED, &Taken { at, why: why.to_owned() }), link]
}

/// The records of a demotion, for the commit of what caused it; none when autonomy was taken before.
async fn demotion<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
    why: &str,
) -> Result<Vec<Record>> {
    if document::<S, Taken>(desk.store, DEMOTED).await?.is_some() || bug(Bug::NoDemotion) {
        return Ok(Vec::new());
    }
    let at = desk.clock.now();
    tracing::error!("autonomy is taken back: {why}");
    Ok(taken(at, desk.actor, why).into())
}

/// Gives back what guard rails took: autonomy, the breaker, the hold after a shock.
pub async fn lift<S: Store>(store: &S, at: Moment, by: &str, why: &str) -> Result<()> {
    let breaker = Breaker { closed: Some(at), ..Breaker::default() };
    let empty = |key: &str| Record::Note { key: key.to_owned(), value: String::new() };
    let link = journal::audit(at, "lifted", by, json!({ "why": why }));
    Ok(store.commit(vec![note(BREAKER, &breaker), empty(DEMOTED), empty(SHOCK), link]).await?)
}

/// What the breaker looks at before the last clean read: what follows in a row or within an hour may straddle it.
const BREAKER_MS: i64 = 7 * DAY_MS;

/// What the writes of the breaker's days came to, in order of time.
fn outcomes(
    intents: &[IntentRow],
    contradicted: &[Moment],
    since: Moment,
) -> Vec<(Moment, Outcome)> {
    let mut log: Vec<(Moment, Outcome)> =
        contradicted.iter().map(|at| (*at, Outcome::Mismatch)).collect();
    for (at, entry) in intents.iter().flat_map(|i| &i.entries) {
        let outcome = match entry {
            Entry::Succeeded | Entry::FoundApplied => Outcome::Done,
            Entry::Refused => Outcome::Refused,
            Entry::OutcomeUnknown => Outcome::Unknown,
            Entry::Started | Entry::FoundAbsent => continue,
        };
        log.push((*at, outcome));
    }
    log.retain(|(at, _)| *at >= since);
    log.sort();
    log
}

/// What the breaker has to go by.
async fn books<S: Store>(store: &S, now: Moment) -> Result<(Vec<(Moment, Outcome)>, Breaker)> {
    let state: Breaker = document(store, BREAKER).await?.unwrap_or_default();
    let since = state.since(now);
    Ok((outcomes(&store.intents_since(since).await?, &state.contradicted, since), state))
}

/// Why nothing but lowering is written, if the breaker is open.
pub async fn closed<S: Store>(store: &S, now: Moment) -> Result<Option<String>> {
    let (log, state) = books(store, now).await?;
    let trip = breaker::open(&log, state.closed);
    Ok(trip.map(|t| format!("{} ({}); `rungwise status` says more", t.cause.as_str(), t.at)))
}

/// A read contradicts a write that was done: the record for the same commit.
pub async fn contradicted<S: Store, R, C: Clock>(desk: Desk<'_, S, R, C>) -> Result<Record> {
    let mut state: Breaker = document(desk.store, BREAKER).await?.unwrap_or_default();
    let now = desk.clock.now();
    let since = state.since(now);
    state.contradicted.retain(|at| *at >= since);
    state.contradicted.push(now);
    Ok(note(BREAKER, &state))
}

/// After a complete read: tells of an open breaker once, and closes it when its time has come and no doubt is open.
pub async fn look_after_breaker<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
) -> Result<Option<String>> {
    let now = desk.clock.now();
    let (log, mut state) = books(desk.store, now).await?;
    let Some(trip) = breaker::open(&log, state.closed) else {
        // Refusals that may become three in a row stay in sight.
        let clean = breaker::unbroken(&log, state.closed).map_or(now, |began| began.min(now));
        // Once a day is often enough: it only bounds how much of the log is read.
        if state.clean.is_none_or(|at| !(0..DAY_MS).contains(&clean.since(at))) {
            state.clean = Some(clean);
            desk.store.commit(vec![note(BREAKER, &state)]).await?;
        }
        return Ok(None);
    };
    if state.told != Some(trip.at) {
        state.told = Some(trip.at);
        let body = json!({ "why": trip.cause.as_str(), "since": trip.at.rfc3339() });
        let link = journal::audit(now, "breaker_opened", desk.actor, body);
        let mut batch = vec![note(BREAKER, &state), link];
        if trip.cause.demotes() {
            // Told of once: a death right after the telling must not leave the autonomy.
            batch.extend(demotion(desk, trip.cause.as_str()).await?);
        }
        desk.store.commit(batch).await?;
        return Ok(Some(format!("writes are off: {}", trip.cause.as_str())));
    }
    let doubts = desk.store.intents_since(now).await?.iter().any(is_in_doubt);
    if doubts || !breaker::may_close(trip, &state.closings, now) {
        return Ok(None);
    }
    state.closings.retain(|at| now.since(*at) < DAY_MS);
    state.closings.push(now);
    state.closed = Some(now);
    state.told = None;
    let link = journal::audit(now, "breaker_closed", desk.actor, json!({ "after": "one read" }));
    desk.store.commit(vec![note(BREAKER, &state), link]).await?;
    Ok(None)
}

/// True while nobody knows what became of a write.
pub fn is_in_doubt(intent: &IntentRow) -> bool {
    let log = intent.entries.iter().map(|(_, e)| *e);
    WriteStatus::fold(log) == Ok(WriteStatus::InDoubt)
}

/// Remembers a shock; nothing is raised for 48 hours.
pub async fn shocked<S: Store, R, C: Clock>(desk: Desk<'_, S, R, C>, why: &str) -> Result<()> {
    let at = desk.clock.now();
    let link = journal::audit(at, "shock", desk.actor, json!({ "why": why }));
    Ok(desk.store.commit(vec![note(SHOCK, &Taken { at, why: why.to_owned() }), link]).await?)
}

/// Why no raise may be made now, from the agent's own checks.
pub async fn no_raises<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
) -> Result<Vec<String>> {
    let now = desk.clock.now();
    let mut why = Vec::new();
    let account = desk.store.account(desk.meta.account_id()).await?;
    let today = account.as_ref().map(|a| a.zone.day_of(now));
    if let Some((name, _)) = today.and_then(|day| desk.policy.blackout_on(day))
        && !bug(Bug::BlackoutIgnored)
    {
        why.push(format!("blackout {name}"));
    }
    if let Some(account) = account {
        if account.status != 1 {
            why.push(format!("the account's status is {}, not 1 (active)", account.status));
        }
        why.extend(pull::unreconciled(desk.store, &account, now).await?);
    }
    why.extend(stale(desk, now).await?);
    for intent in desk.store.intents_since(now).await?.iter().filter(|i| is_in_doubt(i)) {
        why.push(format!("write {} is in doubt", intent.op_key));
    }
    if let Some(shock) = document::<S, Taken>(desk.store, SHOCK).await?
        && now.since(shock.at) < SHOCK_HOLD_MS
    {
        why.push(format!("shock at {}: {}", shock.at, shock.why));
    }
    if let Some(ms) = desk.meta.wire().skew_ms.filter(|ms| ms.abs() > MOST_SKEW_MS)
        && !bug(Bug::SkewIgnored)
    {
        why.push(format!("Meta's clock and this machine's are {} s apart", ms / 1_000));
    }
    Ok(why)
}

/// Insights that are missing or too old.
async fn stale<S: Store, R, C>(desk: Desk<'_, S, R, C>, now: Moment) -> Result<Option<String>> {
    let read = desk.store.note(READ_NOTE).await?.and_then(|t| t.parse::<i64>().ok());
    Ok(match read.map(Moment::from_millis) {
        None => Some("no insights have been read yet".to_owned()),
        Some(at)
            if now.since(at) + i64::from(bug(Bug::StalenessAtEqual))
                > desk.policy.freshness.insights_ms =>
        {
            Some(format!("the newest insights were read at {at}"))
        }
        Some(_) => None,
    })
}

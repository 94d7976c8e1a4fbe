//! One pass: pull, settle what is in doubt, hear commands, decide, propose, and carry out what is approved.
//!
//! A pass can be cut off anywhere and simply run again: everything it needs is in the store.

use crate::{
    app::{
        AppError, Desk, Result,
        apply::{self, Door, Progress},
        collect::{self, Pass, Sight},
        commands, decide, filing, hands_off, learning, lines, plan_end,
        propose::Basis,
        pull::{self, Pulled},
        reconcile, site, stand_down, standing, sweep,
        ticked::Ticked,
        watch,
    },
    domain::{
        climb::{Climb, PlanOutcome, State, Verdict},
        policy::Mode,
    },
    ports::{Clock, MetaRead, MetaWrite, StopSwitch, Store},
};

/// Rounds of decide–propose–apply in one pass: a pass that still moves after this goes on in the next one.
const MAX_ROUNDS: usize = 6;

/// What one pass is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Take the daily decisions (else only climbs that wait for review or a plan move).
    pub decide: bool,
}

/// The write side and its switch; absent in the modes that do not write.
#[derive(Debug)]
pub struct Hands<'a, W, K> {
    /// The write side.
    pub writer: &'a W,
    /// The kill switch.
    pub switch: &'a K,
}

/// Runs one pass.
pub async fn tick<S, R, C, W, K>(
    desk: Desk<'_, S, R, C>,
    hands: Option<&Hands<'_, W, K>>,
    scope: Scope,
) -> Result<Ticked>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
{
    let mut done = Ticked::default();
    commands::obey(desk, &mut done.alarms).await?;
    let settled = reconcile::reconcile(desk).await?;
    done.alarms.extend(settled.alarms);
    let mut pulled = match pull::pull(desk, None).await {
        Ok(pulled) => pulled,
        Err(e) => {
            // Stopping needs no fresh figures, but amounts of an account in another currency would mean something else.
            let changed = matches!(e, AppError::AccountChanged(_));
            let same = !changed && !pull::has_changed(desk.store).await?;
            if let Some(hands) = hands.filter(|_| same) {
                carry_out_lowering(desk, hands, &mut done).await?;
            }
            return Err(e);
        }
    };
    guard_rails(desk, hands, &pulled, &mut done).await?;
    plan_end::take_up(desk, &pulled, &mut done).await?;
    let mut decided: Vec<crate::domain::ClimbId> = Vec::new();
    let (mode, _) = standing::mode(desk).await?;
    let mut silent: Option<Vec<String>> = None;
    for round in 0..MAX_ROUNDS {
        if round > 0 {
            pulled.trees = desk.meta.trees(&[]).await?;
        }
        let mut climbs = lines::open_climbs(desk, &pulled.trees).await?;
        let mut moved = false;
        if scope.decide && silent.is_none() {
            let found = site::silent_events(desk, &pulled.trees, &climbs).await?;
            done.alarms.extend(found.iter().cloned());
            silent = Some(found);
        }
        let mut no_raises = standing::no_raises(desk).await?;
        no_raises.extend(standing::closed(desk.store, desk.clock.now()).await?);
        no_raises.extend(silent.iter().flatten().cloned());
        let token = desk.meta.token().await?;
        let mut sight: Option<Sight> = None;
        for n in 0..climbs.len() {
            let climb = &climbs[n];
            let daily = scope.decide && !decided.contains(&climb.id);
            let failed = done.ended.iter().any(|(row, ..)| row.climb == climb.id);
            if !(daily || is_building(climb) || is_undoing(climb) && !failed) {
                continue;
            }
            decided.push(climb.id.clone());
            let sight = match &sight {
                Some(sight) => sight,
                None => sight.insert(sight_of(desk, &pulled).await?),
            };
            let pass = Pass {
                account: &pulled.account,
                trees: &pulled.trees,
                climbs: &climbs,
                no_raises: &no_raises,
                token_expires: token.ends(),
                token_scopes: &token.scopes,
                sight,
            };
            // The next one sees what this one has begun: one test at a time.
            if let Some(after) = decide_one(desk, &pass, climb, mode, &mut done).await? {
                moved |= after != climbs[n];
                climbs[n] = after;
            }
        }
        if let Some(hands) = hands {
            moved |= carry_out(desk, hands, &pulled, &mut done).await?;
        } else {
            plan_end::expire(desk, &mut done).await?;
        }
        if !moved {
            break;
        }
    }
    if let Some(text) = desk.meta.wire().version_warning {
        done.alarms.push(format!("Meta warns about the API version in use: {text}"));
    }
    done.pulled = Some(pulled);
    for alarm in &done.alarms {
        tracing::error!("{alarm}");
    }
    Ok(done)
}

/// The stored days, read once for all climbs of a round.
async fn sight_of<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    pulled: &Pulled,
) -> Result<Sight> {
    let (zone, now) = (&pulled.account.zone, desk.clock.now());
    Sight::of(desk.store, desk.meta.account_id(), desk.policy, zone, now, None).await
}

/// A built challenger waits for review, not for the day's end. One whose clean-up was refused is off, and waits for the next
/// day: Meta blocks an account that asks again and again.
fn is_building(climb: &Climb) -> bool {
    let built = matches!(climb.state, State::Cloning { challenger: Some(_), .. });
    built && climb.pending.is_none() && climb.undo_failures == 0
}

/// What stops or takes back and was refused is tried in every pass. A promotion waits for the next day: Meta takes no cut
/// below what was spent today.
fn is_undoing(climb: &Climb) -> bool {
    let ends =
        matches!(&climb.state, State::Judged { verdict, .. } if *verdict != Verdict::Promote);
    climb.pending.is_none() && climb.held.is_none() && (climb.handed_over || ends)
}

/// What guard rails do by themselves after a complete read, before anything is decided.
async fn guard_rails<S, R, C, W, K>(
    desk: Desk<'_, S, R, C>,
    hands: Option<&Hands<'_, W, K>>,
    pulled: &Pulled,
    done: &mut Ticked,
) -> Result<()>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
{
    done.alarms.extend(standing::look_after_breaker(desk).await?);
    done.alarms.extend(hands_off::watch(desk, &pulled.trees).await?);
    learning::watch(desk, &pulled.trees).await?;
    watch::after_pull(desk, &pulled.account, &mut done.alarms).await?;
    let Some(hands) = hands else { return Ok(()) };
    if let Some(why) = hands.switch.stopped() {
        watch::stopped(desk, &why, &mut done.alarms).await?;
    }
    sweep::sweep(desk, &mut done.alarms).await?;
    stand_down::stuck(desk, &pulled.trees, &mut done.alarms).await
}

/// Decides about one climb and files what follows; the climb as it then stands, none when it cannot be read.
async fn decide_one<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    pass: &Pass<'_>,
    climb: &Climb,
    mode: Mode,
    done: &mut Ticked,
) -> Result<Option<Climb>> {
    let interference = match climb.state {
        State::Observing | State::Eligible { .. } | State::Stabilising { .. } => {
            let found = desk.meta.interference(&climb.incumbent).await?;
            found.iter().map(|i| format!("{} {} ({})", i.kind, i.id, i.name)).collect()
        }
        _ => Vec::new(),
    };
    let Some(evidence) = collect::evidence(desk, pass, climb, interference).await? else {
        return stand_down::lose(desk, climb, &mut done.alarms).await;
    };
    let filed = decide::decide_and_file(desk, &evidence).await?;
    let effects = filed.decision.effects.clone();
    let climb = filed.climb.clone();
    let (id, hash, mut reasons) =
        (filed.id.clone(), filed.evidence.clone(), filed.decision.reasons.clone());
    reasons.extend(crate::app::blended::plan_notes(&evidence, &climb));
    done.decisions.push(filed);
    if mode == Mode::Observe {
        return Ok(Some(climb));
    }
    let basis = Basis {
        decision: &id,
        requested_by: desk.actor,
        evidence: &hash,
        reasons: &reasons,
        account: pass.account,
        trees: pass.trees,
        token_expires: pass.token_expires,
    };
    filing::file_plans(desk, &climb, &effects, basis, done).await.map(Some)
}

/// Carries every approved plan out as far as it goes.
async fn carry_out<S, R, C, W, K>(
    desk: Desk<'_, S, R, C>,
    hands: &Hands<'_, W, K>,
    pulled: &Pulled,
    done: &mut Ticked,
) -> Result<bool>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
{
    let mut moved = false;
    let mut plans = desk.store.plans(true, u32::MAX).await?;
    plans.reverse();
    done.waiting.clear();
    for row in plans {
        let mut door = Door {
            writer: hands.writer,
            switch: hands.switch,
            no_raises: None,
            alarms: Vec::new(),
        };
        let progress = apply::apply(desk, &mut door, &row).await?;
        done.alarms.append(&mut door.alarms);
        let (outcome, why, bindings) = match progress {
            Progress::Waiting(why) => {
                done.waiting.push((row, why));
                continue;
            }
            Progress::Done(bindings) => {
                (PlanOutcome::Done, "every write verified".to_owned(), bindings)
            }
            Progress::Ended(outcome, why, bindings) => (outcome, why, bindings),
        };
        plan_end::after_plan(desk, &row, (outcome, &why), &bindings, pulled, done).await?;
        done.ended.push((row, outcome.as_str().to_owned(), why));
        moved = true;
    }
    Ok(moved)
}

/// While Meta's figures cannot be read: plans that only lower are carried out all the same; their climbs hear of it in
/// the next pass.
async fn carry_out_lowering<S, R, C, W, K>(
    desk: Desk<'_, S, R, C>,
    hands: &Hands<'_, W, K>,
    done: &mut Ticked,
) -> Result<()>
where
    S: Store,
    R: MetaRead,
    C: Clock,
    W: MetaWrite,
    K: StopSwitch,
{
    for row in desk.store.plans(true, u32::MAX).await? {
        if !row.kind.only_lowers() {
            continue;
        }
        let mut door = Door {
            writer: hands.writer,
            switch: hands.switch,
            no_raises: Some("this pass could not read everything"),
            alarms: Vec::new(),
        };
        match apply::apply(desk, &mut door, &row).await {
            Ok(_) => {}
            Err(AppError::Meta(e)) => {
                tracing::warn!("cannot carry out {}: {e}", row.hash.plan_id());
            }
            Err(e) => return Err(e),
        }
        done.alarms.append(&mut door.alarms);
    }
    Ok(())
}

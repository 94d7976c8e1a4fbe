//! The plans that a decision asks for are drafted and filed, and approved by policy where the mode says so.

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    app::{
        AppError, Desk, Result, commands, journal,
        propose::{self, Basis, climb_row},
        standing,
        ticked::Ticked,
    },
    domain::{
        climb::{Climb, Effect},
        plan::{AUTONOMOUS, PlanKind},
        policy::Mode,
    },
    ports::{Clock, MetaRead, Record, Store, store::PlanRow},
};

/// Files the plans that effects ask for, and approves them by policy where the mode says so. Gives the climb with the
/// plan it then waits for.
pub(super) async fn file_plans<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: &Climb,
    effects: &[Effect],
    basis: Basis<'_>,
    done: &mut Ticked,
) -> Result<Climb> {
    let mut climb = climb.clone();
    for effect in effects {
        match effect {
            Effect::Propose { kind } => match propose::propose(desk, &climb, *kind, basis).await {
                Ok((next, row)) => {
                    climb = next;
                    if standing::mode(desk).await?.0 == Mode::Autonomous {
                        approve_by_policy(desk, &row).await?;
                    }
                    done.filed.push(row);
                }
                // One climb that cannot be planned for must not stop the pass for all others.
                Err(e @ (AppError::Plan(_) | AppError::Missing { .. })) => {
                    let mut what = format!("no {} plan: {e}", kind.as_str());
                    // A winner that cannot be promoted is no emergency: a person resumes or aborts. Whatever lowers is
                    // tried again every day.
                    if *kind == PlanKind::Shift && matches!(e, AppError::Plan(_)) {
                        climb = hold(desk, climb, &what).await?;
                        let _ = write!(what, "; `rungwise climb resume {}` tries again", climb.id);
                    }
                    done.alarms.push(format!("{}: {what}", climb.id));
                }
                Err(e) => return Err(e),
            },
            Effect::Alarm { what } => done.alarms.push(format!("{}: {what}", climb.id)),
            Effect::OpenNext { .. } | Effect::Note { .. } => {}
        }
    }
    Ok(climb)
}

/// Puts a climb on hold until a person resumes or aborts it.
async fn hold<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
    climb: Climb,
    why: &str,
) -> Result<Climb> {
    let (now, state) = (desk.clock.now(), climb.state.as_str());
    let climb = Climb { held: Some(why.to_owned()), ..climb };
    let body = json!({ "climb": climb.id, "state": state, "held": why });
    let link = journal::audit(now, "climb_moved", desk.actor, body);
    desk.store.commit(vec![Record::Climb(climb_row(&climb, now)), link]).await?;
    Ok(climb)
}

/// The yes of the autonomous mode.
pub(super) async fn approve_by_policy<S: Store, R, C: Clock>(
    desk: Desk<'_, S, R, C>,
    row: &PlanRow,
) -> Result<()> {
    commands::approve(desk, row, AUTONOMOUS, commands::WITHIN_LIMITS).await
}

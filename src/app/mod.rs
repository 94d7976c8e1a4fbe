//! Use cases over the ports: no SQL, no HTTP, no clock of their own.
//!
//! [`Desk`] holds what every use case needs; what may write to Meta is not among it. Only [`apply`] takes a
//! [`crate::ports::MetaWrite`], and `boot` makes one only in the modes that write.

pub mod apply;
pub mod backtest;
pub mod blended;
pub mod calibration;
pub mod collect;
pub mod commands;
pub mod decide;
pub mod drift;
pub mod events;
pub mod facts;
pub mod filing;
pub mod forecast;
pub mod hands_off;
pub mod journal;
pub mod learning;
pub mod lines;
pub mod note;
pub mod plan_end;
pub mod propose;
pub mod pull;
pub mod reconcile;
pub mod replay;
pub mod restored;
pub mod series;
pub mod site;
pub mod stand_down;
pub mod standing;
pub mod stop;
pub mod strangers;
pub mod sweep;
pub mod tick;
pub mod ticked;
pub mod token;
pub mod views;
pub mod watch;

use crate::{
    domain::{Day, Zone, planner::Refusal, policy::Policy},
    ports::{Clock, MetaError, MetaRead, Store, StoreError},
};

/// What every use case needs: history, reads of Meta, the time and the policy in force.
#[derive(Debug)]
pub struct Desk<'a, S, R, C> {
    /// History and intentions.
    pub store: &'a S,
    /// Reads.
    pub meta: &'a R,
    /// The time.
    pub clock: &'a C,
    /// The policy.
    pub policy: &'a Policy,
    /// Who acts, for the audit log: `agent`, or a user name.
    pub actor: &'a str,
}

impl<S, R, C> Clone for Desk<'_, S, R, C> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S, R, C> Copy for Desk<'_, S, R, C> {}

impl<S: Store, R: MetaRead, C: Clock> Desk<'_, S, R, C> {
    /// Today on the account's clock as it was last read; on UTC's while it never was.
    async fn today(&self) -> Result<Day> {
        let account = self.store.account(self.meta.account_id()).await?;
        let zone = account.map_or_else(Zone::utc, |a| a.zone);
        Ok(zone.day_of(self.clock.now()))
    }
}

/// Any failure of a use case.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Meta failed.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// No plan can be made.
    #[error("no plan: {0}")]
    Plan(#[from] Refusal),
    /// The plan may not be carried out.
    #[error(transparent)]
    NotApproved(#[from] crate::domain::plan::NotApproved),
    /// Something a person asked for does not exist.
    #[error("{what} {name:?} does not exist")]
    Missing {
        /// What kind of thing.
        what: &'static str,
        /// Which one.
        name: String,
        /// What to do.
        hint: &'static str,
    },
    /// What a person asked for is not possible now.
    #[error("{0}")]
    NotNow(String, &'static str),
    /// The account is not what it was.
    #[error("{0}")]
    AccountChanged(String),
}

impl AppError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(e) => e.hint(),
            Self::Meta(e) => e.hint(),
            Self::Plan(_) => "see `rungwise status` for the gates and limits",
            Self::NotApproved(_) => "make a fresh plan with `rungwise plan` and approve that one",
            Self::Missing { hint, .. } | Self::NotNow(_, hint) => hint,
            Self::AccountChanged(_) => {
                "nothing is written until a person has looked; a changed currency or zone needs a new --dir"
            }
        }
    }
}

/// What a use case returns.
pub type Result<T> = std::result::Result<T, AppError>;

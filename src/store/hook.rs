//! A seam around every durable change: rehearsals stop the world here, on either side of each commit.

use std::fmt::Debug;

use crate::{
    domain::{DayRange, Moment},
    ports::{Record, StoreError},
};

/// What is being made durable.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// A batch of [`crate::ports::Store::commit`].
    Batch(&'a [Record]),
    /// A bulk of [`crate::ports::Store::save_insights`] or [`crate::ports::Store::add_insights`].
    Insights {
        /// The days that were read completely with it.
        range: Option<DayRange>,
        /// How many rows came.
        rows: usize,
        /// When.
        fetched_at: Moment,
    },
}

/// Called on both sides of each commit.
pub trait CommitHook: Debug + Send + Sync {
    /// Before anything is written; an error refuses the change and goes to the caller.
    fn before(&self, change: Change<'_>) -> Result<(), StoreError>;
    /// After the change is durable; an error goes to the caller, who then does not learn that it happened.
    fn after(&self, change: Change<'_>) -> Result<(), StoreError>;
}

//! What one pass has to tell of.

use crate::{
    app::{decide::Filed, pull::Pulled},
    ports::store::PlanRow,
};

/// What one pass did.
#[derive(Debug, Default)]
pub struct Ticked {
    /// What was pulled.
    pub pulled: Option<Pulled>,
    /// Decisions taken.
    pub decisions: Vec<Filed>,
    /// Plans filed.
    pub filed: Vec<PlanRow>,
    /// Plans that ended, with how and why.
    pub ended: Vec<(PlanRow, String, String)>,
    /// Plans that wait, and for what.
    pub waiting: Vec<(PlanRow, String)>,
    /// What a person must look at.
    pub alarms: Vec<String>,
}

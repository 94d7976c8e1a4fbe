//! How strict the rehearsal is.

use crate::domain::Moment;

/// The "Marketing API access tier" of the app.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tier {
    /// 60 points in 300 s per account.
    Limited,
    /// 9 000 points in 300 s per account.
    #[default]
    Full,
}

/// Knobs of the dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Access tier of the app.
    pub tier: Tier,
    /// Refuse calls beyond the limits; otherwise the usage headers tell, and nothing is refused.
    pub enforce_limits: bool,
    /// Milliseconds during which a new object is not yet visible to reads and lists.
    pub list_lag_ms: i64,
    /// Budget changes one ad set may see in an hour (Marketing API, "Rate limiting": 4).
    pub budget_changes_per_hour: usize,
    /// The first version that refuses a campaign without budget which does not say
    /// `is_adset_budget_sharing_enabled` (4834011). Meta asks since v24; calls to versions that have ended are served
    /// as their clients wrote them.
    pub sharing_flag_since: u32,
    /// When the token expires; None = never, as a system user's.
    pub token_expires: Option<Moment>,
    /// Scheme and host in `paging.next`.
    pub base_url: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tier: Tier::Full,
            enforce_limits: false,
            list_lag_ms: 0,
            budget_changes_per_hour: 4,
            sharing_flag_since: 25,
            token_expires: None,
            base_url: "https://graph.facebook.com".to_owned(),
        }
    }
}

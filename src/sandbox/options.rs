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

/// How late new objects show, and how well they come through what Meta does to them after accepting them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lateness {
    /// As [`Options::list_lag_ms`] says, seconds in process, no issues.
    #[default]
    Fixed,
    /// Most at once, some after minutes, few after hours, hardly any after a day; in process for up to an hour, and one
    /// in twenty ends with issues.
    HeavyTail,
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
    /// How new objects fare beyond that.
    pub lateness: Lateness,
    /// Budget changes one ad set may see in an hour (Marketing API, "Rate limiting": 4).
    pub budget_changes_per_hour: usize,
    /// The first version that refuses a campaign without budget which does not say
    /// `is_adset_budget_sharing_enabled` (4834011). Meta asks since v24; calls to versions that have ended are served
    /// as their clients wrote them.
    pub sharing_flag_since: u32,
    /// When the token expires; None = never, as a system user's.
    pub token_expires: Option<Moment>,
    /// Answer a request that breaks the specification as Meta does: unknown fields, wrong types, unknown values.
    pub strict: bool,
    /// The app demands `appsecret_proof` on every call ("Require App Secret").
    pub require_proof: bool,
    /// What the token may do; others are handed out by the login dialog.
    pub scopes: Vec<String>,
    /// Rows a synchronous insights call may come to; beyond it Meta asks for less.
    pub sync_rows: usize,
    /// Rows a report run may come to; beyond it the run fails.
    pub report_rows: usize,
    /// Language of the business, for the suffix of copies, e.g. `de_DE`.
    pub locale: String,
    /// Scheme and host in `paging.next`.
    pub base_url: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tier: Tier::Full,
            enforce_limits: false,
            list_lag_ms: 0,
            lateness: Lateness::Fixed,
            budget_changes_per_hour: 4,
            sharing_flag_since: 25,
            token_expires: None,
            strict: false,
            require_proof: false,
            scopes: ["ads_read", "ads_management", "business_management"].map(str::to_owned).into(),
            sync_rows: 200_000,
            report_rows: 2_000_000,
            locale: "en_US".to_owned(),
            base_url: "https://graph.facebook.com".to_owned(),
        }
    }
}

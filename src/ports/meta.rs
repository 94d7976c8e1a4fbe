//! Meta as the use cases see it: typed reads, and writes that must be armed first.

use std::{collections::BTreeMap, future::Future};

use crate::{
    domain::{
        AccountId, AccountInfo, CampaignId, Day, DayRange, InsightRow, Moment, ObjectId, PixelId,
        Tree,
        plan::{Aspect, ObjectKind, Op, Template},
    },
    ports::store::Armed,
};

/// What to do about an error, decided by its class and never by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetaClass {
    /// It certainly never left this machine.
    NotSent,
    /// Passing: a read is repeated, a write is in doubt.
    Transient,
    /// Too many calls: wait. A write is in doubt, since some throttled writes have been applied.
    Throttled,
    /// No complete or no readable answer: a read is repeated, a write is in doubt.
    Lost,
    /// Token or permission: stop and ask a person.
    Auth,
    /// The request itself is refused; repeating it is useless.
    Refused,
    /// The event or goal of a published ad set cannot be changed (100/3260011).
    Immutable,
    /// The account is blocked or must accept something: freeze writes.
    Policy,
    /// The API version is gone (2635): freeze writes.
    Version,
    /// Missing, not permitted, or too fresh to be seen (100/33).
    Gone,
    /// Asked for too much at once: ask for less.
    TooMuch,
    /// Anything else: a write is in doubt, a read brought no data.
    Unknown,
}

/// A failed exchange with Meta. Never holds a token; texts from Meta are data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {detail}")]
pub struct MetaError {
    /// The class, which decides what happens next.
    pub class: MetaClass,
    /// Which operation failed, e.g. `read ad sets of act_1`.
    pub what: String,
    /// What came back, in one line.
    pub detail: String,
    /// Graph error code, if there was one.
    pub code: Option<i64>,
    /// Graph error subcode.
    pub subcode: Option<i64>,
    /// HTTP status.
    pub status: Option<u16>,
    /// `fbtrace_id`, which Meta's support asks for.
    pub trace: Option<Box<str>>,
    /// How long to wait before the next call, in milliseconds, if told.
    pub wait_ms: Option<i64>,
}

impl MetaError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self.class {
            MetaClass::NotSent => "is the address right and the server up? see api.base_url",
            MetaClass::Transient | MetaClass::Lost => {
                "passing faults are tried again at the next pull"
            }
            MetaClass::Throttled => "wait; the account's call budget refills by itself",
            MetaClass::Auth => {
                "check the token and its permissions with `rungwise doctor`, or log in again"
            }
            MetaClass::Refused => "Meta refused the request as written; nothing was changed",
            MetaClass::Immutable => {
                "a published ad set keeps its event; a climb re-creates the campaign"
            }
            MetaClass::Policy => "open Ads Manager: the account needs a person's attention",
            MetaClass::Version => "set api.version to a current version",
            MetaClass::Gone => "the object is missing, or this token may not see it",
            MetaClass::TooMuch => "ask for fewer days with --since",
            MetaClass::Unknown => "see the audit log for the whole answer",
        }
    }
}

/// A part of a read of daily ad-set rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsightPage {
    /// Rows; an ad set without delivery on a day has none. Within one read of some days no row comes twice.
    pub rows: Vec<InsightRow>,
    /// When it came.
    pub fetched_at: Moment,
    /// The read of the days in progress has begun anew: what was handed out of days not done yet comes again.
    pub again: bool,
    /// Days all of whose rows have come with this page.
    pub done: Option<DayRange>,
}

/// Daily rows page by page, so that no account is too large to be read: days come in order, a part of them at a time.
pub trait InsightPages: Send {
    /// The next page; None when every day asked for is done or lies beyond what Meta keeps.
    fn next(&mut self) -> impl Future<Output = Result<Option<InsightPage>, MetaError>> + Send;
}

/// An object found by a marker in its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its id.
    pub id: ObjectId,
    /// Its name.
    pub name: String,
    /// Its own switch, in Meta's spelling.
    pub status: String,
    /// When it was created, where Meta tells.
    pub created: Option<Moment>,
    /// What it was copied from, where Meta tells: for what we created, the source its request named.
    pub source: Option<ObjectId>,
}

impl Found {
    /// True when Meta tells that it was copied from something else than what this operation names as its source.
    pub fn is_copy_of_another(&self, op: &Op) -> bool {
        op.source().zip(self.source.as_ref()).is_some_and(|(named, told)| named != *told)
    }
}

/// One entry of the account's activity log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// When.
    pub at: Moment,
    /// What, e.g. `update_ad_set_budget`.
    pub event: String,
    /// The object's id.
    pub object: String,
    /// The object's name; foreign text.
    pub name: String,
    /// True when our own app did it; None when the log or the configuration does not say.
    pub ours: Option<bool>,
}

/// Something at Meta that also changes budgets or audiences of an object: an automated rule, a running study, a
/// budget schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interference {
    /// `rule`, `study` or `budget_schedule`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// One hour of a pixel: what fired on the whole site, whoever sent the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelHour {
    /// Start of the hour.
    pub start: Moment,
    /// How often each event came, by the pixel's own name for it, e.g. `AddToCart`.
    pub events: BTreeMap<String, u64>,
}

/// What `debug_token` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Usable now.
    pub valid: bool,
    /// When it ends; None = never.
    pub expires_at: Option<Moment>,
    /// Granted permissions.
    pub scopes: Vec<String>,
    /// `USER`, `SYSTEM_USER`, …
    pub kind: String,
    /// The app it was made for, where that is told.
    pub app_id: Option<String>,
    /// Until when a person's consent to read data holds; None = no such end.
    pub data_access_until: Option<Moment>,
    /// The agent can get the next one by itself before this one ends.
    pub renewable: bool,
}

impl TokenInfo {
    /// The instant after which nobody could stop what was started under this token: none for a token that never ends
    /// or is renewed in time.
    pub fn ends(&self) -> Option<Moment> {
        self.expires_at.filter(|_| !self.renewable)
    }
}

/// A pixel as a check looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PixelInfo {
    /// Its id.
    pub id: String,
    /// Its name; foreign text.
    pub name: String,
    /// When it last reported an event.
    pub last_fired: Option<Moment>,
    /// Meta says that it cannot be used.
    pub unavailable: bool,
}

/// What a check of the surroundings found beside account and token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// The pixels of the account.
    pub pixels: Vec<PixelInfo>,
    /// Meta's clock ahead of ours, in milliseconds.
    pub skew_ms: Option<i64>,
    /// What Meta says about the API version, if it warns.
    pub version_warning: Option<String>,
    /// Whether calls carry `appsecret_proof`.
    pub proof_sent: bool,
    /// Whether the app refuses calls without it; None when that was not found out.
    pub proof_required: Option<bool>,
    /// Ids of the ad accounts the token reaches.
    pub accounts: Vec<String>,
}

/// What the answers so far said about the way to Meta itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WireState {
    /// How far Meta's clock is ahead of ours in milliseconds, once an answer has told.
    pub skew_ms: Option<i64>,
    /// What Meta said about the API version in use, if it warned.
    pub version_warning: Option<String>,
}

/// Reads of one ad account, plus the pure rendering of a write into the request it would be.
///
/// Every list is read to its last page or fails as a whole; an incomplete list is never returned.
pub trait MetaRead: Send + Sync {
    /// A read of daily rows under way.
    type Pages<'a>: InsightPages
    where
        Self: 'a;
    /// The account this reads.
    fn account_id(&self) -> &AccountId;
    /// The account.
    fn account(&self) -> impl Future<Output = Result<AccountInfo, MetaError>> + Send;
    /// Campaigns with their ad sets and ads, archived and deleted ones left out; of the named ids only, or all of
    /// them when none is named. A named campaign that no longer exists is simply absent.
    fn trees(
        &self,
        only: &[CampaignId],
    ) -> impl Future<Output = Result<Vec<Tree>, MetaError>> + Send;
    /// The named campaigns' trees with every field their nodes have, as far as this token may see them: for comparing a
    /// copy with its source field by field.
    fn twins(
        &self,
        ids: &[CampaignId],
    ) -> impl Future<Output = Result<Vec<Tree>, MetaError>> + Send;
    /// The aspects of one object as they are now; None when it does not exist or may not be seen.
    fn aspects(
        &self,
        kind: ObjectKind,
        id: &ObjectId,
    ) -> impl Future<Output = Result<Option<BTreeMap<Aspect, String>>, MetaError>> + Send;
    /// Daily ad-set rows of the account, both ends included; nothing is sent before the first page is asked for.
    fn insights(&self, range: DayRange) -> Self::Pages<'_>;
    /// Spend of the whole account per day in minor units: the control total for [`MetaRead::insights`].
    fn account_spend(
        &self,
        range: DayRange,
    ) -> impl Future<Output = Result<BTreeMap<Day, i64>, MetaError>> + Send;
    /// Every object of that kind whose name contains `marker`, whatever its status.
    fn find_marked(
        &self,
        kind: ObjectKind,
        marker: &str,
    ) -> impl Future<Output = Result<Vec<Found>, MetaError>> + Send;
    /// The copies of an object: what Meta itself says was made from it, whatever their status. The second witness of a
    /// creation nobody answered.
    fn copies(
        &self,
        kind: ObjectKind,
        source: &ObjectId,
    ) -> impl Future<Output = Result<Vec<Found>, MetaError>> + Send;
    /// The account's activity log from an instant on: the third witness. It may lag and promises no completeness.
    fn activities(
        &self,
        since: Moment,
    ) -> impl Future<Output = Result<Vec<Activity>, MetaError>> + Send;
    /// Rules, running studies and budget schedules that touch a campaign or its ad sets.
    fn interference(
        &self,
        campaign: &CampaignId,
    ) -> impl Future<Output = Result<Vec<Interference>, MetaError>> + Send;
    /// The hours of a pixel since an instant, oldest first; Meta keeps about a week.
    fn pixel_hours(
        &self,
        pixel: &PixelId,
        since: Moment,
    ) -> impl Future<Output = Result<Vec<PixelHour>, MetaError>> + Send;
    /// What the token may do and how long.
    fn token(&self) -> impl Future<Output = Result<TokenInfo, MetaError>> + Send;
    /// What the answers so far said about the way to Meta itself; sends nothing.
    fn wire(&self) -> WireState;
    /// The exact request a write would be; pure, sends nothing.
    fn template(&self, op: &Op) -> Template;
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Meta said yes.
    Done {
        /// The id of what was created.
        id: Option<ObjectId>,
        /// `fbtrace_id` or request id, if any.
        trace: Option<String>,
    },
    /// Meta said no, or it never left: nothing was changed.
    Refused(MetaError),
    /// Nobody knows.
    Unknown(MetaError),
}

/// The write side. Only `app::apply` may hold one, and only an [`Armed`] write can be sent, once.
pub trait MetaWrite: Send + Sync {
    /// Sends exactly the armed request; never repeats it.
    fn send(&self, armed: Armed) -> impl Future<Output = WriteOutcome> + Send;
    /// Asks Meta whether it would accept a write (`validate_only`), without effect. Errors are what the real call
    /// would answer.
    fn validate(&self, request: &Template) -> impl Future<Output = Result<(), MetaError>> + Send;
}

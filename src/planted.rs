//! Bugs planted on purpose: tests of the tests.
//!
//! Each [`Bug`] is one mistake somebody could make, at one place, behind [`bug`]. Without the feature `planted-bugs` that
//! is a constant `false`, so the shipped program holds none of them. With it the environment variable `RUNGWISE_PLANTED`
//! selects at most one for the life of the process, so that one build can try all of them, one after the other.
//! `tests/planted.rs` demands that the rehearsal or a property finds each.

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// A mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug { $($(#[doc = $doc])+ $name,)* }

        impl Bug {
            /// Every one: its name, and what it does.
            pub const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$name, stringify!($name), concat!($($doc),+)),)*];
        }
    };
}

bugs! {
    // How a write goes out
    /// a request leaves although no intent was ever committed
    IntentNeverCommitted,
    /// a request leaves before its intent is durable
    SendBeforeCommit,
    /// a write that timed out is sent again by the client
    RetryOnTimeout,
    /// a server error counts as "it was not done"
    ServerErrorIsRefusal,
    /// a lost answer counts as "it was done"
    TimeoutIsSuccess,
    /// the outcome of a write is stored without its audit link
    EndWithoutLink,
    /// the next write goes out although the one before it failed
    GoOnAfterFailure,
    /// what a write promised is not read back
    NoReadBack,
    /// the failed commit of a batch is reported as done
    StoreErrorSwallowed,
    // Writes in doubt
    /// one negative reading proves absence
    OneNegativeReading,
    /// a negative reading right after the send proves absence
    NoQuietTime,
    /// a reading that failed midway counts as negative
    HalfReadingIsNegative,
    /// the object of a write in doubt is found and made again
    FoundAndRepeated,
    /// any copy of the source is taken for the write's own
    AnyCopyAdopted,
    /// a repeated page cursor counts as the end of the list
    CircleIsEnd,
    // Money
    /// amounts go through binary floating point
    FloatMoney,
    /// every currency has a hundredth
    EveryCurrencyHasCents,
    /// a raise is rounded up
    RaiseRoundsUp,
    /// the parts of a budget are each rounded up
    PartsRoundUp,
    /// a shift raises the winner before it cuts the loser
    RaiseBeforeLower,
    /// a shift raises the winner and does not cut the loser
    ShiftWithoutCut,
    // Guard rails
    /// the daily cap may be passed by a unit
    DailyCapByOne,
    /// a climb at exactly its cap is refused
    ClimbCapAtEqual,
    /// an approval no longer holds at its last millisecond
    ExpiryAtEqual,
    /// a raise of exactly the largest step is refused
    StepAtEqual,
    /// one write more than the cap leaves per hour and day
    RateByOne,
    /// figures at exactly the age allowed count as stale
    StalenessAtEqual,
    /// one approval less than the quorum is enough
    QuorumByOne,
    /// a day may cost 1.25 times its budget
    FlexOfOneQuarter,
    /// the budgets of the account's other campaigns are left out of the sum
    OtherCampaignsForgotten,
    /// a write in doubt reserves nothing
    DoubtReleasesReservation,
    /// raises of any size pass
    AnyStepPasses,
    /// raises follow each other day by day
    StepsDayByDay,
    /// the kill switch is not asked
    KillSwitchIgnored,
    /// expected values are not read again
    DriftIgnored,
    /// nothing is held when somebody else edits a test
    HandsStayOn,
    /// raises go on in a blackout
    BlackoutIgnored,
    /// protected campaigns are managed
    ProtectIgnored,
    /// a clock two minutes off stops nothing
    SkewIgnored,
    /// the circuit breaker never opens
    BreakerNeverOpens,
    /// autonomy is kept after a failure
    NoDemotion,
    /// propose writes like autonomous
    ProposeWrites,
    // Approvals
    /// a plan without an answer takes the approval of an earlier one
    ApprovalUsedTwice,
    /// the approval of another hash counts
    AnyHashApproves,
    /// a no counts as a yes
    RejectionIgnored,
    /// an expired plan begins
    ExpiryIgnored,
    /// a plan that was altered on disk is carried out
    AlteredPlanPasses,
    // Days and figures
    /// days are those of UTC
    UtcDays,
    /// a day that is still open counts as closed
    OpenDayIsClosed,
    /// a restated row is dropped
    RestatementDropped,
    // The procedure
    /// a challenger is turned on without being an equal
    NoParity,
    /// objects are created ACTIVE
    CreatedActive,
    /// the campaign is turned on before its ads and ad sets
    CampaignFirst,
    /// the challenger gets no end of its own
    NoEndTime,
    /// the challenger is watched by no rule of Meta's
    NoPauseRule,
    /// the winner keeps the end of its test
    BoundsStay,
    /// names carry no marker
    NoMarker,
    /// the keys of a plan's writes are all the same
    OneKeyPerPlan,
    /// an early look may promote
    EarlyPromotion,
    /// the stop-loss never fires
    NoStopLoss,
    /// the challenger runs on after the verdict stay
    ChallengerRunsOn,
    /// two tests run in one account at once
    TwoTestsAtOnce,
    /// what a stuck climb left on stays on
    StuckRunsOn,
    /// a person's duplicate of our object is put away
    SweepTakesForeign,
    // A restored history
    /// plans that were open in an old copy are carried out when it is put back
    PlansSurviveRestore,
    /// the keys of lost writes are used again after a restore
    KeysSurviveRestore,
    // The record
    /// links do not name the hash before them
    LinkWithoutPrevious,
    /// decisions are stored without their evidence
    DecisionWithoutEvidence,
    /// a decision depends on the clock, not on its evidence alone
    DecisionOfTheHour,
    /// the token stands in the detail of a failed write
    TokenInDetail,
}

/// False: the shipped program has no such bug.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn bug(_: Bug) -> bool {
    false
}

#[cfg(not(feature = "planted-bugs"))]
const _: () = {
    let mut at = 0;
    while at < Bug::ALL.len() {
        assert!(!bug(Bug::ALL[at].0), "a build without the feature holds no bug");
        at += 1;
    }
};

/// True while this bug is the selected one.
#[cfg(feature = "planted-bugs")]
pub(crate) fn bug(one: Bug) -> bool {
    selected() == Some(one)
}

/// The bug of this process, by `RUNGWISE_PLANTED`.
#[cfg(feature = "planted-bugs")]
#[expect(clippy::disallowed_methods, reason = "no configuration may know of it")]
pub fn selected() -> Option<Bug> {
    static SELECTED: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    *SELECTED.get_or_init(|| {
        let name = std::env::var("RUNGWISE_PLANTED").ok().filter(|name| !name.is_empty())?;
        let known = Bug::ALL.iter().find(|(_, known, _)| *known == name);
        Some(known.unwrap_or_else(|| panic!("no bug is called {name}")).0)
    })
}

/// What is left of minor units after single-precision major units.
#[cfg(feature = "planted-bugs")]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::suboptimal_flops,
    reason = "that is the bug"
)]
pub(crate) fn floated(minor: i64) -> i64 {
    (minor as f32 / 100.0 * 100.0) as i64
}

/// Money is never a float.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn floated(minor: i64) -> i64 {
    minor
}

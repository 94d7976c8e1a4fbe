//! The climb machine: where one attempt to move a line stands; what each event does to it is in `climb/moves.rs`.
//!
//! `Climb::on(event) -> (Climb, Vec<Effect>)` is total and pure. Statistics are not done here: a daily event arrives
//! as a [`Step`] that `decide` drew from the evidence, everything else (plans that ended, commands of a person) is
//! handled directly. Whatever is not expected in a state leaves it unchanged and says so in a [`Effect::Note`].

mod moves;

use serde::{Deserialize, Serialize};

use super::{
    CampaignId, ClimbId, Day, LineId, Moment, Money, ObjectId,
    plan::{PlanHash, PlanKind},
    prospect::Lesson,
};

/// Which way a line is to move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Key of the rung it stands on.
    pub from: String,
    /// Key of the rung it is to stand on.
    pub to: String,
    /// Which law the move obeys.
    pub kind: RouteKind,
}

/// Upward only neighbours; downward any rung, but under its own approval text and on probation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// One rung up, both campaigns run side by side.
    Climb,
    /// A lower rung, tested side by side first.
    TestedPlacement,
    /// A lower rung at once, the old campaign paused, on probation.
    Placement,
}

/// A test: two campaigns side by side, or a placed one against the days before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// The move under test.
    pub route: Route,
    /// The re-created campaign.
    pub challenger: CampaignId,
    /// When it was turned on.
    pub activated: Moment,
    /// First whole day of delivery in the account's zone.
    pub first_day: Day,
    /// Last day the dead-man bound lets it deliver.
    pub last_day: Day,
    /// Daily budget of the incumbent during the test.
    pub incumbent_budget: Money,
    /// Daily budget of the challenger.
    pub challenger_budget: Money,
    /// The line's own daily budget before the test: what is approved to be spent in the end.
    pub run_rate: Money,
    /// Comparison days start here at the earliest: moved when an outside edit spoiled what was before.
    pub not_before: Option<Day>,
    /// Scheduled looks already taken.
    pub looks: u32,
    /// Meta's own rule that pauses the challenger, if one was set.
    pub rule: Option<ObjectId>,
    /// The study that splits people between the arms, if one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<ObjectId>,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The challenger takes the line.
    Promote,
    /// The incumbent keeps it.
    Stay,
    /// Nothing can be known at this volume: the incumbent keeps it.
    Inconclusive,
    /// Ended early: stop-loss, taint, command or failure.
    Aborted,
}

impl Verdict {
    /// The word used in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Stay => "stay",
            Self::Inconclusive => "inconclusive",
            Self::Aborted => "aborted",
        }
    }
}

/// Where a climb stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// Watching; some gate is closed.
    Observing,
    /// All gates open for this move.
    Eligible {
        /// The move.
        route: Route,
    },
    /// Waiting until the present rung is stable.
    Stabilising {
        /// The move.
        route: Route,
    },
    /// A clone plan waits for a yes.
    Proposed {
        /// The move.
        route: Route,
    },
    /// The challenger is being built, reviewed and turned on.
    Cloning {
        /// The move.
        route: Route,
        /// The re-created campaign, once it exists.
        challenger: Option<CampaignId>,
        /// Meta's own pause rule, once it exists.
        rule: Option<ObjectId>,
        /// The study that is to split people between the arms, once it exists.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        study: Option<ObjectId>,
    },
    /// The challenger learns; no verdict yet.
    Warming {
        /// The test.
        test: Test,
    },
    /// Both arms are compared at scheduled looks.
    Comparing {
        /// The test.
        test: Test,
    },
    /// An untested placement runs and is compared with the days before it.
    Probation {
        /// The test.
        test: Test,
    },
    /// A verdict stands; its plan waits.
    Judged {
        /// The test.
        test: Test,
        /// The verdict.
        verdict: Verdict,
    },
    /// Budget moves to the winner.
    Shifting {
        /// The test.
        test: Test,
    },
    /// The line stands on the new rung.
    Settled {
        /// The rung it stands on now.
        rung: String,
    },
    /// The line stays where it was.
    Stayed {
        /// How the test ended.
        verdict: Verdict,
    },
    /// Ended before a verdict, everything put away.
    Aborted,
    /// Needs a person: no legal next step.
    Stuck {
        /// What cannot go on.
        why: String,
        /// What may carry the line: a placement, or the winner of a promotion that broke off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        placed: Option<Placed>,
    },
}

/// A campaign that may carry the line in the incumbent's stead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Which.
    pub campaign: CampaignId,
    /// Its rung.
    pub rung: String,
}

impl State {
    /// The word used in storage and output.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Observing => "observing",
            Self::Eligible { .. } => "eligible",
            Self::Stabilising { .. } => "stabilising",
            Self::Proposed { .. } => "proposed",
            Self::Cloning { .. } => "cloning",
            Self::Warming { .. } => "warming",
            Self::Comparing { .. } => "comparing",
            Self::Probation { .. } => "probation",
            Self::Judged { .. } => "judged",
            Self::Shifting { .. } => "shifting",
            Self::Settled { .. } => "settled",
            Self::Stayed { .. } => "stayed",
            Self::Aborted => "aborted",
            Self::Stuck { .. } => "stuck",
        }
    }
    /// True while the climb can still move by itself.
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Settled { .. } | Self::Stayed { .. } | Self::Aborted)
    }
    /// The test that runs, if one does.
    pub const fn test(&self) -> Option<&Test> {
        match self {
            Self::Warming { test }
            | Self::Comparing { test }
            | Self::Probation { test }
            | Self::Judged { test, .. }
            | Self::Shifting { test } => Some(test),
            Self::Observing
            | Self::Eligible { .. }
            | Self::Stabilising { .. }
            | Self::Proposed { .. }
            | Self::Cloning { .. }
            | Self::Settled { .. }
            | Self::Stayed { .. }
            | Self::Aborted
            | Self::Stuck { .. } => None,
        }
    }
    /// The move under way, if there is one.
    pub fn route(&self) -> Option<&Route> {
        match self {
            Self::Eligible { route }
            | Self::Stabilising { route }
            | Self::Proposed { route }
            | Self::Cloning { route, .. } => Some(route),
            Self::Observing
            | Self::Warming { .. }
            | Self::Comparing { .. }
            | Self::Probation { .. }
            | Self::Judged { .. }
            | Self::Shifting { .. }
            | Self::Settled { .. }
            | Self::Stayed { .. }
            | Self::Aborted
            | Self::Stuck { .. } => self.test().map(|t| &t.route),
        }
    }
}

/// What a line remembers from one climb to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Since when it stands on its rung, as far as known.
    pub rung_since: Option<Day>,
    /// The last test that ended without a promotion.
    pub last_failure: Option<Failure>,
    /// Rungs it has stood on, oldest first, the present one last.
    pub path: Vec<String>,
    /// What it saw on rungs whose days are no longer at hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lessons: Vec<Lesson>,
}

/// A test that did not lead to a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The rung that was tried.
    pub to: String,
    /// When it ended.
    pub day: Day,
    /// Weekly events of that rung when it was tried, in thousandths.
    pub weekly_milli: i64,
}

/// A plan the climb waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What it is for.
    pub kind: PlanKind,
    /// Its hash.
    pub plan: PlanHash,
}

/// One attempt to move a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Climb {
    /// Its id.
    pub id: ClimbId,
    /// Its line.
    pub line: LineId,
    /// The campaign that carries the line.
    pub incumbent: CampaignId,
    /// Key of the rung the incumbent stands on.
    pub rung: String,
    /// When it was opened.
    pub opened: Moment,
    /// Where it stands.
    pub state: State,
    /// Set while a person (or drift) holds it; only the stop-loss acts then.
    pub held: Option<String>,
    /// The plan it waits for.
    pub pending: Option<Pending>,
    /// Plans made so far; part of every op key, so that a new attempt makes new names.
    pub attempts: u32,
    /// Plans in a row that were to undo something (end, revert, put away) or close a verdict, and failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub undo_failures: u32,
    /// An activation or promotion that broke off has turned the incumbent off: it goes on again before anything is put
    /// away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
    /// What the incumbent had a day before it was cut for a split test: it gets that back where no test comes about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<Money>,
    /// What the line remembers.
    pub memory: Memory,
}

impl Climb {
    /// The re-created campaign, once there is one.
    pub fn challenger(&self) -> Option<&CampaignId> {
        match &self.state {
            State::Cloning { challenger, .. } => challenger.as_ref(),
            state => state.test().map(|t| &t.challenger),
        }
    }
    /// The campaigns it manages: the incumbent, the challenger, and what a stuck one may have turned on in the
    /// incumbent's stead.
    pub fn campaigns(&self) -> impl Iterator<Item = &CampaignId> {
        let placed = match &self.state {
            State::Stuck { placed, .. } => placed.as_ref().map(|p| &p.campaign),
            _ => self.challenger(),
        };
        placed.into_iter().chain([&self.incumbent])
    }
}

/// What the daily decision found out, as far as the machine needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Nothing changes.
    Wait,
    /// All gates are open for this move.
    Open {
        /// The move.
        route: Route,
    },
    /// A gate closed again.
    Close,
    /// The rung is stable: propose the clone.
    Stable,
    /// The challenger is built and equal: propose to turn it on, in a split test after the incumbent's cut.
    Ready {
        /// The incumbent must be cut to its half first.
        cut_first: bool,
    },
    /// The challenger is not what was ordered: put it away.
    Unfit,
    /// Learning is over: compare from now on.
    Learned,
    /// A scheduled look was taken and says: go on.
    Looked,
    /// An outside edit spoiled the days before this one.
    Tainted {
        /// First day that counts again.
        from: Day,
    },
    /// A verdict.
    Verdict {
        /// Which.
        verdict: Verdict,
        /// Weekly events of the challenger's rung now, in thousandths, for the retry gate.
        weekly_milli: i64,
    },
    /// Somebody else changed an arm: hands off until a person says otherwise.
    Drift {
        /// What changed.
        what: String,
    },
    /// The incumbent is gone for good: nothing can go on from it, or back to it.
    Lost {
        /// What is gone.
        what: String,
    },
}

/// How a plan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanOutcome {
    /// Every write of it is done and verified.
    Done,
    /// A person said no.
    Rejected,
    /// Nobody said yes in time.
    Expired,
    /// The world was no longer as the plan expected; what was not sent stays unsent.
    Stale,
    /// Meta refused a write.
    Failed,
}

impl PlanOutcome {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Stale => "stale",
            Self::Failed => "failed",
        }
    }
    /// Reads [`PlanOutcome::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Done, Self::Rejected, Self::Expired, Self::Stale, Self::Failed]
            .into_iter()
            .find(|o| o.as_str() == text)
    }
}

/// What a person wants of a climb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Hold it.
    Pause,
    /// Let it go on.
    Resume,
    /// End it and restore the incumbent.
    Abort,
    /// Take the challenger now.
    Promote,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The daily decision.
    Decided {
        /// What it found.
        step: Step,
        /// The day it was made.
        today: Day,
    },
    /// A plan was filed for this climb.
    Filed(Pending),
    /// The plan this climb waits for ended.
    Ended {
        /// What it was for.
        kind: PlanKind,
        /// How.
        outcome: PlanOutcome,
        /// The facts it created.
        built: Built,
        /// The day it ended.
        today: Day,
    },
    /// A person's command.
    Commanded {
        /// Which.
        command: Command,
        /// The day it was heard.
        today: Day,
    },
}

/// What a finished plan brought into the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Built {
    /// The re-created campaign.
    pub challenger: Option<CampaignId>,
    /// Meta's own pause rule.
    pub rule: Option<ObjectId>,
    /// The study that splits people between the arms.
    pub study: Option<ObjectId>,
    /// The test that began.
    pub test: Option<Box<Test>>,
    /// The incumbent was turned off for the challenger.
    pub handed_over: bool,
    /// What the incumbent had a day before a split test's cut of which something went through.
    pub cut_from: Option<Money>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Make a plan and file it.
    Propose {
        /// What for.
        kind: PlanKind,
    },
    /// The climb has ended: open the next one of this line.
    OpenNext {
        /// The campaign that carries the line now.
        incumbent: CampaignId,
        /// The rung it stands on.
        rung: String,
        /// What the line remembers.
        memory: Memory,
    },
    /// A person must look.
    Alarm {
        /// At what.
        what: String,
    },
    /// Worth a line in the audit log.
    Note {
        /// What.
        what: String,
    },
}

impl Effect {
    fn note(what: impl Into<String>) -> Self {
        Self::Note { what: what.into() }
    }
    fn alarm(what: impl Into<String>) -> Self {
        Self::Alarm { what: what.into() }
    }
    const fn propose(kind: PlanKind) -> Self {
        Self::Propose { kind }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

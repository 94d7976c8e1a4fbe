//! The climb machine: where one attempt to move a line stands, and what each event does to it.
//!
//! `Climb::on(event) -> (Climb, Vec<Effect>)` is total and pure. Statistics are not done here: a daily event arrives
//! as a [`Step`] that `decide` drew from the evidence, everything else (plans that ended, commands of a person) is
//! handled directly. Whatever is not expected in a state leaves it unchanged and says so in a [`Effect::Note`].

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
    /// What the line remembers.
    pub memory: Memory,
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

impl Climb {
    /// The first climb of a line, or the next one after another has ended.
    pub fn open(
        id: ClimbId,
        line: LineId,
        incumbent: CampaignId,
        rung: &str,
        opened: Moment,
        memory: Memory,
    ) -> Self {
        let rung = rung.to_owned();
        let (state, held, pending) = (State::Observing, None, None);
        let (attempts, undo_failures) = (0, 0);
        Self {
            id,
            line,
            incumbent,
            rung,
            opened,
            state,
            held,
            pending,
            attempts,
            undo_failures,
            handed_over: false,
            memory,
        }
    }

    /// What an event does.
    #[must_use]
    pub fn on(&self, event: &Event) -> (Self, Vec<Effect>) {
        match event {
            Event::Decided { step, today } => self.on_step(step, *today),
            Event::Filed(pending) => {
                let mut next = self.clone();
                next.pending = Some(pending.clone());
                next.attempts = next.attempts.saturating_add(1);
                (next, Vec::new())
            }
            Event::Ended { kind, outcome, built, today } => {
                let mut next = self.clone();
                next.pending = None;
                next.undo_failures = match outcome {
                    Stale | Failed => self.undo_failures.saturating_add(1),
                    Done => 0,
                    Rejected | Expired => self.undo_failures,
                };
                let back = (*kind, *outcome) == (PlanKind::Revert, Done);
                next.handed_over = !back && (self.handed_over || built.handed_over);
                next.on_ended(*kind, *outcome, built, *today)
            }
            Event::Commanded { command, today } => self.on_command(*command, *today),
        }
    }

    fn to(&self, state: State, effects: Vec<Effect>) -> (Self, Vec<Effect>) {
        let mut next = self.clone();
        next.state = state;
        (next, effects)
    }

    fn unchanged(&self, why: &str) -> (Self, Vec<Effect>) {
        (
            self.clone(),
            vec![Effect::note(format!("{why} does nothing while {}", self.state.as_str()))],
        )
    }

    fn on_step(&self, step: &Step, today: Day) -> (Self, Vec<Effect>) {
        match (&self.state, step) {
            (State::Cloning { .. }, step)
                if self.handed_over
                    && self.pending.is_none()
                    && !matches!(step, Step::Drift { .. }) =>
            {
                (self.clone(), vec![Effect::propose(PlanKind::Revert)])
            }
            (_, Step::Wait) => (self.clone(), Vec::new()),
            (_, Step::Drift { what }) => {
                let mut next = self.clone();
                next.held = Some(what.clone());
                (next, vec![Effect::alarm(format!("hands off: {what}"))])
            }
            (State::Observing, Step::Open { route }) => {
                self.to(State::Eligible { route: route.clone() }, Vec::new())
            }
            (State::Eligible { .. }, Step::Open { route }) => {
                self.to(State::Stabilising { route: route.clone() }, Vec::new())
            }
            (State::Eligible { .. } | State::Stabilising { .. }, Step::Close) => {
                self.to(State::Observing, Vec::new())
            }
            (State::Stabilising { route }, Step::Stable) => self.to(
                State::Proposed { route: route.clone() },
                vec![Effect::propose(PlanKind::Clone)],
            ),
            (State::Proposed { .. }, Step::Stable) if self.pending.is_none() => {
                (self.clone(), vec![Effect::propose(PlanKind::Clone)])
            }
            (State::Proposed { .. }, Step::Close) if self.pending.is_none() => {
                self.to(State::Observing, Vec::new())
            }
            (State::Cloning { challenger: Some(_), .. }, Step::Ready { cut_first })
                if self.pending.is_none() =>
            {
                let kind = if *cut_first { PlanKind::Split } else { PlanKind::Activate };
                (self.clone(), vec![Effect::propose(kind)])
            }
            (State::Cloning { challenger: Some(_), .. }, Step::Unfit) if self.pending.is_none() => {
                (self.clone(), vec![Effect::propose(self.undoing())])
            }
            (State::Warming { test }, Step::Learned) => {
                self.to(State::Comparing { test: test.clone() }, Vec::new())
            }
            (
                State::Comparing { test } | State::Probation { test } | State::Warming { test },
                Step::Looked | Step::Tainted { .. },
            ) => {
                let mut test = test.clone();
                match step {
                    Step::Tainted { from } => test.not_before = Some(*from),
                    _ => test.looks = test.looks.saturating_add(1),
                }
                let state = match &self.state {
                    State::Warming { .. } => State::Warming { test },
                    State::Probation { .. } => State::Probation { test },
                    _ => State::Comparing { test },
                };
                self.to(state, Vec::new())
            }
            (State::Probation { test }, Step::Verdict { verdict: Verdict::Promote, .. }) => {
                self.settle(test, today)
            }
            (
                State::Warming { test } | State::Comparing { test } | State::Probation { test },
                Step::Verdict { verdict, weekly_milli },
            ) => self.judge(test, *verdict, *weekly_milli, today),
            (State::Judged { test, verdict }, _) if self.pending.is_none() => {
                let kind = self.closing(&test.route, *verdict);
                (self.clone(), vec![Effect::propose(kind)])
            }
            _ => (self.clone(), Vec::new()),
        }
    }

    fn judge(
        &self,
        test: &Test,
        verdict: Verdict,
        weekly_milli: i64,
        day: Day,
    ) -> (Self, Vec<Effect>) {
        let mut next = self.clone();
        if verdict != Verdict::Promote {
            let to = test.route.to.clone();
            next.memory.last_failure = Some(Failure { to, day, weekly_milli });
        }
        next.state = State::Judged { test: test.clone(), verdict };
        let kind = self.closing(&test.route, verdict);
        (next, vec![Effect::propose(kind)])
    }

    fn settle(&self, test: &Test, today: Day) -> (Self, Vec<Effect>) {
        let mut memory = self.memory.clone();
        memory.rung_since = Some(test.first_day.min(today));
        memory.last_failure = None;
        memory.path.push(test.route.to.clone());
        let rung = test.route.to.clone();
        let next =
            Effect::OpenNext { incumbent: test.challenger.clone(), rung: rung.clone(), memory };
        self.to(State::Settled { rung }, vec![next])
    }

    /// The line stays on its campaign and rung.
    fn stay(&self, state: State) -> (Self, Vec<Effect>) {
        let next = Effect::OpenNext {
            incumbent: self.incumbent.clone(),
            rung: self.rung.clone(),
            memory: self.memory.clone(),
        };
        self.to(state, vec![next])
    }

    fn on_cloned(
        &self,
        route: &Route,
        outcome: PlanOutcome,
        built: &Built,
        today: Day,
    ) -> (Self, Vec<Effect>) {
        let cloning = || {
            let (challenger, rule) = (built.challenger.clone(), built.rule.clone());
            State::Cloning { route: route.clone(), challenger, rule, study: None }
        };
        match outcome {
            Done => self.to(cloning(), Vec::new()),
            Rejected if built.challenger.is_none() => {
                self.resting(route, today).stay(State::Aborted)
            }
            // Somebody said no on the way: what was built until then is put away.
            Rejected => self.to(cloning(), vec![Effect::propose(PlanKind::CleanUp)]),
            Expired => self.to(State::Observing, Vec::new()),
            Stale | Failed if built.challenger.is_none() => {
                let why = "the challenger could not be built; nothing was created";
                self.to(State::Observing, vec![Effect::alarm(why)])
            }
            Stale | Failed => {
                let why = "the challenger could not be completed and is put away";
                self.to(cloning(), vec![Effect::alarm(why), Effect::propose(PlanKind::CleanUp)])
            }
        }
    }

    fn stuck(&self, why: &str) -> State {
        let built = match &self.state {
            State::Cloning { route, challenger, .. } => {
                challenger.as_ref().map(|campaign| (route, campaign))
            }
            state => state.test().map(|t| (&t.route, &t.challenger)),
        };
        let carries =
            |(route, _): &(&Route, _)| route.kind == RouteKind::Placement || self.handed_over;
        let placed = built
            .filter(carries)
            .map(|(route, campaign)| Placed { campaign: campaign.clone(), rung: route.to.clone() });
        State::Stuck { why: why.to_owned(), placed }
    }

    /// The plan that carries a verdict out. Once a promotion has turned the incumbent off, ending the test means going back.
    const fn closing(&self, route: &Route, verdict: Verdict) -> PlanKind {
        match (route.kind, verdict) {
            (_, Verdict::Promote) => PlanKind::Shift,
            (RouteKind::Placement, Verdict::Stay | Verdict::Inconclusive | Verdict::Aborted) => {
                PlanKind::Revert
            }
            (
                RouteKind::Climb | RouteKind::TestedPlacement,
                Verdict::Stay | Verdict::Inconclusive | Verdict::Aborted,
            ) => {
                if self.handed_over {
                    PlanKind::Revert
                } else {
                    PlanKind::End
                }
            }
        }
    }

    /// What takes a challenger back that was never whole.
    const fn undoing(&self) -> PlanKind {
        if self.handed_over { PlanKind::Revert } else { PlanKind::CleanUp }
    }

    /// This climb with the memory that its move did not come about: it rests before it is tried again.
    fn resting(&self, route: &Route, day: Day) -> Self {
        let mut next = self.clone();
        let to = route.to.clone();
        next.memory.last_failure = Some(Failure { to, day, weekly_milli: 0 });
        next
    }

    fn on_ended(
        &self,
        kind: PlanKind,
        outcome: PlanOutcome,
        built: &Built,
        today: Day,
    ) -> (Self, Vec<Effect>) {
        match (&self.state, kind, outcome) {
            (State::Proposed { route }, PlanKind::Clone, _) => {
                self.on_cloned(route, outcome, built, today)
            }
            (State::Cloning { .. }, PlanKind::Activate, Done) => match &built.test {
                Some(test) if test.route.kind == RouteKind::Placement => {
                    self.to(State::Probation { test: Test::clone(test) }, Vec::new())
                }
                Some(test) => self.to(State::Warming { test: Test::clone(test) }, Vec::new()),
                None => self.to(self.stuck("the activation left no test"), Vec::new()),
            },
            (State::Cloning { .. }, PlanKind::Activate | PlanKind::Split, Expired) => {
                (self.clone(), vec![Effect::note("nobody approved the activation in time")])
            }
            (
                State::Cloning { route, challenger, rule, study },
                PlanKind::Activate | PlanKind::Split,
                Rejected | Stale | Failed,
            ) => {
                let mut next = self.clone();
                // What the activation made before it ended goes with the challenger.
                next.state = State::Cloning {
                    route: route.clone(),
                    challenger: challenger.clone(),
                    rule: built.rule.clone().or_else(|| rule.clone()),
                    study: built.study.clone().or_else(|| study.clone()),
                };
                let why = "the activation did not go through; the challenger is put away";
                let told = (outcome != Rejected).then(|| Effect::alarm(why));
                let undoing = Effect::propose(next.undoing());
                (next, told.into_iter().chain([undoing]).collect())
            }
            // The next pass finds the incumbent at its half and proposes the activation on a fresh read.
            (State::Cloning { .. }, PlanKind::Split, Done) => (self.clone(), Vec::new()),
            (State::Cloning { route, .. }, PlanKind::CleanUp, Done) => {
                // Without this memory the same challenger would be built and put away again the next day.
                self.resting(route, today).stay(State::Aborted)
            }
            // The line runs again; now the challenger goes.
            (State::Cloning { .. }, PlanKind::Revert, Done) => {
                (self.clone(), vec![Effect::propose(PlanKind::CleanUp)])
            }
            (State::Cloning { .. }, PlanKind::Revert, Rejected) => {
                let mut next = self.clone();
                next.held = Some("turning the incumbent on again was rejected".to_owned());
                (next, vec![Effect::alarm("the incumbent stays off until a person decides")])
            }
            (State::Judged { test, .. } | State::Shifting { test }, PlanKind::Shift, Done) => {
                self.settle(test, today)
            }
            (State::Judged { verdict, .. }, PlanKind::End | PlanKind::Revert, Done) => {
                let verdict = *verdict;
                match verdict {
                    Verdict::Aborted => self.stay(State::Aborted),
                    Verdict::Stay | Verdict::Inconclusive | Verdict::Promote => {
                        self.stay(State::Stayed { verdict })
                    }
                }
            }
            (State::Judged { .. } | State::Shifting { .. }, _, Rejected) => {
                let mut next = self.clone();
                next.held = Some("the closing plan was rejected".to_owned());
                (next, vec![Effect::alarm("everything stays as it is until a person decides")])
            }
            (State::Judged { test, verdict }, _, Expired | Stale)
                if self.undo_failures < MAX_UNDO =>
            {
                (self.clone(), vec![Effect::propose(self.closing(&test.route, *verdict))])
            }
            // What Meta refused now it would refuse in the same breath again: the next pass tries.
            (State::Judged { .. }, _, Failed)
            | (State::Cloning { .. }, PlanKind::Revert, Failed)
                if self.undo_failures < MAX_UNDO =>
            {
                (self.clone(), Vec::new())
            }
            (
                State::Cloning { .. },
                PlanKind::CleanUp | PlanKind::Revert,
                Expired | Stale | Failed,
            ) if self.undo_failures < MAX_UNDO => {
                (self.clone(), vec![Effect::propose(self.undoing())])
            }
            (_, kind, outcome) => {
                let why = format!(
                    "the {} plan ended {} and there is no next step",
                    kind.as_str(),
                    outcome.as_str()
                );
                self.to(self.stuck(&why), vec![Effect::alarm(why)])
            }
        }
    }

    fn on_command(&self, command: Command, today: Day) -> (Self, Vec<Effect>) {
        let mut next = self.clone();
        match (command, &self.state) {
            (_, State::Settled { .. } | State::Stayed { .. } | State::Aborted) => {
                self.unchanged("a command")
            }
            (Command::Pause, _) => {
                next.held = Some("paused by a person".to_owned());
                (next, Vec::new())
            }
            (Command::Resume, _) => {
                next.held = None;
                (next, Vec::new())
            }
            (
                Command::Abort,
                State::Warming { test } | State::Comparing { test } | State::Probation { test },
            ) => {
                next.held = None;
                next.judge(test, Verdict::Aborted, 0, today)
            }
            (Command::Abort, State::Judged { test, .. } | State::Shifting { test }) => {
                next.held = None;
                next.state = State::Judged { test: test.clone(), verdict: Verdict::Aborted };
                (next, vec![Effect::propose(self.closing(&test.route, Verdict::Aborted))])
            }
            (Command::Abort, State::Cloning { challenger: Some(_), .. }) => {
                next.held = None;
                (next, vec![Effect::propose(self.undoing())])
            }
            (Command::Abort, _) => {
                // A person said no to this move: it rests like one that failed.
                let mut next = match self.state.route() {
                    Some(route) => self.resting(route, today),
                    None => next,
                };
                next.held = None;
                next.stay(State::Aborted)
            }
            (Command::Promote, State::Warming { test } | State::Comparing { test }) => {
                next.held = None;
                next.judge(test, Verdict::Promote, 0, today)
            }
            (Command::Promote, State::Probation { test }) => next.settle(test, today),
            (Command::Promote, _) => self.unchanged("promote"),
        }
    }
}

use PlanOutcome::{Done, Expired, Failed, Rejected, Stale};

/// Attempts to undo or close one thing before a person is asked: a plan that keeps failing must not loop for ever. A plan
/// nobody answered in time is no failure; it is filed again.
const MAX_UNDO: u32 = 6;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

//! What each event does to a climb.

use super::{
    Built, Climb, Command, Effect, Event, Failure, Memory, Placed,
    PlanOutcome::{self, Done, Expired, Failed, Rejected, Stale},
    Route, RouteKind, State, Step, Test, Verdict,
};
use crate::domain::{CampaignId, ClimbId, Day, LineId, Moment, plan::PlanKind};

/// Attempts to undo or close one thing before a person is asked: a plan that keeps failing must not loop for ever. A plan
/// nobody answered in time is no failure; it is filed again.
const MAX_UNDO: u32 = 6;

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
            cut_from: None,
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
                // An attempt after a broken one finds a part of the cut done already.
                next.cut_from = self.cut_from.or(built.cut_from);
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
                    && !matches!(step, Step::Drift { .. } | Step::Lost { .. }) =>
            {
                (self.clone(), vec![Effect::propose(PlanKind::Revert)])
            }
            (_, Step::Wait) => (self.clone(), Vec::new()),
            (_, Step::Drift { what }) => {
                let mut next = self.clone();
                next.held = Some(what.clone());
                (next, vec![Effect::alarm(format!("hands off: {what}"))])
            }
            (state, Step::Lost { what }) if state.is_open() && self.pending.is_none() => {
                self.to(self.stuck(what), vec![Effect::alarm(what)])
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
        // A winner takes the line, whether or not its promotion could begin.
        let won = matches!(self.state, State::Judged { verdict: Verdict::Promote, .. });
        let carries = |(route, _): &(&Route, _)| {
            route.kind == RouteKind::Placement || self.handed_over || won
        };
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
            | (State::Cloning { .. }, PlanKind::CleanUp | PlanKind::Revert, Failed)
                if self.undo_failures < MAX_UNDO =>
            {
                (self.clone(), Vec::new())
            }
            (State::Cloning { .. }, PlanKind::CleanUp | PlanKind::Revert, Expired | Stale)
                if self.undo_failures < MAX_UNDO =>
            {
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

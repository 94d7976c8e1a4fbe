//! This policy over the stored history, with the evidence as it was seen then.
//!
//! Day by day the shipped decision is taken on what was known on that day: the evidence a real decision of that day was
//! made from, or rows and reads as of that morning. Where the policy would have started a test that never ran there is
//! nothing to compare, and the report says so; where a test did run, the policy judges that very test.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    app::{
        Result,
        collect::{Seen, Sight},
        lines::climb_of,
        series::{self, Known},
        views::decision_of,
    },
    domain::{
        AccountId, Day, DayRange, HOUR_MS, LineId, Moment, Money, Policy, Tree,
        climb::{Climb, RouteKind, State, Test},
        decide::{Decision, decide},
        evidence::{ArmFacts, Evidence, GateFacts},
    },
    ports::{Store, StoreError, store::DecisionRow},
};

/// When the morning's decision is taken, after the day's first instant.
const MORNING_MS: i64 = 6 * HOUR_MS + HOUR_MS / 2;
/// The kind of a span of days on which a test is under judgement.
const TESTING: &str = "testing";
/// Days a budget is worked out over where no stored evidence tells it.
const BUDGET_DAYS: usize = 14;

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct Backtest {
    /// The account.
    pub account: String,
    /// The rule in force.
    pub rule: &'static str,
    /// First day.
    pub from: Day,
    /// Last day.
    pub to: Day,
    /// By line.
    pub lines: Vec<LineBacktest>,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct LineBacktest {
    /// The line.
    pub line: String,
    /// Days on which a decision could be taken.
    pub days: usize,
    /// Of these, days with the evidence of a real decision; on the others budgets were worked out from spend.
    pub as_decided: usize,
    /// What it would have said, in runs of equal days.
    pub spans: Vec<Span>,
    /// The tests that ran, as this policy would have judged them.
    pub tests: Vec<TestBacktest>,
}

/// Days on which it would have said the same.
#[derive(Debug, Clone, Serialize)]
pub struct Span {
    /// First of them.
    pub from: Day,
    /// Last of them.
    pub until: Day,
    /// `climb`, `step_down`, `held`, or `testing`.
    pub kind: &'static str,
    /// The move or the first closed gate.
    pub what: String,
    /// The conclusion on the first of these days; of a test, on the last.
    pub why: String,
}

/// A test that ran.
#[derive(Debug, Clone, Serialize)]
pub struct TestBacktest {
    /// The climb.
    pub climb: String,
    /// From this rung.
    pub from: String,
    /// To that one.
    pub to: String,
    /// First whole day of the challenger.
    pub started: Day,
    /// This policy proposed the same move before it started.
    pub would_have_started: bool,
    /// What really came of it, and when; None while it runs.
    pub real: Option<Ending>,
    /// What this policy would have made of it; None where the real test ended before, or runs.
    pub policy: Option<Ending>,
    /// The last conclusion of this policy.
    pub conclusion: String,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// `promote`, `stay`, `inconclusive`, `aborted`, or `held` for one that stopped for drift.
    pub verdict: String,
    /// When.
    pub on: Day,
}

/// What is stored of one climb.
struct Past {
    climb: Climb,
    decisions: BTreeMap<Day, DecisionRow>,
    test: Option<Test>,
    real: Option<Ending>,
}

/// Runs it over `range`; without one over everything stored.
pub async fn backtest<S: Store>(
    store: &S,
    id: &AccountId,
    policy: &Policy,
    range: (Option<Day>, Option<Day>),
) -> Result<Backtest> {
    let known = series::known(store, id, policy).await?;
    let newest = known.account.zone.day_of(known.read);
    let to = range.1.map_or(newest, |d| d.min(newest));
    let first = known.reads.iter().map(|r| known.account.zone.day_of(r.fetched_at)).min();
    let from = range.0.unwrap_or(first.unwrap_or(newest)).min(to);
    let trees = store.trees().await?;
    let mut lines = Vec::new();
    for (line, pasts) in history(store, &known, policy, &trees).await? {
        let mut run = Run::new(store, id, policy, &known, &trees);
        let days = DayRange::new(from, to).into_iter().flat_map(DayRange::iter);
        for day in days {
            run.day(day, &pasts).await?;
        }
        lines.push(run.finish(&line));
    }
    let rule = policy.compare.rule.as_str();
    Ok(Backtest { account: id.act(), rule, from, to, lines })
}

/// Every climb of every line, oldest first; for an account never decided on, the climbs that would be opened.
async fn history<S: Store>(
    store: &S,
    known: &Known,
    policy: &Policy,
    trees: &[Tree],
) -> Result<BTreeMap<LineId, Vec<Past>>> {
    let mut lines: BTreeMap<LineId, Vec<Past>> = BTreeMap::new();
    for row in store.climbs(false).await? {
        let climb = climb_of(&row)?;
        let past = past(store, known, climb).await?;
        lines.entry(past.climb.line.clone()).or_default().push(past);
    }
    if lines.is_empty() {
        for climb in trees.iter().filter_map(|t| series::prospect(t, known, policy)) {
            let opened = Moment::from_millis(0);
            let climb = Climb { opened, ..climb };
            let past = Past { decisions: BTreeMap::new(), test: None, real: None, climb };
            lines.entry(past.climb.line.clone()).or_default().push(past);
        }
    }
    for pasts in lines.values_mut() {
        pasts.sort_by_key(|p| p.climb.opened);
    }
    Ok(lines)
}

async fn past<S: Store>(store: &S, known: &Known, climb: Climb) -> Result<Past> {
    let mut past = Past { decisions: BTreeMap::new(), test: None, real: None, climb };
    let mut rows = store.decisions(Some(&past.climb.id), u32::MAX).await?;
    rows.reverse();
    for row in rows {
        let decision = decision_of(&row)?;
        let day = known.account.zone.day_of(row.at);
        if let (None, Some(test)) = (&past.test, decision.next.state.test()) {
            past.test = Some(test.clone());
        }
        let ended = match &decision.next.state {
            State::Judged { verdict, .. } | State::Stayed { verdict } => Some(verdict.as_str()),
            State::Settled { .. } => Some("promote"),
            State::Aborted => Some("aborted"),
            _ => None,
        };
        if let (None, Some(verdict)) = (&past.real, ended) {
            past.real = Some(Ending { verdict: verdict.to_owned(), on: day });
        }
        past.decisions.entry(day).or_insert(row);
    }
    Ok(past)
}

/// One line on its way through the days.
struct Run<'a, S> {
    store: &'a S,
    id: &'a AccountId,
    policy: &'a Policy,
    known: &'a Known,
    trees: &'a [Tree],
    /// Index of the real climb of the last day, and the climb as this policy would have it.
    at: Option<(usize, Climb)>,
    days: usize,
    as_decided: usize,
    spans: Vec<Span>,
    proposed: Vec<(String, String)>,
    tests: BTreeMap<usize, TestBacktest>,
}

impl<'a, S: Store> Run<'a, S> {
    fn new(
        store: &'a S,
        id: &'a AccountId,
        policy: &'a Policy,
        known: &'a Known,
        trees: &'a [Tree],
    ) -> Self {
        let (at, days, as_decided) = (None, 0, 0);
        let (spans, proposed, tests) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { store, id, policy, known, trees, at, days, as_decided, spans, proposed, tests }
    }

    async fn day(&mut self, day: Day, pasts: &[Past]) -> Result<()> {
        let zone = &self.known.account.zone;
        let now = zone.start_of(day).plus(MORNING_MS);
        // The climb that was decided on that day, else the one that was open that morning.
        let decided = pasts.iter().position(|p| p.decisions.contains_key(&day));
        let open = || pasts.iter().rposition(|p| p.climb.opened <= now);
        let Some(index) = decided.or_else(open) else { return Ok(()) };
        let Some(past) = pasts.get(index) else { return Ok(()) };
        let Some(opened) = fresh(pasts, index) else { return Ok(()) };
        let climb = match self.at.take() {
            Some((same, climb)) if same == index => climb,
            _ => {
                self.proposed.clear();
                opened.clone()
            }
        };
        let climb = self.join(index, past, climb, day);
        let Some(evidence) = self.evidence(past, &climb, day, now).await? else {
            self.at = Some((index, climb));
            return Ok(());
        };
        self.days += 1;
        let decision = decide(&evidence);
        let next = self.follow(index, past, (&climb, opened), decision, day);
        self.at = Some((index, next));
        Ok(())
    }

    /// Once the real challenger delivers, its test is the one under judgement.
    fn join(&mut self, index: usize, past: &Past, climb: Climb, day: Day) -> Climb {
        let Some(test) = &past.test else { return climb };
        if climb.state.test().is_some() || day < test.first_day || self.tests.contains_key(&index) {
            return climb;
        }
        let move_of = (test.route.from.clone(), test.route.to.clone());
        self.tests.insert(
            index,
            TestBacktest {
                climb: past.climb.id.to_string(),
                from: move_of.0.clone(),
                to: move_of.1.clone(),
                started: test.first_day,
                would_have_started: self.proposed.contains(&move_of),
                real: past.real.clone(),
                policy: None,
                conclusion: String::new(),
            },
        );
        let test = Test { looks: 0, not_before: None, ..test.clone() };
        let state = match test.route.kind {
            RouteKind::Placement => State::Probation { test },
            RouteKind::Climb | RouteKind::TestedPlacement => State::Warming { test },
        };
        Climb { state, ..climb }
    }

    async fn seen(&self, climb: &Climb, now: Moment, as_of: Option<Moment>) -> Result<Seen> {
        let zone = &self.known.account.zone;
        let sight = Sight::of(self.store, self.id, self.policy, zone, now, as_of).await?;
        Ok(sight.seen(self.policy, zone, climb))
    }

    /// The evidence as seen on that morning, under this policy and this policy's climb.
    async fn evidence(
        &mut self,
        past: &Past,
        climb: &Climb,
        day: Day,
        now: Moment,
    ) -> Result<Option<Evidence>> {
        if let Some(row) = past.decisions.get(&day) {
            let Some(bytes) = self.store.evidence(&row.evidence).await? else { return Ok(None) };
            let mut evidence: Evidence =
                serde_json::from_slice(&bytes).map_err(|e| StoreError::Document {
                    what: format!("evidence of decision {}", row.id),
                    why: e.to_string(),
                })?;
            if evidence.policy.ladder != self.policy.ladder {
                evidence.days = self.seen(climb, evidence.now, Some(evidence.now)).await?.days;
            }
            evidence.policy = self.policy.clone();
            evidence.climb = climb.clone();
            self.as_decided += 1;
            return Ok(Some(evidence));
        }
        if !past.decisions.is_empty() {
            // An agent ran this climb and did not decide on this day: nothing to replay.
            return Ok(None);
        }
        let seen = self.seen(climb, now, Some(now)).await?;
        // Before the first read of all, history as it is known today stands in: nothing was seen then.
        let seen = if seen.read.is_none() { self.seen(climb, now, None).await? } else { seen };
        Ok(self.worked_out(climb, day, now, seen))
    }

    /// Evidence for a history without decisions: budgets from spend, gates as far as rows can tell.
    fn worked_out(&self, climb: &Climb, today: Day, now: Moment, seen: Seen) -> Option<Evidence> {
        let account = &self.known.account;
        let spent: Vec<i64> = seen
            .days
            .iter()
            .rev()
            .filter(|d| d.complete)
            .take(BUDGET_DAYS)
            .map(|d| d.incumbent.spend_minor)
            .collect();
        let total: i64 = spent.iter().fold(0, |sum, s| sum.saturating_add(*s));
        if total == 0 {
            return None;
        }
        let mean = total.checked_div(i64::try_from(spent.len()).ok()?)?;
        let budget = Money::from_minor(mean, account.currency);
        let tree = self.trees.iter().find(|t| t.campaign.id == climb.incumbent);
        let live = tree.map_or(1, |t| crate::domain::eligibility::live_adsets(t).count());
        let incumbent = ArmFacts {
            campaign: climb.incumbent.clone(),
            name: tree.map(|t| t.campaign.name.clone()).unwrap_or_default(),
            rung: Some(climb.rung.clone()),
            status: "ACTIVE".to_owned(),
            effective_status: "ACTIVE".to_owned(),
            daily_budget: Some(budget),
            adsets: u32::try_from(live).unwrap_or(1),
            ads: 1,
            in_review: 0,
            disapproved: 0,
            with_issues: 0,
            learning: Vec::new(),
            refusals: Vec::new(),
            campaign_budget: false,
        };
        let gates = GateFacts {
            account_status: 1,
            interference: Vec::new(),
            token_expires: None,
            other_test: None,
            managed_daily_minor: mean,
            insights_read: Some(now),
            no_raises: Vec::new(),
            study: None,
        };
        Some(Evidence {
            version: 1,
            now,
            today,
            zone: account.zone.clone(),
            currency: account.currency,
            climb: climb.clone(),
            policy: self.policy.clone(),
            incumbent,
            challenger: None,
            challenger_gone: false,
            parity: None,
            days: seen.days,
            gates,
        })
    }

    /// Notes what the decision says and returns the climb of the next day.
    fn follow(
        &mut self,
        index: usize,
        past: &Past,
        (climb, opened): (&Climb, Climb),
        decision: Decision,
        day: Day,
    ) -> Climb {
        if climb.state.test().is_some() {
            return self.judge(index, past, (climb, opened), decision, day);
        }
        // While a real test runs that is already judged, the line cannot start another.
        if past.test.as_ref().is_some_and(|t| day >= t.first_day) {
            return climb.clone();
        }
        if let State::Proposed { route } = &decision.next.state {
            let kind = if route.kind == RouteKind::Climb { "climb" } else { "step_down" };
            let what = format!("{} to {}", route.from, route.to);
            let move_of = (route.from.clone(), route.to.clone());
            if !self.proposed.contains(&move_of) {
                self.proposed.push(move_of);
            }
            self.span(day, kind, what, &decision.conclusion);
            return opened;
        }
        let gate =
            decision.closed.first().map_or(decision.next.state.as_str(), |g| g.name.as_str());
        self.span(day, "held", gate.to_owned(), &decision.conclusion);
        // What was proposed on other days does not wait here: every morning looks anew.
        opened
    }

    fn judge(
        &mut self,
        index: usize,
        past: &Past,
        (climb, opened): (&Climb, Climb),
        decision: Decision,
        day: Day,
    ) -> Climb {
        let what = climb
            .state
            .route()
            .map_or_else(String::new, |r| format!("{} against {}", r.to, r.from));
        self.span(day, TESTING, what, &decision.conclusion);
        let verdict = match &decision.next.state {
            State::Judged { verdict, .. } | State::Stayed { verdict } => Some(verdict.as_str()),
            State::Settled { .. } => Some("promote"),
            State::Aborted => Some("aborted"),
            _ if decision.next.held.is_some() => Some("held"),
            _ => None,
        };
        let over = past.real.as_ref().is_some_and(|real| day >= real.on);
        if let Some(test) = self.tests.get_mut(&index) {
            test.conclusion.clone_from(&decision.conclusion);
            if let Some(verdict) = verdict {
                test.policy = Some(Ending { verdict: verdict.to_owned(), on: day });
            }
        }
        if verdict.is_some() || over {
            return opened;
        }
        decision.next
    }

    fn span(&mut self, day: Day, kind: &'static str, what: String, why: &str) {
        if let Some(last) = self.spans.last_mut()
            && last.kind == kind
            && last.what == what
        {
            last.until = day;
            if kind == TESTING {
                why.clone_into(&mut last.why);
            }
            return;
        }
        self.spans.push(Span { from: day, until: day, kind, what, why: why.to_owned() });
    }

    fn finish(self, line: &LineId) -> LineBacktest {
        LineBacktest {
            line: line.to_string(),
            days: self.days,
            as_decided: self.as_decided,
            spans: self.spans,
            tests: self.tests.into_values().collect(),
        }
    }
}

/// The climb as it was opened, with what its line remembered then.
fn fresh(pasts: &[Past], index: usize) -> Option<Climb> {
    let climb = &pasts.get(index)?.climb;
    let mut memory = climb.memory.clone();
    // A test that failed has left its own end in the memory; the climb did not know that while it was open.
    let own = |day: Day| {
        let opened = crate::domain::Zone::utc().day_of(climb.opened);
        day > opened
    };
    if memory.last_failure.as_ref().is_some_and(|f| own(f.day)) {
        let before = index.checked_sub(1).and_then(|i| pasts.get(i));
        memory.last_failure = before.and_then(|p| p.climb.memory.last_failure.clone());
    }
    Some(Climb::open(
        climb.id.clone(),
        climb.line.clone(),
        climb.incumbent.clone(),
        &climb.rung,
        climb.opened,
        memory,
    ))
}

//! One write through the one door, step by step: what lets it out, what becomes of it, what is read back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rungwise::{
    app::{
        Desk,
        apply::{Door, Progress, READ_LAG_MS, apply, missing_promise},
        pull::READ_NOTE,
    },
    domain::{
        CampaignId, HOUR_MS, Moment, ObjectId, OpKey, Policy, Status, Tree,
        climb::PlanOutcome,
        likeness::{fingerprint, likeness},
        plan::{
            Action, Approval, ApprovedPlan, Aspect, Bindings, Expectation, ObjectKind, Op, Plan,
            PlanKind, Target,
        },
        policy::Mode,
        write_log::{Entry, WriteStatus},
    },
    ports::{
        MetaClass, Record, StopSwitch,
        meta::{Activity, Interference},
        store::{PlanRow, StoreError, arm},
    },
};

use super::{
    approvals,
    caps::{eur, policy},
    door::{account, climb_row, runtime},
    memory::Memory,
    paper::{Paper, Shown, ThrownAt, Ticks, template, tree},
};

/// A Wednesday at noon.
const NOON: Moment = Moment::from_millis(1_767_787_200_000);

/// A shop with a campaign 10 of 50.00 a day and a campaign 20 that is off, and one approved plan.
struct Shop {
    policy: Policy,
    ticks: Arc<Ticks>,
    store: Memory,
    paper: Paper,
    row: PlanRow,
}

fn action(key: &str, op: Op) -> Action {
    Action {
        key: key.to_owned(),
        op_key: OpKey::new(format!("K{key}")).expect("legal"),
        request: template(&op),
        op,
        expects: vec![],
        not_before: None,
        reason: String::new(),
    }
}

fn campaign(id: &str) -> Target {
    Target::from(&CampaignId::new(id).expect("digits"))
}

/// Sets the budget of campaign 10.
fn budget(key: &str, to: i64) -> Action {
    let (object, kind) = (campaign("10"), ObjectKind::Campaign);
    action(key, Op::SetDailyBudget { object, kind, to: eur(to) })
}

fn switch(key: &str, id: &str, to: Status) -> Action {
    let (object, kind) = (campaign(id), ObjectKind::Campaign);
    action(key, Op::SetStatus { object, kind, to })
}

fn forget_rule() -> Action {
    let rule = Target::Id(ObjectId::new("77").expect("digits"));
    action("rule", Op::DeleteRule { rule })
}

fn expect(aspect: Aspect, value: impl Into<String>) -> Expectation {
    let (object, kind) = (campaign("10"), ObjectKind::Campaign);
    Expectation { object, kind, aspect, value: value.into() }
}

fn trees() -> Vec<Tree> {
    vec![tree(10, 5_000, true, true, None), tree(20, 3_000, true, false, None)]
}

impl Shop {
    fn new(kind: PlanKind, actions: Vec<Action>) -> Self {
        Self::with(kind, actions, |_| {})
    }
    fn with(kind: PlanKind, actions: Vec<Action>, change: impl FnOnce(&mut Plan)) -> Self {
        let ticks = Ticks::new(NOON, 1, 0);
        let mut plan = approvals::plan(kind, actions, "agent");
        plan.expires = NOON.plus(24 * HOUR_MS);
        plan.money.extra_total = eur(0);
        change(&mut plan);
        let row = PlanRow {
            hash: plan.hash(),
            line: plan.line.clone(),
            climb: plan.climb.clone(),
            kind: plan.kind,
            created: plan.created,
            expires: plan.expires,
            bytes: plan.bytes(),
            end: None,
        };
        let store = Memory::new(Arc::clone(&ticks));
        {
            let mut held = store.held();
            held.account = Some(account());
            held.climbs = vec![climb_row("10"), climb_row("20")];
            held.notes.insert(READ_NOTE.to_owned(), NOON.millis().to_string());
            held.plans.push(row.clone());
        }
        let paper = Paper::new(trees(), Arc::clone(&ticks), 1, 0);
        let shop = Self { policy: policy(Mode::Supervised), ticks, store, paper, row };
        shop.answer(true);
        shop
    }
    fn answer(&self, granted: bool) {
        let (plan, by) = (self.row.hash.clone(), "ben".to_owned());
        let answer = Approval { plan, by, at: NOON, granted, note: String::new() };
        self.store.held().approvals.push(answer);
    }
    /// One pass with this switch: how far it got, and what a person must look at.
    fn pass_with(&self, switch: &impl StopSwitch) -> (Progress, Vec<String>) {
        self.pass_through(switch, None)
    }
    fn pass_through(
        &self,
        switch: &impl StopSwitch,
        no_raises: Option<&'static str>,
    ) -> (Progress, Vec<String>) {
        let desk = Desk {
            store: &self.store,
            meta: &self.paper,
            clock: &*self.ticks,
            policy: &self.policy,
            actor: "agent",
        };
        let mut door = Door { writer: &self.paper, switch, no_raises, alarms: vec![] };
        let progress = runtime().block_on(apply(desk, &mut door, &self.row)).expect("no bad store");
        (progress, door.alarms)
    }
    fn pass(&self) -> Progress {
        self.pass_with(&ThrownAt(Arc::clone(&self.ticks), None)).0
    }
    fn sent(&self) -> Vec<String> {
        self.paper.world().sent.iter().map(|s| s.op_key.clone()).collect()
    }
    fn links(&self, kind: &str) -> usize {
        self.store.held().links.iter().filter(|(k, _)| k == kind).count()
    }
    fn entries(&self) -> Vec<Entry> {
        let held = self.store.held();
        held.intents.iter().flat_map(|i| i.entries.iter().map(|(_, e)| *e)).collect()
    }
    fn outcome(&self) -> Option<String> {
        self.store.held().plans[0].end.as_ref().map(|e| e.outcome.clone())
    }
    fn verified(&self) -> Vec<bool> {
        self.store.held().intents.iter().map(|i| i.verified).collect()
    }
}

fn waits(progress: &Progress, why: &str) -> bool {
    matches!(progress, Progress::Waiting(text) if text.contains(why))
}

fn ended(progress: &Progress, outcome: PlanOutcome, why: &str) -> bool {
    matches!(progress, Progress::Ended(o, text, _) if *o == outcome && text.contains(why))
}

#[test]
fn a_plan_is_done_when_every_write_is_done_verified_and_told() {
    let shop =
        Shop::new(PlanKind::Shift, vec![budget("a", 4_900), switch("b", "20", Status::Paused)]);
    assert_eq!(shop.pass(), Progress::Done(Bindings::new()));
    assert_eq!((shop.sent(), shop.verified()), (vec!["Ka".into(), "Kb".into()], vec![true, true]));
    assert_eq!(
        shop.entries(),
        [Entry::Started, Entry::Succeeded, Entry::Started, Entry::Succeeded]
    );
    for (kind, count) in [("write_began", 2), ("write_ended", 2), ("write_verified", 2)] {
        assert_eq!(shop.links(kind), count, "{kind}");
    }
    assert_eq!((shop.outcome().as_deref(), shop.links("plan_ended")), (Some("done"), 1));
}

#[test]
fn a_plan_without_a_yes_waits_until_it_expires_and_then_ends() {
    for (hours, waiting) in [(0, true), (24, true), (25, false)] {
        let shop = Shop::new(PlanKind::Shift, vec![budget("a", 5_100)]);
        shop.store.held().approvals.clear();
        shop.ticks.advance(hours * HOUR_MS);
        let progress = shop.pass();
        assert_eq!(waits(&progress, "approved"), waiting, "{hours}: {progress:?}");
        assert_eq!(ended(&progress, PlanOutcome::Expired, "not approved"), !waiting);
        assert_eq!(shop.sent(), Vec::<String>::new());
    }
    let shop = Shop::new(PlanKind::Shift, vec![budget("a", 5_100)]);
    shop.answer(false);
    assert!(ended(&shop.pass(), PlanOutcome::Rejected, "ben"));
    assert_eq!(shop.outcome().as_deref(), Some("rejected"));
}

#[test]
fn a_yes_that_was_not_used_in_time_is_none_and_a_plan_begun_in_time_is_finished() {
    let late = Action { not_before: Some(NOON.plus(30 * HOUR_MS)), ..budget("b", 4_800) };
    let shop = Shop::new(PlanKind::Shift, vec![budget("a", 4_900), late.clone()]);
    assert!(waits(&shop.pass(), "not due"));
    shop.ticks.advance(30 * HOUR_MS);
    assert_eq!(shop.pass(), Progress::Done(Bindings::new()));
    let shop = Shop::new(PlanKind::Shift, vec![late]);
    shop.ticks.advance(30 * HOUR_MS);
    assert!(ended(&shop.pass(), PlanOutcome::Expired, ""));
    assert_eq!(shop.sent(), Vec::<String>::new());
}

#[test]
fn a_yes_to_one_plan_is_none_to_another() {
    let other = Shop::new(PlanKind::Shift, vec![budget("b", 4_800)]).row;
    let shop = Shop::new(PlanKind::Shift, vec![budget("a", 4_900)]);
    {
        let mut held = shop.store.held();
        held.approvals[0].plan = other.hash.clone();
        held.plans.push(other);
    }
    assert!(waits(&shop.pass(), "nobody has approved it yet"));
    assert_eq!(shop.sent(), Vec::<String>::new());
}

/// Never thrown, but an hour passes whenever it is asked.
struct SlowSwitch(Arc<Ticks>);

impl StopSwitch for SlowSwitch {
    fn stopped(&self) -> Option<String> {
        self.0.advance(HOUR_MS);
        None
    }
}

#[test]
fn a_plan_that_expires_between_the_yes_and_its_first_write_sends_nothing() {
    let pass = |ms| {
        let writes = vec![budget("a", 4_900), budget("b", 4_800)];
        let shop = Shop::with(PlanKind::Shift, writes, |plan| plan.expires = NOON.plus(ms));
        let (progress, _) = shop.pass_with(&SlowSwitch(Arc::clone(&shop.ticks)));
        (shop, progress)
    };
    let (shop, progress) = pass(HOUR_MS);
    assert_eq!(progress, Progress::Done(Bindings::new()), "begun at the last moment");
    assert_eq!(shop.sent(), ["Ka", "Kb"]);
    let (shop, progress) = pass(HOUR_MS - 1);
    assert!(waits(&progress, "expired before its first write"), "{progress:?}");
    assert!(ended(&shop.pass(), PlanOutcome::Expired, "not approved"));
    assert_eq!((shop.sent(), shop.entries()), (vec![], vec![]));
}

#[test]
fn a_pass_that_may_not_raise_lowers_all_the_same() {
    for (to, goes) in [(4_900, true), (5_100, false)] {
        let shop = Shop::new(PlanKind::Shift, vec![budget("a", to)]);
        let never = ThrownAt(Arc::clone(&shop.ticks), None);
        let (progress, _) = shop.pass_through(&never, Some("it is blind"));
        assert_eq!(waits(&progress, "it is blind"), !goes, "{progress:?}");
        assert_eq!(shop.sent().len(), usize::from(goes));
    }
}

#[test]
fn a_write_leaves_at_its_time_and_not_a_moment_before() {
    let due = NOON.plus(HOUR_MS);
    let write = Action { not_before: Some(due), ..budget("a", 4_900) };
    let shop = Shop::new(PlanKind::Shift, vec![write]);
    shop.ticks.advance(HOUR_MS - 1);
    assert!(waits(&shop.pass(), "not due before"));
    shop.ticks.advance(1);
    assert_eq!(shop.pass(), Progress::Done(Bindings::new()));
}

#[test]
fn a_plan_is_carried_out_while_everything_it_expects_holds_and_a_persons_edit_ends_it() {
    let world = trees();
    let likened = |switches| fingerprint(&likeness(&world[0], switches));
    let all = || {
        vec![
            expect(Aspect::Status, "ACTIVE"),
            expect(Aspect::DailyBudget, "5000"),
            expect(Aspect::Tree, likened(true)),
            expect(Aspect::Content, likened(false)),
        ]
    };
    let write = || Action { expects: all(), ..switch("a", "10", Status::Paused) };
    let shop = Shop::new(PlanKind::End, vec![write()]);
    assert_eq!(shop.pass(), Progress::Done(Bindings::new()));

    for wrong in 0..4 {
        let mut write = write();
        write.expects = vec![write.expects[wrong].clone()];
        write.expects[0].value.push('1');
        let shop = Shop::new(PlanKind::End, vec![write]);
        let progress = shop.pass();
        assert!(ended(&progress, PlanOutcome::Stale, "edit wins"), "{wrong}: {progress:?}");
        assert_eq!((shop.sent(), shop.outcome().as_deref()), (vec![], Some("stale")));
    }
    let mut write = write();
    write.expects[0].object = Target::Created("campaign".to_owned());
    let shop = Shop::new(PlanKind::End, vec![write]);
    assert!(ended(&shop.pass(), PlanOutcome::Stale, "{campaign} does not exist yet"));
}

#[test]
fn a_tree_whose_switches_moved_is_not_the_same_tree_but_has_the_same_content() {
    // A fingerprint is over the fields as Meta tells them.
    let switched = |word: &str| {
        let mut world = trees();
        world[0].adsets[0].fields.insert("status".to_owned(), word.into());
        world
    };
    let world = switched("ACTIVE");
    let ask = |aspect, switches| {
        let expects = vec![expect(aspect, fingerprint(&likeness(&world[0], switches)))];
        let write = Action { expects, ..switch("a", "20", Status::Paused) };
        let shop = Shop::new(PlanKind::End, vec![write]);
        shop.paper.world().trees = switched("PAUSED");
        shop.pass()
    };
    assert!(ended(&ask(Aspect::Tree, true), PlanOutcome::Stale, "edit wins"));
    assert_eq!(ask(Aspect::Content, false), Progress::Done(Bindings::new()));
}

#[test]
fn nothing_but_the_request_that_was_approved_is_sent() {
    let mut write = budget("a", 4_900);
    write.request.params[0].1 = "4901".to_owned();
    let shop = Shop::new(PlanKind::Shift, vec![write]);
    assert!(ended(&shop.pass(), PlanOutcome::Failed, "not the one that was approved"));
    assert_eq!(shop.sent(), Vec::<String>::new());
}

#[test]
fn a_refusal_ends_the_plan_and_what_was_not_sent_is_tried_again() {
    let shop = Shop::new(PlanKind::Shift, vec![budget("a", 4_900), budget("b", 4_800)]);
    shop.paper.world().script.push_back((Some(MetaClass::Refused), false));
    assert!(ended(&shop.pass(), PlanOutcome::Failed, "refused a"));
    assert_eq!(
        (shop.sent(), shop.entries()),
        (vec!["Ka".into()], vec![Entry::Started, Entry::Refused])
    );
    assert!(ended(&shop_again(&shop), PlanOutcome::Failed, "refused a"), "no is no");
    assert_eq!(shop.sent(), ["Ka"]);

    let shop = Shop::new(PlanKind::Shift, vec![budget("a", 4_900)]);
    shop.paper.world().script.push_back((Some(MetaClass::NotSent), false));
    assert!(waits(&shop.pass(), "a was not sent"));
    assert_eq!(shop.entries(), [Entry::Started, Entry::FoundAbsent]);
    assert_eq!(shop.pass(), Progress::Done(Bindings::new()));
    assert_eq!(shop.sent(), ["Ka", "Ka"]);
}

/// A pass over a plan that has ended already.
fn shop_again(shop: &Shop) -> Progress {
    shop.store.held().plans[0].end = None;
    shop.pass()
}

#[test]
fn a_write_nobody_answered_is_in_doubt_and_never_sent_again() {
    for applied in [false, true] {
        let shop = Shop::new(PlanKind::Shift, vec![budget("a", 4_900), budget("b", 4_800)]);
        shop.paper.world().script.push_back((Some(MetaClass::Lost), applied));
        assert!(waits(&shop.pass(), "nobody knows whether a happened"));
        assert_eq!(shop.entries(), [Entry::Started, Entry::OutcomeUnknown]);
        shop.ticks.advance(HOUR_MS);
        assert!(waits(&shop.pass(), "a is in doubt"));
        assert_eq!(shop.sent(), ["Ka"]);
    }
}

#[test]
fn what_was_to_go_and_is_gone_already_is_done_and_anything_else_that_is_gone_is_refused() {
    let gone = |write| {
        let shop = Shop::new(PlanKind::End, vec![write]);
        shop.store.held().free = true;
        shop.paper.world().script.push_back((Some(MetaClass::Gone), false));
        (shop.pass(), shop.entries()[1])
    };
    assert_eq!(gone(forget_rule()), (Progress::Done(Bindings::new()), Entry::Succeeded));
    let (progress, entry) = gone(switch("a", "10", Status::Paused));
    assert!(ended(&progress, PlanOutcome::Failed, "refused a"), "{progress:?}");
    assert_eq!(entry, Entry::Refused);
    let shop = Shop::new(PlanKind::End, vec![forget_rule()]);
    shop.store.held().free = true;
    shop.paper.world().script.push_back((Some(MetaClass::Refused), false));
    assert!(ended(&shop.pass(), PlanOutcome::Failed, "refused rule"), "a no to a removal is a no");
}

#[test]
fn a_write_that_does_not_show_yet_is_waited_for_and_after_a_quarter_of_an_hour_it_has_failed() {
    assert_eq!(READ_LAG_MS, 900_000);
    let lagging = || {
        let shop = Shop::new(PlanKind::Shift, vec![budget("a", 4_900)]);
        shop.paper.world().shows = Some(Shown::This(BTreeMap::new()));
        assert!(waits(&shop.pass(), "not visible yet"));
        assert_eq!(shop.verified(), [false]);
        shop
    };
    let shop = lagging();
    shop.ticks.advance(READ_LAG_MS - 1);
    assert!(waits(&shop.pass(), "not visible yet"));
    shop.paper.world().shows = None;
    assert_eq!(shop.pass(), Progress::Done(Bindings::new()));
    assert_eq!((shop.sent(), shop.verified()), (vec!["Ka".into()], vec![true]));

    let shop = lagging();
    shop.ticks.advance(READ_LAG_MS);
    assert!(ended(&shop.pass(), PlanOutcome::Failed, "did not hold"));
    assert_eq!(shop.links("write_contradicted"), 1, "Meta said yes and shows something else");
    let shop = lagging();
    shop.paper.world().shows = Some(Shown::Nothing);
    shop.ticks.advance(READ_LAG_MS);
    assert!(ended(&shop.pass(), PlanOutcome::Failed, "cannot be read"));
    assert_eq!(shop.links("write_contradicted"), 0, "what cannot be read contradicts nothing");
}

#[test]
fn what_was_verified_once_is_not_held_against_a_person_who_changes_it_later() {
    let later =
        Action { not_before: Some(NOON.plus(HOUR_MS)), ..switch("b", "20", Status::Paused) };
    let shop = Shop::new(PlanKind::Shift, vec![budget("a", 4_900), later]);
    assert!(waits(&shop.pass(), "not due"));
    shop.paper.world().trees[0].campaign.daily_budget = Some(eur(7_000));
    shop.ticks.advance(HOUR_MS);
    assert_eq!(shop.pass(), Progress::Done(Bindings::new()));
    assert_eq!(shop.links("write_verified"), 2);
}

/// Off when it is asked for the first time, on from then on.
struct ThrownAfterOneLook(AtomicU32);

impl StopSwitch for ThrownAfterOneLook {
    fn stopped(&self) -> Option<String> {
        (self.0.fetch_add(1, Ordering::SeqCst) > 0).then(|| "thrown".to_owned())
    }
}

#[test]
fn the_switch_is_asked_once_more_when_nothing_but_the_send_is_left() {
    let pass = |pause_challengers| {
        let mut shop = Shop::new(PlanKind::End, vec![switch("a", "10", Status::Paused)]);
        shop.policy.stop.pause_challengers = pause_challengers;
        let (progress, _) = shop.pass_with(&ThrownAfterOneLook(AtomicU32::new(0)));
        (progress, shop.sent().len(), shop.entries()[1])
    };
    let (progress, sent, entry) = pass(false);
    assert!(waits(&progress, "kill switch"), "{progress:?}");
    assert_eq!((sent, entry), (0, Entry::FoundAbsent), "it certainly never left");
    let (progress, sent, _) = pass(true);
    assert_eq!((progress, sent), (Progress::Done(Bindings::new()), 1));
}

#[test]
fn what_else_acts_on_a_campaign_holds_its_raise_back_by_name_and_never_a_cut() {
    let ask = |to| {
        let shop = Shop::new(PlanKind::Shift, vec![budget("a", to)]);
        let (kind, id, name) = ("rule".to_owned(), "91".to_owned(), "Night owl".to_owned());
        shop.paper.world().meddling = vec![Interference { kind, id, name }];
        shop.pass()
    };
    assert!(waits(&ask(5_100), "rule 91 (Night owl) also acts on campaign 10"));
    assert_eq!(ask(4_900), Progress::Done(Bindings::new()));
}

#[test]
fn what_forbids_raises_is_asked_for_before_a_raise_and_lets_every_cut_pass() {
    let ask = |to| {
        let shop = Shop::new(PlanKind::Shift, vec![budget("a", to)]);
        shop.store.held().account.as_mut().expect("an account").status = 2;
        shop.pass()
    };
    assert!(waits(&ask(5_100), "status is 2"));
    assert_eq!(ask(4_900), Progress::Done(Bindings::new()));
}

#[test]
fn a_test_is_bounded_by_the_end_of_its_own_campaign_and_no_other() {
    let start = |ten: Option<Moment>, twenty: Option<Moment>| {
        let on = vec![switch("a", "20", Status::Active)];
        let shop = Shop::with(PlanKind::Activate, on, |plan| plan.money.extra_total = eur(90_000));
        let world = vec![tree(10, 5_000, true, true, ten), tree(20, 3_000, true, false, twenty)];
        shop.paper.world().trees = world;
        (shop.pass(), shop.outcome())
    };
    let end = NOON.plus(7 * 24 * HOUR_MS);
    assert_eq!(start(None, Some(end)).0, Progress::Done(Bindings::new()));
    let (progress, outcome) = start(Some(end), None);
    assert!(ended(&progress, PlanOutcome::Failed, "no end that Meta itself would keep"));
    assert_eq!(outcome.as_deref(), Some("failed"));
}

#[test]
fn an_edit_by_somebody_else_while_we_write_is_told_and_the_climb_is_held() {
    let at = |ms| NOON.plus(ms);
    let raced = |at: Moment, event: &str, object: &str, ours: Option<bool>| {
        let shop = Shop::new(PlanKind::Shift, vec![budget("a", 4_900)]);
        let (event, object, name) = (event.to_owned(), object.to_owned(), String::new());
        shop.paper.world().told = vec![Activity { at, event, object, name, ours }];
        let (progress, alarms) = shop.pass_with(&ThrownAt(Arc::clone(&shop.ticks), None));
        assert_eq!(progress, Progress::Done(Bindings::new()), "what is written is written");
        let held = shop.store.held().notes.values().any(|v| v.contains("somebody else"));
        assert_eq!((shop.links("edit_race") == 1, held), (alarms.len() == 1, alarms.len() == 1));
        alarms.len() == 1
    };
    for event in ["update_campaign_budget", "edit_name", "delete_campaign"] {
        assert!(raced(at(0), event, "10", Some(false)), "{event}");
    }
    assert!(
        raced(at(-5_000), "update_campaign_budget", "10", Some(false)),
        "five seconds are near"
    );
    assert!(
        !raced(at(-5_001), "update_campaign_budget", "10", Some(false)),
        "and a moment more is not"
    );
    assert!(!raced(at(0), "update_campaign_budget", "20", Some(false)), "another object");
    for ours in [Some(true), None] {
        assert!(!raced(at(0), "update_campaign_budget", "10", ours), "our own write, or unknown");
    }
    for event in ["update_learning_stage", "ad_review_update", "update_delivery", "create_ad"] {
        assert!(!raced(at(0), event, "10", Some(false)), "{event} is no edit of the object");
    }
}

#[test]
fn a_write_that_moves_no_money_cannot_race_with_anybody() {
    let shop = Shop::new(PlanKind::End, vec![forget_rule()]);
    shop.store.held().free = true;
    let (event, object) = ("update_rule".to_owned(), "77".to_owned());
    let (name, ours) = (String::new(), Some(false));
    shop.paper.world().told = vec![Activity { at: NOON, event, object, name, ours }];
    let (progress, alarms) = shop.pass_with(&ThrownAt(Arc::clone(&shop.ticks), None));
    assert_eq!((progress, alarms), (Progress::Done(Bindings::new()), vec![]));
}

#[test]
fn a_promise_is_kept_when_a_read_shows_it_and_a_removal_also_when_nothing_is_there() {
    let write = budget("a", 4_900);
    let shown = |value: &str| BTreeMap::from([(Aspect::DailyBudget, value.to_owned())]);
    assert_eq!(missing_promise(&write, Some(&shown("4900"))), None);
    let wrong = missing_promise(&write, Some(&shown("5000"))).expect("not kept");
    assert!(wrong.contains("5000") && wrong.contains("4900"), "{wrong}");
    assert!(missing_promise(&write, Some(&BTreeMap::new())).is_some());
    assert_eq!(missing_promise(&write, None).as_deref(), Some("it cannot be read"));
    let rule = forget_rule();
    assert_eq!(missing_promise(&rule, None), None);
    let status = |word: &str| BTreeMap::from([(Aspect::Status, word.to_owned())]);
    assert_eq!(missing_promise(&rule, Some(&status("DELETED"))), None);
    assert!(missing_promise(&rule, Some(&status("ENABLED"))).is_some());
}

#[test]
fn nothing_is_armed_that_is_not_listed_started_and_told_in_the_same_commit() {
    let write = budget("a", 4_900);
    let (name, campaign, spend_over) = ("Bound".to_owned(), campaign("20"), eur(90_000));
    let op = Op::CreatePauseRule { name, campaign, spend_over };
    let create = Action { op, ..budget("rule", 4_700) };
    let all = vec![write.clone(), budget("b", 4_800), create.clone()];
    let shop = Shop::new(PlanKind::Shift, all);
    shop.store.held().free = true;
    let yes = shop.store.held().approvals.clone();
    let approved = ApprovedPlan::new(&shop.row.bytes, &shop.row.hash, &yes, 1, NOON, false);
    let approved = approved.expect("approved");
    let intent = |of: &Action| {
        Record::Intent(rungwise::ports::store::IntentRow {
            op_key: of.op_key.clone(),
            plan: shop.row.hash.clone(),
            action: of.key.clone(),
            creates: None,
            request: of.request.clone(),
            at: NOON,
            entries: vec![],
            object: None,
            verified: false,
        })
    };
    let entry = |of: &Action, entry| Record::Entry {
        op_key: of.op_key.clone(),
        at: NOON,
        entry,
        object: None,
    };
    let link = || Record::Audit { at: NOON, kind: "write_began".to_owned(), body: vec![] };
    let ask = |action: &Action, batch: Vec<Record>| {
        let request = action.request.clone();
        runtime().block_on(arm(&shop.store, &approved, action, request, batch))
    };
    let other = budget("b", 4_800);
    let altered = Action { not_before: Some(NOON), ..write.clone() };
    let whole = |of: &Action| vec![intent(of), entry(of, Entry::Started), link()];
    for (action, batch) in [
        (&altered, whole(&write)),
        (&write, vec![intent(&write), entry(&write, Entry::Started)]),
        (&write, vec![intent(&write), link()]),
        (&write, whole(&other)),
        (&write, vec![intent(&write), entry(&write, Entry::Succeeded), link()]),
        (&write, vec![]),
    ] {
        let refused = ask(action, batch);
        assert!(matches!(refused, Err(StoreError::Document { .. })), "{refused:?}");
        assert!(shop.store.held().intents.is_empty(), "nothing of it is on disk");
    }
    let armed = ask(&write, whole(&write)).expect("an authorised write");
    assert_eq!(
        (armed.op_key(), armed.request(), armed.creates()),
        (&write.op_key, &write.request, None)
    );
    let log = shop.store.held().intents[0].entries.iter().map(|(_, e)| *e).collect::<Vec<_>>();
    assert_eq!(WriteStatus::fold(log), Ok(WriteStatus::InDoubt));
    let armed = ask(&create, whole(&create)).expect("an authorised creation");
    assert_eq!(armed.creates(), Some(ObjectKind::Rule));
}

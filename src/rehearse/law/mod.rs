//! What must hold, each with its name: judged from commits, requests and the truth of the world, never from what the
//! agent says of itself.

pub mod identity;
pub mod life;
pub mod money;
pub mod order;
pub mod record;

/// Something that does not hold: the invariant's name and what was seen.
pub type Finding = (&'static str, String);

/// Every invariant: its name and what it says.
pub const INVARIANTS: &[(&str, &str)] = &[
    // Money
    (
        "no_climb_adds_more_than_was_approved",
        "our writes never add more daily budget than the approved plans of a climb say",
    ),
    (
        "daily_budgets_stay_within_the_limit",
        "no write of ours raises the daily budgets of what is managed above limits.max_daily_spend",
    ),
    ("raises_are_small", "a raise is at most one step of the budget it raises"),
    (
        "raises_are_rare",
        "raises of one object keep their distance, and no more than so many fall into seven days",
    ),
    (
        "the_bound_precedes_the_money",
        "a challenger is turned on only when Meta itself will end it within the approved total",
    ),
    (
        "a_test_stays_within_its_total",
        "a challenger never spends more than was approved, by a living or a dead agent",
    ),
    ("a_test_knows_its_budgets", "a test states the daily budgets its arms truly have"),
    (
        "a_dead_agent_leaves_the_run_rate",
        "when the authorised time is over, a line spends no more a week than its run-rate, for a year",
    ),
    (
        "a_dead_agent_leaves_no_line_dark",
        "a line whose budget was approved still runs when the agent is dead",
    ),
    (
        "no_raise_while_unsure",
        "nothing is raised while a write is in doubt, the account is not active, a blackout holds or the clock is off",
    ),
    ("the_safe_direction_stays_open", "no pause and no cut is ever blocked"),
    (
        "nothing_is_written_to_an_odd_account",
        "nothing is written while currency or zone are not those of the plan",
    ),
    (
        "one_test_at_a_time",
        "no test begins while a challenger of another climb of the account is on",
    ),
    // Identity
    ("one_object_per_write", "one living object per write, and never two that are on"),
    ("one_active_copy_per_rung", "one copy of a campaign at a rung is on at most"),
    (
        "leftovers_are_put_away",
        "a second object of one write is gone within a day of becoming visible",
    ),
    ("no_orphan", "what carries our marker has a write on disk"),
    ("no_ghost", "what a settled creation made is in the world"),
    ("an_object_belongs_to_one_write", "an object is bound to one write, once"),
    (
        "nothing_foreign_is_written",
        "only our own objects and the campaign of the climb are written to",
    ),
    (
        "nothing_unverified_is_switched_on",
        "a campaign is turned on when every write of its tree has been read back",
    ),
    (
        "what_is_switched_on_is_what_was_ordered",
        "every object a challenger was ordered with stands when its campaign is turned on",
    ),
    (
        "a_challenger_is_like_its_incumbent",
        "what a challenger shows, and to whom, its incumbent shows too when the challenger is turned on",
    ),
    ("money_starts_at_one_write", "children are on before their campaign, never after"),
    ("everything_is_created_paused", "creations are PAUSED"),
    ("what_we_create_carries_its_marker", "the name of a creation ends in the key of its write"),
    ("an_op_key_belongs_to_one_action", "no two actions of all plans have the same key"),
    (
        "an_object_comes_of_its_own_write",
        "a write is bound to what its own request made, to nothing else",
    ),
    // Order and authority
    (
        "intent_and_audit_precede_the_send",
        "a request leaves on a commit of this life that names exactly this request",
    ),
    (
        "every_entry_has_its_audit_link",
        "an entry of a write's log and its audit link are one commit",
    ),
    ("write_logs_are_possible", "every write's log is a path the domain knows"),
    (
        "no_write_is_repeated_without_proof_of_absence",
        "no write is sent again before it was proven absent",
    ),
    (
        "absence_is_proven_by_two_readings",
        "absent means two complete readings, apart and late enough, or certainly not sent",
    ),
    (
        "lower_before_raise",
        "within a plan a raise waits until every earlier cut has been read back",
    ),
    ("a_recorded_no_is_true", "what is recorded as refused or absent has changed nothing at Meta"),
    ("a_failed_plan_sends_nothing_more", "after a refused write nothing of its plan leaves"),
    (
        "an_open_breaker_lets_only_cuts_out",
        "after three refusals in a row, two lost answers in an hour or a contradiction only cuts leave",
    ),
    (
        "autonomy_waits_for_a_person",
        "after a failure of its own the policy approves nothing before a person lifts it",
    ),
    ("a_dead_agent_sends_nothing", "no request comes from an earlier life"),
    ("nothing_is_sent_while_stopped", "the kill switch is heard before every send"),
    ("a_persons_edit_wins", "a write leaves only while the world is as its plan expected"),
    (
        "a_persons_edit_is_not_overwritten",
        "no write changes what somebody else changed after the plan was made",
    ),
    ("approval_precedes_the_write", "a plan is approved and not rejected before its first write"),
    ("an_expired_plan_begins_nothing", "the first write of a plan begins before the plan expires"),
    (
        "what_was_aborted_begins_nothing",
        "no plan that was filed before a person's abort begins to spend after it",
    ),
    ("an_edit_names_one_object", "a write is about one object and says what to change"),
    ("each_day_counts_once", "the days of a decision's evidence are in order, each once"),
    ("dry_modes_write_nothing", "observe and propose send no write"),
    // Record
    ("the_audit_chain_verifies", "the chain verifies and has every copied head"),
    (
        "every_request_is_audited",
        "as many requests as began links, and no more ends than beginnings",
    ),
    ("decisions_are_written_once", "a decision is written once"),
    ("history_never_changes", "what was committed is what is on disk"),
    ("decisions_replay_to_the_same_bytes", "a decision replays to the same bytes"),
    (
        "decisions_stand_on_evidence",
        "a decision names evidence that is stored under the hash of its bytes",
    ),
    ("decisions_rest_on_closed_days", "no day counts as complete before it has settled"),
    ("audit_bodies_are_json", "audit bodies are JSON"),
    ("no_secret_is_recorded", "no record holds a secret"),
    // Life
    ("nothing_panics", "nothing panics"),
    ("a_pass_fails_for_a_reason", "a pass ends early only by what was done to it"),
    ("a_person_can_answer", "a person's yes or no is taken"),
    ("doubts_end", "two hours without trouble leave no write in doubt"),
    ("a_climb_waits_for_an_open_plan_only", "a climb waits for a plan that is open"),
    ("every_open_plan_is_waited_for", "every open plan has a climb that waits for it"),
    ("no_climb_is_stranded", "a climb that could go on has a plan or a reason"),
    ("nothing_of_ours_runs_unwatched", "what we turned on belongs to a climb"),
    ("no_line_is_left_dark", "a line we turned off for another runs on one of its campaigns"),
    (
        "a_cut_is_given_back",
        "a line that was cut for a split test without a promotion has again what it had",
    ),
    ("stuck_is_paused", "what is stuck spends nothing of ours"),
    ("the_database_is_sound", "the file's integrity and foreign keys are in order"),
    ("a_restart_writes_nothing", "a restart without events writes nothing"),
    (
        "verdicts_come_at_looks",
        "a verdict comes at a scheduled look, at the end of the authorised time, or by stop-loss and command",
    ),
    ("the_stop_loss_ends_a_test", "no test goes on past its stop-loss"),
    (
        "a_spoiled_test_has_no_verdict",
        "a test whose budgets or switches somebody else moved is judged only after a person said so",
    ),
    ("a_climb_ends_in_spite_of_crashes", "a climb ends whatever crashes"),
    ("a_story_repeats", "the same seed gives the same story"),
];

/// True for a name in the list.
pub fn is_named(name: &str) -> bool {
    INVARIANTS.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod stories;

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::super::{
        books::BookedWrite,
        witness::{Leaving, Mandate, Witness},
    };
    use crate::{
        domain::{
            Moment, OpKey,
            plan::{Approval, PlanHash, Template},
            write_log::Entry,
        },
        ports::Record,
        sandbox::Standing,
    };

    pub(crate) const AT: Moment = Moment::from_millis(0);

    pub(crate) fn standing(kind: &'static str, id: &str, status: &str) -> Standing {
        Standing {
            id: id.to_owned(),
            kind,
            campaign: "0".to_owned(),
            name: String::new(),
            status: status.to_owned(),
            daily_budget: None,
            spend_cap: None,
            end_time: None,
            source: String::new(),
            event: String::new(),
            shows: String::new(),
            refused: false,
        }
    }
    pub(crate) fn edit(path: &str, name: &str, value: &str) -> Template {
        let params = vec![(name.to_owned(), value.to_owned())];
        Template { method: "POST".to_owned(), path: path.to_owned(), params }
    }
    pub(crate) fn key(text: &str) -> OpKey {
        OpKey::new(text).unwrap()
    }
    pub(crate) fn entry(op_key: &str, entry: Entry) -> Record {
        Record::Entry { op_key: key(op_key), at: AT, entry, object: None }
    }
    pub(crate) fn audit(kind: &str, body: &serde_json::Value) -> Record {
        Record::Audit { at: AT, kind: kind.into(), body: body.to_string().into() }
    }
    pub(crate) fn began(op_key: &str, plan: &str, template: &Template) -> Vec<Record> {
        let body = json!({"op_key": op_key, "plan": plan, "request_digest": template.digest()});
        vec![entry(op_key, Entry::Started), audit("write_began", &body)]
    }
    /// A write that has created a campaign.
    pub(crate) fn booked(object: &str) -> BookedWrite {
        BookedWrite {
            plan: "aa".to_owned(),
            action: "campaign".to_owned(),
            creates: true,
            request: edit("act_1/campaigns", "status", "PAUSED"),
            entries: Vec::new(),
            object: Some(object.to_owned()),
            verified: false,
        }
    }
    pub(crate) fn approved(plan: &str, granted: bool) -> Record {
        let (plan, by, note) = (PlanHash::named(plan), "a".to_owned(), String::new());
        Record::Approval(Approval { plan, by, at: AT, granted, note })
    }
    pub(crate) fn account() -> (String, String) {
        Mandate::default().account
    }
    pub(crate) fn send(w: &mut Witness, template: &Template, world: &[Standing]) {
        let (account, account_status) = (account(), 1);
        w.sends(Leaving {
            template,
            stopped: None,
            world,
            now: AT,
            account: &account,
            account_status,
        });
    }
    /// The invariants a made-up story breaks.
    pub(crate) fn found(act: impl FnOnce(&mut Witness)) -> Vec<&'static str> {
        let mut witness = Witness::new(1, Mandate::default());
        act(&mut witness);
        witness.into_parts().0.into_iter().map(|v| v.invariant).collect()
    }

    #[test]
    fn names_are_unique_and_there_are_forty_of_them() {
        let mut names: Vec<&str> = super::INVARIANTS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), super::INVARIANTS.len());
        assert!(names.len() >= 40, "{}", names.len());
    }
}

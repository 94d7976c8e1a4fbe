//! Order and authority: who may send what, and when.

use serde_json::Value;

use super::super::{
    books::{FiledPlan, body_text},
    witness::{Leaving, Witness},
};
use crate::{
    app::reconcile,
    domain::{
        HOUR_MS, Moment, Status,
        plan::{AUTONOMOUS, Action, Aspect, Op, PlanKind},
        write_log::{Entry, WriteStatus},
    },
    ports::Record,
    sandbox::Standing,
};

/// What a read of the true world shows of one aspect, in the text form plans use.
fn aspect(object: &Standing, aspect: Aspect) -> Option<String> {
    let amount = |n: Option<i64>| n.map_or_else(String::new, |n| n.to_string());
    Some(match aspect {
        Aspect::Name => object.name.clone(),
        Aspect::Status => object.status.clone(),
        Aspect::DailyBudget => amount(object.daily_budget),
        Aspect::SpendCap => amount(object.spend_cap),
        Aspect::EndTime => amount(object.end_time.map(Moment::seconds)),
        Aspect::EffectiveStatus
        | Aspect::Optimisation
        | Aspect::Tree
        | Aspect::Content
        | Aspect::StartTime
        | Aspect::Cells => return None,
    })
}

/// The aspect a request parameter sets.
fn aspect_of(param: &str) -> Option<Aspect> {
    Some(match param {
        "name" => Aspect::Name,
        "status" => Aspect::Status,
        "daily_budget" => Aspect::DailyBudget,
        "end_time" => Aspect::EndTime,
        "spend_cap" => Aspect::SpendCap,
        _ => return None,
    })
}

/// True for an action that lowers what can be spent.
pub fn lowers(action: &Action) -> bool {
    match &action.op {
        Op::SetStatus { to, .. } => matches!(to, Status::Paused | Status::Archived),
        Op::SetDailyBudget { to, .. } => action
            .expects
            .iter()
            .find(|e| e.aspect == Aspect::DailyBudget)
            .and_then(|e| e.value.parse::<i64>().ok())
            .is_some_and(|was| to.minor() < was),
        _ => false,
    }
}

/// True for an action that raises what can be spent.
pub fn raises(action: &Action) -> bool {
    use crate::domain::plan::ObjectKind::Campaign;
    match &action.op {
        Op::SetStatus { to: Status::Active, kind, .. } => *kind == Campaign,
        Op::SetDailyBudget { .. } => !lowers(action),
        _ => false,
    }
}

/// Judges a request that has its permit.
pub fn leaving(witness: &mut Witness, leaving: Leaving<'_>, op_key: &str, plan: &str) {
    let template = leaving.template;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let creation = template.path.contains('/');
    let says = template.method == "DELETE" || !template.params.is_empty();
    if !(creation || digits(&template.path)) || !says {
        witness
            .accuse("an_edit_names_one_object", format!("{} {}", template.method, template.path));
    }
    if !lowers_by(witness, op_key)
        && let Some(why) = witness.breaker.open()
    {
        let what = format!("{} {} after {why}", template.method, template.path);
        witness.accuse("an_open_breaker_lets_only_cuts_out", what);
    }
    let of_plan = witness.books.writes.iter().filter(|(_, w)| w.plan == plan);
    let refused = of_plan.filter(|(_, w)| w.status() == Some(WriteStatus::Refused));
    if let Some(key) = refused.map(|(key, _)| key.clone()).next() {
        let what = format!("{} after {key} of plan {plan} was refused", template.path);
        witness.accuse("a_failed_plan_sends_nothing_more", what);
    }
    if *leaving.account != witness.mandate.account {
        let (currency, zone) = leaving.account;
        let what = format!("{} while the account shows {currency} {zone}", template.path);
        witness.accuse("nothing_is_written_to_an_odd_account", what);
    }
    let mut findings = Vec::new();
    if let Some((filed, action)) = witness.books.action_of(op_key) {
        findings.extend(expired(witness, filed, op_key, plan));
        findings.extend(aborted(witness, filed, op_key, plan));
        findings.extend(unexpected(witness, leaving, action, plan));
        findings.extend(overwrites(witness, leaving, filed, action, plan));
        findings.extend(too_early(witness, filed, action, plan));
    }
    for (name, what) in findings {
        witness.accuse(name, what);
    }
}

/// True for a write after which no more can be spent than before.
fn lowers_by(witness: &Witness, op_key: &str) -> bool {
    let Some((filed, action)) = witness.books.action_of(op_key) else { return false };
    let removes = filed.plan.kind.only_lowers() && action.op.removes();
    lowers(action) || removes || matches!(&action.op, Op::SetDailyBudget { .. }) && !raises(action)
}

/// What a write or a read came to, as far as the circuit breaker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    Done,
    Refused,
    Lost,
    Contradicted,
}

/// What the circuit breaker has to go by.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    seen: Vec<(Moment, Came)>,
    closed: Option<Moment>,
}

impl Breaker {
    /// Why only cuts may leave, if that is so.
    pub fn open(&self) -> Option<&'static str> {
        let mut news: Vec<(Moment, Came)> = self.seen.clone();
        news.retain(|(at, _)| self.closed.is_none_or(|closed| *at > closed));
        news.sort_unstable();
        let known = news.iter().filter(|(_, came)| matches!(came, Came::Done | Came::Refused));
        let refused: Vec<bool> = known.map(|(_, came)| *came == Came::Refused).collect();
        let lost = news.iter().filter(|(_, came)| *came == Came::Lost);
        let lost: Vec<Moment> = lost.map(|(at, _)| *at).collect();
        if news.iter().any(|(_, came)| *came == Came::Contradicted) {
            return Some("a read that contradicts a write");
        }
        if refused.windows(3).any(|w| w.iter().all(|refused| *refused)) {
            return Some("three refusals in a row");
        }
        let near = lost.windows(2).any(|w| w[1].since(w[0]) < HOUR_MS);
        near.then_some("two lost answers within an hour")
    }
}

/// Judges and remembers one record that became durable.
pub fn entered(witness: &mut Witness, record: &Record) {
    match record {
        Record::Entry { op_key, at, entry, object } => {
            let came = match entry {
                Entry::Succeeded | Entry::FoundApplied => Some(Came::Done),
                Entry::Refused => Some(Came::Refused),
                Entry::OutcomeUnknown => Some(Came::Lost),
                Entry::Started | Entry::FoundAbsent => None,
            };
            witness.breaker.seen.extend(came.map(|came| (*at, came)));
            outcome(witness, op_key.as_str(), *entry);
            if let Some(object) = object {
                bound(witness, op_key.as_str(), object.as_str());
            }
        }
        Record::Audit { at, kind, body } => match kind.as_str() {
            "write_contradicted" => witness.breaker.seen.push((*at, Came::Contradicted)),
            "breaker_closed" => witness.breaker.closed = Some(*at),
            "lifted" => {
                witness.breaker.closed = Some(*at);
                // By whatever clock they were stamped, a person has looked at them.
                witness.breaker.seen.retain(|(_, came)| *came != Came::Contradicted);
                witness.distrusted = false;
            }
            "breaker_opened" => {
                // Lost answers are the line's fault.
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                witness.distrusted |= !body_text(&body, "why").contains("no answer");
            }
            "pacing_breach" => witness.distrusted = true,
            _ => {}
        },
        Record::Approval(yes) if yes.by == AUTONOMOUS && witness.distrusted => {
            let what = format!("plan {} is approved by {AUTONOMOUS}", yes.plan);
            witness.accuse("autonomy_waits_for_a_person", what);
        }
        _ => {}
    }
}

/// A recorded no is a no, unless reads lag for longer than is waited for, or people undid what was done.
fn outcome(witness: &mut Witness, op_key: &str, entry: Entry) {
    let no = entry == Entry::Refused || entry == Entry::FoundAbsent && !witness.blind;
    let Some(write) = witness.books.writes.get(op_key) else { return };
    let people = witness.people.touched.keys().any(|(id, _)| *id == write.request.path)
        || witness.people.markers.contains(op_key);
    if no && !people && witness.happened.contains(op_key) {
        let what = format!("{op_key} ({}) is {}", write.action, entry.as_str());
        witness.accuse("a_recorded_no_is_true", what);
    }
}

fn bound(witness: &mut Witness, op_key: &str, object: &str) {
    let other = witness.made.get(object).is_some_and(|maker| maker != op_key);
    if other || witness.people.made.contains_key(object) {
        let what = format!("{op_key} is bound to {object}");
        witness.accuse("an_object_comes_of_its_own_write", what);
    }
}

/// The first time the first write of a plan was started, if it is this one.
fn begins(witness: &Witness, op_key: &str, plan: &str) -> Option<Moment> {
    let others = witness.books.writes.iter().filter(|(key, w)| w.plan == plan && *key != op_key);
    if others.flat_map(|(_, w)| &w.entries).any(|(_, e)| *e == Entry::Started) {
        return None;
    }
    let write = witness.books.writes.get(op_key)?;
    Some(write.entries.iter().find(|(_, e)| *e == Entry::Started)?.0)
}

fn expired(
    witness: &Witness,
    filed: &FiledPlan,
    op_key: &str,
    plan: &str,
) -> Option<super::Finding> {
    let first = begins(witness, op_key, plan)?;
    (first > filed.plan.expires)
        .then(|| ("an_expired_plan_begins_nothing", format!("plan {plan} began at {first}")))
}

fn aborted(
    witness: &Witness,
    filed: &FiledPlan,
    op_key: &str,
    plan: &str,
) -> Option<super::Finding> {
    let void = filed.plan.kind == PlanKind::Activate && witness.books.aborted.contains(plan);
    let first = begins(witness, op_key, plan).filter(|_| void)?;
    let what = format!("plan {plan} began at {first}, after a person had aborted its climb");
    Some(("what_was_aborted_begins_nothing", what))
}

fn unexpected(
    witness: &Witness,
    leaving: Leaving<'_>,
    action: &Action,
    plan: &str,
) -> Option<super::Finding> {
    let bindings = witness.books.bindings(plan);
    action.expects.iter().find_map(|expected| {
        let id = expected.object.resolve(&bindings)?;
        let object = leaving.world.iter().find(|o| o.id == id.as_str())?;
        let is = aspect(object, expected.aspect)?;
        (is != expected.value).then(|| {
            let (aspect, was) = (expected.aspect, &expected.value);
            let what = format!("{}: {aspect} of {id} is {is:?}, not {was:?}", action.key);
            ("a_persons_edit_wins", what)
        })
    })
}

fn overwrites(
    witness: &Witness,
    leaving: Leaving<'_>,
    filed: &FiledPlan,
    action: &Action,
    plan: &str,
) -> Option<super::Finding> {
    if lowers(action) {
        return None;
    }
    let bindings = witness.books.bindings(plan);
    let id = &leaving.template.path;
    leaving.template.params.iter().find_map(|(name, value)| {
        let touched = witness.people.touched.get(&(id.clone(), name.clone()))?;
        let guarded = action.expects.iter().any(|e| {
            Some(e.aspect) == aspect_of(name)
                && e.object.resolve(&bindings).is_some_and(|o| o.as_str() == id)
        });
        (!guarded && *touched > filed.plan.created).then(|| {
            let what = format!("{name} of {id} is set to {value}; somebody set it at {touched}");
            ("a_persons_edit_is_not_overwritten", what)
        })
    })
}

/// A raise before an earlier cut of its plan was read back.
fn too_early(
    witness: &Witness,
    filed: &FiledPlan,
    action: &Action,
    plan: &str,
) -> Option<super::Finding> {
    let moves = !matches!(filed.plan.kind, PlanKind::Clone | PlanKind::CleanUp);
    if !moves || !raises(action) {
        return None;
    }
    let verified = |cut: &Action| {
        let of = |w: &&super::super::books::BookedWrite| w.plan == plan && w.action == cut.key;
        witness.books.writes.values().find(of).is_some_and(|w| w.verified)
    };
    let earlier = filed.plan.actions.iter().take_while(|a| a.key != action.key);
    let open = earlier.filter(|a| lowers(a)).find(|cut| !verified(cut))?;
    Some(("lower_before_raise", format!("{} leaves before {} is verified", action.key, open.key)))
}

/// Absent means: two complete readings, apart and late enough; or certainly not sent.
pub fn absence(witness: &mut Witness, body: &Value) {
    if body["outcome"] != "found_absent" || body["detail"]["class"] == "NotSent" {
        return;
    }
    let moment = |name: &str| body["detail"][name].as_str()?.parse::<Moment>().ok();
    let key = body_text(body, "op_key");
    let proven = moment("first_reading").zip(moment("second_reading")).is_some_and(|(a, b)| {
        let starts = witness.books.writes.get(&key).into_iter().flat_map(|w| &w.entries);
        let sent = starts.filter(|(at, e)| *e == Entry::Started && *at <= a).map(|(at, _)| *at);
        b.since(a) >= reconcile::APART_MS
            && sent.max().is_some_and(|sent| b.since(sent) >= reconcile::QUIET_MS)
    });
    if !proven {
        witness.accuse("absence_is_proven_by_two_readings", key);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{super::witness::Leaving, tests::*};
    use crate::domain::write_log::Entry;

    #[test]
    fn a_permitted_write_is_fine_and_the_same_without_a_commit_is_not() {
        let request = edit("7", "daily_budget", "900");
        let bare = found(|w| send(w, &request, &[]));
        assert_eq!(bare, ["intent_and_audit_precede_the_send"]);
        let unapproved = found(|w| {
            w.committed(&began("K", "aa", &request));
            send(w, &request, &[]);
        });
        assert_eq!(unapproved, ["approval_precedes_the_write", "nothing_foreign_is_written"]);
    }

    #[test]
    fn a_permit_does_not_outlive_its_process_and_a_repeat_needs_proof() {
        let request = edit("7", "daily_budget", "900");
        let stale = found(|w| {
            w.committed(&began("K", "aa", &request));
            w.died();
            send(w, &request, &[]);
        });
        assert_eq!(stale, ["intent_and_audit_precede_the_send"]);
        let repeated = found(|w| {
            for _ in 0..2 {
                w.committed(&began("K", "aa", &request));
                send(w, &request, &[]);
            }
        });
        assert!(
            repeated.contains(&"no_write_is_repeated_without_proof_of_absence"),
            "{repeated:?}"
        );
    }

    #[test]
    fn stopped_dry_and_odd_accounts_are_named() {
        let request = edit("7", "daily_budget", "900");
        let broken = found(|w| {
            w.mandate.may_write = false;
            w.committed(&began("K", "aa", &request));
            let odd = ("USD".to_owned(), "Europe/Berlin".to_owned());
            w.sends(Leaving {
                template: &request,
                stopped: Some("stop"),
                world: &[],
                now: AT,
                account: &odd,
                account_status: 1,
            });
        });
        for name in [
            "dry_modes_write_nothing",
            "nothing_is_sent_while_stopped",
            "nothing_is_written_to_an_odd_account",
        ] {
            assert!(broken.contains(&name), "{name} in {broken:?}");
        }
    }

    #[test]
    fn an_absence_on_one_reading_and_an_edit_of_nothing_are_named() {
        let early = found(|w| {
            let body = json!({"op_key": "K", "outcome": "found_absent", "detail": {
                "first_reading": "2026-01-01T00:00:00Z", "second_reading": "2026-01-01T00:00:30Z"}});
            super::absence(w, &body);
        });
        assert_eq!(early, ["absence_is_proven_by_two_readings"]);
        let empty = found(|w| {
            let mut request = edit("", "status", "PAUSED");
            request.params.clear();
            w.committed(&began("K", "aa", &request));
            send(w, &request, &[]);
        });
        assert!(empty.contains(&"an_edit_names_one_object"), "{empty:?}");
    }

    #[test]
    fn an_entry_without_its_link_is_named() {
        let bare = found(|w| w.committed(&[entry("K", Entry::Started)]));
        assert_eq!(bare, ["every_entry_has_its_audit_link"]);
    }
}

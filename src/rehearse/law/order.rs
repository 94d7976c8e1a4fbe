//! Order and authority: who may send what, and when.

use serde_json::Value;

use super::super::{
    books::{FiledPlan, body_text},
    witness::{Leaving, Witness},
};
use crate::{
    app::reconcile,
    domain::{
        Moment, Status,
        plan::{Action, Aspect, Op, PlanKind},
        write_log::Entry,
    },
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
    if *leaving.account != witness.mandate.account {
        let (currency, zone) = leaving.account;
        let what = format!("{} while the account shows {currency} {zone}", template.path);
        witness.accuse("nothing_is_written_to_an_odd_account", what);
    }
    let mut findings = Vec::new();
    if let Some((filed, action)) = witness.books.action_of(op_key) {
        findings.extend(expired(witness, filed, op_key, plan));
        findings.extend(unexpected(witness, leaving, action, plan));
        findings.extend(overwrites(witness, leaving, filed, action, plan));
        findings.extend(too_early(witness, filed, action, plan));
    }
    for (name, what) in findings {
        witness.accuse(name, what);
    }
}

fn expired(
    witness: &Witness,
    filed: &FiledPlan,
    op_key: &str,
    plan: &str,
) -> Option<super::Finding> {
    let others = witness.books.writes.iter().filter(|(key, w)| w.plan == plan && *key != op_key);
    let begun_before = others.flat_map(|(_, w)| &w.entries).any(|(_, e)| *e == Entry::Started);
    let write = witness.books.writes.get(op_key)?;
    let first = write.entries.iter().find(|(_, e)| *e == Entry::Started)?.0;
    (!begun_before && first > filed.plan.expires)
        .then(|| ("an_expired_plan_begins_nothing", format!("plan {plan} began at {first}")))
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

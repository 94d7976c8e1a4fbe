//! A yes is for one plan, byte for byte, from the right people, in time.

use proptest::prelude::*;
use rungwise::domain::{
    AccountId, CampaignId, ClimbId, DecisionId, LineId, Moment, OpKey, Status,
    plan::{
        Action, Approval, ApprovedPlan, MoneyAtRisk, NotApproved, ObjectKind, Op, Plan, PlanHash,
        PlanKind, Target, Template,
    },
};

use super::caps::eur;

pub(crate) fn plan(kind: PlanKind, actions: Vec<Action>, requested_by: &str) -> Plan {
    Plan {
        version: 1,
        account: AccountId::new("1").expect("digits"),
        line: LineId::new("l").expect("legal"),
        climb: ClimbId::new("c").expect("legal"),
        kind,
        decision: DecisionId::new("d").expect("legal"),
        parent: "e".into(),
        requested_by: requested_by.into(),
        created: Moment::from_millis(0),
        expires: Moment::from_millis(86_400_000),
        title: "t".into(),
        reasons: vec!["because".into()],
        money: MoneyAtRisk {
            extra_per_day: eur(100),
            extra_total: eur(1_000),
            worst_regret: eur(50),
            reversible: "yes".into(),
        },
        actions,
    }
}

fn pause(id: u64) -> Action {
    let id = CampaignId::new(id.to_string()).expect("digits");
    let path = id.to_string();
    Action {
        key: "off".into(),
        op_key: OpKey::new("K").expect("legal"),
        op: Op::SetStatus {
            object: Target::from(&id),
            kind: ObjectKind::Campaign,
            to: Status::Paused,
        },
        expects: vec![],
        not_before: None,
        reason: "r".into(),
        request: Template {
            method: "POST".into(),
            path,
            params: vec![("status".into(), "PAUSED".into())],
        },
    }
}

fn yes(plan: &PlanHash, by: &str) -> Approval {
    let at = Moment::from_millis(5);
    Approval { plan: plan.clone(), by: by.into(), at, granted: true, note: String::new() }
}

/// One change of a plan that a person would not see in its title.
fn mutated(mut plan: Plan, how: u8, by: i64) -> Plan {
    let other = Moment::from_millis(plan.expires.millis() + by);
    match how % 10 {
        0 => plan.expires = other,
        1 => plan.money.extra_total = eur(1_000 + by),
        2 => plan.actions[0].request.params.push(("daily_budget".into(), by.to_string())),
        3 => plan.actions[0].request.path = format!("{}{by}", plan.actions[0].request.path),
        4 => plan.actions.push(pause(77)),
        5 => plan.actions[0].op = pause(u64::try_from(by).unwrap_or(1) + 1_000_000).op,
        6 => plan.kind = PlanKind::Shift,
        7 => plan.climb = ClimbId::new(format!("c{by}")).expect("legal"),
        8 => plan.requested_by.push('x'),
        _ => plan.actions[0].not_before = Some(other),
    }
    plan
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_mutated_plan_is_refused_whatever_was_changed(id in 1_u64..1_000_000, how in any::<u8>(), by in 1_i64..1_000_000, byte in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let plan = plan(PlanKind::End, vec![pause(id)], "agent");
        let (bytes, hash) = (plan.bytes(), plan.hash());
        let now = Moment::from_millis(10);
        let ask = |bytes: &[u8], filed: &PlanHash, of: &PlanHash| {
            ApprovedPlan::new(bytes, filed, &[yes(of, "ana")], 1, now, false)
        };
        prop_assert!(ask(&bytes, &hash, &hash).is_ok());
        // Filed under the old hash, or under its own with the yes to the old one.
        let other = mutated(plan, how, by);
        let altered = |answer: Result<ApprovedPlan, NotApproved>| matches!(answer, Err(NotApproved::Altered { .. }));
        prop_assert!(altered(ask(&other.bytes(), &hash, &hash)));
        let moved = matches!(ask(&other.bytes(), &other.hash(), &hash), Err(NotApproved::OtherHash { .. }));
        prop_assert!(moved);
        let mut flipped = bytes;
        let at = byte.index(flipped.len());
        flipped[at] ^= 1 << bit;
        prop_assert!(altered(ask(&flipped, &hash, &hash)));
    }
}

#[test]
fn two_people_must_agree_where_two_are_asked_for_and_the_one_who_asked_is_none_of_them() {
    let plan = plan(PlanKind::Activate, vec![pause(1)], "ana");
    let (bytes, hash) = (plan.bytes(), plan.hash());
    let ask = |names: &[&str], quorum| {
        let approvals: Vec<Approval> = names.iter().map(|n| yes(&hash, n)).collect();
        ApprovedPlan::new(&bytes, &hash, &approvals, quorum, Moment::from_millis(10), false)
    };
    assert!(ask(&["ana"], 1).is_ok_and(|p| p.may_raise()));
    for (names, have) in [(vec!["ana", "ben"], 1), (vec!["ben", "ben"], 1), (vec!["ana"], 0)] {
        let answer = ask(&names, 2);
        let Err(NotApproved::Quorum { have: found, need: 2, .. }) = answer else {
            panic!("{names:?} gave {answer:?}")
        };
        assert_eq!(found, have, "{names:?}");
    }
    assert!(ask(&["ben", "cy"], 2).is_ok_and(|p| p.may_raise()));
    assert!(ask(&["ana", "ben", "cy"], 2).is_ok_and(|p| p.may_raise()));
}

#[test]
fn a_guard_rail_or_the_one_who_asked_may_lower_alone_and_nothing_more() {
    let plan = plan(PlanKind::End, vec![pause(1)], "ana");
    let (bytes, hash) = (plan.bytes(), plan.hash());
    let ask = |names: &[&str], quorum, ms| {
        let approvals: Vec<Approval> = names.iter().map(|n| yes(&hash, n)).collect();
        ApprovedPlan::new(&bytes, &hash, &approvals, quorum, Moment::from_millis(ms), false)
    };
    assert!(ask(&["ana"], 2, 10).is_ok_and(|p| !p.may_raise()));
    assert!(ask(&["guard:pacing"], 1, 10).is_ok_and(|p| !p.may_raise()));
    assert!(ask(&["guard:pacing", "ben"], 1, 10).is_ok_and(|p| p.may_raise()));
    assert!(ask(&["ben"], 2, 10).is_err());
    assert!(matches!(ask(&["ana"], 2, 86_400_001), Err(NotApproved::Expired { .. })));
}

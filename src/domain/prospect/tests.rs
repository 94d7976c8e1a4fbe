use super::*;
use crate::domain::Day;

const KEYS: [&str; 5] =
    ["page_view", "view_content", "add_to_cart", "initiate_checkout", "purchase"];
const PER_PURCHASE: [f64; 5] = [50.0, 26.0, 5.3, 2.2, 1.0];

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts")]
fn whole(value: f64) -> u32 {
    value.round() as u32
}

/// Four weeks at 100.00 a day on a rung: `cost` of a purchase, and by how much the rung's own event swelled.
fn month(rung: usize, cost: f64, swell: f64, learning: f64) -> Lesson {
    let purchases = 2_800.0 / cost;
    let events = PER_PURCHASE.iter().enumerate().map(|(at, per)| {
        let own = if at <= rung && rung < 4 { PER_PURCHASE[rung] * (swell - 1.0) } else { 0.0 };
        whole(purchases * (per + own))
    });
    Lesson {
        rung: KEYS[rung].to_owned(),
        last: Day::new(2026, 2, 1).unwrap(),
        days: 28,
        spend_minor: 280_000,
        matured_minor: 280_000,
        events: events.collect(),
        learning_milli: i64::from(whole(learning * 1000.0)),
    }
}

const QUESTION: Question<'static> =
    Question { keys: &KEYS, floor: 1, weekly_spend: 70_000.0, loss_weight: 3.0 };

/// A line with this cost on purchase, and if asked the same money on add-to-cart.
fn carts(cost: f64, placed: Option<(f64, f64)>) -> Prospect {
    let own = 700.0 / cost;
    let mut lessons = vec![month(4, cost, 1.0, own)];
    lessons.extend(placed.map(|(cost, swell)| month(2, cost, swell, 5.3 * swell * 700.0 / cost)));
    prospects(&lessons, &QUESTION).unwrap().of("add_to_cart").unwrap().clone()
}

#[test]
fn before_anything_was_tried_a_lower_rung_promises_most_where_purchases_are_few() {
    let at = |weekly: f64| carts(700.0 / weekly, None);
    let (few, some, many) = (at(5.0), at(15.0), at(60.0));
    assert!(few.saving > some.saving && some.saving > many.saving, "{few:?} {some:?} {many:?}");
    assert!(few.saving > 0.0 && many.saving < 0.0, "{few:?} {many:?}");
    assert!(few.sd > 0.1 && few.p_dearer > 0.05, "and it is far from sure: {few:?}");
}

#[test]
fn what_the_witnesses_say_decides() {
    let before = carts(70.0, None);
    let (cheaper, equal, dearer) = (
        carts(70.0, Some((52.0, 1.1))),
        carts(70.0, Some((70.0, 1.2))),
        carts(70.0, Some((120.0, 1.4))),
    );
    assert!(cheaper.saving > before.saving + 0.05, "{cheaper:?} {before:?}");
    assert!(dearer.saving < before.saving - 0.05, "{dearer:?} {before:?}");
    assert!(cheaper.saving > equal.saving && equal.saving > dearer.saving);
    assert!(cheaper.sd < before.sd, "a month of it leaves less to doubt");
    assert!(cheaper.worth(1.0, 20.0) > 0.0 && dearer.worth(1.0, 20.0) < 0.0, "{dearer:?}");
}

#[test]
fn carts_that_nobody_takes_to_the_checkout_speak_against_the_rung() {
    let sound = carts(70.0, Some((70.0, 1.05)));
    let hollow = carts(70.0, Some((70.0, 1.6)));
    assert!(hollow.saving < sound.saving, "{hollow:?} {sound:?}");
}

#[test]
fn checkouts_that_buy_less_often_count_against_the_rung() {
    let lesson = month(2, 20.0, 1.1, 200.0);
    let mut fewer = lesson.clone();
    fewer.events[4] /= 2;
    let with = |placed: Lesson| {
        let lessons = [month(4, 20.0, 1.0, 35.0), placed];
        prospects(&lessons, &QUESTION).unwrap().of("add_to_cart").unwrap().saving
    };
    assert!(with(fewer) < with(lesson) - 0.01);
}

#[test]
fn a_heavier_loss_never_makes_a_step_worth_more() {
    let lessons = [month(4, 70.0, 1.0, 10.0)];
    let worth = |loss_weight| {
        let question = Question { loss_weight, ..QUESTION };
        let found = prospects(&lessons, &question).unwrap();
        found.rungs.iter().map(|p| p.worth(4.0, 20.0)).collect::<Vec<_>>()
    };
    let (one, three, ten) = (worth(1.0), worth(3.0), worth(10.0));
    for rung in 0..one.len() {
        assert!(one[rung] > three[rung] && three[rung] > ten[rung], "{one:?} {three:?} {ten:?}");
    }
}

#[test]
fn the_unit_of_money_changes_nothing() {
    let lessons = [month(4, 70.0, 1.0, 10.0), month(2, 60.0, 1.2, 70.0)];
    let scaled: Vec<Lesson> = lessons
        .iter()
        .cloned()
        .map(|mut l| {
            l.spend_minor *= 64;
            l.matured_minor *= 64;
            l
        })
        .collect();
    let question = Question { weekly_spend: 64.0 * QUESTION.weekly_spend, ..QUESTION };
    let (one, other) =
        (prospects(&lessons, &QUESTION).unwrap(), prospects(&scaled, &question).unwrap());
    for (a, b) in one.rungs.iter().zip(&other.rungs) {
        assert!((a.saving - b.saving).abs() < 1e-9 && (a.sd - b.sd).abs() < 1e-9, "{a:?} {b:?}");
    }
}

#[test]
fn nothing_is_said_without_spend_and_no_count_is_too_small() {
    assert_eq!(prospects(&[], &QUESTION), None);
    let mut silent = month(4, 70.0, 1.0, 0.0);
    silent.events.fill(0);
    let found = prospects(&[silent], &QUESTION).unwrap();
    assert!(found.rungs.iter().all(|p| p.saving.is_finite() && p.worth(4.0, 20.0).is_finite()));
}

#[test]
fn a_ladder_of_two_rungs_has_a_prospect_too() {
    let keys = ["complete_registration", "lead"];
    let lesson =
        Lesson { rung: "lead".to_owned(), events: vec![60, 20], ..month(4, 70.0, 1.0, 5.0) };
    let question = Question { keys: &keys, floor: 0, ..QUESTION };
    let found = prospects(&[lesson], &question).unwrap();
    assert_eq!(found.rungs.len(), 1);
}

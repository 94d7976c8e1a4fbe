//! What a line remembers of the time it stood on a rung.

use serde::{Deserialize, Serialize};

use crate::domain::{Day, evidence::Cell, verdict::Lag};

/// Days of one lesson at most: long stretches are cut, so that a slow drift is not mistaken for certainty.
const LESSON_DAYS: usize = 28;
/// Days a new ad set's learning moves fast; they make a lesson of their own.
const LEARNING_DAYS: usize = 7;
/// Fewer days make no lesson.
const LEAST_DAYS: usize = 4;

/// Some days of one campaign on one rung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    /// Key of the rung it optimised for.
    pub rung: String,
    /// The last of the days.
    pub last: Day,
    /// Days of delivery.
    pub days: u32,
    /// Spend on them, in minor units.
    pub spend_minor: i64,
    /// What of the spend has paid back by then, in minor units: purchases come late, so a new campaign's first days
    /// have had less than they spent, and macro-conversions are held against this.
    pub matured_minor: i64,
    /// Events per rung of the ladder, lowest first.
    pub events: Vec<u32>,
    /// Optimised events in the seven days before, mean over the days, in thousandths: what the delivery learned from.
    pub learning_milli: i64,
}

/// Days of one campaign in order.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    /// Key of the rung it optimises for.
    pub rung: &'a str,
    /// That rung's place on the ladder.
    pub index: usize,
    /// True when the first of the days is the campaign's first: it has learned nothing before.
    pub fresh: bool,
    /// How late purchases come.
    pub lag: Lag,
}

#[expect(clippy::cast_precision_loss, reason = "statistics; exact up to 2^53 minor units")]
fn amount(minor: i64) -> f64 {
    minor as f64
}

#[expect(clippy::cast_possible_truncation, reason = "money and counts, far below 2^53")]
fn whole(value: f64) -> i64 {
    libm::round(value) as i64
}

/// The lessons of a stretch; days without delivery teach nothing.
pub fn lessons(stretch: &Stretch<'_>, days: &[(Day, &Cell)]) -> Vec<Lesson> {
    let mut cuts = vec![0];
    if stretch.fresh && days.len() >= LEARNING_DAYS + LEAST_DAYS {
        cuts.push(LEARNING_DAYS);
    }
    let from = cuts.last().copied().unwrap_or(0);
    let rest = days.len() - from;
    let parts = (rest / LESSON_DAYS).max(1);
    cuts.extend((1..=parts).map(|part| from + part * rest / parts));
    let cut = cuts.windows(2).filter_map(|pair| match pair {
        [from, to] if to - from >= LEAST_DAYS => lesson(stretch, days, *from, *to),
        _ => None,
    });
    cut.collect()
}

fn lesson(stretch: &Stretch<'_>, days: &[(Day, &Cell)], from: usize, to: usize) -> Option<Lesson> {
    let own = days.get(from..to)?;
    let (last, first_cell) = (own.last()?.0, own.first()?.1);
    let mut events = vec![0_u32; first_cell.events.len()];
    let (mut spend, mut matured, mut learned) = (0_i64, 0.0, 0.0);
    let count = |cell: &Cell| f64::from(cell.rung_events(stretch.index));
    for (at, (_, cell)) in days.iter().enumerate().take(to).skip(from) {
        spend = spend.saturating_add(cell.spend_minor);
        for (sum, seen) in events.iter_mut().zip(&cell.events) {
            *sum = sum.saturating_add(*seen);
        }
        let paid: Vec<f64> = days
            .iter()
            .take(at + 1)
            .skip((at + 1).saturating_sub(crate::domain::verdict::LAG_DAYS))
            .map(|(_, cell)| amount(cell.spend_minor))
            .collect();
        matured += stretch.lag.effective(&paid);
        let before = days.get(at.saturating_sub(7)..at).unwrap_or(&[]);
        learned += before.iter().map(|(_, cell)| count(cell)).sum::<f64>();
    }
    if spend <= 0 {
        return None;
    }
    let n = own.len();
    if !stretch.fresh && from == 0 {
        // What came before the first days of a campaign that ran long before is not known, but it was much the same.
        matured = amount(spend);
        learned = own.iter().map(|(_, cell)| count(cell)).sum::<f64>() * 7.0;
    }
    let mean = learned / f64::from(u32::try_from(n).ok()?);
    Some(Lesson {
        rung: stretch.rung.to_owned(),
        last,
        days: u32::try_from(n).ok()?,
        spend_minor: spend,
        matured_minor: whole(matured),
        events,
        learning_milli: whole(mean * 1000.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(n: i64) -> Vec<(Day, Cell)> {
        let first = Day::new(2026, 1, 5).unwrap();
        let cell = Cell { spend_minor: 10_000, events: vec![20, 4, 1], ..Cell::default() };
        (0..n).map(|day| (first.plus(day), cell.clone())).collect()
    }

    fn learned(n: i64, fresh: bool) -> Vec<Lesson> {
        let days = days(n);
        let borrowed: Vec<(Day, &Cell)> = days.iter().map(|(day, cell)| (*day, cell)).collect();
        let stretch = Stretch { rung: "add_to_cart", index: 1, fresh, lag: Lag::default() };
        lessons(&stretch, &borrowed)
    }

    #[test]
    fn every_day_is_in_one_lesson_and_the_learning_week_stands_alone() {
        for n in [4, 10, 11, 35, 100] {
            for fresh in [false, true] {
                let found = learned(n, fresh);
                let counted: u32 = found.iter().map(|lesson| lesson.days).sum();
                assert_eq!(i64::from(counted), n, "{n} {fresh}");
                assert_eq!(found.iter().map(|l| l.events[2]).sum::<u32>(), counted);
                assert_eq!(fresh && n >= 11, found[0].days == 7, "{n} {fresh}: {found:?}");
            }
        }
        assert!(learned(3, true).is_empty() && learned(0, true).is_empty());
    }

    #[test]
    fn a_new_campaign_has_learned_little_and_been_paid_little_an_old_one_neither() {
        let (new, old) = (learned(7, true), learned(28, false));
        // 0, 4, 8 … 24 carts before each of the seven days.
        assert_eq!(new[0].learning_milli, 12_000);
        assert_eq!(old[0].learning_milli, 28_000);
        assert!(new[0].matured_minor < 62_000, "{new:?}");
        assert_eq!(old[0].matured_minor, old[0].spend_minor);
        let later = &learned(35, true)[1];
        assert_eq!((later.learning_milli, later.matured_minor), (28_000, later.spend_minor));
    }
}

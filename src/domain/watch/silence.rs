//! An event that used to fire and fires no more: a broken pixel, seen before it spoils a comparison.

use crate::domain::{DAY_MS, HOUR_MS, Moment};

/// Events that would usually have come in the silent hours before silence means anything: by chance none of twelve
/// stays away about once in 160 000 looks.
const EXPECTED: u64 = 12;
/// Days whose same hours tell what is usual.
const DAYS: i64 = 6;

/// A silence that is no chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// End of the last hour in which the event was seen.
    pub since: Moment,
    /// How often it came in the same hours of a usual day of the week before.
    pub usual: u64,
}

/// Looks at the hourly counts of one event (start of the hour, count), which reach back a week from `now`. The hours of
/// the silence are held against the same hours of the days before, since every shop has quiet nights.
pub fn silence(hours: &[(Moment, u64)], now: Moment) -> Option<Silence> {
    let last = hours.iter().filter(|(_, n)| *n > 0).map(|(hour, _)| *hour).max()?;
    let since = last.plus(HOUR_MS);
    let silent_ms = now.since(since);
    // Longer than a day, the latest day of it is enough; what was before it shows what was usual.
    let window_ms = silent_ms.min(DAY_MS);
    if window_ms < HOUR_MS {
        return None;
    }
    let count = |days: i64| -> u64 {
        let until = now.plus(-days * DAY_MS);
        let within = hours.iter().filter(|(h, _)| *h < until && *h >= until.plus(-window_ms));
        within.map(|(_, n)| n).sum()
    };
    // Days of the silence itself tell nothing of what is usual.
    let usual: Vec<u64> =
        (1..=DAYS).filter(|d| now.plus(-d * DAY_MS) <= since).map(count).collect();
    let days = u64::try_from(usual.len()).ok().filter(|n| *n > 0)?;
    let usual = usual.iter().sum::<u64>() / days;
    (usual >= EXPECTED).then_some(Silence { since, usual })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A week of hours ending at hour 168; `n` says how often the event came in an hour.
    fn week(n: impl Fn(i64) -> u64) -> Vec<(Moment, u64)> {
        (0..168).map(|h| (Moment::from_millis(h * HOUR_MS), n(h))).collect()
    }
    const NOW: Moment = Moment::from_millis(168 * HOUR_MS);

    #[test]
    fn a_busy_event_that_stops_is_noticed_within_hours() {
        let found = silence(&week(|h| if h < 165 { 5 } else { 0 }), NOW).unwrap();
        assert_eq!((found.since, found.usual), (NOW.plus(-3 * HOUR_MS), 15));
    }

    #[test]
    fn quiet_nights_rare_events_and_a_short_pause_are_no_silence() {
        // It is eight in the morning, and nothing ever comes at night.
        let night = week(|h| if (h + 8) % 24 < 8 { 0 } else { 20 });
        assert_eq!(silence(&night, NOW), None);
        assert_eq!(silence(&week(|h| u64::from(h % 24 == 12)), NOW), None, "one a day");
        assert_eq!(silence(&week(|h| if h < 167 { 5 } else { 0 }), NOW), None, "five in an hour");
        assert_eq!(silence(&week(|_| 0), NOW), None, "an event that never fires is not broken");
        assert_eq!(silence(&[], NOW), None);
    }

    #[test]
    fn after_days_of_silence_it_is_still_known_what_was_usual() {
        let found = silence(&week(|h| if h < 70 { 3 } else { 0 }), NOW).unwrap();
        assert_eq!((found.since.millis() / HOUR_MS, found.usual), (70, 72));
    }
}

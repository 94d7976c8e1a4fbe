//! Whether the site's events still come: read once with the daily decisions, from the pixels the managed ad sets use.

use std::collections::BTreeSet;

use crate::{
    app::{Desk, Result},
    domain::{
        DAY_MS, PixelId, Tree,
        climb::Climb,
        rung::{EVENTS, Rung},
        watch::silence,
    },
    ports::{Clock, MetaRead, Store},
};

/// Days of hours looked at: what Meta keeps.
const DAYS: i64 = 7;

/// Events of the ladder that have fallen silent on the site, in words; every one of them is a reason to decide nothing.
/// What this token may not read is not held against anybody.
pub async fn silent_events<S: Store, R: MetaRead, C: Clock>(
    desk: Desk<'_, S, R, C>,
    trees: &[Tree],
    climbs: &[Climb],
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let now = desk.clock.now();
    for pixel in pixels(trees, climbs) {
        let hours = match desk.meta.pixel_hours(&pixel, now.plus(-DAYS * DAY_MS)).await {
            Ok(hours) => hours,
            Err(e) => {
                tracing::warn!("cannot see what fires on the site: {e}");
                continue;
            }
        };
        for event in desk.policy.ladder.rungs.iter().filter_map(pixel_event) {
            let count = |h: &crate::ports::meta::PixelHour| {
                (h.start, h.events.get(event).copied().unwrap_or(0))
            };
            let counts: Vec<_> = hours.iter().map(count).collect();
            if let Some(silence) = silence(&counts, now) {
                found.push(format!(
                    "pixel {pixel} has seen no {event} since {}, where about {} are usual",
                    silence.since, silence.usual
                ));
            }
        }
    }
    Ok(found)
}

/// The pixels that the ad sets of managed campaigns optimise with.
fn pixels(trees: &[Tree], climbs: &[Climb]) -> BTreeSet<PixelId> {
    let managed = |t: &&Tree| climbs.iter().any(|c| c.incumbent == t.campaign.id);
    let sets = trees.iter().filter(managed).flat_map(|t| &t.adsets);
    let ids = sets.filter_map(|s| s.optimisation.pixel_id.as_deref());
    ids.filter_map(|id| PixelId::new(id).ok()).collect()
}

/// The pixel's own name of a rung's event; None for custom conversions, which the pixel does not count as such.
fn pixel_event(rung: &Rung) -> Option<&str> {
    if let Some(name) = &rung.custom_event_str {
        return Some(name);
    }
    EVENTS.iter().find(|e| e.key == rung.key).map(|e| e.pixel_event)
}

//! Has anybody else edited a campaign? One digest per object of a tree, over everything people can set.
//!
//! What our own plans set (the campaign's switch, budgets, bounds) is left out: it is expected aspect by aspect. All
//! else (names, audiences, creatives, events, bids, schedules, switches of ad sets and ads, objects that came or went)
//! stays as it is while a climb is under way, unless somebody else changed it.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Tree, parity::digest, plan::ObjectKind};

/// Set by plans, or moved by Meta with a plan's writes.
const OURS: &[&str] =
    &["status", "daily_budget", "spend_cap", "end_time", "stop_time", "start_time"];
/// The same for ad sets and ads, whose switches our plans leave alone once they are on.
const OURS_BELOW: &[&str] = &["daily_budget", "end_time", "start_time"];

/// Digests by object id, with the kind in words.
pub type Likeness = BTreeMap<String, (String, String)>;

/// The digests of a tree; without the switches of ad sets and ads while an activation is turning them on.
pub fn likeness(tree: &Tree, switches: bool) -> Likeness {
    let below = if switches { OURS_BELOW } else { OURS };
    let mut campaign = digest(ObjectKind::Campaign, &tree.campaign.fields, OURS);
    // How much a plan of ours may set, but not where: moved from the ad sets to the campaign, everything learns anew.
    campaign.push_str(if tree.campaign.daily_budget.is_some() { ", one budget" } else { "" });
    let mut all = Likeness::new();
    all.insert(tree.campaign.id.to_string(), ("campaign".to_owned(), campaign));
    for set in &tree.adsets {
        let text = digest(ObjectKind::AdSet, &set.fields, below);
        all.insert(set.id.to_string(), ("ad set".to_owned(), text));
    }
    for ad in &tree.ads {
        let text = digest(ObjectKind::Ad, &ad.fields, below);
        all.insert(ad.id.to_string(), ("ad".to_owned(), text));
    }
    all
}

/// One digest of all of them.
pub fn fingerprint(likeness: &Likeness) -> String {
    let mut hash = Sha256::new();
    for (id, (kind, digest)) in likeness {
        for part in [id, kind, digest] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    let mut text = HEXLOWER.encode(&hash.finalize());
    text.truncate(32);
    text
}

/// What came, went or changed, in words.
pub fn differences(before: &Likeness, now: &Likeness) -> Vec<String> {
    let ids: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let told = ids.into_iter().filter_map(|id| match (before.get(id), now.get(id)) {
        (Some((kind, _)), None) => Some(format!("{kind} {id} is gone")),
        (None, Some((kind, _))) => Some(format!("{kind} {id} is new")),
        (Some((kind, was)), Some((_, is))) if was != is => Some(format!("{kind} {id} was edited")),
        _ => None,
    });
    told.collect()
}

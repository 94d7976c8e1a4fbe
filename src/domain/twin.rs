//! Is the re-created campaign the incumbent's twin? Whole trees, paired object by object, judged by [`super::parity`].

use super::{
    Ad, AdSet, Fields, Ladder, Tree,
    climb::Route,
    eligibility::{live_ads, live_adsets},
    evidence::ParityFacts,
    parity::{ParityReport, compare_ads, compare_adsets, compare_campaigns},
};

/// Compares the live part of `source` with everything in `copy`, over every field of both reads.
pub fn compare(source: &Tree, copy: &Tree, route: &Route, ladder: &Ladder) -> ParityFacts {
    let mut facts = ParityFacts::default();
    take(
        &mut facts,
        "campaign",
        &compare_campaigns(&source.campaign.fields, &copy.campaign.fields, &[]),
    );
    let announced = announced(route, ladder);
    let sets: Vec<&AdSet> = live_adsets(source).collect();
    for (i, set) in sets.iter().enumerate() {
        let Some(twin) =
            twin_of(&copy.adsets, i, set.id.as_str(), |s| &s.fields, "source_adset_id")
        else {
            facts.missing.push(format!("ad set {} has no copy", set.id));
            continue;
        };
        let report = compare_adsets(&set.fields, &twin.fields, announced);
        take(&mut facts, &format!("ad set {}", twin.id), &report);
        let twins: Vec<Ad> = copy.ads.iter().filter(|a| a.adset == twin.id).cloned().collect();
        let ads: Vec<&Ad> = live_ads(source).filter(|a| a.adset == set.id).collect();
        // What somebody put there would be turned on with the rest.
        let extra = twins.len().saturating_sub(ads.len());
        if extra > 0 {
            facts.missing.push(format!("ad set {} has {extra} ads too many", twin.id));
        }
        for (j, ad) in ads.into_iter().enumerate() {
            let Some(other) = twin_of(&twins, j, ad.id.as_str(), |a| &a.fields, "source_ad_id")
            else {
                facts.missing.push(format!("ad {} has no copy", ad.id));
                continue;
            };
            let report = compare_ads(&ad.fields, &other.fields, &[]);
            take(&mut facts, &format!("ad {}", other.id), &report);
        }
    }
    let extra = copy.adsets.len().saturating_sub(sets.len());
    if extra > 0 {
        facts.missing.push(format!("the copy has {extra} ad sets too many"));
    }
    facts
}

/// Attribution and pixel differ only where the goals force them to: an ad set for landing page views names no event
/// and therefore no pixel.
fn announced(route: &Route, ladder: &Ladder) -> &'static [&'static str] {
    let rungs = ladder.rung(&route.from).zip(ladder.rung(&route.to));
    match rungs.and_then(|(from, to)| from.common_window(to)) {
        Some(_) => &["attribution_spec", "promoted_object.pixel_id"],
        None => &[],
    }
}

/// By lineage where Meta tells it, else by position: copies are created in the source's order.
fn twin_of<'a, T>(
    copies: &'a [T],
    index: usize,
    source: &str,
    fields: impl Fn(&T) -> &Fields,
    lineage: &str,
) -> Option<&'a T> {
    let named = |copy: &&T| fields(copy).get(lineage).and_then(|v| v.as_str()) == Some(source);
    copies.iter().find(named).or_else(|| {
        let told = copies.iter().any(|c| fields(c).contains_key(lineage));
        if told { None } else { copies.get(index) }
    })
}

fn take(facts: &mut ParityFacts, what: &str, report: &ParityReport) {
    let judged = u32::try_from(report.judged).unwrap_or(u32::MAX);
    facts.compared = facts.compared.saturating_add(judged);
    for difference in &report.differences {
        let field = &difference.field;
        match &difference.reason {
            Some(reason) => facts.expected.push(format!("{what}: {field} ({reason})")),
            None => facts.unexpected.push(format!(
                "{what}: {field} is {}, the source has {}",
                difference.copy, difference.source
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Objective, climb::RouteKind};

    #[test]
    fn a_move_to_or_from_page_views_announces_attribution_and_pixel_and_no_other_move_does() {
        let ladder = Ladder::ecommerce();
        assert_eq!(ladder.objective, Objective::Sales);
        let route = |from: &str, to: &str| Route {
            from: from.to_owned(),
            to: to.to_owned(),
            kind: RouteKind::Placement,
        };
        let down = announced(&route("purchase", "page_view"), &ladder);
        assert_eq!(down, ["attribution_spec", "promoted_object.pixel_id"]);
        assert_eq!(announced(&route("page_view", "view_content"), &ladder), down);
        assert!(announced(&route("purchase", "add_to_cart"), &ladder).is_empty());
    }
}

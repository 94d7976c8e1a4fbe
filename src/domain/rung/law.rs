//! What Meta accepts together: objective × goal × event, and attribution per goal.
//!
//! Source: Marketing API, ad set reference, table of outcome-driven objectives, conversion location "website", and
//! ad set `attribution_spec`. Objectives that are not listed accept none of our goals.

use serde::{Deserialize, Serialize};

use super::{Goal, Rung};
use crate::domain::Objective;

const SALES: &[&str] = &[
    "PURCHASE",
    "INITIATED_CHECKOUT",
    "ADD_PAYMENT_INFO",
    "ADD_TO_CART",
    "COMPLETE_REGISTRATION",
    "DONATE",
    "START_TRIAL",
    "SUBSCRIBE",
    "CONTENT_VIEW",
    // Custom events, and custom conversions without a type of their own.
    "OTHER",
];
const LEADS: &[&str] = &[
    "LEAD",
    "COMPLETE_REGISTRATION",
    "CONTACT",
    "FIND_LOCATION",
    "SCHEDULE",
    "START_TRIAL",
    "SUBMIT_APPLICATION",
    "SUBSCRIBE",
];
const ENGAGEMENT: &[&str] = &[
    "ADD_TO_WISHLIST",
    "CONTACT",
    "CUSTOMIZE_PRODUCT",
    "DONATE",
    "FIND_LOCATION",
    "SCHEDULE",
    "SEARCH",
    "START_TRIAL",
    "SUBMIT_APPLICATION",
    "SUBSCRIBE",
    "CONTENT_VIEW",
];

/// The events a campaign of that objective may optimise; None when it takes no pixel events at all.
fn events_under(objective: &Objective) -> Option<&'static [&'static str]> {
    match objective {
        Objective::Sales => Some(SALES),
        Objective::Leads => Some(LEADS),
        Objective::Engagement => Some(ENGAGEMENT),
        _ => None,
    }
}

const fn takes_landing_page_views(objective: &Objective) -> bool {
    matches!(
        objective,
        Objective::Sales | Objective::Leads | Objective::Engagement | Objective::Traffic
    )
}

impl Rung {
    /// Why Meta would refuse this rung under `objective`; None when it is legal.
    pub fn illegal_because(&self, objective: &Objective) -> Option<String> {
        if self.goal == Goal::LandingPageViews {
            let why = || format!("{objective} does not take the goal LANDING_PAGE_VIEWS");
            return (!takes_landing_page_views(objective)).then(why);
        }
        let Some(legal) = events_under(objective) else {
            return Some(format!("{objective} campaigns for a website take no pixel events"));
        };
        let event = self.custom_event_type.as_deref().unwrap_or("none");
        let why = || format!("{objective} does not take the event {event}");
        (!legal.contains(&event)).then(why)
    }

    /// The objectives under which the rung is legal.
    pub fn legal_objectives(&self) -> Vec<Objective> {
        [Objective::Sales, Objective::Leads, Objective::Engagement, Objective::Traffic]
            .into_iter()
            .filter(|objective| self.is_legal_under(objective))
            .collect()
    }
}

/// An attribution setting of an ad set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Attribution {
    /// 1 day after a click.
    #[serde(rename = "1d_click")]
    Click1,
    /// 7 days after a click.
    #[serde(rename = "7d_click")]
    Click7,
    /// 1 day after a click or a view.
    #[serde(rename = "1d_click_1d_view")]
    Click1View1,
    /// 7 days after a click, 1 day after a view: Meta's default for conversions.
    #[serde(rename = "7d_click_1d_view")]
    Click7View1,
}

impl Attribution {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Click1, Self::Click7, Self::Click1View1, Self::Click7View1];

    /// As insights write it (`attribution_setting`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Click1 => "1d_click",
            Self::Click7 => "7d_click",
            Self::Click1View1 => "1d_click_1d_view",
            Self::Click7View1 => "7d_click_1d_view",
        }
    }
    /// The entries of `attribution_spec` in the sorted form of [`crate::domain::AdSet::attribution`].
    pub const fn entries(self) -> &'static [&'static str] {
        match self {
            Self::Click1 => &["CLICK_THROUGH:1"],
            Self::Click7 => &["CLICK_THROUGH:7"],
            Self::Click1View1 => &["CLICK_THROUGH:1", "VIEW_THROUGH:1"],
            Self::Click7View1 => &["CLICK_THROUGH:7", "VIEW_THROUGH:1"],
        }
    }
    /// Recognises the attribution of an ad set as read; None for combinations that are not in our table, such as those
    /// with engaged views.
    pub fn of_entries(entries: &[String]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.entries().iter().eq(entries.iter()))
    }
}

impl Goal {
    /// The attribution settings Meta takes for ad sets of this goal.
    pub const fn attributions(self) -> &'static [Attribution] {
        match self {
            Self::OffsiteConversions => &Attribution::ALL,
            Self::LandingPageViews => &[Attribution::Click1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rung::EVENTS;

    #[test]
    fn legality_is_the_published_table() {
        // One letter per objective: Sales, Leads, Engagement, Traffic.
        let table = [
            ("page_view", "SLET"),
            ("view_content", "SE"),
            ("search", "E"),
            ("add_to_wishlist", "E"),
            ("add_to_cart", "S"),
            ("initiate_checkout", "S"),
            ("add_payment_info", "S"),
            ("purchase", "S"),
            ("lead", "L"),
            ("complete_registration", "SL"),
            ("contact", "LE"),
            ("customize_product", "E"),
            ("donate", "SE"),
            ("find_location", "LE"),
            ("schedule", "LE"),
            ("start_trial", "SLE"),
            ("submit_application", "LE"),
            ("subscribe", "SLE"),
        ];
        assert_eq!(table.len(), EVENTS.len());
        for (key, expected) in table {
            let rung = Rung::standard(key).unwrap();
            let letters: String =
                rung.legal_objectives().iter().map(|o| &o.as_str()[8..9]).collect();
            assert_eq!(letters, expected, "{key}");
            for none in [Objective::Awareness, Objective::AppPromotion, "CONVERSIONS".into()] {
                assert!(!rung.is_legal_under(&none), "{key} under {none}");
            }
        }
    }

    #[test]
    fn a_refusal_names_event_and_objective() {
        let why = Rung::standard("search").unwrap().illegal_because(&Objective::Sales).unwrap();
        assert_eq!(why, "OUTCOME_SALES does not take the event SEARCH");
    }

    #[test]
    fn attribution_is_recognised_from_what_an_ad_set_says() {
        for known in Attribution::ALL {
            let entries: Vec<String> = known.entries().iter().map(|e| (*e).to_owned()).collect();
            assert_eq!(Attribution::of_entries(&entries), Some(known));
        }
        let engaged = ["CLICK_THROUGH:7", "ENGAGED_VIDEO_VIEW:1"].map(str::to_owned);
        assert_eq!(Attribution::of_entries(&engaged), None);
        assert_eq!(Attribution::of_entries(&[]), None);
    }

    #[test]
    fn landing_page_views_take_one_day_click_only() {
        assert_eq!(Goal::LandingPageViews.attributions(), [Attribution::Click1]);
        assert_eq!(Goal::OffsiteConversions.attributions().len(), 4);
    }
}

//! Rungs and ladders: which event an ad set optimises for, and under which name its count comes back.
//!
//! The table of standard events is data (Marketing API, pixel reference: "Promoted Object custom_event_type value").
//! A rung reads exactly one action type; its aliases count the same events again and are never added.
//!
//! Read on in `events` (the table), `law` (what Meta accepts together) and `ladder` (order and legality).

mod events;
mod ladder;
mod law;

use serde::{Deserialize, Serialize};

use super::{CustomConversionId, Objective, Optimisation};

pub use events::{CUSTOM_EVENTS_ACTION, EVENTS, StandardEvent};
pub use ladder::LadderError;
pub use law::Attribution;

/// What the ad set asks Meta to optimise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Pixel events and custom conversions.
    #[serde(rename = "OFFSITE_CONVERSIONS")]
    OffsiteConversions,
    /// The stand-in for PageView, which has no `custom_event_type`; 1-day click attribution only.
    #[serde(rename = "LANDING_PAGE_VIEWS")]
    LandingPageViews,
}

impl Goal {
    /// Meta's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OffsiteConversions => "OFFSITE_CONVERSIONS",
            Self::LandingPageViews => "LANDING_PAGE_VIEWS",
        }
    }
}

/// One rung of a ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Key used in configuration, output and storage, e.g. `add_to_cart`.
    pub key: String,
    /// Name for people, e.g. `AddToCart`.
    pub title: String,
    /// Optimisation goal.
    pub goal: Goal,
    /// `promoted_object.custom_event_type`; None for landing page views.
    pub custom_event_type: Option<String>,
    /// `promoted_object.custom_event_str`, for custom events.
    pub custom_event_str: Option<String>,
    /// `promoted_object.custom_conversion_id`, for custom conversions.
    pub custom_conversion_id: Option<String>,
    /// The key under which an [`super::InsightRow`] counts it, e.g. `offsite_conversion.fb_pixel_add_to_cart`, or
    /// `conversions:start_trial_website` for events that come in the `conversions` field.
    pub action_type: String,
}

impl Rung {
    /// What an ad set on this rung optimises, as one text. Reads of an ad set give the same text, so that the two can
    /// be compared.
    pub fn optimisation_key(&self) -> String {
        optimisation_key(
            self.goal.as_str(),
            self.custom_event_type.as_deref(),
            self.custom_event_str.as_deref(),
            self.custom_conversion_id.as_deref(),
        )
    }

    /// The attribution entries an ad set on this rung gets when the one it is modelled on has `entries`: the same where
    /// they are legal here.
    pub fn attribution_for(&self, entries: &[String]) -> Vec<String> {
        let own = |a: Attribution| a.entries().iter().map(|e| (*e).to_owned()).collect();
        match (self.goal, Attribution::of_entries(entries)) {
            (_, Some(known)) => own(self.attribution_beside(known)),
            (Goal::LandingPageViews, None) => own(Attribution::Click1),
            (Goal::OffsiteConversions, None) => entries.to_vec(),
        }
    }

    /// The rung of a standard event, by its key (`add_to_cart`); None for a key that is no standard event.
    pub fn standard(key: &str) -> Option<Self> {
        StandardEvent::by_key(key).map(Self::from)
    }

    /// The rung of a custom pixel event.
    ///
    /// Insights lump all custom events of a pixel together, so such a rung [is ambiguous](Self::is_ambiguous).
    pub fn custom_event(name: &str) -> Self {
        Self {
            key: format!("custom:{name}"),
            title: name.to_owned(),
            goal: Goal::OffsiteConversions,
            custom_event_type: Some("OTHER".to_owned()),
            custom_event_str: Some(name.to_owned()),
            custom_conversion_id: None,
            action_type: CUSTOM_EVENTS_ACTION.to_owned(),
        }
    }

    /// The rung of a custom conversion; `event_type` is the conversion's own type, `OTHER` where it has none.
    pub fn custom_conversion(id: &CustomConversionId, event_type: Option<&str>) -> Self {
        Self {
            key: format!("conversion:{id}"),
            title: format!("custom conversion {id}"),
            goal: Goal::OffsiteConversions,
            custom_event_type: Some(event_type.unwrap_or("OTHER").to_owned()),
            custom_event_str: None,
            custom_conversion_id: Some(id.to_string()),
            action_type: format!("offsite_conversion.custom.{id}"),
        }
    }

    /// True when the count of this rung also counts other events: all custom events of a pixel share one action type.
    pub fn is_ambiguous(&self) -> bool {
        self.action_type == CUSTOM_EVENTS_ACTION
    }

    /// Other action types that count the same events again (more broadly); shown, never added up.
    pub fn aliases(&self) -> &'static [&'static str] {
        StandardEvent::by_key(&self.key).map_or(&[], |event| event.aliases)
    }

    /// True when an ad set with this optimisation stands on this rung.
    ///
    /// A custom conversion is known by its id alone, because Meta repeats the conversion's own event type beside it; a
    /// pixel event must agree in type and custom name. `VALUE` and every other goal stand on no rung.
    pub fn matches(&self, optimisation: &Optimisation) -> bool {
        if optimisation.goal != self.goal.as_str() {
            return false;
        }
        if self.goal == Goal::LandingPageViews {
            return true;
        }
        match (&self.custom_conversion_id, &optimisation.custom_conversion_id) {
            (Some(own), Some(theirs)) => own == theirs,
            (None, None) => {
                self.custom_event_type == optimisation.custom_event_type
                    && self.custom_event_str == optimisation.custom_event_str
            }
            _ => false,
        }
    }

    /// The attribution an ad set on this rung gets when its sibling has `source`: the same where it is legal, else the
    /// only one that is.
    pub fn attribution_beside(&self, source: Attribution) -> Attribution {
        let legal = self.goal.attributions();
        if legal.contains(&source) { source } else { Attribution::Click1 }
    }

    /// The explicit window key on which two rungs can be compared when their attribution must differ; None when both
    /// can carry the same setting, so that their `value` is comparable as it is.
    ///
    /// `1d_click` is part of every legal setting (Marketing API, ad set `attribution_spec`).
    pub fn common_window(&self, other: &Self) -> Option<&'static str> {
        (self.goal != other.goal).then_some("1d_click")
    }

    /// True when Meta accepts this rung in a campaign of `objective` with a website as conversion location.
    pub fn is_legal_under(&self, objective: &Objective) -> bool {
        self.illegal_because(objective).is_none()
    }
}

/// Joins the parts of an optimisation into one comparable text, e.g. `OFFSITE_CONVERSIONS/ADD_TO_CART`. A custom
/// conversion is known by its id alone, because Meta repeats the conversion's own event type beside it.
pub fn optimisation_key(
    goal: &str,
    event: Option<&str>,
    custom_event: Option<&str>,
    custom_conversion: Option<&str>,
) -> String {
    let parts = match custom_conversion {
        Some(_) => [Some(goal), Some("conversion"), custom_conversion],
        None if goal == Goal::LandingPageViews.as_str() => [Some(goal), None, None],
        None => [Some(goal), event, custom_event],
    };
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    parts.join("/")
}

impl From<&StandardEvent> for Rung {
    fn from(event: &StandardEvent) -> Self {
        Self {
            key: event.key.to_owned(),
            title: event.pixel_event.to_owned(),
            goal: event.goal(),
            custom_event_type: event.custom_event_type.map(str::to_owned),
            custom_event_str: None,
            custom_conversion_id: None,
            action_type: event.action_type.to_owned(),
        }
    }
}

/// An ordered list of rungs, lowest first; the last one is the macro-conversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// Name of the preset or `custom`.
    pub name: String,
    /// The objective all rungs must be legal under.
    pub objective: Objective,
    /// Lowest first, at least two.
    pub rungs: Vec<Rung>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn optimisation(goal: &str, event: Option<&str>) -> Optimisation {
        Optimisation {
            goal: goal.to_owned(),
            pixel_id: Some("1".to_owned()),
            custom_event_type: event.map(str::to_owned),
            custom_event_str: None,
            custom_conversion_id: None,
        }
    }

    #[test]
    fn an_ad_set_stands_on_exactly_one_standard_rung() {
        for event in EVENTS {
            let ad_set = optimisation(event.goal().as_str(), event.custom_event_type);
            let on: Vec<&str> =
                EVENTS.iter().filter(|e| Rung::from(*e).matches(&ad_set)).map(|e| e.key).collect();
            assert_eq!(on, [event.key]);
        }
    }

    #[test]
    fn value_optimisation_and_foreign_events_stand_on_no_rung() {
        let purchase = Rung::standard("purchase").unwrap();
        assert!(!purchase.matches(&optimisation("VALUE", Some("PURCHASE"))));
        assert!(!purchase.matches(&optimisation("OFFSITE_CONVERSIONS", None)));
        let mut narrowed = optimisation("OFFSITE_CONVERSIONS", Some("PURCHASE"));
        narrowed.custom_conversion_id = Some("77".to_owned());
        assert!(
            !purchase.matches(&narrowed),
            "a custom conversion of type PURCHASE is another rung"
        );
    }

    #[test]
    fn a_custom_conversion_is_known_by_its_id_and_counted_apart() {
        let id = CustomConversionId::new("77").unwrap();
        let rung = Rung::custom_conversion(&id, Some("LEAD"));
        let mut ad_set = optimisation("OFFSITE_CONVERSIONS", Some("OTHER"));
        ad_set.custom_conversion_id = Some("77".to_owned());
        assert!(rung.matches(&ad_set));
        assert_eq!(rung.action_type, "offsite_conversion.custom.77");
        assert!(!rung.is_ambiguous());
        ad_set.custom_conversion_id = Some("78".to_owned());
        assert!(!rung.matches(&ad_set));
    }

    #[test]
    fn custom_events_are_told_apart_when_optimised_but_not_when_counted() {
        let (quiz, chat) = (Rung::custom_event("Quiz"), Rung::custom_event("Chat"));
        let mut ad_set = optimisation("OFFSITE_CONVERSIONS", Some("OTHER"));
        ad_set.custom_event_str = Some("Quiz".to_owned());
        assert!(quiz.matches(&ad_set) && !chat.matches(&ad_set));
        assert_eq!(quiz.action_type, chat.action_type);
        assert!(quiz.is_ambiguous());
    }

    #[test]
    fn rungs_of_different_goals_are_compared_on_one_day_click() {
        let rung = |key| Rung::standard(key).unwrap();
        assert_eq!(rung("page_view").common_window(&rung("view_content")), Some("1d_click"));
        assert_eq!(rung("add_to_cart").common_window(&rung("purchase")), None);
        let (lpv, cart) = (rung("page_view"), rung("add_to_cart"));
        assert_eq!(lpv.attribution_beside(Attribution::Click7View1), Attribution::Click1);
        assert_eq!(cart.attribution_beside(Attribution::Click7View1), Attribution::Click7View1);
    }
}

//! Rungs and ladders: which event an ad set optimises for, and under which name its count comes back.
//!
//! The table of standard events is data (Marketing API, pixel reference: "Promoted Object custom_event_type value").
//! A rung reads exactly one action type; its aliases count the same events again and are never added.

use serde::{Deserialize, Serialize};

use super::Objective;

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
    /// What an ad set on this rung optimises, as one text: goal, event, custom text or conversion. Reads of an ad set
    /// give the same text, so that the two can be compared.
    pub fn optimisation_key(&self) -> String {
        optimisation_key(
            self.goal.as_str(),
            self.custom_event_type.as_deref(),
            self.custom_event_str.as_deref(),
            self.custom_conversion_id.as_deref(),
        )
    }
}

/// Joins the parts of an optimisation into one comparable text, e.g. `OFFSITE_CONVERSIONS/ADD_TO_CART`.
pub fn optimisation_key(
    goal: &str,
    event: Option<&str>,
    custom_event: Option<&str>,
    custom_conversion: Option<&str>,
) -> String {
    let parts = [Some(goal), event, custom_event, custom_conversion];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    parts.join("/")
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

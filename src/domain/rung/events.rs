//! The table of standard events: what the pixel calls them, what an ad set calls them, what insights call them.
//!
//! Source: Meta Pixel reference ("Standard events", column "Promoted Object custom_event_type value") and real insights
//! rows. The spelling differs per column and must not be derived: ViewContent is `CONTENT_VIEW` but
//! `fb_pixel_view_content`; InitiateCheckout is `INITIATED_CHECKOUT` but `fb_pixel_initiate_checkout`.

use super::Goal;

/// The one action type under which insights count every custom event of a pixel.
pub const CUSTOM_EVENTS_ACTION: &str = "offsite_conversion.fb_pixel_custom";

/// One standard event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandardEvent {
    /// Our key, e.g. `add_to_cart`.
    pub key: &'static str,
    /// The name the pixel sends, e.g. `AddToCart`.
    pub pixel_event: &'static str,
    /// `promoted_object.custom_event_type`; None for PageView, which cannot be optimised by name.
    pub custom_event_type: Option<&'static str>,
    /// The action type read for counting web events; `conversions:` marks those of the `conversions` field.
    pub action_type: &'static str,
    /// Action types that count the same events again.
    pub aliases: &'static [&'static str],
}

impl StandardEvent {
    /// The event with that key.
    pub fn by_key(key: &str) -> Option<&'static Self> {
        EVENTS.iter().find(|event| event.key == key)
    }
    /// The event with that `custom_event_type`.
    pub fn by_type(custom_event_type: &str) -> Option<&'static Self> {
        EVENTS.iter().find(|event| event.custom_event_type == Some(custom_event_type))
    }
    /// How an ad set optimises for it.
    pub const fn goal(&self) -> Goal {
        if self.custom_event_type.is_none() {
            Goal::LandingPageViews
        } else {
            Goal::OffsiteConversions
        }
    }
}

const fn event(
    key: &'static str,
    pixel_event: &'static str,
    custom_event_type: &'static str,
    action_type: &'static str,
    aliases: &'static [&'static str],
) -> StandardEvent {
    let custom_event_type = Some(custom_event_type);
    StandardEvent { key, pixel_event, custom_event_type, action_type, aliases }
}

/// Every standard event, PageView first (there through its stand-in, the landing page view).
#[rustfmt::skip]
pub const EVENTS: &[StandardEvent] = &[
    StandardEvent {
        key: "page_view",
        pixel_event: "PageView",
        custom_event_type: None,
        // Needs the pixel to load after the click; it is not the site's PageView count.
        action_type: "landing_page_view",
        aliases: &["omni_landing_page_view"],
    },
    event("view_content", "ViewContent", "CONTENT_VIEW", "offsite_conversion.fb_pixel_view_content",
        &["view_content", "omni_view_content", "onsite_web_view_content", "onsite_web_app_view_content"]),
    event("search", "Search", "SEARCH", "offsite_conversion.fb_pixel_search", &["search", "omni_search"]),
    event("add_to_wishlist", "AddToWishlist", "ADD_TO_WISHLIST", "offsite_conversion.fb_pixel_add_to_wishlist",
        &["add_to_wishlist"]),
    event("add_to_cart", "AddToCart", "ADD_TO_CART", "offsite_conversion.fb_pixel_add_to_cart",
        &["add_to_cart", "omni_add_to_cart", "onsite_web_add_to_cart", "onsite_web_app_add_to_cart"]),
    event("initiate_checkout", "InitiateCheckout", "INITIATED_CHECKOUT", "offsite_conversion.fb_pixel_initiate_checkout",
        &["initiate_checkout", "omni_initiated_checkout", "onsite_web_initiate_checkout"]),
    event("add_payment_info", "AddPaymentInfo", "ADD_PAYMENT_INFO", "offsite_conversion.fb_pixel_add_payment_info",
        &["add_payment_info"]),
    event("purchase", "Purchase", "PURCHASE", "offsite_conversion.fb_pixel_purchase",
        &["purchase", "omni_purchase", "onsite_web_purchase", "onsite_web_app_purchase", "web_in_store_purchase"]),
    event("lead", "Lead", "LEAD", "offsite_conversion.fb_pixel_lead",
        &["lead", "onsite_web_lead", "onsite_conversion.lead_grouped"]),
    event("complete_registration", "CompleteRegistration", "COMPLETE_REGISTRATION",
        "offsite_conversion.fb_pixel_complete_registration", &["complete_registration", "omni_complete_registration"]),
    event("contact", "Contact", "CONTACT", "conversions:contact_website", &["conversions:contact_total"]),
    event("customize_product", "CustomizeProduct", "CUSTOMIZE_PRODUCT", "conversions:customize_product_website",
        &["conversions:customize_product_total"]),
    event("donate", "Donate", "DONATE", "conversions:donate_website", &["conversions:donate_total"]),
    event("find_location", "FindLocation", "FIND_LOCATION", "conversions:find_location_website",
        &["conversions:find_location_total"]),
    event("schedule", "Schedule", "SCHEDULE", "conversions:schedule_website", &["conversions:schedule_total"]),
    event("start_trial", "StartTrial", "START_TRIAL", "conversions:start_trial_website",
        &["conversions:start_trial_total"]),
    event("submit_application", "SubmitApplication", "SUBMIT_APPLICATION", "conversions:submit_application_website",
        &["conversions:submit_application_total"]),
    event("subscribe", "Subscribe", "SUBSCRIBE", "conversions:subscribe_website", &["conversions:subscribe_total"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_types_and_counted_names_are_unique_and_no_name_is_its_own_alias() {
        let mut keys = BTreeSet::new();
        let mut types = BTreeSet::new();
        let mut names = BTreeSet::new();
        for event in EVENTS {
            assert!(keys.insert(event.key), "{}", event.key);
            assert!(types.insert(event.custom_event_type), "{}", event.key);
            for name in std::iter::once(&event.action_type).chain(event.aliases) {
                assert!(
                    names.insert(*name),
                    "{name} stands twice: one event would be counted twice"
                );
            }
        }
        assert_eq!(EVENTS.len(), 18, "seventeen standard events and PageView");
    }

    #[test]
    fn keys_are_the_snake_case_of_the_pixels_names() {
        for event in EVENTS {
            let mut snake = String::new();
            for c in event.pixel_event.chars() {
                if c.is_ascii_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            assert_eq!(event.key, snake);
        }
    }

    #[test]
    fn the_irregular_spellings_are_metas() {
        let of = |key| StandardEvent::by_key(key).unwrap();
        assert_eq!(of("view_content").custom_event_type, Some("CONTENT_VIEW"));
        assert_eq!(of("initiate_checkout").custom_event_type, Some("INITIATED_CHECKOUT"));
        assert_eq!(of("page_view").action_type, "landing_page_view");
        assert_eq!(of("start_trial").action_type, "conversions:start_trial_website");
        assert_eq!(StandardEvent::by_type("CONTENT_VIEW").unwrap().key, "view_content");
    }
}

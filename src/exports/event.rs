//! Events an export can count, and the names under which insights rows count them.

use serde::{Serialize, Serializer};

/// An event on the way to the macro-conversion, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Landing page views, the stand-in for PageView.
    PageView,
    /// ViewContent.
    ViewContent,
    /// Search.
    Search,
    /// AddToWishlist.
    AddToWishlist,
    /// AddToCart.
    AddToCart,
    /// InitiateCheckout.
    InitiateCheckout,
    /// AddPaymentInfo.
    AddPaymentInfo,
    /// CompleteRegistration.
    CompleteRegistration,
    /// Lead.
    Lead,
    /// Purchase.
    Purchase,
}

impl Event {
    /// All of them, lowest first.
    pub const ALL: [Self; 10] = [
        Self::PageView,
        Self::ViewContent,
        Self::Search,
        Self::AddToWishlist,
        Self::AddToCart,
        Self::InitiateCheckout,
        Self::AddPaymentInfo,
        Self::CompleteRegistration,
        Self::Lead,
        Self::Purchase,
    ];
    /// Key as in ladders, e.g. `add_to_cart`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PageView => "page_view",
            Self::ViewContent => "view_content",
            Self::Search => "search",
            Self::AddToWishlist => "add_to_wishlist",
            Self::AddToCart => "add_to_cart",
            Self::InitiateCheckout => "initiate_checkout",
            Self::AddPaymentInfo => "add_payment_info",
            Self::CompleteRegistration => "complete_registration",
            Self::Lead => "lead",
            Self::Purchase => "purchase",
        }
    }
    /// Name for people, e.g. `AddToCart`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::PageView => "PageView",
            Self::ViewContent => "ViewContent",
            Self::Search => "Search",
            Self::AddToWishlist => "AddToWishlist",
            Self::AddToCart => "AddToCart",
            Self::InitiateCheckout => "InitiateCheckout",
            Self::AddPaymentInfo => "AddPaymentInfo",
            Self::CompleteRegistration => "CompleteRegistration",
            Self::Lead => "Lead",
            Self::Purchase => "Purchase",
        }
    }
    /// The action types that count this event, the preferred first: the pixel's own, then the bare name, then the
    /// cross-channel one. They are the same events under different names (Insights API, `actions`).
    pub fn action_types(self) -> [String; 3] {
        let (bare, omni) = match self {
            Self::PageView => {
                let name = "landing_page_view";
                return [name.into(), "omni_landing_page_view".into(), name.into()];
            }
            Self::InitiateCheckout => ("initiate_checkout", "omni_initiated_checkout"),
            Self::Lead => ("lead", "onsite_conversion.lead_grouped"),
            Self::ViewContent => ("view_content", "omni_view_content"),
            Self::Search => ("search", "omni_search"),
            Self::AddToWishlist => ("add_to_wishlist", "omni_add_to_wishlist"),
            Self::AddToCart => ("add_to_cart", "omni_add_to_cart"),
            Self::AddPaymentInfo => ("add_payment_info", "omni_add_payment_info"),
            Self::CompleteRegistration => ("complete_registration", "omni_complete_registration"),
            Self::Purchase => ("purchase", "omni_purchase"),
        };
        [format!("offsite_conversion.fb_pixel_{bare}"), bare.into(), omni.into()]
    }
    /// The event an action type counts, e.g. out of a "Result indicator".
    pub fn of_action_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.action_types().iter().any(|alias| alias == name))
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

//! The market of the rehearsal world: what an auction, a learning delivery system and late buyers make of a budget.
//!
//! One [`Market`] is the audience of one account. Ad sets that optimise for an event of the funnel spend their daily
//! budgets in it and get impressions, clicks, events and, up to a week later, purchases. Nothing here knows about
//! campaigns, requests or money types: the Graph dialect of the sandbox and the study in [`population`] both
//! stand on the same few calls.
//!
//! The model in one place (v = optimised events of the ad set in its last seven days):
//!
//! ```text
//! eta(v) = (v + v0 h) / (v + v0 h + h)                      how much the delivery has learned
//! CPA    = c0 exp(k (1 - s_j eta)) share^eps (1 + overlap)  cost per purchase when optimising for level j
//! j-events per money = q_j / CPA exp(g (1 - s_j) eta)       "you get what you ask for": some of them never buy
//! ```
//!
//! Learning phases, death spirals and the cost of splitting a budget are consequences of these lines; there are no
//! switches for them. Nobody publishes k, h or s: they are set so that the model reproduces what vendors report
//! (unstable and dearer below 50 events a week, 20-50 % dearer while learning), so figures drawn from it compare
//! policies and do not forecast savings. It has no creative fatigue, no holidays and no incrementality.

mod arm;
mod auction;
mod learning;
mod params;
pub mod policies;
pub mod population;
mod stream;
mod world;

pub use arm::Delivered;
pub use auction::{Delivery, Market};
pub use learning::{LearningStage, LearningView};
pub use params::{MarketParams, Steady};
pub use world::{World, WorldError};

/// Levels of the funnel: landing page view, view content, add to cart, initiate checkout, purchase.
pub const LEVELS: usize = 5;
/// The level of a landing page view.
pub const LANDING_PAGE_VIEW: usize = 0;
/// The level of a content view.
pub const VIEW_CONTENT: usize = 1;
/// The level of an add-to-cart.
pub const ADD_TO_CART: usize = 2;
/// The level of an initiated checkout.
pub const INITIATE_CHECKOUT: usize = 3;
/// The level of a purchase, the macro-conversion.
pub const PURCHASE: usize = 4;

/// Share of purchases that arrive 0, 1, … 7 days after the click.
///
/// Anchored on vendors' reports: about half within a day, a tail that ends with the 7-day click window.
pub const LAG: [f64; 8] = [0.58, 0.14, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02];

/// Over how many days `growth` and `demand_growth` are stated: half a year.
pub const HALF_YEAR: i64 = 182;

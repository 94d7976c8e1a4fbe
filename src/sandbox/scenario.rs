//! What a rehearsal starts from: an account, its campaigns and its ladder of events, all drawn from one seed.

use std::fmt::Write as _;

use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::num;
use crate::domain::{Currency, Moment, Zone};

/// Where an event shows up in insights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFamily {
    /// `landing_page_view`: no pixel event of its own, optimised by goal.
    LandingPageView,
    /// A standard pixel event in `actions`, e.g. stem `add_to_cart`.
    Pixel(&'static str),
    /// A standard event reported in `conversions`, e.g. stem `contact`.
    Conversions(&'static str),
    /// A custom conversion with this id.
    Custom(u64),
}

/// One level of the funnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSpec {
    /// The pixel's name for it, e.g. `AddToCart`.
    pub title: &'static str,
    /// `promoted_object.custom_event_type`; None for landing page views.
    pub custom_event_type: Option<&'static str>,
    /// How insights report it.
    pub family: EventFamily,
}

/// One ad set of the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdSetSpec {
    /// Its name.
    pub name: String,
    /// The level it optimises for, 0 … 4.
    pub level: usize,
    /// Its budget per day in minor units; None under a campaign budget.
    pub daily_budget: Option<i64>,
    /// How many ads it has.
    pub ads: u32,
}

/// One campaign of the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignSpec {
    /// Its name.
    pub name: String,
    /// Its objective, e.g. `OUTCOME_SALES`.
    pub objective: &'static str,
    /// Campaign budget per day in minor units (CBO); None for ABO.
    pub daily_budget: Option<i64>,
    /// Its ad sets.
    pub adsets: Vec<AdSetSpec>,
}

/// The start of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Everything drawn is drawn from this.
    pub seed: u64,
    /// When the rehearsal begins; history lies before.
    pub start: Moment,
    /// Account name.
    pub name: String,
    /// Account currency.
    pub currency: Currency,
    /// Account time zone.
    pub zone: Zone,
    /// Countries the ad sets target.
    pub countries: Vec<&'static str>,
    /// Oldest first; lists show them in this order.
    pub campaigns: Vec<CampaignSpec>,
    /// The funnel, lowest first; market levels 0 … 4 map to it one to one.
    pub events: [EventSpec; 5],
    /// Whole days of delivery before `start`.
    pub history_days: u32,
    /// Empty paused campaigns under ids of one's own, as people leave them behind. The recordings of real clients that
    /// are replayed against the served world put ad sets into campaigns of these ids.
    pub drafts: Vec<u64>,
}

fn pixel(title: &'static str, kind: &'static str, stem: &'static str) -> EventSpec {
    EventSpec { title, custom_event_type: Some(kind), family: EventFamily::Pixel(stem) }
}

fn landing() -> EventSpec {
    EventSpec { title: "PageView", custom_event_type: None, family: EventFamily::LandingPageView }
}

fn shop() -> [EventSpec; 5] {
    [
        landing(),
        pixel("ViewContent", "CONTENT_VIEW", "view_content"),
        pixel("AddToCart", "ADD_TO_CART", "add_to_cart"),
        pixel("InitiateCheckout", "INITIATED_CHECKOUT", "initiate_checkout"),
        pixel("Purchase", "PURCHASE", "purchase"),
    ]
}

fn adset(name: &str, level: usize, daily_budget: Option<i64>, ads: u32) -> AdSetSpec {
    AdSetSpec { name: name.to_owned(), level, daily_budget, ads }
}

impl Default for Scenario {
    /// The account that `sandbox serve` shows: one campaign whose ad sets carry
    /// the budget, one with a campaign budget.
    fn default() -> Self {
        let campaigns = vec![
            CampaignSpec {
                name: "Shop | AddToCart | prospecting".to_owned(),
                objective: "OUTCOME_SALES",
                daily_budget: None,
                adsets: vec![
                    adset("Lookalike 1 %", 2, Some(6_000), 1),
                    adset("Interests home", 2, Some(8_000), 2),
                ],
            },
            CampaignSpec {
                name: "Shop | Purchase | campaign budget".to_owned(),
                objective: "OUTCOME_SALES",
                daily_budget: Some(24_000),
                adsets: vec![
                    adset("Broad 25-54", 4, None, 2),
                    adset("Visitors 30 days", 4, None, 2),
                ],
            },
        ];
        Self {
            seed: 1,
            // 2026-06-01T08:00:00Z
            start: Moment::from_millis(1_780_300_800_000),
            name: "Rehearsal shop".to_owned(),
            currency: "EUR".parse().expect("three capital letters"),
            zone: "Europe/Berlin".parse().expect("an IANA name"),
            countries: vec!["DE"],
            campaigns,
            events: shop(),
            history_days: 150,
            drafts: Vec::new(),
        }
    }
}

impl Scenario {
    /// The same start with another seed.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
    /// The same start at another time.
    #[must_use]
    pub fn starting(mut self, start: Moment) -> Self {
        self.start = start;
        self
    }
    /// One campaign that optimises for Purchase on too little volume to ever leave learning.
    pub fn stuck_at_purchase() -> Self {
        let campaigns = vec![CampaignSpec {
            name: "Shop | Purchase".to_owned(),
            objective: "OUTCOME_SALES",
            daily_budget: None,
            adsets: vec![adset("Broad", 4, Some(8_000), 2)],
        }];
        Self { campaigns, name: "Small shop".to_owned(), ..Self::default() }
    }
    /// A lead-generation account (OUTCOME_LEADS) whose middle rung reports in `conversions`.
    pub fn lead_generation() -> Self {
        let campaigns = vec![CampaignSpec {
            name: "Leads | website".to_owned(),
            objective: "OUTCOME_LEADS",
            daily_budget: None,
            adsets: vec![
                adset("Nationwide", 4, Some(7_000), 1),
                adset("Cities", 3, Some(5_000), 1),
            ],
        }];
        let contact = EventSpec {
            title: "Contact",
            custom_event_type: Some("CONTACT"),
            family: EventFamily::Conversions("contact"),
        };
        let events = [
            landing(),
            pixel("ViewContent", "CONTENT_VIEW", "view_content"),
            contact,
            pixel("CompleteRegistration", "COMPLETE_REGISTRATION", "complete_registration"),
            pixel("Lead", "LEAD", "lead"),
        ];
        Self { campaigns, events, name: "Rehearsal leads".to_owned(), ..Self::default() }
    }
    /// A shop whose AddToCart rung is a custom conversion.
    pub fn custom_conversion() -> Self {
        let mut scenario = Self::default();
        scenario.events[2] = EventSpec {
            title: "BigCart",
            custom_event_type: Some("OTHER"),
            family: EventFamily::Custom(
                num::mix(&[scenario.seed, 77]) % 900_000_000_000_000 + 100_000_000_000_000,
            ),
        };
        "Rehearsal shop with a custom conversion".clone_into(&mut scenario.name);
        scenario
    }
    /// Who may come in: derived from the seed.
    pub fn credentials(&self) -> Credentials {
        let digits =
            |label| format!("1{:014}", num::mix(&[self.seed, label]) % 100_000_000_000_000);
        let hex = |label: &str, n: usize| {
            let digest = Sha256::digest(format!("{label}:{}", self.seed));
            let text = digest.iter().fold(String::new(), |mut out, b| {
                let _ = write!(out, "{b:02x}");
                out
            });
            text[..n].to_owned()
        };
        Credentials {
            account_id: digits(1),
            app_id: digits(2),
            user_id: digits(3),
            business_id: digits(4),
            access_token: SecretString::from(format!(
                "EAAB{}{}",
                hex("token", 60),
                hex("tail", 40)
            )),
            app_secret: SecretString::from(hex("secret", 32)),
        }
    }
}

/// Ids and secrets of the rehearsal account.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account's digits.
    pub account_id: String,
    /// The app.
    pub app_id: String,
    /// The system user the token belongs to.
    pub user_id: String,
    /// The business that owns the account.
    pub business_id: String,
    /// The token.
    pub access_token: SecretString,
    /// The app's secret.
    pub app_secret: SecretString,
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn credentials_follow_the_seed_and_look_real() {
        let one = Scenario::default().credentials();
        let other = Scenario::default().seeded(2).credentials();
        assert!(one.access_token.expose_secret().len() >= 20);
        assert_ne!(one.access_token.expose_secret(), other.access_token.expose_secret());
        assert!(one.account_id.bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(one.account_id, Scenario::default().credentials().account_id);
    }
}

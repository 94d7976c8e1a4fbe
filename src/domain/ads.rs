//! Campaigns, ad sets and ads as one read saw them.
//!
//! A snapshot keeps every field of the read untouched in [`Fields`] beside the few we interpret: parity is judged over
//! all of them, decisions over the typed ones. Enumerations keep what they do not know (`Other`): Meta adds values
//! without a version bump, and an unknown value means "do not touch".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AdId, AdSetId, CampaignId, CreativeId, Currency, Moment, Money, ObjectId, Zone};

/// The fields of one object exactly as a read returned them.
pub type Fields = BTreeMap<String, Value>;

macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A value this version does not know; kept as read, and never acted upon.
            Other(String),
        }
        impl $name {
            /// Meta's spelling.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $text,)+ Self::Other(text) => text }
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() { $($text => Self::$variant,)+ _ => Self::Other(text) }
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self::from(text.to_owned()) }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self { value.as_str().to_owned() }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

open_enum! {
    /// What a person (or we) asked for.
    Status {
        /// On.
        Active = "ACTIVE",
        /// Off.
        Paused = "PAUSED",
        /// Put away; only the name can still change.
        Archived = "ARCHIVED",
        /// Gone for good.
        Deleted = "DELETED",
    }
}

open_enum! {
    /// What Meta makes of it.
    EffectiveStatus {
        /// Can deliver.
        Active = "ACTIVE",
        /// Off by its own switch.
        Paused = "PAUSED",
        /// Off because its campaign is.
        CampaignPaused = "CAMPAIGN_PAUSED",
        /// Off because its ad set is.
        AdSetPaused = "ADSET_PAUSED",
        /// Put away.
        Archived = "ARCHIVED",
        /// Gone.
        Deleted = "DELETED",
        /// Still being processed after a change.
        InProcess = "IN_PROCESS",
        /// Something prevents delivery.
        WithIssues = "WITH_ISSUES",
        /// Waiting for ad review.
        PendingReview = "PENDING_REVIEW",
        /// Refused by ad review.
        Disapproved = "DISAPPROVED",
        /// Reviewed before its schedule starts.
        Preapproved = "PREAPPROVED",
        /// Waiting for a payment method.
        PendingBilling = "PENDING_BILLING_INFO",
    }
}

open_enum! {
    /// Campaign objective; only the outcome-driven six can be re-created.
    Objective {
        /// Sales.
        Sales = "OUTCOME_SALES",
        /// Leads.
        Leads = "OUTCOME_LEADS",
        /// Engagement.
        Engagement = "OUTCOME_ENGAGEMENT",
        /// Traffic.
        Traffic = "OUTCOME_TRAFFIC",
        /// Awareness.
        Awareness = "OUTCOME_AWARENESS",
        /// App promotion.
        AppPromotion = "OUTCOME_APP_PROMOTION",
    }
}

open_enum! {
    /// Where Meta says an ad set stands in its learning phase (`learning_stage_info.status`).
    LearningStatus {
        /// Learning.
        Learning = "LEARNING",
        /// Left learning.
        Success = "SUCCESS",
        /// "Learning limited": it will not leave learning at this volume.
        Limited = "FAIL",
    }
}

/// `learning_stage_info` of an ad set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learning {
    /// The stage.
    pub status: LearningStatus,
    /// Optimised events since the last significant edit.
    pub conversions: u64,
    /// When the last significant edit happened.
    pub last_significant_edit: Option<Moment>,
}

/// A campaign as read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Its name; foreign text, never interpreted.
    pub name: String,
    /// Its objective.
    pub objective: Objective,
    /// The switch.
    pub status: Status,
    /// What Meta makes of it.
    pub effective_status: EffectiveStatus,
    /// Campaign budget per day ("CBO"); None when the ad sets carry the budget ("ABO").
    pub daily_budget: Option<Money>,
    /// Campaign budget for its whole life.
    pub lifetime_budget: Option<Money>,
    /// Spending limit of the campaign.
    pub spend_cap: Option<Money>,
    /// Bid strategy, where the campaign has one.
    pub bid_strategy: Option<String>,
    /// Special ad categories, `NONE` left out.
    pub special_ad_categories: Vec<String>,
    /// Every field as read.
    pub fields: Fields,
}

/// What an ad set is optimised for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Optimisation {
    /// `optimization_goal`, e.g. `OFFSITE_CONVERSIONS`.
    pub goal: String,
    /// `promoted_object.pixel_id`.
    pub pixel_id: Option<String>,
    /// `promoted_object.custom_event_type`, e.g. `ADD_TO_CART`.
    pub custom_event_type: Option<String>,
    /// `promoted_object.custom_event_str` of a custom event.
    pub custom_event_str: Option<String>,
    /// `promoted_object.custom_conversion_id`.
    pub custom_conversion_id: Option<String>,
}

/// An ad set as read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdSet {
    /// Its id.
    pub id: AdSetId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its name; foreign text.
    pub name: String,
    /// The switch.
    pub status: Status,
    /// What Meta makes of it.
    pub effective_status: EffectiveStatus,
    /// What it is optimised for.
    pub optimisation: Optimisation,
    /// Its own budget per day, when the campaign has none.
    pub daily_budget: Option<Money>,
    /// Its own budget for its whole life.
    pub lifetime_budget: Option<Money>,
    /// Bid strategy; caps need `bid_amount`, which cannot be carried to another rung.
    pub bid_strategy: Option<String>,
    /// Bid or cost cap in minor units, per optimised event.
    pub bid_amount: Option<i64>,
    /// When it ends; None = runs on.
    pub end_time: Option<Moment>,
    /// Meta's view of its learning phase.
    pub learning: Option<Learning>,
    /// Attribution windows, as read, e.g. `CLICK_THROUGH:7`; sorted.
    pub attribution: Vec<String>,
    /// Every field as read.
    pub fields: Fields,
}

/// An ad as read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ad {
    /// Its id.
    pub id: AdId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its ad set.
    pub adset: AdSetId,
    /// Its name; foreign text.
    pub name: String,
    /// The switch.
    pub status: Status,
    /// What Meta makes of it.
    pub effective_status: EffectiveStatus,
    /// The creative it shows; shared between arms so that they show the same posts.
    pub creative: Option<CreativeId>,
    /// Every field as read.
    pub fields: Fields,
}

/// A campaign with all its ad sets and ads, read in one pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// When the read ended.
    pub seen_at: Moment,
    /// The campaign.
    pub campaign: Campaign,
    /// Its ad sets, by id.
    pub adsets: Vec<AdSet>,
    /// Its ads, by id.
    pub ads: Vec<Ad>,
}

impl Tree {
    /// The daily budget of the whole tree: the campaign's, or the sum over its live ad sets.
    pub fn daily_budget(&self) -> Option<Money> {
        if let Some(budget) = self.campaign.daily_budget {
            return Some(budget);
        }
        let mut live = self.adsets.iter().filter(|s| s.status == Status::Active);
        let first = live.next()?.daily_budget?;
        live.try_fold(first, |sum, s| sum.checked_add(s.daily_budget?).ok())
    }
    /// Ids of campaign, ad sets and ads.
    pub fn object_ids(&self) -> Vec<ObjectId> {
        let sets = self.adsets.iter().map(|s| ObjectId::from(&s.id));
        let ads = self.ads.iter().map(|a| ObjectId::from(&a.id));
        std::iter::once(ObjectId::from(&self.campaign.id)).chain(sets).chain(ads).collect()
    }
}

/// The ad account as read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// Its name; foreign text.
    pub name: String,
    /// Its currency.
    pub currency: Currency,
    /// Its time zone.
    pub zone: Zone,
    /// `account_status`; 1 = active.
    pub status: i64,
    /// Smallest daily budget Meta takes, if told.
    pub min_daily_budget: Option<Money>,
    /// Smallest campaign spend cap Meta takes, if told.
    pub min_spend_cap: Option<Money>,
    /// The business that owns it, if any.
    pub business: Option<String>,
}

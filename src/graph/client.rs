//! The reading side as the use cases see it.

use std::{collections::BTreeMap, sync::Arc};

use super::{Link, insights::Pages, template};
use crate::{
    domain::{
        AccountId, AccountInfo, CampaignId, Day, DayRange, Moment, ObjectId, PixelId, Tree,
        plan::{Aspect, ObjectKind, Op, Template},
    },
    ports::{
        MetaError, MetaRead, Transport,
        meta::{Activity, Found, Interference, PixelHour, TokenInfo, WireState},
    },
};

/// Reads one ad account. Cannot write: that takes a [`super::Writer`].
pub struct Client<T> {
    pub(super) link: Arc<Link<T>>,
}

impl<T: Transport> Client<T> {
    /// Reads through `link`; sends nothing yet.
    pub fn new(link: Arc<Link<T>>) -> Self {
        Self { link }
    }
    /// Calls with another token from the next request on.
    pub fn change_secrets(&self, secrets: super::Secrets) {
        self.link.change_secrets(secrets);
    }
    /// Pixels, clock, API version and proof: what a check of the installation looks at besides account and token.
    pub async fn surroundings(&self) -> Result<crate::ports::meta::Surroundings, MetaError> {
        self.link.read_for_check().await
    }
    /// How far Meta's clock is ahead of ours in milliseconds, once an answer has told.
    pub fn clock_skew_ms(&self) -> Option<i64> {
        self.link.clock_skew_ms()
    }
}

impl<T> std::fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.link).finish()
    }
}

impl<T> Clone for Client<T> {
    fn clone(&self) -> Self {
        Self { link: Arc::clone(&self.link) }
    }
}

impl<T: Transport> MetaRead for Client<T> {
    type Pages<'a>
        = Pages<'a, T>
    where
        T: 'a;
    fn account_id(&self) -> &AccountId {
        &self.link.options.account
    }
    async fn account(&self) -> Result<AccountInfo, MetaError> {
        self.link.read_account().await
    }
    async fn trees(&self, only: &[CampaignId]) -> Result<Vec<Tree>, MetaError> {
        self.link.read_trees(only).await
    }
    async fn twins(&self, ids: &[CampaignId]) -> Result<Vec<Tree>, MetaError> {
        self.link.read_twins(ids).await
    }
    async fn aspects(
        &self,
        kind: ObjectKind,
        id: &ObjectId,
    ) -> Result<Option<BTreeMap<Aspect, String>>, MetaError> {
        self.link.read_aspects(kind, id).await
    }
    fn insights(&self, range: DayRange) -> Pages<'_, T> {
        Pages::new(&self.link, range)
    }
    async fn account_spend(&self, range: DayRange) -> Result<BTreeMap<Day, i64>, MetaError> {
        self.link.read_account_spend(range).await
    }
    async fn find_marked(&self, kind: ObjectKind, marker: &str) -> Result<Vec<Found>, MetaError> {
        self.link.read_marked(kind, marker).await
    }
    async fn copies(&self, kind: ObjectKind, source: &ObjectId) -> Result<Vec<Found>, MetaError> {
        self.link.read_copies(kind, source).await
    }
    async fn activities(&self, since: Moment) -> Result<Vec<Activity>, MetaError> {
        self.link.read_activities(since).await
    }
    async fn interference(&self, campaign: &CampaignId) -> Result<Vec<Interference>, MetaError> {
        self.link.read_interference(campaign).await
    }
    async fn pixel_hours(
        &self,
        pixel: &PixelId,
        since: Moment,
    ) -> Result<Vec<PixelHour>, MetaError> {
        self.link.read_pixel_hours(pixel, since).await
    }
    async fn token(&self) -> Result<TokenInfo, MetaError> {
        self.link.read_token().await
    }
    fn wire(&self) -> WireState {
        self.link.wire_state()
    }
    fn template(&self, op: &Op) -> Template {
        template::of(&self.link.options.account, op)
    }
}

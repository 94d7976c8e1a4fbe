//! Reads of the account, its objects and the token.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Link, error::plain, fields, page::by_id, wire, wire::WireError};
use crate::{
    domain::{
        AccountInfo, Ad, AdSet, Campaign, CampaignId, Currency, Moment, Money, ObjectId, Tree,
        plan::{Aspect, ObjectKind},
    },
    ports::{
        Clock as _, MetaClass, MetaError, Request, Transport,
        meta::{Activity, Found, TokenInfo},
    },
};

/// Ids named in one request; more would make the URL too long.
const IDS_PER_CALL: usize = 50;

/// Every effective status an edge can be asked for; without it archived and deleted objects stay hidden.
const ALL_STATUSES: [&str; 12] = [
    "ACTIVE",
    "PAUSED",
    "DELETED",
    "ARCHIVED",
    "IN_PROCESS",
    "WITH_ISSUES",
    "CAMPAIGN_PAUSED",
    "ADSET_PAUSED",
    "PENDING_REVIEW",
    "DISAPPROVED",
    "PREAPPROVED",
    "PENDING_BILLING_INFO",
];

/// Every effective status an ad set can have.
pub(super) const ADSET_STATUSES: &[&str] =
    ALL_STATUSES.first_chunk::<7>().expect("twelve statuses");

/// An answer that was complete but makes no sense: no data came of it.
pub(super) fn senseless(what: &str, error: &WireError) -> MetaError {
    plain(MetaClass::Unknown, what, error.to_string())
}

/// One condition of a `filtering` parameter.
pub(super) fn filter(field: &str, operator: &str, value: &Value) -> Value {
    json!({"field": field, "operator": operator, "value": value})
}

/// How much of each object is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What decisions need.
    Usual,
    /// Everything a copy must equal.
    Whole,
}

impl<T: Transport> Link<T> {
    pub(super) async fn read_account(&self) -> Result<AccountInfo, MetaError> {
        let account = self.options.account.act();
        let what = format!("read account {account}");
        let request = Request::get(self.path(&account)).with("fields", fields::ACCOUNT);
        let body = self.get(&what, request).await?;
        let info = wire::account::parse(&body).map_err(|e| senseless(&what, &e))?;
        self.learn_currency(info.currency);
        Ok(info)
    }
    /// The account's currency, read once.
    pub(super) async fn currency(&self) -> Result<Currency, MetaError> {
        match self.known_currency() {
            Some(currency) => Ok(currency),
            None => Ok(self.read_account().await?.currency),
        }
    }

    pub(super) async fn read_trees(&self, only: &[CampaignId]) -> Result<Vec<Tree>, MetaError> {
        let currency = self.currency().await?;
        let mut batches: Vec<&[CampaignId]> = only.chunks(IDS_PER_CALL).collect();
        if batches.is_empty() {
            batches.push(&[]);
        }
        let mut trees = Vec::new();
        for ids in batches {
            trees.extend(self.trees_of(ids, currency, Extent::Usual).await?);
        }
        trees.sort_by(|a, b| a.campaign.id.cmp(&b.campaign.id));
        trees.dedup_by(|a, b| a.campaign.id == b.campaign.id);
        Ok(trees)
    }

    /// Whole objects. Some fields need capabilities an app may not have: where Meta refuses to tell them all, the usual
    /// ones are compared.
    pub(super) async fn read_twins(&self, ids: &[CampaignId]) -> Result<Vec<Tree>, MetaError> {
        let currency = self.currency().await?;
        match self.trees_of(ids, currency, Extent::Whole).await {
            Err(e) if e.class == MetaClass::Refused || e.class == MetaClass::Auth => {
                tracing::warn!("Meta does not tell every field ({e}); the usual ones are compared");
                self.trees_of(ids, currency, Extent::Usual).await
            }
            other => other,
        }
    }

    /// Three edges, whatever the number of objects. Children of a campaign that vanished between the calls are left out.
    async fn trees_of(
        &self,
        ids: &[CampaignId],
        currency: Currency,
        extent: Extent,
    ) -> Result<Vec<Tree>, MetaError> {
        let of = |usual: &str, rest: &str| match extent {
            Extent::Usual => usual.to_owned(),
            Extent::Whole => format!("{usual},{rest}"),
        };
        let asked = of(fields::CAMPAIGN, fields::CAMPAIGN_REST);
        let campaigns =
            self.objects("campaigns", &asked, ids, |v| wire::campaign::parse(v, currency));
        let campaigns: Vec<Campaign> = campaigns.await?;
        if campaigns.is_empty() {
            return Ok(Vec::new());
        }
        let asked = of(fields::ADSET, fields::ADSET_REST);
        let adsets = self.objects("adsets", &asked, ids, |v| wire::adset::parse(v, currency));
        let adsets: Vec<AdSet> = adsets.await?;
        let asked = of(fields::AD, fields::AD_REST);
        let ads: Vec<Ad> = self.objects("ads", &asked, ids, wire::ad::parse).await?;
        let seen_at = self.clock.now();
        let empty = |campaign: Campaign| {
            let id = campaign.id.clone();
            (id, Tree { seen_at, campaign, adsets: Vec::new(), ads: Vec::new() })
        };
        let mut trees: BTreeMap<CampaignId, Tree> = campaigns.into_iter().map(empty).collect();
        for adset in adsets {
            if let Some(tree) = trees.get_mut(&adset.campaign) {
                tree.adsets.push(adset);
            }
        }
        for ad in ads {
            if let Some(tree) = trees.get_mut(&ad.campaign) {
                tree.ads.push(ad);
            }
        }
        let mut trees: Vec<Tree> = trees.into_values().collect();
        for tree in &mut trees {
            tree.adsets.sort_by(|a, b| a.id.cmp(&b.id));
            tree.ads.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Ok(trees)
    }

    async fn objects<O>(
        &self,
        edge: &str,
        fields: &str,
        campaigns: &[CampaignId],
        parse: impl Fn(&Value) -> Result<O, WireError> + Send,
    ) -> Result<Vec<O>, MetaError> {
        let what = format!("read {edge} of {}", self.options.account);
        let mut request = Request::get(self.edge(edge)).with("fields", fields);
        if !campaigns.is_empty() {
            let ids = json!(campaigns.iter().map(CampaignId::as_str).collect::<Vec<_>>());
            let filtering = json!([filter("campaign.id", "IN", &ids)]);
            request = request.with("filtering", filtering.to_string());
        }
        let rows = self.list(&what, request, by_id).await?;
        rows.iter().map(|row| parse(row).map_err(|e| senseless(&what, &e))).collect()
    }

    pub(super) async fn read_aspects(
        &self,
        kind: ObjectKind,
        id: &ObjectId,
    ) -> Result<Option<BTreeMap<Aspect, String>>, MetaError> {
        let (word, fields) = match kind {
            ObjectKind::Campaign => {
                ("campaign", "id,name,status,effective_status,daily_budget,spend_cap")
            }
            ObjectKind::AdSet => (
                "ad set",
                "id,campaign_id,name,status,effective_status,daily_budget,end_time,\
                 optimization_goal,promoted_object",
            ),
            ObjectKind::Ad => ("ad", "id,campaign_id,adset_id,name,status,effective_status"),
            ObjectKind::Rule => ("rule", "id,name,status,evaluation_spec"),
            ObjectKind::Study => ("study", wire::study::FIELDS),
        };
        let what = format!("read {word} {id}");
        let currency = match kind {
            ObjectKind::Campaign | ObjectKind::AdSet => Some(self.currency().await?),
            ObjectKind::Ad | ObjectKind::Rule | ObjectKind::Study => None,
        };
        let request = Request::get(self.path(id.as_str())).with("fields", fields);
        let body = match self.get(&what, request).await {
            Ok(body) => body,
            Err(error) if error.class == MetaClass::Gone => return Ok(None),
            Err(error) => return Err(error),
        };
        aspects(kind, &body, currency).map(Some).map_err(|e| senseless(&what, &e))
    }

    pub(super) async fn read_marked(
        &self,
        kind: ObjectKind,
        marker: &str,
    ) -> Result<Vec<Found>, MetaError> {
        let (edge, level) = match kind {
            ObjectKind::Campaign => ("campaigns", Some("campaign")),
            ObjectKind::AdSet => ("adsets", Some("adset")),
            ObjectKind::Ad => ("ads", Some("ad")),
            ObjectKind::Rule => ("adrules_library", None),
            ObjectKind::Study => ("ad_studies", None),
        };
        let what = format!("search {edge} of {} for {marker}", self.options.account);
        let mut request = Request::get(self.edge(edge)).with("fields", searched(kind));
        if let Some(level) = level {
            let named = filter(&format!("{level}.name"), "CONTAIN", &json!(marker));
            let known = statuses(kind);
            request = request
                .with("filtering", json!([named]).to_string())
                .with("effective_status", json!(known).to_string());
        }
        let rows = self.list(&what, request, by_id).await?;
        let mut found = Vec::new();
        for row in &rows {
            let object = found_of(&what, kind, row)?;
            // Meta's search is looser than ours: it ignores case and some signs.
            if object.name.contains(marker) {
                found.push(object);
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    pub(super) async fn read_copies(
        &self,
        kind: ObjectKind,
        source: &ObjectId,
    ) -> Result<Vec<Found>, MetaError> {
        let what = format!("read copies of {source}");
        let request = Request::get(self.path(&format!("{source}/copies")))
            .with("fields", searched(kind))
            .with("effective_status", json!(statuses(kind)).to_string());
        let rows = match self.list(&what, request, by_id).await {
            // A source that is gone has no list of copies any more.
            Err(error) if error.class == MetaClass::Gone => return Ok(Vec::new()),
            other => other?,
        };
        rows.iter().map(|row| found_of(&what, kind, row)).collect()
    }

    pub(super) async fn read_activities(&self, since: Moment) -> Result<Vec<Activity>, MetaError> {
        let what = format!("read activities of {}", self.options.account);
        // The log has whole seconds, and its clock may be a little behind ours.
        let (from, until) =
            (since.plus(-5_000).seconds(), self.clock.now().plus(300_000).seconds());
        let request = Request::get(self.edge("activities"))
            .with("fields", fields::ACTIVITY)
            .with("since", from.to_string())
            .with("until", until.to_string());
        let rows = self.list(&what, request, wire::activity::key).await?;
        let secrets = self.secrets();
        let app = secrets.app_id();
        let read = |row| wire::activity::parse(row, app).map_err(|e| senseless(&what, &e));
        rows.iter().map(read).collect()
    }

    pub(super) async fn read_token(&self) -> Result<TokenInfo, MetaError> {
        if let Some(request) = self.secrets().debug_token(self.path("debug_token")) {
            let what = "examine the token";
            let body = self.get_signed(what, &request, super::error::body_of).await?;
            let mut info = wire::token::parse(&body).map_err(|e| senseless(what, &e))?;
            // Nothing renews a person's token: that takes the person.
            info.renewable = self.secrets().is_renewable() && info.kind == "SYSTEM_USER";
            return Ok(info);
        }
        let what = "check the token";
        let request = Request::get(self.path("me")).with("fields", "id,name");
        let (valid, kind) = match self.get(what, request).await {
            Ok(_) => (true, "UNKNOWN".to_owned()),
            Err(error) if error.class == MetaClass::Auth => (false, "UNKNOWN".to_owned()),
            Err(error) => return Err(error),
        };
        Ok(TokenInfo {
            valid,
            expires_at: None,
            scopes: Vec::new(),
            kind,
            app_id: None,
            data_access_until: None,
            renewable: false,
        })
    }
}

/// Fields of an object that is looked for.
const fn searched(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Campaign => "id,name,status,created_time,source_campaign_id",
        ObjectKind::AdSet => "id,name,status,created_time,source_adset_id",
        ObjectKind::Ad => "id,name,status,created_time,source_ad_id",
        ObjectKind::Rule => "id,name,status,created_time",
        // A study has no status, only times.
        ObjectKind::Study => wire::study::FIELDS,
    }
}

fn found_of(what: &str, kind: ObjectKind, row: &Value) -> Result<Found, MetaError> {
    if kind == ObjectKind::Study {
        let study = wire::study::parse(row).map_err(|e| senseless(what, &e))?;
        let status = study.status().to_owned();
        let id =
            ObjectId::new(study.id).map_err(|e| plain(MetaClass::Unknown, what, e.to_string()))?;
        return Ok(Found { kind, id, name: study.name, status, created: None, source: None });
    }
    let rule = wire::rule::parse(row).map_err(|e| senseless(what, &e))?;
    let id = ObjectId::new(rule.id).map_err(|e| plain(MetaClass::Unknown, what, e.to_string()))?;
    let source = ObjectId::new(rule.source).ok();
    Ok(Found { kind, id, name: rule.name, status: rule.status, created: rule.created, source })
}

/// The effective statuses that exist on the edge of a kind.
fn statuses(kind: ObjectKind) -> &'static [&'static str] {
    match kind {
        ObjectKind::Campaign => &ALL_STATUSES[..6],
        ObjectKind::AdSet => ADSET_STATUSES,
        ObjectKind::Ad | ObjectKind::Rule | ObjectKind::Study => &ALL_STATUSES,
    }
}

/// Aspects in the text form in which plans promise them.
fn aspects(
    kind: ObjectKind,
    body: &Value,
    currency: Option<Currency>,
) -> Result<BTreeMap<Aspect, String>, WireError> {
    let money = |m: Option<Money>| m.map_or_else(String::new, |m| m.minor().to_string());
    let currency = currency.unwrap_or_else(|| "USD".parse().expect("USD is a currency code"));
    Ok(match kind {
        ObjectKind::Campaign => {
            let read = wire::campaign::parse(body, currency)?;
            BTreeMap::from([
                (Aspect::Name, read.name),
                (Aspect::Status, read.status.into()),
                (Aspect::EffectiveStatus, read.effective_status.into()),
                (Aspect::DailyBudget, money(read.daily_budget)),
                (Aspect::SpendCap, money(read.spend_cap)),
            ])
        }
        ObjectKind::AdSet => {
            let read = wire::adset::parse(body, currency)?;
            let end = read.end_time.map_or_else(String::new, |m| m.seconds().to_string());
            BTreeMap::from([
                (Aspect::Optimisation, wire::adset::key(&read.optimisation)),
                (Aspect::Name, read.name),
                (Aspect::Status, read.status.into()),
                (Aspect::EffectiveStatus, read.effective_status.into()),
                (Aspect::DailyBudget, money(read.daily_budget)),
                (Aspect::EndTime, end),
            ])
        }
        ObjectKind::Ad => {
            let read = wire::ad::parse(body)?;
            BTreeMap::from([
                (Aspect::Name, read.name),
                (Aspect::Status, read.status.into()),
                (Aspect::EffectiveStatus, read.effective_status.into()),
            ])
        }
        ObjectKind::Rule => {
            let read = wire::rule::parse(body)?;
            BTreeMap::from([
                (Aspect::Name, read.name),
                (Aspect::Status, read.status),
                (Aspect::SpendCap, wire::rule::spend_over(body)),
            ])
        }
        ObjectKind::Study => {
            let read = wire::study::parse(body)?;
            let instant = |m: Option<crate::domain::Moment>| {
                m.map_or_else(String::new, |m| m.seconds().to_string())
            };
            BTreeMap::from([
                (Aspect::Status, read.status().to_owned()),
                (Aspect::StartTime, instant(read.start)),
                (Aspect::EndTime, instant(read.end)),
                (Aspect::Cells, read.cells_text()),
                (Aspect::Name, read.name),
            ])
        }
    })
}

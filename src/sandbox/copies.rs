//! Copies of campaigns, ad sets and ads.

use serde_json::{Map, Value, json};

use super::{
    creates::{gone, version},
    errors::{Answer, Refusal},
    laws::{OBJECTIVES, one_of},
    objects::{Id, Kind, Node},
    request::Call,
    world::World,
};
use crate::domain::Moment;

/// Ads a deep copy may hold in all: at once, and in the background (Marketing API, "Ad set copies").
const SYNC_ADS: usize = 3;
const BACKGROUND_ADS: usize = 51;

/// How copies are switched and named.
struct Manner {
    deep: bool,
    status: String,
    strategy: String,
    prefix: String,
    suffix: String,
}

impl Manner {
    fn of(call: &Call, locale: &str) -> Result<Self, Refusal> {
        let params = &call.params;
        let status = params.text("status_option").unwrap_or_else(|| "PAUSED".to_owned());
        one_of("status_option", &status, &["ACTIVE", "PAUSED", "INHERITED_FROM_SOURCE"])?;
        let options = params.value("rename_options").unwrap_or_default();
        let part = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_owned);
        let strategy =
            part("rename_strategy").unwrap_or_else(|| "ONLY_TOP_LEVEL_RENAME".to_owned());
        one_of(
            "rename_strategy",
            &strategy,
            &["DEEP_RENAME", "ONLY_TOP_LEVEL_RENAME", "NO_RENAME"],
        )?;
        let (prefix, suffix) = (part("rename_prefix"), part("rename_suffix"));
        let plain = prefix.is_none() && suffix.is_none();
        let language = params.text("locale").unwrap_or_else(|| locale.to_owned());
        let suffix =
            suffix.unwrap_or_else(|| if plain { word_for_copy(&language) } else { "" }.to_owned());
        let deep = params.flag("deep_copy").unwrap_or(false);
        Ok(Self { deep, status, strategy, prefix: prefix.unwrap_or_default(), suffix })
    }
    fn name(&self, old: &str, top: bool) -> String {
        match self.strategy.as_str() {
            "NO_RENAME" => old.to_owned(),
            "ONLY_TOP_LEVEL_RENAME" if !top => old.to_owned(),
            _ => format!("{}{old}{}", self.prefix, self.suffix),
        }
    }
    fn status(&self, old: &str) -> Value {
        json!(if self.status == "INHERITED_FROM_SOURCE" { old } else { &self.status })
    }
}

fn told(list: &mut Vec<Value>, kind: &str, source: Id, copy: Id) {
    list.push(json!({"ad_object_type": kind, "source_id": source.to_string(), "copied_id": copy.to_string()}));
}

fn small_enough(call: &Call, ads: usize) -> Result<(), Refusal> {
    let most = if call.background { BACKGROUND_ADS } else { SYNC_ADS };
    if ads > most {
        return Err(Refusal::new(100, "Invalid parameter").sub(1_885_194).saying(
            "Copy request is too large",
            format!("The objects hold {ads} ads; a copy of this kind may hold at most {most}."),
        ));
    }
    Ok(())
}

/// What is put behind the name of a copy, in the language of the business.
fn word_for_copy(locale: &str) -> &'static str {
    match locale.split('_').next().unwrap_or("") {
        "de" => " – Kopie",
        "fr" => " - Copie",
        "es" | "it" => " - Copia",
        "pt" => " - Cópia",
        "nl" => " - Kopie",
        "pl" => " — kopia",
        "tr" => " - Kopya",
        "ja" => " - コピー",
        _ => " - Copy",
    }
}

/// Standard enhancements as a bundle can no longer be created, so ads that have it can't be copied with their creative.
fn creatable(creative: Option<&Node>) -> Result<(), Refusal> {
    let spec = creative.and_then(|c| c.fields.get("degrees_of_freedom_spec"));
    match spec {
        Some(spec) if spec.to_string().contains("standard_enhancements\"") => {
            Err(super::catalogue::called(100, Some(3_858_504)))
        }
        _ => Ok(()),
    }
}

fn draft_of(source: &Node, manner: &Manner, top: bool, lineage: &str) -> Node {
    let mut draft = source.clone();
    // What its source has spent is not its own.
    draft.id = 0;
    draft.set("name", json!(manner.name(source.text("name"), top)));
    draft.set("status", manner.status(source.status()));
    draft.set(lineage, json!(source.id.to_string()));
    draft
}

impl World {
    fn living(&self, ids: &[Id]) -> Vec<Node> {
        ids.iter()
            .filter_map(|id| self.nodes.get(id))
            .filter(|n| !n.gone())
            .map(|n| (**n).clone())
            .collect()
    }
    /// `POST /{campaign}/copies`.
    pub(super) fn copy_campaign(&mut self, call: &Call, source: &Node) -> Answer {
        let manner = Manner::of(call, &self.options.locale)?;
        if !OBJECTIVES.contains(&source.text("objective")) {
            let text = "Campaigns with a legacy objective can't be copied.";
            return Err(Refusal::invalid("objective", text));
        }
        if matches!(
            source.text("smart_promotion_type"),
            "AUTOMATED_SHOPPING_ADS" | "SMART_APP_PROMOTION"
        ) {
            let text = "Campaigns of this type can no longer be copied this way.";
            return Err(Refusal::invalid("smart_promotion_type", text));
        }
        let sets = if manner.deep { self.living(&self.adsets_of(source.id)) } else { Vec::new() };
        let ads: Vec<Node> = sets.iter().flat_map(|s| self.living(&self.ads_of(s.id))).collect();
        small_enough(call, ads.len())?;
        self.copyable(&ads)?;
        let mut draft = draft_of(source, &manner, true, "source_campaign_id");
        for (name, value) in overrides(call) {
            draft.set(&name, value);
        }
        draft.set("start_time", self.stamp(self.now));
        self.lawful_campaign(&draft)?;
        for set in &sets {
            self.lawful_adset(
                &self.adset_draft(call, set, &draft, &manner, false),
                &draft,
                version(call),
            )?;
        }
        let copy = self.settle(draft.clone(), "create_campaign_group");
        let mut list = Vec::new();
        told(&mut list, "campaign", source.id, copy);
        draft.id = copy;
        for set in &sets {
            self.place_adset(call, set, &draft, &manner, false, &mut list);
        }
        Ok(json!({"copied_campaign_id": copy.to_string(), "ad_object_ids": list}))
    }
    fn copyable(&self, ads: &[Node]) -> Result<(), Refusal> {
        ads.iter().try_for_each(|ad| {
            let id = ad.fields.get("creative").and_then(|c| c["id"].as_str()?.parse::<Id>().ok());
            creatable(id.and_then(|id| self.nodes.get(&id)).map(AsRef::as_ref))
        })
    }
    fn adset_draft(
        &self,
        call: &Call,
        source: &Node,
        campaign: &Node,
        manner: &Manner,
        top: bool,
    ) -> Node {
        let mut draft = draft_of(source, manner, top, "source_adset_id");
        draft.campaign = campaign.id;
        let asked = |name: &str| {
            let text = call.params.text(name)?;
            let seconds = text.parse::<i64>().ok();
            let unix = seconds.map(|s| Moment::from_millis(s.saturating_mul(1_000)));
            unix.or_else(|| text.parse().ok())
        };
        let start = asked("start_time").unwrap_or(self.now);
        draft.set("start_time", self.stamp(start));
        let length =
            source.moment("end_time").zip(source.moment("start_time")).map(|(e, s)| e.since(s));
        let end = asked("end_time").or_else(|| length.map(|l| self.now.plus(l)));
        draft.set("end_time", end.map_or(Value::Null, |t| self.stamp(t)));
        if campaign.amount("daily_budget").or_else(|| campaign.amount("lifetime_budget")).is_some()
        {
            for field in ["daily_budget", "lifetime_budget", "bid_strategy"] {
                draft.set(field, Value::Null);
            }
        }
        draft
    }
    fn place_adset(
        &mut self,
        call: &Call,
        source: &Node,
        campaign: &Node,
        manner: &Manner,
        top: bool,
        list: &mut Vec<Value>,
    ) -> Id {
        let draft = self.adset_draft(call, source, campaign, manner, top);
        let copy = self.settle(draft, "create_ad_set");
        told(list, "ad_set", source.id, copy);
        let ads = if manner.deep { self.living(&self.ads_of(source.id)) } else { Vec::new() };
        for ad in ads {
            self.place_ad(&ad, (campaign.id, copy), manner, false, list);
        }
        copy
    }
    fn place_ad(
        &mut self,
        source: &Node,
        parents: (Id, Id),
        manner: &Manner,
        top: bool,
        list: &mut Vec<Value>,
    ) -> Id {
        let mut draft = draft_of(source, manner, top, "source_ad_id");
        (draft.campaign, draft.adset) = parents;
        draft.set("last_updated_by_app_id", json!(self.credentials.app_id));
        let copy = self.settle(draft, "create_ad");
        told(list, "ad", source.id, copy);
        copy
    }
    /// The copy of an ad gets a creative of its own: the source's with some members replaced.
    fn other_creative(
        &mut self,
        source: &Node,
        copy: Id,
        changes: Map<String, Value>,
        list: &mut Vec<Value>,
    ) {
        let old = source.fields.get("creative").and_then(|c| c["id"].as_str()?.parse::<Id>().ok());
        let mut fields =
            old.and_then(|id| self.nodes.get(&id)).map(|n| n.fields.clone()).unwrap_or_default();
        fields.extend(changes);
        let fresh = self.create(Kind::Creative, (0, 0), fields);
        told(list, "unique_adcreative", old.unwrap_or(0), fresh);
        if let Some(ad) = self.edit(copy) {
            ad.set("creative", json!({"id": fresh.to_string()}));
        }
    }
    /// `POST /{adset}/copies`.
    pub(super) fn copy_adset(&mut self, call: &Call, source: &Node) -> Answer {
        let manner = Manner::of(call, &self.options.locale)?;
        let target = call.params.text("campaign_id").unwrap_or_else(|| source.campaign.to_string());
        let campaign = self.parent(&target, Kind::Campaign, "campaign_id")?;
        if manner.deep {
            let ads = self.living(&self.ads_of(source.id));
            small_enough(call, ads.len())?;
            self.copyable(&ads)?;
        }
        self.room_for_adset(campaign.id)?;
        let draft = self.adset_draft(call, source, &campaign, &manner, true);
        self.lawful_adset(&draft, &campaign, version(call))?;
        let mut list = Vec::new();
        let copy = self.place_adset(call, source, &campaign, &manner, true, &mut list);
        Ok(json!({"copied_adset_id": copy.to_string(), "ad_object_ids": list}))
    }
    /// `POST /{ad}/copies`.
    pub(super) fn copy_ad(&mut self, call: &Call, source: &Node) -> Answer {
        let manner = Manner::of(call, &self.options.locale)?;
        let target = call.params.text("adset_id").unwrap_or_else(|| source.adset.to_string());
        let adset = self.parent(&target, Kind::AdSet, "adset_id")?;
        if source.gone() {
            return Err(gone());
        }
        self.room_for_ad(adset.id)?;
        let other = call.params.value("creative_parameters").filter(Value::is_object);
        if other.as_ref().is_none_or(|o| o.get("degrees_of_freedom_spec").is_none()) {
            self.copyable(std::slice::from_ref(source))?;
        }
        let mut list = Vec::new();
        let copy = self.place_ad(source, (adset.campaign, adset.id), &manner, true, &mut list);
        if let Some(Value::Object(changes)) = other {
            self.other_creative(source, copy, changes, &mut list);
        }
        self.significant(adset.id);
        Ok(json!({"copied_ad_id": copy.to_string(), "ad_object_ids": list}))
    }
}

/// `parameter_overrides` of a campaign copy, amounts as text.
fn overrides(call: &Call) -> Map<String, Value> {
    let Some(Value::Object(map)) = call.params.value("parameter_overrides") else {
        return Map::new();
    };
    let amounts = ["daily_budget", "lifetime_budget", "spend_cap"];
    map.into_iter()
        .filter(|(name, _)| !matches!(name.as_str(), "id" | "objective" | "status"))
        .map(|(name, v)| {
            let v =
                if amounts.contains(&name.as_str()) { json!(super::params::plain(&v)) } else { v };
            (name, v)
        })
        .collect()
}

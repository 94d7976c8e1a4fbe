//! Creating campaigns, ad sets, ads and creatives.

use serde_json::{Value, json};

use super::{
    absorb::{AD, ADSET, CAMPAIGN, absorb},
    dialect::success,
    errors::{Answer, Refusal},
    laws::{OBJECTIVES, categories, one_of, switch},
    objects::{Id, Kind, Node, map},
    params::plain,
    request::Call,
    world::World,
};

/// Ad sets one campaign can hold, and ads one ad set can hold (Marketing API, "Ad set").
const ADSETS_PER_CAMPAIGN: usize = 200;
const ADS_PER_ADSET: usize = 50;

/// True when the call only wants to know whether it would be accepted.
pub(super) fn only_validates(call: &Call) -> bool {
    call.params.list("execution_options").is_some_and(|l| l.iter().any(|o| o == "validate_only"))
}

/// The Marketing API version as the rules know it; unversioned counts as newest.
pub(super) fn version(call: &Call) -> u32 {
    call.version.map_or(26, |(major, _)| major)
}

impl World {
    fn draft(&self, kind: Kind) -> Node {
        Node::new(0, kind, self.now, map([("status", json!("PAUSED"))]))
    }
    /// Puts a checked draft into the world, with its log entries.
    pub(super) fn settle(&mut self, draft: Node, event: &'static str) -> Id {
        let mut draft = draft;
        self.settle_labels(&mut draft);
        let mut fields = draft.fields;
        fields.retain(|_, v| !v.is_null());
        let id = self.create(draft.kind, (draft.campaign, draft.adset), fields);
        if let Some(node) = self.edit(id) {
            node.base_budget = draft.base_budget;
            if draft.lineage != 0 {
                node.lineage = draft.lineage;
            }
        }
        self.note(self.now, event, id, json!({"new_value": id.to_string()}));
        self.mark_budget(id);
        id
    }
    /// `POST /act_…/campaigns`.
    pub(super) fn create_campaign(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        params.need("name")?;
        one_of("objective", &params.need("objective")?, &OBJECTIVES)?;
        let sent =
            params.has("special_ad_categories") || params.value("special_ad_categories").is_some();
        categories(params.list("special_ad_categories").filter(|_| sent).as_deref())?;
        let mut draft = self.draft(Kind::Campaign);
        absorb(&mut draft, params, self.zone(), &CAMPAIGN)?;
        self.known_labels(&draft)?;
        switch(draft.status())?;
        let known: Vec<Value> = params
            .list("special_ad_categories")
            .unwrap_or_default()
            .into_iter()
            .filter(|c| c != "NONE")
            .map(Value::String)
            .collect();
        draft.fields.insert("special_ad_categories".to_owned(), Value::Array(known));
        if matches!(
            draft.text("smart_promotion_type"),
            "AUTOMATED_SHOPPING_ADS" | "SMART_APP_PROMOTION"
        ) {
            let text = "Campaigns of this type can no longer be created this way.";
            return Err(Refusal::invalid("smart_promotion_type", text));
        }
        let buying = params.text("buying_type").unwrap_or_else(|| "AUCTION".to_owned());
        one_of("buying_type", &buying, &["AUCTION", "RESERVED"])?;
        draft.fields.insert("buying_type".to_owned(), json!(buying));
        let pooled =
            draft.amount("daily_budget").or_else(|| draft.amount("lifetime_budget")).is_some();
        if !pooled
            && call.at_least(self.options.sharing_flag_since)
            && !draft.fields.contains_key("is_adset_budget_sharing_enabled")
        {
            return Err(Refusal::new(100, "Invalid parameter").sub(4_834_011).saying(
                "Must specify True or False in is_adset_budget_sharing_enabled field",
                "You must specify is_adset_budget_sharing_enabled if you are not using a campaign budget.",
            ));
        }
        self.lawful_campaign(&draft)?;
        if pooled && draft.text("bid_strategy").is_empty() {
            draft.fields.insert("bid_strategy".to_owned(), json!("LOWEST_COST_WITHOUT_CAP"));
        }
        draft.fields.entry("pacing_type").or_insert_with(|| json!(["standard"]));
        let now = self.stamp(self.now);
        draft.fields.entry("start_time").or_insert(now);
        if only_validates(call) {
            return Ok(success());
        }
        let id = self.settle(draft, "create_campaign_group");
        Ok(json!({"id": id.to_string()}))
    }
    /// The campaign an ad set shall go into.
    pub(super) fn parent(
        &self,
        text: &str,
        kind: Kind,
        field: &'static str,
    ) -> Result<Node, Refusal> {
        let found = text.parse::<Id>().ok().and_then(|id| self.find(id)).filter(|n| n.kind == kind);
        let Some(node) = found else {
            return Err(Refusal::invalid(
                field,
                format!("The {} {text} does not exist.", kind.word()),
            ));
        };
        if matches!(self.effective(node), "ARCHIVED" | "DELETED") {
            return Err(gone());
        }
        Ok((**node).clone())
    }
    /// `POST /act_…/adsets`.
    pub(super) fn create_adset(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        params.need("name")?;
        let campaign = self.parent(&params.need("campaign_id")?, Kind::Campaign, "campaign_id")?;
        for field in ["optimization_goal", "billing_event", "targeting"] {
            params.need(field)?;
        }
        let mut draft = self.draft(Kind::AdSet);
        draft.campaign = campaign.id;
        absorb(&mut draft, params, self.zone(), &ADSET)?;
        self.known_labels(&draft)?;
        switch(draft.status())?;
        if let Some(raw) = params.value("targeting").filter(|v| !v.is_object()) {
            return Err(Refusal::new(
                100,
                format!("(#100) Param targeting must be a JSON object, not {raw}"),
            ));
        }
        self.complete_adset(&mut draft, &campaign);
        self.lawful_adset(&draft, &campaign, version(call))?;
        self.room_for_adset(campaign.id)?;
        if only_validates(call) {
            return Ok(success());
        }
        let id = self.settle(draft, "create_ad_set");
        Ok(json!({"id": id.to_string()}))
    }
    /// More than 200 live ad sets do not fit into a campaign.
    pub(super) fn room_for_adset(&self, campaign: Id) -> Result<(), Refusal> {
        let live = self.adsets_of(campaign).iter().filter(|id| !self.nodes[id].gone()).count();
        if live >= ADSETS_PER_CAMPAIGN {
            return Err(Refusal::invalid(
                "campaign_id",
                "A campaign can hold at most 200 ad sets.",
            ));
        }
        Ok(())
    }
    /// What Meta fills in by itself, and where the market's normal budget comes from: source, else siblings, else own.
    pub(super) fn complete_adset(&self, draft: &mut Node, campaign: &Node) {
        let now = self.stamp(self.now);
        draft.fields.entry("start_time").or_insert(now);
        draft.fields.entry("is_dynamic_creative").or_insert(json!(false));
        let conversions =
            matches!(draft.text("optimization_goal"), "OFFSITE_CONVERSIONS" | "VALUE");
        let click = |days: i64| json!({"event_type": "CLICK_THROUGH", "window_days": days});
        let default = if conversions {
            json!([click(7), {"event_type": "VIEW_THROUGH", "window_days": 1}])
        } else {
            json!([click(1)])
        };
        draft.fields.entry("attribution_spec").or_insert(default);
        let pooled = campaign.amount("daily_budget").is_some();
        if !pooled {
            draft.fields.entry("bid_strategy").or_insert(json!("LOWEST_COST_WITHOUT_CAP"));
        }
        draft.fields.entry("destination_type").or_insert(json!("WEBSITE"));
        let source =
            draft.text("source_adset_id").parse::<Id>().ok().and_then(|id| self.nodes.get(&id));
        let sibling = || {
            self.adsets_of(campaign.id)
                .first()
                .and_then(|id| self.nodes.get(id))
                .map(|n| n.base_budget)
        };
        let own = || {
            draft
                .amount("daily_budget")
                .or_else(|| campaign.amount("daily_budget"))
                .unwrap_or(10_000)
        };
        let lineage = source.map_or(0, |n| n.lineage);
        draft.base_budget =
            source.map(|n| n.base_budget).or_else(sibling).unwrap_or_else(own).max(1);
        draft.lineage = lineage;
    }
    /// `POST /act_…/ads`.
    pub(super) fn create_ad(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        params.need("name")?;
        let adset = self.parent(&params.need("adset_id")?, Kind::AdSet, "adset_id")?;
        let wanted = params.value("creative").ok_or_else(|| Refusal::required("creative"))?;
        let mut draft = self.draft(Kind::Ad);
        (draft.campaign, draft.adset) = (adset.campaign, adset.id);
        absorb(&mut draft, params, self.zone(), &AD)?;
        self.known_labels(&draft)?;
        switch(draft.status())?;
        self.room_for_ad(adset.id)?;
        let creative = self.creative(&wanted)?;
        if only_validates(call) {
            return Ok(success());
        }
        let creative = match creative {
            Some(id) => id,
            None => self.inline_creative(&wanted),
        };
        draft.fields.insert("creative".to_owned(), json!({"id": creative.to_string()}));
        draft.fields.insert("last_updated_by_app_id".to_owned(), json!(self.credentials.app_id));
        let id = self.settle(draft, "create_ad");
        self.significant(adset.id);
        Ok(json!({"id": id.to_string()}))
    }
    /// More than 50 live ads do not fit into an ad set.
    pub(super) fn room_for_ad(&self, adset: Id) -> Result<(), Refusal> {
        let live = self.ads_of(adset).iter().filter(|id| !self.nodes[id].gone()).count();
        if live >= ADS_PER_ADSET {
            return Err(Refusal::invalid(
                "adset_id",
                "An ad set can hold at most 50 ads that are not archived.",
            ));
        }
        Ok(())
    }
    /// The creative a `creative` parameter names; None when it describes a new one.
    pub(super) fn creative(&self, wanted: &Value) -> Result<Option<Id>, Refusal> {
        let named = wanted.get("creative_id").or_else(|| wanted.get("id")).map(plain);
        let Some(text) = named else {
            let described = ["object_story_spec", "object_story_id", "asset_feed_spec"];
            if described.iter().any(|k| wanted.get(*k).is_some()) {
                return Ok(None);
            }
            return Err(Refusal::invalid(
                "creative",
                "creative must name a creative_id or describe a new creative.",
            ));
        };
        let known = text
            .parse::<Id>()
            .ok()
            .filter(|id| self.nodes.get(id).is_some_and(|n| n.kind == Kind::Creative));
        match known {
            Some(id) => Ok(Some(id)),
            None => {
                Err(Refusal::invalid("creative", format!("The creative {text} does not exist.")))
            }
        }
    }
    fn inline_creative(&mut self, wanted: &Value) -> Id {
        let mut fields = wanted.as_object().cloned().unwrap_or_default();
        fields.entry("name").or_insert(json!("Creative"));
        fields.insert("status".to_owned(), json!("ACTIVE"));
        self.create(Kind::Creative, (0, 0), fields)
    }
    /// `POST /act_…/adcreatives`.
    pub(super) fn create_creative(&mut self, call: &Call) -> Answer {
        let mut described = serde_json::Map::new();
        for (name, _) in call.params.iter() {
            if let Some(value) = call.params.value(name).filter(|_| name != "execution_options") {
                described.insert(name.clone(), value);
            }
        }
        let described = Value::Object(described);
        if self.creative(&described)?.is_some() {
            return Err(Refusal::invalid("creative_id", "A creative cannot be made of another."));
        }
        if only_validates(call) {
            return Ok(success());
        }
        let id = self.inline_creative(&described);
        Ok(json!({"id": id.to_string()}))
    }
}

/// An archived or deleted object takes no edits and no children (1487566).
pub(super) fn gone() -> Refusal {
    Refusal::new(100, "Invalid parameter").sub(1_487_566).saying(
        "Object is archived or deleted",
        "You can't edit or add to an object that was archived or deleted; only its name can change.",
    )
}

//! What people do in Ads Manager, and Meta's own rules with them: every kind of outside edit a rehearsal knows.
//!
//! An edit goes the way of the API under another actor where the API has one, so that the same laws hold; what Ads
//! Manager alone can do is done to the objects directly.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    activities::Actor,
    handle::Sandbox,
    objects::{Id, Kind, Node},
    params::Params,
    request::Incoming,
    world::World,
};
use crate::{
    domain::{DAY_MS, HOUR_MS},
    ports::Method,
};

macro_rules! edits {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// A kind of outside edit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Edit { $($(#[$doc])* $name,)+ }
        impl Edit {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$name),+];
            /// The name used in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

edits! {
    /// A daily budget is cut by a tenth.
    BudgetCut = "edit_budget_cut",
    /// A daily budget is raised by a tenth.
    BudgetRaised = "edit_budget_raised",
    /// A daily budget is changed and changed back within a minute.
    BudgetBackAndForth = "edit_budget_back_and_forth",
    /// A campaign is paused.
    CampaignPaused = "edit_campaign_paused",
    /// A paused campaign is turned on.
    CampaignResumed = "edit_campaign_resumed",
    /// An ad set is paused.
    AdSetPaused = "edit_adset_paused",
    /// A paused ad set is turned on.
    AdSetResumed = "edit_adset_resumed",
    /// An ad is paused.
    AdPaused = "edit_ad_paused",
    /// An object gets another name; a marker in it stays.
    Renamed = "edit_renamed",
    /// An object with a marker in its name loses it.
    MarkerRemoved = "edit_marker_removed",
    /// A marker is pasted into the name of another object.
    MarkerCopied = "edit_marker_copied",
    /// An ad set is to optimise for another event; a published one refuses.
    EventChanged = "edit_event_changed",
    /// An ad set gets a bid cap.
    BidCapped = "edit_bid_capped",
    /// An ad set gets an end.
    EndSet = "edit_end_set",
    /// An ad set loses its end.
    EndRemoved = "edit_end_removed",
    /// A campaign gets another spend cap.
    SpendCapChanged = "edit_spend_cap_changed",
    /// A campaign is deleted.
    CampaignDeleted = "edit_campaign_deleted",
    /// A campaign is archived.
    CampaignArchived = "edit_campaign_archived",
    /// An ad set is deleted.
    AdSetDeleted = "edit_adset_deleted",
    /// An ad is deleted.
    AdDeleted = "edit_ad_deleted",
    /// An ad set gets another ad.
    AdAdded = "edit_ad_added",
    /// A campaign gets another ad set, a copy of one of its own.
    AdSetAdded = "edit_adset_added",
    /// Budgets of ad sets become one budget of their campaign.
    CampaignBudgetOn = "edit_campaign_budget_on",
    /// The budget of a campaign is given to its ad sets.
    CampaignBudgetOff = "edit_campaign_budget_off",
    /// A campaign or ad set gets a high-demand period.
    BudgetScheduled = "edit_budget_scheduled",
    /// Somebody makes an automated rule.
    RuleAdded = "edit_rule_added",
    /// Somebody deletes an automated rule.
    RuleDeleted = "edit_rule_deleted",
    /// A campaign is duplicated with its name, marker included.
    Duplicated = "edit_duplicated",
    /// An ad set gets other people to show to.
    TargetingChanged = "edit_targeting_changed",
    /// An ad shows another creative.
    CreativeSwapped = "edit_creative_swapped",
    /// A study begins on a campaign.
    StudyStarted = "edit_study_started",
    /// One of Meta's rules pauses an ad set.
    RulePaused = "edit_rule_paused",
}

/// What came of an edit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edited {
    /// In words.
    pub what: String,
    /// Objects and fields that are different now.
    pub touched: Vec<(String, String)>,
    /// Objects that were not there before.
    pub created: Vec<String>,
}

/// The marker at the end of a name, brackets included.
fn marker(name: &str) -> Option<&str> {
    let at = name.rfind('[')?;
    let tail = name.get(at..)?;
    (tail.contains(':') && tail.ends_with(']')).then_some(tail)
}

impl World {
    fn act_as_person(&mut self, method: Method, path: &str, pairs: &[(&str, String)]) -> bool {
        let mut params = Params::default();
        params.add_texts(pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
        let bearer = Some(self.credentials.access_token.expose_secret().to_owned());
        let path = format!("/v26.0/{path}");
        self.answer(Incoming { method, path, params, bearer }).is_ok()
    }
    fn post(&mut self, id: Id, name: &str, value: impl Into<String>) -> bool {
        self.act_as_person(Method::Post, &id.to_string(), &[(name, value.into())])
    }
    /// The `pick`-th of the living objects that pass.
    fn choose(&self, pick: u64, test: impl Fn(&Node) -> bool) -> Option<Node> {
        let found: Vec<&Node> =
            self.nodes.values().map(AsRef::as_ref).filter(|n| !n.gone() && test(n)).collect();
        let count = u64::try_from(found.len()).ok().filter(|n| *n > 0)?;
        found.get(usize::try_from(pick % count).ok()?).map(|n| (*n).clone())
    }
    fn set_by_hand(&mut self, id: Id, name: &str, value: Value) -> bool {
        let now = self.now;
        let changed = self.edit(id).is_some_and(|node| {
            node.updated = now;
            node.set(name, value).is_some()
        });
        self.mark_budget(id);
        changed
    }

    #[expect(clippy::too_many_lines, reason = "one arm per kind of edit, each a few lines")]
    fn edit_outside(&mut self, edit: Edit, pick: u64) -> Option<(Id, bool)> {
        let campaign = |n: &Node| n.kind == Kind::Campaign;
        let adset = |n: &Node| n.kind == Kind::AdSet;
        let ad = |n: &Node| n.kind == Kind::Ad;
        let object = |n: &Node| matches!(n.kind, Kind::Campaign | Kind::AdSet | Kind::Ad);
        let budget = |n: &Node| object(n) && n.amount("daily_budget").is_some();
        let on = |n: &Node| n.status() == "ACTIVE";
        let off = |n: &Node| n.status() == "PAUSED";
        let later = |world: &Self, ms: i64| {
            world.stamp(world.now.plus(ms)).as_str().unwrap_or_default().to_owned()
        };
        Some(match edit {
            Edit::BudgetCut | Edit::BudgetRaised | Edit::BudgetBackAndForth => {
                let node = self.choose(pick, budget)?;
                let was = node.amount("daily_budget")?;
                let to = if edit == Edit::BudgetCut { was * 9 / 10 } else { was * 11 / 10 };
                let done = self.post(node.id, "daily_budget", to.to_string());
                let back = edit == Edit::BudgetBackAndForth;
                (node.id, done && !(back && self.post(node.id, "daily_budget", was.to_string())))
            }
            Edit::CampaignPaused => {
                let id = self.choose(pick, |n| campaign(n) && on(n))?.id;
                (id, self.post(id, "status", "PAUSED"))
            }
            Edit::CampaignResumed => {
                let id = self.choose(pick, |n| campaign(n) && off(n))?.id;
                (id, self.post(id, "status", "ACTIVE"))
            }
            Edit::AdSetPaused => {
                let id = self.choose(pick, |n| adset(n) && on(n))?.id;
                (id, self.post(id, "status", "PAUSED"))
            }
            Edit::AdSetResumed => {
                let id = self.choose(pick, |n| adset(n) && off(n))?.id;
                (id, self.post(id, "status", "ACTIVE"))
            }
            Edit::AdPaused => {
                let id = self.choose(pick, |n| ad(n) && on(n))?.id;
                (id, self.post(id, "status", "PAUSED"))
            }
            Edit::Renamed => {
                let node = self.choose(pick, object)?;
                (node.id, self.post(node.id, "name", format!("edited {}", node.text("name"))))
            }
            Edit::MarkerRemoved => {
                let node = self.choose(pick, |n| object(n) && marker(n.text("name")).is_some())?;
                let name = node.text("name");
                let bare = name.trim_end_matches(marker(name)?).trim().to_owned();
                (node.id, self.post(node.id, "name", bare))
            }
            Edit::MarkerCopied => {
                let from = self.choose(pick, |n| object(n) && marker(n.text("name")).is_some())?;
                let tag = marker(from.text("name"))?;
                let to = self.choose(pick / 7, |n| {
                    n.kind == from.kind && marker(n.text("name")).is_none()
                })?;
                (to.id, self.post(to.id, "name", format!("{} {tag}", to.text("name"))))
            }
            Edit::EventChanged => {
                let node =
                    self.choose(pick, |n| adset(n) && n.fields.contains_key("promoted_object"))?;
                let mut aim = node.fields.get("promoted_object")?.clone();
                aim["custom_event_type"] = json!("SEARCH");
                (node.id, self.post(node.id, "promoted_object", aim.to_string()))
            }
            Edit::BidCapped => {
                let node = self.choose(pick, adset)?;
                let pairs = [
                    ("bid_strategy", "LOWEST_COST_WITH_BID_CAP".to_owned()),
                    ("bid_amount", "900".to_owned()),
                ];
                let id = node.id;
                (id, self.act_as_person(Method::Post, &id.to_string(), &pairs))
            }
            Edit::EndSet => {
                let id = self.choose(pick, adset)?.id;
                let end = later(self, 3 * DAY_MS);
                (id, self.post(id, "end_time", end))
            }
            Edit::EndRemoved => {
                let id = self.choose(pick, |n| adset(n) && n.moment("end_time").is_some())?.id;
                (id, self.post(id, "end_time", "0"))
            }
            Edit::SpendCapChanged => {
                let node = self.choose(pick, campaign)?;
                let cap = node.amount("spend_cap").map_or(50_000_000, |c| c * 2);
                (node.id, self.post(node.id, "spend_cap", cap.to_string()))
            }
            Edit::CampaignArchived => {
                let id = self.choose(pick, campaign)?.id;
                (id, self.post(id, "status", "ARCHIVED"))
            }
            Edit::CampaignDeleted | Edit::AdSetDeleted | Edit::AdDeleted => {
                let kind = match edit {
                    Edit::CampaignDeleted => Kind::Campaign,
                    Edit::AdSetDeleted => Kind::AdSet,
                    _ => Kind::Ad,
                };
                let id = self.choose(pick, |n| n.kind == kind)?.id;
                (id, self.act_as_person(Method::Delete, &id.to_string(), &[]))
            }
            Edit::AdAdded => {
                let node = self.choose(pick, ad)?;
                let path = format!("{}/copies", node.id);
                (node.adset, self.act_as_person(Method::Post, &path, &[]))
            }
            Edit::AdSetAdded => {
                let node = self.choose(pick, adset)?;
                let path = format!("{}/copies", node.id);
                let active = [("status_option", "ACTIVE".to_owned())];
                (node.campaign, self.act_as_person(Method::Post, &path, &active))
            }
            Edit::CampaignBudgetOn => {
                let node =
                    self.choose(pick, |n| campaign(n) && n.amount("daily_budget").is_none())?;
                let sets = self.adsets_of(node.id);
                let sum: i64 =
                    sets.iter().filter_map(|id| self.nodes.get(id)?.amount("daily_budget")).sum();
                (node.id, self.post(node.id, "daily_budget", sum.max(1_000).to_string()))
            }
            Edit::CampaignBudgetOff => {
                let node =
                    self.choose(pick, |n| campaign(n) && n.amount("daily_budget").is_some())?;
                let sets = self.adsets_of(node.id);
                let share = node.amount("daily_budget")? / i64::try_from(sets.len().max(1)).ok()?;
                let budgets: Vec<Value> = sets
                    .iter()
                    .map(|id| json!({"adset_id": id.to_string(), "daily_budget": share}))
                    .collect();
                (node.id, self.post(node.id, "adset_budgets", json!(budgets).to_string()))
            }
            Edit::BudgetScheduled => {
                let node = self.choose(pick, |n| budget(n) && on(n))?;
                let pairs = [
                    ("budget_value", "500".to_owned()),
                    ("budget_value_type", "ABSOLUTE".to_owned()),
                    ("time_start", later(self, HOUR_MS)),
                    ("time_end", later(self, DAY_MS)),
                ];
                let path = format!("{}/budget_schedules", node.id);
                (node.id, self.act_as_person(Method::Post, &path, &pairs))
            }
            Edit::RuleAdded => {
                let node = self.choose(pick, campaign)?;
                let evaluation = json!({"evaluation_type": "SCHEDULE", "filters": [
                    {"field": "entity_type", "operator": "EQUAL", "value": "CAMPAIGN"},
                    {"field": "id", "operator": "IN", "value": [node.id.to_string()]},
                    {"field": "time_preset", "operator": "EQUAL", "value": "LIFETIME"},
                    {"field": "spent", "operator": "GREATER_THAN", "value": 9_000_000}]});
                let pairs = [
                    ("name", "a person's own rule".to_owned()),
                    ("evaluation_spec", evaluation.to_string()),
                    ("execution_spec", json!({"execution_type": "PAUSE"}).to_string()),
                ];
                let path = format!("{}/adrules_library", self.act());
                (node.id, self.act_as_person(Method::Post, &path, &pairs))
            }
            Edit::RuleDeleted => {
                let id = self.choose(pick, |n| n.kind == Kind::Rule)?.id;
                (id, self.act_as_person(Method::Delete, &id.to_string(), &[]))
            }
            Edit::Duplicated => {
                let node = self.choose(pick, campaign)?;
                let keep = json!({"rename_strategy": "NO_RENAME"}).to_string();
                let pairs = [("rename_options", keep), ("deep_copy", "true".to_owned())];
                let path = format!("{}/copies", node.id);
                (node.id, self.act_as_person(Method::Post, &path, &pairs))
            }
            Edit::TargetingChanged => {
                let node = self.choose(pick, adset)?;
                let mut people = node.fields.get("targeting")?.clone();
                people["age_max"] = json!(44);
                (node.id, self.post(node.id, "targeting", people.to_string()))
            }
            Edit::CreativeSwapped => {
                let creative = self.choose(pick / 3, |n| n.kind == Kind::Creative)?.id;
                let id = self.choose(pick, ad)?.id;
                let wanted = json!({"creative_id": creative.to_string()}).to_string();
                (id, self.post(id, "creative", wanted))
            }
            Edit::StudyStarted => {
                let one = self.choose(pick, campaign)?.id;
                let other = self.choose(pick.wrapping_add(1), |n| campaign(n) && n.id != one)?.id;
                let cell = |id: Id| json!({"name": "cell", "treatment_percentage": 50, "campaigns": [id.to_string()]});
                let pairs = [
                    ("name", "a person's study".to_owned()),
                    ("start_time", self.now.plus(HOUR_MS).seconds().to_string()),
                    ("end_time", self.now.plus(7 * DAY_MS).seconds().to_string()),
                    ("cells", json!([cell(one), cell(other)]).to_string()),
                ];
                let path = format!("{}/ad_studies", self.credentials.business_id);
                (one, self.act_as_person(Method::Post, &path, &pairs))
            }
            Edit::RulePaused => {
                let id = self.choose(pick, |n| adset(n) && on(n))?.id;
                self.actor = Actor::Rule;
                (id, self.set_by_hand(id, "status", json!("PAUSED")))
            }
        })
    }
}

impl Sandbox {
    /// Somebody other than the app makes an edit of this kind to the object that `pick` falls on. None when there is
    /// nothing to edit in this way; an edit that the world refuses touches nothing.
    pub fn edit_outside(&self, edit: Edit, pick: u64) -> Option<Edited> {
        self.with_world_mut(|world| {
            let before = world.snapshot();
            world.actor = Actor::Person;
            let done = world.edit_outside(edit, pick);
            world.actor = Actor::App;
            let (id, changed) = done?;
            let kind = world.nodes.get(&id).map_or("object", |n| n.kind.word());
            let refused = if changed { "" } else { " (refused or undone)" };
            let mut edited = Edited { what: format!("{kind} {id}{refused}"), ..Edited::default() };
            for (id, node) in &world.nodes {
                match before.get(id) {
                    None => edited.created.push(id.to_string()),
                    Some(old) => edited.touched.extend(
                        old.fields
                            .keys()
                            .chain(node.fields.keys())
                            .filter(|name| old.fields.get(*name) != node.fields.get(*name))
                            .map(|name| (id.to_string(), name.clone())),
                    ),
                }
            }
            let gone = before.keys().filter(|id| !world.nodes.contains_key(id));
            edited.touched.extend(gone.map(|id| (id.to_string(), "(object)".to_owned())));
            edited.touched.dedup();
            Some(edited)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Scenario;

    #[test]
    fn there_are_more_than_25_kinds_and_every_one_can_be_done() {
        assert!(Edit::ALL.len() >= 25);
        for edit in Edit::ALL {
            let sandbox = Sandbox::new(Scenario::default());
            // Something of everything: a marked object, one that is off, an ad set that ends, a rule.
            let act = |edit: Edit, pick| sandbox.edit_outside(edit, pick);
            act(Edit::RuleAdded, 0);
            act(Edit::EndSet, 0);
            act(Edit::AdSetPaused, 0);
            act(Edit::CampaignPaused, 1);
            let first = sandbox.inventory().into_iter().find(|o| o.kind == "campaign").unwrap();
            let marked = format!("{} [rw:ABCDEFGH]", first.name);
            sandbox.edit_as_person(&first.id, &[("name", &marked)]).unwrap();
            let done = (0..6).filter_map(|pick| act(*edit, pick)).collect::<Vec<_>>();
            let changed = done.iter().any(|e| !e.touched.is_empty() || !e.created.is_empty());
            let undone = matches!(edit, Edit::BudgetBackAndForth | Edit::EventChanged);
            assert!(!done.is_empty() && (changed || undone), "{}: {done:?}", edit.name());
        }
    }
}

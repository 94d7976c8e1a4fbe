//! What else at Meta turns knobs of a campaign: automated rules, studies, budget schedules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Link, page::by_id, read::senseless, wire};
use crate::{
    domain::{AccountId, CampaignId},
    ports::{
        MetaClass, MetaError, Request, Transport,
        meta::{Interference, PixelInfo, Surroundings},
    },
};

impl<T: Transport> Link<T> {
    pub(super) async fn read_interference(
        &self,
        campaign: &CampaignId,
    ) -> Result<Vec<Interference>, MetaError> {
        let what = format!("read ad sets of campaign {campaign}");
        let request =
            Request::get(self.path(&format!("{campaign}/adsets"))).with("fields", "id,name,status");
        let adsets = self.list(&what, request, by_id).await?;
        let mut objects = vec![campaign.to_string()];
        objects.extend(adsets.iter().filter_map(by_id));
        let mut found = BTreeMap::new();
        let edge = |object: &String, edge: &str, fields: &str| {
            Request::get(self.path(&format!("{object}/{edge}"))).with("fields", fields)
        };
        let reads: Vec<Request> = objects
            .iter()
            .flat_map(|object| {
                [
                    edge(object, "adrules_governed", "id,name,status"),
                    edge(object, "budget_schedules", "id,time_start,time_end"),
                ]
            })
            .collect();
        let rows = self.lists(&format!("read what acts on campaign {campaign}"), &reads).await?;
        for (object, pair) in objects.iter().zip(rows.chunks(2)) {
            if let [rules, schedules] = pair {
                self.rules(object, rules, &mut found)?;
                self.schedules(object, schedules, &mut found)?;
            }
        }
        self.studies_with(&objects, &mut found).await?;
        Ok(found.into_values().collect())
    }

    /// Several short lists in few requests; one that is longer than a page, or whose outcome is not known, is read by
    /// itself.
    async fn lists(&self, what: &str, reads: &[Request]) -> Result<Vec<Vec<Value>>, MetaError> {
        let mut lists = Vec::with_capacity(reads.len());
        for (read, outcome) in reads.iter().zip(self.batch(what, reads).await?) {
            let passing = |e: &MetaError| matches!(e.class, MetaClass::Lost | MetaClass::Transient);
            let whole = match outcome {
                Ok(body) if body.pointer("/paging/next").is_none_or(Value::is_null) => {
                    body.get("data").and_then(Value::as_array).cloned()
                }
                Ok(_) => None,
                Err(error) if passing(&error) => None,
                Err(error) => return Err(error),
            };
            lists.push(match whole {
                Some(rows) => rows,
                None => self.list(what, read.clone(), by_id).await?,
            });
        }
        Ok(lists)
    }

    /// Rules that govern an object, switched-off ones and our own left out.
    fn rules(
        &self,
        object: &str,
        rows: &[Value],
        found: &mut BTreeMap<(String, String), Interference>,
    ) -> Result<(), MetaError> {
        let what = format!("read rules that govern {object}");
        for row in rows {
            let rule = wire::rule::parse(row).map_err(|e| senseless(&what, &e))?;
            let off = matches!(rule.status.as_str(), "DISABLED" | "DELETED");
            let ours = !self.options.marker.is_empty() && rule.name.contains(&self.options.marker);
            if !off && !ours {
                put(found, "rule", rule.id, rule.name);
            }
        }
        Ok(())
    }

    /// Budget schedules that are not over.
    fn schedules(
        &self,
        object: &str,
        rows: &[Value],
        found: &mut BTreeMap<(String, String), Interference>,
    ) -> Result<(), MetaError> {
        let what = format!("read budget schedules of {object}");
        let now = self.clock.now();
        for row in rows {
            let (id, end) = wire::rule::schedule(row).map_err(|e| senseless(&what, &e))?;
            if end.is_none_or(|end| end > now) {
                put(found, "budget_schedule", id, format!("budget schedule of {object}"));
            }
        }
        Ok(())
    }

    /// Studies that run or will run with one of the objects, or with the whole account.
    async fn studies_with(
        &self,
        objects: &[String],
        found: &mut BTreeMap<(String, String), Interference>,
    ) -> Result<(), MetaError> {
        let what = format!("read studies of {}", self.options.account);
        let cells = "cells{id,campaigns{id},adsets{id},adaccounts{id}}";
        let fields = format!("id,name,type,start_time,end_time,canceled_time,{cells}");
        let request = Request::get(self.edge("ad_studies")).with("fields", fields);
        let account = &self.options.account;
        let mut touched: BTreeSet<&str> = objects.iter().map(String::as_str).collect();
        let act = account.act();
        touched.extend([account.as_str(), act.as_str()]);
        for row in self.list(&what, request, by_id).await? {
            let study = wire::study::parse(&row).map_err(|e| senseless(&what, &e))?;
            let member = study.members.iter().any(|m| touched.contains(m.as_str()));
            let ours = !self.options.marker.is_empty() && study.name.contains(&self.options.marker);
            if member && !ours && study.is_live(self.clock.now()) {
                put(found, "study", study.id, study.name);
            }
        }
        Ok(())
    }
}

impl<T: Transport> Link<T> {
    pub(super) async fn read_for_check(&self) -> Result<Surroundings, MetaError> {
        let what = format!("read pixels of {}", self.options.account);
        let fields = "id,name,last_fired_time,is_unavailable";
        let request = Request::get(self.edge("adspixels")).with("fields", fields);
        let rows = self.list(&what, request, by_id).await?;
        let pixels: Result<Vec<PixelInfo>, _> = rows.iter().map(wire::pixel::parse).collect();
        let pixels = pixels.map_err(|e| senseless(&what, &e))?;
        let request = Request::get(self.path("me/adaccounts")).with("fields", "id,account_id");
        let accounts = self.list("read the ad accounts of the token", request, by_id).await?;
        let ids = accounts.iter().filter_map(by_id).filter_map(|id| AccountId::new(&id).ok());
        Ok(Surroundings {
            pixels,
            skew_ms: self.clock_skew_ms(),
            version_warning: self.wire_state().version_warning,
            proof_sent: self.secrets().has_proof(),
            proof_required: self.wants_proof().await,
            accounts: ids.map(|id| id.to_string()).collect(),
        })
    }

    /// Whether a harmless call without proof is refused; None when that cannot be told.
    async fn wants_proof(&self) -> Option<bool> {
        let secrets = self.secrets();
        if !secrets.has_proof() {
            return None;
        }
        let request = Request::get(self.path("me")).with("fields", "id");
        let bare = secrets.sign_without_proof(request);
        match self.get_signed("ask without a proof", &bare, super::error::body_of).await {
            Ok(_) => Some(false),
            Err(e) if matches!(e.class, MetaClass::Refused | MetaClass::Auth) => Some(true),
            Err(_) => None,
        }
    }
}

fn put(found: &mut BTreeMap<(String, String), Interference>, kind: &str, id: String, name: String) {
    let key = (kind.to_owned(), id.clone());
    found.insert(key, Interference { kind: kind.to_owned(), id, name });
}

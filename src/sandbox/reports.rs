//! Asynchronous insights: a run is created by POST, polled, and read when it is complete.

use serde_json::{Value, json};

use super::{
    errors::{Answer, Refusal},
    objects::Id,
    params::Params,
    request::Call,
    world::World,
};
use crate::domain::Moment;

/// One report run.
#[derive(Debug, Clone)]
pub(super) struct Report {
    params: Params,
    scope: Option<Id>,
    created: Moment,
    polls: i64,
}

/// A run ends after this time, or after four polls, whichever comes first.
const RUN_MS: i64 = 20_000;

impl Report {
    fn progress(&self, now: Moment) -> (&'static str, i64) {
        let step = self.polls.max(now.since(self.created) * 4 / RUN_MS);
        match step {
            0 | 1 => ("Job Not Started", 0),
            2 => ("Job Started", 0),
            3 => ("Job Running", 55),
            _ => ("Job Completed", 100),
        }
    }
}

impl World {
    /// `POST /{object}/insights`.
    pub(super) fn start_report(&mut self, call: &Call, scope: Option<Id>) -> Answer {
        self.query(call, scope)?;
        let id = self.next_id();
        let report = Report { params: call.params.clone(), scope, created: self.now, polls: 0 };
        self.reports.insert(id, report);
        Ok(json!({"report_run_id": id.to_string()}))
    }
    /// `GET /{run}`.
    pub(super) fn show_report(&mut self, call: &Call, id: Id) -> Answer {
        let now = self.now;
        let Some(report) = self.reports.get_mut(&id) else {
            return Err(Refusal::unknown("get", &id.to_string()));
        };
        report.polls += 1;
        let (status, percent) = report.progress(now);
        let (params, scope, created) = (report.params.clone(), report.scope, report.created);
        let query = self.query(&Call { params, ..call.clone() }, scope)?;
        let (since, until) = query.span();
        let mut all = json!({
            "id": id.to_string(), "account_id": self.credentials.account_id, "time_ref": created.seconds(),
            "async_status": status, "async_percent_completion": percent, "is_running": percent < 100,
            "date_start": since.to_string(), "date_stop": until.to_string(),
        });
        if percent == 100 {
            all["time_completed"] = json!(created.plus(RUN_MS).min(now).seconds());
        }
        if let (Some(fields), Value::Object(map)) = (call.params.list("fields"), &mut all) {
            map.retain(|name, _| name == "id" || fields.contains(name));
        }
        Ok(all)
    }
    /// `GET /{run}/insights`.
    pub(super) fn report_rows(&mut self, call: &Call, id: Id) -> Answer {
        let Some(report) = self.reports.get(&id).cloned() else {
            return Err(Refusal::unknown("get", &id.to_string()));
        };
        if report.progress(self.now).1 < 100 {
            let text = "(#2601) Loading an async report failed: the report run is not complete";
            return Err(Refusal::new(2601, text));
        }
        let mut params = report.params;
        for (name, value) in call.params.iter() {
            if matches!(name.as_str(), "limit" | "after" | "before" | "summary") {
                params.set(name, value.clone());
            }
        }
        if !call.params.has("limit") {
            params.take("limit");
        }
        self.insights(&Call { params, ..call.clone() }, report.scope)
    }
}

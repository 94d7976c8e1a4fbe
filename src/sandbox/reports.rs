//! Asynchronous insights: a run is created by POST, polled, and read when it is complete.

use serde_json::{Value, json};

use super::{
    errors::{Answer, Refusal},
    objects::Id,
    params::Params,
    request::Call,
    world::World,
};
use crate::domain::{DAY_MS, Moment};

/// One report run.
#[derive(Debug, Clone)]
pub(super) struct Report {
    params: Params,
    scope: Option<Id>,
    created: Moment,
    polls: i64,
    /// It comes to more rows than a run may have: it begins, and fails.
    too_large: bool,
}

/// A run ends after this time, or after four polls, whichever comes first.
const RUN_MS: i64 = 20_000;
/// A run is forgotten after this time.
const KEPT_MS: i64 = 30 * DAY_MS;

impl Report {
    fn progress(&self, now: Moment) -> (&'static str, i64) {
        let step = self.polls.max(now.since(self.created) * 4 / RUN_MS);
        match step {
            _ if now.since(self.created) >= KEPT_MS => ("Job Skipped", 0),
            3.. if self.too_large => ("Job Failed", 0),
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
        let query = self.query(call, scope)?;
        let too_large = self.size_of(&query, scope) > self.options.report_rows;
        let id = self.next_id();
        let params = call.params.clone();
        let report = Report { params, scope, created: self.now, polls: 0, too_large };
        self.reports.insert(id, report);
        Ok(json!({"report_run_id": id.to_string()}))
    }
    /// `GET /{run}`.
    pub(super) fn show_report(&mut self, call: &Call, id: Id) -> Answer {
        let (now, lag) = (self.now, self.options.list_lag_ms);
        // A run can be unknown for a moment after it was started.
        let visible = |r: &&mut Report| now.since(r.created) >= lag;
        let Some(report) = self.reports.get_mut(&id).filter(visible) else {
            return Err(Refusal::unknown("get", &id.to_string()));
        };
        report.polls += 1;
        let (status, percent) = report.progress(now);
        let (params, scope, created) = (report.params.clone(), report.scope, report.created);
        let query = self.query(&Call { params, ..call.clone() }, scope)?;
        let (since, until) = query.span();
        let mut all = json!({
            "id": id.to_string(), "account_id": self.credentials.account_id, "time_ref": created.seconds(),
            "async_status": status, "async_percent_completion": percent,
            "is_running": matches!(status, "Job Not Started" | "Job Started" | "Job Running"),
            "date_start": since.to_string(), "date_stop": until.to_string(),
        });
        if percent == 100 {
            all["time_completed"] = json!(created.plus(RUN_MS).min(now).seconds());
        }
        if status == "Job Failed" {
            let why = super::catalogue::called(100, Some(1_487_534));
            all["error_code"] = json!(why.code);
            all["error_subcode"] = json!(why.subcode);
            all["error_message"] = json!(why.message);
            all["error_user_title"] = json!(why.title);
            all["error_user_msg"] = json!(why.user);
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
        match report.progress(self.now) {
            ("Job Failed", _) => return Err(super::catalogue::called(-2, Some(2_490_547))),
            (_, 100) => {}
            _ => {
                let text = "(#2601) Loading an async report failed: the report run is not complete";
                return Err(Refusal::new(2601, text));
            }
        }
        let asked = report.params.list("fields").unwrap_or_default();
        let named =
            |s: &String| !matches!(s.as_str(), "true" | "false" | "1" | "0" | "total_count");
        let summary = call.params.list("summary").unwrap_or_default();
        let absent: Vec<&String> =
            summary.iter().filter(|s| named(s) && !asked.contains(s)).collect();
        if let Some(first) = absent.first() {
            let text = format!(
                "(#100) Cannot include {first} in summary param because they weren't there while creating the report run."
            );
            return Err(Refusal::new(100, text));
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
        self.insights_page(&Call { params, ..call.clone() }, report.scope)
    }
}

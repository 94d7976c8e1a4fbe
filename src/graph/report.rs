//! Report runs: rows Meta gathers by itself while we look in from time to time.
//!
//! A run is ready only when it says `Job Completed` *and* 100 %. It can be dropped (`Job Skipped`), fail with or without
//! saying why, or stand still; each has a deadline, and a second run is tried before the caller asks for less
//! (Marketing API, Insights best practices).

use serde::Deserialize;
use serde_json::Value;

use super::{
    Link,
    error::{classify, one_line, plain},
    wire::num::Loose,
};
use crate::{
    domain::Moment,
    ports::{MetaClass, MetaError, Request, Transport},
};

/// A run that shows no progress for so long will not begin.
const START_MS: i64 = 5 * 60_000;
/// A run that is not ready by then is given up.
const TOTAL_MS: i64 = 30 * 60_000;
/// A run just created may not be visible yet.
const UNSEEN_MS: i64 = 60_000;
/// Pauses between two looks.
const FIRST_LOOK_MS: i64 = 5_000;
const LONGEST_LOOK_MS: i64 = 30_000;
/// Runs tried for the same rows.
const RUNS: u32 = 2;

/// How a run stands.
enum Stands {
    Ready,
    /// Whether it has begun.
    Working(bool),
    /// Dropped by Meta.
    Skipped,
    Failed(Box<MetaError>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    async_status: Loose,
    async_percent_completion: Loose,
    error_code: Loose,
    error_subcode: Loose,
    error_message: Loose,
    error_user_msg: Loose,
}

impl<T: Transport> Link<T> {
    /// Starts a run and waits until its rows can be read; returns its id.
    pub(super) async fn report(
        &self,
        what: &str,
        params: Vec<(String, String)>,
    ) -> Result<String, MetaError> {
        let mut last = plain(MetaClass::TooMuch, what, "no report run was tried");
        for _ in 0..RUNS {
            let mut start = Request::post(self.edge("insights"));
            start.form.clone_from(&params);
            let body = self.get(what, start).await?;
            let id = body.get("report_run_id").map(super::wire::num::text_of).unwrap_or_default();
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
                return Err(plain(MetaClass::Unknown, what, "the answer names no report run"));
            }
            match self.wait_for(what, &id).await {
                Ok(()) => return Ok(id),
                // Meta drops, loses and fails runs for no reason at times: one more, then the caller asks for less.
                Err(error) if error.class == MetaClass::TooMuch => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn wait_for(&self, what: &str, id: &str) -> Result<(), MetaError> {
        let began = self.clock.now();
        let mut pause = FIRST_LOOK_MS;
        let mut started: Option<Moment> = None;
        let given_up =
            |why: String| Err(plain(MetaClass::TooMuch, what, format!("report run {id} {why}")));
        loop {
            self.clock.wait_until(self.clock.now().plus(pause)).await;
            pause = (pause * 3 / 2).min(LONGEST_LOOK_MS);
            let waited = self.clock.now().since(began);
            match self.look(what, id).await {
                Ok(Stands::Ready) => return Ok(()),
                Ok(Stands::Working(true)) => started = started.or(Some(self.clock.now())),
                Ok(Stands::Working(false)) => {}
                Ok(Stands::Skipped) => return given_up("was dropped by Meta".to_owned()),
                Ok(Stands::Failed(error)) => return Err(*error),
                Err(error) if error.class == MetaClass::Gone && waited < UNSEEN_MS => {}
                Err(error) => return Err(error),
            }
            if started.is_none() && waited >= START_MS {
                return given_up(format!("did not begin within {} s", waited / 1_000));
            }
            if waited >= TOTAL_MS {
                return given_up(format!("was not ready within {} s", waited / 1_000));
            }
        }
    }

    async fn look(&self, what: &str, id: &str) -> Result<Stands, MetaError> {
        let fields = "id,async_status,async_percent_completion,error_code,error_subcode,\
                      error_message,error_user_msg";
        let request = Request::get(self.path(id)).with("fields", fields);
        let body = self.get(what, request).await?;
        Ok(stands(what, id, &body))
    }
}

fn stands(what: &str, id: &str, body: &Value) -> Stands {
    let wire: Wire = serde_json::from_value(body.clone()).unwrap_or_default();
    let percent = wire.async_percent_completion.filled().and_then(|t| t.parse::<f64>().ok());
    match wire.async_status.0.as_str() {
        "Job Completed" if percent.is_some_and(|p| p >= 100.0) => Stands::Ready,
        "Job Skipped" => Stands::Skipped,
        "Job Failed" => {
            let number = |loose: &Loose| loose.filled().and_then(|t| t.parse::<i64>().ok());
            let (code, subcode) = (number(&wire.error_code), number(&wire.error_subcode));
            // Without a reason, or with a passing one, it is tried again and then asked for in smaller parts.
            let class = match code.map(|c| classify(c, subcode, false, 400, &wire.error_message.0))
            {
                None | Some(MetaClass::Transient | MetaClass::Unknown) => MetaClass::TooMuch,
                Some(class) => class,
            };
            let told = wire.error_user_msg.filled().or(wire.error_message.filled());
            let told = one_line(told.unwrap_or("without a reason"));
            let mut error = plain(class, what, format!("report run {id} failed: {told}"));
            (error.code, error.subcode) = (code, subcode);
            Stands::Failed(Box::new(error))
        }
        // A status this version does not know is not the end of a run; the deadlines are.
        _ => Stands::Working(percent.is_some_and(|p| p > 0.0)),
    }
}

//! Versions of the API: which are served, which are warned about, and what no version does any more since 2026-10-27.
//!
//! Marketing API, "Versioning": after a version has ended, calls whose contract did not change are served by the next
//! one, with a warning header; the auto-upgrade can be switched off. Unversioned Marketing calls are invalid.

use serde_json::{Map, Value};

use super::{
    errors::{Answer, Refusal},
    request::Call,
    world::World,
};
use crate::domain::Moment;

/// Newest version.
pub(super) const NEWEST: u32 = 26;
/// Oldest version whose clients are still served.
const OLDEST: u32 = 21;
/// Days on which versions ended, as milliseconds UTC at midnight: 2025-09-09, 2026-02-19, 2026-06-09, 2026-10-06.
const ENDED: [(u32, i64); 4] = [
    (21, 1_757_376_000_000),
    (22, 1_771_459_200_000),
    (23, 1_780_963_200_000),
    (24, 1_791_244_800_000),
];
/// 2026-10-27: `pretty`, `debug`, `date_format` and the multi-read `GET /?ids=` go, for every version.
const LEGACY_ENDS_MS: i64 = 1_793_059_200_000;
/// Most ids of one multi-read.
const MOST_IDS: usize = 50;

/// Refuses versions nobody serves.
pub(super) fn served(version: Option<(u32, u32)>) -> Result<(), Refusal> {
    match version {
        Some((major, minor)) if major > NEWEST || minor > 9 => {
            Err(Refusal::unknown_path(&format!("v{major}.{minor}")))
        }
        Some((major, _)) if major < OLDEST => Err(deprecated()),
        _ => Ok(()),
    }
}

/// A version that has ended for good, or none at all.
pub(super) fn deprecated() -> Refusal {
    super::catalogue::called(2635, None)
}

/// What the warning header says of a version that has ended.
fn warning(version: u32, now: Moment) -> Option<String> {
    let ended = ENDED.iter().any(|(v, at)| *v == version && now.millis() >= *at);
    let next = version + 1;
    ended.then(|| {
        format!("The call has been auto-upgraded to v{next}.0 as v{version}.0 has been deprecated.")
    })
}

fn http_date(moment: Moment) -> String {
    let text =
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&moment.timestamp());
    text.unwrap_or_default()
}

impl World {
    /// The headers of an answer to a call of this path.
    pub(super) fn headers(&self, path: &str, trace: &str) -> Vec<(String, String)> {
        let version = path.split('/').find_map(|s| s.strip_prefix('v')?.split_once('.'));
        let version = version.and_then(|(major, _)| major.parse::<u32>().ok());
        let shown = version.filter(|v| (OLDEST..=NEWEST).contains(v)).unwrap_or(NEWEST);
        let mut headers = vec![
            ("content-type".to_owned(), "application/json; charset=UTF-8".to_owned()),
            // By the world's own clock: a client that compares clocks must not see the machine's.
            ("date".to_owned(), http_date(self.now)),
            ("facebook-api-version".to_owned(), format!("v{shown}.0")),
            ("x-fb-request-id".to_owned(), trace.to_owned()),
            ("x-fb-trace-id".to_owned(), trace.to_owned()),
            ("x-fb-rev".to_owned(), "1030000001".to_owned()),
        ];
        if let Some(text) = version.and_then(|v| warning(v, self.now)) {
            headers.push(("x-ad-api-version-warning".to_owned(), text));
        }
        headers.extend(self.usage_headers());
        headers
    }
    /// True while the legacy behaviours still exist.
    pub(super) fn legacy(&self) -> bool {
        self.now.millis() < LEGACY_ENDS_MS
    }
    /// `GET /?ids=a,b`: one object per id, until 2026-10-27.
    pub(super) fn read_many(&mut self, call: &Call) -> Answer {
        let ids = call.params.list("ids").filter(|_| call.params.has("ids"));
        let Some(ids) = ids else { return Err(Refusal::unknown_path("")) };
        if !self.legacy() {
            let text = "(#100) Reading several objects by ids is no longer supported. Use a batch request.";
            return Err(Refusal::new(100, text));
        }
        if ids.len() > MOST_IDS {
            let text = format!("(#100) Too many ids: at most {MOST_IDS} can be read at once");
            return Err(Refusal::new(100, text));
        }
        let mut out = Map::new();
        for id in ids {
            out.insert(id.clone(), self.read(call, &id)?);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_end_on_their_days() {
        let day = |text: &str| text.parse::<Moment>().unwrap();
        assert!(warning(24, day("2026-10-05T23:59:59Z")).is_none());
        assert!(warning(24, day("2026-10-06T00:00:00Z")).unwrap().contains("v25.0"));
        assert!(warning(25, day("2030-01-01T00:00:00Z")).is_none());
        assert_eq!(LEGACY_ENDS_MS, day("2026-10-27T00:00:00Z").millis());
    }

    #[test]
    fn versions_before_and_after_what_exists_are_refused() {
        assert_eq!(served(Some((20, 0))).unwrap_err().code, 2635);
        assert_eq!(served(Some((27, 0))).unwrap_err().code, 2500);
        assert!(served(Some((21, 0))).is_ok() && served(None).is_ok());
    }
}

//! Entries of the account's activity log.

use serde::Deserialize;
use serde_json::Value;

use super::{WireError, bad, num::Loose, read};
use crate::ports::meta::Activity;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    event_time: Loose,
    event_type: Loose,
    object_id: Loose,
    object_name: Loose,
    application_id: Loose,
}

/// Reads an entry; `app` is the id of our own app, where it is known.
pub(in crate::graph) fn parse(value: &Value, app: Option<&str>) -> Result<Activity, WireError> {
    let (wire, _, label): (Wire, _, _) = read("activity", value)?;
    let at = wire.event_time.moment(&label, "event_time")?;
    let at = at.ok_or_else(|| bad(label, "event_time is missing"))?;
    let ours = app.zip(wire.application_id.filled()).map(|(own, told)| own == told);
    let (event, object, name) = (wire.event_type.0, wire.object_id.0, wire.object_name.0);
    Ok(Activity { at, event, object, name, ours })
}

/// What tells entries apart: the log gives them no id.
pub(in crate::graph) fn key(value: &Value) -> Option<String> {
    let part = |name: &str| value.get(name).map(Value::to_string).unwrap_or_default();
    let parts = ["event_time", "event_type", "object_id", "extra_data"].map(part);
    (!parts.concat().is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_ours_by_its_app_and_unknown_without_one() {
        let entry = json!({"event_time":"2026-11-02T10:11:12+0000","event_type":"create_ad",
            "object_id":"5","object_name":"N","application_id":"77"});
        let read = parse(&entry, Some("77")).unwrap();
        assert_eq!((read.object.as_str(), read.ours), ("5", Some(true)));
        assert_eq!(read.at.seconds(), 1_793_614_272);
        assert_eq!(parse(&entry, Some("78")).unwrap().ours, Some(false));
        assert_eq!(parse(&entry, None).unwrap().ours, None);
        assert!(parse(&json!({"event_type":"create_ad"}), None).is_err());
    }

    #[test]
    fn entries_without_ids_are_told_apart_by_what_they_say() {
        let entry = |extra: &str| json!({"event_time":"t","event_type":"e","object_id":"5","extra_data":extra});
        assert_eq!(key(&entry("a")), key(&entry("a")));
        assert_ne!(key(&entry("a")), key(&entry("b")));
        assert_eq!(key(&json!({})), None);
    }
}

//! Cursor paging over a list that is already filtered and ordered.

use serde_json::{Map, Value, json};

use super::{
    errors::{Answer, Refusal},
    request::Call,
};

/// Cursors are opaque to clients; here they count the items before the next one.
fn cursor(at: usize) -> String {
    format!("CUR_{at}")
}

fn read(text: &str) -> Result<usize, Refusal> {
    text.strip_prefix("CUR_")
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| Refusal::new(2642, "(#2642) Invalid cursors values"))
}

/// One page: `data`, `paging` with cursors and full URLs, and `summary` when asked. An empty page has no paging.
pub(super) fn page(
    call: &Call,
    items: Vec<Value>,
    default: usize,
    summary: Option<Value>,
) -> Answer {
    let limit = match call.params.int("limit")? {
        Some(n) if n < 1 => {
            return Err(Refusal::new(100, "(#100) Param limit must be greater than 0"));
        }
        Some(n) => usize::try_from(n).unwrap_or(default).min(5_000),
        None => default,
    };
    let total = items.len();
    let start = match (call.params.text("after"), call.params.text("before")) {
        (Some(after), _) => read(&after)?,
        (None, Some(before)) => read(&before)?.saturating_sub(limit),
        (None, None) => 0,
    };
    let data: Vec<Value> = items.into_iter().skip(start).take(limit).collect();
    let end = start.min(total) + data.len();
    let mut body = Map::new();
    // Moved in, not spelled by `json!`, which would copy every row.
    body.insert("data".to_owned(), Value::Array(data));
    if end > start {
        let (before, after) = (cursor(start), cursor(end));
        let mut paging = json!({"cursors": {"before": before, "after": after}});
        if end < total {
            paging["next"] = json!(call.page_url(("after", &after)));
        }
        if start > 0 {
            paging["previous"] = json!(call.page_url(("before", &before)));
        }
        body.insert("paging".to_owned(), paging);
    }
    let wants = call.params.text("summary").is_some_and(|s| s != "false" && s != "0");
    if let Some(summary) = summary.or_else(|| wants.then(|| json!({"total_count": total}))) {
        body.insert("summary".to_owned(), summary);
    }
    Ok(Value::Object(body))
}

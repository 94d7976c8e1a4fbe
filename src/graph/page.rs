//! Walking through the pages of a list.
//!
//! Pure: takes pages, gives the next cursor. `paging.next` is a whole URL with the token in it, so it is never
//! followed and never kept; it only says that there is a next page, the cursor says which.

use std::collections::BTreeSet;

use crate::planted::{Bug, bug};
use reqwest::Url;
use serde_json::Value;

/// Most pages read for one list.
const MAX_PAGES: usize = 1_000;
/// Most rows read for one list.
const MAX_ROWS: usize = 500_000;

/// What comes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The page after this cursor.
    Next(String),
    /// Nothing: the list is complete.
    End,
}

/// Why a list cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// No `data` list.
    #[error("page {page} has no data list")]
    NoData {
        /// Number of the page, from 1.
        page: usize,
    },
    /// A next page without a cursor.
    #[error("page {page} has a next page but no cursor to it")]
    NoCursor {
        /// Number of the page.
        page: usize,
    },
    /// The cursor was there before: following it would never end.
    #[error("page {page} repeats a cursor: the list runs in a circle")]
    Circle {
        /// Number of the page.
        page: usize,
    },
    /// More pages or rows than any list should have.
    #[error("the list has more than {pages} pages or {rows} rows")]
    TooLong {
        /// The cap on pages.
        pages: usize,
        /// The cap on rows.
        rows: usize,
    },
}

/// The way from page to page, whatever is on them.
#[derive(Debug)]
pub(super) struct Steps {
    cursors: BTreeSet<String>,
    pages: usize,
    rows: usize,
    caps: (usize, usize),
}

impl Steps {
    pub(super) fn new() -> Self {
        Self { cursors: BTreeSet::new(), pages: 0, rows: 0, caps: (MAX_PAGES, MAX_ROWS) }
    }
    /// Pages taken.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }
    /// What comes after a page with `rows` rows. A page may be short or empty and still have a next one; without `next`
    /// the list has ended, whatever the cursors say.
    pub(super) fn step(
        &mut self,
        rows: usize,
        next: Option<&str>,
        after: Option<&str>,
    ) -> Result<Step, PageError> {
        self.pages += 1;
        self.rows += rows;
        let (pages, most) = self.caps;
        let too_long = PageError::TooLong { pages, rows: most };
        if self.rows > most {
            return Err(too_long);
        }
        let Some(next) = next else { return Ok(Step::End) };
        let after = after
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .or_else(|| after_in(next))
            .ok_or(PageError::NoCursor { page: self.pages })?;
        if !self.cursors.insert(after.clone()) {
            if bug(Bug::CircleIsEnd) {
                return Ok(Step::End);
            }
            return Err(PageError::Circle { page: self.pages });
        }
        if self.pages >= pages { Err(too_long) } else { Ok(Step::Next(after)) }
    }
}

/// The state of one walk.
#[derive(Debug)]
pub struct Walk {
    key: fn(&Value) -> Option<String>,
    steps: Steps,
    keys: BTreeSet<String>,
    rows: Vec<Value>,
    duplicates: usize,
}

impl Walk {
    /// Starts a walk whose rows are told apart by `key`; rows without a key are all kept.
    pub fn new(key: fn(&Value) -> Option<String>) -> Self {
        let (keys, rows) = (BTreeSet::new(), Vec::new());
        Self { key, steps: Steps::new(), keys, rows, duplicates: 0 }
    }
    /// The same with other caps on pages and rows.
    #[must_use]
    pub fn with_caps(mut self, pages: usize, rows: usize) -> Self {
        self.steps.caps = (pages, rows);
        self
    }
    /// Takes a page and says what comes next.
    pub fn take(&mut self, mut page: Value) -> Result<Step, PageError> {
        let data = page.as_object_mut().and_then(|map| map.remove("data"));
        let Some(Value::Array(rows)) = data else {
            return Err(PageError::NoData { page: self.steps.pages + 1 });
        };
        let text = |path: &str| page.pointer(path).and_then(Value::as_str);
        let (next, after) = (text("/paging/next"), text("/paging/cursors/after"));
        let step = self.steps.step(rows.len(), next, after)?;
        for row in rows {
            let seen = (self.key)(&row).is_some_and(|key| !self.keys.insert(key));
            if seen {
                self.duplicates += 1;
            } else {
                self.rows.push(row);
            }
        }
        Ok(step)
    }
    /// Rows that came more than once and were left out.
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }
    /// The rows of all pages taken.
    pub fn into_rows(self) -> Vec<Value> {
        self.rows
    }
}

/// Some edges give no `cursors`; then the cursor stands in the URL, of which nothing else is used.
fn after_in(next: &str) -> Option<String> {
    let url = Url::parse(next).ok()?;
    let (_, after) = url.query_pairs().find(|(name, _)| name == "after")?;
    (!after.is_empty()).then(|| after.into_owned())
}

/// Tells rows apart by their id.
pub(super) fn by_id(row: &Value) -> Option<String> {
    match row.get("id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(ids: &[&str], after: Option<&str>, next: Option<&str>) -> Value {
        let data: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
        let mut paging = json!({});
        if let Some(after) = after {
            paging["cursors"] = json!({"before": "b", "after": after});
        }
        if let Some(next) = next {
            paging["next"] = json!(next);
        }
        json!({ "data": data, "paging": paging })
    }
    const NEXT: Option<&str> = Some("https://graph.facebook.com/v26.0/act_1/ads?access_token=T");

    #[test]
    fn the_list_ends_where_next_is_missing_even_with_a_cursor() {
        let mut walk = Walk::new(by_id);
        assert_eq!(walk.take(page(&["1"], Some("c1"), NEXT)), Ok(Step::Next("c1".into())));
        assert_eq!(walk.take(page(&["2"], Some("c2"), None)), Ok(Step::End));
        assert_eq!(walk.into_rows().len(), 2);
        let mut bare = Walk::new(by_id);
        assert_eq!(bare.take(json!({"data": []})), Ok(Step::End));
        let mut null = Walk::new(by_id);
        assert_eq!(null.take(json!({"data": [], "paging": {"next": null}})), Ok(Step::End));
    }

    #[test]
    fn an_empty_page_with_a_next_one_goes_on() {
        let mut walk = Walk::new(by_id);
        assert_eq!(walk.take(page(&[], Some("c1"), NEXT)), Ok(Step::Next("c1".into())));
    }

    #[test]
    fn a_circle_is_seen_whether_it_is_short_or_long() {
        let mut walk = Walk::new(by_id);
        for cursor in ["a", "b", "c"] {
            walk.take(page(&[cursor], Some(cursor), NEXT)).unwrap();
        }
        let again = walk.take(page(&["z"], Some("a"), NEXT));
        assert_eq!(again, Err(PageError::Circle { page: 4 }));
    }

    #[test]
    fn rows_that_come_twice_are_kept_once_and_counted() {
        let mut walk = Walk::new(by_id);
        walk.take(page(&["1", "2"], Some("a"), NEXT)).unwrap();
        walk.take(page(&["2", "3"], None, None)).unwrap();
        assert_eq!(walk.duplicates(), 1);
        assert_eq!(walk.into_rows().len(), 3);
    }

    #[test]
    fn the_cursor_of_a_bare_next_url_is_taken_and_nothing_else_of_it() {
        let mut walk = Walk::new(by_id);
        let url = Some("https://elsewhere.example/x?access_token=T&after=QVFI%3D&limit=25");
        assert_eq!(walk.take(page(&["1"], None, url)), Ok(Step::Next("QVFI=".into())));
        let mut lost = Walk::new(by_id);
        assert_eq!(lost.take(page(&["1"], None, NEXT)), Err(PageError::NoCursor { page: 1 }));
    }

    #[test]
    fn a_page_without_a_list_voids_the_walk() {
        for body in [json!({}), json!([]), json!({"data": {}}), json!({"data": null}), json!(true)]
        {
            let mut walk = Walk::new(by_id);
            assert_eq!(walk.take(body.clone()), Err(PageError::NoData { page: 1 }), "{body}");
        }
    }

    #[test]
    fn endless_lists_are_cut_off_with_an_error() {
        let mut walk = Walk::new(by_id).with_caps(3, 100);
        for n in ["a", "b"] {
            walk.take(page(&[n], Some(n), NEXT)).unwrap();
        }
        let last = walk.take(page(&["c"], Some("c"), NEXT));
        assert_eq!(last, Err(PageError::TooLong { pages: 3, rows: 100 }));
        let mut wide = Walk::new(by_id).with_caps(3, 1);
        assert!(matches!(wide.take(page(&["1", "2"], None, None)), Err(PageError::TooLong { .. })));
    }
}

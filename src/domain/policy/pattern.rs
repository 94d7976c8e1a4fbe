//! Name patterns: `*` stands for any text, everything else for itself, letter case ignored.

use serde::{Deserialize, Serialize};

/// A pattern over campaign names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Wraps a pattern; None for one that is blank, because it would match nothing a person can mean.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// True when the whole name fits the pattern.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.to_lowercase(), name.to_lowercase());
        let mut parts = pattern.split('*');
        let first = parts.next().unwrap_or("");
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = pattern.rsplit_once('*').map(|(_, last)| last) else {
            return rest.is_empty();
        };
        // Leftmost matches of the inner parts leave the most room for the rest, so greed never loses a match.
        let inner: Vec<&str> = parts.collect();
        for part in inner.iter().take(inner.len().saturating_sub(1)) {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_case_does_not_matter() {
        let fits = |pattern: &str, name: &str| Pattern::new(pattern).unwrap().matches(name);
        assert!(fits(
            "*do not touch*",
            "Brand [DO NOT TOUCH] 2026".replace(['[', ']'], "").as_str()
        ));
        assert!(fits("brand*", "Brand - DE") && !fits("brand*", "The brand"));
        assert!(fits("*evergreen", "DE evergreen") && !fits("*evergreen", "evergreen DE"));
        assert!(fits("a*b*c", "aXbYc") && !fits("a*b*c", "acb"));
        assert!(fits("ab*ba", "abba") && !fits("ab*ba", "aba"), "ends may not overlap");
        assert!(fits("exact", "Exact") && !fits("exact", "exact match"));
        assert!(fits("*", "") && fits("**", "anything"));
    }

    #[test]
    fn a_blank_pattern_is_none() {
        assert!(Pattern::new("  ").is_none());
    }
}

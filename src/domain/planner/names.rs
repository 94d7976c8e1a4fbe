//! Names of what we create: the source's name, the rung, and the marker by which it can be found again.

use crate::domain::OpKey;
use crate::planted::{Bug, bug};

/// Longest part of a source name that is kept: Meta cuts at about 400 characters, and the marker must survive.
const MAX_BASE: usize = 180;

/// The marker of one write, e.g. `[rw:7Q2M…]`.
pub fn marker(prefix: &str, key: &OpKey) -> String {
    format!("[{prefix}:{key}]")
}

/// The name of a created object: `Spring sale | add_to_cart [rw:7Q2M…]`.
pub fn named(source: &str, rung: &str, prefix: &str, key: &OpKey) -> String {
    let base: String = without_marker(source).chars().take(MAX_BASE).collect();
    let base = base.rsplit_once(" | ").map_or(base.as_str(), |(head, tail)| {
        // Only a rung key we appended ourselves is replaced; a person's own " | " stays.
        if tail.chars().all(|c| c.is_ascii_lowercase() || c == '_') { head } else { base.as_str() }
    });
    if bug(Bug::NoMarker) {
        return format!("{} | {rung}", base.trim_end());
    }
    format!("{} | {rung} {}", base.trim_end(), marker(prefix, key))
}

/// A name without the marker at its end.
pub fn without_marker(name: &str) -> &str {
    match name.rsplit_once(" [") {
        Some((head, tail)) if tail.ends_with(']') && tail.contains(':') => head,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_copy_carries_one_marker_and_one_rung() {
        let key = |k: &str| OpKey::new(k).unwrap();
        let first = named("Spring sale", "add_to_cart", "rw", &key("AAAA"));
        let second = named(&first, "purchase", "rw", &key("BBBB"));
        assert_eq!(first, "Spring sale | add_to_cart [rw:AAAA]");
        assert_eq!(second, "Spring sale | purchase [rw:BBBB]");
    }

    #[test]
    fn a_persons_own_brackets_and_bars_stay() {
        for own in ["Sale [2024]", "Sale [a:b] north", "Sale a:b]", "[rw:AAAA]", "Sale"] {
            assert_eq!(without_marker(own), own);
        }
        assert_eq!(without_marker("Sale [2024] [rw:AAAA]"), "Sale [2024]");
        let name = |source| named(source, "purchase", "rw", &OpKey::new("AAAA").unwrap());
        assert_eq!(name("Shoes | North"), "Shoes | North | purchase [rw:AAAA]");
        assert_eq!(name("Shoes | 2024"), "Shoes | 2024 | purchase [rw:AAAA]");
    }

    #[test]
    fn the_marker_survives_a_name_of_400_characters() {
        let long = "x".repeat(400);
        let name = named(&long, "purchase", "rw", &OpKey::new("CCCC").unwrap());
        assert!(name.len() < 260 && name.ends_with("[rw:CCCC]"));
    }
}

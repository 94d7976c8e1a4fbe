//! Foreign text made harmless for people's eyes: names come from foreign hands, and a terminal obeys what it reads.

use std::fmt::Write as _;

/// True for characters that move the cursor, turn the direction of writing, or break a line.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The text as one line that says nothing to a terminal: ends of lines and tabs become spaces, everything else that is
/// not meant for eyes becomes U+FFFD.
pub fn one_line(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => ' ',
        c if is_dangerous(c) => '\u{FFFD}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// JSON with everything that is not meant for eyes escaped: the same document, harmless when it is shown. Line ends
/// stand between values only and stay.
pub fn inert_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_dangerous(c) && c != '\n' {
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inert_json_is_the_same_document() {
        let told = "{\n  \"name\": \"a\u{9b}31m\u{202e}b\u{2028}🛒\"\n}";
        let shown = inert_json(told);
        assert!(
            !shown.contains(['\u{9b}', '\u{202e}', '\u{2028}']) && shown.contains("\\u009b31m")
        );
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(told));
    }

    #[test]
    fn hostile_names_stay_one_line_and_cannot_speak_to_the_terminal() {
        let shown = one_line("a\u{1b}[31mb\u{202e}c\r\0d\u{85}e\u{2028}f\ng");
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\r', '\0', '\u{85}', '\u{2028}', '\n']));
        assert_eq!(one_line("Schuhe 🛒 | purchase [rw:AB]"), "Schuhe 🛒 | purchase [rw:AB]");
    }
}

//! Foreign text made harmless for people's eyes: names come from foreign hands, and a terminal obeys what it reads.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_one_line_and_cannot_speak_to_the_terminal() {
        let shown = one_line("a\u{1b}[31mb\u{202e}c\r\0d\u{85}e\u{2028}f\ng");
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\r', '\0', '\u{85}', '\u{2028}', '\n']));
        assert_eq!(one_line("Schuhe 🛒 | purchase [rw:AB]"), "Schuhe 🛒 | purchase [rw:AB]");
    }
}

//! Numbers as interfaces and spreadsheets write them.

/// Which mark separates the decimals in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `1,234.50`
    Point,
    /// `1.234,50`
    Comma,
}

/// A cell without anything to read.
pub(super) fn is_missing(text: &str) -> bool {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    matches!(lower.as_str(), "" | "-" | "–" | "—" | "n/a" | "na" | "nan" | "null" | "none" | "--")
}

/// The digits and marks of a number: currency signs, spaces of all kinds, apostrophes and quotes are dropped.
fn strip(text: &str) -> String {
    let currency = |c: char| "$€£¥￥₹₩₺₽฿₫₱zł".contains(c) || c.is_whitespace();
    let dropped = |c: char| currency(c) || matches!(c, '\'' | '’' | '"' | '\u{202f}' | '\u{a0}');
    let body =
        text.trim().trim_start_matches("R$").trim_start_matches("Rp").trim_start_matches("kr");
    body.chars().filter(|c| !dropped(*c)).collect()
}

/// What one number tells about the style of its file; None when it fits both.
fn evidence(number: &str) -> Option<Style> {
    let (comma, point) = (number.rfind(','), number.rfind('.'));
    let (mark, decimal, other) = match (comma, point) {
        (None, None) => return None,
        (Some(c), Some(p)) => return Some(if c > p { Style::Comma } else { Style::Point }),
        (Some(_), None) => (',', Style::Comma, Style::Point),
        (None, Some(_)) => ('.', Style::Point, Style::Comma),
    };
    if number.matches(mark).count() > 1 {
        return Some(other);
    }
    looks_decimal(number, mark).then_some(decimal)
}

/// True when a single mark cannot be a thousands separator.
fn looks_decimal(number: &str, mark: char) -> bool {
    let (before, after) = number.split_once(mark).unwrap_or((number, ""));
    let before = before.trim_start_matches('-');
    after.len() != 3 || before.len() > 3 || before == "0" || before.is_empty()
}

/// The style of a file out of its numeric cells, the majority deciding.
pub(super) fn style<'a>(cells: impl Iterator<Item = &'a str>, default: Style) -> Style {
    let (mut commas, mut points) = (0_usize, 0_usize);
    for cell in cells {
        match evidence(&strip(cell)) {
            Some(Style::Comma) => commas += 1,
            Some(Style::Point) => points += 1,
            None => {}
        }
    }
    match commas.cmp(&points) {
        std::cmp::Ordering::Greater => Style::Comma,
        std::cmp::Ordering::Less => Style::Point,
        std::cmp::Ordering::Equal => default,
    }
}

/// Millionths of the number, rounded half up; None when it is not a number or out of range. In a column of `counts` a
/// mark before exactly three digits always separates thousands.
pub(super) fn parse(text: &str, style: Style, counts: bool) -> Option<i64> {
    let number = strip(text);
    let decimal = match (number.rfind(','), number.rfind('.')) {
        (None, None) => None,
        (Some(c), Some(p)) => Some(if c > p { ',' } else { '.' }),
        (comma, _) => {
            let mark = if comma.is_some() { ',' } else { '.' };
            let own = if style == Style::Comma { ',' } else { '.' };
            let single = number.matches(mark).count() == 1;
            (single && (looks_decimal(&number, mark) || (mark == own && !counts))).then_some(mark)
        }
    };
    let plain: String = number
        .chars()
        .filter_map(|c| match c {
            ',' | '.' if Some(c) == decimal => Some('.'),
            ',' | '.' => None,
            c => Some(c),
        })
        .collect();
    micros(&plain)
}

/// Millionths of a plain decimal such as `-1.429999948`.
pub(super) fn micros(plain: &str) -> Option<i64> {
    let (negative, body) = match plain.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, plain),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let kept: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let up = fraction.as_bytes().get(6).is_some_and(|d| *d >= b'5');
    let abs: i64 = format!("0{whole}{kept}").parse().ok()?;
    let abs = abs.checked_add(i64::from(up))?;
    Some(if negative { -abs } else { abs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_in_every_notation() {
        for text in ["1,234.50", "$1,234.50", "1234.5", "1'234.50", "1 234.50"] {
            assert_eq!(parse(text, Style::Point, false), Some(1_234_500_000), "{text}");
        }
        for text in ["1.234,50", "1234,5", "1\u{202f}234,50 €", "R$ 1.234,50"] {
            assert_eq!(parse(text, Style::Comma, false), Some(1_234_500_000), "{text}");
        }
        assert_eq!(parse("1.429999948", Style::Point, false), Some(1_430_000));
        assert_eq!(parse("1,175,511", Style::Comma, false), Some(1_175_511_000_000));
    }

    #[test]
    fn three_digits_after_a_mark_follow_the_file() {
        assert_eq!(parse("1.234", Style::Point, false), Some(1_234_000));
        assert_eq!(parse("1.234", Style::Comma, false), Some(1_234_000_000));
        assert_eq!(
            parse("1.234", Style::Point, true),
            Some(1_234_000_000),
            "half a purchase does not exist"
        );
        assert_eq!(parse("0.123", Style::Comma, false), Some(123_000));
    }

    #[test]
    fn the_majority_of_cells_decides_the_style() {
        assert_eq!(style(["1.234", "12,50", "7"].into_iter(), Style::Point), Style::Comma);
        assert_eq!(style(["1.234", "7"].into_iter(), Style::Comma), Style::Comma);
        assert_eq!(style(["1,234,567"].into_iter(), Style::Comma), Style::Point);
    }

    #[test]
    fn words_are_not_numbers() {
        for bad in ["abc", "1e5", "12-3", "1/2", ".", "99999999999999999999"] {
            assert_eq!(parse(bad, Style::Point, false), None, "{bad}");
        }
        assert!(is_missing(" — ") && is_missing("N/A") && !is_missing("0"));
    }
}

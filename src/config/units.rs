//! Durations as people write them.

/// Milliseconds of `14d`, `72h`, `15m` or `30s`; None for any other text and for what does not fit.
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = match unit {
        'd' => crate::domain::DAY_MS,
        'h' => crate::domain::HOUR_MS,
        'm' => 60_000,
        's' => 1_000,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(scale)
}

/// The shortest text that [`parse_duration_ms`] reads back; parts of a second are dropped.
pub fn show_duration_ms(ms: i64) -> String {
    let units = [(crate::domain::HOUR_MS, 'h'), (60_000, 'm')];
    if ms % crate::domain::DAY_MS == 0 && ms > 3 * crate::domain::DAY_MS {
        return format!("{}d", ms / crate::domain::DAY_MS);
    }
    let whole = units.into_iter().find(|(scale, _)| ms != 0 && ms % scale == 0);
    whole
        .map_or_else(|| format!("{}s", ms / 1_000), |(scale, unit)| format!("{}{unit}", ms / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_one_unit() {
        assert_eq!(parse_duration_ms("14d"), Some(14 * 86_400_000));
        assert_eq!(parse_duration_ms(" 72h "), Some(3 * 86_400_000));
        for bad in ["", "14", "d", "1.5d", "-3d", "1d12h", "14 d", "2w", "99999999999999999d", "١d"]
        {
            assert_eq!(parse_duration_ms(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn shown_durations_read_back() {
        for text in ["14d", "72h", "15m", "30s", "0s", "90m"] {
            let ms = parse_duration_ms(text).unwrap();
            assert_eq!(parse_duration_ms(&show_duration_ms(ms)), Some(ms), "{text}");
        }
        assert_eq!(show_duration_ms(72 * 3_600_000), "72h");
    }
}

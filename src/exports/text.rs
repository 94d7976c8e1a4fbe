//! Bytes to text, whatever wrote them.

/// UTF-8 or UTF-16 by byte order mark, else UTF-8, else Windows-1252; text that went through the wrong decoder once
/// ("campaÃ±a") is repaired.
pub(super) fn decode(bytes: &[u8]) -> String {
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|b| windows_1252(*b)).collect(),
        },
    };
    repair(text.replace("\r\n", "\n").replace('\r', "\n"))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16_lossy(&units)
}

/// What Windows-1252 puts between 0x80 and 0x9F.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

fn windows_1252(byte: u8) -> char {
    let table = byte.checked_sub(0x80).and_then(|i| WINDOWS_1252.get(usize::from(i)));
    table.copied().unwrap_or(char::from(byte))
}

/// Undoes one round of UTF-8 read as Windows-1252, line by line, where that gives valid text.
fn repair(text: String) -> String {
    if !text.contains(['Ã', 'Â', 'ã', 'æ', 'å', 'ç', 'è', 'é']) {
        return text;
    }
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let bytes: Option<Vec<u8>> = line.chars().map(to_byte).collect();
        let fixed = bytes.filter(|b| !b.is_ascii()).and_then(|b| String::from_utf8(b).ok());
        lines.push(fixed.unwrap_or_else(|| line.to_owned()));
    }
    lines.join("\n")
}

fn to_byte(c: char) -> Option<u8> {
    let position = WINDOWS_1252.iter().position(|known| *known == c);
    let high = position.and_then(|i| u8::try_from(0x80 + i).ok());
    high.or_else(|| u8::try_from(u32::from(c)).ok())
}

/// The delimiter of a table: the candidate that occurs most often outside quotes in the first lines.
pub(super) fn delimiter(text: &str) -> u8 {
    let mut counts = [0_usize; 3];
    let mut quoted = false;
    let mut lines = 0;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '\n' if !quoted => {
                lines += 1;
                if lines == 5 {
                    break;
                }
            }
            '\t' if !quoted => counts[0] += 1,
            ';' if !quoted => counts[1] += 1,
            ',' if !quoted => counts[2] += 1,
            _ => {}
        }
    }
    // A tab or semicolon in every line beats commas, which also occur inside decimal numbers.
    match counts {
        [tabs, _, _] if tabs >= lines.max(1) => b'\t',
        [_, semicolons, _] if semicolons >= lines.max(1) => b';',
        _ => b',',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_of_a_spreadsheet_is_read() {
        let utf16: Vec<u8> = [0xFF, 0xFE]
            .into_iter()
            .chain("Montant dépensé".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(decode(&utf16), "Montant dépensé");
        assert_eq!(decode(b"\xEF\xBB\xBFDay"), "Day");
        assert_eq!(decode(b"Montant d\xE9pens\xE9 \x80"), "Montant dépensé €");
        assert_eq!(
            decode("Nombre de la campaÃ±a\nRÃ©sultats".as_bytes()),
            "Nombre de la campaña\nRésultats"
        );
        assert_eq!(decode("Début é\n消化金額 (JPY)".as_bytes()), "Début é\n消化金額 (JPY)");
    }

    #[test]
    fn the_delimiter_is_not_fooled_by_decimal_commas_and_quotes() {
        assert_eq!(delimiter("Day;Spend\n1;2,50\n2;3,50\n"), b';');
        assert_eq!(delimiter("\"CPM; all\",Spend\n1,2\n"), b',');
        assert_eq!(delimiter("Day\tSpend\n1\t\"2,50\"\n"), b'\t');
    }
}

//! Parameters as clients really send them: query, form, multipart or JSON; lists as JSON, CSV or Python repr.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value};

use super::errors::Refusal;

/// Parameters by name; the last value of a name wins.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Params(BTreeMap<String, Value>);

impl Params {
    /// Adds texts, as query and form carry them.
    pub(super) fn add_texts(&mut self, pairs: impl IntoIterator<Item = (String, String)>) {
        for (name, text) in pairs {
            self.0.insert(name, Value::String(text));
        }
    }
    /// Adds the members of a JSON body.
    pub(super) fn add_object(&mut self, object: Map<String, Value>) {
        self.0.extend(object);
    }
    /// Takes a parameter out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }
    /// Sets a parameter.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }
    /// Names and values in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }
    /// True if the parameter was sent and is not empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|v| !v.is_null() && v.as_str() != Some(""))
    }
    /// The parameter as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
    /// A text that must be there.
    pub(super) fn need(&self, name: &str) -> Result<String, Refusal> {
        self.text(name).ok_or_else(|| Refusal::required(name))
    }
    /// The parameter as structured value: JSON as such, texts that hold JSON (or Python repr) decoded.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        match self.0.get(name)? {
            Value::String(text) => Some(decode(text)),
            other => Some(other.clone()),
        }
    }
    /// A list of texts: JSON list, Python repr, or comma-separated.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let value = self.value(name)?;
        Some(match value {
            Value::Array(items) => items.iter().map(plain).collect(),
            Value::Null => Vec::new(),
            other => split(&plain(&other)),
        })
    }
    /// An integer, whether sent as number or text.
    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let parsed = text.trim().parse::<i64>().ok();
        let whole = || text.trim().parse::<f64>().ok().filter(|x| x.fract() == 0.0);
        parsed
            .or_else(|| whole().map(super::num::round))
            .map(Some)
            .ok_or_else(|| Refusal::new(100, format!("(#100) Param {name} must be an integer")))
    }
    /// A boolean: `true`, `True`, `1`, JSON true.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let text = self.text(name)?.to_lowercase();
        match text.as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        }
    }
}

/// A JSON value as bare text.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Splits at commas outside brackets.
pub(super) fn split(text: &str) -> Vec<String> {
    pieces(text).map(str::to_owned).collect()
}

/// The pieces between commas outside brackets that are not blank, trimmed.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let between = text.split(move |c| {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    between.map(str::trim).filter(|piece| !piece.is_empty())
}

/// Reads JSON; else Python's spelling of it; else a bracketed list of bare words; else the text itself.
pub(super) fn decode(text: &str) -> Value {
    let trimmed = text.trim();
    if !trimmed.starts_with(['[', '{', '"']) {
        return Value::String(text.to_owned());
    }
    if let Ok(value) = serde_json::from_str(trimmed) {
        return value;
    }
    let python = trimmed.replace('\'', "\"").replace("True", "true").replace("False", "false");
    if let Ok(value) = serde_json::from_str(&python) {
        return value;
    }
    match trimmed.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(inner) => Value::Array(
            split(inner)
                .into_iter()
                .map(|w| Value::String(w.trim_matches('"').to_owned()))
                .collect(),
        ),
        None => Value::String(text.to_owned()),
    }
}

/// Decodes `a=b&c=d`.
pub(super) fn form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|p| !p.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes for a query.
pub(super) fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

/// The text fields of a multipart body; files are left out.
pub(super) fn multipart(body: &[u8], boundary: &str) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let mark = format!("--{boundary}");
    text.split(mark.as_str())
        .filter_map(|part| {
            let (head, value) = part.split_once("\r\n\r\n")?;
            if head.contains("filename=\"") {
                return None;
            }
            let name = head.split("name=\"").nth(1)?.split('"').next()?;
            Some((name.to_owned(), value.strip_suffix("\r\n").unwrap_or(value).to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Params {
        let mut params = Params::default();
        params.add_texts([(name.to_owned(), text.to_owned())]);
        params
    }

    #[test]
    fn a_list_is_read_from_json_csv_python_and_bare_words() {
        for text in [r#"["a","b"]"#, "a,b", "['a', 'b']", "[a,b]"] {
            assert_eq!(of("x", text).list("x").unwrap(), ["a", "b"], "{text}");
        }
    }

    #[test]
    fn commas_inside_braces_do_not_split_fields() {
        assert_eq!(
            split("id,adsets.limit(2){id,name},name"),
            ["id", "adsets.limit(2){id,name}", "name"]
        );
    }

    #[test]
    fn a_name_that_starts_with_a_bracket_stays_text() {
        assert_eq!(of("name", "[x] y").text("name").unwrap(), "[x] y");
    }

    #[test]
    fn form_and_multipart_bodies_decode() {
        assert_eq!(form("a=1%2B2&b=x+y"), [("a".into(), "1+2".into()), ("b".into(), "x y".into())]);
        let body =
            "--B\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nPAUSED\r\n--B--\r\n";
        assert_eq!(multipart(body.as_bytes(), "B"), [("status".into(), "PAUSED".into())]);
    }

    #[test]
    fn numbers_and_flags_are_read_from_texts() {
        assert_eq!(of("n", "5000").int("n").unwrap(), Some(5000));
        assert!(of("n", "50.5").int("n").is_err());
        assert_eq!(of("f", "1").flag("f"), Some(true));
        assert_eq!(of("f", "False").flag("f"), Some(false));
    }
}

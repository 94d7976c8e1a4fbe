//! The `fields` parameter: a tree of names with modifiers, e.g. `id,adsets.limit(5){id,name}`.

use std::collections::BTreeMap;

use super::params::{Params, pieces};

/// What lies deeper in a field expression is left out.
const DEEPEST: usize = 6;

/// One requested field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    /// Modifiers such as `limit(5)`.
    pub(super) args: BTreeMap<String, String>,
    /// What to show of the nested object or edge.
    pub(super) sub: Vec<Field>,
}

/// The requested fields; None when the parameter is absent.
pub(super) fn requested(params: &Params) -> Option<Vec<Field>> {
    let list = params.list("fields")?;
    Some(list.iter().flat_map(|text| parse(text)).collect())
}

/// Parses a comma-separated field expression.
pub(super) fn parse(text: &str) -> Vec<Field> {
    nested(text, 0)
}

fn nested(text: &str, depth: usize) -> Vec<Field> {
    if depth > DEEPEST {
        return Vec::new();
    }
    pieces(text).map(|piece| one(piece, depth)).collect()
}

fn one(piece: &str, depth: usize) -> Field {
    let (head, sub) = match piece.split_once('{') {
        Some((head, rest)) => (head, nested(rest.strip_suffix('}').unwrap_or(rest), depth + 1)),
        None => (piece, Vec::new()),
    };
    let mut args = BTreeMap::new();
    let (name, mut rest) = head.split_once('.').unwrap_or((head, ""));
    while let Some((key, tail)) = rest.split_once('(') {
        let (value, after) = tail.split_once(')').unwrap_or((tail, ""));
        args.insert(key.trim_start_matches('.').to_owned(), value.to_owned());
        rest = after;
    }
    Field { name: name.trim().to_owned(), args, sub }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields_and_modifiers_are_read() {
        let fields = parse("id,adsets.limit(5).effective_status(ACTIVE){id,ads{name}},creative");
        assert_eq!(fields.len(), 3);
        assert_eq!(fields[1].name, "adsets");
        assert_eq!(fields[1].args["limit"], "5");
        assert_eq!(fields[1].args["effective_status"], "ACTIVE");
        assert_eq!(fields[1].sub[1].sub[0].name, "name");
    }
}

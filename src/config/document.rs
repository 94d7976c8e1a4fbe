//! TOML text into entries, each with its line.

use toml::de::{DeTable, DeValue};

use super::{
    ConfigError, Origin,
    origin::{Entry, Raw, Values},
    schema,
};

/// The text of one layer and how its places are named.
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    /// None = the embedded defaults.
    pub(super) name: Option<&'a str>,
    /// True for a file of `accounts.d/`.
    pub(super) one_account: bool,
}

impl Document<'_> {
    /// Every key of the document; unknown keys, secrets and wrong shapes are errors.
    pub(super) fn values(&self) -> Result<Values, ConfigError> {
        let parsed = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            place: self.place(error.span().map_or(0, |span| span.start)),
            message: error.message().lines().next().unwrap_or("not valid TOML").to_owned(),
        })?;
        let mut values = Values::default();
        self.walk("", parsed.get_ref(), &mut values)?;
        Ok(values)
    }

    fn place(&self, byte: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(byte);
        let line = 1 + before.filter(|b| **b == b'\n').count();
        match self.name {
            Some(name) => Origin::File { name: name.to_owned(), line },
            None => Origin::Default(line),
        }
    }

    fn walk(&self, path: &str, table: &DeTable<'_>, out: &mut Values) -> Result<(), ConfigError> {
        for (key, value) in table {
            let name = key.get_ref();
            let full = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            let place = self.place(key.span().start);
            let free = schema::FREE.contains(&path);
            if !free && schema::is_table(&full) {
                let DeValue::Table(inner) = value.get_ref() else {
                    let (expected, found) = ("a table", value.get_ref().type_str());
                    return Err(ConfigError::Type { place, key: full, expected, found });
                };
                if self.one_account && schema::MACHINE.contains(&full.as_str()) {
                    return Err(ConfigError::NotPerAccount { place, key: full });
                }
                self.walk(&full, inner, out)?;
                continue;
            }
            if schema::kind(&full).is_none() {
                let hint = Some(schema::suggestion(&full));
                return Err(ConfigError::UnknownKey { place, key: full, hint });
            }
            if schema::is_secret(&full) {
                let variable = schema::variable(&full);
                return Err(ConfigError::SecretInFile { place, key: full, variable });
            }
            let raw = raw(value.get_ref()).map_err(|found| {
                let expected = "text, a number, true or false, or a list of these";
                ConfigError::Type { place: place.clone(), key: full.clone(), expected, found }
            })?;
            out.0.insert(full, Entry { raw, origin: place });
        }
        Ok(())
    }
}

fn raw(value: &DeValue<'_>) -> Result<Raw, &'static str> {
    Ok(match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
            .map(Raw::Int)
            .map_err(|_| "a number beyond 64 bits")?,
        DeValue::Float(x) => x.as_str().parse().map(Raw::Float).map_err(|_| "no number")?,
        DeValue::Boolean(b) => Raw::Bool(*b),
        DeValue::Array(items) => {
            Raw::List(items.iter().map(|item| raw(item.get_ref())).collect::<Result<_, _>>()?)
        }
        other @ (DeValue::Datetime(_) | DeValue::Table(_)) => return Err(other.type_str()),
    })
}

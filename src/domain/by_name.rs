//! Small maps from names that come again and again: action types and attribution windows of insights.
//!
//! Months of a large account hold the same two dozen names in every one of their rows. Each name is kept once per
//! thread and shared, and a map of a few entries is a sorted list: reading stored rows is mostly reading these maps.

use std::{cell::RefCell, collections::BTreeSet, fmt, marker::PhantomData, ops::Index, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap as _,
};

/// Names kept per thread. They come from outside, so there must be an end; what is beyond it is merely not shared.
const SHARED: usize = 4_096;
/// Entries for which a list has room when it gets its first.
const HANDFUL: usize = 4;
/// Entries it gets room for when it turns out to be longer.
const DOZENS: usize = 28;

thread_local! {
    static NAMES: RefCell<BTreeSet<Arc<str>>> = RefCell::default();
}

fn shared(name: &str) -> Arc<str> {
    NAMES.with_borrow_mut(|names| {
        if let Some(known) = names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        if names.len() < SHARED {
            names.insert(Arc::clone(&new));
        }
        new
    })
}

/// Values by name, in the order of the names; written and read as a JSON object.
#[derive(Clone, PartialEq, Eq)]
pub struct ByName<V>(Vec<(Arc<str>, V)>);

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
impl<V: fmt::Debug> fmt::Debug for ByName<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V> ByName<V> {
    fn place(&self, name: &str) -> Result<usize, usize> {
        // Mostly in order: whoever writes them down sorts them.
        if self.0.last().is_none_or(|(last, _)| &**last < name) {
            return Err(self.0.len());
        }
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        Some(&self.0.get(self.place(name).ok()?)?.1)
    }
    /// The value of a name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let place = self.place(name).ok()?;
        Some(&mut self.0.get_mut(place)?.1)
    }
    /// Sets the value of a name; returns the one it had.
    pub fn insert(&mut self, name: &str, value: V) -> Option<V> {
        match self.place(name) {
            Ok(place) => self.0.get_mut(place).map(|(_, old)| std::mem::replace(old, value)),
            Err(place) => {
                self.0.insert(place, (shared(name), value));
                None
            }
        }
    }
    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
    /// The names in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }
    /// The values in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
    /// The same, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
    /// Number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<'de, V: Deserialize<'de>> ByName<V> {
    /// Reads only some names of a JSON object and passes over all others.
    pub fn some_of(json: &'de [u8], names: &[String]) -> serde_json::Result<Self> {
        struct Only<'n, V>(&'n [String], PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Only<'_, V> {
            type Value = ByName<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByName<V>, A::Error> {
                let mut found = ByName::default();
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    if self.0.iter().any(|wanted| *wanted == name) {
                        found.insert(&name, map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(found)
            }
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        let found = reader.deserialize_map(Only(names, PhantomData))?;
        reader.end()?;
        Ok(found)
    }
}

impl<V> Index<&str> for ByName<V> {
    type Output = V;
    /// Panics where the name is missing, like every map.
    fn index(&self, name: &str) -> &V {
        self.get(name).expect("no such name")
    }
}
impl<N: AsRef<str>, V> FromIterator<(N, V)> for ByName<V> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut map = Self::default();
        for (name, value) in pairs {
            map.insert(name.as_ref(), value);
        }
        map
    }
}

impl<V: Serialize> Serialize for ByName<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A name as it stands in the text, unless it had to be unescaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for ByName<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Object<V> {
            type Value = ByName<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByName<V>, A::Error> {
                let mut found = ByName::default();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, V>()? {
                    // A handful of windows stays small; action types come by the dozen.
                    if found.len() == HANDFUL {
                        found.0.reserve(DOZENS);
                    }
                    found.insert(&name, value);
                }
                Ok(found)
            }
        }
        from.deserialize_map(Object(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    proptest::proptest! {
        #[test]
        fn it_is_the_map_it_stands_in_for(pairs in proptest::collection::vec(("[a-d\"]{0,2}", 0_u64..9), 0..12)) {
            let usual: BTreeMap<String, u64> = pairs.iter().cloned().collect();
            let ours: ByName<u64> = pairs.iter().map(|(name, value)| (name, *value)).collect();
            let text = serde_json::to_string(&usual).unwrap();
            proptest::prop_assert_eq!(&serde_json::to_string(&ours).unwrap(), &text);
            proptest::prop_assert_eq!(&serde_json::from_str::<ByName<u64>>(&text).unwrap(), &ours);
            let value = serde_json::from_str::<serde_json::Value>(&text).unwrap();
            proptest::prop_assert_eq!(&serde_json::from_value::<ByName<u64>>(value).unwrap(), &ours);
            let names = ["b\"".to_owned(), "a".to_owned()];
            let some = ByName::<u64>::some_of(text.as_bytes(), &names).unwrap();
            let wanted: Vec<_> = ours.iter().filter(|(name, _)| names.iter().any(|n| n == name)).collect();
            proptest::prop_assert_eq!(some.iter().collect::<Vec<_>>(), wanted);
            for name in ["", "a", "b\"", "zz"] {
                proptest::prop_assert_eq!(ours.get(name), usual.get(name));
            }
            proptest::prop_assert_eq!(ours.len(), usual.len());
        }
    }

    #[test]
    fn a_name_is_kept_once_and_no_longer_when_there_are_too_many() {
        assert!(Arc::ptr_eq(&shared("purchase"), &shared("purchase")));
        for n in 0..SHARED {
            shared(&format!("custom {n}"));
        }
        assert_eq!(&*shared("one more"), "one more");
        assert!(!Arc::ptr_eq(&shared("one more"), &shared("one more")));
    }
}

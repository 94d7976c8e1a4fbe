//! The table of facts, read from its text.

use std::collections::BTreeMap;

/// What a value must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Int,
    Uint,
    Num,
    Flag,
    Time,
    Day,
    Object,
    Any,
    /// A field expression.
    Fields,
    /// One of a list of values.
    Enum(String),
    /// An object of known members, or a node.
    Struct(String),
    List(Box<Shape>),
}

/// A field or parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) shape: Shape,
    pub(super) required: bool,
    /// First major version that has it.
    pub(super) since: u32,
}

/// Fields of a node, or parameters of an edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Members {
    /// File or page they come from.
    pub(super) source: String,
    /// What a read of the edge answers with; empty for nodes.
    pub(super) answers: String,
    pub(super) of: BTreeMap<String, Member>,
}

/// Everything the table says.
#[derive(Debug, Default)]
pub(super) struct Facts {
    structs: BTreeMap<String, Members>,
    edges: BTreeMap<(String, String), Members>,
    /// Values by list, each with the first major version that has it.
    enums: BTreeMap<String, BTreeMap<String, u32>>,
}

enum Open {
    Struct(String),
    Edge(String, String),
    Enum(String),
}

impl Facts {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut facts = Self::default();
        let mut open = None;
        for (number, line) in text.lines().enumerate() {
            let bad = |why: &str| format!("line {}: {why}: {line}", number + 1);
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            if line.starts_with(' ') {
                let open = open.as_ref().ok_or_else(|| bad("members of nothing"))?;
                for word in words {
                    facts.take(open, word).map_err(|why| bad(&why))?;
                }
                continue;
            }
            open = Some(match words[..] {
                ["struct", name, source] => {
                    let members = Members { source: source.to_owned(), ..Members::default() };
                    facts.structs.insert(name.to_owned(), members);
                    Open::Struct(name.to_owned())
                }
                ["edge", method, path, source, answers] => {
                    let key = (method.to_owned(), path.to_owned());
                    let (source, answers) = (source.to_owned(), answers.to_owned());
                    facts.edges.insert(key, Members { source, answers, ..Members::default() });
                    Open::Edge(method.to_owned(), path.to_owned())
                }
                ["enum", name, _source] => {
                    facts.enums.insert(name.to_owned(), BTreeMap::new());
                    Open::Enum(name.to_owned())
                }
                _ => return Err(bad("neither struct, edge nor enum")),
            });
        }
        Ok(facts)
    }
    fn take(&mut self, open: &Open, word: &str) -> Result<(), String> {
        let (word, since) = match word.split_once('@') {
            Some((word, version)) => (word, version.parse().map_err(|_| "a version is a number")?),
            None => (word, 0),
        };
        let members = match open {
            Open::Enum(name) => {
                self.enums.entry(name.clone()).or_default().insert(word.to_owned(), since);
                return Ok(());
            }
            Open::Struct(name) => self.structs.get_mut(name),
            Open::Edge(method, path) => self.edges.get_mut(&(method.clone(), path.clone())),
        };
        let (name, shape) = word.split_once(':').ok_or("a member is name:type")?;
        let (name, required) = name.strip_suffix('!').map_or((name, false), |n| (n, true));
        let member = Member { shape: shape_of(shape), required, since };
        members.ok_or("its head is gone")?.of.insert(name.to_owned(), member);
        Ok(())
    }
    pub(super) fn size(&self) -> (usize, usize, usize) {
        (self.structs.len(), self.edges.len(), self.enums.len())
    }
    pub(super) fn node(&self, name: &str) -> Option<&Members> {
        self.structs.get(name)
    }
    pub(super) fn edge(&self, method: &str, path: &str) -> Option<&Members> {
        self.edges.get(&(method.to_owned(), path.to_owned()))
    }
    pub(super) fn values(&self, name: &str) -> Option<&BTreeMap<String, u32>> {
        self.enums.get(name)
    }
    /// Every list of that name: the first has it bare, others are numbered.
    pub(super) fn lists_of(&self, name: &str) -> impl Iterator<Item = &BTreeMap<String, u32>> {
        let own = move |key: &str| key.split('.').next() == Some(name);
        self.enums.iter().filter(move |(key, _)| own(key)).map(|(_, values)| values)
    }
    /// Names of shapes that lead nowhere.
    #[cfg(test)]
    fn dangling(&self) -> Vec<String> {
        let all = self.structs.values().chain(self.edges.values());
        let mut out = Vec::new();
        for (name, member) in all.flat_map(|m| &m.of) {
            let mut shape = &member.shape;
            while let Shape::List(inner) = shape {
                shape = inner;
            }
            let known = match shape {
                Shape::Enum(e) => self.enums.contains_key(e),
                Shape::Struct(s) => self.structs.contains_key(s),
                _ => true,
            };
            if !known {
                out.push(format!("{name}: {shape:?}"));
            }
        }
        out
    }
}

fn shape_of(text: &str) -> Shape {
    if let Some(inner) = text.strip_prefix("list.") {
        return Shape::List(Box::new(shape_of(inner)));
    }
    if let Some(name) = text.strip_prefix('=') {
        return Shape::Enum(name.to_owned());
    }
    match text {
        "text" => Shape::Text,
        "int" => Shape::Int,
        "uint" => Shape::Uint,
        "num" => Shape::Num,
        "flag" => Shape::Flag,
        "time" => Shape::Time,
        "day" => Shape::Day,
        "object" => Shape::Object,
        "any" => Shape::Any,
        "fields" => Shape::Fields,
        "list" => Shape::List(Box::new(Shape::Any)),
        name => Shape::Struct(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_this_build_is_whole() {
        let facts = Facts::parse(include_str!("../../../tests/spec/facts.txt")).unwrap();
        assert_eq!(facts.dangling(), Vec::<String>::new());
        let (structs, edges, enums) = facts.size();
        assert!(structs > 40 && edges > 80 && enums > 40, "{structs} {edges} {enums}");
        let all = facts.structs.values().chain(facts.edges.values());
        for members in all {
            let source = &members.source;
            let file = std::path::Path::new(source).extension().is_some_and(|e| e == "json");
            assert!(file || source.starts_with("docs:"), "{source}");
        }
        let goals = facts.values("optimization_goal").unwrap();
        assert_eq!((goals["VALUE"], goals["MESSAGING_DEEP_CONVERSATION_AND_FOLLOW"]), (0, 26));
    }

    #[test]
    fn a_broken_table_names_its_line() {
        for (text, line) in
            [("struct A", "line 1"), (" x:text", "line 1"), ("struct A A.json\n\n x", "line 3")]
        {
            assert!(Facts::parse(text).unwrap_err().starts_with(line), "{text}");
        }
    }
}

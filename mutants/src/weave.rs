//! A copy of the tree in which every mutant of a function is an arm of a `match` in it.
//!
//! `fn f() { body }` becomes `fn f() { match crate::__mutant() { 17 => { body of mutant 17 }, …, _ => { body } } }`. What
//! is mutated outside a function, or in one that returns `impl Trait` (each arm would be a type of its own), is built
//! [`alone`](Tree::alone). No `const fn` remains one, for the switch is read at run time.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{config::Config, list::Mutant};

/// Appended to the library: which mutant this process is about.
const SWITCH: &str = r#"
#[doc(hidden)]
pub fn __mutant() -> usize {
    static CHOSEN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("RUNGWISE_MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0))
}
"#;
/// Put before the library: a woven body is not tidy.
const QUIET: &str = "#![allow(warnings, clippy::all, clippy::pedantic)]\n";
const LIB: &str = "src/lib.rs";

/// The lines of one mutant's arm in a woven file.
#[derive(Debug)]
pub struct Arm {
    /// The file, from the root of the tree.
    pub file: String,
    /// Its first line.
    pub first: usize,
    /// Its last.
    pub last: usize,
    /// The mutant's number.
    pub id: usize,
}

/// The copy.
#[derive(Debug)]
pub struct Tree {
    /// Where it lies.
    pub dir: PathBuf,
    /// The files as they are, by their path from the root.
    texts: BTreeMap<String, Vec<u8>>,
    /// Files whose `const fn`s stay.
    keep_const: Vec<String>,
}

impl Tree {
    /// Reads every file that git knows or would know. What is no file any more goes from the copy.
    pub fn copy(config: &Config) -> Result<Self> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&config.root)
            .output()
            .context("cannot run git")?;
        ensure!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let names = String::from_utf8(listed.stdout).context("a file's name is not UTF-8")?;
        let mut texts = BTreeMap::new();
        for name in names.split('\0').filter(|n| !n.is_empty()) {
            if let Ok(bytes) = fs::read(config.root.join(name)) {
                texts.insert(name.to_owned(), bytes);
            }
        }
        let tree =
            Self { dir: config.work().join("tree"), texts, keep_const: config.keep_const.clone() };
        tree.sweep(&tree.dir)?;
        Ok(tree)
    }

    fn sweep(&self, dir: &std::path::Path) -> Result<()> {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry?.path();
            let name = path.strip_prefix(&self.dir)?.to_string_lossy().into_owned();
            if path.is_dir() {
                self.sweep(&path)?;
            } else if !self.texts.contains_key(&name) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Writes the tree with these mutants woven in.
    pub fn weave(&self, mutants: &[Mutant]) -> Result<Vec<Arm>> {
        let mut arms = Vec::new();
        for (name, bytes) in &self.texts {
            let mine: Vec<_> =
                mutants.iter().filter(|m| m.key.file == *name && m.is_woven(bytes)).collect();
            let is_source = name.starts_with("src/") && name.ends_with(".rs");
            if mutants.is_empty() || !is_source || self.keep_const.contains(name) {
                self.put(name, bytes)?;
                continue;
            }
            let text =
                std::str::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
            let mut woven = woven(name, text, &mine, &mut arms)?.replace("const fn ", "fn ");
            if name == LIB {
                woven = format!("{QUIET}{woven}{SWITCH}");
            }
            self.put(name, woven.as_bytes())?;
        }
        Ok(arms)
    }

    /// Writes one mutant's file with nothing but it, or what [`Tree::weave`] made of the file when it is None.
    pub fn alone(&self, mutant: &Mutant) -> Result<()> {
        let name = &mutant.key.file;
        let text = std::str::from_utf8(&self.texts[name])?;
        let (from, to) = mutant.span;
        self.put(name, [&text[..from], &mutant.replacement, &text[to..]].concat().as_bytes())
    }

    /// Only what differs, so that cargo builds only what changed.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Mutant {
    /// Whether it can be an arm.
    fn is_woven(&self, file: &[u8]) -> bool {
        self.function.is_some_and(|(from, to)| {
            let text = String::from_utf8_lossy(&file[from..to]);
            let header = body(&text).map_or("", |at| &text[..at]);
            !header.rsplit_once("->").is_some_and(|(_, returned)| returned.contains("impl "))
        })
    }
    /// Whether it must be built alone.
    pub fn is_alone(&self, tree: &Tree) -> bool {
        !self.is_woven(&tree.texts[&self.key.file])
    }
}

fn woven(name: &str, text: &str, mutants: &[&Mutant], arms: &mut Vec<Arm>) -> Result<String> {
    // A function within a function is woven as a part of the outer one.
    let mut functions: BTreeMap<(usize, usize), Vec<&Mutant>> = BTreeMap::new();
    let spans: Vec<_> = mutants.iter().filter_map(|m| m.function).collect();
    for mutant in mutants {
        let Some(own) = mutant.function else { continue };
        let holds = |s: &&(usize, usize)| s.0 <= own.0 && own.1 <= s.1;
        let outer = spans.iter().filter(holds).max_by_key(|s| s.1 - s.0).copied().unwrap_or(own);
        functions.entry(outer).or_default().push(mutant);
    }
    let mut out = String::new();
    let mut done = 0;
    for ((from, to), mutants) in functions {
        out.push_str(&text[done..from]);
        let function = &text[from..to];
        let open = body(function)
            .with_context(|| format!("{name}: no body in {:?}", function.lines().next()))?;
        out.push_str(&function[..open]);
        out.push_str("{ match crate::__mutant() {\n");
        for mutant in mutants {
            let (cut, resume) = (mutant.span.0 - from, mutant.span.1 - from);
            let first = out.matches('\n').count() + 1;
            out.push_str(&format!(
                "{} => {}{}{},\n",
                mutant.id,
                &function[open..cut],
                mutant.replacement,
                &function[resume..]
            ));
            let last = out.matches('\n').count();
            arms.push(Arm { file: name.to_owned(), first, last, id: mutant.id });
        }
        out.push_str(&format!("_ => {}\n}} }}", &function[open..]));
        done = to;
    }
    out.push_str(&text[done..]);
    Ok(out)
}

/// Where the body of a function begins: the first brace after its comments and attributes.
fn body(function: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = &function[at..];
        let space = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        at += space;
        if rest.starts_with("//") {
            at += rest.find('\n')?;
        } else if rest.starts_with("#[") {
            at += attribute(rest)?;
        } else {
            return rest.find('{').map(|brace| at + brace);
        }
    }
}

/// Length of the attribute a text begins with.
fn attribute(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Key;

    fn mutant(text: &str, id: usize, function: &str, part: &str, replacement: &str) -> Mutant {
        let from = text.find(function).unwrap();
        let at = from + function.find(part).unwrap();
        let key = Key { file: "a.rs".into(), what: String::new(), line: String::new(), nth: 1 };
        Mutant {
            id,
            module: String::new(),
            key,
            function: Some((from, from + function.len())),
            span: (at, at + part.len()),
            replacement: replacement.to_owned(),
        }
    }

    #[test]
    fn each_mutant_is_an_arm_and_the_function_as_it_is_the_last() {
        let f = "/// Up { to } b.\n#[expect(x, reason = \"]{\")]\npub const fn f(a: i64) -> bool { a < 1 }";
        let text = format!("use x;\n{f}\nfn g() {{}}\n");
        let (one, two) = (mutant(&text, 1, f, "<", ">"), mutant(&text, 2, f, "a < 1", "true"));
        let mut arms = Vec::new();
        let woven = woven("a.rs", &text, &[&one, &two], &mut arms).unwrap();
        assert_eq!(
            woven,
            "use x;\n/// Up { to } b.\n#[expect(x, reason = \"]{\")]\npub const fn f(a: i64) -> bool { match crate::__mutant() {\n\
             1 => { a > 1 },\n2 => { true },\n_ => { a < 1 }\n} }\nfn g() {}\n"
        );
        assert_eq!(arms.iter().map(|a| (a.first, a.last)).collect::<Vec<_>>(), [(5, 5), (6, 6)]);
    }

    #[test]
    fn a_function_that_returns_an_impl_is_built_alone() {
        let text = "fn f() -> impl Iterator<Item = u8> { [1].into_iter() }";
        assert!(!mutant(text, 1, text, "1", "2").is_woven(text.as_bytes()));
        let text = "fn f(at: impl Fn(u8) -> u8) -> u8 { at(1) }";
        assert!(mutant(text, 1, text, "1", "2").is_woven(text.as_bytes()));
    }
}

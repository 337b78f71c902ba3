//! The imports of a crate's source files, each resolved to the file that defines the imported item.

use super::lexer::{matching, tokens, without_tests, Kind, Token};
use std::collections::{BTreeMap, BTreeSet};

/// A path below the root of the crate, one name after another.
pub(crate) type ModulePath = Vec<String>;

/// One use of an item or a module of the crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) path: ModulePath,
}

/// One leaf of a `use` declaration.
struct Leaf {
    import: Import,
    /// The name in this file; `None` for a glob.
    name: Option<String>,
    public: bool,
}

/// A source file: the items that it defines and those that it imports.
#[derive(Default)]
pub(crate) struct SourceFile {
    pub(crate) name: String,
    defined: BTreeSet<String>,
    bindings: BTreeMap<String, ModulePath>,
    globs: Vec<ModulePath>,
    leaves: Vec<Leaf>,
    /// Paths in the code, outside `use` declarations.
    paths: Vec<Import>,
}

/// The source files of a crate by module path, without the files of unit tests.
pub(crate) struct Crate {
    pub(crate) files: BTreeMap<ModulePath, SourceFile>,
}

const DEFINING: [&str; 10] =
    ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod", "macro_rules"];

/// The module of a file, given relative to the root of the sources: `a/b.rs` and `a/b/mod.rs` are `a::b`.
pub(crate) fn module_path(file: &str) -> ModulePath {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let mut path: ModulePath = stem.split('/').map(str::to_string).collect();
    if path.last().is_some_and(|last| last == "mod") || path == ["lib"] {
        path.pop();
    }
    path
}

/// The directory of the modules that a file declares.
fn module_directory(file: &str) -> String {
    module_path(file).iter().map(|name| format!("{name}/")).collect()
}

impl Crate {
    /// `sources`: file names relative to the root of the sources, and texts.
    pub(crate) fn new(sources: &BTreeMap<String, String>) -> Self {
        let mut test_files = BTreeSet::new();
        let mut files = BTreeMap::new();
        for (name, text) in sources {
            let (kept, tests) = without_tests(tokens(text));
            // A `#[path]` is relative to the directory of the file, a plain `mod` to that of its module.
            let beside = name.rfind('/').map_or("", |end| &name[..=end]);
            for file in tests {
                test_files.insert(format!("{beside}{file}"));
                test_files.insert(format!("{}{file}", module_directory(name)));
            }
            files.insert(module_path(name), SourceFile::new(name, &kept));
        }
        files.retain(|_, file| !test_files.contains(&file.name));
        Self { files }
    }

    /// All imports of a file, each with the file that defines the item.
    pub(crate) fn imports(&self, file: &SourceFile) -> BTreeMap<Import, String> {
        let through = |name: &str| {
            let binding = &file.bindings[name];
            file.paths.iter().any(|import| import.path.starts_with(binding))
        };
        let mut imports: BTreeSet<Import> = file.paths.iter().cloned().collect();
        for Leaf { import, name, public } in &file.leaves {
            // A re-export alone is no dependency, and a module is used by the paths that go through it.
            let module = self.files.contains_key(&import.path) && name.as_deref().is_some_and(through);
            if !public && !module {
                imports.insert(import.clone());
            }
        }
        imports.into_iter().map(|import| (import.clone(), self.defining_file(&import.path))).collect()
    }

    /// The file that defines an item: re-exports are followed.
    pub(crate) fn defining_file(&self, path: &[String]) -> String {
        self.resolve(path, 16).unwrap_or_else(|| self.module_file(path).1.name.clone())
    }

    /// The innermost module of a path, as the number of its names, with its file.
    fn module_file(&self, path: &[String]) -> (usize, &SourceFile) {
        let depth = (0..=path.len()).rev().find(|&depth| self.files.contains_key(&path[..depth])).unwrap_or(0);
        (depth, &self.files[&path[..depth]])
    }

    fn resolve(&self, path: &[String], max_hops: usize) -> Option<String> {
        let (depth, file) = self.module_file(path);
        let Some(item) = path.get(depth) else { return Some(file.name.clone()) };
        if file.defined.contains(item) {
            return Some(file.name.clone());
        }
        let max_hops = max_hops.checked_sub(1)?;
        let rest = &path[depth + 1..];
        if let Some(binding) = file.bindings.get(item) {
            return self.resolve(&[binding, rest].concat(), max_hops);
        }
        file.globs.iter().find_map(|glob| self.resolve(&[glob, &path[depth..]].concat(), max_hops))
    }
}

impl SourceFile {
    fn new(name: &str, tokens: &[Token]) -> Self {
        let mut file = Self { name: name.to_string(), ..Self::default() };
        for pair in tokens.windows(2).filter(|pair| pair[0].name().is_some_and(|word| DEFINING.contains(&word))) {
            file.defined.extend(pair[1].name().map(str::to_string));
        }
        for triple in tokens.windows(3).filter(|triple| triple[0].name() == Some("macro_rules")) {
            file.defined.extend(triple[2].name().map(str::to_string));
        }
        let children = declared_modules(tokens);
        let scopes = scopes(&module_path(name), tokens);
        let (mut code, mut declared) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < tokens.len() {
            // `impl Trait + use<'a>` is no import.
            let is_use = tokens[at].name() == Some("use") && tokens.get(at + 1).is_some_and(|token| !token.is('<'));
            if is_use {
                let end = at + tokens[at..].iter().take_while(|token| !token.is(';')).count();
                let public = is_public(tokens, at);
                let leaves = leaves(&tokens[at + 1..end], &[]).into_iter();
                declared.extend(leaves.map(|(line, written, name)| (line, written, name, &scopes[at], public)));
                at = end;
            } else {
                code.push(at);
                at += 1;
            }
        }
        // First the leaves with a path of their own, then those whose path starts with an imported name.
        for through_import in [false, true] {
            for (line, written, name, scope, public) in &declared {
                let path = absolute(written, scope, &children);
                if path.is_none() == through_import {
                    let path = path.or_else(|| Some([file.bindings.get(&written[0])?, &written[1..]].concat()));
                    file.bind(*line, path, name.clone(), *public);
                }
            }
        }
        file.scan(tokens, &code, &scopes, &children);
        file
    }

    /// Adds a leaf of a `use` declaration, unless it is from another crate.
    fn bind(&mut self, line: usize, path: Option<ModulePath>, name: Option<String>, public: bool) {
        let Some(path) = path else { return };
        match &name {
            Some(name) => drop(self.bindings.insert(name.clone(), path.clone())),
            None => self.globs.push(path.clone()),
        }
        self.leaves.push(Leaf { import: Import { line, path }, name, public });
    }

    /// Collects the paths of the code: those from `crate`, `super`, `self` or a child module, and those that start with
    /// an imported name.
    fn scan(&mut self, tokens: &[Token], code: &[usize], scopes: &[ModulePath], children: &BTreeSet<String>) {
        for &at in code {
            let before = |back: usize| at.checked_sub(back).map(|index| &tokens[index]);
            let Some(first) = tokens[at].name() else { continue };
            let keyword = before(1).and_then(Token::name);
            let continues = before(1).is_some_and(|token| token.is('.') || token.kind == Kind::PathSeparator);
            let defines = keyword.is_some_and(|word| DEFINING.contains(&word));
            // `pub(in path)` restricts visibility and uses nothing.
            let restricts = keyword == Some("in") && before(2).is_some_and(|token| token.is('('));
            if continues || defines || restricts {
                continue;
            }
            let path = path_at(tokens, at);
            let next = tokens.get(at + 1);
            let called = path.len() > 1 || next.is_some_and(|token| token.is('(') || token.is('!'));
            let line = tokens[at].line;
            if path.len() > 1 {
                if let Some(path) = absolute(&path, &scopes[at], children).filter(|path| !path.is_empty()) {
                    self.paths.push(Import { line, path });
                    continue;
                }
            }
            // A lower-case name that is not called or followed by a path is a local of the same name.
            if called || first.starts_with(char::is_uppercase) {
                if let Some(binding) = self.bindings.get(first) {
                    let path = [binding, &path[1..]].concat();
                    self.paths.push(Import { line, path });
                }
            }
        }
    }
}

/// The names of a path that starts at a token.
fn path_at(tokens: &[Token], at: usize) -> Vec<String> {
    let mut path: Vec<String> = tokens[at].name().map(str::to_string).into_iter().collect();
    for pair in tokens[at + 1..].chunks_exact(2) {
        match (&pair[0].kind, pair[1].name()) {
            (Kind::PathSeparator, Some(name)) => path.push(name.to_string()),
            _ => break,
        }
    }
    path
}

/// A path from the root of the crate; `None` for a path into another crate.
fn absolute(path: &[String], scope: &[String], children: &BTreeSet<String>) -> Option<ModulePath> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([scope, rest].concat()),
        "super" => {
            let parent = &scope[..scope.len().checked_sub(1)?];
            if rest.first().is_some_and(|name| name == "super") {
                absolute(rest, parent, children)
            } else {
                Some([parent, rest].concat())
            }
        }
        child if children.contains(child) => Some([scope, path].concat()),
        _ => None,
    }
}

/// Modules with files of their own.
fn declared_modules(tokens: &[Token]) -> BTreeSet<String> {
    let declared = tokens.windows(3).filter(|triple| triple[0].name() == Some("mod") && triple[2].is(';'));
    declared.filter_map(|triple| triple[1].name()).map(str::to_string).collect()
}

/// The module that each token is in: that of the file, or one written inside it.
fn scopes(file: &[String], tokens: &[Token]) -> Vec<ModulePath> {
    let mut scopes = vec![file.to_vec(); tokens.len()];
    for at in 0..tokens.len().saturating_sub(2) {
        if let (Some("mod"), Some(name), true) = (tokens[at].name(), tokens[at + 1].name(), tokens[at + 2].is('{')) {
            let end = matching(tokens, at + 2, '{', '}');
            scopes[at + 3..end].iter_mut().for_each(|scope| scope.push(name.to_string()));
        }
    }
    scopes
}

/// Whether the `use` at a token is preceded by `pub` or `pub(...)`.
fn is_public(tokens: &[Token], at: usize) -> bool {
    let start = tokens[..at].iter().rposition(|token| token.is(';') || token.is('{') || token.is('}'));
    let before = &tokens[start.map_or(0, |start| start + 1)..at];
    before.iter().any(|token| token.name() == Some("pub"))
}

/// The leaves of a use tree: line, path, and name in this file (`None` for a glob).
fn leaves(tree: &[Token], prefix: &[String]) -> Vec<(usize, Vec<String>, Option<String>)> {
    let mut path = prefix.to_vec();
    for (at, token) in tree.iter().enumerate() {
        match &token.kind {
            Kind::Name(word) if word == "as" => {
                let alias = tree.get(at + 1).and_then(Token::name).map(str::to_string);
                return vec![(token.line, path, alias)];
            }
            // `a::{self}` is `a`.
            Kind::Name(word) if word == "self" && !path.is_empty() => {}
            Kind::Name(word) => path.push(word.clone()),
            Kind::Sign('*') => return vec![(token.line, path, None)],
            Kind::Sign('{') => {
                let inner = &tree[at + 1..matching(tree, at, '{', '}') - 1];
                return branches(inner).into_iter().flat_map(|branch| leaves(branch, &path)).collect();
            }
            _ => {}
        }
    }
    let line = tree.first().map_or(0, |token| token.line);
    let name = path.last().cloned();
    if tree.is_empty() {
        Vec::new()
    } else {
        vec![(line, path, name)]
    }
}

/// The parts of a braced list.
fn branches(list: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0;
    list.split(|token| {
        depth += i32::from(token.is('{')) - i32::from(token.is('}'));
        depth == 0 && token.is(',')
    })
    .collect()
}

//! Checks of the core's source tree: layers, import cycles, number of files, and wording.
//!
//! The layers are the rows of the table `| layer | ... | modules |` in the docs of `lib.rs`, from top to bottom. Its
//! last column names the top-level modules of a layer in backticks. A module imports only from itself and from modules
//! of lower rows. Unit tests (`#[cfg(test)]`) may import from anywhere.

mod imports;
mod lexer;
mod wording;

use imports::{module_path, Crate};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Limit on the number of source files; each holds one algorithm or one type.
const MAX_FILES: usize = 89;

/// Source files: names relative to the root of the sources, and texts.
type Sources = BTreeMap<String, String>;

#[test]
fn imports_respect_the_layers() {
    report(&structure(&core_sources()));
}

#[test]
fn sources_use_standard_words() {
    report(&wording(&core_sources()));
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems in the sources of the core:\n{}", problems.len(), problems.join("\n"));
}

fn core_sources() -> Sources {
    let mut sources = Sources::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    sources
}

fn read(directory: &Path, prefix: &str, sources: &mut Sources) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8");
        if path.is_dir() {
            read(&path, &format!("{prefix}{name}/"), sources);
        } else if name.ends_with(".rs") {
            sources.insert(format!("{prefix}{name}"), fs::read_to_string(&path).expect("text in UTF-8"));
        }
    }
}

/// Violations of the layers, import cycles, and too many files.
fn structure(sources: &Sources) -> Vec<String> {
    let tree = Crate::new(sources);
    let mut problems = match layers(sources.get("lib.rs").map_or("", String::as_str)) {
        Ok(layers) => [membership(sources, &layers), upward_imports(&tree, &layers)].concat(),
        Err(problem) => vec![problem],
    };
    problems.extend(cycles(&tree));
    if sources.len() > MAX_FILES {
        problems.push(format!("{} files; at most {MAX_FILES} are allowed", sources.len()));
    }
    problems
}

/// First lines that begin with a question word, and forbidden words.
fn wording(sources: &Sources) -> Vec<String> {
    let of_file = |(file, text): (&String, &String)| -> Vec<String> {
        wording::first_line(file, text).into_iter().chain(wording::forbidden_words(file, text)).collect()
    };
    sources.iter().flat_map(of_file).collect()
}

/// The layers that the docs of `lib.rs` list, from top to bottom, each with its modules.
fn layers(lib: &str) -> Result<Vec<Vec<String>>, String> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let row = line.strip_prefix("//!")?.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(row.split('|').map(|cell| cell.trim().to_string()).collect())
    };
    let is_header = |line: &&str| {
        let cells = cells(line).unwrap_or_default();
        cells.first().is_some_and(|cell| cell == "layer") && cells.last().is_some_and(|cell| cell == "modules")
    };
    let mut lines = lib.lines().skip_while(|line| !is_header(line)).skip(2).map_while(cells).peekable();
    if lines.peek().is_none() {
        return Err("lib.rs: no table of layers, `//! | layer | ... | modules |`, in the docs".to_string());
    }
    lines.map(|cells| modules(cells.last().map_or("", String::as_str))).collect()
}

/// The names in backticks. Other text, such as the brackets of a link, is ignored.
fn modules(cell: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = cell.split('`').skip(1).step_by(2).map(str::to_string).collect();
    let is_module = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match names.iter().find(|name| !is_module(name)) {
        Some(name) => Err(format!("lib.rs: `{name}` in the table of layers is not the name of a top-level module")),
        None if names.is_empty() => Err(format!("lib.rs: the row `{cell}` of the table of layers names no module")),
        None => Ok(names),
    }
}

fn top_level(path: &[String]) -> Option<&str> {
    path.first().map(String::as_str)
}

/// Modules that are in no row of the table or in several, and rows with modules that do not exist.
fn membership(sources: &Sources, layers: &[Vec<String>]) -> Vec<String> {
    let modules: BTreeSet<String> = sources.keys().filter_map(|file| module_path(file).first().cloned()).collect();
    let listed = |module: &String| layers.iter().flatten().filter(|name| *name == module).count();
    let misplaced = modules.iter().filter_map(|module| match listed(module) {
        0 => Some(format!("lib.rs: the table of layers lacks the module `{module}`")),
        1 => None,
        count => Some(format!("lib.rs: the table of layers names the module `{module}` {count} times")),
    });
    let unknown = layers.iter().flatten().filter(|name| !modules.contains(*name));
    let unknown = unknown.map(|name| format!("lib.rs: the table of layers names `{name}`, which is no module"));
    misplaced.chain(unknown).collect()
}

/// Imports from a higher layer, from another module of the same layer, or from the root.
fn upward_imports(tree: &Crate, layers: &[Vec<String>]) -> Vec<String> {
    let level = |module: &str| layers.iter().position(|layer| layer.iter().any(|name| name == module));
    let mut problems = Vec::new();
    for (module, file) in &tree.files {
        // The root may re-export from every layer.
        let Some(from) = top_level(module) else { continue };
        for (import, target) in tree.imports(file) {
            let place = format!("{}:{}", file.name, import.line);
            let path = import.path.join("::");
            if target == "lib.rs" {
                problems.push(format!("{place}: `crate::{path}` is imported from lib.rs, which is above all layers"));
                continue;
            }
            // Both the module that is named and the one that defines the item: they differ for a re-export.
            let written = top_level(&import.path).filter(|name| level(name).is_some());
            let defining = module_path(&target);
            let targets: BTreeSet<&str> = written.into_iter().chain(top_level(&defining)).collect();
            for to in targets.into_iter().filter(|to| *to != from) {
                match (level(from), level(to)) {
                    (Some(above), Some(below)) if above == below => problems.push(format!(
                        "{place}: `crate::{path}` is an import between two modules of one layer, `{from}` and `{to}`"
                    )),
                    (Some(below), Some(above)) if above < below => problems.push(format!(
                        "{place}: `crate::{path}` is an upward import: `{to}` is in layer {}, `{from}` in layer {}",
                        above + 1,
                        below + 1
                    )),
                    _ => {}
                }
            }
        }
    }
    problems
}

/// Whether one file is a module and the other one of its submodules. These may import each other: a module is divided into
/// files, but remains one unit.
fn is_nested(one: &str, other: &str) -> bool {
    let (one, other) = (module_path(one), module_path(other));
    one.starts_with(&other) || other.starts_with(&one)
}

/// Import cycles between files of which none contains the other; each set of files is reported once, by its shortest cycle.
fn cycles(tree: &Crate) -> Vec<String> {
    let mut edges: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for file in tree.files.values() {
        for (import, target) in tree.imports(file).into_iter().filter(|(_, target)| !is_nested(target, &file.name)) {
            let example = format!("{}:{} uses `crate::{}`", file.name, import.line, import.path.join("::"));
            edges.entry(file.name.clone()).or_default().entry(target).or_insert(example);
        }
    }
    let mut cycles: Vec<Vec<&String>> = edges.keys().filter_map(|file| shortest_cycle(&edges, file)).collect();
    cycles.sort_by_key(Vec::len);
    let mut seen: Vec<BTreeSet<&String>> = Vec::new();
    let mut problems = Vec::new();
    for cycle in cycles {
        let files: BTreeSet<&String> = cycle.iter().copied().collect();
        if seen.iter().any(|other| other.is_subset(&files)) {
            continue;
        }
        seen.push(files);
        let names: Vec<&str> = cycle.iter().map(|file| file.as_str()).collect();
        let examples: Vec<&str> = cycle.windows(2).map(|pair| edges[pair[0]][pair[1]].as_str()).collect();
        problems.push(format!("import cycle {}: {}", names.join(" -> "), examples.join("; ")));
    }
    problems
}

/// The shortest cycle through a file, which is its first and last element; `None` if there is none.
fn shortest_cycle<'a>(
    edges: &'a BTreeMap<String, BTreeMap<String, String>>,
    file: &'a String,
) -> Option<Vec<&'a String>> {
    let targets = |from: &String| edges.get(from).into_iter().flat_map(BTreeMap::keys);
    let mut reached = BTreeSet::new();
    let mut paths = vec![vec![file]];
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in paths {
            for target in path.last().copied().into_iter().flat_map(targets) {
                let path = [&path[..], &[target]].concat();
                if target == file {
                    return Some(path);
                }
                if reached.insert(target) {
                    longer.push(path);
                }
            }
        }
        paths = longer;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{layers, structure, wording, Sources, MAX_FILES};

    const LIB: &str = "//! A crate.\n//!\n//! | layer | for | modules |\n//! |---|---|---|\n\
        //! | fits | one factor | [`fit`] |\n//! | sums | | [`pass`], `prior` |\n//! | services | | `error` |\n\
        //!\n//! The end.\npub mod fit;\npub mod pass;\nmod prior;\nmod error;\n";

    /// A tree with the layers `fit`, `pass` with `prior`, and `error`, and some files in the place of the plain ones.
    fn tree(files: &[(&str, &str)]) -> Sources {
        let plain = ["fit.rs", "pass/mod.rs", "prior.rs", "error.rs"].map(|file| (file, "//! A module.\n"));
        let files = [("lib.rs", LIB)].into_iter().chain(plain).chain(files.iter().copied());
        files.map(|(file, text)| (file.to_string(), text.to_string())).collect()
    }

    fn problems(sources: &Sources) -> Vec<String> {
        [structure(sources), wording(sources)].concat()
    }

    fn none(files: &[(&str, &str)]) {
        assert_eq!(problems(&tree(files)), Vec::<String>::new());
    }

    /// One problem, whose message has each of the parts.
    fn one(files: &[(&str, &str)], parts: &[&str]) {
        let found = problems(&tree(files));
        assert!(found.len() == 1 && parts.iter().all(|part| found[0].contains(part)), "{found:#?} for {files:?}");
    }

    #[test]
    fn the_table_is_read_from_top_to_bottom() {
        let found = layers(LIB).expect("a table");
        assert_eq!(found, [vec!["fit"], vec!["pass", "prior"], vec!["error"]]);
        assert!(layers("//! No table.").is_err());
        let table = |cell: &str| layers(&format!("//! | layer | modules |\n//! |---|---|\n//! | a | {cell} |"));
        assert!(table("`b::c`").is_err_and(|problem| problem.contains("b::c")));
        assert!(table("none").is_err_and(|problem| problem.contains("none")));
    }

    #[test]
    fn every_module_is_in_one_row() {
        one(&[("noise.rs", "//! Noise.")], &["lacks the module `noise`"]);
        let twice = LIB.replace("`error`", "`error`, `pass`");
        one(&[("lib.rs", &twice)], &["names the module `pass` 2 times"]);
        let unknown = LIB.replace("`error`", "`error`, `noise`");
        one(&[("lib.rs", &unknown)], &["`noise`, which is no module"]);
    }

    #[test]
    fn downward_imports_are_allowed() {
        none(&[
            ("fit.rs", "use crate::{error::Error, pass::{self, kernel::Sums as S, *}};\nfn f() { pass::sweep() }"),
            ("pass/mod.rs", "mod kernel;\npub use kernel::Sums;\nuse crate::error::Error;\nfn g() { kernel::run() }"),
            ("pass/kernel.rs", "use crate::error;\nfn run() -> error::Error { error::new() }"),
        ]);
    }

    #[test]
    fn every_form_of_an_upward_import_is_found() {
        let line = "use crate::fit::Fit;";
        for text in [
            line,
            "use crate::{error::Error, fit::{Fit, Status}};",
            "use crate::fit::{\n    self,\n};",
            "use crate::fit::*;",
            "pub(crate) use crate::fit::Fit;\nfn f(_: Fit) {}",
            "use super::fit::Fit;",
            "fn f() -> u8 { crate::fit::count() }",
            "fn f() { let text = \"//\"; let quote = '\"'; crate::fit::run(text, quote) }",
            "fn f<'a>(x: &'a str) { super::fit::run(x) }",
            "mod inner {\n    use super::super::fit::Fit;\n}",
            "fn f() {\n    use crate::fit::Fit;\n}",
        ] {
            let found = problems(&tree(&[("error.rs", text)]));
            assert!(
                !found.is_empty() && found.iter().all(|problem| problem.contains("upward import: `fit`")),
                "{found:#?}: {text}"
            );
        }
        one(
            &[("error.rs", &format!("//! Errors.\n\n{line}"))],
            &["error.rs:3", "`crate::fit::Fit`", "layer 1", "layer 3"],
        );
        one(&[("pass/mod.rs", "use crate::prior::Prior;")], &["between two modules of one layer", "`pass`", "`prior`"]);
        one(&[("error.rs", "use crate::VERSION;")], &["imported from lib.rs"]);
    }

    #[test]
    fn text_that_is_no_import_is_ignored() {
        for text in [
            "//! See [`crate::fit::Fit`].\n/* use crate::fit::Fit; /* nested */ */",
            "const TEXT: &str = \"use crate::fit::Fit;\";",
            "const TEXT: &str = r#\"\" use crate::fit::Fit; \"#;",
            "pub(crate) fn f(self_: crate::error::Error) {}",
            "use std::fmt;\nfn f() { fit::unrelated() }",
            "#[cfg(test)]\nmod tests {\n    use crate::fit::Fit;\n}",
            "#[cfg(test)]\nuse crate::fit::{Fit};\n#[allow(dead_code)]\nfn f() {}",
        ] {
            none(&[("error.rs", text)]);
        }
        for declared in ["mod tests;", "#[path = \"error/tests.rs\"]\nmod unit;"] {
            let text = format!("#[cfg(test)]\n{declared}");
            none(&[("error.rs", &text), ("error/tests.rs", "use crate::fit::Fit;")]);
        }
    }

    #[test]
    fn cycles_between_files_are_found() {
        let mutual = [
            ("pass/mod.rs", "mod kernel;\nmod tile;"),
            ("pass/kernel.rs", "use super::tile::Tile;"),
            ("pass/tile.rs", "//! Tiles.\nuse crate::pass::kernel::run;"),
        ];
        one(
            &mutual,
            &["pass/kernel.rs -> pass/tile.rs -> pass/kernel.rs", "pass/tile.rs:2 uses `crate::pass::kernel::run`"],
        );
        let long = [
            ("pass/mod.rs", "mod a;\nmod b;\nmod c;"),
            ("pass/a.rs", "use super::b::B;"),
            ("pass/b.rs", "use super::c::C;"),
            ("pass/c.rs", "fn f() { super::a::run() }"),
        ];
        one(&long, &["pass/a.rs -> pass/b.rs -> pass/c.rs -> pass/a.rs"]);
        let parent = [
            ("pass/mod.rs", "mod kernel;\nuse kernel::run;\npub struct Sums;\nfn f() { run() }"),
            ("pass/kernel.rs", "use crate::pass::Sums;"),
        ];
        // A module and its submodules are one unit.
        none(&parent);
    }

    #[test]
    fn a_re_export_is_followed_and_is_no_dependency_itself() {
        let parent = "mod kernel;\nmod tile;\npub use kernel::Sums;\npub use tile::*;\n";
        let files = [
            ("pass/mod.rs", parent),
            ("pass/kernel.rs", "pub struct Sums;"),
            ("pass/tile.rs", "use super::Sums;\npub struct Tile(Sums);"),
        ];
        none(&files);
        // The item that it names is imported from the file that defines it.
        let kernel = ("pass/kernel.rs", "use crate::pass::Tile;\npub struct Sums(Tile);");
        one(&[files[0], kernel, files[2]], &["pass/kernel.rs -> pass/tile.rs -> pass/kernel.rs"]);
    }

    #[test]
    fn files_are_counted() {
        let names: Vec<String> = (0..MAX_FILES).map(|index| format!("pass/part_{index}.rs")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "//! A part.")).collect();
        one(&files, &["files; at most 89 are allowed"]);
    }

    #[test]
    fn wording_is_checked_in_every_file() {
        one(&[("error.rs", "//! What can go wrong.")], &["error.rs:1", "What"]);
        let word = ["cli", "mb"].concat();
        one(&[("prior.rs", &format!("//! Priors.\n\nfn {word}_all() {{}}\n"))], &["prior.rs:3", &word]);
    }
}

//! The structure of the house: imports run one way between rooms, and no files import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// From the ground up. A room may name those before it.
const ORDER: [&str; 27] = [
    "clock",
    "instrument",
    "model",
    "template",
    "plot",
    "config",
    "state",
    "history",
    "net",
    "fleet",
    "tsdb",
    "ingest",
    "promql",
    "datasource",
    "rules",
    "slo",
    "alerting",
    "routing",
    "notify",
    "engine",
    "explain",
    "ruletest",
    "lint",
    "backtest",
    "server",
    "service",
    "cli",
];

/// A module's path below the crate, or a path to something in it.
type Names = Vec<String>;

/// One file of the crate, tests left out.
struct Source {
    /// Its module's path; empty for `lib.rs`.
    module: Names,
    file: PathBuf,
    /// What `use` brings into scope, by name, wherever in the file it stands; as written, but absolute.
    imports: BTreeMap<String, Names>,
    /// Paths that the code names, absolute.
    named: BTreeSet<Names>,
    /// Modules whose whole contents are imported.
    globs: Vec<Names>,
}

/// Reads one file: first what it imports, then the paths it names.
struct Reader {
    source: Source,
    /// Modules inside the file that the reader is in.
    inside: Names,
    children: BTreeSet<String>,
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        let mut test = a.path().is_ident("test");
        if a.path().is_ident("cfg") {
            // Of `cfg(test)` and the like; a nested condition is read as if it were for tests, of which there is none.
            let _ = a.parse_nested_meta(|meta| {
                test |= meta.path.is_ident("test");
                Ok(())
            });
        }
        test
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(i) => &i.attrs,
        syn::Item::Enum(i) => &i.attrs,
        syn::Item::Fn(i) => &i.attrs,
        syn::Item::Impl(i) => &i.attrs,
        syn::Item::Macro(i) => &i.attrs,
        syn::Item::Mod(i) => &i.attrs,
        syn::Item::Static(i) => &i.attrs,
        syn::Item::Struct(i) => &i.attrs,
        syn::Item::Trait(i) => &i.attrs,
        syn::Item::Type(i) => &i.attrs,
        syn::Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

impl Reader {
    /// A path as written here, from the crate's root; `None` when it leads out of the crate.
    fn absolute(&self, path: &[String]) -> Option<Names> {
        let mut here: Names = [self.source.module.clone(), self.inside.clone()].concat();
        let (first, mut rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([here, rest.to_vec()].concat()),
            "super" => {
                here.pop();
                while rest.first().is_some_and(|s| s == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
                Some([here, rest.to_vec()].concat())
            }
            name if self.children.contains(name) => Some([self.source.module.clone(), path.to_vec()].concat()),
            name => {
                let imported = self.source.imports.get(name)?;
                Some([imported.clone(), rest.to_vec()].concat())
            }
        }
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String], face: bool) {
        match tree {
            syn::UseTree::Path(p) => {
                let path = [before, &[p.ident.to_string()]].concat();
                self.import(&p.tree, &path, face);
            }
            syn::UseTree::Group(g) => g.items.iter().for_each(|t| self.import(t, before, face)),
            syn::UseTree::Name(n) if n.ident == "self" => {
                let name = before.last().cloned().unwrap_or_default();
                self.bind(name, before, face);
            }
            syn::UseTree::Name(n) => {
                let path = [before, &[n.ident.to_string()]].concat();
                self.bind(n.ident.to_string(), &path, face);
            }
            syn::UseTree::Rename(r) => {
                let path = [before, &[r.ident.to_string()]].concat();
                self.bind(r.rename.to_string(), &path, face);
            }
            syn::UseTree::Glob(_) => self.source.globs.extend(self.absolute(before)),
        }
    }

    fn bind(&mut self, name: String, path: &[String], face: bool) {
        let Some(path) = self.absolute(path) else { return };
        if !face {
            self.source.named.insert(path.clone());
        }
        self.source.imports.insert(name, path);
    }

    /// The items of a file or of a module in it: first everything that is imported, so that paths can be followed.
    fn items(&mut self, items: &[syn::Item]) {
        let items: Vec<&syn::Item> = items.iter().filter(|i| !is_test(attributes(i))).collect();
        for item in &items {
            if let syn::Item::Use(u) = item {
                // What a module only hands on it does not need itself.
                let face = !matches!(u.vis, syn::Visibility::Inherited);
                self.import(&u.tree, &[], face);
            }
        }
        for item in items {
            match item {
                syn::Item::Use(_) => {}
                syn::Item::Mod(m) => {
                    if let Some((_, inner)) = &m.content {
                        self.inside.push(m.ident.to_string());
                        self.items(inner);
                        self.inside.pop();
                    }
                }
                other => visit::visit_item(self, other),
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if let syn::Item::Use(u) = item {
            self.import(&u.tree, &[], false);
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Names = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if path.leading_colon.is_none() {
            self.source.named.extend(self.absolute(&names));
        }
        visit::visit_path(self, path);
    }

    /// What macros are given is not syntax yet: of it only the paths that begin at the crate or above are seen.
    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let text = mac.tokens.to_string().replace(' ', "");
        for root in ["crate::", "super::", "self::"] {
            for (at, _) in text.match_indices(root) {
                let path = text[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next();
                let names: Names = path.unwrap_or("").split("::").map(str::to_owned).collect();
                self.source.named.extend(self.absolute(&names));
            }
        }
        visit::visit_macro(self, mac);
    }
}

fn read(src: &Path, file: &Path) -> Source {
    let relative = file.strip_prefix(src).unwrap().with_extension("");
    let mut module: Names = relative.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    read_text(module, file.to_owned(), &std::fs::read_to_string(file).unwrap())
}

fn read_text(module: Names, file: PathBuf, text: &str) -> Source {
    let parsed = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let children = parsed.items.iter().filter_map(|i| match i {
        syn::Item::Mod(m) => Some(m.ident.to_string()),
        _ => None,
    });
    let source = Source { module, file, imports: BTreeMap::new(), named: BTreeSet::new(), globs: Vec::new() };
    let mut reader = Reader { source, inside: Vec::new(), children: children.collect() };
    reader.items(&parsed.items);
    reader.source
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The library's files. Files that hold only tests (`tests.rs`, `*_tests.rs`) are left out, as is what tests use.
fn library() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    let of_tests = |p: &PathBuf| p.file_stem().is_some_and(|s| s == "tests" || s.to_string_lossy().ends_with("_tests"));
    paths.retain(|p| !of_tests(p) && !p.ends_with("src/main.rs"));
    paths.sort();
    assert!(paths.len() > 100, "{}", paths.len());
    paths.iter().map(|p| read(&src, p)).collect()
}

/// The file in which a path ends, through whatever hands it on. `None` for a module as a whole: naming it is nothing yet.
fn place_of(sources: &BTreeMap<Names, &Source>, path: &[String], hops: usize) -> Option<Names> {
    let depth = (0..=path.len()).rev().find(|n| sources.contains_key(&path[..*n]))?;
    let (module, rest) = path.split_at(depth);
    let item = rest.first()?;
    let source = sources.get(module)?;
    match source.imports.get(item) {
        Some(further) if hops < 16 => {
            let further = [further.clone(), rest[1..].to_vec()].concat();
            place_of(sources, &further, hops + 1).or_else(|| Some(module.to_vec()))
        }
        _ => Some(module.to_vec()),
    }
}

type Arrows = BTreeMap<Names, BTreeMap<Names, String>>;

/// Which file needs which, with one path that shows it.
fn arrows(library: &[Source]) -> Arrows {
    let sources: BTreeMap<Names, &Source> = library.iter().map(|s| (s.module.clone(), s)).collect();
    let mut arrows = Arrows::new();
    for source in library {
        let to = arrows.entry(source.module.clone()).or_default();
        for path in source.named.iter().filter(|_| !source.module.is_empty()) {
            if let Some(place) = place_of(&sources, path, 0).filter(|p| *p != source.module && !p.is_empty()) {
                to.entry(place).or_insert_with(|| path.join("::"));
            }
        }
        for glob in source.globs.iter().filter(|g| **g != source.module && sources.contains_key(*g)) {
            to.entry(glob.clone()).or_insert_with(|| format!("{}::*", glob.join("::")));
        }
    }
    arrows
}

fn reachable(arrows: &Arrows, from: &Names) -> BTreeSet<Names> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Names> = arrows.get(from).into_iter().flat_map(BTreeMap::keys).collect();
    while let Some(next) = open.pop() {
        if seen.insert(next.clone()) {
            open.extend(arrows.get(next).into_iter().flat_map(BTreeMap::keys));
        }
    }
    seen
}

/// A circle: its files, and in words every arrow in it with a path that shows it.
type Circle = (Vec<String>, String);

fn circles(arrows: &Arrows) -> Vec<Circle> {
    let reach: BTreeMap<&Names, BTreeSet<Names>> = arrows.keys().map(|k| (k, reachable(arrows, k))).collect();
    let mut told: BTreeSet<&Names> = BTreeSet::new();
    let mut circles = Vec::new();
    for (file, from_here) in reach.iter().filter(|(file, r)| r.contains(**file)) {
        if told.contains(file) {
            continue;
        }
        let members: Vec<&Names> =
            reach.iter().filter(|(m, r)| from_here.contains(**m) && r.contains(*file)).map(|(m, _)| *m).collect();
        let mut text = format!("{} files import each other in a circle:\n", members.len());
        for member in &members {
            for (to, by) in arrows[*member].iter().filter(|(to, _)| members.contains(to)) {
                text.push_str(&format!("  {} -> {}: {by}\n", member.join("::"), to.join("::")));
            }
        }
        circles.push((members.iter().map(|m| m.join("::")).collect(), text));
        told.extend(members);
    }
    circles
}

#[test]
fn a_room_never_names_one_above_it() {
    let rank = |room: &str| ORDER.iter().position(|r| *r == room);
    let mut wrong = Vec::new();
    for source in library() {
        let Some(room) = source.module.first() else { continue };
        let own = rank(room).unwrap_or_else(|| panic!("{room} has no place in the order"));
        for path in &source.named {
            let Some(named) = path.first().and_then(|n| rank(n)).filter(|named| *named > own) else { continue };
            wrong.push(format!("{} names {}: {}", source.file.display(), ORDER[named], path.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_order_names_rooms_that_exist() {
    let rooms: BTreeSet<String> = library().iter().filter_map(|s| s.module.first().cloned()).collect();
    assert_eq!(rooms, ORDER.iter().map(|r| (*r).to_owned()).collect());
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = circles(&arrows(&library()));
    let text: Vec<&str> = circles.iter().map(|(_, text)| text.as_str()).collect();
    assert!(circles.is_empty(), "{}", text.join("\n"));
}

#[test]
fn imports_are_found_in_every_form() {
    let texts = [
        ("a", "mod b; mod c; pub use b::B; use crate::z::Z; pub struct A;"),
        ("a::b", "use super::A; pub struct B; fn f() -> Option<crate::d::D> { None }"),
        ("a::c", "use crate::a::{self, B as Other, b}; fn f(x: Other) { b::g(a::A) }"),
        ("d", "#[cfg(test)] use crate::a::A; pub struct D; fn f() { vec![crate::z::go()]; }"),
        ("z", "mod inner { use super::super::d::D; } pub struct Z;"),
    ];
    let sources: Vec<Source> = texts
        .iter()
        .map(|(m, text)| read_text(m.split("::").map(str::to_owned).collect(), PathBuf::from(m), text))
        .collect();
    let found = arrows(&sources);
    let found: Vec<String> = found
        .iter()
        .flat_map(|(from, to)| to.keys().map(|to| format!("{} -> {}", from.join("::"), to.join("::"))))
        .collect();
    assert_eq!(found, ["a -> z", "a::b -> a", "a::b -> d", "a::c -> a", "a::c -> a::b", "d -> z", "z -> d"]);
    let circles = circles(&arrows(&sources));
    assert_eq!(circles.len(), 1, "{circles:?}");
    assert_eq!(circles[0].0, ["d", "z"]);
    assert!(circles[0].1.contains("d -> z") && circles[0].1.contains("z -> d"), "{circles:?}");
}

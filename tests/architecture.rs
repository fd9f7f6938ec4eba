//! The walls of the house: which room may know which, where tensors are, and where memory is touched by hand.
//!
//! Read from the sources as they are parsed, tests left out. `cargo test --release --test architecture -- --ignored
//! --nocapture` prints the plan of the house: rooms, arrows, cycles within rooms, the largest files and functions.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, Item, UseTree};

/// The floors, from the ground up: a room knows rooms of lower floors alone, and rooms of one floor do not know each other.
const FLOORS: &[&[&str]] = &[
    &["caught", "interrupt", "kernel", "page", "picture", "stats", "table", "types"],
    &["credit", "files", "loss", "ranks", "threads"],
    &["model", "run_folder", "text"],
    &["batch", "data", "environment", "observe", "optim", "score"],
    &["hub", "learner", "signal"],
    &["measure", "rollout"],
    &["circuit", "eval", "inspect", "pipeline"],
    &["audit", "checkpoint", "exam"],
    &["recipe", "step"],
    &["bench", "plan", "run"],
    &["report"],
    &["compare", "doctor"],
    &["cli"],
];

#[test]
fn a_room_knows_lower_floors_alone() {
    let house = House::read();
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let rooms: BTreeSet<&str> = house.files.iter().map(|file| file.room.as_str()).collect();
    let unplaced: Vec<_> = rooms.iter().filter(|room| floor(room).is_none()).collect();
    assert!(unplaced.is_empty(), "these rooms stand on no floor: {unplaced:?}");
    let upward: Vec<String> = house
        .arrows()
        .filter(|(from, to, _)| floor(from) <= floor(to))
        .map(|(from, to, file)| format!("{}: {from} knows {to}, which is no floor below", file.display()))
        .collect();
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

/// Prompts, trees, rewards, advantages and credit are plain numbers.
#[test]
fn no_tensor_is_in_the_host_world() {
    const HOST: &[&str] = &["credit", "data", "score", "text", "types"];
    // What has no tensor either, or shows none: ranks exchange what is on the host.
    const PLAIN: &[&str] = &["caught", "files", "interrupt", "ranks", "stats", "table", "threads"];
    let is_explore = |path: &Path| path.starts_with("src/rollout/explore");
    let is_plain = |path: &Vec<String>| {
        let room = path[0].as_str();
        HOST.contains(&room)
            || PLAIN.contains(&room)
            || path.starts_with(&["rollout", "explore"].map(String::from))
    };
    let with_tensors = |file: &&File| {
        let is_host = HOST.contains(&file.room.as_str()) || is_explore(&file.path);
        is_host && (file.externs.contains("tch") || !file.rooms.values().flatten().all(is_plain))
    };
    let house = House::read();
    let found: Vec<_> = house.files.iter().filter(with_tensors).map(|file| &file.path).collect();
    assert!(found.is_empty(), "tensors in the host world: {found:?}");
}

/// Whoever learns gets finished numbers, and knows neither how rewards became advantages nor where responses came from.
#[test]
fn the_learner_is_blind_to_credit() {
    const LEARNING: &[&str] = &["batch", "learner", "loss", "model", "optim"];
    const HIDDEN: &[&str] = &["credit", "score", "rollout", "pipeline", "data"];
    let house = House::read();
    let found: Vec<String> = house
        .arrows()
        .filter(|(from, to, _)| LEARNING.contains(from) && HIDDEN.contains(to))
        .map(|(from, to, file)| format!("{}: {from} knows {to}", file.display()))
        .collect();
    // SFT imitates the texts of a source.
    let found: Vec<_> = found.into_iter().filter(|one| !one.starts_with("src/learner/sft")).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Only kernels, what asks the device, and types that lend numbers of a tensor that they keep to themselves touch memory by
/// hand; two limits of a C library have no safe wrapper.
#[test]
fn memory_is_touched_by_hand_where_the_list_says() {
    let house = House::read();
    const OTHERS: [&str; 5] = [
        "src/model/device.rs",
        "src/model/gradient.rs",
        "src/model/kv_cache.rs",
        "src/signal/stream.rs",
        "src/text/tokenizer/regex.rs",
    ];
    let allowed =
        |file: &File| file.room == "kernel" || OTHERS.iter().any(|other| file.path.starts_with(other));
    let found: Vec<_> = house
        .files
        .iter()
        .filter(|file| file.n_unsafe > 0 && !allowed(file))
        .map(|file| &file.path)
        .collect();
    assert!(found.is_empty(), "unsafe code: {found:?}");
}

/// Of tests apart. A file or function that outgrows this is to be divided, not the limit raised.
#[test]
fn files_and_functions_can_be_read_in_one_go() {
    const LONGEST_FILE: usize = 350;
    const LONGEST_FUNCTION: usize = 70;
    let house = House::read();
    let files = house.files.iter().filter(|file| file.n_lines > LONGEST_FILE);
    let mut found: Vec<String> =
        files.map(|file| format!("{}: {} lines", file.path.display(), file.n_lines)).collect();
    let functions = house.files.iter().flat_map(|file| &file.functions);
    let long = functions.filter(|(n, _)| *n > LONGEST_FUNCTION);
    found.extend(long.map(|(n, name)| format!("{name}: {n} lines")));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
#[ignore = "prints the plan of the house"]
fn plan() {
    let house = House::read();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to, _) in house.arrows() {
        arrows.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    let rooms: BTreeSet<&str> = house.files.iter().map(|file| file.room.as_str()).collect();
    println!("{} rooms, {} arrows", rooms.len(), arrows.values().map(BTreeSet::len).sum::<usize>());
    let mut floors: BTreeMap<&str, usize> = BTreeMap::new();
    while floors.len() < rooms.len() {
        let known = floors.len();
        for room in &rooms {
            let below = arrows.get(*room).into_iter().flatten();
            let below: Option<Vec<usize>> = below.map(|other| floors.get(other.as_str()).copied()).collect();
            if let Some(below) = below {
                floors.entry(room).or_insert(below.into_iter().max().map_or(0, |top| top + 1));
            }
        }
        if floors.len() == known {
            let rest: Vec<_> = rooms.iter().filter(|room| !floors.contains_key(*room)).collect();
            println!("a cycle among {rest:?}");
            break;
        }
    }
    for floor in 0..=floors.values().copied().max().unwrap_or(0) {
        let on: Vec<_> = floors.iter().filter(|(_, own)| **own == floor).map(|(room, _)| *room).collect();
        println!("floor {floor}: {}", on.join(", "));
    }
    for cycle in house.cycles() {
        println!("cycle within a room: {}", cycle.join(" <-> "));
    }
    let mut files: Vec<_> = house.files.iter().map(|file| (file.n_lines, &file.path)).collect();
    files.sort_by(|a, b| b.cmp(a));
    let lines: Vec<usize> = files.iter().map(|(n, _)| *n).collect();
    println!(
        "{} files, {} lines, median {}",
        files.len(),
        lines.iter().sum::<usize>(),
        lines[lines.len() / 2]
    );
    files.iter().take(10).for_each(|(n, path)| println!("{n:5} lines  {}", path.display()));
    let mut functions: Vec<_> = house.files.iter().flat_map(|file| &file.functions).collect();
    functions.sort_by(|a, b| b.cmp(a));
    println!("{} functions, median {} lines", functions.len(), functions[functions.len() / 2].0);
    functions.iter().take(14).for_each(|(n, name)| println!("{n:5} lines  {name}"));
}

/// All source files of library and program.
struct House {
    files: Vec<File>,
}

/// A source file without its tests.
struct File {
    path: PathBuf,
    /// The module right under the crate; the program's own files are `cli`.
    room: String,
    /// Other crates that it names.
    externs: BTreeSet<String>,
    /// Rooms of this crate that it names, with the paths by which it does.
    rooms: BTreeMap<String, BTreeSet<Vec<String>>>,
    n_unsafe: usize,
    n_lines: usize,
    /// Lines and name of every function.
    functions: Vec<(usize, String)>,
}

impl House {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths = Vec::new();
        sources(&root.join("src"), &mut paths);
        paths.sort();
        let files = paths.iter().filter_map(|path| File::read(root, path));
        Self { files: files.collect() }
    }

    /// From which room to which, and the file that does it.
    fn arrows(&self) -> impl Iterator<Item = (&str, &str, &Path)> {
        self.files.iter().flat_map(|file| {
            let others = file.rooms.keys().filter(move |other| **other != file.room);
            others.map(move |other| (file.room.as_str(), other.as_str(), file.path.as_path()))
        })
    }

    /// Pairs of modules of one room that know each other, those of a module and its own children left out.
    fn cycles(&self) -> Vec<Vec<String>> {
        let mut knows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let modules: BTreeSet<String> = self.files.iter().map(File::module).collect();
        for file in &self.files {
            let own = file.module();
            for path in file.rooms.values().flatten() {
                // The longest beginning of the path that is a file.
                let of =
                    (1..=path.len()).rev().map(|n| path[..n].join("::")).find(|name| modules.contains(name));
                let Some(of) = of else { continue };
                let is_family =
                    own.starts_with(&format!("{of}::")) || of.starts_with(&format!("{own}::")) || of == own;
                if !is_family && of.split("::").next() == own.split("::").next() {
                    knows.entry(own.clone()).or_default().insert(of);
                }
            }
        }
        let mut cycles = Vec::new();
        for (one, others) in &knows {
            for other in others.iter().filter(|other| one < *other) {
                if knows.get(other).is_some_and(|back| back.contains(one)) {
                    cycles.push(vec![one.clone(), other.clone()]);
                }
            }
        }
        cycles
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

impl File {
    /// `None` of a file of tests.
    fn read(root: &Path, path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).unwrap();
        let relative = path.strip_prefix(root).unwrap().to_owned();
        let parts: Vec<String> =
            relative.iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
        let is_test = parts.iter().any(|part| ["tests", "tests.rs", "testing.rs"].contains(&part.as_str()));
        let room = parts[0].trim_end_matches(".rs").to_owned();
        if is_test || ["lib", "main"].contains(&room.as_str()) {
            return None;
        }
        let mut file = syn::parse_file(&text).expect("sources that compile");
        let of_tests = file.items.iter().filter(|item| is_for_tests(attributes(item))).map(|item| {
            let span = item.span();
            span.end().line + 1 - span.start().line
        });
        let n_lines = text.lines().count() - of_tests.sum::<usize>();
        file.items.retain(|item| !is_for_tests(attributes(item)));
        let mut reader = Reader { place: module_of(&parts), ..Reader::default() };
        reader.visit_file(&file);
        let Reader { externs, rooms, n_unsafe, functions, .. } = reader;
        let functions =
            functions.into_iter().map(|(n, name)| (n, format!("{}: {name}", relative.display()))).collect();
        Some(Self { path: relative, room, externs, rooms, n_unsafe, n_lines, functions })
    }

    fn module(&self) -> String {
        let parts: Vec<String> =
            self.path.iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
        module_of(&parts).join("::")
    }
}

/// `[run, guards]` of `run/guards/mod.rs`.
fn module_of(parts: &[String]) -> Vec<String> {
    let mut module: Vec<String> = parts.iter().map(|part| part.trim_end_matches(".rs").to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Gathers what a file names.
#[derive(Default)]
struct Reader {
    /// The file's own module.
    place: Vec<String>,
    externs: BTreeSet<String>,
    rooms: BTreeMap<String, BTreeSet<Vec<String>>>,
    n_unsafe: usize,
    functions: Vec<(usize, String)>,
}

impl Reader {
    /// A path as it is written, from the crate, the module itself or one above.
    fn path(&mut self, path: &[String]) {
        let full = match path.first().map(String::as_str) {
            Some("crate" | "rlcredit") => path[1..].to_vec(),
            Some("self") => [&self.place, &path[1..]].concat(),
            Some("super") => {
                let n = path.iter().take_while(|part| *part == "super").count();
                let up = self.place.len().saturating_sub(n);
                [&self.place[..up], &path[n..]].concat()
            }
            Some(other) => {
                self.externs.insert(other.to_owned());
                return;
            }
            None => return,
        };
        if let Some(room) = full.first().cloned() {
            self.rooms.entry(room).or_default().insert(full);
        }
    }

    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.path(&with(&name.ident)),
            UseTree::Rename(name) => self.path(&with(&name.ident)),
            UseTree::Glob(_) => self.path(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(before, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if ["crate", "self", "super", "rlcredit", "tch"].contains(&parts[0].as_str()) && parts.len() > 1 {
            self.path(&parts);
        }
        syn::visit::visit_path(self, path);
    }

    /// What stands in a macro's brackets is no syntax yet: its words are looked at.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let text = call.tokens.to_string();
        for behind in text.split("crate :: ").skip(1) {
            let room = behind.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            self.path(&["crate", room.unwrap_or_default()].map(str::to_owned));
        }
        if text.contains("tch :: ") {
            self.externs.insert("tch".to_owned());
        }
        self.n_unsafe += text.split_whitespace().filter(|word| *word == "unsafe").count();
        syn::visit::visit_macro(self, call);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.n_unsafe += 1;
        syn::visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        self.n_unsafe += usize::from(block.unsafety.is_some());
        syn::visit::visit_item_impl(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.n_unsafe += usize::from(signature.unsafety.is_some());
        syn::visit::visit_signature(self, signature);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

impl Reader {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (start, end) = (signature.fn_token.span.start().line, block.brace_token.span.close().end().line);
        self.functions.push((end + 1 - start, signature.ident.to_string()));
    }
}

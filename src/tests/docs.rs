//! README, CONTRIBUTING and docs/: what they point to is there, what they say to type is understood, and the recipes in them are
//! recipes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

use crate::cli::command_line;
use crate::recipe::{Draft, Problems};

/// Recipes that a part of one may stand on.
const BASES: [&str; 5] =
    ["countdown.toml", "countdown_ppo.toml", "countdown_tree.toml", "gsm8k.toml", "smollm2_arithmetic.toml"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page of Markdown, taken apart.
struct Page {
    /// Path from the root.
    path: PathBuf,
    /// Lines outside of fenced blocks, with their numbers from 1.
    prose: Vec<(usize, String)>,
    blocks: Vec<Block>,
}

/// A fenced block.
struct Block {
    /// What stands behind the opening fence.
    tag: String,
    /// Number of its first line, from 1.
    line: usize,
    lines: Vec<String>,
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let (mut prose, mut blocks, mut open) = (Vec::new(), Vec::new(), None::<Block>);
        for (line, number) in text.lines().zip(1..) {
            match (line.strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(tag), None) => {
                    open = Some(Block { tag: tag.to_owned(), line: number + 1, lines: Vec::new() });
                }
                (None, Some(block)) => block.lines.push(line.to_owned()),
                (None, None) => prose.push((number, line.to_owned())),
            }
        }
        assert!(open.is_none(), "{}: a fenced block does not end", path.display());
        Self { path, prose, blocks }
    }

    fn all() -> Vec<Self> {
        let docs = root().join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
        let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        let mut paths: Vec<PathBuf> = docs.map(|path| path.strip_prefix(root()).unwrap().into()).collect();
        paths.sort();
        let first = ["README.md", "CONTRIBUTING.md"].map(PathBuf::from);
        first.into_iter().chain(paths).map(Self::read).collect()
    }

    /// The anchors that its headings make.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.iter().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// What its links lead to, with the numbers of their lines.
    fn links(&self) -> Vec<(usize, String)> {
        let of_line = |(number, line): &(usize, String)| {
            let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            targets.map(|(target, _)| (*number, target.to_owned())).collect::<Vec<_>>()
        };
        self.prose.iter().flat_map(of_line).collect()
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn links_and_anchors_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in Page::all() {
        let folder = page.path.parent().unwrap();
        for (line, target) in page.links() {
            if target.contains("://") {
                continue;
            }
            let (path, wanted) = target.split_once('#').unwrap_or((&target, ""));
            let path = if path.is_empty() { page.path.clone() } else { folder.join(path) };
            let is_there = root().join(&path).exists()
                && (wanted.is_empty() || Page::read(path).anchors().contains(wanted));
            if !is_there {
                wrong.push(format!("{}: {target}", page.place(line)));
            }
        }
    }
    assert_none("links to what is not there", &wrong);
}

#[test]
fn the_readme_is_one_page_and_its_table_has_every_other() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "README.md has {} lines", readme.lines().count());
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| [")).collect();
    let is_named = |page: &Page| rows.iter().any(|row| row.contains(&format!("]({})", page.path.display())));
    let pages = Page::all();
    let docs = pages.iter().filter(|page| page.path.starts_with("docs"));
    let missing: Vec<_> =
        docs.filter(|page| !is_named(page)).map(|page| page.path.display().to_string()).collect();
    assert_none("pages that README's table does not have", &missing);
}

/// A command line of a fenced block.
struct Typed {
    place: String,
    words: Vec<String>,
}

impl Typed {
    /// All command lines whose first word, folders left out, is `program`.
    fn all(program: &str) -> Vec<Self> {
        let mut all = Vec::new();
        for page in Page::all() {
            for block in &page.blocks {
                let text = block.lines.join("\n").replace("\\\n", " ");
                let lines = expanded(text.lines().map(words)).into_iter().filter(|words| {
                    words.first().and_then(|first| first.rsplit('/').next()) == Some(program)
                });
                all.extend(lines.map(|words| Self { place: page.place(block.line), words }));
            }
        }
        assert!(!all.is_empty(), "no command line of {program} was found");
        all
    }

    /// Those that stand between backticks in a sentence.
    fn in_sentences(program: &str) -> Vec<Self> {
        let of_line = |page: &Page, (line, text): &(usize, String)| {
            let spans = text.split('`').skip(1).step_by(2).map(words);
            let typed = spans.filter(|words| words.first().is_some_and(|first| first == program));
            typed.map(|words| Self { place: page.place(*line), words }).collect::<Vec<_>>()
        };
        let pages = Page::all();
        let all: Vec<Self> = pages
            .iter()
            .flat_map(|page| page.prose.iter().flat_map(move |line| of_line(page, line)))
            .collect();
        assert!(!all.is_empty(), "no sentence has a command line of {program}");
        all
    }

    /// The values of `flag`.
    fn values(&self, flag: &str) -> impl Iterator<Item = &str> {
        let pairs = self.words.iter().zip(self.words.iter().skip(1));
        pairs.filter(move |(word, _)| *word == flag).map(|(_, value)| value.as_str())
    }

    /// Its recipe, or one that every key of a plain run is known to.
    fn recipe(&self) -> PathBuf {
        let named = self.words.iter().find(|word| word.ends_with(".toml"));
        root().join(named.map_or("recipes/countdown.toml", String::as_str))
    }

    /// What it changes in its recipe, one value at a time.
    fn overrides(&self) -> Vec<String> {
        let varied = self.values("--vary").flat_map(|vary| {
            let (key, values) = vary.split_once('=').unwrap();
            values.split(',').map(move |value| format!("{key}={value}"))
        });
        self.values("--set").map(str::to_owned).chain(varied).collect()
    }
}

/// The words of a command line as a shell takes them apart, up to a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            ('$', None) if chars.peek() == Some(&'\'') => {}
            ('#', None) if word.is_none() => break,
            (' ', None) => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Lines with their variables filled in: those of `NAME=value`, and of `for NAME in ...; do` the first value.
fn expanded(lines: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    let (mut all, mut known) = (Vec::new(), Vec::<(String, String)>::new());
    for line in lines {
        let fill = |word: String| known.iter().fold(word, |word, (name, value)| word.replace(name, value));
        let line: Vec<String> = line.into_iter().map(fill).collect();
        match line.as_slice() {
            [set] => {
                known.extend(set.split_once('=').map(|(name, value)| (format!("${name}"), value.into())))
            }
            [first, name, of, value, ..] if first == "for" && of == "in" => {
                known.push((format!("${name}"), value.clone()));
            }
            _ => {}
        }
        all.push(line);
    }
    all
}

#[test]
fn variables_are_filled_in_as_a_shell_does() {
    let block = ["A='x = [1]'", "for s in 5 6; do", r#"rlcredit audit --set "$A" --out runs/$s"#];
    let lines = expanded(block.into_iter().map(words));
    assert_eq!(lines[2], ["rlcredit", "audit", "--set", "x = [1]", "--out", "runs/5"]);
}

#[test]
fn words_are_those_of_a_shell() {
    let line = r#"rlcredit sample RUN $'Make 45.\n' --set 'a = "b c"'  # a comment"#;
    assert_eq!(words(line), ["rlcredit", "sample", "RUN", r"Make 45.\n", "--set", r#"a = "b c""#]);
}

/// The flags of `verb`, as they are typed; `None` where there is no such verb.
fn flags(verb: &str) -> Option<BTreeSet<String>> {
    let mut program = command_line();
    program.build();
    let verb = program.find_subcommand(verb)?;
    let long = verb.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?)));
    let short = verb.get_arguments().filter_map(|argument| Some(format!("-{}", argument.get_short()?)));
    Some(long.chain(short).collect())
}

#[test]
fn verbs_and_flags_are_those_of_the_program() {
    let mut wrong = Vec::new();
    for Typed { place, words } in Typed::all("rlcredit").into_iter().chain(Typed::in_sentences("rlcredit")) {
        let Some(verb) = words.get(1) else { continue };
        let Some(known) = flags(verb) else {
            wrong.push(format!("{place}: there is no verb {verb}"));
            continue;
        };
        let flags = words.iter().filter(|word| word.starts_with('-') && *word != "-");
        let unknown = flags.filter(|flag| !known.contains(flag.as_str()));
        wrong.extend(unknown.map(|flag| format!("{place}: {verb} has no flag {flag}")));
    }
    assert_none("command lines that the program does not understand", &wrong);
}

#[test]
fn recipes_and_keys_of_command_lines_are_there() {
    let with_keys = ["train", "check", "compare", "audit", "inspect", "data"];
    let mut wrong = Vec::new();
    for typed in Typed::all("rlcredit") {
        let missing =
            typed.words.iter().filter(|word| word.ends_with(".toml") && !root().join(word).is_file());
        wrong.extend(missing.map(|word| format!("{}: there is no {word}", typed.place)));
        if !typed.words.get(1).is_some_and(|verb| with_keys.contains(&verb.as_str())) {
            continue;
        }
        for change in typed.overrides() {
            let read = Draft::load(&typed.recipe(), &[change]).and_then(Draft::finish);
            wrong.extend(read.err().map(|problems| format!("{}: {problems}", typed.place)));
        }
    }
    assert_none("command lines whose recipe cannot be", &wrong);
}

#[test]
fn scripts_of_command_lines_are_there() {
    let pages = Page::all();
    let blocks = pages.iter().flat_map(|page| page.blocks.iter().map(move |block| (page, block)));
    let typed = blocks.filter(|(_, block)| block.tag == "sh").flat_map(|(page, block)| {
        let first = block.lines.iter().filter_map(|line| words(line).into_iter().next());
        first.map(move |program| (page.place(block.line), program))
    });
    let missing = typed.filter(|(_, program)| program.contains('/') && !root().join(program).is_file());
    let missing: Vec<String> = missing.map(|(place, program)| format!("{place}: {program}")).collect();
    assert_none("programs that are not there", &missing);
}

/// What is wrong with a part of a recipe; nothing where there is a recipe that it can stand on.
fn problems(part: &Table, text: &str) -> Option<Problems> {
    let file = root().join("recipes/part.toml").display().to_string();
    let on = |base: &str| format!("base = {base:?}\n{text}");
    let texts = match part.contains_key("base") {
        true => vec![text.to_owned()],
        false => BASES.map(on).to_vec(),
    };
    let mut found = Vec::new();
    for text in texts {
        found.push(Draft::parse(&file, &text, &[]).and_then(Draft::finish).err()?);
    }
    found.into_iter().min_by_key(|problems| problems.0.len())
}

#[test]
fn recipes_in_pages_are_read() {
    let mut wrong = Vec::new();
    for page in Page::all() {
        for block in page.blocks.iter().filter(|block| block.tag == "toml") {
            let place = page.place(block.line);
            let text = block.lines.join("\n");
            match text.parse() {
                Ok(part) => {
                    wrong.extend(problems(&part, &text).map(|problems| format!("{place}: {problems}")))
                }
                Err(error) => wrong.push(format!("{place}: {error}")),
            }
        }
    }
    assert_none("recipes that cannot be read", &wrong);
}

/// The key that a piece of inline code names, as a path: `optim.lr` of `[optim] lr = 1e-5`.
fn named_key(code: &str) -> Option<String> {
    let (section, rest) = code.strip_prefix('[')?.split_once("] ")?;
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '.'));
    let end = rest.find(|c: char| !c.is_ascii_lowercase() && !matches!(c, '_' | '.'));
    let key = rest.get(..end.unwrap_or(rest.len()))?;
    (is_name(section) && !key.is_empty()).then(|| format!("{section}.{key}"))
}

/// Whether a recipe may have `key`, whatever its value.
fn is_key(key: &str) -> bool {
    let unknown = |problems: Problems| {
        let said = problems.to_string();
        said.contains("is not a key") || said.contains("is not a section")
    };
    BASES.iter().any(|base| {
        let draft = Draft::load(&root().join("recipes").join(base), &[format!("{key}=0")]);
        !draft.and_then(Draft::finish).err().is_some_and(unknown)
    })
}

#[test]
fn keys_in_prose_are_keys_of_a_recipe() {
    let mut wrong = Vec::new();
    for page in Page::all() {
        for (line, text) in &page.prose {
            let codes = text.split('`').skip(1).step_by(2).filter_map(named_key);
            let unknown = codes.filter(|key| !is_key(key));
            wrong.extend(unknown.map(|key| format!("{}: {key}", page.place(*line))));
        }
    }
    assert_none("keys that no recipe has", &wrong);
}

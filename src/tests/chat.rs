//! Conversations are rendered as transformers renders them: `scripts/fixtures/chat.py` made what is compared with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::text::{ChatOptions, ChatTemplate, Message};
use serde::Deserialize;
use serde_json::{Map, Value};

const FAMILIES: [&str; 5] = ["smollm2", "qwen2.5", "qwen3", "llama3.1", "r1_distill"];

#[derive(Deserialize)]
struct Golden {
    /// File name of the published template.
    published: Option<String>,
    tokens: Map<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: Option<String>,
    messages: Vec<Message>,
    options: ChatOptions,
    rendered: Option<String>,
    raised: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/chat")
}

fn golden(name: &str) -> Golden {
    serde_json::from_str(&fs::read_to_string(folder().join(format!("{name}.json"))).unwrap()).unwrap()
}

/// The template `source` with the special `tokens`, read from a model's folder.
fn template(source: &str, tokens: &Map<String, Value>) -> anyhow::Result<ChatTemplate> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("chat_template.jinja"), source)?;
    fs::write(dir.path().join("tokenizer_config.json"), serde_json::to_vec(tokens)?)?;
    Ok(ChatTemplate::from_folder(dir.path())?.unwrap())
}

/// What differs between the renderings of `source` and those stored for a family.
fn differences(source: &str, golden: &Golden) -> Vec<String> {
    let template = template(source, &golden.tokens).unwrap();
    let check = |case: &Case| match (template.render(&case.messages, &case.options), &case.rendered) {
        (Ok(got), Some(expected)) if got == *expected => None,
        (got, expected) => Some(format!("{:?}\n  got      {got:?}\n  expected {expected:?}", case.messages)),
    };
    golden.cases.iter().filter_map(check).collect()
}

#[test]
fn templates_of_the_published_families_render_as_there() {
    for family in FAMILIES {
        let golden = golden(family);
        assert!(golden.cases.len() >= 20, "{family}");
        let source = fs::read_to_string(folder().join(format!("{family}.jinja"))).unwrap();
        let wrong = differences(&source, &golden);
        assert!(wrong.is_empty(), "{family}: {} differ\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// `RLCREDIT_CHAT_TEMPLATES=FOLDER` names the published templates, under the names that scripts/fixtures/chat.py gives.
#[test]
#[ignore = "needs the published templates"]
fn the_published_templates_render_as_there() {
    let published = PathBuf::from(std::env::var_os("RLCREDIT_CHAT_TEMPLATES").unwrap());
    for family in FAMILIES {
        let golden = golden(family);
        let source = fs::read_to_string(published.join(golden.published.as_ref().unwrap())).unwrap();
        let wrong = differences(&source, &golden);
        assert!(wrong.is_empty(), "{family}: {} differ\n{}", wrong.len(), wrong.join("\n"));
        println!("{family}: {} renderings equal", golden.cases.len());
    }
}

#[test]
fn odd_constructs_render_as_there_or_are_refused_as_there() {
    let golden = golden("odd");
    let mut wrong = Vec::new();
    for case in &golden.cases {
        let source = case.template.as_deref().unwrap();
        let got = template(source, &golden.tokens).and_then(|t| t.render(&case.messages, &case.options));
        let right = match (&got, &case.rendered, &case.raised) {
            (Ok(got), Some(expected), _) => got == expected,
            // What the engine itself says differs in words; what a template raises must be told.
            (Err(error), _, Some(raised)) => {
                !source.contains("raise_exception") || error.to_string().contains(&format!("{raised:?}"))
            }
            _ => false,
        };
        if !right {
            wrong.push(format!(
                "{source:?}\n  got      {got:?}\n  expected {:?} {:?}",
                case.rendered, case.raised
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// `scripts/fixtures/jinja.py` made what is compared with.
#[test]
fn formats_methods_and_numbers_are_pythons() {
    #[derive(Deserialize)]
    struct Snippets {
        variables: BTreeMap<String, Value>,
        cases: Vec<Snippet>,
    }
    #[derive(Deserialize)]
    struct Snippet {
        template: String,
        rendered: Option<String>,
    }
    let text = fs::read_to_string(folder().join("python.json")).unwrap();
    let Snippets { variables, cases } = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 250);
    let options = ChatOptions { variables, ..Default::default() };
    let mut wrong = Vec::new();
    for Snippet { template: source, rendered } in cases {
        let got = template(&source, &Map::new()).and_then(|template| template.render(&[], &options));
        if got.as_ref().ok() != rendered.as_ref() {
            wrong.push(format!("{source}\n  got      {got:?}\n  expected {rendered:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serde_json::json;

use super::super::tokenizer::folder::most_bytes;
use super::*;
use crate::files::read_regular;

impl ChatTemplate {
    /// The template of the Hugging Face folder `dir`: `chat_template.jinja`, or without one `chat_template` of
    /// `tokenizer_config.json`, of a list of named ones the one called `default`. `None` if it has none.
    ///
    /// # Errors
    /// If a file cannot be read or is not JSON, or the template is not one.
    pub(crate) fn from_folder(dir: &Path) -> Result<Option<Self>> {
        let mut files = BTreeMap::new();
        for name in [CHAT_TEMPLATE, TOKENIZER_CONFIG, SPECIAL_TOKENS] {
            let path = dir.join(name);
            if path.exists() {
                let content = read_regular(&path, most_bytes(name));
                let content = content.with_context(|| format!("{}: cannot be read", path.display()))?;
                files.insert(name.to_owned(), content);
            }
        }
        Self::from_files(&files).with_context(|| format!("chat template of {}", dir.display()))
    }
}

/// The template of a folder with these files.
fn of(files: &[(&str, &str)]) -> Result<Option<ChatTemplate>> {
    let files =
        files.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect();
    ChatTemplate::from_files(&files)
}

fn hello() -> [Message; 2] {
    [Message::new("system", "Be kind."), Message::new("user", "Hello")]
}

#[test]
fn the_file_goes_before_the_configuration_and_of_named_ones_the_default_counts() {
    let single =
        json!({ "chat_template": "single {{ bos_token }}", "bos_token": {"content": "<s>"} }).to_string();
    let named = [("tool_use", "wrong"), ("default", "named {{ bos_token }}")];
    let named = named.map(|(name, template)| json!({ "name": name, "template": template }));
    let named = json!({ "chat_template": named }).to_string();
    let special = json!({ "bos_token": "<bos>" }).to_string();
    let file = ("chat_template.jinja", "file {{ messages[1].content }}");
    let cases = [
        (vec![file, (TOKENIZER_CONFIG, &single)], "file Hello"),
        (vec![(TOKENIZER_CONFIG, &*single), (SPECIAL_TOKENS, &special)], "single <s>"),
        (vec![(TOKENIZER_CONFIG, &*named), (SPECIAL_TOKENS, &special)], "named <bos>"),
    ];
    for (files, expected) in cases {
        let template = of(&files).unwrap().unwrap();
        assert_eq!(template.render(&hello(), &ChatOptions::default()).unwrap(), expected);
    }
    assert!(of(&[(TOKENIZER_CONFIG, "{}")]).unwrap().is_none());
}

#[test]
fn errors_name_the_file_the_line_and_what_was_given() {
    let refusing = "{% for m in messages %}\n{% if m.role == 'system' %}\n{{ raise_exception('no system turn') }}\n\
                    {% endif %}{% endfor %}";
    let options = ChatOptions {
        variables: BTreeMap::from([("enable_thinking".into(), json!(false))]),
        ..Default::default()
    };
    let cases = [
        (
            refusing,
            "chat_template.jinja, line 3: the template refuses this conversation: \"no system turn\"; it was given the \
             roles system, user and the variables enable_thinking: ",
        ),
        ("\n{{ nope.x }}", "chat_template.jinja, line 2: this conversation cannot be rendered: "),
        ("{{ 1 | nope }}", "chat_template.jinja, line 1: this conversation cannot be rendered: "),
    ];
    for (source, expected) in cases {
        let template = of(&[(CHAT_TEMPLATE, source)]).unwrap().unwrap();
        let error = template.render(&hello(), &options).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let broken = [
        (
            (CHAT_TEMPLATE, "\n\n{% if %}"),
            "chat_template.jinja, line 3: not a chat template that can be read here: ",
        ),
        (
            (TOKENIZER_CONFIG, r#"{"chat_template": 3}"#),
            "tokenizer_config.json, chat_template: got 3, expected",
        ),
        (
            (TOKENIZER_CONFIG, r#"{"chat_template": [{"name": "rag", "template": "x"}]}"#),
            "tokenizer_config.json, chat_template: none of the templates is called \"default\" (their names: rag)",
        ),
    ];
    for (file, expected) in broken {
        let error = of(&[file]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn the_date_is_todays() {
    let template = of(&[(CHAT_TEMPLATE, "{{ strftime_now('%d %b %Y') }}")]).unwrap().unwrap();
    let today = || jiff::Zoned::now().strftime("%d %b %Y").to_string();
    let before = today();
    let rendered = template.render(&[], &ChatOptions::default()).unwrap();
    assert!([before, today()].contains(&rendered), "{rendered}");
}

#[test]
fn what_takes_more_than_a_template_may_is_refused_by_file_and_limit() {
    let (steps, deep, long) = ("it takes more than 200000 steps", "recursion", "words and signs");
    let doubled = |twice: &str, end: &str| {
        format!(
            "{{% set ns = namespace(x=['a']) %}}{{% for i in range(60) %}}{{% set ns.x = {twice} %}}{{% endfor %}}{{{{ {end} }}}}"
        )
    };
    let cases = [
        ("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}".to_owned(), steps),
        (doubled("ns.x ~ ns.x", "1"), steps),
        (doubled("[ns.x, ns.x]", "ns.x"), steps),
        (doubled("[ns.x, ns.x]", "ns.x | tojson"), steps),
        (doubled("[ns.x, ns.x]", "'%s' % [ns.x]"), steps),
        (doubled("[ns.x, ns.x]", "ns.x | join"), steps),
        ("{{ 'a'.ljust(10 ** 9) }}".to_owned(), steps),
        ("{{ '\\t'.expandtabs(10 ** 9) }}".to_owned(), steps),
        ("{{ '%999999999d' % 1 }}".to_owned(), steps),
        ("{{ '%*d' % (10 ** 9, 1) }}".to_owned(), steps),
        ("{{ '{:999999999}'.format(1) }}".to_owned(), steps),
        (format!("{{{{ '{}'.format('b' * 9999) }}}}", "{0}".repeat(5000)), steps),
        (format!("{{{{ '{}'.format(x='b' * 9999) }}}}", "{x}".repeat(5000)), steps),
        (
            "{% set x = 'b' * 99999 %}{% for i in range(999) %}{% set y = '{}'.format(x) %}{% endfor %}"
                .to_owned(),
            steps,
        ),
        ("{{ [1] | tojson(indent=10 ** 9) }}".to_owned(), steps),
        ("{{ 'a'.replace('', 'b' * 9999999) }}".to_owned(), steps),
        (format!("{{{{ strftime_now('{}') }}}}", "%255Y".repeat(20_000)), steps),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(), deep),
        (format!("{{{{ {}1{} }}}}", "(".repeat(1000), ")".repeat(1000)), deep),
        (format!("{{{{ 1{} }}}}", "+1".repeat(3000)), long),
        ("x".repeat(131_073), "131073 bytes, expected at most 131072"),
    ];
    for (source, expected) in cases {
        let rendered = of(&[(CHAT_TEMPLATE, &source)])
            .and_then(|template| template.unwrap().render(&hello(), &ChatOptions::default()));
        let shown: String = source.chars().take(100).collect();
        let error = rendered.map(|text| text.len()).expect_err(&shown).to_string();
        assert!(error.starts_with(CHAT_TEMPLATE) && error.contains(expected), "{shown}: {error}");
    }
}

#[test]
fn numbers_beside_the_fields_of_a_format_are_text() {
    let source = "{{ 'Cutoff 20231001: {} {{{:>3}}}'.format('x', 7) }}";
    let template = of(&[(CHAT_TEMPLATE, source)]).unwrap().unwrap();
    let rendered = template.render(&[], &ChatOptions::default()).unwrap();
    assert_eq!(rendered, "Cutoff 20231001: x {  7}");
}

#[test]
fn a_long_conversation_has_steps_for_its_length() {
    let long = "word ".repeat(400_000);
    let template =
        of(&[(CHAT_TEMPLATE, "{% for m in messages %}{{ m.content | trim }}{% endfor %}")]).unwrap().unwrap();
    let messages = vec![Message::new("user", long.as_str()); 3];
    let rendered = template.render(&messages, &ChatOptions::default()).unwrap();
    assert_eq!(rendered.len(), 3 * long.trim_end().len());
}

#[test]
fn a_given_time_is_the_one_that_is_written() {
    let template = of(&[(
        CHAT_TEMPLATE,
        "{% macro day() %}{{ strftime_now('%d %b %Y %H:%M') }}{% endmacro %}{{ day() }}",
    )]);
    let template = template.unwrap().unwrap();
    assert!(template.tells_time());
    let at = template.at("2024-02-29T23:59:59+05:30[+05:30]".parse().unwrap());
    assert_eq!(at.render(&[], &ChatOptions::default()).unwrap(), "29 Feb 2024 23:59");
}

//! Mistakes in `[data]` and `[chat]`.

use super::{BASE, parse, problems};

/// `[data]` of files, with `train` and `eval` as inline lists and `more` keys.
fn files(train: &str, eval: &str, more: &str) -> String {
    format!("data={{type=\"files\", train=[{train}], eval=[{eval}]{more}}}")
}

const GSM8K: &str = "{path=\"a.jsonl\", preset=\"gsm8k\"}";
const NUMERIC: &str = "reward=[{type=\"numeric\"}]";
const NO_SFT: &str = "sft={steps=1, batch_size=1, lr=1e-3, source={type=\"jsonl\", path=\"x.jsonl\"}}";

/// What is wrong with the data, without the place.
fn wrong(data: &str) -> Vec<String> {
    let found = problems(BASE, &[data, NUMERIC, NO_SFT]);
    let place = format!("--set {data}: ");
    found.iter().map(|problem| problem.strip_prefix(&place).unwrap_or(problem).to_owned()).collect()
}

#[test]
fn files_that_are_right_are_right() {
    let two = "{path=\"b.jsonl\", fields={question=\"q\", answer=\"a\"}, answer_in=\"boxed\", limit=5}";
    let data = files(GSM8K, &format!("{GSM8K}, {two}"), ", prompt=\"{question} Answer:\", broken=\"skip\"");
    parse(BASE, &[&data, NUMERIC, NO_SFT]).unwrap();
}

#[test]
fn mistakes_about_files_are_explained() {
    let no_columns = "expected them for `question` and `answer`, such as fields = { question = \"question\", answer = \"answer\" }, or for \
                      `numbers` and `target`; or a `preset`; `rlcredit data FILE` shows the columns of a file";
    let file = |more: &str| files(&format!("{{path=\"a.jsonl\"{more}}}"), GSM8K, "");
    for (data, expected) in [
        (file(""), format!("[[data.train]] #1: has columns for nothing, {no_columns}")),
        (
            file(", fields={question=\"q\"}"),
            format!("[[data.train]] #1: has columns for `question`, {no_columns}"),
        ),
        (
            file(", preset=\"gsm8\""),
            "[[data.train]] #1 `preset`: got \"gsm8\", expected one of \"gsm8k\", \"math\", \"math500\", \"aime24\", \
             \"aime25\", \"amc23\", \"minerva\", \"olympiadbench\", \"dapo_math_17k\", \"deepscaler\", \"countdown_tasks\"; did \
             you mean \"gsm8k\"?"
                .to_owned(),
        ),
        (
            file(", preset=\"gsm8k\", answer_in=\"box\""),
            "[[data.train]] #1 `answer_in`: got \"box\", expected one of \"whole\", \"hashes\", \"boxed\"; did you mean \
             \"boxed\"?"
                .to_owned(),
        ),
        (
            file(", presets=\"gsm8k\""),
            "[[data.train]] #1 `presets` is not a key here; did you mean `preset`?".to_owned(),
        ),
        (
            file(", preset=\"gsm8k\", limit=0"),
            "[[data.train]] #1 `limit`: got 0, expected at least 1".to_owned(),
        ),
        (files("", GSM8K, ""), "[data] `train`: got no file, expected at least one".to_owned()),
        (files(GSM8K, "", ""), "[data] `eval`: got no file, expected at least one".to_owned()),
        (
            files(GSM8K, &format!("{GSM8K}, {{path=\"b/a.jsonl\", preset=\"aime24\"}}"), ""),
            "[[data.eval]] #2 `name`: got \"a\" a second time, expected a name of its own for each set".to_owned(),
        ),
        (
            files(GSM8K, "{path=\"a.jsonl\", preset=\"gsm8k\", name=\"a b\"}", ""),
            "[[data.eval]] #1 `name`: got \"a b\", expected letters, digits and . _ - +, 64 at most, since files are called \
             by it"
                .to_owned(),
        ),
        (
            files(GSM8K, GSM8K, ", prompt=\"Solve {questoin}\""),
            "[data] `prompt`: {questoin} is no part of a problem of a.jsonl; its parts are question, and `fields` adds others"
                .to_owned(),
        ),
        (
            files(GSM8K, GSM8K, ", prompt=\"Solve \\\\frac{a}{b}\""),
            "[data] `prompt`: got \"Solve \\\\frac{a}{b}\", expected a text with {question} in it".to_owned(),
        ),
        (
            files(GSM8K, GSM8K, ", max_prompt_tokens=0"),
            "[data] `max_prompt_tokens`: got 0, expected at least 1".to_owned(),
        ),
        (
            files(GSM8K, GSM8K, ", broken=\"ignore\""),
            "[data] `broken`: got \"ignore\", expected one of \"refuse\", \"skip\"".to_owned(),
        ),
        (
            files("{preset=\"gsm8k\"}", GSM8K, ""),
            "[[data.train]] #1 `path` is missing; it takes a path in quotes".to_owned(),
        ),
    ] {
        assert_eq!(wrong(&data), [expected], "{data}");
    }
    let countdown = file(", preset=\"countdown_tasks\", answer_in=\"boxed\"");
    let expected = "[[data.train]] #1 `answer_in`: has no effect on problems of Countdown; leave it out";
    assert_eq!(wrong(&countdown)[0], expected);
}

#[test]
fn free_tables_are_checked_within() {
    let file =
        |fields: &str| files(&format!("{{path=\"a.jsonl\", preset=\"gsm8k\", fields={fields}}}"), GSM8K, "");
    assert_eq!(
        wrong(&file("{unit=1}")),
        ["[[data.train]] #1 `fields`: got a section, expected a table, each text in quotes"]
    );
    assert_eq!(
        wrong(&file("\"question\"")),
        ["[[data.train]] #1 `fields`: got \"question\", expected a table, each text in quotes"]
    );
}

#[test]
fn classes_of_arithmetic_are_checked() {
    let arithmetic = |classes: &str| {
        format!("data={{type=\"arithmetic\", classes={classes}, train_items=200, eval_items=9}}")
    };
    parse(BASE, &[&arithmetic("[\"d + d\", \"dd*d\"]"), NUMERIC, NO_SFT]).unwrap();
    for got in ["[1]", "\"d + d\"", "1"] {
        assert_eq!(
            wrong(&arithmetic(got)),
            [format!("[data] `classes`: got {got}, expected a list, each text in quotes")]
        );
    }
    assert_eq!(wrong(&arithmetic("[\"d + d\", \"d+d\"]")), ["[data] `classes`: got \"d+d\" a second time"]);
}

#[test]
fn variables_of_a_chat_may_be_anything() {
    let recipe =
        parse(BASE, &["chat={system=\"Be short.\", variables={enable_thinking=false, style={n=[1]}}}"])
            .unwrap();
    let chat = recipe.chat.clone().unwrap();
    assert_eq!(chat.variables["enable_thinking"], false);
    assert_eq!(chat.variables["style"]["n"][0], 1);
    assert_eq!(parse(&recipe.to_toml().unwrap(), &[]).unwrap(), recipe);
    for (set, expected) in [
        ("chat.variables=1", "[chat] `variables`: got 1, expected a table"),
        ("chat.system=1", "[chat] `system`: got 1, expected text in quotes"),
        ("chat.sistem=\"x\"", "[chat] `sistem` is not a key here; did you mean `system`?"),
        ("chat=1", "`chat`: got 1, expected a section [chat]"),
    ] {
        assert_eq!(problems(BASE, &[set]), [format!("--set {set}: {expected}")]);
    }
}

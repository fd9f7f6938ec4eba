//! One language: that a flag means the same wherever it stands, that short help is one screen, and that examples can be typed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use clap::{Arg, Command};

use super::super::command_line;
use super::super::examples::EXAMPLES;
use super::*;
use crate::recipe::{Draft, Shipped};

/// Rows and columns of a terminal.
const ROWS: usize = 24;
const COLUMNS: usize = 80;

fn built() -> Command {
    let mut program = command_line().term_width(COLUMNS);
    program.build();
    program
}

/// Every verb by its path, `recipes copy` after `recipes`.
fn verbs() -> Vec<(String, Command)> {
    fn within(command: &Command, path: &str, all: &mut Vec<(String, Command)>) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let path = format!("{path} {}", verb.get_name()).trim().to_owned();
            all.push((path.clone(), verb.clone()));
            within(verb, &path, all);
        }
    }
    let mut all = Vec::new();
    within(&built(), "", &mut all);
    all
}

fn help_of(argument: &Arg) -> String {
    argument.get_help().unwrap_or_else(|| panic!("{} has no help", argument.get_id())).to_string()
}

#[test]
fn short_help_is_one_screen() {
    let mut wrong = Vec::new();
    for (path, mut verb) in verbs() {
        let help = verb.render_help().to_string();
        let rows = help.trim_end().lines().count();
        let widest = help.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        if rows > ROWS || widest > COLUMNS {
            wrong.push(format!("{path}: {rows} rows, {widest} columns\n{help}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The program has a line for each verb and one for each flag.
    let help = built().render_help().to_string();
    assert!(help.lines().count() <= 40 && help.lines().all(|line| line.chars().count() <= COLUMNS), "{help}");
}

#[test]
fn one_flag_means_the_same_in_every_verb() {
    // What a person reads first; behind it each verb says what is its own.
    let meaning = |argument: &Arg| {
        let help = help_of(argument);
        let end = help.find([';', ':', '[', '(']).unwrap_or(help.len());
        let names: Vec<String> =
            argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
        let names =
            if argument.get_num_args().is_some_and(|n| n.takes_values()) { names } else { Vec::new() };
        (names, help[..end].trim().to_owned())
    };
    let mut known: BTreeMap<String, (String, (Vec<String>, String))> = BTreeMap::new();
    let mut wrong = Vec::new();
    // One strategy where others take several, and a file or a folder.
    const APART: [(&str, &str); 2] = [("bench", "credit"), ("circuit", "out")];
    for (path, verb) in verbs() {
        for argument in verb.get_arguments().filter(|argument| argument.get_long() != Some("help")) {
            let Some(name) = argument.get_long() else { continue };
            if APART.contains(&(path.as_str(), name)) {
                continue;
            }
            let own = meaning(argument);
            match known.get(name) {
                Some((other, known)) if *known != own => {
                    wrong.push(format!("--{name}: {other} says {known:?}, {path} says {own:?}"));
                }
                Some(_) => {}
                None => drop(known.insert(name.to_owned(), (path.clone(), own))),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn flags_stand_in_one_order() {
    for (path, mut verb) in verbs() {
        let help = verb.render_long_help().to_string();
        let listed: Vec<usize> = help
            .lines()
            .filter(|line| line.starts_with("      --") || line.starts_with("  -"))
            .filter_map(|line| line.split("--").nth(1)?.split([' ', ',']).next())
            .filter_map(|flag| ORDER.iter().position(|known| *known == flag))
            .collect();
        assert!(listed.is_sorted(), "{path}: {listed:?}\n{help}");
    }
}

#[test]
fn long_help_ends_in_examples_that_can_be_typed() {
    for (path, mut verb) in verbs() {
        let (_, commands) =
            EXAMPLES.iter().find(|(own, _)| *own == path).unwrap_or_else(|| panic!("{path} has none"));
        assert!((1..=3).contains(&commands.len()), "{path}");
        let help = verb.render_long_help().to_string();
        for (command, what) in *commands {
            assert!(
                command.starts_with(&path) && help.contains(command) && help.contains(what),
                "{path}: {command}"
            );
        }
    }
    for (command, _) in EXAMPLES.iter().flat_map(|(_, commands)| *commands) {
        let typed = command.replace("$'", "'");
        let typed =
            typed.split_once(" < ").or(typed.split_once(" > ")).map_or(typed.as_str(), |(typed, _)| typed);
        let words = shlex::split(typed).unwrap();
        let read =
            command_line().try_get_matches_from(std::iter::once("rlcredit".to_owned()).chain(words.clone()));
        // A checkpoint of a run is looked for as it is read.
        let is_away = |error: &clap::Error| {
            error.kind() == ErrorKind::ValueValidation
                && error.to_string().contains("runs/countdown_quick: there is no such folder")
        };
        assert!(read.as_ref().err().is_none_or(is_away), "{command}: {}", read.unwrap_err());
        let recipe = words.iter().find_map(|word| word.strip_suffix(".toml").filter(|name| *name != "mine"));
        let shipped =
            recipe.map(|name| Shipped::find(name).unwrap_or_else(|| panic!("{command}: no recipe {name}")));
        let after = |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1).cloned();
        let set = after("--set").or(after("--vary").map(|vary| vary.split(',').next().unwrap().to_owned()));
        if let (Some(own), Some(set)) = (shipped, set) {
            let file = format!("recipes/{}.toml", own.name);
            let read = Draft::parse(&file, own.text, &[set]).and_then(Draft::finish);
            assert!(read.is_ok(), "{command}: {}", read.err().unwrap());
        }
    }
}

#[test]
fn spellings_that_are_no_more_are_refused_with_the_one_that_is() {
    for (typed, expected) in [
        (&["eval", "runs/x", "-k", "3"][..], "-k: is no flag of `eval` any more; write -n"),
        (&["export", "x", "--out", "y"], "--out: is no flag of `export` any more; name the folder behind"),
        (
            &["sample", "runs/x", "--no-thinking"],
            "--no-thinking: is no flag of `sample` any more; write --variable",
        ),
        (&["circuit", "runs/x", "--json", "c.json"], "--json: prints, as for every verb; write --out c.json"),
        (
            &["train", "x.toml", "optim.lr=1e-5"],
            "optim.lr=1e-5: is no argument of `train`; a setting of the recipe is --set optim.lr=1e-5",
        ),
        (
            &["train", "x.toml", "--learning-rate", "1e-5"],
            "--learning-rate: is no flag of `train`; a setting of the recipe is --set optim.lr=1e-5",
        ),
        (
            &["train", "--bf16", "x.toml"],
            "--bf16: is no flag of `train`; a setting of the recipe is --set model.dtype=VALUE (write dtype = \"bf16\")",
        ),
        (
            &["train", "x.toml", "--num_train_epochs", "3"],
            "--num_train_epochs: is no flag of `train`; a setting of the recipe is --set run.steps=VALUE (a run is as long",
        ),
        (
            &["train", "x.toml", "--reward.1.weight", "-3"],
            "--reward.1.weight: is no flag of `train`; a setting of the recipe is --set reward.1.weight=-3",
        ),
        (
            &["train", "x.toml", "--report_to", "wandb"],
            "--report_to: is no flag of `train`; a setting of the recipe is [[observe.sink]] or --set observe.tensorboard=VALUE (metrics",
        ),
        (
            &["check", "x.toml", "--model_name_or_path=a b"],
            "--model_name_or_path: is no flag of `check`; a setting of the recipe is --set 'model.path=a b' or --set \
             'model.hub=a b'",
        ),
    ] {
        let words = std::iter::once("rlcredit").chain(typed.iter().copied());
        let error = command_line().try_get_matches_from(words).unwrap_err();
        let given: Vec<OsString> = typed.iter().map(OsString::from).collect();
        let said = hint(&error, &given).unwrap_or_else(|| panic!("{error}"));
        assert!(said.starts_with(expected), "{said}");
    }
    for typed in [
        &["train", "x.toml", "--resme"][..],
        &["doctor", "optim.lr=1"],
        &["train", "x.toml", "y.toml"],
        &["eval", "m", "--data", "x.jsonl", "--top_p", "1"],
        &["eval", "m", "--max_new_tokens", "1"],
        &["compare", "x.toml", "--seed", "2"],
        &["train", "x.toml", "--model", "y"],
    ] {
        let given: Vec<OsString> = typed.iter().map(OsString::from).collect();
        let words = std::iter::once(OsString::from("rlcredit")).chain(given.clone());
        assert_eq!(hint(&command_line().try_get_matches_from(words).unwrap_err(), &given), None, "{typed:?}");
    }
}

#[test]
fn variables_are_read_as_toml_or_as_they_stand() {
    let read = |text: &str| variable(text).unwrap().1;
    assert_eq!(read("enable_thinking=false"), serde_json::json!(false));
    assert_eq!(read("n=3"), serde_json::json!(3));
    assert_eq!(read("date=26 July"), serde_json::json!("26 July"));
    assert!(variable("enable_thinking").is_err());
}

//! One language of flags: what is the same in every verb, in which order flags are listed, and what has become of spellings that
//! are no more.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Args, Command, ValueEnum};
use serde_json::Value;

use super::examples::examples;
use super::policy;
use crate::data::ChatConfig;
use crate::exam::Chat;
use crate::files::{STDIN, at_home};
use crate::recipe::{Meant, Reference};
use crate::types::shell_word;

#[cfg(test)]
mod tests;

/// Flags in the order in which every verb lists them: what is done it to, how it is read, how it is put, how responses are drawn, how it
/// is computed, and what becomes of the result.
#[rustfmt::skip]
const ORDER: &[&str] = &[
    // What.
    "resume", "allow", "from", "of", "run", "step", "input", "recipe", "data", "preset", "fields", "answer-in", "limit", "item", "pairs", "align",
    "opening-tokens", "base", "checkpoints", "set", "explain", "vary", "credit", "controls", "advantage", "loss", "seeds", "baseline", "quick",
    "reward", "trust-programs",
    // How it is put.
    "raw", "prompt", "model", "chat", "system", "variable", "thinking",
    // How responses are drawn, and how many.
    "samples", "greedy", "temperature", "top-p", "top-k", "max-new-tokens", "min-new-tokens", "stop", "seed", "max-num-seqs", "prompts", "prompt-file", "group",
    "new-tokens", "steps", "budget", "continued", "cuts", "continuations", "method", "probes", "cheap", "curve", "all-edges", "heads",
    // How it is computed.
    "scale-heads", "random-heads", "max-tokens", "gradient-checkpointing", "dtype", "device", "backend", "ranks", "local-ranks", "gpu",
    "memory", "server-memory", "even-if-too-large", "config", "calibrate",
    // What becomes of it.
    "dry-run", "skip-test", "resolved", "rows", "strategy", "color", "name", "runs", "within", "out", "json", "html",
];

/// The command line of the program that is started as `program`: flags in their order, examples below the long help.
#[must_use]
pub(super) fn arranged(command: Command, program: &str) -> Command {
    let command = command.bin_name(program).disable_help_flag(true).arg(help());
    with_order(command, "", program)
}

fn help() -> Arg {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).global(true);
    help.display_order(1000).help("Print help; --help says more, with examples")
}

/// `command`, reached by `path`, and those within it.
fn with_order(command: Command, path: &str, program: &str) -> Command {
    let mut flags: Vec<String> =
        command.get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect();
    flags.sort_by_key(|flag| ORDER.iter().position(|known| known == flag).unwrap_or(ORDER.len()));
    let command = command.mut_args(|argument| {
        let place = argument.get_long().and_then(|own| flags.iter().position(|flag| flag == own));
        let place = if argument.is_global_set() { None } else { place };
        match place {
            Some(place) => argument.display_order(place),
            None if argument.is_positional() => argument,
            None => {
                let after = if argument.get_long() == Some("help") { 1000 } else { 900 };
                argument.display_order(after)
            }
        }
    });
    let command = match examples(path, program) {
        Some(examples) => command.after_long_help(examples),
        None => command,
    };
    command.mut_subcommands(|within| {
        let path = [path, within.get_name()].join(" ");
        with_order(within, path.trim_start(), program)
    })
}

/// Reads a path that may be `-`, standard input.
pub(super) fn input() -> impl TypedValueParser<Value = PathBuf> {
    let meant = |path: PathBuf| match path.to_str() {
        Some("-") => PathBuf::from(STDIN),
        given => given.and_then(at_home).map_or(path.clone(), PathBuf::from),
    };
    PathBufValueParser::new().map(meant)
}

/// Reads what [`policy::place`] reads, or `-`, standard input.
pub(super) fn place_or_input(path: &str) -> Result<PathBuf> {
    if path == "-" { Ok(PathBuf::from(STDIN)) } else { policy::place(path) }
}

/// `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `NAME=VALUE`, the value in TOML's syntax, or else as it stands.
pub(super) fn variable(text: &str) -> Result<(String, Value), String> {
    let (name, value) = pair(text)?;
    let read = || {
        let document: toml::Table = toml::from_str(&format!("it = {value}")).ok()?;
        serde_json::to_value(document.get("it")?).ok()
    };
    Ok((name, read().unwrap_or_else(|| Value::String(value.clone()))))
}

/// Whether a chat template puts a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ChatArgument {
    /// If the model has one.
    #[default]
    Auto,
    /// Always; an error where there is none.
    Always,
    /// Never: as it stands.
    Never,
}

/// How a text is put to a model that was made to talk.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ChatFlags {
    /// Put it by the chat template: auto, always or never
    ///
    /// As a user's message, which the template of the model puts into words. auto: if the model has one, which is usual
    #[arg(long, value_name = "WHEN", value_enum, hide_possible_values = true)]
    pub(super) chat: Option<ChatArgument>,
    /// System message in front of it
    #[arg(long, value_name = "TEXT")]
    pub(super) system: Option<String>,
    /// Tell the template more: enable_thinking=false
    ///
    /// The value is in TOML's syntax, or a text as it stands. May be given again
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = variable, hide_short_help = true)]
    pub(super) variables: Vec<(String, Value)>,
}

impl ChatFlags {
    /// How texts are put, as far as a model is not looked at.
    ///
    /// # Errors
    /// If a template is told something that is not to be used.
    pub(super) fn put(&self) -> Result<Chat> {
        let variables = self.variables.iter().cloned().collect();
        let config = ChatConfig { system: self.system.clone(), variables, now: None };
        Ok(match self.chat.unwrap_or_default() {
            ChatArgument::Auto => Chat::Auto(config),
            ChatArgument::Always => Chat::Always(config),
            ChatArgument::Never => {
                ensure!(
                    config == ChatConfig::default(),
                    "--chat never: --system and --variable are for chat templates; leave them out"
                );
                Chat::Never
            }
        })
    }

    /// How texts are put where a recipe says it: by its `[chat]`, `own`, and what the flags tell the template besides.
    ///
    /// # Errors
    /// If a template is told something that is not to be used.
    pub(super) fn put_as(&self, own: Option<ChatConfig>) -> Result<Chat> {
        match (own, self.chat.unwrap_or_default()) {
            (_, ChatArgument::Never) | (None, ChatArgument::Always) => self.put(),
            (Some(mut own), _) => {
                own.system = self.system.clone().or(own.system);
                own.variables.extend(self.variables.iter().cloned());
                Ok(Chat::Always(own))
            }
            (None, ChatArgument::Auto) => {
                let given = self.given().filter(|given| *given != "--chat");
                ensure!(given.is_none(), "--system and --variable are for chat templates; add --chat always");
                Ok(Chat::Never)
            }
        }
    }

    /// The first of its flags that is given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let given = [
            (self.chat.is_some(), "--chat"),
            (self.system.is_some(), "--system"),
            (!self.variables.is_empty(), "--variable"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }
}

/// Spellings that are no more: verb, flag, and what to write.
const GONE: &[(&str, &str, &str)] = &[
    ("eval", "-k", "write -n, or --samples, as for `sample`"),
    ("eval", "--k", "write --samples, as for `sample`"),
    ("export", "--out", "name the folder behind the model: export RUN DIR"),
    ("sample", "--no-thinking", "write --variable enable_thinking=false"),
];

/// What to say of arguments that do not read because they are spelled as they once were.
pub(super) fn hint(error: &clap::Error, given: &[OsString]) -> Option<String> {
    let words: Vec<String> = given.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let verb = words.iter().find(|word| !word.starts_with('-'))?;
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let file_of_json = words.windows(2).any(|two| two[0] == "--json" && two[1] == *wrong);
    if verb == "circuit" && file_of_json {
        return Some(format!("--json: prints, as for every verb; write --out {wrong} to keep the circuit"));
    }
    let gone = GONE.iter().find(|(own, flag, _)| own == verb && flag == wrong);
    let gone = gone.map(|(_, flag, now)| format!("{flag}: is no flag of `{verb}` any more; {now}"));
    gone.or_else(|| setting(error, verb, wrong, &words))
}

/// The setting of a recipe that a person means by the argument `wrong` of `verb`: `optim.lr=1e-5`, `--learning_rate 1e-5`.
fn setting(error: &clap::Error, verb: &str, wrong: &str, words: &[String]) -> Option<String> {
    let program = super::command_line();
    let flags: Vec<&str> = program.find_subcommand(verb)?.get_arguments().filter_map(Arg::get_long).collect();
    let place = words.iter().position(|word| word == wrong || word.starts_with(&format!("{wrong}=")))?;
    let (kind, name, value) = match wrong.strip_prefix("--") {
        Some(name) => {
            let attached = words[place].split_once('=').map(|(_, value)| value);
            (
                "flag",
                name,
                attached.or(words.get(place + 1).and_then(|next| value_of(next))).unwrap_or("VALUE"),
            )
        }
        None => {
            let (name, value) = wrong.split_once('=')?;
            ("argument", name.trim_start_matches('+'), value)
        }
    };
    // A flag that the verb has is nearer, and where files are in the place of a recipe there is nothing to set.
    let is_flag = flags.contains(&name.replace('_', "-").as_str());
    let alike = error.get(ContextKind::SuggestedArg);
    let alike = matches!(alike, Some(ContextValue::String(flag)) if flag != "--set" && !name.contains('.'));
    if !flags.contains(&"set") || is_flag || alike || words.iter().any(|word| word == "--data") {
        return None;
    }
    let reference = Reference::of_program().ok()?;
    let meant = reference.called(name);
    // What another trainer calls it has one remark, wherever it is here; its value is another one then.
    let remark = meant.first()?.remark;
    let value = if remark.is_empty() { value } else { "VALUE" };
    let written = meant.iter().map(|Meant { path, .. }| match reference.section(path) {
        Some(section) => section.heading(),
        None => format!("--set {}", shell_word(&format!("{path}={value}"))),
    });
    let written = written.collect::<Vec<_>>().join(" or ");
    let remark = if remark.is_empty() { String::new() } else { format!(" ({remark})") };
    Some(format!("{wrong}: is no {kind} of `{verb}`; a setting of the recipe is {written}{remark}"))
}

/// `word`, where it can be the value of the flag before it.
fn value_of(word: &str) -> Option<&str> {
    let is_flag =
        word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_alphabetic()));
    (!is_flag && !word.ends_with(".toml")).then_some(word)
}

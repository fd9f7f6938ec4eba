//! A conversation in a terminal: what a person types, and what the policy answers as it comes.

use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

use super::super::remark;
use super::{Answerer, Manner};
use crate::text::{Message, Tokenizer};
use crate::types::{Finish, TokenId, counted, floor_boundary, printable};

const HELP: &str = "/new begins anew, /exit or Ctrl-D ends; a line that ends in \\ goes on in the next";

/// Asks and answers until the person ends it.
pub(super) fn talk(answerer: &mut Answerer, manner: &Manner) -> Result<()> {
    let tokenizer = Arc::clone(&answerer.tokenizer);
    let builder = manner.builder(&tokenizer)?;
    remark(match manner.chat() {
        Some(_) => format!("a conversation; {HELP}"),
        None => format!("every text is answered by itself, without a chat template; {HELP}"),
    });
    let mut before: Vec<Message> = Vec::new();
    for turn in 0.. {
        let Some(text) = typed()? else { break };
        match text.trim() {
            "" => continue,
            "/exit" | "/quit" => break,
            "/help" => {
                remark(HELP);
                continue;
            }
            "/new" => {
                before.clear();
                remark("a new conversation");
                continue;
            }
            _ => {}
        }
        let prompt = match manner.prompt(&builder, &before, &text) {
            Ok(prompt) => prompt,
            Err(error) => {
                remark(format_args!("{error:#}"));
                continue;
            }
        };
        let Some(sampling) = answerer.within_room(&manner.sampling, prompt.tokens.len()) else {
            remark("the conversation is as long as the model can read; /new begins anew");
            continue;
        };
        let shown = Arc::new(Mutex::new(Shown::new(manner, &tokenizer)));
        let seen = Arc::clone(&shown);
        answerer.told = Some(Box::new(move |tokens: &[TokenId]| {
            if let Ok(mut shown) = seen.lock() {
                shown.show(tokens);
            }
        }));
        let done = answerer.answer(&prompt, turn, &sampling)?;
        answerer.told = None;
        let answer = answerer.text(&done, &sampling)?;
        if let Ok(mut shown) = shown.lock() {
            shown.finish(&answer)?;
        }
        if done.finish == Finish::Length {
            remark(format_args!("(cut off after {})", counted(done.tokens.len(), "token")));
        }
        if manner.chat().is_some() {
            before.extend([Message::new("user", manner.asked(&text)), Message::new("assistant", answer)]);
        }
    }
    Ok(())
}

/// What the person types: a line, or several where each but the last ends in a backslash; `None` at the end.
fn typed() -> Result<Option<String>> {
    let mut text = String::new();
    loop {
        print!("{}", if text.is_empty() { "> " } else { ". " });
        io::stdout().flush().context("could not write")?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).context("standard input")? == 0 {
            println!();
            return Ok(None);
        }
        let line = line.trim_end_matches(['\n', '\r']);
        match line.strip_suffix('\\') {
            Some(line) => text = format!("{text}{line}\n"),
            None => return Ok(Some(text + line)),
        }
    }
}

/// A response on its way to the terminal.
struct Shown {
    /// Bytes of the text that are there.
    n: usize,
    tokenizer: Arc<Tokenizer>,
    /// Bytes at the end that may begin a string which ends the response.
    held: usize,
}

impl Shown {
    fn new(manner: &Manner, tokenizer: &Arc<Tokenizer>) -> Self {
        let longest = manner.sampling.stop.iter().map(String::len).max();
        Self { n: 0, tokenizer: Arc::clone(tokenizer), held: longest.map_or(0, |longest| longest - 1) }
    }

    /// Shows what is sure of the response, which has `tokens` so far.
    fn show(&mut self, tokens: &[TokenId]) {
        let Ok(text) = self.tokenizer.decode(tokens, true) else { return };
        let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER).len();
        let end = floor_boundary(&text, whole.saturating_sub(self.held));
        self.write(&text, end);
    }

    /// Shows the rest of `answer`.
    fn finish(&mut self, answer: &str) -> Result<()> {
        self.write(answer, answer.len());
        println!();
        io::stdout().flush().context("could not write")
    }

    fn write(&mut self, text: &str, end: usize) {
        if let Some(new) = text.get(self.n..end) {
            // A terminal that is gone ends the conversation at the next question.
            let _ = write!(io::stdout(), "{}", printable(new)).and_then(|()| io::stdout().flush());
            self.n = end;
        }
    }
}

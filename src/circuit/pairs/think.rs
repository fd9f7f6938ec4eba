//! Pairs of a chat template's two ways to begin an answer: with thinking on and with thinking off (*Thinking Sparks*).

use anyhow::{Result, ensure};

use super::{Aligned, Pair};
use crate::data::{ChatConfig, Item, PromptBuilder, Worked};
use crate::text::Tokenizer;
use crate::types::TokenId;

/// What templates call it.
const VARIABLE: &str = "enable_thinking";

/// Pairs of the first `n` of `items`, asked behind the examples `worked` as a run asks them: clean with thinking on, corrupted with it off,
/// otherwise as `chat` says. The shorter prompt of each has tokens `pad` before it.
///
/// # Errors
/// If the model has no chat template, or one that does not tell thinking from not thinking; if there are fewer problems.
pub(crate) fn think(
    items: &[Item],
    tokenizer: &Tokenizer,
    chat: &ChatConfig,
    worked: &[Worked],
    n: usize,
    pad: TokenId,
) -> Result<Vec<Pair>> {
    ensure!(
        items.len() >= n,
        "{} problems are held out, and {n} pairs are wanted; ask for fewer, or hold more problems out",
        items.len()
    );
    let way = |thinks: bool| {
        let mut chat = chat.clone();
        chat.variables.insert(VARIABLE.to_owned(), thinks.into());
        chat
    };
    let (on, off) = (way(true), way(false));
    let builder =
        |chat| Ok::<_, anyhow::Error>(PromptBuilder::new(tokenizer, Some(chat))?.showing(worked.to_vec()));
    let (on, off) = (builder(&on)?, builder(&off)?);
    let pair = |(number, item): (usize, &Item)| {
        let asked = |builder: &PromptBuilder<'_>| {
            Ok::<_, anyhow::Error>(builder.build_behind(&item.before, &item.text)?.1)
        };
        let (clean, corrupted) = (asked(&on)?, asked(&off)?);
        ensure!(
            clean != corrupted,
            "pairs \"think\": the model's chat template writes the same with {VARIABLE} = true and false; give a file of pairs"
        );
        let [clean, corrupted] = [clean, corrupted].aligned(pad);
        Ok(Pair {
            place: format!("problem {number}"),
            clean,
            corrupted,
            clean_answer: None,
            corrupted_answer: None,
        })
    };
    items.iter().take(n).enumerate().map(pair).collect()
}

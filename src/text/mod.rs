//! Text <-> tokens: one wrapper around a Hugging Face `tokenizer.json`, the chat template beside it, and those of the presets.
//!
//! Everything outside the model works on text; token ids are made here and turned back here. Encoding never
//! adds special tokens and decoding never cleans up: what a response says is the concatenation of its tokens.

mod bounded;
mod caught;
mod chat;
mod companion;
mod cut;
mod embedded;
mod eos;
mod stop;
mod tokenizer;
mod words;

pub(crate) use chat::{ChatOptions, ChatTemplate, Message};
pub(crate) use embedded::{countdown_tokenizer, words_tokenizer};
pub(crate) use stop::Stops;
pub(crate) use tokenizer::Tokenizer;
#[cfg(test)]
pub(crate) use tokenizer::tests::byte_tokenizer;

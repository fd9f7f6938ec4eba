//! Text <-> tokens: one wrapper around a Hugging Face `tokenizer.json`, the chat template beside it, and the preset of the
//! embedded default.
//!
//! Everything outside the model works on text; token ids are made here and turned back here. Encoding never
//! adds special tokens and decoding never cleans up: what a response says is the concatenation of its tokens.

mod bounded;
mod caught;
mod chat;
mod companion;
mod countdown;
mod cut;
mod eos;
mod tokenizer;

pub(crate) use chat::{ChatOptions, ChatTemplate, Message};
pub(crate) use countdown::countdown_tokenizer;
pub(crate) use tokenizer::Tokenizer;

//! Text <-> tokens: one wrapper around a Hugging Face `tokenizer.json`, and the preset of the embedded
//! default.
//!
//! Everything outside the model works on text; token ids are made here and turned back here. Encoding never
//! adds special tokens and decoding never cleans up: what a response says is the concatenation of its tokens.

mod countdown;
mod eos;
mod tokenizer;

pub use countdown::countdown_tokenizer;
pub use tokenizer::Tokenizer;

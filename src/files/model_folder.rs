//! The files of a model's folder in the layout of Hugging Face: one table of their names, and of what each is to us.

/// All weights in one file.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// Which of several files holds which weight.
pub(crate) const WEIGHTS_INDEX: &str = "model.safetensors.index.json";
/// Sizes and kind of the model.
pub(crate) const CONFIG: &str = "config.json";
/// Adapters of a model that lies elsewhere.
pub(crate) const ADAPTER: &str = "adapter_model.safetensors";
/// Their size and kind, and which model that is.
pub(crate) const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The tokenizer.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// Its special tokens, and often a chat template.
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Special tokens of older tokenizers.
pub(crate) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
/// Which tokens end a response.
pub(crate) const GENERATION_CONFIG: &str = "generation_config.json";
/// The chat template.
pub(crate) const CHAT_TEMPLATE: &str = "chat_template.jinja";
/// Folder of the templates that a model has beside its default one. They are fetched and saved with it, never rendered.
pub(crate) const FURTHER_TEMPLATES: &str = "additional_chat_templates";

/// A file beside the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModelFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// Whether a model is none without it.
    pub is_needed: bool,
    /// Whether it is read, so that a run with another one is another run.
    pub is_read: bool,
    /// Whether it is saved with a tokenizer; the model writes the others.
    pub travels: bool,
}

/// All of them; those that are needed come last, so that where they have been fetched, all are there.
pub(crate) const MODEL_FILES: [ModelFile; 10] = [
    read(GENERATION_CONFIG),
    read(TOKENIZER_CONFIG),
    read(SPECIAL_TOKENS),
    travelling("added_tokens.json"),
    read(CHAT_TEMPLATE),
    travelling("vocab.json"),
    travelling("merges.txt"),
    travelling("vocab.txt"),
    ModelFile { is_needed: true, ..read(TOKENIZER) },
    ModelFile { is_needed: true, travels: false, ..read(CONFIG) },
];

const fn read(name: &'static str) -> ModelFile {
    ModelFile { name, is_needed: false, is_read: true, travels: true }
}

const fn travelling(name: &'static str) -> ModelFile {
    ModelFile { is_read: false, ..read(name) }
}

/// The names of those that a model is none without.
pub(crate) fn needed() -> impl Iterator<Item = &'static str> {
    MODEL_FILES.iter().filter(|file| file.is_needed).map(|file| file.name)
}

/// The names of those that shape a run.
pub(crate) fn shaping() -> impl Iterator<Item = &'static str> {
    MODEL_FILES.iter().filter(|file| file.is_read).map(|file| file.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_fetched_last_and_all_but_the_configuration_travels() {
        let first = MODEL_FILES.iter().position(|file| file.is_needed);
        assert!(MODEL_FILES.iter().skip(first.unwrap_or_default()).all(|file| file.is_needed));
        assert_eq!(needed().collect::<Vec<_>>(), [TOKENIZER, CONFIG]);
        assert_eq!(shaping().count(), 6);
        let stays: Vec<_> = MODEL_FILES.iter().filter(|file| !file.travels).map(|file| file.name).collect();
        assert_eq!(stays, [CONFIG]);
    }
}

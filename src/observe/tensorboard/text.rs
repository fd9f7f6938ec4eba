//! Texts: the recipe, and samples.

use super::events::{DataClass, PluginData, SummaryMetadata, Tensor, Value};
use crate::observe::Sample;

/// `content` as what `plugin` finds under `tag`.
pub(super) fn value(tag: &str, plugin: &str, content: Vec<u8>) -> Value {
    let plugin_data = Some(PluginData { plugin_name: plugin.to_owned(), content: Vec::new() });
    let data_class = DataClass::Tensor.into();
    let metadata = Some(SummaryMetadata { plugin_data, data_class, ..SummaryMetadata::default() });
    Value { tag: tag.to_owned(), tensor: Some(Tensor::scalar(content)), metadata, ..Value::default() }
}

/// A text of the tab of texts, which reads Markdown.
pub(super) fn markdown(tag: &str, text: String) -> Value {
    value(tag, "text", text.into_bytes())
}

/// The recipe, to be read as it is.
pub(super) fn recipe(toml: &str) -> Value {
    markdown("recipe", as_it_is(toml))
}

/// A sample.
pub(super) fn sample(sample: &Sample) -> Value {
    let Sample { prompt_id, prompt, gold, responses, .. } = sample;
    let mut text =
        format!("prompt {prompt_id}:\n\n{}\n\ngold answer:\n\n{}\n", as_it_is(prompt), as_it_is(gold));
    for response in responses {
        text += &format!(
            "\nresponse {}:\n\n{}\n\n{}\n",
            response.sample,
            as_it_is(&response.text),
            as_it_is(&response.judged())
        );
    }
    markdown("samples", text)
}

/// Text that no reader of Markdown changes: a block that is indented cannot be ended from within.
fn as_it_is(text: &str) -> String {
    let text = if text.trim().is_empty() { "(empty)" } else { text };
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

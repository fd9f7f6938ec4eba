//! The model that a recipe names: in a folder, on the hub, or from random weights.

use anyhow::{Context, Result, ensure};

use crate::files::model_folder::TOKENIZER;
use crate::hub::{Files, Hub, Snapshot, preset, source};
use crate::model::{HubModel, Layout, LoraBase, LoraLayout, ModelConfig, ModelSource, StoredAdapter, load};
use crate::recipe::Draft;
use crate::text::Tokenizer;

/// Where the policy lies, where it does not start from random weights, and its shape and tokenizer, which fit each other and
/// the files of weights. Of a model on the hub the weights need not be there yet.
pub(super) fn model_parts(draft: &mut Draft) -> Option<(Option<ModelSource>, (ModelConfig, Tokenizer))> {
    const KEYS: &[&str] = &["model.path", "model.hub", "model.scratch"];
    const ON_HUB: &[&str] = &["model.hub", "model.revision", "model.path", "model.scratch"];
    let on_hub = draft.judge(ON_HUB, |recipe| {
        let Some(model) = HubModel::from_settings(&recipe.model)? else { return Ok(None) };
        Hub::from_environment()?.fetch(&model, Files::Texts, None).map(Some).context("[model] hub")
    })?;
    let fetched = on_hub.is_some();
    let path = match on_hub {
        Some(Snapshot { folder, commit }) => {
            draft.change(|recipe| recipe.model.revision = Some(commit));
            Some(folder)
        }
        None => draft.judge(KEYS, |recipe| Ok(recipe.model.path.clone()))?,
    };
    let Some(path) = path else {
        return draft.judge(KEYS, |recipe| {
            let scratch =
                recipe.model.scratch.context("[model] has neither `path` nor `hub` nor `scratch`")?;
            Ok((None, preset(scratch)?))
        });
    };
    let source = draft.judge(KEYS, |_| source(&path))?;
    let config = ModelConfig::from_folder(&source.folder);
    let tokenizer = Tokenizer::from_folder(source.folder_with(TOKENIZER));
    let weights = || config.as_ref().ok().map(|config| load::check(&source, config));
    let weights = if fetched { None } else { weights() };
    let fit = config.as_ref().ok().zip(tokenizer.as_ref().ok()).map(|(config, tokenizer)| {
        let fits = tokenizer.check_fits(usize::try_from(config.vocab_size)?);
        fits.with_context(|| path.display().to_string())
    });
    let wrong = |error: &anyhow::Error| format!("{error:#}");
    let wrong: Vec<String> = [
        config.as_ref().err().map(wrong),
        tokenizer.as_ref().err().map(wrong),
        weights.and_then(Result::err).as_ref().map(wrong),
        fit.and_then(Result::err).as_ref().map(wrong),
    ]
    .into_iter()
    .flatten()
    .collect();
    for message in &wrong {
        draft.add(if fetched { ON_HUB } else { KEYS }, message.clone());
    }
    let (config, tokenizer) = config.ok().zip(tokenizer.ok()).filter(|_| wrong.is_empty())?;
    Some((Some(source), (config.with_tokens(tokenizer.has_token()), tokenizer)))
}

/// The adapters that learn, of the model of shape `config` at `source`; `Some(None)` where all weights learn.
pub(super) fn adapters(
    draft: &mut Draft,
    source: Option<&ModelSource>,
    config: &ModelConfig,
) -> Option<Option<LoraLayout>> {
    draft.judge(&["model.lora", "model.path", "model.hub"], |recipe| {
        let model = &recipe.model;
        let (Some(settings), Some(source)) = (&model.lora, source) else { return Ok(None) };
        let make = || {
            let base = match &source.adapter {
                Some(folder) => {
                    let stored = StoredAdapter::open(folder)?;
                    stored.check_settings(settings)?;
                    ensure!(
                        model.scale_heads.is_none(),
                        "[model] `scale_heads` scales a model once, and {} learnt beside one; leave it out",
                        folder.display()
                    );
                    stored.base
                }
                None => LoraBase {
                    name: match &model.hub {
                        Some(hub) => hub.clone(),
                        None => std::path::absolute(&source.folder)?.display().to_string(),
                    },
                    revision: model.revision.clone(),
                    scales: model.head_scales()?,
                },
            };
            LoraLayout::new(config, &Layout::new(config), settings.clone(), base)
        };
        make().map(Some).context("[model.lora]")
    })
}

//! Adapters in the format of the library peft: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! What a folder asks for that is not computed here is refused by name, all of it in one error.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tch::Tensor;

use super::layout::LoraLayout;
use super::settings::{LoraSettings, Target};
use crate::files::model_folder::{ADAPTER, ADAPTER_CONFIG};
use crate::files::{Fingerprint, read_regular};
use crate::model::config::ModelConfig;
use crate::model::json;
use crate::model::layout::Layout;
use crate::model::load::StoredWeights;
use crate::model::save::{StoredDtype, sync, write_new, write_tensors};
use crate::model::scale_heads::HeadScales;

/// Largest configuration that is read; those of published adapters have 1 kB.
const MAX_BYTES: u64 = 1 << 20;

/// What adapters are adapters of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LoraBase {
    /// A folder, or the name of a model on the hub.
    pub name: String,
    /// The commit there.
    pub revision: Option<String>,
    /// What its heads are multiplied by.
    pub scales: HeadScales,
}

/// Where a policy comes from: the folder of a model and, where it has adapters, that of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelSource {
    /// The model's folder; that of the base, where there are adapters.
    pub folder: PathBuf,
    /// The adapters'.
    pub adapter: Option<PathBuf>,
}

impl ModelSource {
    /// The model in `folder`, whose weights are all in there.
    #[must_use]
    pub(crate) fn of_whole(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), adapter: None }
    }

    /// The folder that was asked for: of the adapters, where there are some.
    #[must_use]
    pub(crate) fn asked(&self) -> &Path {
        self.adapter.as_deref().unwrap_or(&self.folder)
    }

    /// By name, the fingerprints of everything that shapes what the policy answers.
    ///
    /// # Errors
    /// As [`Fingerprint::of_model`].
    pub(crate) fn fingerprints(&self) -> Result<BTreeMap<String, Fingerprint>> {
        let mut files = Fingerprint::of_model(self.asked())?;
        if self.adapter.is_some() {
            let base = Fingerprint::of_model(&self.folder)?;
            files.extend(base.into_iter().map(|(name, file)| (format!("base/{name}"), file)));
        }
        Ok(files)
    }

    /// The first of the adapters' folder and the model's that has a file `name`.
    #[must_use]
    pub(crate) fn folder_with(&self, name: &str) -> &Path {
        self.adapter.as_deref().filter(|folder| folder.join(name).is_file()).unwrap_or(&self.folder)
    }
}

/// Whether `folder` holds adapters, and the model that they belong to lies elsewhere.
#[must_use]
pub(crate) fn is_adapter(folder: &Path) -> bool {
    folder.join(ADAPTER_CONFIG).is_file()
}

/// Adapters in a folder: what its configuration says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredAdapter {
    folder: PathBuf,
    settings: LoraSettings,
    /// What they are adapters of.
    pub base: LoraBase,
}

impl StoredAdapter {
    /// Reads the configuration of the adapters in `folder`.
    ///
    /// # Errors
    /// If there is none, or it asks for what is not computed here.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(ADAPTER_CONFIG);
        let read = || {
            let config = json::parse(&read_regular(&path, MAX_BYTES)?)?;
            refuse_unsupported(&config)?;
            let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::to_owned);
            let name = text("base_model_name_or_path").filter(|name| !name.is_empty());
            let name =
                name.context("base_model_name_or_path: got none, expected the model of the adapters")?;
            let scales = text("scale_heads").map_or(Ok(HeadScales::default()), |scales| scales.parse());
            Ok::<_, anyhow::Error>(Self {
                folder: folder.to_owned(),
                settings: settings(&config)?,
                base: LoraBase { name, revision: text("revision"), scales: scales.context("scale_heads")? },
            })
        };
        read().with_context(|| path.display().to_string())
    }

    /// That they are as `settings` says.
    ///
    /// # Errors
    /// If one of these is another.
    pub(crate) fn check_settings(&self, settings: &LoraSettings) -> Result<()> {
        let of = |own: &LoraSettings| Ok::<_, anyhow::Error>((own.rank, own.alpha, own.targets()?));
        let shown = |own: &LoraSettings| {
            format!("rank {}, alpha {}, targets {}", own.rank, own.alpha, own.targets.join(" "))
        };
        ensure!(
            of(&self.settings)? == of(settings)?,
            "got {}, and the adapters in {} have {}; set these, or export the adapters and take what that makes",
            shown(settings),
            self.folder.display(),
            shown(&self.settings)
        );
        Ok(())
    }

    /// Their places beside the parameters `whole` of a base of shape `config`.
    ///
    /// # Errors
    /// If their rank is larger than one of its matrices.
    pub(crate) fn layout(&self, config: &ModelConfig, whole: &Layout) -> Result<LoraLayout> {
        LoraLayout::new(config, whole, self.settings.clone(), self.base.clone())
            .with_context(|| self.misfit())
    }

    /// Checks that the files are whole, and their tensors those of `layout`.
    ///
    /// # Errors
    /// As [`StoredWeights::open`] and [`StoredWeights::check`].
    pub(crate) fn check(&self, layout: &LoraLayout) -> Result<()> {
        self.weights()?.check(layout.entries()).with_context(|| self.misfit())
    }

    /// The adapters, f32 in the order of `layout`.
    ///
    /// # Errors
    /// As [`StoredAdapter::check`]; a number that is not finite.
    pub(crate) fn read(&self, layout: &LoraLayout) -> Result<Tensor> {
        let flat = self.weights()?.read_entries(layout.entries()).with_context(|| self.misfit())?;
        Ok(Tensor::from_slice(&flat))
    }

    fn weights(&self) -> Result<StoredWeights> {
        let path = self.folder.join(ADAPTER);
        ensure!(
            path.exists(),
            "{}: missing beside {ADAPTER_CONFIG}; fetch it, or convert other formats with peft's save_pretrained",
            path.display()
        );
        StoredWeights::open_files(&self.folder, &[path])
    }

    fn misfit(&self) -> String {
        format!("{}: the adapters do not fit their base, {}", self.folder.display(), self.base.name)
    }
}

/// The size and the places of the adapters that `config` describes.
fn settings(config: &Value) -> Result<LoraSettings> {
    let rank = config.get("r").and_then(Value::as_u64).and_then(|rank| u32::try_from(rank).ok());
    let rank = rank.filter(|rank| *rank > 0).context("r: expected a whole number above 0")?;
    let alpha = config.get("lora_alpha").and_then(Value::as_f64).filter(|alpha| *alpha > 0.0);
    let alpha = alpha.context("lora_alpha: expected a number above 0")?;
    let all = || LoraSettings::default().targets;
    let targets = match &config["target_modules"] {
        Value::String(all_linear) if all_linear == "all-linear" => all(),
        Value::Array(names) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .context("target_modules: expected names")?,
        other => bail!(
            "target_modules: got {}, expected a list of some of {}",
            json::short(&other.to_string(), json::OF_VALUE),
            Target::names()
        ),
    };
    let settings = LoraSettings { rank, alpha, targets, dropout: 0.0 };
    settings.targets().context("target_modules")?;
    Ok(settings)
}

/// Refuses what changes the numbers and is not computed here.
fn refuse_unsupported(config: &Value) -> Result<()> {
    let kind = &config["peft_type"];
    ensure!(*kind == "LORA", "peft_type: got {kind}, expected \"LORA\"; take adapters of that kind");
    let is_idle = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    };
    const UNKNOWN: [&str; 19] = [
        "use_rslora",
        "use_dora",
        "use_qalora",
        "fan_in_fan_out",
        "lora_bias",
        "modules_to_save",
        "rank_pattern",
        "alpha_pattern",
        "layers_to_transform",
        "exclude_modules",
        "target_parameters",
        "trainable_token_indices",
        "layer_replication",
        "alora_invocation_tokens",
        "arrow_config",
        "kasa_config",
        "monteclora_config",
        "use_bdlora",
        "velora_config",
    ];
    let mut problems: Vec<String> = UNKNOWN
        .iter()
        .filter_map(|key| Some((key, config.get(key).filter(|value| !is_idle(value))?)))
        .map(|(key, value)| format!("{key}: got {}", json::short(&value.to_string(), json::OF_VALUE)))
        .collect();
    if let Some(bias) = config.get("bias").filter(|bias| **bias != "none" && !bias.is_null()) {
        problems.push(format!("bias: got {bias}, expected \"none\""));
    }
    // Others change the base, whose weights then are not those of its folder.
    let known = ["gaussian", "eva", "orthogonal"];
    let start = config.get("init_lora_weights").filter(|start| start.is_string());
    if let Some(start) = start.filter(|start| !known.iter().any(|known| *start == known)) {
        problems.push(format!("init_lora_weights: got {start}, which changes the base"));
    }
    ensure!(
        problems.is_empty(),
        "{}; this is not supported: merge the adapters into their base with peft's merge_and_unload, and take that",
        problems.join("; ")
    );
    Ok(())
}

/// Writes the adapters `flat` of `layout` into `dir`, which is created if absent.
///
/// # Errors
/// As [`save_folder`](crate::model::save::save_folder).
pub(in crate::model) fn save_adapter(dir: &Path, layout: &LoraLayout, flat: &[f32]) -> Result<()> {
    let LoraLayout { settings: LoraSettings { rank, alpha, targets, dropout }, base, .. } = layout;
    let LoraBase { name, revision, scales } = base;
    ensure!(
        usize::try_from(layout.n_params()) == Ok(flat.len()),
        "the buffer of adapters holds {} numbers, expected {}",
        flat.len(),
        layout.n_params()
    );
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // peft has a whole number there.
    let alpha = if alpha.fract() == 0.0 { json!(*alpha as i64) } else { json!(alpha) };
    let mut config = json!({
        "alpha_pattern": {},
        "auto_mapping": null,
        "base_model_name_or_path": name,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "layer_replication": null,
        "layers_pattern": null,
        "layers_to_transform": null,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": rank,
        "rank_pattern": {},
        "revision": revision,
        "target_modules": targets,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": false,
    });
    if *scales != HeadScales::default() {
        // peft does not know it, and says so where it loads the folder: its base has to be scaled by hand.
        config["scale_heads"] = json!(scales);
    }
    write_new(&dir.join(ADAPTER_CONFIG), |file| writeln!(file, "{config:#}"))?;
    write_tensors(&dir.join(ADAPTER), layout.entries(), flat, StoredDtype::F32)?;
    sync(dir)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<StoredAdapter> {
        let mut config = json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["v_proj", "q_proj"],
            "base_model_name_or_path": "org/name", "bias": "none", "init_lora_weights": true, "use_dora": false });
        change(&mut config);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(ADAPTER_CONFIG), config.to_string()).unwrap();
        StoredAdapter::open(dir.path())
    }

    #[test]
    fn a_configuration_says_what_the_adapters_are() {
        let own = read(|_| ()).unwrap();
        assert_eq!((own.settings.rank, own.settings.alpha), (4, 8.0));
        assert_eq!(own.base, LoraBase { name: "org/name".to_owned(), ..LoraBase::default() });
        let all = read(|config| config["target_modules"] = json!("all-linear")).unwrap();
        assert_eq!(all.settings.targets.len(), 7);
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        for (key, value, expected) in [
            ("peft_type", json!("LOHA"), "peft_type: got \"LOHA\", expected \"LORA\""),
            ("use_dora", json!(true), "use_dora: got true; this is not supported: merge the adapters"),
            ("use_rslora", json!(true), "use_rslora: got true"),
            ("rank_pattern", json!({"q_proj": 2}), "rank_pattern: got {\"q_proj\":2}"),
            ("modules_to_save", json!(["lm_head"]), "modules_to_save: got [\"lm_head\"]"),
            ("bias", json!("all"), "bias: got \"all\", expected \"none\""),
            ("init_lora_weights", json!("pissa"), "init_lora_weights: got \"pissa\", which changes the base"),
            ("target_modules", json!(["w1"]), "target_modules: got \"w1\", expected some of q_proj"),
            ("target_modules", json!(".*_proj"), "target_modules: got \".*_proj\", expected a list"),
            ("r", json!(0), "r: expected a whole number above 0"),
            ("base_model_name_or_path", Value::Null, "base_model_name_or_path: got none, expected the model"),
        ] {
            let error = format!("{:#}", read(|config| config[key] = value).unwrap_err());
            assert!(error.contains(expected), "{key}: {error}");
        }
    }
}

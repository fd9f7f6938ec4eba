//! Circuits of the models that a run has kept, one after the other, and what becomes of their heads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::subject::Looking;
use super::{Circuit, part_of};
use crate::checkpoint::complete;
use crate::circuit::{CircuitFile, Cohorts, Emergence, HeatMap, Page, Part};
use crate::cli::policy;
use crate::cli::say;
use crate::files::{difference, read_regular_text, write_whole};
use crate::hub::source;
use crate::observe::{Console, Jsonl};
use crate::picture;
use crate::recipe::Draft;
use crate::run::{Failure, Setup, initial_policy, run_sft, sft_models};
use crate::run_folder::{RunFolder, RunManifest};
use crate::table::Table;
use crate::types::Step;

/// Name of the file that says what the others are of.
const SETTINGS: &str = "settings.json";
/// How models of SFT are asked for.
const SFT: &str = "sft";
/// Heads whose share says how few carry all.
const TOP: usize = 10;

impl Circuit {
    /// The circuits of the models behind `steps` of the run, and of what they began as.
    pub(super) fn emerge(&self, looking: &Looking<'_>, steps: &str) -> Result<()> {
        let run = RunFolder::around(&self.model).filter(|run| run.resolved().is_file());
        let run =
            run.with_context(|| format!("{}: no run; --checkpoints goes with one", self.model.display()));
        let run = run.map_err(Failure::bad_input)?;
        let of_sft = steps == SFT;
        let around = run.root().parent().unwrap_or(Path::new("."));
        let runs = self.runs.clone().unwrap_or_else(|| around.to_owned());
        let models = if of_sft { kept_by_sft(&run, &runs) } else { chosen(&run, steps) };
        let models = models.map_err(Failure::bad_input)?;
        let out = self.out.clone().unwrap_or_else(|| run.circuits(of_sft));
        let folder =
            Folder::open(out, &run, looking, of_sft, self.base.as_deref()).map_err(Failure::bad_input)?;

        let base = folder.circuit("base", |part| match &self.base {
            Some(path) => looking.file(path, &path.display().to_string(), part),
            None => before_training(&run, looking, of_sft, &runs, part),
        })?;
        let mut circuits = Vec::new();
        for (step, path) in &models {
            let name = format!("step_{step:06}");
            circuits.push(folder.circuit(&name, |part| looking.file(path, &name, part))?);
        }
        let emergence = Emergence::new(&base, &circuits)?;
        let accuracy = if of_sft { BTreeMap::new() } else { accuracies(&run)? };
        let steps: Vec<Step> = models.keys().copied().collect();
        let of_step: Vec<Option<f64>> = steps.iter().map(|step| accuracy.get(step).copied()).collect();
        folder.write(
            "emergence",
            &json!({
                "run": run.root(), "base": base.model, "steps": steps, "accuracy": of_step, "emergence": emergence,
            }),
        )?;
        folder.draw(&run, &steps, &emergence, (base.layers, base.heads))?;
        let page = Page {
            title: &format!("Circuits of {}", run.root().display()),
            command: &super::super::command(),
            circuits: std::iter::once(&base).chain(&circuits).cloned().collect(),
            emergence: Some(&emergence),
            steps: &steps,
            accuracy: &of_step,
        };
        let page = page.html()?;
        write_whole(&folder.path("index.html"), |w| Ok(w.write_all(page.as_bytes())?))?;
        say(table(&steps, &of_step, &base, &circuits, &emergence).plain())?;
        say(format_args!(
            "\ncohorts: heads of the base, then of those that each checkpoint was the first to have, alive in each\n"
        ))?;
        say(cohorts(&steps, &emergence).plain())?;
        say(format_args!(
            "\n  {0}/index.html, {0}/heatmap.svg, {0}/cohorts.svg, {0}/emergence.json",
            folder.root.display()
        ))
    }
}

impl Looking<'_> {
    /// The circuit of the model at `path`, which is called `name`.
    fn file(&self, path: &Path, name: &str, part: PathBuf) -> Result<CircuitFile> {
        Ok(CircuitFile::new(&self.circuit(path, Some(part))?, name, &self.config, false))
    }
}

/// Where circuits are kept as they are found.
struct Folder {
    root: PathBuf,
}

impl Folder {
    /// `root`, if what lies there is of the same run, pairs, settings and base.
    fn open(
        root: PathBuf,
        run: &RunFolder,
        looking: &Looking<'_>,
        of_sft: bool,
        base: Option<&Path>,
    ) -> Result<Self> {
        let mut settings = looking.fingerprint()?;
        settings["run"] = json!(RunManifest::read(run)?.map(|manifest| manifest.run));
        settings["sft"] = json!(of_sft);
        let files = |base| source(&policy::model_folder(base)?)?.fingerprints();
        settings["base"] = json!(base.map(files).transpose()?);
        fs::create_dir_all(&root).with_context(|| format!("could not create {}", root.display()))?;
        let this = Self { root };
        let path = this.path(SETTINGS);
        if path.exists() {
            let known: Value = serde_json::from_str(&read_regular_text(&path, 1 << 20)?).unwrap_or_default();
            ensure!(
                known == settings,
                "{}: holds circuits of another run, or of other pairs, settings or base: {}; choose another folder with --out, or remove this one",
                this.root.display(),
                difference(&known, &settings)
            );
        }
        this.write("settings", &settings)?;
        Ok(this)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The circuit called `name`, found where it is not kept.
    fn circuit(&self, name: &str, find: impl FnOnce(PathBuf) -> Result<CircuitFile>) -> Result<CircuitFile> {
        let path = self.path(&format!("{name}.json"));
        if path.exists() {
            return CircuitFile::read(&path).map_err(Failure::bad_input);
        }
        let part = part_of(&path);
        let found = find(part.clone())?;
        self.write(name, &json!(found))?;
        Part::remove(&part)?;
        Ok(found)
    }

    /// Pictures of `emergence`, each as SVG and PNG.
    fn draw(
        &self,
        run: &RunFolder,
        steps: &[Step],
        emergence: &Emergence,
        shape: (usize, usize),
    ) -> Result<()> {
        let name = run.root().file_name().map_or_else(String::new, |name| name.display().to_string());
        let title = format!("{name}: share of the checkpoints whose circuit has the head");
        let map = HeatMap::new(title, emergence, shape.0, shape.1);
        let title = format!("{name}: heads of the circuit, by the checkpoint that first has them");
        let cohorts = Cohorts { title, steps, alive: &emergence.cohorts };
        for (name, svg, png) in [
            ("heatmap", picture::svg(&map)?, picture::png(&map)?),
            ("cohorts", picture::svg(&cohorts)?, picture::png(&cohorts)?),
        ] {
            write_whole(&self.path(&format!("{name}.svg")), |w| Ok(w.write_all(svg.as_bytes())?))?;
            write_whole(&self.path(&format!("{name}.png")), |w| Ok(w.write_all(&png)?))?;
        }
        Ok(())
    }

    fn write(&self, name: &str, value: &Value) -> Result<()> {
        write_whole(&self.path(&format!("{name}.json")), |w| Ok(serde_json::to_writer(w, value)?))
    }
}

/// The models of `run` behind `steps`, in order: those that are kept for good and those of checkpoints, the policy before the first step
/// left out.
fn chosen(run: &RunFolder, steps: &str) -> Result<BTreeMap<Step, PathBuf>> {
    let mut all: BTreeMap<Step, PathBuf> = BTreeMap::new();
    for folder in [run.checkpoints(), run.models()].into_iter().filter(|folder| folder.is_dir()) {
        all.extend(complete(&folder)?);
    }
    all.remove(&0);
    let there = all.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if steps != "all" {
        let wanted = steps.split(',').map(|step| {
            let number: Step = step.trim().parse().ok().with_context(|| {
                format!("--checkpoints: got {step:?}, expected all, sft, or steps such as 20,40,60")
            })?;
            let path = all.get(&number).with_context(|| {
                format!(
                    "--checkpoints: the run has no model behind step {number}; it has {there}; [checkpoint] keep_model_every keeps more"
                )
            })?;
            Ok((number, path.clone()))
        });
        all = wanted.collect::<Result<_>>()?;
    }
    if all.is_empty() {
        bail!(
            "{}: the run has no model yet; let it train, with [checkpoint] keep_model_every = 20 to keep some on the way",
            run.root().display()
        );
    }
    Ok(all)
}

/// The models that the SFT of `run` has kept on its way, by its steps.
fn kept_by_sft(run: &RunFolder, runs: &Path) -> Result<BTreeMap<Step, PathBuf>> {
    let folder = sft_models(&own_setup(run)?, runs)?.filter(|folder| folder.is_dir());
    let models = folder.map(|folder| complete(&folder)).transpose()?.unwrap_or_default();
    ensure!(
        !models.is_empty(),
        "{}: its SFT has kept no model in {}; train with [sft] keep_model_every = 20, or say with --runs where its SFT was kept",
        run.root().display(),
        runs.display()
    );
    Ok(models.into_iter().collect())
}

/// What `run` was made of, by its own recipe, whatever is overridden for its circuits.
fn own_setup(run: &RunFolder) -> Result<Setup> {
    let recipe = run.checked_resolved().map_err(Failure::bad_input)?;
    Setup::of_draft(Draft::load(&recipe, &[])?)
}

/// The circuit of the policy that `run` began with, before its SFT or behind it.
fn before_training(
    run: &RunFolder,
    looking: &Looking<'_>,
    before_sft: bool,
    runs: &Path,
    part: PathBuf,
) -> Result<CircuitFile> {
    let name = if before_sft { "before SFT" } else { "before training" };
    let kept = run.models().join("step_000000");
    if kept.is_dir() && !before_sft {
        return looking.file(&kept, name, part);
    }
    let setup = &own_setup(run)?;
    let console = Console::new();
    setup.fetch_weights(&console, looking.interrupt)?;
    let mut begun = initial_policy(setup)?;
    if let Some(sft) = setup.recipe.sft.as_ref().filter(|_| !before_sft)
        && !run_sft(setup, sft, &mut begun, runs, &console, looking.interrupt)?
    {
        looking.interrupt.check()?;
        bail!("SFT was not finished");
    }
    let exact = begun.in_single_precision()?;
    Ok(CircuitFile::new(&looking.circuit_of(&exact, name, part)?, name, &looking.config, false))
}

/// avg@n on the first set behind each step that was evaluated.
fn accuracies(run: &RunFolder) -> Result<BTreeMap<Step, f64>> {
    if !run.metrics().exists() {
        return Ok(BTreeMap::new());
    }
    let rows = Jsonl::read(&run.metrics())?.rows;
    let of = |(step, row): (Step, crate::types::MetricRow)| {
        let found = row.iter().find(|(key, _)| key.starts_with("eval/") && key.contains("/avg@"));
        found.map(|(_, value)| (step, value))
    };
    Ok(rows.into_iter().filter_map(of).collect())
}

fn table(
    steps: &[Step],
    accuracy: &[Option<f64>],
    base: &CircuitFile,
    circuits: &[CircuitFile],
    emergence: &Emergence,
) -> Table {
    let header = ["step", "avg@n", "heads", "emergent", "retained", "lost", "new", "top 10", "recovered"];
    let of = |circuit: &CircuitFile| {
        let mut shares: Vec<f64> = circuit.heads_importance.iter().map(|head| head.share).collect();
        shares.sort_by(|a, b| b.total_cmp(a));
        let top: f64 = shares.iter().take(TOP).sum();
        let recovered = circuit.faithfulness.recovered;
        (
            shares.iter().filter(|share| **share > 0.0).count().to_string(),
            percent(Some(top)),
            percent(recovered),
        )
    };
    let (heads, top, recovered) = of(base);
    let nothing = String::new;
    let first =
        vec!["base".to_owned(), nothing(), heads, nothing(), nothing(), nothing(), nothing(), top, recovered];
    let row = |i: usize| {
        let ((heads, top, recovered), sets) = (of(&circuits[i]), &emergence.sets[i]);
        let [emergent, retained, lost] =
            [&sets.emergent, &sets.retained, &sets.lost].map(|heads| heads.len().to_string());
        let new = sets.new.to_string();
        vec![steps[i].to_string(), percent(accuracy[i]), heads, emergent, retained, lost, new, top, recovered]
    };
    let rows = std::iter::once(first).chain((0..steps.len()).map(row)).collect();
    Table { header: header.map(str::to_owned).to_vec(), rows }
}

fn cohorts(steps: &[Step], emergence: &Emergence) -> Table {
    let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
    let names = std::iter::once("base").chain(steps.iter().map(String::as_str));
    let row = |(i, (name, alive)): (usize, (&str, &Vec<usize>))| {
        // Nothing is alive before it first appears.
        let cell =
            |(checkpoint, n): (usize, &usize)| if checkpoint + 1 < i { String::new() } else { n.to_string() };
        std::iter::once(name.to_owned()).chain(alive.iter().enumerate().map(cell)).collect()
    };
    Table {
        header: std::iter::once("first in".to_owned()).chain(steps.iter().cloned()).collect(),
        rows: names.zip(&emergence.cohorts).enumerate().map(row).collect(),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share))
}

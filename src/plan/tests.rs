//! Formulas on shapes small enough to count by hand, and the recipes that come with the program.

#![expect(clippy::unwrap_used, reason = "tests")]

use tch::{Device, Kind};

use super::held::{held, under_way};
use super::*;
use crate::hub::preset;
use crate::model::config::Family;
use crate::model::config::tests::tiny;
use crate::model::{BackendChoice, ModelConfig, Placement};
use crate::ranks::Shard;
use crate::recipe::{Draft, Recipe, SHIPPED, Shipped};

fn shipped(name: &str) -> Recipe {
    Draft::of_shipped(Shipped::find(name).unwrap()).unwrap().finish().unwrap()
}

fn subject(recipe: Recipe, model: ModelConfig, kind: Kind, device: Device, ranks: usize) -> Subject {
    let placement = Placement { device, kind, backend: BackendChoice::Auto };
    let (longest_prompt, n_eval) = (None, None);
    let server = 0.0;
    Subject { recipe, model, placement, longest_prompt, n_eval, ranks, local_ranks: ranks, server }
}

/// Countdown's recipe with V = 11, E = 8, F = 6, L = 2, H = 4, K = 2, D = 4: 1,248 parameters, of which 1,144 in matrices.
fn of_tiny(kind: Kind, ranks: usize, shard: Shard) -> Subject {
    let mut recipe = shipped("countdown");
    recipe.parallel.shard = shard;
    subject(recipe, tiny(Family::Qwen2), kind, Device::Cpu, ranks)
}

fn bytes(subject: &Subject, name: &str) -> f64 {
    held(subject).unwrap().iter().filter(|part| part.name == name).map(|part| part.bytes).sum()
}

#[test]
fn what_stays_is_counted_by_hand() {
    let names = ["weights", "masters", "moments", "gradient"];
    let of = |kind, ranks, shard| names.map(|name| bytes(&of_tiny(kind, ranks, shard), name));
    let (bf16, f32) = (Kind::BFloat16, Kind::Float);
    assert_eq!(of(bf16, 1, Shard::Gradients), [2496.0, 4992.0, 9984.0, 4992.0]);
    assert_eq!(of(f32, 1, Shard::Gradients), [4992.0, 0.0, 9984.0, 4992.0]);
    assert_eq!(of(bf16, 4, Shard::None), [2496.0, 4992.0, 9984.0, 4992.0]);
    // A quarter is 312, rounded up to 320.
    assert_eq!(of(bf16, 4, Shard::Optimizer), [2496.0, 1280.0, 2560.0, 4992.0]);
    // Of gradients also the 104 numbers of biases and gains.
    assert_eq!(of(bf16, 4, Shard::Gradients), [2496.0, 1280.0, 2560.0, 4.0 * 424.0]);
    assert_eq!(of(f32, 4, Shard::Gradients), [4992.0, 0.0, 2560.0, 4.0 * 424.0]);
    // Both layers (4 matrices of 48, 96, 128 and 256) and an embedding of 88 numbers are on their way.
    assert_eq!(under_way(&of_tiny(bf16, 4, Shard::Gradients)), 4.0 * (2.0 * 528.0 + 88.0));
    assert_eq!(under_way(&of_tiny(bf16, 4, Shard::Optimizer)), 0.0);
}

#[test]
fn a_cache_holds_keys_and_values_of_whole_blocks() {
    let mut subject = of_tiny(Kind::BFloat16, 1, Shard::None);
    subject.longest_prompt = Some(10);
    subject.recipe.sampling.max_new_tokens = 50;
    // Two layers of keys and values of 2 heads of 4 numbers, 60 tokens in columns of 32.
    assert_eq!(passes::cache_per_response(&subject), 2.0 * 2.0 * 2.0 * 8.0 * 64.0);
    subject.placement.backend = BackendChoice::Ops;
    assert_eq!(passes::cache_per_response(&subject), 2.0 * 2.0 * 2.0 * 8.0 * 60.0);
}

#[test]
fn checkpointing_keeps_inputs_and_one_layer() {
    let mut subject = of_tiny(Kind::BFloat16, 1, Shard::None);
    subject.longest_prompt = Some(4);
    let activations = |subject: &Subject| passes::update(subject)[0].bytes;
    let kept = activations(&subject);
    let tokens = 4096.0;
    let predicted = subject.micro().predicted;
    let ends = 2.0 * 8.0 * (2.0 * tokens + 2.0 * predicted);
    // A token of a layer: two rows of 8, 32 of q, k and v, 16 of what attention gives, 12 of gates, and two scales.
    let layer = tokens * (2.0 * (2.0 * 8.0 + 32.0 + 16.0 + 12.0) + 8.0);
    assert_eq!(kept, 2.0 * layer + ends);
    subject.recipe.batch.gradient_checkpointing = true;
    assert_eq!(activations(&subject), 2.0 * tokens * 2.0 * 8.0 + layer + ends);
}

/// The model that `recipe` names, without the hub.
fn model(recipe: &Recipe) -> ModelConfig {
    let model = &recipe.model;
    if let Some(scratch) = model.scratch {
        return preset(scratch).unwrap().0;
    }
    let of_hub = model.hub.as_ref().and_then(|hub| known(hub).unwrap());
    of_hub.or_else(|| known_by_folder(model.path.as_ref()?).unwrap()).unwrap()
}

#[test]
fn every_shipped_recipe_can_be_planned() {
    for own in SHIPPED {
        let recipe = shipped(own.name);
        let model = model(&recipe);
        for (device, ranks) in [(Device::Cpu, 1), (Device::Cuda(0), 1), (Device::Cuda(0), 8)] {
            let subject = subject(recipe.clone(), model.clone(), Kind::BFloat16, device, ranks);
            let plan = Plan::new(&subject).unwrap();
            assert!(plan.peak().is_finite() && plan.peak() > 1e6, "{}", own.name);
            assert!(plan.phases.iter().flat_map(|phase| &phase.parts).all(|part| part.bytes > 0.0));
            assert!(plan.table().lines().count() > 5);
        }
    }
}

/// What their heads say.
#[test]
fn recipes_of_large_models_fit_eight_gpus_of_80_gb() {
    let gpu: Gpu = "h100".parse().unwrap();
    let large =
        SHIPPED.iter().filter(|own| own.name.starts_with("paper/") || own.name.starts_with("math_dapo"));
    for own in large {
        let recipe = shipped(own.name);
        let model = model(&recipe);
        let room = Room::of_gpu(&gpu);
        let fits = |recipe: &Recipe, ranks| {
            let subject = subject(recipe.clone(), model.clone(), Kind::BFloat16, Device::Cuda(0), ranks);
            let plan = Plan::new(&subject).unwrap();
            assert!(plan.fits(&room), "{}: {}\n{}", own.name, plan.verdict(&room), plan.table());
        };
        // One machine, two of them, and one of which two GPUs generate.
        fits(&recipe, 8);
        fits(&recipe, 16);
        let servers = "type = \"vllm\"\nurls = [\"http://127.0.0.1:8000\", \"http://127.0.0.1:8001\"]";
        let served = Recipe { engine: toml::from_str(servers).unwrap(), ..recipe };
        fits(&served, 6);
        for command in ["--nproc-per-node=8 target", "--nnodes=2", "scripts/with_vllm"] {
            assert!(own.text.contains(command), "{}: {command}", own.name);
        }
    }
}

fn shipped_subject(name: &str, ranks: usize) -> Subject {
    let recipe = shipped(name);
    let model = model(&recipe);
    subject(recipe, model, Kind::BFloat16, Device::Cuda(0), ranks)
}

#[test]
fn what_does_not_fit_is_made_smaller_by_keys() {
    let recipe = shipped("paper/math_8b_rhythm");
    let model = model(&recipe);
    let mut subject = subject(recipe, model, Kind::BFloat16, Device::Cuda(0), 4);
    subject.recipe.parallel.shard = Shard::None;
    subject.recipe.batch.gradient_checkpointing = false;
    subject.recipe.batch.max_tokens = 32_768;
    let room = Room::of_gpu(&"h100".parse().unwrap());
    assert!(!Plan::new(&subject).unwrap().fits(&room));
    let (found, fits) = remedies(&subject, &room).unwrap();
    assert!(fits, "{found:?}");
    assert_eq!(found[0].set.as_deref(), Some("parallel.shard=\"gradients\""));
    assert!(found.iter().all(|remedy| remedy.saves > 0.0));
    let said = advice(&found, fits).join("\n");
    assert!(said.contains("[parallel] shard \"none\" -> \"gradients\": saves "), "{said}");
    // What is needed beside few ranks is not beside more of them, and no key is changed twice.
    let mut few = shipped_subject("paper/math_8b_rhythm", 2);
    few.recipe.sampling.max_num_seqs = 512;
    let (found, fits) = remedies(&few, &room).unwrap();
    assert!(fits && found[0].change == "4 ranks in the place of 2", "{found:?}");
    let said = advice(&found, fits).pop().unwrap();
    assert_eq!(said.matches("max_num_seqs").count(), 1, "{said}");
    assert!(!said.contains("max_tokens"), "{said}");
    // In main memory more ranks share what there is.
    subject.placement.device = Device::Cpu;
    subject.ranks = 1;
    let (found, _) = remedies(&subject, &Room::named(60e9, false, 1)).unwrap();
    assert!(found.iter().any(|remedy| remedy.change.contains("[model.lora]")), "{found:?}");
}

#[test]
fn times_grow_with_what_is_done_and_shrink_with_ranks() {
    let recipe = shipped("paper/math_4b_rhythm");
    let model = model(&recipe);
    let speed = Speed::of_gpu(&"h100".parse().unwrap());
    let of = |ranks| {
        times(&subject(recipe.clone(), model.clone(), Kind::BFloat16, Device::Cuda(0), ranks), &speed)
    };
    let (one, eight) = (of(1), of(8));
    assert!((one.update / eight.update - 8.0).abs() < 1e-6);
    assert!(one.generate > eight.generate && eight.step() > 0.0);
}

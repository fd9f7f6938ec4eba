//! A step of a run once more, from the responses that it kept.

use serde_json::Value;

use super::place::{Ended, FINISHED, Place, RECIPE, copy};

fn replay(place: &Place, run: &str, more: &[&str]) -> Ended {
    place.run(&[&["replay", run], more].concat())
}

/// What the replay of a step gives.
fn found(place: &Place, run: &str, more: &[&str]) -> Value {
    let ended = replay(place, run, &[more, &["--json"]].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("are the run's own, to the last bit"), "{}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

/// A place where `recipe` has run as `run`, with a checkpoint behind every step.
fn place_with(recipe: &str) -> Place {
    let place = Place::warmed();
    place.write("tiny.toml", recipe.replace("every = 3\nkeep", "every = 1\nkeep"));
    let ended = place.run(&["train", "tiny.toml", "--set", "run.steps=4"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    place
}

/// Each step that can be replayed is what it was: advantages, loss, gradient and the weights that it came to.
fn assert_replays(place: &Place) {
    for step in ["2", "3", "4"] {
        let found = found(place, "runs/tiny", &["--step", step]);
        let row = place.lines("runs/tiny/metrics.jsonl")[step.parse::<usize>().unwrap() - 1].clone();
        let own = &found["arms"][0];
        for key in
            ["loss/policy", "optim/grad_norm", "optim/param_delta", "policy/ratio_mean", "advantage/std"]
        {
            assert_eq!(own["metrics"][key], row[key], "step {step}, {key}");
        }
        let lines = place.lines(&format!("runs/tiny/rollouts/step_00000{step}.jsonl"));
        for (line, response) in lines.iter().zip(found["responses"].as_array().unwrap()) {
            assert_eq!(line["advantages"], response["advantages"][0]);
        }
        assert!(found["agreement"]["n_metrics"].as_u64().unwrap() > 10);
        // The learning rate ends at 0, and of several updates the whole is at most their sum.
        let (moved, sum) =
            (own["update"]["norm"].as_f64().unwrap(), row["optim/param_delta"].as_f64().unwrap());
        assert!((moved > 0.0) == (sum > 0.0) && moved <= 1.001 * sum, "step {step}: {moved}, {sum}");
    }
}

#[test]
fn a_step_with_rhythm_credit_is_what_it_was() {
    let credit = "[signals]\nhorizon = [2, 8]\n[[credit]]\ntype = \"rhythm\"\n";
    let place = place_with(&(RECIPE.to_owned() + credit));
    assert_replays(&place);
    let found =
        found(&place, "runs/tiny", &["--step", "3", "--credit", "uniform,rhythm,shuffled_rhythm,entropy"]);
    let labels: Vec<&str> =
        found["arms"].as_array().unwrap().iter().map(|arm| arm["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["as in the run", "uniform", "rhythm", "shuffled_rhythm", "entropy"]);
    let cosine = |arm: usize| found["arms"][arm]["gradient"]["cosine"].as_f64().unwrap();
    assert!((cosine(0) - 1.0).abs() < 1e-9 && (cosine(2) - 1.0).abs() < 1e-9, "the same settings");
    for arm in [1, 3, 4] {
        assert!(cosine(arm) < 0.999_999 && cosine(arm) > 0.0, "{}", cosine(arm));
        assert!(found["arms"][arm]["advantages"]["correlation"].as_f64().unwrap() < 0.999_999);
    }
}

#[test]
fn a_step_of_ppo_is_what_it_was() {
    let ppo = RECIPE.replace("type = \"group\"\n[loss.policy]\ntype = \"clip\"", "type = \"gae\"\nlambda = 0.9\n[critic]\n\
         optim = { lr = 1e-3 }\n[importance_sampling]\n[loss]\nentropy_bonus = 0.01\n[loss.policy]\ntype = \"clip\"\n[loss.kl]\n\
         coef = 0.1\nestimator = \"k1\"\nplace = \"reward\"\nadaptive = { target = 0.01, horizon = 100 }");
    let place = place_with(&ppo.replace("minibatches = 2", "minibatches = 2\nepochs = 2"));
    assert_replays(&place);
    let found = found(&place, "runs/tiny", &["--step", "3", "--vary", "advantage.lambda=0.5,1.0"]);
    assert!(found["arms"][1]["metrics"]["loss/value"].as_f64().unwrap() > 0.0);
    // Without its critic, where an estimator asks for none.
    let found = self::found(&place, "runs/tiny", &["--step", "3", "--advantage", "group"]);
    assert!(found["arms"][1]["metrics"]["loss/value"].is_null(), "{}", found["arms"][1]);
    assert!(found["arms"][1]["advantages"]["mean_abs"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_step_of_trees_one_step_off_is_what_it_was() {
    let tree = "type = \"tree\"\nroots = 3\nbranches = 2\ncontinuations = 2\n[explore.rule]\ntype = \"attention\"\ndistance = 1\n\
                min_start = 0\nmin_gap = 0\n[explore.expand]\ntype = \"difficulty\"\n[sampling]";
    let recipe = RECIPE
        .replace("type = \"group\"\nsize = 4\n[sampling]", tree)
        .replace("[advantage]\ntype = \"group\"", "[advantage]\ntype = \"tree\"");
    for schedule in ["on_policy", "one_step_off"] {
        let place = place_with(&format!(
            "{recipe}[sampler]\ntype = \"adaptive\"\ntarget = 400\nmost = 8\n[[credit]]\ntype = \"entropy\"\n[pipeline]\ntype = \"{schedule}\"\n"
        ));
        assert_replays(&place);
    }
}

#[test]
fn other_losses_and_advantages_and_a_page() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    let ended = replay(
        &place,
        "runs/tiny",
        &["--step", "4", "--advantage", "leave_one_out", "--loss", "gspo,cispo", "--html", "page.html"],
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
    for part in ["leave_one_out, gspo", "leave_one_out, cispo", "gradient, cosine", "loss/policy"] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    let page = place.read("page.html");
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["responses"].as_array().unwrap().len(), 16);
    assert_eq!(data["responses"][0]["advantages"].as_array().unwrap().len(), 3);
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    for (args, part) in [
        (&["--step", "5"][..], "step 5 begins with the checkpoint of step 4, which is not kept"),
        (&["--step", "9"], "step 9 begins with the checkpoint of step 8"),
        (&["--step", "0"], "expected a step of the run, from 1 on"),
        (
            &["--step", "4", "--set", "sampling.temperature=0.5"],
            "sampling.temperature: the responses were sampled and scored with 1.0",
        ),
        (
            &["--step", "4", "--advantage", "gae", "--set", "critic.optim.lr=1e-3"],
            "[critic]: the run has none",
        ),
        (&["--step", "4", "--set", "loss.kl.coef=0.1"], "[loss.kl]: the run has kept no reference"),
        (&["--step", "4", "--credit", "rythm"], "rythm"),
    ] {
        let ended = replay(&place, "runs/tiny", args);
        assert!(ended.code == 2 && ended.err.contains(part), "{args:?}: {} {}", ended.code, ended.err);
    }
    // Responses that were changed are another step.
    let path = "runs/tiny/rollouts/step_000004.jsonl";
    let other = place.read(path).replacen("\"reward\":0.1", "\"reward\":1.0", 1).replacen(
        "\"reward\":0.0",
        "\"reward\":1.0",
        1,
    );
    place.write(path, other);
    let ended = replay(&place, "runs/tiny", &["--step", "4"]);
    assert!(
        ended.code == 1 && ended.err.contains("this is NOT the step that the run made"),
        "{} {}",
        ended.code,
        ended.err
    );
}

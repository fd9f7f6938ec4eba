//! `verify`: a recipe tried on a few short steps.

use serde_json::Value;

use super::place::{Place, RECIPE};

#[test]
fn a_recipe_that_keeps_its_promises_is_told_so() {
    let place = Place::new();
    let credit = "[signals]\nhorizon = [2, 8]\n[[credit]]\ntype = \"rhythm\"\n[loss.kl]\ncoef = 0.1\n";
    let sink = "[[observe.sink]]\ntype = \"command\"\nprogram = [\"touch\", \"told\"]\n";
    place.write("tiny.toml", RECIPE.replace("minibatches = 2", "minibatches = 1") + credit + sink);
    let ended = place.run(&[
        "verify",
        "tiny.toml",
        "--set",
        "checkpoint.best=eval/heldout/avg@2",
        "--set",
        "eval.patience=2",
    ]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    for part in [
        "shortened by --set batch.prompts=4 --set run.steps=4 --set checkpoint.every=2",
        "--set eval.patience=0 --set eval.every=0\n",
        "ok      learning",
        "ok      first update",
        "ok      sampler against learner",
        "ok      reference",
        "ok      resume                   stopped behind step 2 and resumed: ",
        "of weights, moments, responses and metrics are the same to the last bit",
        "ok      replay                   step 3 made again from its responses: every advantage",
    ] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    assert!(!place.path("runs").exists(), "nothing is left");
    assert!(!place.path("told").exists(), "nobody is told");
}

#[test]
fn what_a_recipe_breaks_is_found_and_what_a_person_sets_stays() {
    let place = Place::new();
    // A grader that says something else each time cannot be resumed to the bit.
    let grader = "import json, random, sys\nfor line in sys.stdin:\n    answer = {'id': json.loads(line)['id'], 'value': random.random()}\n    \
                  print(json.dumps(answer), flush=True)\n";
    place.write("grader.py", grader);
    let grader = "[[reward]]\ntype = \"command\"\nprogram = [\"python3\", \"grader.py\"]\n";
    place.write("tiny.toml", RECIPE.replace("[advantage]", &format!("{grader}[advantage]")));
    let ended =
        place.run(&["verify", "tiny.toml", "--set", "batch.prompts=2", "--set", "run.steps=3", "--json"]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert!(
        !found["shortened"]
            .as_array()
            .unwrap()
            .iter()
            .any(|set| set.as_str().unwrap().starts_with("batch.prompts"))
    );
    let of = |what: &str| {
        found["checked"].as_array().unwrap().iter().find(|one| one["what"] == what).unwrap()["good"].clone()
    };
    assert_eq!((of("resume"), of("replay")), (Value::Bool(false), Value::Bool(true)), "{found}");

    let ended = place.run(&["verify", "tiny.toml", "--set", "optim.lrr=1"]);
    assert!(ended.code == 2 && ended.err.contains("lrr"), "{}", ended.err);
    assert_eq!(place.run(&["verify", "none.toml"]).code, 2);
}

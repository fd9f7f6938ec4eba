//! `audit`: what it says and leaves behind, where it goes on, what it refuses.

use std::fs;

use serde_json::Value;

use super::inspect::drive;
use super::place::{Ended, FINISHED, Place, RECIPE, copy, finish, send};

/// A recipe with problems enough, of which some are solved.
const MORE: [&str; 2] = ["--set", "data.train_items=200"];
/// A small audit.
const SMALL: [&str; 12] = [
    "--budget",
    "192",
    "--group",
    "4",
    "--continued",
    "8",
    "--cuts",
    "2",
    "--continuations",
    "2",
    "--probes",
    "1",
];
const CREDIT: [&str; 2] = ["--credit", "entropy,shuffled_entropy,random"];

fn audit(place: &Place, args: &[&[&str]]) -> Ended {
    place.run(&[&["audit", "tiny.toml"], &args.concat()[..]].concat())
}

fn refusal(place: &Place, args: &[&str]) -> String {
    let ended = place.run(args);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {}", ended.err);
    ended.err
}

#[test]
fn an_audit_tells_every_arm_and_leaves_a_page() {
    let place = Place::new();
    // In a precision that all machines have, so that they all solve some problems.
    let f32 = ["--set", "model.dtype=\"f32\""];
    let ended = audit(&place, &[&MORE, &SMALL, &CREDIT, &f32]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let folder = "runs/audit_tiny";
    let found = place.json(&format!("{folder}/audit.json"));
    assert_eq!(found["arms"], serde_json::json!(["uniform", "entropy", "shuffled_entropy", "random"]));
    assert_eq!(found["n_responses"], 192);
    let metrics: Vec<&Value> =
        found["progress"].as_array().unwrap().iter().map(|own| &own["metric"]).collect();
    assert_eq!(metrics, ["adam", "raw", "body"]);
    for progress in found["progress"].as_array().unwrap() {
        for row in progress["rows"].as_array().unwrap() {
            let ratio = &row["merit"]["ratio"];
            let [value, low, high] =
                [&ratio["value"], &ratio["ci95"][0], &ratio["ci95"][1]].map(|x| x.as_f64().unwrap());
            assert!(low <= value && value <= high, "{row}");
            assert!(row["verdict"].as_str().is_some_and(|verdict| !verdict.is_empty()));
        }
    }
    assert!(
        found["tokens"]["difference_error"].as_f64().unwrap() < 0.01,
        "{}",
        found["tokens"]["difference_error"]
    );
    let captures = &found["captures"];
    assert_eq!((captures["arms"].as_array().unwrap().len(), &captures["counts"][0]), (4, &Value::from(8)));
    // What pays all tokens alike finds nothing.
    assert!((captures["arms"][0]["area"]["value"].as_f64().unwrap() - 0.5).abs() < 1e-9);
    for line in
        ["192 responses to 48 prompts", "Progress per response under Adam", "Where the reward is decided"]
    {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
    for line in [
        "  uniform, entropy, shuffled_entropy",
        "  192 responses in groups of 4, by a gradient of every arm; beside them responses to 8 prompts, continued from ",
    ] {
        assert!(ended.err.contains(line), "{line}: {}", ended.err);
    }
    let (markdown, page) =
        (place.read(&format!("{folder}/audit.md")), place.read(&format!("{folder}/audit.html")));
    assert!(
        markdown.starts_with("# Audit of tiny\n") && markdown.contains("| shuffled_entropy "),
        "{markdown}"
    );
    assert!(markdown.contains("rlcredit audit tiny.toml"), "the command that makes it");
    assert!(page.contains("\"pieces\":[[\"") && !page.contains("{{data}}"));
    place.write("page.html", page);
    place.write("page.jsonl", place.read(&format!("{folder}/audit.json")));
    drive(&place);
    // All of it is kept, so that it is said again at once, as JSON on request.
    let again = audit(&place, &[&MORE, &SMALL, &CREDIT, &f32, &["--json"]]);
    assert_eq!(serde_json::from_str::<Value>(&again.out).unwrap(), found);
}

#[test]
fn an_interrupted_audit_goes_on_to_the_same_numbers() {
    let whole = Place::new();
    assert_eq!(audit(&whole, &[&MORE, &SMALL, &CREDIT]).code, 0);
    let place = Place::new();
    copy(&whole.path("runs/.warm_starts"), &place.path("runs/.warm_starts"));
    let args = [&["audit", "tiny.toml"], &MORE[..], &SMALL, &CREDIT].concat();
    let kept = "runs/audit_tiny/kept.jsonl";
    let some = || fs::read_to_string(place.path(kept)).is_ok_and(|text| text.lines().count() > 2);
    let child = place.start_until(&args, some);
    send(&child, "INT");
    let ended = finish(child);
    // Where it came too late there is nothing to go on with.
    if ended.code != 0 {
        assert!(
            ended.code == 130 && ended.err.contains("the same command goes on from there"),
            "{}",
            ended.err
        );
        assert!(!place.path("runs/audit_tiny/audit.json").exists());
    }
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("goes on behind "), "{}", ended.err);
    let json = "runs/audit_tiny/audit.json";
    assert_eq!(place.json(json), whole.json(json));
    // Another audit does not go on with these numbers.
    let said = refusal(&place, &[&args[..2], &MORE[..], &SMALL[..], &["--credit", "random"]].concat());
    assert!(said.contains("holds another audit") && said.contains("--out"), "{said}");
}

#[test]
fn runs_and_checkpoints_are_audited_with_their_own_optimiser() {
    let place = Place::new();
    copy(&FINISHED.path("runs"), &place.path("runs"));
    let of = |target: &str, out: &str| {
        let args = [&["audit", target], &MORE[..], &SMALL, &CREDIT, &["--json", "--out", out]].concat();
        let ended = place.run(&args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    let (run, early) = (of("runs/tiny", "a"), of("runs/tiny/checkpoints/step_000003", "b"));
    assert_ne!(run["progress"], early["progress"]);
    assert_eq!(run["progress"], of("runs/tiny/checkpoints/step_000006", "c")["progress"]);
    // The weights alone, as any model: plain progress is the same, Adam has other moments.
    let of_step = |step: &str| place.path("runs/tiny/checkpoints").join(step).join("model");
    copy(&of_step("step_000006"), &place.path("model"));
    let args =
        [&["audit", "model", "--recipe", "tiny.toml"], &MORE[..], &SMALL, &CREDIT, &["--json"]].concat();
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let bare: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(bare["progress"][1], run["progress"][1]);
    assert_ne!(bare["progress"][0], run["progress"][0]);
    assert!(
        place.path("runs/audit_tiny_model/audit.json").exists(),
        "beside that of the recipe's own policy"
    );
    // Other weights in the same folder are another model.
    let weights = "model.safetensors";
    fs::copy(of_step("step_000003").join(weights), place.path("model").join(weights)).unwrap();
    let said = refusal(&place, &args);
    assert!(said.contains("holds another audit"), "{said}");
}

#[test]
fn what_cannot_be_audited_is_said_before_the_work() {
    let place = Place::new();
    let with = |more: &[&str]| refusal(&place, &[&["audit", "tiny.toml"], &MORE[..], more].concat());
    for (more, expected) in [
        (&["--credit", "rythm"][..], "no credit strategy is called \"rythm\"; expected one of uniform"),
        (&["--credit", "uniform"], "there is no strategy to compare with uniform"),
        (
            &["--budget", "20", "--group", "4"],
            "budget: got 20, expected at least 48, 12 prompts of `group` responses",
        ),
        (&["--group", "1"], "group: got 1, expected at least 2"),
        (&["--budget", "100000", "--group", "4"], "[data] has 200 to learn from; about "),
        (&["--budget", "192", "--continuations", "1"], "continuations: got 1, expected at least 2"),
        (
            &["--budget", "192", "--cuts", "99"],
            "`cuts`: got 99, expected below [sampling] `max_new_tokens` = 24",
        ),
        (&["--budget", "192", "--probes", "0"], "probes: got 0, expected at least 1"),
        (&["--budget", "192", "--set", "sampling.top_p=0.9"], "--set sampling.top_p=1.0"),
    ] {
        let said = with(more);
        assert!(said.contains(expected), "{more:?}: {said}");
        assert!(!place.path("runs").exists(), "{more:?} has begun to work");
    }
    let said = with(&["--credit", "segment"]);
    assert!(said.contains("segment: the recipe has no [values]"), "{said}");
    // All of it at once.
    let said = with(&["--credit", "rythm", "--probes", "0", "--set", "sampling.top_k=5"]);
    for expected in
        ["did you mean rhythm?", "probes: got 0", "`top_k` and `min_new_tokens` cut the distribution off"]
    {
        assert!(said.contains(expected), "{said}");
    }
    for (target, expected) in [
        ("nowhere", "nowhere: there is no such file or folder; expected a recipe, a run"),
        ("nowhere.toml", "nowhere.toml"),
    ] {
        assert!(refusal(&place, &["audit", target]).contains(expected));
    }
    fs::create_dir(place.path("empty")).unwrap();
    assert!(refusal(&place, &["audit", "empty"]).contains("empty: not of a run; expected a recipe"));
    // A run that has not come to a checkpoint, and one without weights.
    copy(&FINISHED.path("runs/tiny"), &place.path("tiny"));
    fs::remove_dir_all(place.path("tiny/checkpoints/step_000006/model")).unwrap();
    let ended = place.run(&["audit", "tiny/checkpoints/step_000006"]);
    assert!(ended.code != 0 && ended.err.contains("model"), "{}", ended.err);
    fs::remove_dir_all(place.path("tiny/checkpoints")).unwrap();
    let none = "the run has no checkpoint, or has it no longer";
    assert!(refusal(&place, &["audit", "tiny"]).contains(none));
    fs::create_dir(place.path("tiny/checkpoints")).unwrap();
    assert!(refusal(&place, &["audit", "tiny"]).contains(none));
}

/// A policy that solves nothing gives no audit, and says so before gradients are taken.
#[test]
fn rewards_without_variance_are_said() {
    let place = Place::new();
    place.write(
        "tiny.toml",
        RECIPE.replace("preset = \"tinyzero\"", "preset = \"exact\"").replace("steps = 20", "steps = 1"),
    );
    let ended = audit(&place, &[&MORE, &SMALL, &CREDIT]);
    assert!(ended.code == 1 && ended.err.contains("have the same reward"), "{} {}", ended.code, ended.err);
}

/// An audit on the way changes no bit of the run, and its numbers stand in the row of its step.
#[test]
fn a_run_may_audit_itself() {
    let recipe = RECIPE.replace("train_items = 22", "train_items = 200").replace("steps = 6", "steps = 3");
    let own =
        "[audit]\nevery = 2\ncredit = [\"entropy\"]\nbudget = 192\ngroup = 4\ncontinued = 0\nprobes = 1\n";
    let (plain, audited) = (Place::new(), Place::new());
    plain.write("tiny.toml", &recipe);
    audited.write("tiny.toml", recipe + own);
    for place in [&plain, &audited] {
        let ended = place.run(&["train", "tiny.toml"]);
        assert_eq!(ended.code, 0, "{}", ended.err);
    }
    let weights = "runs/tiny/checkpoints/step_000003/model/model.safetensors";
    assert_eq!(fs::read(plain.path(weights)).unwrap(), fs::read(audited.path(weights)).unwrap());
    let rows = audited.lines("runs/tiny/metrics.jsonl");
    let found = audited.json("runs/tiny/audits/step_000002/audit.json");
    let adam = &found["progress"][0];
    let number = |value: &Value| value.as_f64().unwrap();
    let slope = number(&adam["uniform"]["signal"]) / number(&adam["uniform"]["error"]);
    assert!(rows[0]["audit/slope"].is_null() && rows[2]["audit/slope"].is_null());
    assert!((number(&rows[1]["audit/slope"]) - slope).abs() < 1e-9 * slope.abs());
    // No ratio is told to a slope that was not found.
    let ratio = Some(number(&adam["rows"][0]["merit"]["ratio"]["value"])).filter(|_| slope > 3.0);
    assert_eq!(rows[1]["audit/entropy/ratio"].as_f64(), ratio);
}

/// A task that tells the value of every prefix is measured against it.
#[test]
fn where_a_bifurcation_is_decided_is_known_exactly() {
    let place = Place::new();
    let data = "[data]\ntype = \"bifurcation\"\nlayout = \".Fddd.dF.dd\"\nbranches = 2\nsigns = 4\ndecoys = 8\ntrain_items = 200\neval_items = 8\n";
    let (before, rest) = RECIPE.split_once("[data]").unwrap();
    let (_, after) = rest.split_once("[explore]").unwrap();
    let recipe = format!("{before}{data}[explore]{after}")
        .replace("countdown2m", "words2m")
        .replace("type = \"countdown_demos\"\nmax_lines = 1\nguesses = 1", "type = \"bifurcation_demos\"")
        .replace("type = \"countdown\"\npreset = \"tinyzero\"", "type = \"bifurcation\"")
        .replace("steps = 20\nbatch_size = 8", "steps = 60\nbatch_size = 16");
    place.write("tiny.toml", recipe);
    let ended = audit(&place, &[&SMALL, &CREDIT]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("by the exact value of every prefix"), "{}", ended.out);
    let found = place.json("runs/audit_tiny/audit.json");
    let known = &found["known"];
    let number = |value: &Value| value.as_f64().unwrap();
    assert!((number(&known["arms"][0]["area"]["value"]) - 0.5).abs() < 1e-9);
    // Two of eleven words and the end of the response decide all.
    assert!(number(&known["oracle"]["area"]["value"]) > 0.85, "{}", known["oracle"]["area"]);
    // The sum of the squared changes is p (1 - p) on average, 3/16 where both branches are even.
    assert!((number(&known["closure"]["value"]) - 1.0).abs() < 0.35, "{}", known["closure"]);
}

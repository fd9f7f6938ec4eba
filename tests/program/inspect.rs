//! What `inspect` says about responses: against numbers from transformers, against what training recorded, on a page in a
//! browser, and about input that cannot be read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::place::{FINISHED, Place};

/// The keys of a line, in order; those of a response of a run after them.
const KEYS: [&str; 20] = [
    "tokens",
    "response_start",
    "logprobs",
    "entropies",
    "layers",
    "spans",
    "local",
    "global",
    "waad",
    "fai",
    "jump",
    "gamma",
    "marks",
    "steps",
    "fci",
    "branch_at",
    "branch_before_step",
    "label",
    "prompt",
    "pieces",
];

/// Texts that would be something else on a page or in a terminal if they were taken as they are.
const NASTY: &str =
    "</script><script>document.title='owned'</script><!--<b>&amp;\"'`${1}\t\u{1b}[31m\n\n<eos>";

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn inspect(place: &Place, args: &[&str]) -> Vec<Value> {
    let ended = place.run(&[&["inspect", "--json"], args].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    lines(&ended.out)
}

pub(crate) fn refusal(place: &Place, args: &[&str]) -> String {
    let ended = place.run(&[&["inspect"], args].concat());
    assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}: {}", ended.err);
    ended.err
}

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn floats(value: &Value) -> Vec<Option<f64>> {
    value.as_array().unwrap().iter().map(Value::as_f64).collect()
}

fn positions(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect()
}

fn assert_close(got: &Value, expected: &Value, tolerance: f64, what: &str) {
    let (got, expected) = (floats(got), floats(expected));
    assert_eq!(got.len(), expected.len(), "{what}");
    let same = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance * b.abs().max(1.0),
        (a, b) => a == b,
    };
    assert!(got.iter().zip(&expected).all(same), "{what}: {got:?} {expected:?}");
}

/// Whether `chosen` are as many of the highest `scores` as they should be, but for what rounding can turn around.
fn assert_top(chosen: &[usize], scores: &[Option<f64>], what: &str) {
    let most = (0.4 * scores.len() as f64 - 1e-9).ceil() as usize;
    assert_eq!(chosen.len(), most.min(scores.iter().flatten().count()), "{what}");
    let least = chosen.iter().map(|t| scores[*t].unwrap()).fold(f64::INFINITY, f64::min);
    let others = (0..scores.len()).filter(|t| !chosen.contains(t)).filter_map(|t| scores[t]);
    assert!(others.fold(f64::NEG_INFINITY, f64::max) <= least + 1e-5, "{what}");
}

/// The sets and coefficients of a line follow from its own WAAD and FAI as the paper says.
fn assert_anatomy(line: &Value) {
    let (waad, fai): (Vec<f64>, _) =
        (floats(&line["waad"]).into_iter().flatten().collect(), floats(&line["fai"]));
    let n = waad.len();
    let jump: Vec<Option<f64>> =
        (0..n).map(|t| Some(waad.get(t + 1).map_or(0.0, |next| (waad[t] - next).abs()))).collect();
    assert_close(&line["jump"], &json!(jump), 1e-5, "jump");
    let marked = |strategy: &str, name: &str| {
        let marks = line["marks"][strategy].as_array().unwrap();
        positions(&marks.iter().find(|mark| mark["name"] == name).unwrap()["tokens"])
    };
    let t_loc = marked("local_chunk", "large jump");
    let [t_glob, dominated, intro] = ["anchor", "dominated", "opener"].map(|name| marked("rhythm", name));
    assert_eq!(marked("global_anchor", "anchor"), t_glob);
    assert_top(&t_loc, &jump, "t_loc");
    assert_top(&t_glob, &fai, "t_glob");
    assert!(dominated.iter().all(|s| t_glob.contains(s)) && intro.is_empty() == dominated.is_empty());
    assert!(intro.iter().all(|u| dominated.iter().any(|s| u < s && s - u <= 3)));
    let gamma =
        |extra: &dyn Fn(usize) -> f64| json!((0..n).map(|t| 1.0 + 0.5 * extra(t)).collect::<Vec<_>>());
    let is = |set: &[usize], t: usize| f64::from(u8::from(set.contains(&t)));
    assert_eq!(line["gamma"]["local_chunk"], gamma(&|t| is(&t_loc, t)));
    assert_eq!(line["gamma"]["global_anchor"], gamma(&|t| is(&t_glob, t)));
    let rhythm = |t| is(&t_glob, t) - 0.5 * is(&dominated, t) + 0.5 * is(&intro, t);
    assert_eq!(line["gamma"]["rhythm"], gamma(&rhythm));
}

#[test]
fn token_ids_on_a_model_without_a_tokenizer_give_the_numbers_of_transformers() {
    let place = Place::new();
    let golden_signals: Value =
        serde_json::from_str(&std::fs::read_to_string(golden("signals.json")).unwrap()).unwrap();
    let horizon = format!("signals.horizon={}", golden_signals["horizon"]);
    let window = format!("signals.window={}", golden_signals["window"]);
    for family in ["llama", "qwen2", "qwen3"] {
        let expected = &golden_signals["families"][family];
        let sequences = expected["sequences"].as_array().unwrap();
        let input: String = sequences
            .iter()
            .map(|s| format!("{}\n", json!({"prompt_tokens": s["prompt"], "response_tokens": s["response"]})))
            .collect();
        place.write("in.jsonl", input);
        let model = golden(family);
        let args = [
            model.to_str().unwrap(),
            "--input",
            "in.jsonl",
            "--set",
            &horizon,
            "--set",
            &window,
            "--set",
            "signals.layers=all",
        ];
        let found = inspect(&place, &args);
        assert_eq!(found.len(), sequences.len());
        for (line, sequence) in found.iter().zip(sequences) {
            assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS);
            let (prompt, response) =
                (sequence["prompt"].as_array().unwrap(), sequence["response"].as_array().unwrap());
            assert_eq!(line["tokens"], json!([prompt.as_slice(), response].concat()));
            assert_eq!(line["response_start"], prompt.len());
            assert_eq!((&line["local"], &line["global"]), (&expected["local"], &expected["global"]));
            assert_close(&line["waad"], &sequence["waad"], 1e-5, "waad");
            assert_close(&line["fai"], &sequence["fai"], 1e-5, "fai");
            for (span, head) in
                line["spans"].as_array().unwrap().iter().zip(sequence["heads"].as_array().unwrap())
            {
                assert_eq!((&span[0], &span[1]), (&head["id"][0], &head["id"][1]));
                assert_close(&json!([span[2]]), &json!([head["span"]]), 1e-5, "span");
            }
            assert_eq!(floats(&line["logprobs"]).len(), response.len());
            assert!(floats(&line["entropies"]).into_iter().flatten().all(|entropy| entropy > 0.0));
            assert_anatomy(line);
        }
        // The groups of each response are those of its own spans.
        let own = inspect(&place, &[&args, &["--heads", "per-sequence"][..]].concat());
        for line in &own {
            let mut spans: Vec<&Value> = line["spans"].as_array().unwrap().iter().collect();
            spans.sort_by(|a, b| a[2].as_f64().unwrap().total_cmp(&b[2].as_f64().unwrap()));
            let local = line["local"].as_array().unwrap();
            assert!(local.iter().any(|id| *id == json!([spans[0][0], spans[0][1]])), "{family}");
            assert_anatomy(line);
        }
        let drawn = place.run(&[&["inspect"], &args[..], &["--limit", "1"]].concat());
        let first = format!("<{}>", sequences[0]["response"][0]);
        assert!(drawn.code == 0 && drawn.out.contains(&first), "{}{}", drawn.out, drawn.err);
    }
}

#[test]
fn a_run_s_own_weights_give_what_training_recorded() {
    let place = Place::warmed();
    let credit = "credit=[{type=\"rhythm\", gain=3.0}]";
    let sets =
        ["--set", credit, "--set", "model.dtype=f32", "--set", "checkpoint.every=1", "--set", "run.steps=2"];
    let ended = place.run(
        &[&["train", "tiny.toml", "--set", "signals.horizon=[2, 20]", "--set", "eval.every=0"], &sets[..]]
            .concat(),
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
    let recorded = place.lines("runs/tiny/rollouts/step_000002.jsonl");
    let ended = place.run(&["inspect", "--run", "runs/tiny", "--step", "2", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("checkpoints/step_000001/model, which sampled step 2"), "{}", ended.err);
    assert!(ended.err.contains("settings: runs/tiny/resolved.toml"), "{}", ended.err);
    let found = lines(&ended.out);
    assert_eq!(found.len(), recorded.len());
    let (mut same, mut n) = (0, 0);
    for (line, record) in found.iter().zip(&recorded) {
        for key in ["logprobs", "waad", "fai"] {
            assert_close(&line[key], &record[key], 1e-3, key);
        }
        assert!(line["tokens"].as_array().unwrap().ends_with(record["tokens"].as_array().unwrap()));
        let gains =
            line["gamma"]["rhythm"].as_array().unwrap().iter().zip(record["gamma"].as_array().unwrap());
        gains.for_each(|(a, b)| (same, n) = (same + usize::from(a == b), n + 1));
    }
    // Equal but where rounding turned two ranks around.
    assert!(same as f64 >= 0.98 * f64::from(n), "{same} of {n}");

    // Step 1 was sampled with SFT's weights, and the newest checkpoint or another model may look as well.
    let first = place.run(&["inspect", "--run", "runs/tiny", "--step", "1", "--limit", "1"]);
    assert!(
        first.out.contains("step_000002/model, the run's newest; those that sampled step 1 are not kept"),
        "{}",
        first.out
    );
    assert!(first.out.contains("step 1, prompt "), "{}", first.out);
    let model = place.path("runs/tiny/checkpoints/step_000002");
    let other = inspect(&place, &[model.to_str().unwrap(), "--run", "runs/tiny", "--step", "2"]);
    assert_eq!((other.len(), &other[0]["tokens"]), (found.len(), &found[0]["tokens"]));
    assert_ne!(other[0]["logprobs"], found[0]["logprobs"]);
}

#[test]
fn texts_and_their_token_ids_are_the_same_and_settings_come_from_run_recipe_and_overrides() {
    let line = FINISHED.lines("runs/tiny/rollouts/step_000006.jsonl").remove(0);
    let place = Place::new();
    let model = FINISHED.path("runs/tiny/checkpoints/step_000006/model");
    let model = model.to_str().unwrap();
    place.write(
        "ids.jsonl",
        json!({"prompt_tokens": line["prompt_tokens"], "response_tokens": [20, 30, 40, 50]}).to_string(),
    );
    let ids = inspect(&place, &[model, "--input", "ids.jsonl"]).remove(0);
    let text = |tokens: &[Value]| -> String {
        let tokenizer = tokenizers::Tokenizer::from_file(Path::new(model).join("tokenizer.json")).unwrap();
        let ids: Vec<u32> = tokens.iter().map(|t| t.as_u64().unwrap() as u32).collect();
        tokenizer.decode(&ids, false).unwrap()
    };
    let (prompt, response) =
        ids["tokens"].as_array().unwrap().split_at(ids["response_start"].as_u64().unwrap() as usize);
    place.write(
        "text.jsonl",
        json!({"prompt": text(prompt), "response": text(response), "id": 7}).to_string(),
    );
    let mut of_text = inspect(&place, &[model, "--input", "text.jsonl"]).remove(0);
    assert_eq!((&ids["label"], of_text["label"].take()), (&json!("ids.jsonl:1"), json!("text.jsonl:1")));
    of_text["label"] = ids["label"].clone();
    assert_eq!(of_text, ids);
    // None of the four holds a line's end, so that each is a step, and none has four steps behind it.
    assert_eq!(ids["steps"], json!([[0, 1], [1, 2], [2, 3], [3, 4]]));
    assert_eq!((&ids["fci"], &ids["branch_before_step"]), (&json!([0.0, 0.0, 0.0, 0.0]), &json!([2, 3])));
    // Four tokens have nothing ten tokens later.
    assert!(floats(&ids["fai"]).iter().all(Option::is_none));
    assert_eq!(ids["marks"]["global_anchor"][0]["tokens"], json!([]));

    let lines = json!({"prompt": "Make 3 from 7, 1, 2.\n", "response": "7+1=8 no\n7-1=6, 6/2=3 yes\n2-1=1 no\n<answer>"});
    place.write("lines.jsonl", lines.to_string());
    let tree = "explore={type=\"tree\", rule={type=\"attention\", distance=1, min_start=0, min_gap=0}}";
    let found = inspect(&place, &[model, "--input", "lines.jsonl", "--set", tree]).remove(0);
    let steps: Vec<(usize, usize)> = serde_json::from_value(found["steps"].clone()).unwrap();
    let pieces: Vec<String> = serde_json::from_value(found["pieces"].clone()).unwrap();
    let texts: Vec<String> = steps.iter().map(|(start, end)| pieces[*start..*end].concat()).collect();
    assert_eq!(texts, ["7+1=8 no\n", "7-1=6, 6/2=3 yes\n", "2-1=1 no\n", "<answer>"]);
    let fci = floats(&found["fci"]);
    assert!(
        fci[0] == Some(0.0) && fci[1] > Some(0.0) && fci[2] > Some(0.0) && fci[3] == Some(0.0),
        "{fci:?}"
    );
    assert_eq!(found["branch_before_step"], json!([2, 3]));

    place.write("near.toml", super::place::RECIPE.to_owned() + "[signals]\nhorizon = [1, 9]\n");
    for args in [&["--recipe", "near.toml"][..], &["--set", "signals.horizon=[1, 9]"]] {
        let near = inspect(&place, &[&[model, "--input", "ids.jsonl"], args].concat()).remove(0);
        assert_eq!(floats(&near["fai"]).iter().flatten().count(), 3, "{args:?}");
        assert_anatomy(&near);
    }
}

#[test]
fn the_terminal_shows_every_response_with_and_without_colours() {
    let args = ["inspect", "--run", "runs/tiny", "--step", "4", "--limit", "2"];
    let plain = FINISHED.run(&args);
    assert_eq!(plain.code, 0, "{}", plain.err);
    for part in [
        "weights   runs/tiny/checkpoints/step_000003/model, which sampled step 4\n",
        "heads     4 local, 4 global of 12, chosen by all responses together\n",
        "gains     mean (weighted by entropy): rhythm 1.",
        "A anchor   D dominated   o opener\n",
        "gain of rhythm ",
        "step 4, prompt ",
        "prompt: Make ",
        " tokens; anchor ",
        "mean log-prob -",
    ] {
        assert!(plain.out.contains(part), "{part}: {}", plain.out);
    }
    assert_eq!(plain.out.matches("reward ").count(), 2);
    assert_eq!(FINISHED.run(&[&args[..], &["--color", "never"]].concat()).out, plain.out);
    let colored = FINISHED.program(&[&args[..], &["--color", "always"]].concat()).output().unwrap();
    assert!(String::from_utf8(colored.stdout).unwrap().contains("\u{1b}[38;2;0;0;0;48;2;"));
    // Control characters of a response do not reach the terminal: `run` would fail.
    let place = Place::new();
    place.write("in.jsonl", json!({"prompt": NASTY, "response": NASTY}).to_string());
    let nasty = FINISHED.run(&["inspect", "runs/tiny", "--input", place.path("in.jsonl").to_str().unwrap()]);
    assert!(nasty.code == 0 && nasty.out.contains("␉␛[31m⏎\n"), "{}{}", nasty.out, nasty.err);
}

#[test]
fn a_page_shows_the_numbers_in_a_browser() {
    let place = Place::new();
    let prompt = "Make 6 from 1, 2, 3.\n";
    let input = ["1*2*3=6 yes\n<answer>1*2*3</answer><eos>", NASTY, "é"]
        .map(|response| format!("{}\n", json!({"prompt": prompt, "response": response})));
    place.write("a<b>&\"in.jsonl", input.concat());
    let run = FINISHED.path("runs/tiny");
    let horizon = "signals.horizon=[2, 20]";
    let args = [
        "inspect",
        run.to_str().unwrap(),
        "--input",
        "a<b>&\"in.jsonl",
        "--set",
        horizon,
        "--json",
        "--html",
        "page.html",
    ];
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("page.html: 3 responses"), "{}", ended.err);
    place.write("page.jsonl", &ended.out);
    let page = place.read("page.html");
    assert!(
        !page.contains("document.title='owned'</script>")
            && !page.contains("http:")
            && !page.contains("https:")
    );
    drive(&place);
}

/// That `page.html` of `place` shows in a browser what `page.jsonl` says, where there is a browser.
pub(crate) fn drive(place: &Place) {
    drive_page(&place.path("page.html"), &place.path("page.jsonl"));
}

/// That the page at `page` shows in a browser what the file `numbers` says, where there is a browser.
pub(crate) fn drive_page(page: &Path, numbers: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test_page");
    let driven = Command::new(script).args([page, numbers]).output().unwrap();
    let said = String::from_utf8_lossy(&driven.stdout) + String::from_utf8_lossy(&driven.stderr);
    if driven.status.code() == Some(77) {
        // Past the harness, which would swallow it.
        let said = format!("\n*** a page in a browser: {said}\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    }
    assert!(driven.status.success(), "{said}");
}

#[test]
fn input_that_cannot_be_read_ends_in_a_sentence() {
    let place = Place::new();
    let run = FINISHED.path("runs/tiny");
    let run = run.to_str().unwrap();
    let tiny = golden("llama");
    let good = json!({"prompt": "1+", "response": "2"});
    let long = json!({"prompt_tokens": vec![5; 300], "response_tokens": vec![5; 300]});
    for (model, line, parts) in [
        (
            run,
            json!({"prompt": "1+2"}),
            &["in.jsonl:2: ", "neither `response` nor `response_tokens`: got `prompt`", "expected {"][..],
        ),
        (
            run,
            json!({"prompt": "1", "response": ["2"]}),
            &["in.jsonl:2: ", "`response`: got [\"2\"], not a text"],
        ),
        (run, json!({"prompt": "", "response": "2"}), &["in.jsonl:2: prompt: no tokens"]),
        (run, json!({"prompt": "1", "response_tokens": []}), &["in.jsonl:2: response: no tokens"]),
        (
            run,
            json!({"prompt": "1", "response_tokens": [3, 70_000]}),
            &["in.jsonl:2: response: token 70000 at position 1", "1129 entries"],
        ),
        (run, long, &["in.jsonl:2: ", "together 600", "512 positions"]),
        (
            tiny.to_str().unwrap(),
            good.clone(),
            &["in.jsonl:1: prompt: got a text", "no tokenizer.json", "prompt_tokens"],
        ),
        ("nowhere", good.clone(), &["nowhere: there is no such folder"]),
    ] {
        place.write("in.jsonl", format!("{good}\n{line}\n"));
        let said = refusal(&place, &[model, "--input", "in.jsonl"]);
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    // All that is wrong is said at once, lines that do not read before those that a model cannot read.
    let (empty, far) =
        (json!({"prompt": "", "response": "2"}), json!({"prompt": "1", "response_tokens": [70_000]}));
    place.write("in.jsonl", format!("{empty}\n{good}\n{far}\n"));
    let said = refusal(&place, &[run, "--input", "in.jsonl"]);
    assert!(
        said.contains("in.jsonl:1: prompt: no tokens") && said.contains("in.jsonl:3: response: token 70000"),
        "{said}"
    );
    place.write("in.jsonl", format!("{{}}\n{good}\n[]\n"));
    let said = refusal(&place, &[run, "--input", "in.jsonl"]);
    assert!(said.contains("in.jsonl:1: neither") && said.contains("in.jsonl:3: invalid type"), "{said}");
    place.write("in.jsonl", json!({"prompt": "1+é", "response": "2"}).to_string());
    let ended = place.run(&["inspect", run, "--input", "in.jsonl"]);
    assert!(ended.code == 0 && ended.err.contains("the vocabulary does not have `é`"), "{}", ended.err);
    place.write("in.jsonl", "{\"prompt\": \"1\"");
    assert!(refusal(&place, &[run, "--input", "in.jsonl"]).contains("in.jsonl:1: EOF while parsing"));
    place.write("in.jsonl", "\n");
    assert!(refusal(&place, &[run, "--input", "in.jsonl"]).contains("in.jsonl: holds no lines"));
    assert!(refusal(&place, &[run, "--input", "none.jsonl"]).contains("none.jsonl: cannot be read"));
    let said = refusal(&place, &["--run", run, "--step", "9"]);
    let without = refusal(&place, &["--run", run]);
    assert!(
        without.contains("--step is missing; the run has kept the responses of steps 1 to 6"),
        "{without}"
    );
    assert!(said.contains("no responses of step 9; the run has kept those of steps 1 to 6"), "{said}");
    assert!(refusal(&place, &["--run", "nowhere", "--step", "1"]).contains("nowhere: not a run"));

    place.write("in.jsonl", good.to_string());
    let with = |args: &[&str]| refusal(&place, &[&[run, "--input", "in.jsonl"], args].concat());
    let said = with(&["--set", "signals.windw=5"]);
    assert!(said.contains("--set signals.windw=5: ") && said.contains("`window`"), "{said}");
    assert!(with(&["--set", "signals.layers=[1, 9]"]).contains("`layers`: got 9, the model has 4 layers"));
    assert!(with(&["--limit", "0"]).contains("--limit: got 0"));
    assert!(with(&["--recipe", "none.toml"]).contains("none.toml: no such file"));
    assert!(with(&["--run", run, "--step", "1"]).contains("--run"));
    for args in [&[][..], &[run], &["--run", run], &["--step", "1"]] {
        refusal(&place, args);
    }
}

//! The text of the likeliest mistakes.

use std::path::Path;

use super::{BASE, Recipe, parse, problems};

/// The one problem of the recipe with `from` replaced by `to`.
fn mistake(from: &str, to: &str, expected: &str) {
    assert_eq!(BASE.matches(from).count(), 1, "{from}");
    assert_eq!(problems(&BASE.replace(from, to), &[]), [format!("x.toml:{expected}")]);
}

/// One that only a file and a line of the registry know is explained as the others are.
/// Other problems than those of the base.
const FORKS: &str =
    "data={type=\"bifurcation\", layout=\"F.dE\", branches=4, signs=4, train_items=1000, eval_items=10}";

#[test]
fn a_strategy_that_was_added_is_explained() {
    let said = |entry: &str| parse(BASE, &[entry]).unwrap_err().to_string();
    let unknown = said("credit=[{type=\"lat\"}]");
    assert!(unknown.contains("did you mean \"late\"?"), "{unknown}");
    let key = said("credit=[{type=\"late\", gian=2.0}]");
    assert!(key.contains("`gian` is not a key of type = \"late\"; did you mean `gain`?"), "{key}");
    let range = said("credit=[{type=\"late\", fraction=2.0}]");
    assert!(range.contains("`fraction`: got 2, expected above 0 and at most 1"), "{range}");
}

/// What keys were called before.
#[test]
fn keys_that_have_moved_are_found_at_their_new_place() {
    for (entry, expected) in [
        ("advantage.without_signal=drop", "it is called `zero_variance` and belongs in [groups]"),
        ("advantage.refill_rounds=2", "it belongs in [groups]"),
        ("advantage.drop_uniform=true", "write `zero_variance` = \"drop\" in [groups]"),
        ("advantage.shared=once", "it is called `shared_prefix` and belongs in [batch]"),
        ("advantage.train_unbranched=true", "it belongs in [explore]"),
        ("sampling.max_rows=8", "it is called `max_num_seqs`"),
        ("batch.recompute=true", "it is called `gradient_checkpointing`"),
        ("sft.lr_warmup_steps=1", "it is called `warmup_steps`"),
        ("warmup={steps=1}", "[warmup] is not a section; it is called [sft]"),
        ("loss.type=clip", "it belongs in [loss.policy]"),
        ("loss.clip_high=0.28", "it belongs in [loss.policy]"),
    ] {
        let error = parse(BASE, &[entry]).unwrap_err().to_string();
        assert!(error.contains(expected), "{entry}: {error}");
    }
}

#[test]
fn the_likeliest_mistakes_are_explained() {
    mistake(
        "lr = 5e-5",
        "learning_rate = 5e-5",
        "53: [optim] `learning_rate` is not a key here; did you mean `lr`?",
    );
    mistake(
        "max_new_tokens =",
        "max_new_token =",
        "35: [sampling] `max_new_token` is not a key here; did you mean `max_new_tokens`?",
    );
    mistake(
        "max_grad_norm = 1.0",
        "temperature = 1.0",
        "55: [optim] `temperature` is not a key here; it belongs in [sampling] or [eval]",
    );
    mistake(
        "clip_low = 0.2",
        "beta = 0.2",
        "49: [loss.policy] `beta` is not a key of type = \"clip\"; it is called `coef` and belongs in [loss.kl]",
    );
    mistake(
        "max_number = 20",
        "max_number = \"20\"",
        "24: [data] `max_number`: got \"20\", expected a whole number, 0 or more; write it without quotes",
    );
    mistake(
        "numbers = [3, 3]",
        "numbers = 3",
        "23: [data] `numbers`: got 3, expected a list of 2, each a whole number, 0 or more",
    );
    mistake("lr = 5e-5", "", "52: [optim] `lr` is missing; it takes a number");
    let said = problems(&BASE.replace("type = \"clip\"", "type = \"clipped\""), &[]).concat();
    let begins = "x.toml:48: [loss.policy] `type`: got \"clipped\", expected one of \"clip\", ";
    assert!(said.starts_with(begins) && said.ends_with("; did you mean \"clip\"?"), "{said}");
    mistake(
        "scale = \"group_std\"",
        "scale = \"std\"",
        "43: [advantage] `scale`: got \"std\", expected one of \"group_std\", \"batch_std\", \"none\"",
    );
    mistake(
        "type = \"group\"\nscale",
        "type = \"leave_one_out\"\nscale",
        "43: [advantage] `scale` is not a key of type = \"leave_one_out\"; it belongs to type = \"group\"",
    );
    mistake(
        "minibatches = 2",
        "minibatches = 5",
        "59: [batch] `minibatches`: got 5, expected a divisor of `prompts` = 48, such as 4 or 6",
    );
    mistake(
        "clip_high = 0.2",
        "clip_high = -0.2",
        "50: [loss.policy] `clip_high`: got -0.2, expected a finite number above 0",
    );
    mistake(
        "max_grad_norm = 1.0",
        "final_lr_ratio = 0.1",
        "55: [optim] `final_lr_ratio` has no effect with `schedule` = \"constant\"; leave it out, or choose \"linear\" or \"cosine\"",
    );
}

#[test]
fn mistakes_about_sections_are_explained() {
    let heading = |from: &str, to: &str| problems(&BASE.replace(from, to), &[]);
    assert_eq!(
        heading("[optim]", "[optimizer]"),
        ["x.toml:52: [optimizer] is not a section; did you mean [optim]?"]
    );
    assert_eq!(heading("[[reward]]", "[reward]"), ["x.toml:37: [reward] is one of a list; write [[reward]]"]);
    assert_eq!(
        heading("[run]", "seed = 1\n[run]"),
        ["x.toml:1: `seed` stands outside of all sections and belongs in [run] or [data]"]
    );
    assert_eq!(
        problems("", &[])[..4],
        [
            "x.toml: [run] is missing; it needs `name`, `steps`",
            "x.toml: [model] is missing; its keys are `path`, `hub`, `revision`, `scratch`, `dtype`, `device`, `backend`, `scale_heads`, `lora`",
            "x.toml: [data] is missing; it needs `type`: one of \"countdown\", \"arithmetic\", \"bifurcation\", \"files\"",
            "x.toml: [explore] is missing; it needs `type`: one of \"group\", \"tree\"",
        ]
    );
    assert_eq!(problems("[run\n", &[]), ["x.toml:1: `[run` is not TOML: unclosed table, expected `]`"]);
    let missing = Recipe::load(Path::new("nowhere.toml"), &[]).unwrap_err().to_string();
    assert!(missing.starts_with("nowhere.toml: cannot be read: "), "{missing}");
}

/// A heading that is lost gives its keys to the section before; that is one mistake, whatever it looks like.
#[test]
fn a_section_without_its_heading_is_one_mistake() {
    for (heading, said) in [
        (
            "[optim]\n",
            "[optim] is missing, and its keys `lr`, `max_grad_norm`, `weight_decay` stand in [loss.policy]; write [optim]",
        ),
        (
            "[sampling]\n",
            "[sampling] is missing, and its keys `max_new_tokens`, `temperature` stand in [explore]; write",
        ),
        (
            "[run]\n",
            "[run] is missing, and its keys `name`, `seed`, `steps` stand outside of all sections; write [run]",
        ),
    ] {
        assert_eq!(BASE.matches(heading).count(), 1, "{heading}");
        let problems = problems(&BASE.replace(heading, ""), &[]);
        assert!(problems.len() == 1 && problems[0].contains(said), "{problems:?}");
    }
    assert_eq!(problems(&BASE.replace("[explore]", "[explore"), &[]).len(), 1);
    let first = problems(&BASE.replace("numbers = [3, 3]", "numbers = [3, 3"), &[]);
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].starts_with("x.toml:23: `numbers = [3, 3` is not TOML: "), "{first:?}");
}

#[test]
fn many_problems_are_cut_with_their_number() {
    let lines: String = (0..1000).map(|i| format!("nonsense_{i} = {i}\n")).collect();
    let said = problems(&BASE.replace("[optim]\n", &format!("[optim]\n{lines}")), &[]);
    assert_eq!(said.len(), 41);
    assert_eq!(said[40], "and 960 more; mend these first");
}

/// Twice as much takes about twice as long, seconds in all; a thousand times would show, however slow the machine.
#[test]
fn thousands_of_keys_are_read_in_a_moment() {
    let start = std::time::Instant::now();
    let keys: String = (0..20_000).map(|i| format!("key_{i} = {i}\n")).collect();
    assert_eq!(
        parse(&BASE.replace("[optim]\n", &format!("[optim]\n{keys}")), &[]).unwrap_err().0.len(),
        20_000
    );
    let sections: String = (0..20_000).map(|i| format!("[section_{i}]\n")).collect();
    assert_eq!(parse(&format!("{BASE}\n{sections}"), &[]).unwrap_err().0.len(), 20_000);
    let rewards = "[[reward]]\nweight = nan\npreset = 1\n".repeat(5_000);
    assert!(parse(&format!("{BASE}\n{rewards}"), &[]).unwrap_err().0.len() >= 5_000);
    let layers: Vec<String> = (0..100_000).map(|i| i.to_string()).collect();
    assert!(parse(BASE, &[&format!("signals.layers=[{}, 5]", layers.join(", "))]).is_err());
    let long = "k".repeat(500_000);
    assert_eq!(
        parse(&BASE.replace("[optim]\n", &format!("[optim]\n{long} = 1\n")), &[]).unwrap_err().0.len(),
        1
    );
    assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
}

#[test]
fn a_file_that_is_no_text_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.toml");
    let said = || Recipe::load(&path, &[]).unwrap_err().to_string();
    std::fs::write(&path, b"[run]\nname = \"caf\xe9\"\n").unwrap();
    assert!(said().contains("x.toml: cannot be read: line 2 is not UTF-8"), "{}", said());
    std::fs::write(&path, "#\n".repeat(1 << 20)).unwrap();
    assert!(said().contains("it has 2097152 bytes, more than the 1048576 that are read"), "{}", said());
    let said = Recipe::load(Path::new("/dev/zero"), &[]).unwrap_err().to_string();
    assert!(said.contains("it is a device, expected a file"), "{said}");
}

#[test]
fn temperatures_that_nothing_can_be_divided_by_are_refused() {
    for key in ["sampling", "eval"] {
        for temperature in ["1e-40", "1e-7", "1e7", "1e300"] {
            let said = problems(BASE, &[&format!("{key}.temperature={temperature}")]);
            let expected =
                format!("[{key}] `temperature`: got {temperature}, expected 1e-6 to 1e6, by which");
            assert!(said.len() == 1 && said[0].contains(&expected), "{said:?}");
        }
        for temperature in ["1e-6", "0.6", "1e6"] {
            assert!(parse(BASE, &[&format!("{key}.temperature={temperature}")]).is_ok());
        }
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = BASE
        .replace("steps = 120", "steps = 0")
        .replace("type = \"countdown_demos\"", "")
        .replace("size = 8", "sizes = 8")
        .replace("preset = \"exact\"", "weight = nan\npreset = 1")
        .replace("lr = 5e-5", "betas = [0.9, 1.0]\nlr = \"x\"")
        .replace("prompts = 48", "prompts = \"many\"");
    assert_eq!(
        problems(&text, &["loss.kl.estimator=k3", "sampling.top_p=2"]),
        [
            "x.toml:4: [run] `steps`: got 0, expected at least 1",
            "x.toml:16: [sft.source] `type` is missing; it takes one of \"countdown_demos\", \"bifurcation_demos\", \"jsonl\"",
            "x.toml:31: [explore] `sizes` is not a key of type = \"group\"; did you mean `size`?",
            "x.toml:39: [[reward]] #1 `weight`: got NaN, expected a finite number",
            "x.toml:40: [[reward]] #1 `preset`: got 1, expected one of \"exact\", \"tinyzero\", \"nano_aha\", \"grpo_zero\"",
            "x.toml:54: [optim] `betas`: got [0.9, 1.0], expected two numbers, each 0 or more and below 1, the first at most the second",
            "x.toml:55: [optim] `lr`: got \"x\", expected a number",
            "x.toml:60: [batch] `prompts`: got \"many\", expected a whole number, 0 or more",
            "--set loss.kl.estimator=k3: [loss.kl] `coef` is missing; it takes a number",
            "--set sampling.top_p=2: [sampling] `top_p`: got 2, expected above 0 and at most 1",
        ]
    );
}

#[test]
fn settings_of_signals_that_cannot_be_meant_are_named() {
    assert_eq!(
        problems(BASE, &["signals.layers=[1, 2, 1]", "signals.horizon=[0, 5]", "signals.window=0"]),
        [
            "--set signals.layers=[1, 2, 1]: [signals] `layers`: got 1 twice, expected each layer once",
            "--set signals.horizon=[0, 5]: [signals] `horizon`: got [0, 5], expected 1 or more tokens ahead",
            "--set signals.window=0: [signals] `window`: got 0, expected at least 1 token",
        ]
    );
    let far =
        parse(BASE, &["signals.window=50000", "credit=[{type=\"rhythm\", lookback=5000}]"]).unwrap().notes();
    assert_eq!(far.len(), 2, "{far:?}");
}

#[test]
fn the_sense_of_the_whole_is_checked() {
    for (entry, expected) in [
        (
            "model.path=weights",
            "[model] has `path` and `scratch`; write one of them: a Hugging Face folder, the name of a model on the hub or a preset",
        ),
        ("model.revision=main", "[model] `revision` has no effect without `hub`; leave it out"),
        (
            "explore.size=1",
            "[explore] `size`: got 1, expected at least 2, since this [advantage] compares responses within a group",
        ),
        (
            "sampling.temperature=0",
            "[sampling] `temperature`: got 0, expected above 0, since training learns from differing responses",
        ),
        (
            "sampling.top_k=1",
            "[sampling] `top_k`: got 1, expected 0 or at least 2, since training learns from differing responses",
        ),
        (
            "batch.max_tokens=80",
            "[batch] `max_tokens`: got 80, expected at least 81: [sampling] `max_new_tokens` = 80 and a prompt",
        ),
        (
            "batch.prompts=30000",
            "[batch] `prompts`: got 30000, expected at most [data] `train_items` = 20000",
        ),
        ("reward=[]", "[[reward]]: the list is empty, so nothing could be learnt; add a grader"),
        ("reward.0.weight=0", "[[reward]]: every `weight` is 0, so nothing could be learnt"),
        (
            "groups.refill_rounds=2",
            "[groups] `refill_rounds` has no effect without zero_variance = \"refill\"; leave it out",
        ),
        (
            "groups={zero_variance=\"refill\", refill_rounds=0}",
            "[groups] `refill_rounds`: got 0, expected at least 1; zero_variance = \"drop\" replaces nothing",
        ),
        (
            "advantage={type=\"gae\"}",
            "[advantage] `type` = \"gae\" needs a critic: add a section [critic] with optim = { lr = ... }",
        ),
        (
            "critic={optim={lr=1e-4}}",
            "[critic] has no effect without [advantage] `type` = \"gae\"; leave it out, or choose that",
        ),
        (
            "overlong={type=\"penalty\", buffer=81}",
            "[overlong] `buffer`: got 81, expected 1 to [sampling] `max_new_tokens` = 80",
        ),
        (
            "importance_sampling={cap=0}",
            "[importance_sampling] `cap`: got 0, expected a finite number above 0; usual are 2 to 10",
        ),
        ("loss.policy.dual_clip=1", "[loss.policy] `dual_clip`: got 1, expected a finite number above 1"),
        ("loss.entropy_bonus=-1", "[loss] `entropy_bonus`: got -1, expected a finite number, 0 or more"),
        (
            "loss.kl={coef=0.0, adaptive={target=0.1}}",
            "[loss.kl] `coef`: got 0, expected above 0 where it adapts: it is multiplied",
        ),
        (
            "loss.kl={coef=0.1, adaptive={target=0.0}}",
            "[loss.kl.adaptive] `target`: got 0, expected a finite number above 0",
        ),
        ("loss.policy.clip_low=1", "[loss.policy] `clip_low`: got 1, expected above 0 and below 1"),
        ("loss.kl.coef=-1", "[loss.kl] `coef`: got -1, expected a finite number, 0 or more"),
        ("sft.warmup_steps=501", "[sft] `warmup_steps`: got 501, expected at most `steps` = 500"),
        (
            "optim.lr=1.5",
            "[optim] `lr`: got 1.5, expected above 0 and at most 1, since every weight moves by about that much; usual \
             are 1e-6 to 1e-2",
        ),
        (
            "sft.lr=0",
            "[sft] `lr`: got 0, expected above 0 and at most 1, since every weight moves by about that much; usual are \
             1e-6 to 1e-2",
        ),
        (
            "optim.betas=[0.9, 0.5]",
            "[optim] `betas`: got [0.9, 0.5], expected two numbers, each 0 or more and below 1, the first at most the second",
        ),
        ("optim.eps=1e-20", "[optim] `eps`: got 0.00000000000000000001, expected 1e-16 to 1"),
        ("optim.weight_decay=1e9", "[optim] `weight_decay`: got 1000000000, expected 0 to 1"),
        ("sft.source.guesses=0", "[sft.source] `guesses`: got 0, expected at least 1"),
        ("run.name=../x", "[run] `name`: got \"../x\", expected the name of one folder"),
        ("eval.samples=0", "[eval] `samples`: got 0, expected at least 1"),
    ] {
        assert_eq!(problems(BASE, &[entry]), [format!("--set {entry}: {expected}")]);
    }
    for (entries, expected) in [
        (
            &["reward=[{type=\"math\"}]"][..],
            "[[reward]] #1 `type`: got a grader that cannot judge the problems of [data], Countdown problems; expected one that can",
        ),
        (
            &["reward=[{type=\"bifurcation\"}]"][..],
            "[[reward]] #1 `type`: got a grader that cannot judge the problems of [data], Countdown problems; expected one that can",
        ),
        (
            &["sft.source={type=\"bifurcation_demos\"}"][..],
            "[sft.source] `type`: got \"bifurcation_demos\", expected \"countdown_demos\", since [data] has other problems than \
             bifurcations",
        ),
        (
            &[FORKS, "sft.source={type=\"bifurcation_demos\"}"][..],
            "[[reward]] #1 `type`: got a grader that cannot judge the problems of [data], bifurcations; expected one that can, \
             such as \"bifurcation\"",
        ),
        (
            &[FORKS, "reward=[{type=\"bifurcation\"}]"][..],
            "[sft.source] `type`: got \"countdown_demos\", expected \"bifurcation_demos\", since [data] has other problems than \
             Countdown",
        ),
        (
            &[
                FORKS,
                "data.layout=EF",
                "reward=[{type=\"bifurcation\"}]",
                "sft.source={type=\"bifurcation_demos\", skill=0.1}",
            ][..],
            "[data] `layout`: got \"EF\", expected its own F before each E",
        ),
        (
            &["reward=[{type=\"format\", tags=[\"answer\"]}, {type=\"length\", max=80, buffer=20}]"][..],
            "[[reward]]: no grader says whether a response is correct; add one that does",
        ),
        (
            &["reward=[{type=\"countdown\"}, {type=\"length\", max=80, buffer=81}]"][..],
            "[[reward]] #2 `buffer`: got 81, expected 1 to `max` = 80",
        ),
        (
            &["reward=[{type=\"countdown\"}, {type=\"format\", pattern=\"(\"}]"][..],
            "[[reward]] #2 `pattern`: got \"(\", expected a regular expression: error: unclosed group",
        ),
        (
            &["reward=[{type=\"command\", program=[]}]"][..],
            "[[reward]] #1 `program`: got none, expected a program and its arguments",
        ),
        (&["explore={type=\"tree\", rounds=0}"][..], "[explore] `rounds`: got 0, expected at least 1"),
        (
            &["explore={type=\"tree\", rule={type=\"attention\", top_fraction=0.0}}"][..],
            "[explore.rule] `top_fraction`: got 0.0, expected above 0 and at most 1",
        ),
        (
            &["explore={type=\"tree\", rule={type=\"entropy\"}, expand={type=\"difficulty\"}}"][..],
            "[explore.expand] `filter`: got true, expected false, or rule.type = \"attention\"",
        ),
        (
            &["explore={type=\"tree\", rounds=9}"][..],
            "[explore] `rounds`: got 9, with which a prompt may have 2097150 responses, expected at most 10000 of them",
        ),
        (
            &["explore={type=\"tree\", roots=1}"][..],
            "[explore] `roots`: got 1, expected at least 2 with this [advantage], which compares responses",
        ),
        (
            &["batch.shared_prefix=once"][..],
            "[batch] `shared_prefix`: got \"once\", expected \"every_path\" with [explore] `type` = \"group\"",
        ),
        (
            &["advantage={type=\"gae\"}", "critic={optim={lr=1e-4}}", "groups.zero_variance=drop"][..],
            "[groups] `zero_variance`: expected \"keep\" with this [advantage], which compares no responses",
        ),
        (
            &["sampler={type=\"adaptive\", target=0, most=99}"][..],
            "[sampler] `target`: got 0, expected at least 1",
        ),
        (
            &["sampler={type=\"adaptive\", target=9, most=2}"][..],
            "[sampler] `most`: got 2, expected at least [batch] `prompts` = ",
        ),
        (
            &["explore={type=\"tree\", rounds=2}", "pipeline.type=one_step_off"],
            "[explore] `rounds`: got 2, expected 1 with [pipeline] `type` = \"one_step_off\"",
        ),
        (
            &["groups.zero_variance=refill", "pipeline.type=one_step_off"],
            "[groups] `zero_variance` = \"refill\" takes further calls within a step",
        ),
        (
            &["groups.zero_variance=refill", "sampler={type=\"adaptive\", target=9, most=99}"],
            "[sampler] `type` = \"adaptive\" asks for more prompts where few tell something, and so does [groups]",
        ),
    ] {
        let found = problems(BASE, entries);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
    assert!(parse(BASE, &["groups.zero_variance=refill", "pipeline.type=overlapped"]).is_ok());
    let far = parse(BASE, &["explore={type=\"tree\"}"]).unwrap().notes();
    assert!(
        far[0].starts_with("[explore.rule] `min_start` = 512 counts from the prompt's first token"),
        "{far:?}"
    );
    let hub = BASE.replace("scratch = \"countdown2m\"", "hub = \"org/name\"");
    assert!(parse(&hub, &["model.revision=v1.0"]).is_ok());
    let found = problems(&hub, &["model.hub=a/b/c"]);
    assert!(
        found.len() == 1 && found[0].contains("got \"a/b/c\", expected the name of a model on the hub"),
        "{found:?}"
    );
    let neither = BASE.replace("scratch = \"countdown2m\"", "");
    assert_eq!(
        problems(&neither, &[]),
        [
            "x.toml:6: [model] has neither `path` nor `hub` nor `scratch`; write one of them: a Hugging Face folder, the \
             name of a model on the hub or a preset"
        ]
    );
    assert_eq!(parse(BASE, &[]).unwrap().notes(), Vec::<String>::new());
    assert_eq!(parse(BASE, &["sampling.top_k=5", "optim.warmup_steps=500"]).unwrap().notes().len(), 2);
    let idle = ["signals.heads=all", "signals.head_fraction=0.5", "signals.regroup_every=frozen"];
    let notes = parse(BASE, &idle).unwrap().notes();
    assert!(
        notes.len() == 1 && notes[0].contains("`head_fraction` and `regroup_every` have no effect"),
        "{notes:?}"
    );
    let notes = parse(BASE, &["loss.kl={coef=0.0,estimator=\"k1\"}"]).unwrap().notes();
    assert!(notes.len() == 1 && notes[0].contains("`coef` = 0 is no penalty"), "{notes:?}");
    let in_loss = ["loss.kl.coef=0.1", "loss.kl.estimator=k1"];
    let notes = parse(BASE, &in_loss).unwrap().notes();
    assert!(notes.len() == 1 && notes[0].contains("a gradient of mean 0"), "{notes:?}");
    assert!(parse(BASE, &[&in_loss[..], &["loss.kl.place=reward"]].concat()).unwrap().notes().is_empty());
    // Settings of signals wait for a strategy to be switched on.
    assert_eq!(parse(BASE, &["signals.horizon=[4, 40]"]).unwrap().notes(), Vec::<String>::new());
}

#[test]
fn groups_for_good_are_written_by_name() {
    for frozen in ["signals.regroup_every=0", "signals.regroup_every=frozen"] {
        let text = parse(BASE, &[frozen]).unwrap().to_toml().unwrap();
        assert!(text.contains("\nregroup_every = \"frozen\"\n"), "{text}");
    }
    assert_eq!(
        problems(BASE, &["signals.regroup_every=never"]),
        [
            "--set signals.regroup_every=never: [signals] `regroup_every`: got \"never\", expected \"frozen\" or a number of steps"
        ]
    );
}

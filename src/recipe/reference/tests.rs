//! That nothing is left without a word, and what a person gets to read.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{credit::strategy::CreditConfig, optim::OptimConfig};

fn reference() -> Reference {
    Reference::of_program().unwrap()
}

fn section<'a>(reference: &'a Reference, path: &str) -> &'a Section {
    reference.sections.iter().find(|section| section.path == path).unwrap()
}

fn entry(path: &str, variant: Option<&str>, key: &str) -> Entry {
    let reference = reference();
    let mut variants = section(&reference, path).variants.iter();
    let variant = variants.find(|own| own.name == variant).unwrap();
    variant.keys.iter().find(|entry| entry.name == key).unwrap().clone()
}

#[test]
fn every_section_choice_and_key_is_said_in_a_sentence() {
    let mut silent = Vec::new();
    let mut judge = |place: String, about: &str| {
        if about.len() < 12 || !about.ends_with(['.', '!', ')']) || about.contains("See `") {
            silent.push(format!("{place}: {about:?}"));
        }
    };
    for Section { path, about, variants, .. } in &reference().sections {
        judge(path.clone(), about);
        for Variant { name, about, keys } in variants {
            name.iter().for_each(|name| judge(format!("{path}.{name}"), about));
            for Entry { name: key, about, choices, .. } in keys {
                judge(format!("{path}.{name:?}.{key}"), about);
                let without = choices.iter().filter(|(_, meaning)| meaning.is_empty());
                without.for_each(|(value, _)| judge(format!("{path}.{name:?}.{key} = {value}"), ""));
            }
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn it_has_every_section_of_a_recipe_and_every_choice_but_those_of_tests() {
    let reference = reference();
    let shape = SHAPE.as_ref().unwrap();
    let names: Vec<_> = reference.sections[0].variants[0].keys.iter().map(|entry| entry.name).collect();
    assert_eq!(names, shape.keys(None).unwrap().iter().map(|key| key.name).collect::<Vec<_>>());
    let credit: Vec<_> = section(&reference, "credit").variants.iter().filter_map(|own| own.name).collect();
    assert_eq!([credit, vec!["late"]].concat(), CreditConfig::NAMES);
    let graders = section(&reference, "reward").variants.iter();
    assert!(
        graders.clone().count() == 9
            && graders.into_iter().all(|own| own.keys.iter().any(|key| key.name == "weight"))
    );
    for path in ["loss.kl.adaptive", "explore.expand", "sft.source", "data.train", "critic.optim"] {
        section(&reference, path);
    }
}

#[test]
fn a_key_has_its_type_range_default_and_choices() {
    let lr = entry("optim", None, "lr");
    assert_eq!((lr.takes.as_str(), &lr.left_out, lr.range.len()), ("a number", &LeftOut::Refused, 1));
    assert!(lr.range[0].starts_with("above 0 and at most 1"), "{:?}", lr.range);
    let eps = entry("critic.optim", None, "eps");
    let config: OptimConfig = toml::from_str("lr = 0.1").unwrap();
    assert_eq!(eps.left_out, LeftOut::Value(format!("{:?}", config.eps)));
    assert_eq!(eps.range, ["1e-16 to 1"]);
    let schedule = entry("optim", None, "schedule");
    let written: Vec<&str> = schedule.choices.iter().map(|(value, _)| value.as_str()).collect();
    assert_eq!(written, ["\"constant\"", "\"linear\"", "\"cosine\""]);
    assert_eq!(schedule.left_out, LeftOut::Value("\"constant\"".into()));
    assert_eq!(entry("optim", None, "final_lr_ratio").left_out, LeftOut::Nothing);
    let layers = entry("signals", None, "layers");
    let written: Vec<&str> = layers.choices.iter().map(|(value, _)| value.as_str()).collect();
    assert_eq!(written, ["\"middle\"", "\"all\"", "a list"]);
    let workers = entry("reward", Some("command"), "workers");
    assert_eq!(workers.range, ["1 to 1024"]);
    let policy = entry("loss", None, "policy");
    assert_eq!(policy.left_out, LeftOut::Value("type = \"clip\"".into()));
    assert_eq!(policy.section.as_deref(), Some("loss.policy"));
    assert_eq!(entry("", None, "optim").left_out, LeftOut::Refused);
    assert_eq!(entry("", None, "overlong").left_out, LeftOut::Nothing);
}

#[test]
fn a_person_asks_for_sections_choices_and_keys() {
    let reference = reference();
    let said = |path: &str| reference.explain(path).unwrap();
    assert_eq!(
        said("optim.schedule"),
        "[optim] schedule\n    What follows the warm-up.\n    takes a name\n      \"constant\": Stays at `lr`.\n      \
         \"linear\": Falls in a straight line.\n      \"cosine\": Falls along half a cosine.\n    default \"constant\"\n"
    );
    let rhythm = said("credit.rhythm");
    assert!(rhythm.starts_with("[[credit]] type = \"rhythm\"\n") && rhythm.contains("\nalpha\n"), "{rhythm}");
    assert_eq!(said("credit.0.rhythm.alpha"), said("credit.alpha"));
    let with_gain = said("credit.gain").matches("[[credit]] type = ").count();
    assert!(
        with_gain > 1 && with_gain < said("credit").matches("type = ").count(),
        "{}",
        said("credit.gain")
    );
    assert!(said("loss.policy.clip.clip_low").contains("[loss.policy] type = \"clip\" clip_low"));
    assert!(said("loss").contains("rlcredit recipes --explain loss.policy"));
    assert_eq!(said("advantage.type"), said("advantage"));
    assert_eq!(said("learning_rate"), said("optim.lr"));
    assert_eq!(
        said("max-new-tokens").matches(" max_new_tokens\n").count(),
        reference.called("max_new_tokens").len()
    );
    assert!(said("").starts_with("A whole run") && said("").contains("\nimportance_sampling\n"));
}

#[test]
fn what_is_not_there_gets_the_hint_that_a_recipe_gets() {
    for (path, expected) in [
        ("optm", "[optm] is not a section; did you mean [optim]?"),
        ("optim.learning_rate", "[optim] `learning_rate` is not a key here; did you mean `lr`?"),
        ("loss.kl.cof", "[loss.kl] `cof` is not a key here; did you mean `coef`?"),
        ("credit.rythm", "did you mean \"rhythm\"?"),
        ("credit.rhythm.alfa", "[credit] `alfa` is not a key of type = \"rhythm\"; did you mean `alpha`?"),
        ("credit.fracton", "did you mean `fraction`?"),
        ("optim.lr.x", "[optim] `lr`"),
    ] {
        let said = reference().explain(path).unwrap_err().to_string();
        assert!(said.contains(expected), "{path}: {said}");
    }
}

#[test]
fn a_key_is_found_by_what_people_call_it() {
    let called =
        |name: &str| reference().called(name).into_iter().map(|meant| meant.path).collect::<Vec<_>>();
    for (name, expected) in [
        ("optim.lr", &["optim.lr"][..]),
        ("num-generations", &["explore.size"]),
        ("trainer.total_epochs", &["run.steps"]),
        ("actor_rollout_ref.rollout.n", &["explore.size"]),
        ("model_name_or_path", &["model.path", "model.hub"]),
        ("reward.weight", &["reward.0.weight"]),
        ("reward.2.weight", &["reward.2.weight"]),
        ("reward_weights", &["reward.0.weight"]),
        ("report_to", &["observe.sink", "observe.tensorboard"]),
        ("model", &[]),
        ("nonsense", &[]),
        ("optim.nonsense", &[]),
    ] {
        assert_eq!(called(name), expected, "{name}");
    }
    assert!(called("steps").contains(&"run.steps".to_owned()));
    assert!(reference().called("total_epochs")[0].remark.contains("as long as its number of steps"));
    assert!(reference().explain("total_epochs").unwrap().contains("as long as its number of steps"));
    let without = reference().explain("logging_steps").unwrap_err().to_string();
    assert!(without.contains("it has no counterpart: metrics always go to"), "{without}");
}

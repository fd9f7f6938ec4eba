//! Each kind of fault: what passes is tried again, and every request has one answer; what stays is said with address and remedy.

use std::time::{Duration, Instant};

use super::stub::{Asked, Fault, Kind, Stub};
use super::*;
use crate::rollout::Generated;
use serde_json::{Value, json};

/// Makes a fault.
type Make = fn() -> Fault;
/// Changes an answer.
type Edit = fn(&mut Value);

const OF_RESPONSE: [&str; 2] = ["/inference/v1/generate", "/generate"];

/// Whether it asks for a response of training: the draw that tells, and a text to recite, come before.
pub(super) fn is_response(asked: &Asked) -> bool {
    let params = asked.body.get("sampling_params");
    let seed = params.and_then(|params| params["seed"].as_i64().or(params["sampling_seed"].as_i64()));
    OF_RESPONSE.contains(&asked.path.as_str()) && seed.is_some_and(|seed| seed != 0)
}

/// What comes of asking a server that does `fault` to the third of the questions that `at` says.
fn with_fault(
    kind: Kind,
    keys: &str,
    at: fn(&Asked) -> bool,
    fault: Make,
) -> (Result<Generated>, Policy, String) {
    with_faults(kind, keys, at, fault, 1)
}

/// The same, to as many questions from the third on as `n` says.
fn with_faults(
    kind: Kind,
    keys: &str,
    at: fn(&Asked) -> bool,
    fault: Make,
    n: usize,
) -> (Result<Generated>, Policy, String) {
    let policy = sharp("qwen2");
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let first = if n == 1 { 2 } else { 0 };
    let stub = Stub::new(kind, &other(&policy), move |asked, _| {
        let count = || seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (at(asked) && (first..first + n).contains(&count())).then(fault)
    });
    let (mut engine, _dir) = engine(kind, &[&stub], keys);
    (generate(&mut engine, &policy, PLAIN), policy, stub.url)
}

#[test]
fn what_passes_is_asked_again_and_nothing_is_lost_or_doubled() {
    let faults: [(&str, Make, &str); 8] = [
        ("hangs up", || Fault::HangsUp, "the connection broke"),
        ("500", || Fault::Says(500, "Internal Server Error"), "got status 500 \"Internal Server Error\""),
        ("429", || Fault::Says(429, "slow down"), "got status 429"),
        ("HTML", || Fault::Says(200, "<html>a proxy</html>"), "the answer cannot be read"),
        ("half", || Fault::CutOff, "the connection broke"),
        ("late", || Fault::Late(Duration::from_secs(3)), "no answer within 1 s"),
        ("restart", || Fault::Restarted, "the connection broke"),
        ("unnoticed", || Fault::RestartedUnnoticed, "from the weights \"default\", expected \"rlcredit-"),
    ];
    for kind in [Kind::Vllm, Kind::Sglang] {
        for (name, fault, said) in faults {
            let keys = if name == "late" { "timeout_s = 1" } else { "" };
            let (generated, policy, url) = with_fault(kind, keys, is_response, fault);
            let generated = generated.unwrap_or_else(|error| panic!("{kind:?}, {name}: {error:#}"));
            assert_eq!(generated.completions.len(), 6);
            let far = distance(&policy, &generated, 1.0);
            assert!(far < 1e-4, "{kind:?}, {name}: {far}");
            let served = generated.served.unwrap();
            assert!(served.n_failed >= 1, "{kind:?}, {name}");
            let trouble = served.trouble.unwrap();
            assert!(trouble.starts_with(&url) && trouble.contains(said), "{kind:?}, {name}: {trouble}");
        }
    }
}

#[test]
fn a_response_that_is_given_up_is_asked_again() {
    let given_up: [(Kind, Make); 2] = [
        (Kind::Vllm, || Fault::Edited(|body| body["choices"][0]["finish_reason"] = json!("abort"))),
        (Kind::Sglang, || Fault::Edited(|body| body["meta_info"]["finish_reason"]["type"] = json!("abort"))),
    ];
    for (kind, fault) in given_up {
        let (generated, policy, _) = with_fault(kind, "", is_response, fault);
        let generated = generated.unwrap();
        assert!(distance(&policy, &generated, 1.0) < 1e-4);
        let trouble = generated.served.unwrap().trouble.unwrap();
        assert!(trouble.contains("gave a response up (`abort`)"), "{trouble}");
    }
}

#[test]
fn a_fault_that_does_not_pass_ends_after_as_many_tries_as_the_recipe_says() {
    let cases: [(Make, &str, &str); 2] = [
        (
            || Fault::Says(503, "starting"),
            "retries = 1",
            "got status 503 \"starting\", expected status 200; the server's log says more; given up after 2 tries, [engine] `retries` \
             = 1",
        ),
        (
            || Fault::Late(Duration::from_secs(2)),
            "retries = 9\ntimeout_s = 1",
            "no answer within 1 s; the server hangs or has more to do than it can: raise [engine] `timeout_s`, or lower \
             `concurrency`; given up after 3 tries",
        ),
    ];
    for (fault, keys, expected) in cases {
        let (generated, _, url) = with_faults(Kind::Vllm, keys, is_response, fault, 1000);
        let error = format!("{:#}", generated.unwrap_err());
        assert!(error.starts_with("prompt ") && error.contains(&url) && error.contains(expected), "{error}");
    }
}

/// A dead server leaves its share to the others.
#[test]
fn requests_go_elsewhere_where_there_is_elsewhere() {
    let policy = sharp("qwen2");
    let dead = Stub::new(Kind::Vllm, &other(&policy), |_, _| Some(Fault::HangsUp));
    let alive = Stub::new(Kind::Vllm, &other(&policy), |_, _| None);
    let (mut engine, _dir) = engine(Kind::Vllm, &[&dead, &alive], "");
    let begun = Instant::now();
    for step in 0..2 {
        let generated = generate(&mut engine, &policy, PLAIN).unwrap();
        assert!(distance(&policy, &generated, 1.0) < 1e-4, "{step}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(alive.asked(OF_RESPONSE[0]).iter().filter(|asked| is_response(asked)).count(), 12);
    // Both alive: each has a prompt of its own.
    let stubs = [0, 1].map(|_| Stub::new(Kind::Sglang, &other(&policy), |_, _| None));
    let (mut engine, _dir) = self::engine(Kind::Sglang, &[&stubs[0], &stubs[1]], "");
    generate(&mut engine, &policy, PLAIN).unwrap();
    for stub in &stubs {
        assert_eq!(stub.asked(OF_RESPONSE[1]).iter().filter(|asked| is_response(asked)).count(), 3);
    }
}

/// A server that was started anew between two steps, or between two calls of one.
#[test]
fn a_server_that_was_restarted_gets_its_weights_again() {
    for kind in [Kind::Vllm, Kind::Sglang] {
        for fault in [Fault::Restarted, Fault::RestartedUnnoticed] {
            let policy = sharp("qwen2");
            let armed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let trigger = std::sync::Arc::clone(&armed);
            let stub = Stub::new(kind, &other(&policy), move |asked, _| {
                (is_response(asked) && trigger.swap(false, std::sync::atomic::Ordering::Relaxed))
                    .then(|| fault.clone())
            });
            let (mut engine, _dir) = engine(kind, &[&stub], "");
            generate(&mut engine, &policy, PLAIN).unwrap();
            let version = stub.version();
            armed.store(true, std::sync::atomic::Ordering::Relaxed);
            let generated = generate(&mut engine, &policy, PLAIN).unwrap();
            assert!(distance(&policy, &generated, 1.0) < 1e-4);
            assert_eq!(stub.version(), version);
        }
    }
}

/// Says 200 and does otherwise.
#[test]
fn weights_that_are_not_those_of_the_learner_are_found_out() {
    const LOADS: [&str; 2] = ["/collective_rpc", "/update_weights_from_disk"];
    let is_load = |asked: &Asked| LOADS.contains(&asked.path.as_str());
    for kind in [Kind::Vllm, Kind::Sglang] {
        let faults: [Make; 2] = [|| Fault::Unheeded, || Fault::StaleHead];
        for fault in faults {
            let (generated, _, url) = with_faults(kind, "", is_load, fault, 1000);
            let error = format!("{:#}", generated.unwrap_err());
            let expected = format!(
                "{url} does not compute with the weights that it was given: the log-probabilities of 31 known tokens \
                 differ from the learner's by "
            );
            assert!(error.starts_with(&expected), "{kind:?}: {error}");
            assert!(error.ends_with("start it anew from that model as docs/engines.md says"), "{error}");
        }
    }
}

#[test]
fn an_answer_that_is_none_is_said_with_its_remedy() {
    let cases: [(Edit, &str); 8] = [
        (
            |body| {
                body["choices"][0]["token_ids"] = json!([7]);
                body["choices"][0]["logprobs"]["content"] = json!([{ "logprob": -1.0 }]);
                body["choices"][0]["finish_reason"] = json!("length");
            },
            "cut a response off after 1 tokens, expected",
        ),
        (
            |body| {
                body["choices"][0]["token_ids"] = json!([7]);
                body["choices"][0]["logprobs"]["content"] = json!([{ "logprob": -1.0 }]);
                body["choices"][0]["finish_reason"] = json!("stop");
            },
            "ended a response with token Some(7), expected one of the end tokens [2, 5,",
        ),
        (
            |body| {
                body["choices"][0]["token_ids"] = json!([2, 7]);
                body["choices"][0]["logprobs"]["content"] = json!([{ "logprob": -1.0 }, { "logprob": -1.0 }]);
            },
            "went on behind the end token 2, token 0 of 2; it does not heed `stop_token_ids`",
        ),
        (|body| body["choices"][0]["logprobs"]["content"] = json!([]), "tokens with 0 log-probabilities"),
        (
            |body| body["choices"][0]["token_ids"][0] = json!(99_999),
            "drew token 99999, which is none of the 64 of [model]: it serves another model; start it with this one",
        ),
        (|body| body["choices"] = json!([]), "expected one response"),
        (|body| body["choices"][0]["logprobs"] = Value::Null, "expected `token_ids` and `logprobs`"),
        (
            |body| body["choices"][0]["token_ids"] = json!("text"),
            "the answer cannot be read (data did not match",
        ),
    ];
    for (edit, expected) in cases {
        let policy = sharp("qwen2");
        let stub =
            Stub::new(Kind::Vllm, &policy, move |asked, _| is_response(asked).then_some(Fault::Edited(edit)));
        let (mut engine, _dir) = engine(Kind::Vllm, &[&stub], "retries = 0");
        let error = format!("{:#}", generate(&mut engine, &policy, PLAIN).unwrap_err());
        assert!(error.contains(&stub.url), "{error}");
        let is_typed = expected.starts_with("the answer cannot be read") && error.contains("invalid type");
        assert!(error.contains(expected) || is_typed, "{expected}: {error}");
    }
}

/// -9999 of vLLM, null of SGLang: the response ends with the token whose distribution was not finite.
#[test]
fn numbers_that_are_not_finite_end_a_response() {
    let broken: [(Kind, Edit); 2] = [
        (Kind::Vllm, |body| body["choices"][0]["logprobs"]["content"][0]["logprob"] = json!(-9999.0)),
        (Kind::Sglang, |body| body["meta_info"]["output_token_logprobs"][0][0] = Value::Null),
    ];
    for (kind, edit) in broken {
        let policy = sharp("qwen2");
        let stub =
            Stub::new(kind, &policy, move |asked, _| is_response(asked).then_some(Fault::Edited(edit)));
        let (mut engine, _dir) = engine(kind, &[&stub], "");
        for done in generate(&mut engine, &policy, PLAIN).unwrap().completions {
            assert_eq!((done.tokens.len(), done.finish), (1, Finish::Length));
            assert!(done.logprobs[0].is_nan());
        }
    }
}

#[test]
fn servers_without_the_door_of_tokens_are_asked_at_the_other() {
    let policy = sharp("qwen2");
    let stub = Stub::new(Kind::Vllm, &other(&policy), |asked, n| match asked.path.as_str() {
        "/inference/v1/generate" => Some(Fault::Says(403, "start the server with --enable-scale-out")),
        // This door does not say which weights answered; the server does.
        "/v1/completions" if n == 4 => Some(Fault::RestartedUnnoticed),
        _ => None,
    });
    let (mut engine, _dir) = engine(Kind::Vllm, &[&stub], "");
    let generated = generate(&mut engine, &policy, PLAIN).unwrap();
    assert!(distance(&policy, &generated, 1.0) < 1e-4);
    assert!(stub.asked("/v1/completions").len() >= 8);
    let trouble = generated.served.unwrap().trouble.unwrap();
    assert!(trouble.contains("answered with the weights \"default\""), "{trouble}");
}

#[test]
fn whoever_waits_for_servers_can_be_stopped() {
    for at in ["/weight_info", "/inference/v1/generate"] {
        let policy = sharp("qwen2");
        let stub = Stub::new(Kind::Vllm, &policy, move |asked, _| {
            (asked.path == at).then_some(Fault::Late(Duration::from_secs(60)))
        });
        let (mut engine, _dir) = engine(Kind::Vllm, &[&stub], "");
        let generation =
            Generation { random: RunRandom::new(5), purpose: Purpose::Rollout, step: 3, sampling: PLAIN };
        let begun = Instant::now();
        let mut asked = 0;
        let mut go_on = |_| {
            asked += 1;
            anyhow::ensure!(asked < 3, "stopped");
            Ok(())
        };
        let prepared = engine.prepare(&policy, &requests(), &PLAIN, &mut go_on);
        let stopped = prepared.and_then(|()| engine.generate(&policy, &requests(), &generation, &mut go_on));
        assert_eq!(stopped.unwrap_err().to_string(), "stopped");
        assert!(begun.elapsed() < Duration::from_secs(10), "{at}");
    }
}

#[test]
fn tokens_that_no_server_knows_are_not_sent() {
    let policy = sharp("qwen2");
    let stub = Stub::new(Kind::Sglang, &policy, |_, _| None);
    let (mut engine, _dir) = engine(Kind::Sglang, &[&stub], "");
    let request = GenRequest { prompt: prompt(9, vec![1, 64]), prefix: Vec::new(), sample: 0 };
    let error = engine.prepare(&policy, &[request], &PLAIN, &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().starts_with("prompt 9: token 64 is none of the 64 of [model]"), "{error:#}");
    assert!(stub.asked("/generate").is_empty());
}

#[test]
fn a_server_that_is_down_is_named() {
    let policy = sharp("qwen2");
    // Nobody listens where nobody does any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{port}");
    let (mut engine, _dir) = engine_at(Kind::Vllm, &[&url], "retries = 1");
    let error = format!("{:#}", generate(&mut engine, &policy, PLAIN).unwrap_err());
    let expected = format!(
        "{url} /weight_info: cannot be reached (Connection refused (os error 111)); is the server up?"
    );
    assert!(error.contains(&expected), "{error}");
}

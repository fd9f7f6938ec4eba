//! Servers that do not suit, as a person meets them: before a model is loaded, with address and remedy.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use super::place::{Place, RECIPE};

/// The address of a server that says `status` and `body` to everything.
fn server(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines();
            lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    url
}

/// What `train` says of a server at `url`, before it has done anything.
fn said(url: &str) -> String {
    let place = Place::new();
    place.write("tiny.toml", format!("{RECIPE}[engine]\ntype = \"vllm\"\nurls = [\"{url}\"]\n"));
    assert_eq!(place.run(&["check", "tiny.toml"]).code, 0);
    let ended = place.run(&["train", "tiny.toml"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(!ended.err.contains("SFT"), "{}", ended.err);
    ended.err
}

#[test]
fn a_server_that_does_not_suit_is_named_before_the_model_is_loaded() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let down = format!("http://{port}");
    let cases = [
        (
            down,
            "/v1/models: cannot be reached (Connection refused (os error 111)); is the server up? its log says more",
        ),
        (
            server("200 OK", "<html>It works!</html>"),
            "the answer cannot be read (expected value at line 1 column 1): \"<html>It works!</html>\"; expected the JSON of the \
             server that [engine] `type` names: is this its address, and no proxy in between?",
        ),
        (
            server("503 Busy", "starting"),
            "/v1/models: got status 503 \"starting\", expected status 200; the server's log says more",
        ),
        (
            server("200 OK", r#"{"data": [{"id": "other", "max_model_len": 4096}]}"#),
            "serves [\"other\"], expected [engine] `model` = \"policy\"; start it with --served-model-name policy",
        ),
        (
            server("200 OK", r#"{"data": [{"id": "policy", "max_model_len": 32}]}"#),
            "has a context of 32 tokens, expected at least",
        ),
        (
            server("200 OK", r#"{"data": [{"id": "policy", "max_model_len": 4096}]}"#),
            "/weight_info: the answer cannot be read (missing field `weight_version`",
        ),
    ];
    for (url, expected) in cases {
        let said = said(&url);
        assert!(said.contains(&format!("{url} ")) && said.contains(expected), "{expected}: {said}");
    }
}

/// Where that matters, and before anything is loaded: the only token left has a log-probability of 0.
#[test]
fn a_server_with_the_numbers_of_another_distribution_is_named_before_the_model_is_loaded() {
    let body = r#"{"data": [{"id": "policy", "max_model_len": 4096}], "weight_version": "default",
        "choices": [{"finish_reason": "length", "token_ids": [1, 2], "logprobs": {"content": [{"logprob": -0.3}, {"logprob": 0.0}]}}]}"#;
    let url = server("200 OK", body);
    let place = Place::new();
    let recipe = RECIPE.replace("[sampling]", "[sampling]\ntemperature = 0.7");
    place.write("tiny.toml", format!("{recipe}[engine]\ntype = \"vllm\"\nurls = [\"{url}\"]\n"));
    let ended = place.run(&["train", "tiny.toml"]);
    let expected = format!(
        "[engine]: {url} gives log-probabilities that are not those of the distribution that it draws from: -0.300 for a token that has \
         0.000; start vLLM with --logprobs-mode processed_logprobs"
    );
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains(&expected) && !ended.err.contains("SFT"), "{}", ended.err);
}

#[test]
fn keys_of_servers_are_checked_with_the_recipe() {
    let place = Place::new();
    for (engine, sampling, expected) in [
        ("type = \"vllm\"", "", "`urls`"),
        ("type = \"vllm\"\nurls = []", "", "[engine] `urls`: got [], expected at least one address"),
        (
            "type = \"sglang\"\nurls = [\"localhost:8000\"]",
            "",
            "[engine] `urls`: got [\"localhost:8000\"], expected addresses such as \"http://127.0.0.1:8000\"",
        ),
        ("type = \"vllm\"\nurls = [\"http://a\", \"http://a\"]", "", "http://a is there twice"),
        (
            "type = \"vllm\"\nurls = [\"http://a\"]\nconcurrency = 0",
            "",
            "[engine] `concurrency`: got 0, expected at least 1",
        ),
        (
            "type = \"vllm\"\nurls = [\"http://a\"]\nadapters = \"loaded\"",
            "",
            "[engine] `adapters` = \"loaded\" without [model.lora]: all weights learn, and there are no adapters to load; let `adapters` \
             be \"merged\", or give the policy adapters",
        ),
        ("type = \"local\"\nurls = [\"http://a\"]", "", "`urls` is not a key of type = \"local\""),
        (
            "type = \"vllm\"\nurls = [\"http://a\"]",
            "temperature = 3.0",
            "[sampling] `temperature`: got 3, expected at most 2 with [engine] `type` = \"vllm\"",
        ),
    ] {
        let recipe = RECIPE.replace("[sampling]", &format!("[sampling]\n{sampling}"));
        place.write("tiny.toml", format!("{recipe}[engine]\n{engine}\n"));
        let ended = place.run(&["check", "tiny.toml"]);
        assert_eq!(ended.code, 2, "{engine}: {}", ended.out);
        assert!(ended.err.contains(expected), "{expected}: {}", ended.err);
    }
}

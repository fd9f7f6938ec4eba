//! Weights come while nothing is answered, and servers answer again whatever became of them.

use std::time::Duration;

use super::faults::is_response;
use super::stub::{Fault, Kind, Stub};
use super::*;
use crate::rollout::{Expected, greet};

const KINDS: [Kind; 2] = [Kind::Vllm, Kind::Sglang];

/// As a run leaves it that ends while it gives it weights.
#[test]
fn a_server_that_was_left_paused_answers_again() {
    for kind in KINDS {
        let policy = sharp("qwen2");
        let stub = Stub::new(kind, &policy, |_, _| None);
        stub.pause();
        let config = config(kind, &[&stub.url], "");
        let (servers, dialect) = config.remote().unwrap();
        // The draw that tells would wait for ever.
        let warm = SamplingConfig { temperature: 0.7, ..PLAIN };
        let expected = Expected { prompt: &[1, 2], sampling: &warm, vocabulary: 64, rank: None };
        greet(servers, dialect, expected).unwrap();
        assert!(!stub.is_paused());

        stub.pause();
        let (mut engine, _dir) = engine(kind, &[&stub], "timeout_s = 1");
        generate(&mut engine, &policy, PLAIN).unwrap();
        // Somebody else did it, and the weights are there.
        stub.pause();
        let generated = generate(&mut engine, &policy, PLAIN).unwrap();
        assert!(distance(&policy, &generated, 1.0) < 1e-4);
        assert!(!stub.is_paused());
        assert_eq!(stub.n_loads(), 1);
    }
}

#[test]
fn a_server_answers_again_where_weights_did_not_come() {
    const LOADS: [&str; 2] = ["/collective_rpc", "/update_weights_from_disk"];
    for kind in KINDS {
        let policy = sharp("qwen2");
        let stub = Stub::new(kind, &policy, |asked, _| {
            LOADS.contains(&asked.path.as_str()).then_some(Fault::Says(500, "no such folder"))
        });
        let (mut engine, _dir) = engine(kind, &[&stub], "retries = 0");
        let error = format!("{:#}", generate(&mut engine, &policy, PLAIN).unwrap_err());
        assert!(error.contains("no such folder") && !stub.is_paused(), "{kind:?}: {error}");
    }
}

/// Ranks that ask the same server find out at the same time that it was started anew.
#[test]
fn ranks_bring_the_same_weights_to_the_same_server() {
    for kind in KINDS {
        for keys in ["", adapters::LOADED] {
            let (policy, base) = adapters::adapted("qwen2");
            // Both have seen what was there before when they bring theirs.
            let is_which = |path: &str| ["/weight_info", "/model_info", "/v1/models"].contains(&path);
            let stub = Stub::new(kind, &base, move |asked, n| match is_response(asked) {
                true => (n < 4).then_some(Fault::Restarted),
                false => is_which(&asked.path).then_some(Fault::Late(Duration::from_millis(100))),
            });
            let (mut first, _dir) = engine(kind, &[&stub], keys);
            let (mut second, _other_dir) = engine(kind, &[&stub], keys);
            first.prepare(&policy, &requests(), &PLAIN, &mut |_| Ok(())).unwrap();
            second.follow(&first);
            let copy = policy.copy().unwrap();
            let other = std::thread::spawn(move || {
                let generated = answers(&mut second, &copy, PLAIN).unwrap();
                distance(&copy, &generated, 1.0)
            });
            let generated = answers(&mut first, &policy, PLAIN).unwrap();
            assert!(distance(&policy, &generated, 1.0) < 1e-3, "{kind:?}");
            assert!(other.join().unwrap() < 1e-3, "{kind:?}");
            assert!((2..8).contains(&stub.n_loads()) && !stub.is_paused());
        }
    }
}

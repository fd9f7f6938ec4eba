//! What is asked and what is read, against exchanges with real servers (`scripts/fixtures/engines.py`).
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;

use super::super::call::FaultKind;
use super::*;

const PROMPT: [TokenId; 7] = [1, 4093, 253, 198, 9690, 288, 260];
const POLICY: Addressee<'_> = Addressee { model: "policy", adapter: None };
const ADAPTER: &str = "rlcredit-0000002a-2";
const VERSION: &str = "rlcredit-0000002a-1";
const FOLDER: &str = "/shared/weights/rlcredit-0000002a-1";

/// Exchanges by what they are about.
struct Exchanges(Vec<Value>);

impl Exchanges {
    fn of(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/engines").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        Self(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn about(&self, note: &str) -> &Value {
        self.0.iter().find(|exchange| exchange["note"] == note).unwrap()
    }

    /// Whether `call` is what was asked there, and what was said.
    fn said(&self, note: &str, call: &Call) -> Said {
        let exchange = self.about(note);
        assert_eq!(exchange["path"], *call.path, "{note}");
        // Numbers as they are written: 1 and 1.0 are one temperature.
        assert_eq!(loose(call.body.as_ref().unwrap_or(&Value::Null)), loose(&exchange["request"]), "{note}");
        self.heard(note)
    }

    fn heard(&self, note: &str) -> Said {
        let exchange = self.about(note);
        let body = match &exchange["response"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Said {
            url: "http://server".into(),
            path: exchange["path"].as_str().unwrap().into(),
            status: exchange["status"].as_u64().unwrap() as u16,
            body,
        }
    }
}

/// The same with keys in order and integers as fractions, but for seeds.
fn loose(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| (*key).clone());
            pairs.into_iter().map(|(key, value)| (key.clone(), loose(value))).collect()
        }
        Value::Array(list) => list.iter().map(loose).collect(),
        Value::Number(number) if number.is_f64() && number.as_f64().unwrap().fract() == 0.0 => {
            Value::from(number.as_f64().unwrap() as i64)
        }
        other => other.clone(),
    }
}

fn ask(sampling: SamplingConfig) -> Ask<'static> {
    Ask {
        model: POLICY,
        tokens: PROMPT.to_vec(),
        n_new: 4,
        seed: 1_234_567_890_123_456_789,
        sampling,
        eos: &[2],
        begun: &[],
        stops: None,
    }
}

const CUT: SamplingConfig = SamplingConfig {
    temperature: 0.7,
    top_p: 0.9,
    top_k: 50,
    max_new_tokens: 4,
    min_new_tokens: 0,
    stop: Vec::new(),
    max_num_seqs: 1,
};
const WARM: SamplingConfig = SamplingConfig {
    temperature: 0.7,
    top_p: 1.0,
    top_k: 0,
    max_new_tokens: 4,
    min_new_tokens: 0,
    stop: Vec::new(),
    max_num_seqs: 1,
};

fn whole(answer: &Answer) {
    assert_eq!((answer.tokens.len(), answer.logprobs.len(), answer.end), (4, 4, End::Length));
    assert!(answer.logprobs.iter().all(|number| *number <= 0.0));
}

#[test]
fn vllm_is_asked_and_read_as_it_was_recorded() {
    let (exchanges, dialect, ask) = (Exchanges::of("vllm.jsonl"), Vllm, ask(CUT));
    let answer = dialect.answer(&exchanges.said("response", &dialect.generate(&ask, 0)), &ask).unwrap();
    whole(&answer);
    let versions = answer.versions.clone().unwrap();
    assert_eq!((versions.len(), versions[0].start, versions[0].end), (1, 0, 4));
    let other = exchanges.said("response at the other door", &dialect.generate(&ask, 1));
    let other = dialect.answer(&other, &ask).unwrap();
    whole(&other);
    assert_eq!((&other.tokens, other.versions), (&answer.tokens, None));
    assert!(other.logprobs.iter().zip(&answer.logprobs).all(|(a, b)| (a - b).abs() < 1e-5));
    let ended = dialect.answer(&exchanges.heard("end token"), &ask).unwrap();
    assert_eq!((ended.tokens, ended.end), (vec![2], End::Stop));

    let telling = dialect.telling(&CUT, 49_152).unwrap();
    let one = Ask { sampling: telling.sampling, ..ask };
    let said = exchanges.said("one token left", &dialect.generate(&one, 0));
    assert_eq!(dialect.answer(&said, &one).unwrap().logprobs, [telling.logprob; 4]);
    assert!(dialect.telling(&SamplingConfig { temperature: 1.0, ..WARM }, 1).is_none());

    let known = dialect.recited(&exchanges.said("recite", &dialect.recite(POLICY, &PROMPT))).unwrap();
    assert!(known.len() == 6 && known.iter().all(|number| *number < 0.0));

    exchanges.said("pause", &dialect.pause()).good().unwrap();
    let steps = dialect.load(Path::new(FOLDER), VERSION);
    for (step, note) in steps.iter().zip(["reload", "reset", "name"]) {
        dialect.loaded(&exchanges.said(note, &step.call)).unwrap();
    }
    exchanges.said("resume", &dialect.resume()).good().unwrap();
    let after = dialect.version(&exchanges.said("version after", &dialect.which())).unwrap();
    assert_eq!(after, VERSION);
    for note in ["another model", "beyond the vocabulary"] {
        assert_eq!(exchanges.heard(note).good().unwrap_err().kind, FaultKind::Lasting);
    }
    let hot = SamplingConfig { temperature: 2.5, ..WARM };
    assert!(dialect.refuses(&hot).unwrap().contains("expected at most 2") && dialect.refuses(&CUT).is_none());
}

#[test]
fn vllm_loads_adapters_as_it_was_recorded() {
    let (exchanges, dialect) = (Exchanges::of("vllm.jsonl"), Vllm);
    let model = Addressee { adapter: Some(ADAPTER), ..POLICY };
    let settings = exchanges.said("settings", &dialect.settings());
    dialect.takes_adapters(&settings, 16).unwrap();
    let text = dialect.takes_adapters(&settings, 17).unwrap_err().text;
    assert!(text.contains("takes adapters up to rank 16"), "{text}");
    let load = dialect.load_adapter(ADAPTER, Path::new("/shared/weights/rlcredit-0000002a-2"));
    for note in ["load adapter", "load adapter again"] {
        dialect.adapter_loaded(&exchanges.said(note, &load)).unwrap();
    }
    let ask = Ask { model, ..ask(CUT) };
    whole(&dialect.answer(&exchanges.said("response of adapter", &dialect.generate(&ask, 0)), &ask).unwrap());
    let recite = dialect.recite(model, &PROMPT);
    let by_adapter = exchanges.said("recite by adapter", &recite);
    let own = dialect.recited(&exchanges.heard("recite")).unwrap();
    assert_ne!(dialect.recited(&by_adapter).unwrap(), own);
    exchanges.said("unload adapter", &dialect.unload_adapter(ADAPTER)).good().unwrap();
    let gone = exchanges.said("adapter that is gone", &recite);
    assert_eq!(gone.has(model).unwrap_err().kind, FaultKind::Passing);
    gone.has(POLICY).unwrap();
    let nowhere = dialect.adapter_loaded(&exchanges.heard("adapter that is nowhere")).unwrap_err();
    assert!(nowhere.kind == FaultKind::Lasting && nowhere.text.contains("by the same path"), "{nowhere}");
}

/// Words of vLLM that are not in the recording.
#[test]
fn what_vllm_cannot_do_is_said_with_its_remedy() {
    let said = |path: &str, status, body: &str| Said {
        url: "http://server".into(),
        path: path.into(),
        status,
        body: body.into(),
    };
    for (path, status, body, kind, remedy) in [
        ("/collective_rpc", 404, "{}", FaultKind::Lasting, "start vLLM with VLLM_SERVER_DEV_MODE=1"),
        (
            "/collective_rpc",
            500,
            "{}",
            FaultKind::Passing,
            "can the server read the folder of [engine] `weights`",
        ),
        ("/reset_prefix_cache", 200, r#"{"success": false}"#, FaultKind::Passing, "expected success"),
    ] {
        let fault = Vllm.loaded(&said(path, status, body)).unwrap_err();
        assert!(fault.kind == kind && fault.text.contains(remedy), "{fault}");
    }
    let none =
        Vllm.adapter_loaded(&said("/v1/load_lora_adapter", 404, r#"{"detail":"Not Found"}"#)).unwrap_err();
    assert!(
        none.text.contains("start vLLM with --enable-lora, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"),
        "{none}"
    );
    let old = Vllm.version(&said("/weight_info", 404, "{}")).unwrap_err();
    assert!(old.text.contains("start vLLM 0.28 or newer with VLLM_SERVER_DEV_MODE=1"), "{old}");
}

#[test]
fn sglang_is_asked_and_read_as_it_was_recorded() {
    let (exchanges, dialect) = (Exchanges::of("sglang.jsonl"), Sglang);
    let warm = ask(WARM);
    let answer = dialect.answer(&exchanges.said("response", &dialect.generate(&warm, 0)), &warm).unwrap();
    whole(&answer);
    assert_eq!(answer.versions.unwrap()[0].end, 4);
    let ended = dialect.answer(&exchanges.heard("end token"), &warm).unwrap();
    assert_eq!((ended.tokens, ended.end), (vec![2], End::Stop));
    let cut = ask(CUT);
    let said = exchanges.said("response of a cut distribution", &dialect.generate(&cut, 0));
    whole(&dialect.answer(&said, &cut).unwrap());
    let untold = dialect.answer(&exchanges.heard("response"), &cut).unwrap_err();
    assert!(untold.text.contains("what top_k and top_p leave"), "{untold}");

    let telling = dialect.telling(&SamplingConfig { top_k: 9, ..WARM }, 49_152).unwrap();
    let one = ask(telling.sampling);
    let said = exchanges.said("one token left", &dialect.generate(&one, 0));
    let numbers = dialect.answer(&said, &one).unwrap().logprobs;
    assert!(numbers.iter().all(|number| (number - telling.logprob).abs() < telling.tolerance), "{numbers:?}");
    let telling = dialect.telling(&WARM, 49_152).unwrap();
    let hot = ask(telling.sampling);
    let said = exchanges.said("hot", &dialect.generate(&hot, 0));
    let numbers = dialect.answer(&said, &hot).unwrap().logprobs;
    assert!(numbers.iter().all(|number| (number - telling.logprob).abs() < telling.tolerance), "{numbers:?}");

    let known = dialect.recited(&exchanges.said("recite", &dialect.recite(POLICY, &PROMPT))).unwrap();
    assert!(known.len() == 6 && known.iter().all(|number| *number < 0.0));
    let steps = dialect.load(Path::new(FOLDER), VERSION);
    exchanges.said("pause", &dialect.pause()).good().unwrap();
    for (step, note) in steps.iter().zip(["update", "flush"]) {
        dialect.loaded(&exchanges.said(note, &step.call)).unwrap();
    }
    exchanges.said("resume", &dialect.resume()).good().unwrap();
    let settings = dialect.takes_adapters(&exchanges.said("settings", &dialect.settings()), 16);
    assert!(
        settings
            .unwrap_err()
            .text
            .contains("takes no adapters; [engine] `adapters` = \"loaded\" needs SGLang")
    );
    assert_eq!(dialect.version(&exchanges.said("version after", &dialect.which())).unwrap(), VERSION);
}

/// Words of SGLang that are not in the recording, which was made on a CPU: it takes no adapters there.
#[test]
fn sglang_is_asked_for_adapters_by_name() {
    let model = Addressee { adapter: Some(ADAPTER), ..POLICY };
    for call in [Sglang.generate(&Ask { model, ..ask(WARM) }, 0), Sglang.recite(model, &PROMPT)] {
        assert_eq!(call.body.unwrap()["lora_path"], ADAPTER);
    }
    let said = |status, body: &str| Said {
        url: "http://server".into(),
        path: "/load_lora_adapter".into(),
        status,
        body: body.into(),
    };
    Sglang.adapter_loaded(&said(200, r#"{"success": true}"#)).unwrap();
    Sglang.adapter_loaded(&said(400, r#"{"success": false, "error_message": "is already loaded"}"#)).unwrap();
    let other = r#"{"success": false, "error_message": "LoRA adapter is incompatible"}"#;
    let other = Sglang.adapter_loaded(&said(400, other)).unwrap_err();
    assert!(other.kind == FaultKind::Lasting && other.text.contains("--lora-target-modules"), "{other}");
}

/// Words of SGLang that are not in the recording.
#[test]
fn sglang_may_forget_later_but_not_never() {
    let said = |path: &str, status, body: &str| Said {
        url: "http://server".into(),
        path: path.into(),
        status,
        body: body.into(),
    };
    let late = r#"{"success": false, "message": "Weights were updated, but the cache was not flushed because requests are still running"}"#;
    Sglang.loaded(&said("/update_weights_from_disk", 400, late)).unwrap();
    let still = Sglang.loaded(&said("/flush_cache", 400, "")).unwrap_err();
    assert_eq!(still.kind, FaultKind::Passing);
    let missing = r#"{"success": false, "message": "Failed to get weights iterator"}"#;
    let missing = Sglang.loaded(&said("/update_weights_from_disk", 400, missing)).unwrap_err();
    assert!(missing.kind == FaultKind::Lasting && missing.text.contains("by the same path"), "{missing}");
}

//! Programs as graders: what they may do, and what they may not do to a run. The programs are small shell scripts.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rewards::external::PATIENCE_AT_FIRST;
use rewards::{
    CommandConfig, CommandReward, Question, Response, Reward, RewardSettings, Status, Task, Verdict,
};

/// Takes the number of the request from `$line`.
const ID: &str = r#"id=${line#*:}; id=${id%%,*}"#;

/// Responses of these words are graded well or meet a mishap.
fn moody() -> String {
    format!(
        r#"while read -r line; do {ID}
            case $line in
                *right*) echo "{{\"id\":$id,\"value\":1,\"answer\":\"right\"}}" ;;
                *slow*) sleep 60 ;;
                *crash*) echo "no such thing" >&2; exit 3 ;;
                *garbage*) echo "what?" ;;
                *stale*) echo "{{\"id\":$((id - 1)),\"value\":1}}" ;;
                *quiet*) exec >&-; sleep 60 ;;
                *flood*) head -c 3000000 /dev/zero | tr '\0' x ;;
                *noise*) head -c 3000000 /dev/zero | tr '\0' x >&2; echo "{{\"id\":$id,\"value\":0.5}}" ;;
                *chatter*) yes "{{\"id\":$id,\"value\":1}}" ;;
                *last*) echo "{{\"id\":$id,\"value\":1}}"; exit 0 ;;
                *) echo "{{\"id\":$id,\"value\":0}}" ;;
            esac
        done"#
    )
}

fn config(script: &str, workers: usize, deadline_s: f64) -> CommandConfig {
    let program = ["sh", "-c", script].map(str::to_owned).to_vec();
    CommandConfig { program, name: "command".into(), workers, deadline_s, pass_env: Vec::new() }
}

fn grader(script: &str, workers: usize, deadline_s: f64) -> CommandReward {
    CommandReward::new(config(script, workers, deadline_s))
}

fn task() -> Task {
    Task::Question(Question::new("42"))
}

/// Programs that nobody ends sleep for 60 s; the machine may be slow.
const FAR_FROM_60: Duration = Duration::from_secs(40);

fn score_all(grader: &CommandReward, texts: &[&str]) -> Result<Vec<Verdict>, String> {
    let task = task();
    let items: Vec<_> = texts.iter().map(|text| (&task, Response::new(text))).collect();
    grader.score_all(&items)
}

/// Until `holds`, for some seconds.
#[track_caller]
fn eventually(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < FAR_FROM_60);
        thread::sleep(Duration::from_millis(5));
    }
}

fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn written(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn every_mishap_costs_one_response() {
    let reward = grader(&moody(), 2, 0.5);
    let cases = [
        ("right", 1.0, Status::Ok, ""),
        ("slow", 0.0, Status::Timeout, "no reply within 0.5 s"),
        ("right", 1.0, Status::Ok, ""),
        (
            "crash",
            0.0,
            Status::Error,
            "ended with exit status 3 without a reply; on its standard error: no such thing",
        ),
        ("garbage", 0.0, Status::Error, "what?"),
        ("right", 1.0, Status::Ok, ""),
        ("stale", 0.0, Status::Error, "`id` is"),
        ("quiet", 0.0, Status::Error, "closed its output without a reply"),
        ("flood", 0.0, Status::Error, "a reply of more than 1048576 bytes"),
        ("noise", 0.5, Status::Ok, ""),
        ("wrong", 0.0, Status::Ok, ""),
        ("right\n\"quoted\" \u{0}\u{1F9EE}", 1.0, Status::Ok, ""),
    ];
    let texts = cases.map(|(text, ..)| text);
    let verdicts = score_all(&reward, &texts).unwrap();
    assert_eq!(verdicts.len(), cases.len());
    for ((text, value, status, note), verdict) in cases.iter().zip(&verdicts) {
        assert_eq!((verdict.value, verdict.status), (*value, *status), "{text}: {verdict:?}");
        assert_eq!(verdict.correct(), *value == 1.0, "{text}");
        assert!(verdict.note.as_deref().unwrap_or_default().contains(note), "{text}: {verdict:?}");
        assert_eq!(verdict.note.is_none(), *status == Status::Ok, "{text}: {verdict:?}");
    }
    assert_eq!(verdicts[0].answer.as_deref(), Some("right"));
}

#[test]
fn verdicts_do_not_depend_on_order_or_number_of_workers() {
    let texts: Vec<&str> = ["right", "wrong", "noise", "last", "crash", "right"].repeat(4);
    let values = |texts: &[&str], workers| {
        let verdicts = score_all(&grader(&moody(), workers, 5.0), texts).unwrap();
        verdicts.into_iter().map(|verdict| (verdict.value, verdict.status, verdict.note)).collect::<Vec<_>>()
    };
    let expected = values(&texts, 1);
    assert_eq!(values(&texts, 5), expected);
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    assert_eq!(values(&reversed, 3).into_iter().rev().collect::<Vec<_>>(), expected);
}

#[test]
fn a_program_that_says_too_much_is_out_of_step_and_started_anew() {
    let reward = grader(&moody(), 1, 5.0);
    let verdicts = score_all(&reward, &["chatter", "right", "chatter", "wrong"]).unwrap();
    let values: Vec<_> = verdicts.iter().map(|verdict| (verdict.value, verdict.status)).collect();
    let expected = [1.0, 1.0, 1.0, 0.0].map(|value| (value, Status::Ok));
    assert_eq!(values, expected);
}

#[test]
fn the_deadline_ends_the_whole_tree_of_processes() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    // A child, one in a group of its own, and one whose parents are gone; all ignore polite signals.
    let script = format!(
        "trap '' TERM INT HUP; read -r line; {ID}
        echo \"{{\\\"id\\\":$id,\\\"value\\\":1}}\"; read -r line
        echo $$ >> {pids}
        sh -c 'echo $$ >> {pids}; sleep 60; :' &
        setsid sh -c 'echo $$ >> {pids}; sleep 60; :' &
        (setsid sh -c 'echo $$ >> {pids}; sleep 60; :' &) &
        wait; sleep 60",
        pids = pids.display()
    );
    let reward = grader(&script, 1, 0.4);
    let start = Instant::now();
    let verdicts = score_all(&reward, &["a", "b"]).unwrap();
    assert_eq!(verdicts.iter().map(|v| v.status).collect::<Vec<_>>(), [Status::Ok, Status::Timeout]);
    assert!(start.elapsed() < FAR_FROM_60);
    let all = written(&pids);
    assert_eq!(all.len(), 4, "{all:?}");
    eventually(|| !all.iter().any(|pid| lives(pid)));
}

#[test]
fn a_stop_ends_the_programs_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let script = format!(
        "setsid sh -c 'echo $$ >> {pids}; sleep 60; :' & echo $$ >> {pids}; read -r line; sleep 60",
        pids = pids.display()
    );
    let reward = grader(&script, 2, 60.0);
    let task = task();
    let items = vec![(&task, Response::new("a")); 3];
    let mut stopped = None;
    let mut go_on = || {
        let goes_on = written(&pids).len() < 4;
        stopped = stopped.or((!goes_on).then(Instant::now));
        goes_on
    };
    let error = reward.score_while(&items, &mut go_on).unwrap_err();
    assert!(error.ends_with("it was stopped"), "{error}");
    assert!(stopped.unwrap().elapsed() < FAR_FROM_60, "{:?}", stopped.unwrap().elapsed());
    let all = written(&pids);
    assert_eq!(all.len(), 4, "none is started anew: {all:?}");
    eventually(|| !all.iter().any(|pid| lives(pid)));
}

#[test]
fn a_second_try_has_the_time_that_the_first_has_left() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    // The first program answers once and then ends after 0.7 s; the one started anew answers after 0.8 s.
    let script = format!(
        "read -r line; {ID}
        if [ -e {seen} ]; then sleep 0.8; fi; touch {seen}
        echo \"{{\\\"id\\\":$id,\\\"value\\\":1}}\"; read -r line; sleep 0.7",
        seen = seen.display()
    );
    let reward = grader(&script, 1, 1.0);
    let verdicts = score_all(&reward, &["a", "b"]).unwrap();
    assert_eq!(verdicts.iter().map(|v| v.status).collect::<Vec<_>>(), [Status::Ok, Status::Timeout]);
    assert_eq!(verdicts[1].note.as_deref(), Some("no reply within 1 s"));
}

#[test]
fn programs_end_with_their_grader() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let script = format!("echo $$ >> {}; {}", pids.display(), moody());
    let reward = grader(&script, 3, 5.0);
    score_all(&reward, &["right"; 30]).unwrap();
    let all = written(&pids);
    assert!((1..=3).contains(&all.len()), "started when needed and kept: {all:?}");
    assert!(all.iter().all(|pid| lives(pid)));
    drop(reward);
    eventually(|| !all.iter().any(|pid| lives(pid)));
}

const CHILD: &str = "GRADING_CHILD";

/// Not a test of its own: a process that grades with the folder that `CHILD` names, and then waits to be killed.
#[test]
fn child_grades_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let script = |name: &str| {
        format!(
            "trap '' TERM INT HUP; echo $$ >> {dir}/pids; echo \"{name} $HF_TOKEN\" >> {dir}/tokens
            sh -c 'echo $$ >> {dir}/pids; sleep 60; :' &
            setsid sh -c 'echo $$ >> {dir}/pids; sleep 60; :' &
            (setsid sh -c 'echo $$ >> {dir}/pids; sleep 60; :' &) &
            read -r line; {ID}
            echo \"{{\\\"id\\\":$id,\\\"value\\\":1}}\"; sleep 60"
        )
    };
    let trusted = CommandConfig { pass_env: vec!["HF_TOKEN".into()], ..config(&script("told"), 1, 5.0) };
    let graders = [CommandReward::new(trusted), grader(&script("not"), 1, 5.0)];
    for grader in &graders {
        assert_eq!(score_all(grader, &["a"]).unwrap()[0].status, Status::Ok);
    }
    fs::write(format!("{dir}/graded"), "").unwrap();
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn programs_end_with_a_process_that_is_killed_and_get_secrets_only_if_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_grades_until_it_is_killed", "--nocapture"])
        .env(CHILD, dir.path())
        .env("HF_TOKEN", "hf_secret")
        .spawn()
        .unwrap();
    eventually(|| dir.path().join("graded").exists());
    let pids = dir.path().join("pids");
    eventually(|| written(&pids).len() == 8);
    let all = written(&pids);
    assert!(all.iter().all(|pid| lives(pid)));
    child.kill().unwrap();
    child.wait().unwrap();
    eventually(|| !all.iter().any(|pid| lives(pid)));
    assert_eq!(written(&dir.path().join("tokens")), ["told hf_secret", "not "]);
}

const SHOWN_TO: &str = "GRADING_SHOWN_TO";

/// Not a test of its own: a process whose programs write the environment that they get to files beside the one that
/// `SHOWN_TO` names.
#[test]
fn child_shows_the_environment_of_its_programs() {
    let Ok(path) = std::env::var(SHOWN_TO) else { return };
    let grade = |name: &str, passed: &[&str]| {
        let answer = r#"echo "{\"id\":$id,\"value\":1}""#;
        let script = format!("env > {path}.{name}; while read -r line; do {ID}; {answer}; done");
        let passed = passed.iter().map(|name| (*name).to_owned()).collect();
        let reward = CommandReward::new(CommandConfig { pass_env: passed, ..config(&script, 1, 5.0) });
        let reward = reward.withholding(&["GRADER_LOGIN".to_owned()]);
        assert_eq!(score_all(&reward, &["a"]).unwrap()[0].status, Status::Ok);
    };
    grade("usual", &[]);
    grade("trusted", &["OPENAI_API_KEY", "GRADER_LOGIN", "NO_SUCH_TOKEN"]);
}

#[test]
fn programs_get_the_environment_without_what_is_called_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (secret, usual) = (
        ["HF_TOKEN", "HF_TOKEN_PATH", "OPENAI_API_KEY", "GRADER_PASSWORD", "GRADER_LOGIN"],
        ["HOME", "LD_LIBRARY_PATH", "PYTHONPATH", "CUDA_VISIBLE_DEVICES", "HTTPS_PROXY", "no_proxy"],
    );
    let ended = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_shows_the_environment_of_its_programs"])
        .env(SHOWN_TO, dir.path().join("env"))
        .envs(secret.iter().chain(&usual).map(|name| (name, "/nowhere")))
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let got = |file: &str| {
        let lines = written(&dir.path().join(file)).into_iter();
        let names = lines.filter_map(|line| line.strip_suffix("=/nowhere").map(str::to_owned));
        names.collect::<BTreeSet<_>>()
    };
    let expected = |more: &[&str]| usual.iter().chain(more).map(|name| (*name).to_owned()).collect();
    assert_eq!(got("env.usual"), expected(&[]));
    assert_eq!(got("env.trusted"), expected(&["OPENAI_API_KEY", "GRADER_LOGIN"]));
    assert!(written(&dir.path().join("env.usual")).iter().any(|line| line.starts_with("PATH=/")));
}

#[test]
fn a_program_that_never_reads_blocks_nobody() {
    let reward = grader("sleep 60", 1, 0.2);
    let large = "x".repeat(1_000_000);
    let start = Instant::now();
    let verdict = reward.score(&task(), &Response::new(&large));
    assert_eq!(verdict.status, Status::Timeout);
    assert!(start.elapsed() < FAR_FROM_60);
}

#[test]
fn a_program_that_never_answers_is_an_error_and_soon() {
    let dir = tempfile::tempdir().unwrap();
    let starts = dir.path().join("starts");
    let script = format!("echo x >> {}; echo 'cannot import grader' >&2; exit 1", starts.display());
    let error = score_all(&grader(&script, 2, 5.0), &["a"; 500]).unwrap_err();
    assert!(error.contains("does not work as a grader: it has answered none of the first"), "{error}");
    assert!(error.contains("cannot import grader"), "{error}");
    assert!(written(&starts).len() <= PATIENCE_AT_FIRST + 2);

    let absent = CommandConfig { program: vec!["/no/such/grader".into()], ..config("", 1, 1.0) };
    let error = score_all(&CommandReward::new(absent.clone()), &["a"; 20]).unwrap_err();
    assert!(error.contains("/no/such/grader cannot be started"), "{error}");
    assert!(absent.missing().unwrap().starts_with("program: /no/such/grader: expected a program"));
    assert_eq!(config("", 1, 1.0).missing(), None);
}

#[test]
fn a_grader_that_has_answered_is_never_an_error() {
    let reward = grader(&moody(), 2, 5.0);
    score_all(&reward, &["right"]).unwrap();
    let verdicts = score_all(&reward, &["crash"; 100]).unwrap();
    assert!(verdicts.iter().all(|verdict| verdict.status == Status::Error));
    assert!(verdicts[99].note.as_deref().unwrap().starts_with("not tried after 6"), "{:?}", verdicts[99]);
    // The next responses are tried again.
    assert_eq!(score_all(&reward, &["right"; 3]).unwrap()[2].status, Status::Ok);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let empty = CommandConfig {
        program: Vec::new(),
        name: "a/b".into(),
        workers: 0,
        deadline_s: f64::NAN,
        pass_env: Vec::new(),
    };
    let keys: Vec<String> =
        empty.rules().problems().iter().map(|p| p.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(keys, ["name", "deadline_s", "workers", "program"]);
    assert!(config("", 4, 10.0).rules().problems().is_empty());
}

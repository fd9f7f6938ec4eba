//! Several processes, each this test program once more.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use distributed::{Backend, Group, Op, Pulse, Store, Trouble, World};
use tch::{Device, Kind, Tensor};

const TIMEOUT: Duration = Duration::from_secs(3);
const ROLE: &str = "DISTRIBUTED_TEST";

/// What a process of a test has.
struct Process {
    rank: usize,
    world: World,
    store: Store,
}

impl Process {
    fn group(&self, name: &str) -> Group {
        Group::open(&self.store, Backend::Gloo, name, TIMEOUT).unwrap()
    }
}

/// Runs `body` in `size` processes at once, if this one is none of them; `end` sees them while they run. Gives what they said.
fn processes(
    test: &str,
    size: usize,
    body: impl FnOnce(Process),
    end: impl FnOnce(&mut [Child]),
) -> Vec<(Option<i32>, String)> {
    if std::env::var(ROLE).is_ok_and(|role| role == test) {
        tch::set_num_threads(1);
        let world = World::from_environment().unwrap().unwrap();
        let store = Store::open(&world, TIMEOUT).unwrap();
        body(Process { rank: world.rank, world, store });
        std::process::exit(0);
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut children: Vec<Child> = (0..size).map(|rank| child(test, rank, size, &port)).collect();
    end(&mut children);
    let outputs = children.into_iter().map(|child| child.wait_with_output().unwrap());
    outputs
        .map(|output| (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
        .collect()
}

fn child(test: &str, rank: usize, size: usize, port: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(ROLE, test).env("RANK", rank.to_string()).env("WORLD_SIZE", size.to_string());
    command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", port);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

fn numbers(values: &[f32], kind: Kind) -> Tensor {
    Tensor::from_slice(values).to_kind(kind)
}

#[track_caller]
fn all_well(outcomes: &[(Option<i32>, String)]) {
    assert!(outcomes.iter().all(|(code, _)| *code == Some(0)), "{outcomes:?}");
}

#[test]
fn collectives_compute_what_they_say() {
    let body = |process: Process| {
        let (group, rank) = (process.group("main"), process.rank);
        let own = rank as f32;
        for kind in [Kind::Float, Kind::Double, Kind::BFloat16, Kind::Half, Kind::Int64] {
            let mut sum = numbers(&[own, 1.0, 2.0], kind);
            group.all_reduce(&mut sum, Op::Sum).unwrap().wait().unwrap();
            assert_eq!(sum, numbers(&[3.0, 3.0, 6.0], kind));
            let mut of_second = numbers(&[own, own + 10.0], kind);
            group.broadcast(&mut of_second, 1).unwrap().wait().unwrap();
            assert_eq!(of_second, numbers(&[1.0, 11.0], kind));
        }
        let mut highest = numbers(&[own, -own], Kind::Float);
        group.all_reduce(&mut highest, Op::Max).unwrap().wait().unwrap();
        assert_eq!(highest, numbers(&[2.0, 0.0], Kind::Float));

        let mut to_last = numbers(&[own, 1.0], Kind::Float);
        group.reduce(&mut to_last, 2, Op::Sum).unwrap().wait().unwrap();
        assert!(rank != 2 || to_last == numbers(&[3.0, 3.0], Kind::Float));

        // Into the own part of one buffer, as sharded training has it.
        let part = |buffer: &Tensor| buffer.narrow(0, 2 * rank as i64, 2);
        let buffer = numbers(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Kind::Float) + f64::from(own);
        group.reduce_scatter(&mut part(&buffer), &buffer, Op::Sum).unwrap().wait().unwrap();
        let sums = [[6.0, 9.0], [12.0, 15.0], [18.0, 21.0]][rank];
        assert_eq!(part(&buffer), numbers(&sums, Kind::Float));
        let mut gathered = buffer.shallow_clone();
        group.all_gather(&mut gathered, &part(&buffer)).unwrap().wait().unwrap();
        assert_eq!(gathered, numbers(&[6.0, 9.0, 12.0, 15.0, 18.0, 21.0], Kind::Float));

        let mut many: Vec<Tensor> = (0..8).map(|i| numbers(&[i as f32 + own], Kind::Float)).collect();
        let under_way: Vec<_> = many.iter_mut().map(|one| group.all_reduce(one, Op::Sum).unwrap()).collect();
        under_way.into_iter().rev().for_each(|work| work.wait().unwrap());
        assert!((0..8).zip(&many).all(|(i, one)| *one == numbers(&[3.0 * i as f32 + 3.0], Kind::Float)));
        group.barrier().unwrap();
    };
    all_well(&processes("collectives_compute_what_they_say", 3, body, |_| ()));
}

#[test]
fn what_gloo_would_get_wrong_is_refused() {
    let body = |process: Process| {
        let group = process.group("main");
        let mut columns = Tensor::ones([4, 4], (Kind::Float, Device::Cpu)).narrow(1, 0, 2);
        let error = group.all_reduce(&mut columns, Op::Sum).err().unwrap();
        assert_eq!(error.message, "a collective needs a tensor without gaps, and this one [4, 2] has some");
        let (mut part, whole) =
            (Tensor::zeros([3], (Kind::Float, Device::Cpu)), Tensor::zeros([4], (Kind::Float, Device::Cpu)));
        let error = group.reduce_scatter(&mut part, &whole, Op::Sum).err().unwrap();
        assert!(error.message.starts_with("a part of 3 numbers is not one of 2 equal parts of 4"), "{error}");
        group.barrier().unwrap();
    };
    all_well(&processes("what_gloo_would_get_wrong_is_refused", 2, body, |_| ()));
}

#[test]
fn a_killed_process_is_an_error_for_the_others_and_is_known_by_its_rank() {
    let body = |process: Process| {
        let (pulse, group) = (Pulse::start(&process.world, TIMEOUT).unwrap(), process.group("main"));
        println!("ready");
        let begun = Instant::now();
        loop {
            let mut tensor = Tensor::ones([1000], (Kind::Float, Device::Cpu));
            let Err(error) = group.all_reduce(&mut tensor, Op::Sum).and_then(distributed::Work::wait) else {
                assert!(begun.elapsed() < Duration::from_secs(20));
                continue;
            };
            // Who waits for one that lives learns of it when that one has gone, or by the clock.
            assert!(error.is_loss(), "{error}");
            assert_eq!(pulse.lost(), [1]);
            pulse.part(&[1]);
            break;
        }
    };
    let outcomes = processes(
        "a_killed_process_is_an_error_for_the_others_and_is_known_by_its_rank",
        3,
        body,
        |children| {
            std::thread::sleep(Duration::from_secs(2));
            children[1].kill().unwrap();
        },
    );
    assert_eq!(
        outcomes.iter().map(|(code, _)| *code).collect::<Vec<_>>(),
        [Some(0), None, Some(0)],
        "{outcomes:?}"
    );
}

/// Whose collective waits for the process that serves the store, which leaves since another one is lost.
#[test]
fn who_is_lost_is_known_where_the_store_has_gone_since() {
    let body = |process: Process| {
        let (pulse, group) = (Pulse::start(&process.world, TIMEOUT).unwrap(), process.group("main"));
        if process.rank == 1 {
            pulse.leave("the disk is full");
        }
        group.barrier().unwrap();
        match process.rank {
            0 => {
                let lost = (0..10).map(|_| pulse.lost()).find(|lost| !lost.is_empty());
                assert_eq!(lost, Some(vec![1]));
                pulse.part(&[1]);
            }
            1 => std::process::exit(0),
            _ => {
                group.set_timeout(Duration::from_secs(60)).unwrap();
                let mut tensor = Tensor::ones([10], (Kind::Float, Device::Cpu));
                let error = group.broadcast(&mut tensor, 0).and_then(distributed::Work::wait).unwrap_err();
                assert_eq!(error.trouble, Trouble::Lost, "{error}");
                while process.store.has("anything").is_ok() {
                    std::thread::sleep(Duration::from_millis(10));
                }
                assert_eq!(pulse.lost(), [1]);
                assert_eq!(pulse.words(), ["", "the disk is full", ""]);
            }
        }
    };
    all_well(&processes("who_is_lost_is_known_where_the_store_has_gone_since", 3, body, |_| ()));
}

/// Whoever has left because of a loss is not taken for the one that was lost.
#[test]
fn who_has_left_since_another_was_lost_is_not_blamed() {
    let body = |process: Process| {
        let (pulse, group) = (Pulse::start(&process.world, TIMEOUT).unwrap(), process.group("main"));
        group.barrier().unwrap();
        match process.rank {
            0 => {
                group.set_timeout(Duration::from_secs(60)).unwrap();
                let mut tensor = Tensor::ones([10], (Kind::Float, Device::Cpu));
                group.broadcast(&mut tensor, 1).and_then(distributed::Work::wait).unwrap_err();
                assert_eq!(pulse.lost(), [2]);
                pulse.part(&[2]);
            }
            1 => {
                let lost = (0..10).map(|_| pulse.lost()).find(|lost| !lost.is_empty());
                assert_eq!(lost, Some(vec![2]));
                pulse.part(&[2]);
            }
            _ => std::process::exit(0),
        }
    };
    all_well(&processes("who_has_left_since_another_was_lost_is_not_blamed", 3, body, |_| ()));
}

#[test]
fn a_process_that_does_not_come_is_an_error_in_time() {
    let body = |process: Process| {
        let (pulse, group) = (Pulse::start(&process.world, TIMEOUT).unwrap(), process.group("main"));
        group.barrier().unwrap();
        if process.rank == 1 {
            // Alive, and busy with something else.
            std::thread::sleep(TIMEOUT + Duration::from_secs(3));
            return;
        }
        let begun = Instant::now();
        let error = group.barrier().unwrap_err();
        assert_eq!(error.trouble, Trouble::Timeout, "{error}");
        assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(1));
        assert!(pulse.lost().is_empty());
    };
    all_well(&processes("a_process_that_does_not_come_is_an_error_in_time", 2, body, |_| ()));
}

#[test]
fn who_is_at_leisure_is_waited_for_and_who_is_gone_is_not() {
    let body = |process: Process| {
        let (pulse, group) = (Pulse::start(&process.world, TIMEOUT).unwrap(), process.group("main"));
        group.set_timeout(TIMEOUT - Duration::from_secs(1)).unwrap();
        if process.rank == 1 {
            // Longer than any collective may take.
            std::thread::sleep(TIMEOUT);
            pulse.leave("the disk is full");
        }
        pulse.meet("work", 1).unwrap();
        group.barrier().unwrap();
        if process.rank == 1 {
            std::process::exit(0);
        }
        let error = pulse.meet("work", 2).unwrap_err();
        assert_eq!((error.trouble, error.message.as_str()), (Trouble::Lost, "rank 1 has not come to work"));
        assert_eq!(pulse.words(), ["", "the disk is full", ""]);
        pulse.part(&[1]);
    };
    all_well(&processes("who_is_at_leisure_is_waited_for_and_who_is_gone_is_not", 3, body, |_| ()));
}

/// The process that serves the store may be stopped, or its machine gone without a word: its clients would wait for ever.
#[test]
fn a_store_that_has_gone_silent_is_an_error_and_no_hang() {
    let body = |process: Process| {
        let (pulse, group) = (Pulse::start(&process.world, TIMEOUT).unwrap(), process.group("main"));
        println!("ready");
        let failed = |_| group.barrier().err();
        let error = (0..).map(|_| std::thread::sleep(Duration::from_millis(10))).find_map(failed).unwrap();
        assert!(error.is_loss(), "{error}");
        assert_eq!(pulse.lost(), [0]);
    };
    let begun = Instant::now();
    let name = "a_store_that_has_gone_silent_is_an_error_and_no_hang";
    let outcomes = processes(name, 2, body, |children| {
        std::thread::sleep(Duration::from_secs(2));
        let first = children[0].id().to_string();
        let signal =
            |name: &str| assert!(Command::new("kill").args([name, &first]).status().unwrap().success());
        signal("-STOP");
        while children[1].try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(100));
        }
        signal("-KILL");
    });
    assert_eq!(outcomes[1].0, Some(0), "{outcomes:?}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn processes_that_are_not_of_one_mind_say_so_all() {
    let body = |process: Process| {
        let length = if process.rank == 2 { "7" } else { "8" };
        let facts = [("the version", "1".to_owned()), ("the number of parameters", length.to_owned())];
        let error = process.store.agree(&facts).unwrap_err();
        assert_eq!(error.trouble, Trouble::Disagreement);
        let expected = "the processes are not of one mind about the number of parameters: rank 0 has 8, rank 2 has 7; give all";
        assert!(error.message.starts_with(expected), "{error}");
    };
    all_well(&processes("processes_that_are_not_of_one_mind_say_so_all", 3, body, |_| ()));
}

#[test]
fn who_meets_nobody_is_told_in_time() {
    let port = || TcpListener::bind("127.0.0.1:0").unwrap();
    let world = |rank, port| World {
        rank,
        size: 2,
        local_rank: rank,
        local_size: 2,
        host: "127.0.0.1".to_owned(),
        port,
        serves: rank == 0,
        attempt: String::new(),
    };
    let wait = Duration::from_secs(1);
    let nobody = port().local_addr().unwrap().port();
    let error = Store::open(&world(1, nobody), wait).err().unwrap();
    assert!(error.message.starts_with("rank 1 of 2 cannot reach the store at 127.0.0.1:"), "{error}");
    // Something else listens there, and answers nothing.
    let foreign = port();
    let begun = Instant::now();
    let error = Store::open(&world(1, foreign.local_addr().unwrap().port()), wait).err().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5) && error.is_loss(), "{error}");

    let alone = Store::open(&world(0, nobody), wait).unwrap();
    let error = alone.agree(&[("x", "1".to_owned())]).unwrap_err();
    assert!(error.message.starts_with("rank 1 of 2 has not come: "), "{error}");
    let error = Group::open(&alone, Backend::Gloo, "main", wait).err().unwrap();
    assert!(error.message.starts_with("rank 0 cannot meet the others: "), "{error}");
}

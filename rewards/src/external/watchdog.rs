//! What ends the programs of a process that could not end them itself, because it was killed.
//!
//! ```text
//! this process --"+GROUP", "-GROUP"--> watchdog, a shell      its input ends when this process does, however that ends:
//!                                                             then it kills the groups that are left, and all that bears the mark
//! ```
//!
//! What has left its group and cleared its environment, as a daemon of a program's does, is found by neither.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::tree::MARK;

/// `$1` is what marks begin with. It must outlive signals that are meant for the process it watches over.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM USR1 USR2 XCPU
groups=' '
while read -r sign group; do
    case $sign in
        +) groups="$groups-$group " ;;
        -) groups="${groups%% -"$group" *} ${groups#* -"$group" }" ;;
    esac
done
kill -KILL -- $groups 2>/dev/null
for environ in /proc/[0-9]*/environ; do
    if grep -zqs "^$1" "$environ"; then
        pid=${environ#/proc/}
        kill -KILL "${pid%/environ}" 2>/dev/null
    fi
done
"#;

struct Watchdog {
    _shell: Child,
    input: ChildStdin,
}

/// The one of this process; `None` inside where no shell can be started.
fn watchdog() -> &'static Mutex<Option<Watchdog>> {
    static WATCHDOG: OnceLock<Mutex<Option<Watchdog>>> = OnceLock::new();
    WATCHDOG.get_or_init(|| {
        let marks = format!("{MARK}={}-", std::process::id());
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh", &marks]).process_group(0).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let shell = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let watchdog = shell.ok().and_then(|mut shell| {
            let input = shell.stdin.take()?;
            Some(Watchdog { _shell: shell, input })
        });
        Mutex::new(watchdog)
    })
}

/// Has the process group `leader` ended should this process be killed.
pub(super) fn watch(leader: u32) {
    tell('+', leader);
}

/// The group is gone, and its number may be another's.
pub(super) fn forget(leader: u32) {
    tell('-', leader);
}

fn tell(sign: char, leader: u32) {
    let mut watchdog = watchdog().lock().unwrap_or_else(PoisonError::into_inner);
    // Where it does not listen, programs are ended as long as this process lives.
    if let Some(Watchdog { input, .. }) = watchdog.as_mut() {
        _ = writeln!(input, "{sign} {leader}");
    }
}

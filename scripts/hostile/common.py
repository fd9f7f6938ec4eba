"""What the scripts of this folder share: seeded cases, the program run in a scratch folder under limits, a summary.

    work/              where the program runs; a case writes its inputs here
    home/  tmp/        its HOME and TMPDIR
    outside/           somebody else's files, `../outside` as seen from work/

A script is one function that makes a case, and a line that runs it:

    def case(box):                                  # box.rng is seeded by --seed and the case's number
        box.write("a.jsonl", b"...")
        ran = box.run("data", "a.jsonl")            # limits are watched by themselves
        if ran.code == 0:
            box.fault("was accepted")               # what this case itself calls wrong

    sys.exit(common.main(__doc__, case, n=300))

Faults are panics (their text or the sentence made of it, exit 101 or 134, death by a signal), hangs (more than 10 s of processor
time, or 120 s of any), more than 1 GB of memory at once, files changed outside of work/, and what a case calls one. `--only 17`
runs case 17 alone, `--keep FOLDER` copies the inputs of cases with a fault there.
"""
import argparse, collections, dataclasses, hashlib, os, pathlib, random, resource, signal, subprocess, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CPU_S = 10
WALL_S = 120
MEMORY_BYTES = 1_000_000_000
ADDRESSES_BYTES = 16 << 30  # libtorch alone maps gigabytes that it does not touch
FILE_BYTES = 1 << 30
# How src/cli/panic.rs reports a panic, which then ends with 1 as other errors do; and how Rust itself reports one.
PANICS = ("error: a defect of the program at ", "error: libtorch: ", "panicked at ")


def binary():
    return os.environ.get("RLCREDIT") or str(ROOT / "target/release/rlcredit")


@dataclasses.dataclass
class Ran:
    """How one command ended. `code` is negative where a signal ended it."""
    args: tuple
    code: int
    out: str
    err: str
    cpu_s: float
    wall_s: float
    memory_bytes: int
    outside: list

    def faults(self):
        hung = self.cpu_s >= CPU_S or self.wall_s >= WALL_S or self.code in (-signal.SIGXCPU, 128 + signal.SIGXCPU)
        if hung:
            yield "hang", f"{self.cpu_s:.1f} s of processor time in {self.wall_s:.1f} s"
        told = [line for line in self.err.splitlines() if any(sentence in line for sentence in PANICS)]
        if told or self.code in (101, 134) or (self.code < 0 and not hung):
            yield "panic", f"exit {self.code}: {''.join((told or self.err.splitlines()[-1:])[:1])[:200]}"
        if self.memory_bytes > MEMORY_BYTES:
            yield "memory", f"{self.memory_bytes / 1e9:.2f} GB at once"
        if self.outside:
            yield "outside", "changed: " + ", ".join(self.outside[:5])


class Box:
    """The scratch folder of one case. Below it only what begins with one of `own` may change."""

    def __init__(self, root, rng):
        self.root, self.rng, self.own, self.env = pathlib.Path(root), rng, ["work"], {}
        self.work = self.root / "work"
        self.ran, self.faults = [], []
        for name in ("work", "home/.ssh", "tmp", "outside"):
            (self.root / name).mkdir(parents=True)
        for name in ("home/.bashrc", "home/.ssh/authorized_keys", "outside/victim", "victim"):
            (self.root / name).write_text("somebody else's\n")

    def write(self, name, content):
        """Writes a file of work/ and gives its name."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return name

    def fault(self, what, kind="wrong"):
        self.faults.append((kind, what))

    def run(self, *args, env=None, stdin=b"", program=None):
        """`rlcredit ARGS` in work/, under the limits; its faults are counted."""
        before = self.snapshot()
        ran = run((program or binary(), *map(str, args)), self.work, {**self.environment(), **(env or {})}, stdin)
        after = self.snapshot()
        ran.outside = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        self.ran.append(ran)
        self.faults += [(kind, f"{' '.join(map(str, args))[:200]}: {what}") for kind, what in ran.faults()]
        return ran

    def environment(self):
        kept = {name: os.environ[name] for name in ("PATH", "LIBTORCH", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
        one = {name: "1" for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS")}
        return {**kept, **one, "HOME": str(self.root / "home"), "TMPDIR": str(self.root / "tmp"), **self.env}

    def snapshot(self):
        """What lies below the folder, without what is `own`."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            where = os.path.relpath(folder, self.root)
            inside = lambda name: os.path.normpath(os.path.join(where, name))
            folders[:] = [name for name in folders if inside(name) not in self.own]
            for name in folders + files:
                if inside(name) not in self.own:
                    found[inside(name)] = self.fingerprint(os.path.join(folder, name))
        return found

    @staticmethod
    def fingerprint(path):
        found = os.lstat(path)
        if os.path.islink(path):
            return "link", os.readlink(path)
        if not os.path.isfile(path):
            return oct(found.st_mode)
        with open(path, "rb") as file:
            return oct(found.st_mode), found.st_ino, hashlib.sha256(file.read()).hexdigest()


def limits():
    for what, most in ((resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_AS, ADDRESSES_BYTES), (resource.RLIMIT_FSIZE, FILE_BYTES), (resource.RLIMIT_CORE, 0)):
        # A program that catches the signal of the soft limit is killed a second later.
        resource.setrlimit(what, (most, most + 1) if what == resource.RLIMIT_CPU else (most, most))


def run(command, folder, env, stdin=b""):
    """Runs `command` under the limits and waits for it; its process group does not outlive it."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        start = time.monotonic()
        child = subprocess.Popen(command, cwd=folder, env=env, stdin=given, stdout=out, stderr=err, preexec_fn=limits, start_new_session=True)
        pid, status, usage = 0, 0, None
        while not pid:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if not pid and time.monotonic() - start > WALL_S:
                os.kill(child.pid, signal.SIGKILL)
                pid, status, usage = os.wait4(child.pid, 0)
            time.sleep(0.002)
        wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 20).decode("utf-8", "replace"))
    return Ran(tuple(command[1:]), child.returncode, *texts, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, [])


def main(doc, case, n):
    """Runs the cases that the command line asks for, prints the summary, and gives the exit code."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=n, help="cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one case")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the inputs of cases with a fault")
    parser.add_argument("--verbose", action="store_true", help="how every command ended")
    given = parser.parse_args()
    counts, ran = collections.Counter(), []
    for number in range(given.n) if given.only is None else [given.only]:
        with tempfile.TemporaryDirectory(prefix="hostile-") as root:
            box = Box(root, random.Random(f"{given.seed}:{number}"))
            case(box)
            ran += box.ran
            counts.update({kind for kind, _ in box.faults})
            for kind, what in box.faults:
                print(f"case {number}: {kind}: {what}", flush=True)
            for one in box.ran if given.verbose else []:
                print(f"case {number}: {' '.join(one.args)[:120]}: exit {one.code}, {one.cpu_s:.2f} s, {one.memory_bytes / 1e6:.0f} MB\n{one.err[:2000]}")
            if box.faults and given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                # Unlike shutil, it copies pipes as pipes.
                subprocess.run(["cp", "-a", box.work, given.keep / f"{given.seed}-{number}"], check=True)
    return summary(ran, counts)


def summary(ran, counts):
    """Prints what came of it; 1 where there is a fault."""
    kinds = ("panic", "hang", "memory", "outside", "wrong")
    ends = collections.Counter(one.code for one in ran)
    print(f"{len(ran)} commands, ended by " + ", ".join(f"exit {code}: {count}" for code, count in sorted(ends.items())))
    if ran:
        print(f"most processor time {max(one.cpu_s for one in ran):.2f} s, most memory {max(one.memory_bytes for one in ran) / 1e6:.0f} MB")
    print("cases with a fault: " + ", ".join(f"{kind} {counts[kind]}" for kind in kinds))
    return 1 if any(counts.values()) else 0

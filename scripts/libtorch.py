"""Put the CPU half of libtorch into .libtorch, or check the one that LIBTORCH names.

The pinned wheels of libtorch.txt are downloaded with pip and their needed members unpacked:

    .libtorch/torch/{lib,include}     what LIBTORCH points to
    .libtorch/nvidia/cu13/lib         two libraries that libtorch_cpu.so looks for at that relative place
    .libtorch/stamp                   hash of libtorch.txt, written last: the prefix is complete
    .libtorch/part                    work in progress; finished wheels in it outlive an interruption

Nothing is installed into the Python that runs this. Errors are one sentence; the exit status is then 2.
"""

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
PINNED = SCRIPTS / "libtorch.txt"
HOME = SCRIPTS.parent / ".libtorch"
PART = HOME / "part"
STAMP = HOME / "stamp"
VERSION_HEADER = "include/torch/headeronly/version.h"

# The rest of the wheels is the CUDA half, the Python half and tools.
LIBRARIES = [
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "torch/lib/libtorch_cpu.so",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
]
HEADERS = "torch/include/"

NO_SPACE = (
    f"the disk that holds {HOME} is full: free 1.5 GB there (4.5 GB before the first build) and start again"
)

PIN = re.compile(
    r"(?P<requirement>(?P<name>\S+)==(?P<version>\S+) --hash=sha256:(?P<hash>\w+))"
    r"  # (?P<platform>\w+) (?P<size>\d+)"
)


class SetupError(Exception):
    """One sentence for the person: what is wrong and what to do."""


class Progress:
    """One phase in megabytes: a redrawn line on a terminal, a line every ten seconds in a log."""

    def __init__(self, phase, total):
        self.phase, self.total, self.terminal = phase, total, sys.stderr.isatty()
        self.done, self.shown_at = 0, 0.0

    def __enter__(self):
        self._show()
        return self

    def update(self, done):
        # pip clears its temporary files before it is done: what was reached stays.
        self.done = max(self.done, min(done, self.total))
        if time.monotonic() - self.shown_at > (0.2 if self.terminal else 10.0):
            self._show()

    def __exit__(self, failure, *_):
        if failure is None:
            self.done = self.total
            self._show()
        if self.terminal:
            print(file=sys.stderr)

    def _show(self):
        line = f"{self.phase}: {self.done // 10**6} of {self.total // 10**6} MB"
        start, end = ("\r", "") if self.terminal else ("", "\n")
        print(start + line, end=end, file=sys.stderr, flush=True)
        self.shown_at = time.monotonic()


def main():
    pins = [PIN.match(line) for line in PINNED.read_text().splitlines() if not line.startswith("#")]
    if "LIBTORCH" in os.environ:
        check_given(os.environ["LIBTORCH"], pins[0]["version"])
    elif PART.exists() or not complete():
        install(pins)


def check_given(given, wanted):
    """Errors if the folder `given`, the person's own LIBTORCH, is no libtorch of version `wanted`."""
    remedy = (
        f"name a libtorch {wanted} (or the torch folder of a PyTorch {wanted} installation), "
        "or unset LIBTORCH to have it set up here"
    )
    if not os.path.isabs(given):
        raise SetupError(f"LIBTORCH is '{given}', not an absolute path: {remedy}")
    prefix = Path(given)
    for needed in ["lib/libtorch.so", "lib/libtorch_cpu.so", "include/torch/csrc/api/include/torch/torch.h"]:
        if not (prefix / needed).exists():
            raise SetupError(f"LIBTORCH is {given}, which holds no {needed}: {remedy}")
    try:
        header = (prefix / VERSION_HEADER).read_text()
    except FileNotFoundError:
        raise SetupError(f"LIBTORCH is {given}, older than {wanted} (it holds no {VERSION_HEADER}): {remedy}")
    found = ".".join(re.findall(r"#define TORCH_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))
    if found != wanted:
        raise SetupError(f"LIBTORCH is {given} of version {found}, and version {wanted} is needed: {remedy}")


def complete():
    """Whether the prefix is whole and made from the present pins."""
    stamped = STAMP.is_file() and STAMP.read_text() == pins_hash()
    return stamped and all((HOME / library).exists() for library in LIBRARIES)


def pins_hash():
    return hashlib.sha256(PINNED.read_bytes()).hexdigest()


def install(pins):
    HOME.mkdir(exist_ok=True)
    with open(HOME / "lock", "w") as lock:  # the kernel releases it however this process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("libtorch: waiting for another set-up of this checkout to end", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete():
            check_platform()
            wheels = download(pins)
            publish(unpack(wheels))
        shutil.rmtree(PART, ignore_errors=True)


def check_platform():
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "another C library").partition(" ")
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 28):
        raise SetupError(
            f"libtorch needs glibc 2.28 or newer and this system has {name} {version}: "
            "use Debian 10, Ubuntu 20.04 or newer, or the Dockerfile"
        )


def download(pins):
    """Returns the paths of the wheels, all of them matching their hashes."""
    scratch, wheels = fresh(PART / "download"), PART / "wheels"
    wheels.mkdir(exist_ok=True)
    done, paths = 0, []
    with Progress("libtorch 1/3 download", sum(int(pin["size"]) for pin in pins)) as progress:
        for pin in pins:
            path = wheels / f"{pin['hash']}.whl"
            if not path.exists():
                pip_download(pin, scratch, path, lambda size: progress.update(done + size))
            done += int(pin["size"])
            paths.append(path)
    return paths


def pip_download(pin, scratch, path, report):
    """Downloads one wheel to `path`; pip checks its hash before it is moved there."""
    (scratch / "pin.txt").write_text(pin["requirement"] + "\n")
    options = "--no-deps --require-hashes --only-binary=:all: --python-version 3.11 --implementation cp"
    options += " --abi cp311 --no-cache-dir --progress-bar=off --no-input --disable-pip-version-check"
    command = [sys.executable, "-m", "pip", "download", *options.split(), "--platform", pin["platform"]]
    command += ["--dest", str(scratch / "done"), "--requirement", str(scratch / "pin.txt")]
    # pip downloads into TMPDIR: here it is on the disk that was checked for space, and can be watched.
    temporary = fresh(scratch / "temporary")
    with open(scratch / "pip.log", "w+") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        environment = {**os.environ, "TMPDIR": str(temporary)}
        pip = subprocess.Popen(command, env=environment, preexec_fn=die_with_parent, **streams)
        while pip.poll() is None:
            report(bytes_in(temporary))
            time.sleep(0.2)
        log.seek(0)
        if pip.returncode != 0:
            raise SetupError(explain(log.read(), pin))
    (wheel,) = (scratch / "done").iterdir()
    wheel.rename(path)


def die_with_parent():
    # A pip that outlived a killed set-up would go on writing into the folder that the next one clears.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


def bytes_in(folder):
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(parent, name))
            except FileNotFoundError:  # pip moves its files about meanwhile
                pass
    return total


def explain(log, pin):
    """Why pip failed, as one sentence."""
    wheel = f"{pin['name']} {pin['version']}"
    if "No space left on device" in log:
        return NO_SPACE
    if "DO NOT MATCH THE HASHES" in log:
        return (
            f"{wheel} as downloaded differs from the hash pinned in {PINNED}: "
            "check the package index or mirror that pip is configured with, and start again"
        )
    if "connection" in log.lower() or "timed out" in log.lower():
        said = "there is no connection to the package index"
    else:
        errors = [line for line in log.splitlines() if line.startswith("ERROR: ")] or log.splitlines()
        said = f"pip says '{''.join(errors[-1:])}'"
    return (
        f"{wheel} cannot be downloaded, {said}: check network, proxy and pip configuration, and start again"
    )


def unpack(wheels):
    """Returns a new folder with the needed members of the wheels and the stub libtorch.so."""
    prefix = fresh(PART / "prefix")
    archives = [zipfile.ZipFile(wheel) for wheel in wheels]
    members = [(archive, m) for archive in archives for m in archive.infolist() if needed(m.filename)]
    done = 0
    with Progress("libtorch 2/3 unpack", sum(member.file_size for _, member in members)) as progress:
        for archive, member in members:
            target = prefix / member.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as packed, open(target, "wb") as unpacked:
                while block := packed.read(1 << 20):
                    done += unpacked.write(block)
                    progress.update(done)
    link_stub(prefix / "torch/lib")
    return prefix


def needed(name):
    return name in LIBRARIES or name.startswith(HEADERS) and not name.endswith("/")


def link_stub(lib):
    """Builds a libtorch.so that needs libtorch_cpu.so alone; the wheel's own pulls the CUDA half in."""
    print("libtorch 3/3 link", file=sys.stderr, flush=True)
    command = shlex.split(os.environ.get("CC", "cc"))
    command += ["-shared", "-o", str(lib / "libtorch.so"), "-x", "c", "/dev/null", "-x", "none"]
    command += ["-Wl,-soname,libtorch.so", "-Wl,--no-as-needed", f"-L{lib}", "-l:libtorch_cpu.so"]
    command += ["-Wl,-rpath,$ORIGIN"]
    linked = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    if linked.returncode != 0:
        if "No space left on device" in linked.stdout:
            raise SetupError(NO_SPACE)
        raise SetupError(
            f"{command[0]} cannot link a library, it says '{' '.join(linked.stdout.split())}': "
            "install a working compiler (sudo apt-get install build-essential) and start again"
        )


def publish(prefix):
    """Moves the prefix into place; the stamp goes before and comes after: a half-moved one never counts."""
    if STAMP.exists():
        STAMP.unlink()
    for name in ["torch", "nvidia"]:
        shutil.rmtree(HOME / name, ignore_errors=True)
        (prefix / name).rename(HOME / name)
    (PART / "stamp").write_text(pins_hash())
    (PART / "stamp").rename(STAMP)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nsetup: interrupted; start again and it goes on from here", file=sys.stderr)
        sys.exit(130)
    except SetupError as error:
        problem = str(error)
    except zipfile.BadZipFile as error:
        shutil.rmtree(PART, ignore_errors=True)
        problem = f"a downloaded wheel is damaged ({error}) and was removed: start again"
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = NO_SPACE if full else f"{error.filename}: {error.strerror}: put that right and start again"
    else:
        sys.exit(0)
    print(f"setup: {problem}", file=sys.stderr)
    sys.exit(2)

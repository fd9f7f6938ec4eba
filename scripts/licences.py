"""Copy the licences of everything that a release is made of into a folder: python3 scripts/licences.py FOLDER

    FOLDER/NAME-VERSION/LICENSE...    of each crate that is compiled into the program
    FOLDER/README                     which licence each has, and those of libtorch
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")
TARGET = "x86_64-unknown-linux-gnu"
LIBTORCH = """libtorch (libtorch_cpu.so, libc10.so), BSD-3-Clause: https://github.com/pytorch/pytorch/blob/main/LICENSE
libgomp.so.1, GPL-3.0 with the GCC Runtime Library Exception: https://gcc.gnu.org/onlinedocs/libgomp/
libcudart.so.13 and libcupti.so.13, which libtorch_cpu.so of this build loads: https://docs.nvidia.com/cuda/eula/
"""


def main(folder):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    lines = []
    for package in sorted(compiled(metadata), key=lambda id: packages[id]["name"]):
        package = packages[package]
        if package["source"] is None:
            continue
        name = f"{package['name']}-{package['version']}"
        lines.append(f"{name}: {package['license'] or 'see its folder'}, {package['repository'] or ''}".rstrip(", "))
        own = Path(package["manifest_path"]).parent
        for file in sorted(own.iterdir()):
            if file.is_file() and file.name.upper().startswith(NAMES):
                (folder / name).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, folder / name / file.name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README").write_text("\n".join(lines) + "\n\n" + LIBTORCH)


def compiled(metadata):
    """The packages that end up in the program: reached from it by dependencies that are neither of tests nor of build scripts."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, left = set(), [metadata["resolve"]["root"]]
    while left:
        id = left.pop()
        if id not in found:
            found.add(id)
            for dependency in nodes[id]["deps"]:
                if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                    left.append(dependency["pkg"])
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))

#!/usr/bin/env python3
"""Lets a CUDA build of torch be imported where there is no CUDA: stand-ins for the libraries that it is linked against.

    scripts/engines/without_cuda.py SITE_PACKAGES

Each stand-in has the functions that torch looks up in it; called, they say that there is no device. Needs cc and readelf.
"""

import os
import re
import subprocess
import sys

# The folder of a library under nvidia/, where it is not that of CUDA itself.
FOLDERS = {
    "libcudnn.so.9": "cudnn",
    "libcusparseLt.so.0": "cusparselt",
    "libnccl.so.2": "nccl",
    "libnvshmem_host.so.3": "nvshmem",
}
CUDA = "cu13"
RUNTIME = "libcudart.so.13"
TORCH = ("torch_cpu", "torch_cuda", "c10_cuda", "torch_python", "torch_nvshmem", "torch_global_deps")
NAMES = re.compile(
    r"(cu[A-Z]|cuda|cublas|cudnn|cusparse|cufft|curand|cupti|nvshmem|nccl|cuFile|__cuda|nvrtc|nvJit|nvtx)"
)
NO_DEVICE = 100  # cudaErrorNoDevice


def looked_up(folder):
    """The libraries that torch needs of CUDA, and its functions there with the version that each is asked for."""
    libraries, functions = set(), {}
    for name in TORCH:
        path = f"{folder}/lib{name}.so"
        command = ["readelf", "-W", "-d", "--dyn-syms", path]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for line in text.splitlines():
            needed = re.search(r"NEEDED.*\[(.*)\]", line)
            if needed and re.match(r"lib(cu|nv|nccl)", needed[1]):
                libraries.add(needed[1])
            words = line.split()
            if len(words) >= 8 and words[6] == "UND" and NAMES.match(words[7]):
                function, _, version = words[7].partition("@")
                functions[function] = version
    return libraries, functions


def source(function):
    """A function of C that says that there is no device."""
    if function in ("cudaGetErrorString", "cudaGetErrorName"):
        return f'const char *{function}(void) {{ return "no CUDA here"; }}'
    return f"long {function}(void) {{ return {0 if function.startswith('__cuda') else NO_DEVICE}; }}"


def build(packages, library, functions):
    folder = f"{packages}/nvidia/{FOLDERS.get(library, CUDA)}/lib"
    os.makedirs(folder, exist_ok=True)
    is_own = lambda version: version == library or (version == "NVSHMEM" and "nvshmem" in library)
    own = sorted(name for name, version in functions.items() if is_own(version))
    plain = sorted(name for name, version in functions.items() if not version and library == RUNTIME)
    code, versions = f"{folder}/{library}.c", f"{folder}/{library}.map"
    with open(code, "w") as file:
        file.write("\n".join(map(source, own + plain)))
        file.write("\nint stand_in_for_%s;\n" % re.sub(r"\W", "_", library))
    command = ["cc", "-shared", "-fPIC", "-O1", "-w", f"-Wl,-soname,{library}", "-o", f"{folder}/{library}", code]
    with open(versions, "w") as file:
        if own:
            tag = "NVSHMEM" if "nvshmem" in library else library
            file.write("%s { %s };\n" % (tag, "".join(f"{name};" for name in own)))
            command.append(f"-Wl,--version-script={versions}")
    subprocess.run(command, check=True)
    os.remove(code)
    os.remove(versions)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    packages = sys.argv[1]
    libraries, functions = looked_up(f"{packages}/torch/lib")
    for library in sorted(libraries):
        build(packages, library, functions)
    print(f"{len(libraries)} stand-ins with {len(functions)} functions in {packages}/nvidia")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compile every CUDA kernel without a GPU and say what it takes of one.

usage: kernels.py [--precision f32,tf32,f16,bf16] [--keep DIR]

nvcc compiles the kernels for two generations of GPUs; the table has each kernel's registers, bytes that did not fit them
(spilt) and how many blocks of it a multiprocessor holds. The runtime compiler, which the program uses, then compiles the
same source without any header of CUDA. The toolkit comes from the package index into a cache, as toolkit.txt pins it.
Fails if a kernel does not compile, or spills at the published size in a precision that is meant to be fast.
"""

import argparse
import ctypes
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNELS = HERE.parents[1] / "src/model/inference/cuda/kernels"
WEIGHTS = HERE.parents[1] / "src/model/weights.rs"
CACHE = Path(os.environ.get("LAMCAT_CUDA", Path.home() / ".cache/lamcat-cuda"))
PRECISIONS = {"f32": 0, "tf32": 1, "f16": 2, "bf16": 3}
# Compute capability: bytes of shared memory that blocks of a multiprocessor share; each block takes 1 KiB more than it asks.
CAPABILITIES = {"80": 164 * 1024, "90": 228 * 1024}
REGISTERS = 65536
# name: width, slots, heads' sizes of the encoder's blocks
MODELS = {"published": (128, 64, 8, 16), "width 64": (64, 64, 4, 8), "width 256": (256, 64, 16, 32)}


def toolkit() -> Path:
    """The toolkit's folder, installed on the first call."""
    home = CACHE / "venv"
    marker = CACHE / "installed"
    wanted = (HERE / "toolkit.txt").read_text()
    if not marker.exists() or marker.read_text() != wanted:
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        install = [home / "bin/pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        subprocess.run([*install, "-r", HERE / "toolkit.txt"], check=True)
        marker.write_text(wanted)
    (found,) = home.glob("lib/python*/site-packages/nvidia/cu13")
    for tool in [*found.glob("bin/*"), *found.glob("nvvm/bin/*")]:
        tool.chmod(tool.stat().st_mode | 0o111)
    return found


def defines(model: str, precision: str) -> list[str]:
    width, slots, first, second = MODELS[model]
    numbers = {"PRECISION": PRECISIONS[precision], "WIDTH": width, "SLOTS": slots, "FIRST_HEAD": first, "SECOND_HEAD": second}
    (epsilon,) = re.findall(r"LAYER_NORM_EPSILON: f32 = ([\d.e-]+);", WEIGHTS.read_text())
    return [f"-D{name}={value}" for name, value in numbers.items()] + [f"-DLAYER_NORM_EPSILON={epsilon}f"]


def shared_bytes(kernel: str, width: int, precision: str) -> int:
    """As plan.rs asks for it."""
    per_line = 128 // (2 if precision in ("f16", "bf16") else 4)
    if kernel == "dense":
        return 3 * (128 + 128) * 128
    if kernel == "dense_norm":
        return 3 * (128 + width) * 128
    if kernel == "feed_forward":
        return (3 if width <= 128 else 2) * (-(-width // per_line) * per_line + width) * 128
    return 0


def nvcc(home: Path, model: str, precision: str, capability: str, keep: Path) -> list[dict]:
    to = keep / f"{model.replace(' ', '_')}-{precision}-{capability}.cubin"
    command = [home / "bin/nvcc", "-std=c++17", "-cubin", f"-arch=sm_{capability}", "-Xptxas", "-v", "-o", to]
    done = subprocess.run([*command, *defines(model, precision), KERNELS / "all.cu"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{model}, {precision}, sm_{capability}:\n{done.stderr}")
    found = []
    pattern = r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers"
    for name, stores, loads, registers in re.findall(pattern, done.stderr, re.DOTALL):
        threads = 256 if name.startswith(("dense", "embed", "answer", "mean")) else 128
        shared = shared_bytes(name, MODELS[model][0], precision)
        by_registers = REGISTERS // (-(-int(registers) // 8) * 8 * threads)
        by_shared = CAPABILITIES[capability] // (shared + 1024) if shared else 32
        found.append({"kernel": name, "registers": int(registers), "spilt": int(stores) + int(loads), "shared": shared,
                      "blocks": min(by_registers, by_shared, 2048 // threads)})
    return found


def runtime_source() -> str:
    """The source as the program gives it to the runtime compiler: one text without includes."""
    order = re.findall(r'#include "(.+)"', (KERNELS / "all.cu").read_text())
    text = "\n".join((KERNELS / name).read_text() for name in order)
    return "".join(line for line in text.splitlines(True) if not line.startswith(('#include "', "#pragma once")))


def compile_at_run_time(home: Path, model: str, precision: str, capability: str) -> int:
    """Bytes of PTX."""
    # The compiler opens its other half by name, which it finds if that is open already.
    ctypes.CDLL(next(home.glob("lib/libnvrtc-builtins.so.*")), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(next(home.glob("lib/libnvrtc.so.*")))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    source = runtime_source().replace('#include "emulated.h"', "").encode()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source, b"lamcat.cu", 0, None, None) == 0
    options = [o.encode() for o in [f"--gpu-architecture=compute_{capability}", "--std=c++17", *defines(model, precision)]]
    code = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    if code:
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, log)
        sys.exit(f"runtime compiler: {model}, {precision}:\n{log.value.decode()}")
    library.nvrtcGetPTXSize(program, ctypes.byref(size))
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return size.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", default=",".join(PRECISIONS))
    parser.add_argument("--keep", type=Path, help="folder for the compiled kernels")
    args = parser.parse_args()
    home, bad = toolkit(), []
    with tempfile.TemporaryDirectory() as folder:
        keep = args.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        print(f"{'model':<10} {'numbers':<7} {'sm':<3} {'kernel':<16} {'registers':>9} {'spilt':>6} {'shared':>7} {'blocks/SM':>9}")
        for model in MODELS:
            for precision in args.precision.split(","):
                capabilities = CAPABILITIES if model == "published" else {"90": 0}
                for capability in capabilities:
                    for k in nvcc(home, model, precision, capability, keep):
                        print(f"{model:<10} {precision:<7} {capability:<3} {k['kernel']:<16} {k['registers']:>9} "
                              f"{k['spilt']:>6} {k['shared']:>7} {k['blocks']:>9}")
                        if model == "published" and precision in ("f16", "bf16") and k["spilt"]:
                            bad.append(f"{k['kernel']} ({precision}, sm_{capability}) spills {k['spilt']} bytes")
                print(f"{model}, {precision}: the runtime compiler gives {compile_at_run_time(home, model, precision, '80')} bytes")
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()

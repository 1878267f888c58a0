#!/usr/bin/env bash
# Measures lamcat on the GPU of this machine: run in the folder that build.sh made.
#     ./run.sh [OUTPUT_FOLDER] [run.py's options]
# The machine needs a driver, the runtime compiler of CUDA (libnvrtc: in the toolkit, or beside PyTorch), and python3; with
# PyTorch in it, its peers and the card's own rates are measured too.
set -euo pipefail
cd "$(dirname "$0")"
output="${1:-.}"
shift || true
mkdir -p "$output"
xz -dc lamcat.xz > lamcat && chmod +x lamcat
folders="$(python3 - <<'PYTHON'
import glob, os, sys
patterns = ["nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"]
found = [folder for path in sys.path for pattern in patterns for folder in glob.glob(os.path.join(path, pattern))]
found += glob.glob("/usr/local/cuda/lib64") + glob.glob("/usr/local/cuda-*/lib64") + glob.glob("/usr/local/nvidia/lib*")
print(":".join(found))
PYTHON
)"
export LD_LIBRARY_PATH="$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec python3 run.py ./lamcat --output "$output" "$@"

#!/usr/bin/env bash
# Builds lamcat for GPUs, on a machine that needs neither a GPU nor CUDA, and packs what a GPU machine needs to measure it:
#     benches/gpu/build.sh [FOLDER]        default: gpu-run
# FOLDER gets lamcat.gz, a model file of the published size, and the reference vectors if they are there.
set -euo pipefail
cd "$(dirname "$0")/../.."
to="${1:-gpu-run}"
cargo build --release --locked --features cuda
lamcat="${CARGO_TARGET_DIR:-target}/release/lamcat"
mkdir -p "$to"
gzip -9 -c "$lamcat" > "$to/lamcat.gz"
cp benches/gpu/run.sh benches/gpu/run.py "$to/"
[ ! -f benches/peers/transformer.py ] || cp benches/peers/transformer.py "$to/"
reference="${LAMCAT_SHARED:-../shared}/reference"
for size in tiny small; do
    [ ! -d "$reference/$size" ] || { mkdir -p "$to/reference"; cp -r --no-preserve=mode "$reference/$size" "$to/reference/"; }
done
bytes="$(stat -c %s "$to/lamcat.gz")"
printf '%s: %s MB, lamcat.gz %s MB\n' "$to" "$(($(du -sb "$to" | cut -f 1) / 1000000))" "$((bytes / 1000000))"
[ "$bytes" -lt 60000000 ] || { echo "lamcat.gz is too large to carry" >&2; exit 1; }

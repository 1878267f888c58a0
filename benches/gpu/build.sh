#!/usr/bin/env bash
# Builds lamcat for GPUs, on a machine that needs neither a GPU nor CUDA, and packs what a GPU machine needs to measure it:
#     benches/gpu/build.sh [FOLDER]        default: gpu-run
# FOLDER gets lamcat.xz and, if what they are made from is there, the reference vectors and some simulated stars.
set -euo pipefail
cd "$(dirname "$0")/../.."
to="${1:-gpu-run}"
cargo build --release --locked --features cuda
lamcat="${CARGO_TARGET_DIR:-target}/release/lamcat"
mkdir -p "$to"
xz -T0 -6 -c "$lamcat" > "$to/lamcat.xz"
cp benches/gpu/run.sh benches/gpu/run.py "$to/"
[ ! -f benches/peers/transformer.py ] || cp benches/peers/transformer.py "$to/"
reference="${LAMCAT_SHARED:-../shared}/reference"
for size in tiny small; do
    [ ! -d "$reference/$size" ] || { mkdir -p "$to/reference"; cp -r --no-preserve=mode "$reference/$size" "$to/reference/"; }
done
data="${LAMCAT_SHARED:-../shared}/data"
[ ! -d "$data/forward_model" ] || "$lamcat" simulate --data "$data" --rows 20000 --overwrite -o "$to/stars.parquet"
bytes="$(stat -c %s "$to/lamcat.xz")"
printf '%s: %s MB, lamcat.xz %s MB\n' "$to" "$(($(du -sb "$to" | cut -f 1) / 1000000))" "$((bytes / 1000000))"
[ "$bytes" -lt 60000000 ] || { echo "lamcat.xz is too large to carry" >&2; exit 1; }

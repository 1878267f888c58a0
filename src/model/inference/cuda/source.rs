//! The kernels' source as one text, so that compilers need no files.

/// The files, each after those that it needs.
const FILES: [&str; 8] = [
    include_str!("kernels/device.cuh"),
    include_str!("kernels/numbers.cuh"),
    include_str!("kernels/tile.cuh"),
    include_str!("kernels/embed.cu"),
    include_str!("kernels/dense.cu"),
    include_str!("kernels/feed_forward.cu"),
    include_str!("kernels/attention.cu"),
    include_str!("kernels/attend_requests.cu"),
];

/// Returns the source of every kernel.
pub(super) fn source() -> String {
    let lines = FILES.iter().flat_map(|file| file.lines());
    let kept = lines.filter(|line| !line.starts_with("#include \"") && *line != "#pragma once");
    kept.fold(String::new(), |text, line| text + line + "\n")
}

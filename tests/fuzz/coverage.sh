#!/bin/sh
# Stands before rustc for the crates of this workspace: lamcat's library counts its edges for libFuzzer, and all else, the
# libraries too, stays as it was built.
case " $* " in
*" --crate-name lamcat "*" --crate-type lib "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares -Copt-level=1 -Cdebug-assertions=on -Coverflow-checks=on
    ;;
*" --crate-name lamcat "*" --crate-type bin "*)
    # The program is built beside the tests but not run here: it has nobody to count for.
    exec "$@" -Clink-arg=-Wl,--unresolved-symbols=ignore-all
    ;;
*)
    exec "$@"
    ;;
esac

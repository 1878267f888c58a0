#!/bin/sh
# Runs rustc for the crates of this workspace. Those that read files, statements and models count their edges for libFuzzer;
# all others, and the libraries from elsewhere, stay as they were built.
case " $* " in
*" --crate-name lamcat_core "*" --crate-type lib "* | *" --crate-name lamcat_formats "*" --crate-type lib "* | \
    *" --crate-name lamcat_model "*" --crate-type lib "* | *" --crate-name lamcat_sql "*" --crate-type lib "* | \
    *" --crate-name lamcat_catalogue "*" --crate-type lib "*)
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

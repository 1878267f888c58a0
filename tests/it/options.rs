//! Every option of every command has an effect. The commands and options are taken from the program itself, so a new
//! option fails here until a test of it is named, or a probe is added: a pair of calls, with and without the option,
//! that differ.

use std::{collections::BTreeSet, fs, path::Path};

use lamcat::cli;

use crate::{
    option_probes::{PROBES, SESSION_OPTIONS, SESSIONS},
    program::lamcat,
};

/// Options by command, with the tests that show their effect.
const TESTED: &[(&str, &str, &str)] = &[
    ("sql", "--command", "train_program::training_learns_and_its_model_answers_sql"),
    ("sql", "--file --format --quiet", "paper::the_learnt_extinction_curve_is_fitzpatricks_within_its_band"),
    ("sql", "--output", "formats::files_of_every_format_read_back_alike"),
    ("sql", "--cluster --cluster-token", "cluster::what_does_not_belong_together_is_refused"),
    ("cluster worker", "--listen --cluster-token", "cluster::what_does_not_belong_together_is_refused"),
    ("cluster status", "--cluster --json", "cluster::status_says_who_is_there"),
    ("plot", "--command --group --kind --quiet", "plot::lists_are_drawn_element_by_element_with_their_errors"),
    ("plot", "--output --x", "plot::errors_say_what_to_do"),
    ("plot", "--color", "plot::a_histogram_and_a_heat_map_are_drawn"),
    ("plot", "--threads", "plot::rows_with_lists_keep_their_order"),
    ("model convert", "--output --dtype", "train_program::a_model_in_half_precision_answers_nearly_the_same"),
    (
        "model import",
        "--output --name --untrained",
        "model_files::the_published_format_imports_and_bad_checkpoints_do_not",
    ),
    ("model info", "--json", "model_files::the_published_format_imports_and_bad_checkpoints_do_not"),
    ("model init", "--output --width --encoder-heads", "domain::the_program_fits_a_domain_and_says_what_is_wrong"),
    ("model init", "--seed --name --encoder-dense", "cli::a_model_from_a_seed_is_the_same_every_time_and_can_be_named"),
    ("model init", "--context-length", "eval_program::what_cannot_be_judged_is_said"),
    (
        "model init",
        "--decoder-heads --decoder-dense",
        "cli::the_embedded_model_is_trained_and_an_untrained_one_says_so",
    ),
    ("model domain", "--command --output --outside", "domain::the_program_fits_a_domain_and_says_what_is_wrong"),
    ("run", "<file>", "run_program::killed_runs_end_in_the_release_of_an_undisturbed_one"),
    ("run", "--input", "run_program::units_are_parts_of_row_groups_that_are_too_large"),
    ("run", "--store", "report::a_run_says_what_its_stages_took_and_where_the_report_is"),
    (
        "run",
        "--release-version",
        "run_program::readers_see_one_whole_release_while_others_are_published_and_rolled_back_to",
    ),
    ("schedule run", "<files>", "schedule::unchanged_input_is_skipped_changed_input_is_released_and_a_rollback_stays"),
    ("schedule run", "--input --store --model --once --now --json", "schedule::a_schedule_on_s3_is_kept_by_many"),
    ("schedule run", "--health", "schedule::health_is_served_on_loopback_alone_and_says_when_a_run_failed"),
    ("schedule next", "<files>", "schedule::health_is_served_on_loopback_alone_and_says_when_a_run_failed"),
    ("schedule next", "--number --from --json", "schedule::the_next_times_are_said_and_what_cannot_be_scheduled"),
    (
        "schedule history",
        "<file>",
        "schedule::unchanged_input_is_skipped_changed_input_is_released_and_a_rollback_stays",
    ),
    ("schedule history", "--number", "schedule::a_failed_gate_is_recorded_and_the_release_before_stays"),
    ("schedule history", "--json --store", "schedule::a_schedule_on_s3_is_kept_by_many"),
    ("release verify", "<store> <release> --json", "release_verify::the_program_says_what_is_wrong_and_fails"),
    ("release show", "<store> <release> --json", "release_commands::show_has_columns_and_the_path_to_open"),
    ("release list", "<store>", "release_commands::rolling_back_makes_the_release_before_current"),
    ("release diff", "<store> <old> <new> --json", "release_commands::a_diff_has_the_known_figures"),
    ("release rollback", "<store> <release> --json", "release_commands::rolling_back_makes_the_release_before_current"),
    ("release gc", "<store> --unfinished", "release_commands::a_job_that_may_run_or_is_not_finished_keeps_its_work"),
    ("release gc", "--older-than --delete --json", "release_commands::gc_deletes_only_if_told_to"),
    ("release report", "<store> <release> --output", "report::a_report_is_made_again_and_goes_with_its_release"),
    ("ingest", "<input>", "domain::symbiotic_stars_are_out_of_domain_and_field_stars_are_not"),
    ("ingest", "--output", "fits::what_is_no_table_or_ends_early_is_refused"),
    ("ingest", "--columns --overwrite --dry-run", "fits::ingest_says_what_it_would_do_and_does_not_overwrite"),
    ("ingest", "--where", "ingest_files::a_second_run_does_nothing_and_another_setting_is_refused"),
    ("ingest", "--join --json", "ingest_files::files_are_joined_by_suffix_and_keep_units_order_and_every_row"),
    ("ingest", "--on-error", "ingest_files::malformed_values_are_named_or_null_and_counted"),
    ("ingest", "--no-verify", "ingest_files::a_wrong_md5_sum_is_refused_and_the_others_go_on"),
    ("ingest", "--jobs", "ingest_files::a_killed_run_goes_on_to_the_same_bytes"),
    (
        "simulate",
        "--data --rows --output --overwrite --dry-run",
        "simulate::the_program_simulates_and_says_what_is_missing",
    ),
    ("train", "--sql --size", "train_program::statements_before_the_query_make_its_tables"),
    (
        "train",
        "--command --blank --requests --label-share --epochs --lr --dropout --name --model",
        "train_program::training_learns_and_its_model_answers_sql",
    ),
    (
        "train",
        "--dir --batch --hide-asked --hide-groups --whole --lr-floor --from --quiet",
        "train_program::training_goes_on_from_a_models_weights",
    ),
    ("train", "--dry-run", "train_program::a_dry_run_says_what_it_would_do_and_writes_nothing"),
    (
        "train",
        "--resume --fresh --steps --seed --report-every --checkpoint-every --batch-rows",
        "train_program::a_killed_run_goes_on_as_if_it_had_not_been",
    ),
    (
        "train",
        "--context --width --encoder-heads --encoder-dense --decoder-heads --decoder-dense",
        "domain::a_trained_model_knows_its_training_stars",
    ),
    ("train", "--dtype", "train_program::a_model_in_half_precision_answers_nearly_the_same"),
    ("train", "--memory", "train_program::what_cannot_be_trained_on_is_said_before_the_first_step"),
    ("eval", "--sql --command", "eval_program::shipped_queries_take_real_stars"),
    ("eval", "--output --inputs", "eval_program::what_cannot_be_judged_is_said"),
    ("eval", "--labels --dry-run", "eval_program::a_dry_run_says_who_would_be_asked_for_what"),
    ("eval", "--inpaint-stars", "eval_program::inpainting_needs_stars"),
    ("eval", "--quiet", "eval_program::an_evaluation_is_a_table_and_files_that_a_rerun_repeats"),
    ("eval", "--model", "eval_program::the_report_holds_its_pictures_and_escapes_names"),
    ("eval", "--memory", "eval::predictions_that_do_not_fit_the_memory_are_an_error"),
    ("pipeline check", "<files> --no-inputs --format", "pipeline_files::the_program_checks_several_files"),
    ("pipeline explain", "<file> --input --store", "pipeline_files::the_demonstration_is_explained"),
    ("run", "--json", "run_program::killed_runs_end_in_the_release_of_an_undisturbed_one"),
    ("sql", "--model", "cli::a_model_from_a_seed_is_the_same_every_time_and_can_be_named"),
    ("schedule run", "--grace", "schedule::a_run_that_is_later_than_its_grace_is_left_out"),
    ("simulate", "--seed --dust --rv-spread --threads", "simulate::every_setting_changes_the_stars"),
    (
        "train",
        "--time-limit --restarts --keep-normalisation",
        "train_program::the_course_of_a_run_is_that_of_its_options",
    ),
    ("train", "--token", "vocabularies::a_query_with_further_columns_makes_a_model_that_answers_them"),
    ("train", "--basis", "vocabularies::a_model_is_trained_on_the_basis_of_its_spectra"),
    ("eval", "--seed", "eval_program::the_seed_is_told"),
];

/// Calls a function with every command that takes arguments, and with the command's words.
fn commands(command: &clap::Command, words: &str, found: &mut impl FnMut(&str, &clap::Command)) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let words = format!("{words} {}", sub.get_name());
        found(words.trim_start(), sub);
        commands(sub, &words, found);
    }
}

/// The options as `command --option` and the arguments as `command <argument>`.
fn options() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    commands(&cli::command(), "", &mut |words, command| {
        let options = command.get_arguments().filter(|option| !["help", "version"].contains(&option.get_id().as_str()));
        all.extend(options.map(|option| match option.get_long() {
            Some(long) => format!("{words} --{long}"),
            None => format!("{words} <{}>", option.get_id()),
        }));
    });
    all
}

fn listed() -> Vec<String> {
    let tested = TESTED.iter().flat_map(|(words, options, _)| options.split(' ').map(move |o| format!("{words} {o}")));
    let probed = PROBES.iter().map(|probe| format!("{} {}", probe.command, probe.option));
    let sessions = SESSIONS
        .iter()
        .flat_map(|(words, ..)| SESSION_OPTIONS.iter().map(move |(option, ..)| format!("{words} {option}")));
    tested.chain(probed).chain(sessions).collect()
}

#[test]
fn every_option_is_listed() {
    let listed: BTreeSet<String> = listed().into_iter().collect();
    let all = options();
    let missing: Vec<&String> = all.difference(&listed).collect();
    let gone: Vec<&String> = listed.difference(&all).collect();
    assert!(missing.is_empty(), "name the tests of these, or add probes: {missing:?}");
    assert!(gone.is_empty(), "there are no such options: {gone:?}");
}

/// The named tests exist, in files that use the options.
#[test]
fn the_tests_of_options_use_them() {
    let shorts: Vec<(String, char)> = {
        let mut shorts = Vec::new();
        commands(&cli::command(), "", &mut |words, command| {
            let options = command.get_arguments().filter_map(|o| Some((o.get_long()?, o.get_short()?)));
            shorts.extend(options.map(|(long, short)| (format!("{words} --{long}"), short)));
        });
        shorts
    };
    for (words, options, test) in TESTED {
        let (module, name) = test.split_once("::").unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(format!("{module}.rs"));
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(text.contains(&format!("fn {name}(")), "{test} is not there");
        for option in options.split(' ').filter(|option| option.starts_with("--")) {
            let short = shorts.iter().find(|(long, _)| *long == format!("{words} {option}"));
            let forms = [format!("\"{option}\""), format!(" {option} "), format!("\"{option}=")];
            let short = short.map(|(_, short)| format!("\"-{short}\""));
            assert!(
                forms.iter().chain(&short).any(|form| text.contains(form)),
                "{module} does not use {words} {option}"
            );
        }
    }
}

/// Returns what a call prints to stdout and stderr, and whether it succeeds.
pub fn call(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = lamcat(folder).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    (output.status.success(), text)
}

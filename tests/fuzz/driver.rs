//! libFuzzer, which makes inputs of those in the corpora and keeps what reaches new code.

#![expect(unsafe_code, reason = "libFuzzer is a library of C++")]

use std::{
    ffi::{CString, c_char, c_int},
    path::Path,
    sync::OnceLock,
};

// Brings libFuzzer with it.
use libfuzzer_sys as _;

use super::{Target, folder};

static TARGET: OnceLock<Target> = OnceLock::new();

unsafe extern "C" {
    fn LLVMFuzzerRunDriver(
        count: *mut c_int,
        arguments: *mut *mut *mut c_char,
        run: extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
}

extern "C" fn run(data: *const u8, size: usize) -> c_int {
    let data = if size == 0 {
        &[]
    } else {
        // SAFETY: libFuzzer gives the place and length of an input, which stays until this returns.
        unsafe { std::slice::from_raw_parts(data, size) }
    };
    if let Some(target) = TARGET.get() {
        (target.run)(data);
    }
    0
}

/// Runs libFuzzer on a target with its limits, and with what else is said to it.
pub fn fuzz(target: Target, further: &[String]) -> i32 {
    let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(target.name);
    let inputs = found.join("inputs");
    std::fs::create_dir_all(&inputs).expect("the target folder can be written");
    let dictionary = folder("corpus", &format!("{}.dict", target.name));
    let program = std::env::current_exe().expect("the program is a file");
    let mut arguments: Vec<String> = vec![program.display().to_string()];
    arguments.extend(["-rss_limit_mb=1024", "-timeout=10", "-max_len=16384"].map(str::to_owned));
    arguments.push(format!("-artifact_prefix={}/", found.display()));
    if dictionary.exists() {
        arguments.push(format!("-dict={}", dictionary.display()));
    }
    arguments.extend_from_slice(further);
    if further.iter().all(|argument| argument.starts_with('-')) {
        let known = ["corpus", "found"].map(|kind| folder(kind, target.name));
        let folders = known.iter().filter(|folder| folder.is_dir()).map(|folder| folder.display().to_string());
        arguments.push(inputs.display().to_string());
        arguments.extend(folders);
    }
    assert!(TARGET.set(target).is_ok(), "libFuzzer runs once");
    let to_c = |text: String| CString::new(text).expect("no NUL").into_raw();
    let mut arguments: Vec<*mut c_char> = arguments.into_iter().map(to_c).collect();
    let mut count = arguments.len() as c_int;
    arguments.push(std::ptr::null_mut());
    let mut first = arguments.as_mut_ptr();
    // SAFETY: the arguments are texts that end in zero and are never freed, as are those of a program's `main`.
    unsafe { LLVMFuzzerRunDriver(&raw mut count, &raw mut first, run) }
}

// SPDX-License-Identifier: GPL-2.0

//! The beginning and the end of the process, and `fork()`.

use crate::{member, real, report, settings};
use std::{env, ffi::OsStr, path::Path};
use umcg_run_options::{LIBRARY, VARIABLE};

/// Called by the dynamic linker.
#[cfg(not(test))]
#[used]
#[link_section = ".init_array"]
static BEGIN: extern "C" fn() = begin;

/// Called by `exit()`, after what the program has registered with `atexit()`.
#[cfg(not(test))]
#[used]
#[link_section = ".fini_array"]
static END: extern "C" fn() = report::at_exit;

#[cfg_attr(test, allow(dead_code))]
extern "C" fn begin() {
    real::look_up_all();
    member::prepare();
    member::begin_first_thread();
    // SAFETY: The function is there as long as the process.
    unsafe { libc::pthread_atfork(None, None, Some(begin_child)) };

    let Some(options) = settings::get() else {
        return;
    };
    // Daemons give up root before they make threads. If it fails, it is tried again then.
    let _ = umcg::open_device();
    if options.stats {
        report::listen();
    }
    if !options.follows {
        leave_environment();
    }
}

/// The child has one thread, which is no worker, and makes its group anew when it makes threads.
unsafe extern "C" fn begin_child() {
    member::begin_first_thread();
}

/// Programs that this one executes are run as they are.
fn leave_environment() {
    env::remove_var(VARIABLE);
    if let Some(list) = env::var_os("LD_PRELOAD").and_then(|list| list.into_string().ok()) {
        match without_library(&list) {
            Some(others) => env::set_var("LD_PRELOAD", others),
            None => env::remove_var("LD_PRELOAD"),
        }
    }
}

/// The list of libraries without this one; none if there are no others.
fn without_library(list: &str) -> Option<String> {
    let others: Vec<&str> = list
        .split([':', ' '])
        .filter(|path| !path.is_empty() && Path::new(path).file_name() != Some(OsStr::new(LIBRARY)))
        .collect();

    (!others.is_empty()).then(|| others.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_libraries_stay() {
        let own = format!("/usr/lib/umcg/{LIBRARY}");

        assert_eq!(without_library(&own), None);
        assert_eq!(
            without_library(&format!("{own}:/a.so b.so")).unwrap(),
            "/a.so:b.so"
        );
    }
}

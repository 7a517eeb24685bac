// SPDX-License-Identifier: GPL-2.0

//! The executions of a scenario, and its seeded bug.

use crate::kernel;
use loom::model::Builder;
use std::{
    cell::Cell,
    panic::{catch_unwind, resume_unwind},
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Arc,
    },
    time::Instant,
};

/// The name of a seeded bug, or none.
pub(crate) type Bug = Option<&'static str>;

std::thread_local! {
    static BUG: Cell<Bug> = const { Cell::new(None) };
}

/// Whether the current model has this bug. `build.rs` inserts the call where the bug is seeded.
pub(crate) fn has(bug: &str) -> bool {
    BUG.get() == Some(bug)
}

#[allow(unused_macros)]
/// Replaces the code in which a bug is seeded.
macro_rules! bug {
    ($name:literal, { $($wrong:tt)* }, { $($right:tt)* }) => {
        if crate::explore::has($name) { $($wrong)* } else { $($right)* }
    };
}
pub(crate) use bug;

/// Tests of scenarios without a bug.
macro_rules! clean {
    ($($test:ident: $scenario:ident;)*) => {
        $(
            #[test]
            fn $test() {
                $scenario(None);
            }
        )*
    };
}
pub(crate) use clean;

/// Tests of seeded bugs.
macro_rules! bugs {
    ($($name:ident: $file:literal, $right:literal => $wrong:literal, $scenario:ident, $found:literal;)*) => {
        $(
            const _: () = assert!(!$found.is_empty(), "any panic would do");

            #[test]
            #[should_panic(expected = $found)]
            fn $name() {
                scenarios::$scenario(Some(stringify!($name)));
            }
        )*
    };
}
pub(crate) use bugs;

/// More preemptions than a scenario of these steps can have.
#[allow(dead_code, reason = "not every library has such small scenarios")]
pub(crate) const WHOLE: usize = 100;

/// Runs a scenario in every order with at most this number of preemptions, switches from a thread
/// that could continue, and with every value that a read may return.
pub(crate) fn explore(preemptions: usize, bug: Bug, scenario: fn()) {
    let executions = Arc::new(AtomicU64::new(0));
    let count = executions.clone();
    let begin = Instant::now();
    let mut builder = Builder::new();

    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 20_000;
    BUG.set(bug);
    let result = catch_unwind(|| {
        builder.check(move || {
            count.fetch_add(1, Relaxed);
            kernel::begin();
            scenario();
            kernel::end();
        });
    });
    if let Err(panic) = result {
        println!("What has happened:\n{}", kernel::story());
        resume_unwind(panic);
    }
    println!(
        "{}: {} executions, {:.1} s",
        std::thread::current().name().unwrap_or_default(),
        executions.load(Relaxed),
        begin.elapsed().as_secs_f32(),
    );
}

// SPDX-License-Identifier: GPL-2.0

//! The options, from the environment.

use std::{env, sync::OnceLock};
use umcg_run_options::{Options, VARIABLE};

static OPTIONS: OnceLock<Option<Options>> = OnceLock::new();

/// The options; none if the variable says nothing that this library understands.
pub(crate) fn get() -> Option<&'static Options> {
    OPTIONS.get_or_init(read).as_ref()
}

fn read() -> Option<Options> {
    let text = env::var(VARIABLE).ok()?;

    Options::decode(&text)
}

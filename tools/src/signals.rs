// SPDX-License-Identifier: GPL-2.0

//! Signals that ask a program to end.

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};
use std::sync::{
    atomic::{AtomicUsize, Ordering::Relaxed},
    Arc,
};

/// Whether a signal has asked for the end.
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// The signals that ask for the end only set this from now on.
    ///
    /// # Errors
    ///
    /// A text for people.
    pub fn new() -> Result<Self, String> {
        let signal = Arc::new(AtomicUsize::new(0));

        for number in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_usize(number, Arc::clone(&signal), number as usize)
                .map_err(|e| format!("no signal handler: {e}"))?;
        }
        Ok(Self(signal))
    }

    /// The last signal that has come.
    pub fn signal(&self) -> Option<i32> {
        match self.0.load(Relaxed) {
            0 => None,
            number => Some(number as i32),
        }
    }

    /// The last signal that has come since this was last asked.
    pub fn take(&self) -> Option<i32> {
        match self.0.swap(0, Relaxed) {
            0 => None,
            number => Some(number as i32),
        }
    }
}

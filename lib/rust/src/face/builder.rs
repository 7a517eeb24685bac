// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Building a group.

use super::{group::Group, threads};
use crate::{
    engine::shared::{Shared, MAX_SERVERS},
    error::Error,
    policy::{feedback::Feedback, interface::Policy},
    sys::device,
};
use std::{fmt, num::NonZero, sync::Arc, thread, time::Duration};

/// The default length of slices.
const SLICE: Duration = Duration::from_millis(3);

/// The settings of a group: see [`Group::builder()`].
#[must_use = "nothing is made before build()"]
pub struct Builder {
    servers: Option<usize>,
    slice: Option<Duration>,
    policy: Box<dyn Policy>,
}

impl Group {
    /// A group with the default settings.
    ///
    /// # Errors
    ///
    /// As of [`Builder::build()`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// The default settings, to be changed.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl Builder {
    fn new() -> Self {
        Self {
            servers: None,
            slice: Some(SLICE),
            policy: Box::new(Feedback::new()),
        }
    }

    /// How many workers run at a time, 1 to 64. Default: as many as the process has CPUs.
    pub fn servers(mut self, servers: usize) -> Self {
        self.servers = Some(servers);
        self
    }

    /// How long a worker runs, while others are queued, before the policy decides whether it gives
    /// way. Default: 3 ms. With [`Duration::ZERO`] there are no slices: a worker runs until it
    /// blocks.
    pub fn slice(mut self, slice: Duration) -> Self {
        self.slice = (!slice.is_zero()).then_some(slice);
        self
    }

    /// The policy. Default: [`Feedback`].
    pub fn policy(mut self, policy: impl Policy + 'static) -> Self {
        self.policy = Box::new(policy);
        self
    }

    /// Makes the group: starts a thread for each server, and one for the slices.
    ///
    /// # Errors
    ///
    /// - [`Error::Unavailable`], [`Error::Unsupported`]: the module is not loaded, or is incompatible.
    /// - [`Error::TooManyThreads`], [`Error::OutOfMemory`].
    /// - [`Error::Os`] with `ERANGE`: an invalid number of servers.
    pub fn build(self) -> Result<Group, Error> {
        let servers = self.servers.unwrap_or_else(|| {
            thread::available_parallelism()
                .map_or(1, NonZero::get)
                .min(MAX_SERVERS)
        });

        if !(1..=MAX_SERVERS).contains(&servers) {
            return Err(Error::Os(libc::ERANGE));
        }
        device::open().map_err(Error::of_device)?;
        let shared = Arc::new(Shared::new(servers, self.slice, self.policy)?);
        let threads = threads::start(&shared)?;
        Ok(Group::of(shared, threads))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("servers", &self.servers)
            .field("slice", &self.slice)
            .finish_non_exhaustive()
    }
}

// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Deadlines of workers.

use super::current::current;
use crate::{error::Error, raw::deadline::Deadline, sys::thread};
use std::time::{Duration, Instant};

fn set(deadline: Deadline) -> Result<(), Error> {
    let worker = current().ok_or(Error::NotEntered)?;

    worker.record.set_deadline(deadline);
    Ok(())
}

/// Sets the absolute deadline of the calling worker, for
/// [`EarliestDeadline`](crate::policy::EarliestDeadline). It takes effect at once, and stays until
/// another one is set. Meant to be called at the beginning of a job.
///
/// ```no_run
/// use std::{thread::sleep, time::{Duration, Instant}};
/// # fn job() {}
///
/// # fn worker() -> Result<(), umcg::Error> {
/// const PERIOD: Duration = Duration::from_millis(20);
/// let mut begin = Instant::now();
///
/// loop {
///     umcg::set_deadline(begin + PERIOD)?;
///     job();
///     begin += PERIOD;
///     // Before it sleeps, so that it wakes with the next deadline.
///     umcg::set_deadline(begin + PERIOD)?;
///     sleep(begin.saturating_duration_since(Instant::now()));
/// }
/// # }
/// ```
///
/// # Errors
///
/// [`Error::NotEntered`] if the calling thread is not a worker.
pub fn set_deadline(deadline: Instant) -> Result<(), Error> {
    let (here, kernel) = (Instant::now(), thread::monotonic_ns());
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);

    // No time before the boot is needed.
    let ahead = nanoseconds(deadline.saturating_duration_since(here));
    let behind = nanoseconds(here.saturating_duration_since(deadline));
    set(Deadline::At(
        kernel.saturating_add(ahead).saturating_sub(behind),
    ))
}

/// Sets the relative deadline of the calling worker, as
/// [`Options::deadline()`](crate::Options::deadline) does, or with `None` removes its deadline.
/// It takes effect at the worker's next wake-up, or when it yields, at the latest.
///
/// # Errors
///
/// [`Error::NotEntered`] if the calling thread is not a worker.
pub fn set_relative_deadline(relative: Option<Duration>) -> Result<(), Error> {
    set(relative.map_or(Deadline::None, Deadline::after))
}

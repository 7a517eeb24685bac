// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Slots. The mapping of the slots is made once, and stays: pointers to slots are valid as long as
//! the process exists.

use crate::{
    raw::process::{known_slots, process},
    sys::{
        abi::{SchedState, SchedStateArgs, SCHED_STATE_REGISTER, SCHED_STATE_UNREGISTER},
        device,
        errno::Errno,
        program,
        tls::{self, Word},
    },
};
use core::{
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether libc calls the handlers below.
static FORKS_ARE_WATCHED: AtomicBool = AtomicBool::new(false);

extern "C" fn before_fork() {
    tls::set(Word::SlotsAtFork, known_slots().expose_provenance());
}

/// The mapping is not inherited. The child gets its own one, at the place that it may know, or
/// elsewhere if that is taken; and elsewhere, if it was made by `clone()`, when it asks for it.
extern "C" fn child_begins() {
    let place: *mut SchedState = ptr::with_exposed_provenance_mut(tls::get(Word::SlotsAtFork));

    if let (false, Ok(process)) = (place.is_null(), process()) {
        if device::map_slots_again(place).is_ok() {
            process.set_slots(place);
        }
    }
}

/// As `umcg_sched_slots()`.
pub(crate) fn slots() -> Result<*mut SchedState, Errno> {
    let process = process()?;
    let found = process.slots();

    if !found.is_null() {
        return Ok(found);
    }
    let _lock = process.slots_lock.lock();
    // Relaxed: under the lock.
    if !FORKS_ARE_WATCHED.load(Ordering::Relaxed) {
        program::at_fork(before_fork, child_begins)?;
        // Relaxed: as above. A child that was made in between watches twice, which does no harm.
        FORKS_ARE_WATCHED.store(true, Ordering::Relaxed);
    }
    if process.slots().is_null() {
        process.set_slots(device::map_slots()?);
    }
    Ok(process.slots())
}

/// As `umcg_sched_state_register()`.
pub(crate) fn register(flags: u32) -> Result<*mut SchedState, Errno> {
    let all = slots()?;
    let mut args = SchedStateArgs {
        flags: SCHED_STATE_REGISTER | flags,
        ..Default::default()
    };

    match device::sched_state(&mut args) {
        Ok(()) | Err(Errno(libc::EEXIST)) => Ok(all.wrapping_add(args.slot as usize)),
        Err(error) => Err(error),
    }
}

/// As `umcg_sched_state_unregister()`.
pub(crate) fn unregister() -> Result<(), Errno> {
    device::sched_state(&mut SchedStateArgs {
        flags: SCHED_STATE_UNREGISTER,
        ..Default::default()
    })
}

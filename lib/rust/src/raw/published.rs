// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Links that pass something on to other threads by themselves.

use super::link::{pointer, Link};
use crate::{
    atomic::{AtomicPtr, Ordering},
    sys::{
        errno::Errno,
        memory::{Wiped, Zeroed},
    },
};

#[allow(
    dead_code,
    reason = "not every library that has this file changes such links"
)]
impl<T: Sync> Link<T> {
    pub(crate) const fn none() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// What there is. Acquire: pairs with the release of what has put it there.
    pub(crate) fn read(&self) -> Option<&'static T> {
        // Acquire: see above.
        self.load(Ordering::Acquire)
    }

    /// Puts a value there. Release: pairs with the acquire in `read()`.
    pub(crate) fn publish(&self, value: Option<&'static T>) {
        // Release: see above.
        self.0.store(pointer(value), Ordering::Release);
    }

    /// Empties it, if the value is there.
    pub(crate) fn remove(&self, value: &'static T) {
        // Release: a thread that finds another value here sees what was done before. Nothing to be
        // done if it is not there.
        let _ = self.0.compare_exchange(
            pointer(Some(value)),
            pointer(None::<&T>),
            Ordering::Release,
            Ordering::Relaxed,
        );
    }
}

impl<T: Zeroed> Link<T> {
    /// The value; or, if there is none, new memory of zeros, which is zeroed again in children.
    /// Takes no lock, as a child may be created at any time.
    pub(crate) fn get_or_map(&self) -> Result<&'static T, Errno> {
        match self.read() {
            Some(value) => Ok(value),
            None => self.map(),
        }
    }

    #[cold]
    fn map(&self) -> Result<&'static T, Errno> {
        let new = Wiped::new(|_: &mut T| ()).map_err(|_| Errno(libc::ENOMEM))?;
        let place = core::ptr::from_ref(&*new).cast_mut();

        // Release: the memory is zeros for all; acquire: as `read()`, if another thread was faster.
        match self.0.compare_exchange(
            pointer(None::<&T>),
            place,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => Ok(new.leak()),
            Err(_) => self.read().ok_or(Errno(libc::ENOMEM)),
        }
    }
}

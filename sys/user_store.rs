// SPDX-License-Identifier: GPL-2.0

//! Stores to memory of the current task that a scheduler hook can begin.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use super::{
    bindings as helpers,
    context::TaskContext, //
};
use core::cell::UnsafeCell;
use kernel::{
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed,
        Release, //
    },
};

pub(crate) use helpers::umcg_user_store as UserStore;

/// Up to `N` stores, by number. A set of them is a word with one bit each.
///
/// For one task and its scheduler hooks: those may interrupt the methods anywhere, but no hook is
/// interrupted by a method.
///
/// # Invariants
///
/// A store is only written while it is not armed, and only armed when [`UserStore::write`] has
/// found its address good.
pub(crate) struct UserStores<const N: usize> {
    stores: UnsafeCell<[UserStore; N]>,
    armed: Atomic<u32>,
}

// SAFETY: Memory of user space is found by the address, in the task that calls.
unsafe impl<const N: usize> Send for UserStores<N> {}

impl<const N: usize> UserStores<N> {
    /// No stores.
    pub(crate) fn new() -> Self {
        const { assert!(N <= u32::BITS as usize) };

        // INVARIANT: None is armed.
        Self {
            stores: UnsafeCell::new([UserStore::default(); N]),
            armed: Atomic::new(0),
        }
    }

    /// The stores that there are.
    #[inline]
    pub(crate) fn armed(&self) -> u32 {
        self.armed.load(Relaxed)
    }

    /// Writes `store` once, and from then on where the other methods are told its number: the lowest
    /// one that was free. May sleep and fault.
    ///
    /// # Errors
    ///
    /// `EFAULT` if that fails; `ENOSPC` if there are `N`.
    pub(crate) fn arm(&self, ctx: &TaskContext, store: UserStore, now_ns: u64) -> Result<usize> {
        let armed = self.armed.load(Relaxed);
        // CAST: Not more than 32.
        let number = armed.trailing_ones() as usize;
        if number >= N {
            return Err(ENOSPC);
        }

        store.write(ctx, now_ns)?;
        // SAFETY: Within bounds.
        let place = unsafe { self.stores.get().cast::<UserStore>().add(number) };
        // SAFETY: Not armed, so no hook looks at it, and no other task does.
        unsafe { place.write(store) };
        // INVARIANT: Its address has just been found good. Release: the store above is there when a
        // hook of this task finds it armed.
        self.armed.store(armed | 1 << number, Release);

        Ok(number)
    }

    /// Forgets the store `number`.
    pub(crate) fn disarm(&self, number: usize) {
        self.armed
            .store(self.armed.load(Relaxed) & !(1 << number), Relaxed);
    }

    /// Writes those of `which` that there are, as far as that can be done without a fault; returns
    /// those that were not written. For scheduler hooks of the task.
    #[inline]
    pub(crate) fn write_nofault(&self, which: u32, now_ns: u64) -> u32 {
        let which = which & self.armed.load(Relaxed);
        if which == 0 {
            return 0;
        }

        // SAFETY: Those that are armed are not written to, and their addresses are good, by the type
        // invariant; there is at least one.
        unsafe { helpers::umcg_store_user_nofault(self.stores.get().cast(), which, now_ns) }
    }

    /// Writes those of `which` that there are. May sleep and fault.
    ///
    /// # Errors
    ///
    /// `EFAULT` if one could not be written.
    pub(crate) fn write(&self, ctx: &TaskContext, which: u32, now_ns: u64) -> Result {
        let which = which & self.armed.load(Relaxed);
        let mut result = Ok(());

        for number in (0..N).filter(|number| which & 1 << number != 0) {
            // SAFETY: Within bounds.
            let place = unsafe { self.stores.get().cast::<UserStore>().add(number) };
            // SAFETY: Armed, so nobody writes to it.
            result = result.and(unsafe { &*place }.write(ctx, now_ns));
        }

        result
    }
}

impl UserStore {
    /// Writes to the current address space. May sleep and fault.
    fn write(&self, _ctx: &TaskContext, now_ns: u64) -> Result {
        // SAFETY: In process context, as `_ctx` proves; the address is checked.
        to_result(unsafe { helpers::umcg_store_user(self, now_ns) })
    }
}

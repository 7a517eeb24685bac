// SPDX-License-Identifier: GPL-2.0

//! Stores to memory of the current task by its scheduler hooks.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use super::{
    bindings as helpers,
    context::TaskContext, //
};
use core::{
    mem::offset_of,
    sync::atomic::{
        AtomicU16,
        AtomicU32,
        AtomicU64,
        Ordering::Relaxed as LanguageRelaxed, //
    },
};
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

/// A store as seen by a scheduler hook. Single words, so that an interrupting hook finds consistent
/// values. `core` atomics, because the kernel's do not expose their address.
#[derive(Default)]
#[repr(C)]
struct Shared {
    address: AtomicU64,
    value: AtomicU64,
    keys: AtomicU32,
    width: AtomicU16,
    is_time: AtomicU16,
}

// The C helper takes an array of these.
const _: () = {
    assert!(size_of::<Shared>() == size_of::<UserStore>());
    assert!(offset_of!(Shared, address) == offset_of!(UserStore, address));
    assert!(offset_of!(Shared, value) == offset_of!(UserStore, value));
    assert!(offset_of!(Shared, keys) == offset_of!(UserStore, keys));
    assert!(offset_of!(Shared, width) == offset_of!(UserStore, width));
    assert!(offset_of!(Shared, is_time) == offset_of!(UserStore, is_time));
};

impl Shared {
    /// Relaxed: a hook of this task finds it armed only when it has been written; see
    /// [`UserStores::arm`].
    fn set(&self, store: &UserStore) {
        self.address.store(store.address, LanguageRelaxed);
        self.value.store(store.value, LanguageRelaxed);
        self.keys.store(store.keys, LanguageRelaxed);
        self.width.store(store.width, LanguageRelaxed);
        self.is_time.store(store.is_time, LanguageRelaxed);
    }

    /// Relaxed: the task itself has written it.
    fn get(&self) -> UserStore {
        UserStore {
            address: self.address.load(LanguageRelaxed),
            value: self.value.load(LanguageRelaxed),
            keys: self.keys.load(LanguageRelaxed),
            width: self.width.load(LanguageRelaxed),
            is_time: self.is_time.load(LanguageRelaxed),
        }
    }
}

/// Up to `N` stores, by index. Sets of them are bitmaps.
///
/// For one task and its scheduler hooks: hooks may interrupt the methods anywhere, but are not
/// interrupted by them. Misuse by other tasks could only write to other memory of user space.
///
/// # Invariants
///
/// Every nonzero address was checked to be in user space by [`UserStore::write`].
pub(crate) struct UserStores<const N: usize> {
    stores: [Shared; N],
    armed: Atomic<u32>,
}

impl<const N: usize> UserStores<N> {
    /// No stores.
    pub(crate) fn new() -> Self {
        const { assert!(N <= u32::BITS as usize) };

        // INVARIANT: All are zero.
        Self {
            stores: core::array::from_fn(|_| Shared::default()),
            armed: Atomic::new(0),
        }
    }

    /// The armed stores.
    #[inline]
    pub(crate) fn armed(&self) -> u32 {
        self.armed.load(Relaxed)
    }

    /// Writes `store` once, and adds it under the lowest free index, for the other methods. May
    /// sleep and fault.
    ///
    /// # Errors
    ///
    /// `EFAULT` if that fails; `ENOSPC` if there are `N`.
    pub(crate) fn arm(&self, ctx: &TaskContext, store: UserStore, now_ns: u64) -> Result<usize> {
        let armed = self.armed.load(Relaxed);
        // CAST: Not more than 32.
        let number = armed.trailing_ones() as usize;
        let place = self.stores.get(number).ok_or(ENOSPC)?;

        store.write(ctx, now_ns)?;
        // INVARIANT: Its address was checked by `write()` above.
        place.set(&store);
        // Release: the store above is visible when a hook of this task finds it armed.
        self.armed.store(armed | 1 << number, Release);

        Ok(number)
    }

    /// Removes the store `number`.
    pub(crate) fn disarm(&self, number: usize) {
        // CAST: What is beyond 32 is no store.
        let bit = 1_u32.checked_shl(number as u32).unwrap_or(0);
        self.armed.store(self.armed.load(Relaxed) & !bit, Relaxed);
    }

    /// Writes the armed stores in `which`, as far as possible without a fault; returns those that
    /// were not written. For scheduler hooks of the task.
    #[inline]
    pub(crate) fn write_nofault(&self, which: u32, now_ns: u64) -> u32 {
        let which = which & self.armed.load(Relaxed);
        if which == 0 {
            return 0;
        }

        // SAFETY: There is at least one, less than `N`, and their addresses are those of user space, by
        // the type invariant. The layout is that of the array that the helper takes.
        unsafe { helpers::umcg_store_user_nofault(self.stores.as_ptr().cast(), which, now_ns) }
    }

    /// Writes the armed stores in `which`. Returns the address of the first one that could not be
    /// written, if any. May sleep and fault.
    pub(crate) fn write(&self, ctx: &TaskContext, which: u32, now_ns: u64) -> Option<u64> {
        let which = which & self.armed.load(Relaxed);
        let mut lost = None;

        for (number, store) in self.stores.iter().enumerate() {
            let store = store.get();
            if which & 1 << number != 0 && store.write(ctx, now_ns).is_err() {
                lost = lost.or(Some(store.address));
            }
        }

        lost
    }
}

/// The protection key rights of the current thread.
pub(crate) fn protection_keys() -> u32 {
    // SAFETY: Looks at the current thread only.
    unsafe { helpers::umcg_protection_keys() }
}

impl UserStore {
    /// Writes to the current address space. May sleep and fault.
    fn write(&self, _ctx: &TaskContext, now_ns: u64) -> Result {
        // SAFETY: In process context, as `_ctx` proves; the address is checked.
        to_result(unsafe { helpers::umcg_store_user(self, now_ns) })
    }
}

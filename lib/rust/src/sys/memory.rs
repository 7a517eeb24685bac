// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Memory that the kernel shares: pages of their own, for it pins what the words lie in.

use super::errno::Errno;
use core::{
    mem::{align_of, size_of},
    ops::Deref,
    ptr::{self, NonNull},
    slice,
};

/// How large a page is at least. What lies in one of these lies in one page everywhere.
pub(crate) const SIZE: usize = 4096;

/// Types for which zeroed memory is a value, and which may change while they are shared.
///
/// # Safety
///
/// All fields are integers, or atomic pointers that may be null. Those that change are atomic.
pub(crate) unsafe trait Zeroed: Sync {}

fn page_size() -> usize {
    // SAFETY: The call takes a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };

    usize::try_from(size).map_or(SIZE, |size| size.max(SIZE))
}

/// Maps a page of zeros, which is not part of a huge one: that would be pinned as a whole.
fn map() -> Result<NonNull<u8>, Errno> {
    // SAFETY: A new mapping, wherever there is room.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            page_size(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };

    if page == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    // SAFETY: The page is a mapping of this function. The call fails where there are no huge pages.
    unsafe { libc::madvise(page, page_size(), libc::MADV_NOHUGEPAGE) };
    NonNull::new(page.cast()).ok_or(Errno(libc::ENOMEM))
}

/// Maps a page for words of threads, which is never unmapped: the kernel may write to them until
/// the thread is gone.
pub(crate) fn map_forever<T: Zeroed>() -> Result<&'static [T], Errno> {
    const { assert!(size_of::<T>() <= SIZE && align_of::<T>() <= SIZE) };
    let page = map()?.cast::<T>();

    // SAFETY: So many fit into the page, which is used for nothing else, is aligned and stays
    // mapped; zeroed memory is a value of the type.
    Ok(unsafe { slice::from_raw_parts(page.as_ptr(), page_size() / size_of::<T>()) })
}

/// A value alone in a page, which is zeroed in children of `fork()`.
pub(crate) struct Wiped<T: Zeroed> {
    value: NonNull<T>,
}

// SAFETY: The page is not tied to a thread, and the value in it may be used by any, as it is Sync.
unsafe impl<T: Zeroed> Send for Wiped<T> {}
// SAFETY: A shared `Wiped` gives out shared references only, of a type that is Sync.
unsafe impl<T: Zeroed> Sync for Wiped<T> {}

impl<T: Zeroed> Wiped<T> {
    /// The value, still to be changed by the caller alone, is zero.
    pub(crate) fn new(prepare: impl FnOnce(&mut T)) -> Result<Self, Errno> {
        const { assert!(size_of::<T>() <= SIZE && align_of::<T>() <= SIZE) };
        let page = map()?;
        let mut wiped = Self { value: page.cast() };

        // SAFETY: The page is a mapping of `wiped`.
        let result =
            unsafe { libc::madvise(page.as_ptr().cast(), page_size(), libc::MADV_WIPEONFORK) };
        if result == -1 {
            return Err(Errno::last());
        }
        // SAFETY: The page is large enough and aligned, zeroed memory is a value of the type, and
        // no other reference exists yet.
        prepare(unsafe { wiped.value.as_mut() });
        Ok(wiped)
    }

    /// The address of the page, for the kernel to share it.
    pub(crate) fn expose(&self) -> u64 {
        self.value.as_ptr().expose_provenance() as u64
    }
}

impl<T: Zeroed> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The page is mapped as long as `self` is there, and no mutable reference to it
        // exists.
        unsafe { self.value.as_ref() }
    }
}

impl<T: Zeroed> Drop for Wiped<T> {
    fn drop(&mut self) {
        // SAFETY: The mapping is that of `self`, of which no reference is left. If the kernel still
        // shares the page, it has it pinned, and finds it by no address.
        unsafe { libc::munmap(self.value.as_ptr().cast(), page_size()) };
    }
}

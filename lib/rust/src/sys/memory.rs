// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Memory that is shared with the kernel: separate pages, as the kernel pins them.

use super::errno::{check, Errno};
use core::{
    marker::PhantomData,
    mem::{align_of, size_of, ManuallyDrop},
    ops::Deref,
    ptr::{self, NonNull},
    slice,
};

/// The size of the smallest pages. What lies in one of these lies in one page everywhere.
pub(crate) const SIZE: usize = 4096;

/// Types for which zeroed memory is a value, and which may change while they are shared.
///
/// # Safety
///
/// All fields are integers, references or atomic pointers that may be null, and locks of such.
/// Those that change are atomic, or in a lock.
pub(crate) unsafe trait Zeroed: Sync {}

pub(super) fn page_size() -> usize {
    // SAFETY: The call takes a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };

    usize::try_from(size).map_or(SIZE, |size| size.max(SIZE))
}

/// Pages of zeros. They are unmapped when this is dropped.
pub(super) struct Mapping {
    pages: NonNull<u8>,
    size: usize,
}

impl Mapping {
    /// They are not part of a huge page: that would be pinned as a whole.
    fn new(size: usize) -> Result<Self, Errno> {
        // SAFETY: A new mapping, wherever there is room.
        let pages = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };

        if pages == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: The pages are those of this function. The call fails where none are huge.
        unsafe { libc::madvise(pages, size, libc::MADV_NOHUGEPAGE) };
        NonNull::new(pages.cast())
            .map(|pages| Self { pages, size })
            .ok_or(Errno(libc::ENOMEM))
    }

    /// They are zeroed in children, whichever call creates the child.
    pub(super) fn new_wiped(size: usize) -> Result<Self, Errno> {
        let new = Self::new(size)?;

        // SAFETY: The pages are those of `new`.
        check(unsafe { libc::madvise(new.pages.as_ptr().cast(), size, libc::MADV_WIPEONFORK) })?;
        Ok(new)
    }

    /// As many values as there is room for. They stay for ever.
    pub(super) fn leak<T: Zeroed>(self) -> &'static [T] {
        const { assert!(align_of::<T>() <= SIZE) };
        let this = ManuallyDrop::new(self);

        // SAFETY: So many fit into the pages, which are used for nothing else, are aligned and stay
        // mapped; zeroed memory is a value of the type.
        unsafe { slice::from_raw_parts(this.pages.as_ptr().cast(), this.size / size_of::<T>()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: The mapping is that of `self`, of which no reference is left. If the kernel still
        // shares a page, it has it pinned, and finds it by no address.
        unsafe { libc::munmap(self.pages.as_ptr().cast(), self.size) };
    }
}

/// Maps a page for words of threads, which is never unmapped: the kernel may write to them until
/// the thread is gone.
pub(crate) fn map_forever<T: Zeroed>() -> Result<&'static [T], Errno> {
    Mapping::new(page_size()).map(Mapping::leak)
}

/// A value in pages of its own, which are zeroed in children of `fork()`.
pub(crate) struct Wiped<T: Zeroed> {
    pages: Mapping,
    value: PhantomData<T>,
}

// SAFETY: The pages are not tied to a thread, and the value in them may be used by any, as it is
// Sync.
unsafe impl<T: Zeroed> Send for Wiped<T> {}
// SAFETY: A shared `Wiped` gives out shared references only, of a type that is Sync.
unsafe impl<T: Zeroed> Sync for Wiped<T> {}

impl<T: Zeroed> Wiped<T> {
    /// The value, still to be changed by the caller alone, is zero.
    pub(crate) fn new(prepare: impl FnOnce(&mut T)) -> Result<Self, Errno> {
        const { assert!(align_of::<T>() <= SIZE) };
        let wiped = Self {
            pages: Mapping::new_wiped(size_of::<T>().next_multiple_of(page_size()))?,
            value: PhantomData,
        };

        // SAFETY: The pages are large enough and aligned, zeroed memory is a value of the type, and
        // no other reference exists yet.
        prepare(unsafe { wiped.pages.pages.cast().as_mut() });
        Ok(wiped)
    }

    /// The value, which stays for ever.
    pub(crate) fn leak(self) -> &'static T {
        let [value, ..] = self.pages.leak() else {
            super::thread::abort()
        };

        value
    }

    /// The address of the value, for the kernel to share the page that it lies in.
    pub(crate) fn expose(&self) -> u64 {
        const { assert!(size_of::<T>() <= SIZE) };
        self.pages.pages.as_ptr().expose_provenance() as u64
    }
}

impl<T: Zeroed> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The pages are mapped as long as `self` is there, and no mutable reference to them
        // exists.
        unsafe { self.pages.pages.cast().as_ref() }
    }
}

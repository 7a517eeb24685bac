// SPDX-License-Identifier: GPL-2.0

//! Mappings of the device: pages of the kernel that user space reads.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::{
    bindings as helpers,
    compat,
    shared_page::SharedPage, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// The object that a mapping shows.
pub(crate) trait Mapped: Send + Sync + 'static {
    /// The number of pages.
    const PAGES: usize;

    /// The page with this number, which is less than [`Mapped::PAGES`]. Called with the mmap lock
    /// or the per-VMA lock held: may sleep, must not fault. Always the same page.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn page(&self, number: usize) -> Result<Arc<SharedPage>>;
}

/// Makes a new mapping show `object`, to which it keeps a reference until the last part of it is
/// unmapped.
///
/// The mapping is read-only, not inherited by fork, cannot be enlarged, and is not dumped.
///
/// # Errors
///
/// `EINVAL` if it is private, writable, executable, or extends beyond the last page.
pub(crate) fn map<M: Mapped>(vma: &VmaNew, object: Arc<M>) -> Result {
    // SAFETY: A mapping that is being made belongs to its caller.
    let first = unsafe { (*vma.as_ptr()).vm_pgoff };
    let pages = (vma.end() - vma.start()) / PAGE_SIZE;
    let fits = first.checked_add(pages).is_some_and(|end| end <= M::PAGES);

    // A shared mapping of a file that is open for reading loses the other flag.
    if !fits || !compat::is_shared(vma) {
        return Err(EINVAL);
    }
    vma.try_clear_maywrite()?;
    vma.try_clear_mayexec()?;
    vma.set_dontexpand();
    vma.set_dontcopy();
    vma.set_dontdump();

    // SAFETY: A mapping that is being made belongs to its caller. The reference goes in `close()`,
    // which is called for each `open()` and for this; also if the mapping fails from here on.
    unsafe { (*vma.as_ptr()).vm_private_data = Arc::into_raw(object).cast_mut().cast() };
    // SAFETY: A mapping that is being made belongs to its caller. The private data is what these
    // operations take it for.
    unsafe { (*vma.as_ptr()).vm_ops = Operations::<M>::table() };

    Ok(())
}

/// The operations of mappings whose private data is an `Arc<M>`.
struct Operations<M>(PhantomData<M>);

impl<M: Mapped> Operations<M> {
    const TABLE: bindings::vm_operations_struct = bindings::vm_operations_struct {
        open: Some(Self::open),
        close: Some(Self::close),
        fault: Some(Self::fault),
        ..pin_init::zeroed()
    };

    const fn table() -> &'static bindings::vm_operations_struct {
        &Self::TABLE
    }

    /// A mapping was moved or split.
    ///
    /// # Safety
    ///
    /// To be called by the kernel, as an operation of a mapping that [`map`] has made.
    unsafe extern "C" fn open(vma: *mut bindings::vm_area_struct) {
        // SAFETY: A mapping of this module has a reference.
        let object = unsafe { (*vma).vm_private_data }.cast::<M>();
        // SAFETY: An `Arc<M>` of which the old mapping has a reference; this makes one more, for the
        // new one.
        let object = unsafe { Arc::from_raw(object) };
        core::mem::forget(object.clone());
        core::mem::forget(object);
    }

    /// A mapping is removed. May sleep; the mmap lock is held.
    ///
    /// # Safety
    ///
    /// As [`Operations::open`].
    unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
        // SAFETY: A mapping of this module has a reference.
        let object = unsafe { (*vma).vm_private_data }.cast::<M>();
        // SAFETY: An `Arc<M>`, of which this is the reference that the mapping has.
        drop(unsafe { Arc::from_raw(object) });
    }

    /// A page that is not mapped yet is read. May sleep; the mmap lock or the per-VMA lock is held.
    ///
    /// # Safety
    ///
    /// As [`Operations::open`].
    unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: The kernel has filled it in.
        let place = unsafe { (*fault).__bindgen_anon_1 };
        // SAFETY: The mapping is valid, and has a reference.
        let object = unsafe { (*place.vma).vm_private_data }.cast::<M>();
        // SAFETY: The mapping stays, and keeps its reference, while a page of it is looked for.
        let object = unsafe { &*object };

        if place.pgoff >= M::PAGES {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        }
        match object.page(place.pgoff) {
            Ok(page) => {
                // SAFETY: A valid page, of which the mapping is to have a reference.
                unsafe { helpers::umcg_get_page(page.as_ptr()) };
                // SAFETY: The kernel takes over that reference.
                unsafe { (*fault).page = page.as_ptr() };
                0
            }
            Err(_) => bindings::vm_fault_reason_VM_FAULT_OOM,
        }
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The character device: passes every call to safe code, with a proof of its context.
//!
//! C headers: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h),
//! [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    bindings as helpers,
    compat,
    context::TaskContext, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    fs::File,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    mm::{
        virt::VmaNew,
        Mm, //
    },
    prelude::*,
    seq_file::SeqFile,
    sync::aref::ARef,
    types::ForeignOwnable, //
};

/// The operations of a device.
pub(crate) trait Calls: Send + Sync + 'static {
    /// Serves the ioctl `command`, with an argument that is usually a user address. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for a command that it does not know.
    fn ioctl(ctx: TaskContext, command: u32, arg: usize) -> Result;

    /// The advice of `posix_fadvise()` that is a call of the device. No other file accepts it: if
    /// the descriptor refers to another file, the call fails and does not affect that file.
    const ADVICE: c_int;

    /// Serves `posix_fadvise(fd, offset, length, ADVICE)`. May sleep.
    ///
    /// No security module checks that call, and no argument is in memory, so it costs a third of an
    /// ioctl up to here.
    fn advise(ctx: TaskContext, offset: i64, length: i64) -> Result;

    /// Makes a mapping for the current task, whose mmap lock is held. May sleep, must not fault.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device has no such memory.
    fn mmap(vma: &VmaNew) -> Result;

    /// Prints lines about an address space in `/proc/PID/fdinfo/FD`. May sleep.
    fn show(mm: &Mm, out: &SeqFile);
}

/// An open file of a device with the operations `D`. It keeps the opener's address space; no ioctl
/// depends on that.
pub(crate) struct OpenFile<D>(PhantomData<D>);

/// The address space of the opener of a file: the file's private data, without an allocation.
/// `ARef` is a `ForeignOwnable` itself since Linux 7.3.
pub(crate) struct Opener(ARef<Mm>);

// SAFETY: A reference is a pointer to an aligned object, and so not null.
unsafe impl ForeignOwnable for Opener {
    const FOREIGN_ALIGN: usize = align_of::<Mm>();

    type Borrowed<'a> = &'a Mm;
    type BorrowedMut<'a> = &'a Mm;

    fn into_foreign(self) -> *mut c_void {
        ARef::into_raw(self.0).as_ptr().cast()
    }

    unsafe fn from_foreign(mm: *mut c_void) -> Self {
        // SAFETY: The pointer comes from `into_foreign()`, as the caller promises: it is not null.
        let mm = unsafe { NonNull::new_unchecked(mm.cast()) };
        // SAFETY: It stands for a reference, which the caller gives up with it.
        Self(unsafe { ARef::from_raw(mm) })
    }

    unsafe fn borrow<'a>(mm: *mut c_void) -> &'a Mm {
        // SAFETY: The pointer comes from `into_foreign()`, as the caller promises, and the reference
        // that it stands for is not given up before `'a` is over.
        unsafe { &*mm.cast() }
    }

    unsafe fn borrow_mut<'a>(mm: *mut c_void) -> &'a Mm {
        // SAFETY: The caller promises more than `borrow()` demands.
        unsafe { Self::borrow(mm) }
    }
}

impl<D: Calls> OpenFile<D> {
    /// The operations of a `MiscDevice`, and additional ones.
    const OPERATIONS: bindings::file_operations = {
        let device = MiscDeviceOptions { name: c"" }.into_raw::<Self>();
        // SAFETY: They are a constant of the type, whatever device names them.
        let operations = unsafe { *device.fops };

        bindings::file_operations {
            fadvise: Some(advise::<D>),
            owner: compat::this_module(),
            ..operations
        }
    };
}

/// Registers a device of this name.
///
/// # Errors
///
/// Those of `misc_register()`.
pub(crate) fn register<D: Calls>(
    name: &'static CStr,
) -> impl PinInit<MiscDeviceRegistration<OpenFile<D>>, Error> {
    MiscDeviceRegistration::register(MiscDeviceOptions { name })
}

/// Called by the VFS, for a system call or in an io_uring worker. Other callers, such as the kernel
/// for a mapping, do not use this advice.
///
/// # Safety
///
/// To be called as an operation of a file of the device only.
unsafe extern "C" fn advise<D: Calls>(
    _file: *mut bindings::file,
    offset: bindings::loff_t,
    length: bindings::loff_t,
    advice: c_int,
) -> c_int {
    if advice != D::ADVICE {
        return EINVAL.to_errno();
    }
    // SAFETY: In process context with no lock held, where the task may sleep. System calls do not
    // nest.
    let ctx = unsafe { TaskContext::enter() };

    D::advise(ctx, offset, length).map_or_else(Error::to_errno, |()| 0)
}

#[vtable]
impl<D: Calls> MiscDevice for OpenFile<D> {
    type Ptr = Opener;

    /// Called with the lock that every open of a misc device takes. So nothing is allocated here:
    /// others would wait for the allocation.
    fn open(file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Opener> {
        let opener = Opener(ARef::from(&**current!().mm().ok_or(EFAULT)?));
        compat::hold_module(file)?;
        // SAFETY: The file is being opened: nobody else has it yet. It holds a reference of the owner
        // that the operations name; the VFS gives that back, also if this fails from here on.
        unsafe { (*file.as_ptr()).f_op = &Self::OPERATIONS };

        Ok(opener)
    }

    fn ioctl(_opener: &Mm, _file: &File, command: u32, arg: usize) -> Result<isize> {
        // SAFETY: A system call that the VFS hands over with no lock held; system calls do not nest.
        let ctx = unsafe { TaskContext::enter() };

        D::ioctl(ctx, command, arg).map(|()| 0)
    }

    fn mmap(_opener: &Mm, _file: &File, vma: &VmaNew) -> Result {
        D::mmap(vma)
    }

    fn show_fdinfo(opener: &Mm, out: &SeqFile, _file: &File) {
        if may_see(opener) {
            D::show(opener, out);
        }
    }
}

/// Whether the current task may read about an address space: its own, or any with `CAP_SYS_PTRACE`.
/// An inherited or received descriptor is not enough.
fn may_see(mm: &Mm) -> bool {
    let own = current!().mm().map(|mm| mm.as_raw());

    // SAFETY: In process context; asks for a capability of the current task.
    own == Some(mm.as_raw()) || unsafe { helpers::umcg_may_see_all() }
}

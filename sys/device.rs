// SPDX-License-Identifier: GPL-2.0

//! The character device: hands every call to safe code, with the proof of where it runs.
//!
//! C headers: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h),
//! [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::context::TaskContext;
use core::marker::PhantomData;
use kernel::{
    bindings,
    fs::File,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    mm::virt::VmaNew,
    prelude::*,
    sync::SetOnce, //
};

/// What a device does.
pub(crate) trait Calls: Send + Sync + 'static {
    /// Serves the ioctl `command`, with an argument that is most often a user address. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for a command that it does not know.
    fn ioctl(ctx: TaskContext, command: u32, arg: usize) -> Result;

    /// Serves `lseek(fd, offset, SEEK_SET)`. May sleep.
    ///
    /// No security module looks at that call, and no argument lies in memory, so it costs a third of
    /// what an ioctl does on its way here.
    fn seek(ctx: TaskContext, offset: i64) -> Result;

    /// Makes a mapping for the current task, whose address space is locked. May sleep, must not
    /// fault.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device has no such memory.
    fn mmap(vma: &VmaNew) -> Result;
}

/// An open file of a device that does `D`. It has no state.
pub(crate) struct Stateless<D>(PhantomData<D>);

/// The operations of a `MiscDevice`, and the one that it does not have.
struct Operations(bindings::file_operations);

// SAFETY: Only read; the module that they point to outlives every file that is open.
unsafe impl Send for Operations {}
// SAFETY: As above.
unsafe impl Sync for Operations {}

/// Set once the device is registered. A file that is opened before that cannot seek.
static OPERATIONS: SetOnce<Operations> = SetOnce::new();

/// Registers a device of this name. There can be one.
///
/// # Errors
///
/// What `misc_register()` fails with.
pub(crate) fn register<D: Calls>(
    name: &'static CStr,
) -> impl PinInit<MiscDeviceRegistration<Stateless<D>>, Error> {
    MiscDeviceRegistration::register(MiscDeviceOptions { name }).pin_chain(|device| {
        // SAFETY: The registered device is valid, and its operations are a static.
        let operations = unsafe { *(*device.as_raw()).fops };
        OPERATIONS.populate(Operations(bindings::file_operations {
            llseek: Some(seek::<D>),
            ..operations
        }));
        Ok(())
    })
}

/// Called by the VFS.
///
/// # Safety
///
/// To be called as an operation of a file of the device only.
unsafe extern "C" fn seek<D: Calls>(
    _file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    // The kernel itself seeks from where a file is, when it dumps a core into it.
    // CAST: A small constant.
    if whence != bindings::SEEK_SET as c_int {
        return EINVAL.to_errno().into();
    }
    // SAFETY: A system call that the VFS hands over with no lock held: the position of a character
    // device has none. System calls do not nest.
    let ctx = unsafe { TaskContext::enter() };

    D::seek(ctx, offset).map_or_else(|error| error.to_errno().into(), |()| 0)
}

#[vtable]
impl<D: Calls> MiscDevice for Stateless<D> {
    type Ptr = KBox<Self>;

    fn open(file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        if let Some(Operations(operations)) = OPERATIONS.as_ref() {
            // SAFETY: The file is being opened: nobody else has it yet. The operations are of the
            // same module, whose reference the file holds.
            unsafe { (*file.as_ptr()).f_op = operations };
        }

        Ok(KBox::new(Self(PhantomData), GFP_KERNEL)?)
    }

    fn ioctl(_device: &Self, _file: &File, command: u32, arg: usize) -> Result<isize> {
        // SAFETY: A system call that the VFS hands over with no lock held; system calls do not nest.
        let ctx = unsafe { TaskContext::enter() };

        D::ioctl(ctx, command, arg).map(|()| 0)
    }

    fn mmap(_device: &Self, _file: &File, vma: &VmaNew) -> Result {
        D::mmap(vma)
    }
}

// SPDX-License-Identifier: GPL-2.0

//! The character device: hands every call to safe code, with the proof of where it runs.
//!
//! C headers: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h),
//! [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    bindings as helpers,
    context::TaskContext, //
};
use core::marker::PhantomData;
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
    sync::{
        aref::ARef,
        SetOnce, //
    },
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

    /// Tells of an address space in `/proc/PID/fdinfo/FD`. May sleep.
    fn show(mm: &Mm, out: &SeqFile);
}

/// An open file of a device that does `D`. It knows who has opened it; no ioctl depends on that.
pub(crate) struct OpenFile<D> {
    opener: Option<ARef<Mm>>,
    _device: PhantomData<D>,
}

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
) -> impl PinInit<MiscDeviceRegistration<OpenFile<D>>, Error> {
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
impl<D: Calls> MiscDevice for OpenFile<D> {
    type Ptr = KBox<Self>;

    fn open(file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        if let Some(Operations(operations)) = OPERATIONS.as_ref() {
            // SAFETY: The file is being opened: nobody else has it yet. The operations are of the
            // same module, whose reference the file holds.
            unsafe { (*file.as_ptr()).f_op = operations };
        }

        let open_file = Self {
            opener: current!().mm().map(|mm| ARef::from(&**mm)),
            _device: PhantomData,
        };

        Ok(KBox::new(open_file, GFP_KERNEL_ACCOUNT)?)
    }

    fn ioctl(_open_file: &Self, _file: &File, command: u32, arg: usize) -> Result<isize> {
        // SAFETY: A system call that the VFS hands over with no lock held; system calls do not nest.
        let ctx = unsafe { TaskContext::enter() };

        D::ioctl(ctx, command, arg).map(|()| 0)
    }

    fn mmap(_device: &Self, _file: &File, vma: &VmaNew) -> Result {
        D::mmap(vma)
    }

    fn show_fdinfo(open_file: &Self, out: &SeqFile, _file: &File) {
        if let Some(mm) = open_file.opener.as_ref() {
            if may_see(mm) {
                D::show(mm, out);
            }
        }
    }
}

/// Whether the current task may be told of an address space: its own, or any if it may look into all.
/// To have inherited or been sent a descriptor is not enough.
fn may_see(mm: &Mm) -> bool {
    let own = current!().mm().map(|mm| mm.as_raw());

    // SAFETY: In process context; asks for a capability of the current task.
    own == Some(mm.as_raw()) || unsafe { helpers::umcg_may_see_all() }
}

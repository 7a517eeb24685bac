// SPDX-License-Identifier: GPL-2.0

//! The character device: hands every ioctl to safe code, with the proof of where it runs.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)

use super::context::TaskContext;
use core::marker::PhantomData;
use kernel::{
    fs::File,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*, //
};

/// What a device does.
pub(crate) trait Ioctl: Send + Sync + 'static {
    /// Serves the ioctl `command`, with an argument that is most often a user address. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for a command that it does not know.
    fn ioctl(ctx: TaskContext, command: u32, arg: usize) -> Result;
}

/// An open file of a device that does `D`. It has no state.
pub(crate) struct Stateless<D>(PhantomData<D>);

/// Registers a device of this name.
///
/// # Errors
///
/// What `misc_register()` fails with.
pub(crate) fn register<D: Ioctl>(
    name: &'static CStr,
) -> impl PinInit<MiscDeviceRegistration<Stateless<D>>, Error> {
    MiscDeviceRegistration::register(MiscDeviceOptions { name })
}

#[vtable]
impl<D: Ioctl> MiscDevice for Stateless<D> {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        Ok(KBox::new(Self(PhantomData), GFP_KERNEL)?)
    }

    fn ioctl(_device: &Self, _file: &File, command: u32, arg: usize) -> Result<isize> {
        // SAFETY: A system call that the VFS hands over with no lock held; system calls do not nest.
        let ctx = unsafe { TaskContext::enter() };

        D::ioctl(ctx, command, arg).map(|()| 0)
    }
}

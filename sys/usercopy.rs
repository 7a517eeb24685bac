// SPDX-License-Identifier: GPL-2.0

//! Argument structures that grow: they begin with their own size.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use super::bindings as helpers;
use kernel::{
    error::to_result,
    page::PAGE_SIZE,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// An argument structure of the UAPI header: `size`, then fields without padding.
pub(crate) trait Args: Sized {
    /// The size of the first version, in bytes.
    const MIN_SIZE: usize;

    /// The structure with this size in its first field.
    fn with_size(self, size: u32) -> Self;
}

macro_rules! impl_args {
    ($type:ident, $min_size:ident) => {
        // SAFETY: Integers only, which leave no padding: the size is the sum of theirs.
        unsafe impl FromBytes for helpers::$type {}
        // SAFETY: Integers only, without padding: every byte is initialised.
        unsafe impl AsBytes for helpers::$type {}

        impl Args for helpers::$type {
            // CAST: A small constant.
            const MIN_SIZE: usize = helpers::$min_size as usize;

            fn with_size(self, size: u32) -> Self {
                Self { size, ..self }
            }
        }
    };
}

impl_args!(umcg_ctl_args, UMCG_CTL_ARGS_SIZE_VER0);
impl_args!(umcg_wait_args, UMCG_WAIT_ARGS_SIZE_VER0);
impl_args!(umcg_kick_args, UMCG_KICK_ARGS_SIZE_VER0);
impl_args!(umcg_version_args, UMCG_VERSION_ARGS_SIZE_VER0);
impl_args!(umcg_sched_state_args, UMCG_SCHED_STATE_ARGS_SIZE_VER0);
impl_args!(umcg_desched_args, UMCG_DESCHED_ARGS_SIZE_VER0);

/// The size of the structure according to user space.
///
/// # Errors
///
/// `EFAULT` if it cannot be read, `EINVAL` if it is smaller than the first version's, `E2BIG` if it
/// is larger than a page.
fn user_size<T: Args>(addr: usize) -> Result<u32> {
    let mut reader = UserSlice::new(UserPtr::from_addr(addr), size_of::<u32>()).reader();
    let size = reader.read::<u32>()?;

    // CAST: `usize` has 64 bits wherever this module is built.
    if (size as usize) < T::MIN_SIZE {
        return Err(EINVAL);
    }
    if size as usize > PAGE_SIZE {
        return Err(E2BIG);
    }

    Ok(size)
}

/// Reads an argument structure at the user address `addr`, with the size that was checked.
///
/// # Errors
///
/// `EFAULT`, `EINVAL` and `E2BIG` as the UAPI header says for all calls.
pub(crate) fn read_args<T: Args + FromBytes + Default>(addr: usize) -> Result<T> {
    let size = user_size::<T>(addr)?;
    let mut args = T::default();

    // SAFETY: `args` has room for the size of its type, and any bytes are valid for it.
    to_result(unsafe {
        helpers::umcg_copy_struct_from_user(
            (&raw mut args).cast(),
            size_of::<T>() as u64,
            addr as u64,
            u64::from(size),
        )
    })?;

    // User space may have changed it meanwhile.
    Ok(args.with_size(size))
}

/// Writes `args` to the user address `addr`, up to the size given by user space.
///
/// # Errors
///
/// `EFAULT` if it cannot be written.
pub(crate) fn write_args<T: Args + AsBytes>(addr: usize, args: &T, user_size: u32) -> Result {
    // CAST: As in `user_size()`.
    let size = size_of::<T>().min(user_size as usize);
    let mut writer = UserSlice::new(UserPtr::from_addr(addr), size).writer();

    writer.write_slice(&AsBytes::as_bytes(args)[..size])
}

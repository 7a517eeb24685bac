// SPDX-License-Identifier: GPL-2.0

//! User-Managed Concurrency Groups for unmodified kernels.
//!
//! The layers, each of which uses only those below it: [`umcg::device`], which user space calls; the
//! protocol in [`umcg`]; kernel facilities behind safe interfaces in [`sys`].

mod sys;
mod umcg;

use crate::{
    sys::{
        device,
        lifetime::{
            self,
            Unload, //
        },
        record, //
    },
    umcg::{
        callbacks,
        device::Umcg,
        hooks,
        show,
        task::Task, //
    },
};
use kernel::{
    miscdevice::MiscDeviceRegistration,
    prelude::*, //
};

module! {
    type: UmcgModule,
    name: "umcg",
    authors: ["The umcg-rs developers"],
    description: "User-Managed Concurrency Groups",
    license: "GPL",
    params: {
        max_tasks_per_process: u32 {
            default: 65536,
            description: "Maximum number of threads of a process that are registered, have slots, or have notifications, each separately; lifted by CAP_SYS_RESOURCE",
        },
        max_tasks_per_user: u32 {
            default: 131072,
            description: "The same for the threads of a user",
        },
        max_slots_per_process: u32 {
            default: 32768,
            description: "Maximum number of slots of a process, up to 32768",
        },
    },
}

/// What is registered while the module is loaded. Dropped from top to bottom: the device first, so
/// that nothing new comes in.
#[pin_data]
struct UmcgModule {
    #[pin]
    device: MiscDeviceRegistration<device::OpenFile<Umcg>>,
    #[pin]
    files: show::Files,
    unload: Unload,
}

impl kernel::InPlaceModule for UmcgModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: This is the beginning of the module's init function, which runs once. Nothing is
        // registered while there is a `Startup`, and `unload` is the last field.
        let begun = unsafe { lifetime::begin(callbacks::evict) };
        let ready = begun.and_then(|(startup, unload)| {
            record::prepare(&startup)?;
            hooks::init::<Task>(startup)?;
            Ok(unload)
        });

        // The device comes last, because it can be used at once.
        try_pin_init!(Self {
            unload: ready?,
            files <- show::Files::new(),
            device <- device::register::<Umcg>(c"umcg"),
        })
    }
}

// SPDX-License-Identifier: GPL-2.0

//! Compiles: what the other files do wrong, done right.

#![allow(dead_code, unused)]

use crate::{
    record_type, static_lock,
    sys::{
        context::TaskContext,
        deferred::Deferred,
        owner_cell::OwnerCell,
        record::{
            map::{
                records,
                LastFound, //
            },
            Current,
            InHook,
            Notify,
            Switches,
            TaskRecord, //
        },
        startup::Startup,
        target::Target,
        tracepoint, //
    },
    umcg::{
        registry,
        task::Task, //
    },
};
use core::cell::Cell;
use kernel::{
    prelude::*,
    sync::rcu, //
};

struct Thing {
    shared: OwnerCell<u32>,
}

record_type!(switches, Thing);

impl TaskRecord for Thing {
    type Owned = Cell<u32>;
    type Lent = u64;

    fn returns_to_user(_ctx: &TaskContext, current: &Current<'_, Self>) {
        current.owned().set(current.shared.get());
    }
}

impl Switches for Thing {
    fn switches_in(hook: &InHook<'_, Self>, cpu: u32) {
        hook.shared.set(cpu);
    }

    fn switches_out(hook: &InHook<'_, Self>, _blocks: bool) {
        hook.queue_work(Notify::Resume);
    }
}

static_lock! {
    static LOCK: Mutex<u32> = 1;
}

static LATER: Deferred = Deferred::new(later);

fn later() {
    *LOCK.lock() += 1;
}

fn starts(startup: &Startup) {
    LATER.init(startup);
}

fn lives(mut ctx: TaskContext) -> Result {
    let thing = Thing {
        shared: OwnerCell::new(0),
    };
    let current = ctx.attach(Cell::new(1), 6, thing, |current| current.shared.set(2))?;
    current.owned().set(3);
    if *current.lent() == 7 {
        return Err(EINVAL);
    }
    LATER.schedule(1);
    if let Some(mut thing) = ctx.detach::<Thing>(|thing| thing.shared.set(4)) {
        thing.owned().set(5);
        drop(thing.take_lent());
    }
    Ok(())
}

fn looks(last_found: &LastFound<Thing>) -> Option<bool> {
    let guard = rcu::read_lock();
    let target = Target::find(1, &guard).ok()?;
    let record = records().find(last_found, 1, &target)?;

    record.visit(|thing| {
        thing.nudge();
        thing.shared.get() != 0
    })
}

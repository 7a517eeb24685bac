// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tokens for the tests of policies.

use super::{interface::Policy, token::IdleWorker};
use crate::{raw::record::Record, sys::memory};
use std::vec::Vec;

/// Idle workers of these classes, with the TIDs 1, 2 and so on.
pub(super) fn workers<const N: usize>(classes: [u8; N]) -> [IdleWorker; N] {
    let page = memory::map_forever::<Record>().unwrap();
    let mut next = 0;

    classes.map(|class| {
        let record = &page[next];
        next += 1;
        record.prepare(next as u32, 1, class);
        record.give_token();
        IdleWorker::new(record)
    })
}

/// The IDs of the workers that the policy hands out, in this order.
pub(super) fn order(policy: &mut dyn Policy) -> Vec<u32> {
    core::iter::from_fn(|| policy.next(0))
        .map(|worker| worker.id())
        .collect()
}

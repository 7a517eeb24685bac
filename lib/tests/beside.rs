// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A library of Rust with std, beside libumcg in one program; see beside.c.

#[no_mangle]
pub extern "C" fn beside_sum(count: u32) -> u32 {
    std::panic::catch_unwind(|| {
        let numbers: Vec<u32> = (1..=count).collect();

        assert!(!numbers.is_empty(), "there is nothing to add up");
        numbers.iter().sum()
    })
    .unwrap_or(0)
}

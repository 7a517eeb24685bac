// SPDX-License-Identifier: GPL-2.0

//! A line in the kernel log.

use kernel::prelude::*;

module! {
    type: Hello,
    name: "hello_rust",
    authors: ["The umcg-rs developers"],
    description: "A Rust module built out of tree",
    license: "GPL",
}

struct Hello;

impl kernel::Module for Hello {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("built out of tree\n");
        Ok(Self)
    }
}

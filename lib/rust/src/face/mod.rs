// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The safe face, on std.

pub(crate) mod builder;
pub(crate) mod current;
pub(crate) mod deadline;
pub(crate) mod device;
pub(crate) mod group;
pub(crate) mod join;
pub(crate) mod section;
pub(crate) mod threads;

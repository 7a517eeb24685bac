// SPDX-License-Identifier: GPL-2.0

//! What `umcgtop` and `umcg-trace` are made of. The way of a trace: [`tracefs`] has lines,
//! [`event`] takes them apart, [`timeline`] makes threads of them, [`chrome`] and [`svg`] write
//! those.

#![deny(missing_docs)]

pub mod chrome;
pub mod event;
pub mod histogram;
pub mod output;
pub mod signals;
pub mod svg;
pub mod tasks;
pub mod timeline;
pub mod top;
pub mod tracefs;
pub mod view;

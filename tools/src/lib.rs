// SPDX-License-Identifier: GPL-2.0

//! The parts of `umcgtop` and `umcg-trace`. Processing of a trace: [`tracefs`] reads lines,
//! [`event`] parses them, [`timeline`] builds threads, [`chrome`] and [`svg`] write these.

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

// SPDX-License-Identifier: GPL-2.0

//! The library that umcg-run preloads: it makes the threads of a program workers of a group.
//!
//! Its functions take the place of those of libc with the same names. None of them panics: no
//! caller would catch it.

mod begin;
mod files;
mod histogram;
mod locks;
mod member;
mod names;
mod policy;
mod process;
mod real;
mod report;
mod settings;
mod stats;
mod table;
mod threads;

// SPDX-License-Identifier: GPL-2.0

//! Prepares the sources of the libraries for loom, in the output folder: each seeded bug is put
//! beside its text, behind a switch, and a few lines become what loom supports. The rest stays as
//! it is, except for the libraries' own tests. The build fails if a text is not there exactly once.

use std::{
    env, fs,
    ops::Range,
    path::{Path, PathBuf},
};

type Edit = (&'static str, &'static str, &'static str);
type Bug = (&'static str, &'static str, &'static str, &'static str);

macro_rules! bugs {
    ($($name:ident: $file:literal, $right:literal => $wrong:literal, $scenario:ident, $found:literal;)*) => {
        &[$((stringify!($name), $file, $right, $wrong)),*]
    };
}

const ENGINE_BUGS: &[Bug] = include!("library/engine_bugs.rs");
const C_BUGS: &[Bug] = include!("library/c_bugs.rs");

/// Atomics of loom cannot be constants, nor outlive an execution. Groups have two servers, and
/// rings two places.
const EDITS: &[Edit] = &[
    (
        "rust/src/sys/abi.rs",
        "SERVERS: usize = 64",
        "SERVERS: usize = 2",
    ),
    (
        "rust/src/raw/lock.rs",
        "pub(crate) const fn new",
        "pub(crate) fn new",
    ),
    (
        "rust/src/raw/record.rs",
        "pub(crate) const fn new() -> Self {",
        "pub(crate) fn new() -> Self {",
    ),
    (
        "rust/src/raw/record.rs",
        "#[repr(C)] pub(crate) struct Record {",
        "#[repr(C)] #[derive(Default)] pub(crate) struct Record {",
    ),
    (
        "rust/src/engine/roster.rs",
        "static SPARE: Pile = Pile::new();",
        "loom::lazy_static! { static ref SPARE: Pile = Pile::new(); }",
    ),
    (
        "rust/src/engine/shared.rs",
        "static NUMBER: AtomicU32 = AtomicU32::new(1);",
        "static NUMBER: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(1);",
    ),
    (
        "c/src/register.rs",
        "static IMMEDIATE_SIGNALS: AtomicU64 = AtomicU64::new(0);",
        "static IMMEDIATE_SIGNALS: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);",
    ),
    (
        "rust/src/raw/published.rs",
        "pub(crate) const fn none()",
        "pub(crate) fn none()",
    ),
    (
        "rust/src/raw/adaptive.rs",
        "pub(crate) const fn new() -> Self {",
        "pub(crate) fn new() -> Self {",
    ),
    // Sizes differ here.
    (
        "rust/src/raw/record.rs",
        "const _: () = assert!(SIZE / core::mem::size_of::<Record>() == 21);",
        "",
    ),
    (
        "rust/src/raw/record.rs",
        "sys::memory::{Zeroed, SIZE},",
        "sys::memory::Zeroed,",
    ),
    // Threads without a group: their steps are in `raw/basic.rs`.
    ("rust/src/engine/mod.rs", "pub(crate) mod basic;", ""),
    ("c/src/raw/mod.rs", "pub(crate) mod process;", ""),
    ("c/src/raw/mod.rs", "pub(crate) mod tids;", ""),
    // An exchange: loom does not order a store and an exchange of two threads.
    (
        "c/src/raw/record.rs",
        "self.idle_server_tid.store(tid, Ordering::SeqCst);",
        "self.idle_server_tid.swap(tid, Ordering::SeqCst);",
    ),
    (
        "c/src/raw/record.rs",
        "sync::atomic::{AtomicBool, AtomicIsize}, };",
        "sync::atomic::AtomicIsize, };\nuse loom::sync::atomic::AtomicBool;",
    ),
    (
        "c/src/raw/record.rs",
        "#[repr(C)] pub(crate) struct Thread {",
        "#[repr(C)] #[derive(Default)] pub(crate) struct Thread {",
    ),
    (
        "c/src/raw/record.rs",
        "#[repr(C)] pub(crate) struct Group {",
        "#[repr(C)] #[derive(Default)] pub(crate) struct Group {",
    ),
];

fn main() {
    let tree = PathBuf::from(env::var_os("UMCG_TREE").expect("UMCG_TREE is not set"));
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let models = tree.join("selftests/loom/library");

    println!("cargo:rustc-cfg=loom");
    println!("cargo:rerun-if-env-changed=UMCG_TREE");
    println!("cargo:rerun-if-changed={}", models.display());
    for part in ["rust/src", "c/src"] {
        println!(
            "cargo:rerun-if-changed={}",
            tree.join("lib").join(part).display()
        );
        copy(&tree.join("lib").join(part), &out.join(part));
    }
    for (file, old, new) in EDITS {
        let path = out.join(file);
        let mut source = read(&path);
        source.replace_range(place(&source, old, file), new);
        write(&path, &source);
    }
    let bugs: Vec<_> = ENGINE_BUGS.iter().chain(C_BUGS).collect();
    let mut files: Vec<_> = bugs.iter().map(|bug| bug.1).collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        let path = out.join(file);
        let source = read(&path);
        let mut hooks: Vec<_> = bugs
            .iter()
            .filter(|bug| bug.1 == file)
            .map(|&&(name, _, right, wrong)| Hook {
                name,
                wrong,
                place: place(&source, right, &format!("{name} in {file}")),
            })
            .collect();
        hooks.sort_by_key(|hook| (hook.place.start, std::cmp::Reverse(hook.place.end)));
        write(&path, &hooked(&source, 0..source.len(), &hooks));
    }

    add_models(
        &out.join("rust/src/raw/mod.rs"),
        &models,
        &["layout", "set_steps"],
    );
    for (module, name) in [
        ("adaptive", "adaptive_steps"),
        ("basic", "basic_steps"),
        ("node", "node_zeros"),
    ] {
        let module = out.join(format!("rust/src/raw/{module}.rs"));
        add_models(&module, &models, &[name]);
    }
    add_models(
        &out.join("c/src/raw/mod.rs"),
        &models,
        &["layout", "c_layout", "ring_steps", "process"],
    );
    write(
        &out.join("rust/src/sys/mod.rs"),
        &modules(
            "",
            &models,
            &["device", "futex", "memory", "priority", "thread"],
            "mod abi; mod errno;",
        ),
    );
    write(
        &out.join("c/src/sys/mod.rs"),
        &[
            modules(
                "c_",
                &models,
                &["device", "pages", "policy", "tls"],
                "mod abi;",
            ),
            modules("", &models, &["futex", "memory", "thread"], ""),
            format!(
                "#[path = {:?}]\npub(crate) mod errno;\n",
                out.join("rust/src/sys/errno.rs")
            ),
        ]
        .concat(),
    );
    let roots = [
        "../../rust/src/atomic",
        "direct",
        "members",
        "polling",
        "raw/mod",
        "register",
        "server",
        "switch",
        "sys/mod",
        "wait",
        "worker",
    ];
    write(&out.join("c.rs"), &root(&out.join("c/src"), &roots));
    let roots = [
        "atomic",
        "error",
        "engine/mod",
        "policy/mod",
        "raw/mod",
        "sys/mod",
    ];
    write(&out.join("engine.rs"), &root(&out.join("rust/src"), &roots));
}

/// Copies the sources in a folder, and in those below it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            // Their own tests are for the system's threads.
            write(&to, &read(&path).replace("#[cfg(test)]", "#[cfg(any())]"));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

/// A bug in its place.
struct Hook {
    name: &'static str,
    wrong: &'static str,
    place: Range<usize>,
}

/// This part of the source, with all of its bugs, in order, behind switches.
fn hooked(source: &str, part: Range<usize>, mut hooks: &[Hook]) -> String {
    let mut text = String::new();
    let mut at = part.start;

    while let Some((hook, others)) = hooks.split_first() {
        let place = hook.place.clone();
        let within = others.partition_point(|other| other.place.start < place.end);
        assert!(
            others[..within]
                .iter()
                .all(|other| other.place.end <= place.end),
            "{}: its text overlaps that of another bug",
            hook.name
        );
        let right = hooked(source, place.clone(), &others[..within]);
        let (name, wrong) = (hook.name, hook.wrong);
        text += &source[at..place.start];
        text += &format!("crate::explore::bug!(\"{name}\", {{ {wrong} }}, {{ {right} }})");
        if right.ends_with(';') {
            text.push(';');
        }
        at = place.end;
        hooks = &others[within..];
    }
    text + &source[at..part.end]
}

/// The place of this text, or of what is in its `[[ ]]`. Panics unless the source has the text
/// exactly once.
fn place(source: &str, text: &str, name: &str) -> Range<usize> {
    let (before, text, after) = match text.split_once("[[") {
        None => ("", text, ""),
        Some((before, rest)) => {
            let (text, after) = rest.split_once("]]").expect("no ]]");
            (before, text, after)
        }
    };
    let whole = format!("{before}{text}{after}");
    let is_there = |&at: &usize| length(&source[at..], &whole).is_some();
    let places: Vec<_> = (0..source.len())
        .filter(|&at| source.is_char_boundary(at))
        .filter(is_there)
        .collect();
    let [at] = places[..] else {
        panic!("{name}: found {} times, not once: {whole}", places.len());
    };

    let begin = at + length(&source[at..], before).unwrap();
    begin..begin + length(&source[begin..], text).unwrap()
}

/// The length of the part of the source that begins it and matches the text: white space matches
/// white space.
fn length(source: &str, text: &str) -> Option<usize> {
    let mut rest = source;
    let mut text = text;

    while let Some(next) = text.chars().next() {
        if next.is_whitespace() {
            let trimmed = rest.trim_start();
            if trimmed.len() == rest.len() {
                return None;
            }
            (rest, text) = (trimmed, text.trim_start());
        } else {
            rest = rest.strip_prefix(next)?;
            text = &text[next.len_utf8()..];
        }
    }
    Some(source.len() - rest.len())
}

/// Adds modules of the models to a module, whose private fields they use.
fn add_models(module: &Path, models: &Path, names: &[&str]) {
    let mut text = read(module);

    for name in names {
        let path = models.join(format!("{name}.rs"));
        text += &format!("\n#[path = {path:?}]\npub(crate) mod {name};\n");
    }
    write(module, &text);
}

/// The text of a module `sys`: modules of the models, and others of the library.
fn modules(prefix: &str, models: &Path, names: &[&str], others: &str) -> String {
    let others = others.replace("mod ", "pub(crate) mod ");
    let mine = names.iter().map(|name| {
        let path = models.join("sys").join(format!("{prefix}{name}.rs"));
        format!("#[path = {path:?}]\npub(crate) mod {name};\n")
    });

    mine.chain([others]).collect()
}

/// The declarations of the modules of a program.
fn root(sources: &Path, modules: &[&str]) -> String {
    let declare = |module: &&str| {
        let path = sources.join(format!("{module}.rs"));
        let name = module.trim_end_matches("/mod").rsplit('/').next().unwrap();
        format!("#[allow(dead_code, unused_imports, unused_doc_comments, unexpected_cfgs)]\n#[path = {path:?}]\nmod {name};\n")
    };

    modules.iter().map(declare).collect()
}

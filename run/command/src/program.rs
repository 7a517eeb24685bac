// SPDX-License-Identifier: GPL-2.0

//! Programs: which file one is, and whether a library can be preloaded into it.

use std::{
    env,
    ffi::{CString, OsStr, OsString},
    fmt,
    fs::{self, File},
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

/// What the kernel reads of a script.
const LINE: usize = 256;
/// Scripts whose interpreters are scripts, at most.
const DEPTH: u32 = 4;
/// What runs a file that is neither a program nor a script, as `execvp()` has it.
const SHELL: &str = "/bin/sh";

/// Why no library can be preloaded.
#[derive(Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It is linked statically.
    Static,
    /// It is for another machine, or for 32 bits.
    Foreign,
    /// It uses another library of C than that of GNU.
    OtherLibc,
    /// It gets privileges when it is executed.
    Privileged,
    /// It is no program.
    Malformed,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static => "is statically linked: no library can be preloaded",
            Self::Foreign => "is for another architecture",
            Self::OtherLibc => "is linked with another C library than glibc",
            Self::Privileged => "is setuid, setgid or has file capabilities: nothing is preloaded",
            Self::Malformed => "is not a program that Linux can run",
        })
    }
}

/// What a file begins with.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A program into which a library can be preloaded, as far as its format goes.
    Dynamic,
    /// One into which it cannot.
    Not(Obstacle),
    /// A script with this interpreter.
    Script(PathBuf),
    /// Neither.
    Text,
}

/// The file that is executed for a name, as `execvp()` finds it.
pub fn find(name: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(name.into());
    }
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/bin:/usr/bin"));

    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    let Ok(name) = CString::new(file.as_os_str().as_bytes()) else {
        return false;
    };

    // SAFETY: The name is a string with a zero at its end.
    file.is_file() && unsafe { libc::access(name.as_ptr(), libc::X_OK) } == 0
}

/// Whether a library can be preloaded into a program. The path is that of the program, or of its
/// interpreter, if it is a script.
pub fn examine(file: &Path) -> io::Result<Result<(), (PathBuf, Obstacle)>> {
    let mut file = file.to_owned();

    for _ in 0..=DEPTH {
        match kind_of(&file)? {
            Kind::Dynamic if is_privileged(&file)? => {
                return Ok(Err((file, Obstacle::Privileged)));
            }
            Kind::Dynamic => return Ok(Ok(())),
            Kind::Not(obstacle) => return Ok(Err((file, obstacle))),
            Kind::Script(interpreter) => file = interpreter,
            Kind::Text => file = SHELL.into(),
        }
    }
    Ok(Err((file, Obstacle::Malformed)))
}

/// Whether a program has an address sanitizer that wants to be the first library.
pub fn is_sanitized(path: &Path) -> bool {
    const LIBRARY: &[u8] = b"libasan.so.";
    let mut begin = Vec::new();
    // The names of libraries come early. What cannot be read has none.
    let read = File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut begin));

    read.is_ok() && begin.windows(LIBRARY.len()).any(|bytes| bytes == LIBRARY)
}

fn kind_of(path: &Path) -> io::Result<Kind> {
    let mut file = File::open(path)?;
    let mut begin = Vec::new();

    file.by_ref().take(1 << 16).read_to_end(&mut begin)?;
    Ok(kind(&begin))
}

fn kind(begin: &[u8]) -> Kind {
    if begin.starts_with(b"\x7fELF") {
        return elf(begin).unwrap_or(Kind::Not(Obstacle::Malformed));
    }
    match begin.strip_prefix(b"#!") {
        Some(line) => script(&line[..line.len().min(LINE)]),
        None => Kind::Text,
    }
}

fn script(line: &[u8]) -> Kind {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let word = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .find(|word| !word.is_empty());

    match word {
        Some(word) => Kind::Script(OsString::from_vec(word.to_vec()).into()),
        None => Kind::Not(Obstacle::Malformed),
    }
}

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const EXECUTABLE: u16 = 2;
const SHARED: u16 = 3;
const INTERPRETER: u32 = 3;

/// The headers of ELF; none if they are not whole.
fn elf(begin: &[u8]) -> Option<Kind> {
    if begin.get(4..6)? != [CLASS_64, LITTLE_ENDIAN] || u16_at(begin, 18)? != MACHINE {
        return Some(Kind::Not(Obstacle::Foreign));
    }
    if !matches!(u16_at(begin, 16)?, EXECUTABLE | SHARED) {
        return None;
    }
    let (offset, size) = (u64_at(begin, 32)?, u16_at(begin, 54)?);

    for index in 0..u16_at(begin, 56)? {
        let header = offset.checked_add(u64::from(index) * u64::from(size))?;
        let header = usize::try_from(header).ok()?;
        if u32_at(begin, header)? == INTERPRETER {
            let place = usize::try_from(u64_at(begin, header.checked_add(8)?)?).ok()?;
            return Some(linker(begin.get(place..)?));
        }
    }
    Some(Kind::Not(Obstacle::Static))
}

/// What the dynamic linker, whose path these bytes begin with, makes of a program.
fn linker(path: &[u8]) -> Kind {
    let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();

    if name.starts_with(b"ld-linux") {
        Kind::Dynamic
    } else {
        Kind::Not(Obstacle::OtherLibc)
    }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

/// Whether the dynamic linker will not preload a library as this user.
fn is_privileged(path: &Path) -> io::Result<bool> {
    let file = fs::metadata(path)?;
    // SAFETY: The call takes nothing.
    let uid = unsafe { libc::getuid() };
    // SAFETY: This call takes nothing, either.
    let gid = unsafe { libc::getgid() };
    let changes_user = file.mode() & libc::S_ISUID != 0 && file.uid() != uid;
    let changes_group = file.mode() & libc::S_ISGID != 0 && file.gid() != gid;

    Ok(changes_user || changes_group || (uid != 0 && has_capabilities(path)))
}

fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let name = c"security.capability";

    // SAFETY: Two strings with a zero at their ends; without a size nothing is written.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINKER: &[u8] = b"/lib/ld-linux-x86-64.so.2\0";

    /// A header with program headers of these types, and the name of the linker.
    fn program(machine: u16, types: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56 * types.len()];

        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16..18].copy_from_slice(&SHARED.to_le_bytes());
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&u16::try_from(types.len()).unwrap().to_le_bytes());
        for (index, kind) in types.iter().enumerate() {
            bytes[64 + 56 * index..][..4].copy_from_slice(&kind.to_le_bytes());
            let end = u64::try_from(64 + 56 * types.len()).unwrap();
            bytes[64 + 56 * index + 8..][..8].copy_from_slice(&end.to_le_bytes());
        }
        bytes.extend_from_slice(LINKER);
        bytes
    }

    #[test]
    fn program_with_an_interpreter_is_dynamic() {
        assert_eq!(kind(&program(MACHINE, &[6, INTERPRETER, 1])), Kind::Dynamic);
        assert_eq!(
            kind(&program(MACHINE, &[1, 1, 2])),
            Kind::Not(Obstacle::Static)
        );
        assert_eq!(
            kind(&program(MACHINE + 1, &[INTERPRETER])),
            Kind::Not(Obstacle::Foreign)
        );
        let mut other = program(MACHINE, &[INTERPRETER]);
        other[64 + 56..][..12].copy_from_slice(b"/lib/ld-musl");
        assert_eq!(kind(&other), Kind::Not(Obstacle::OtherLibc));
        let mut narrow = program(MACHINE, &[INTERPRETER]);
        narrow[4] = 1;
        assert_eq!(kind(&narrow), Kind::Not(Obstacle::Foreign));
    }

    #[test]
    fn headers_that_are_not_whole_are_refused() {
        let whole = program(MACHINE, &[1, INTERPRETER]);

        for length in 4..64 + 56 + 16 {
            assert!(
                matches!(kind(&whole[..length]), Kind::Not(Obstacle::Malformed)),
                "{length}"
            );
        }
        let mut far = whole;
        far[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(kind(&far), Kind::Not(Obstacle::Malformed));
    }

    #[test]
    fn interpreters_are_found() {
        assert_eq!(kind(b"#!/bin/sh -e\n"), Kind::Script("/bin/sh".into()));
        assert_eq!(kind(b"#! \t/bin/sh"), Kind::Script("/bin/sh".into()));
        assert_eq!(kind(b"#!\n"), Kind::Not(Obstacle::Malformed));
        assert_eq!(kind(b"echo"), Kind::Text);
        assert_eq!(kind(b""), Kind::Text);
    }

    #[test]
    fn names_are_looked_for_as_exec_does() {
        assert_eq!(find(OsStr::new("./here")), Some("./here".into()));
        assert!(find(OsStr::new("sh")).is_some_and(|path| path.ends_with("sh")));
        assert_eq!(find(OsStr::new("there is no such program")), None);
    }
}

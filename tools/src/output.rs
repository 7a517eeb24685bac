// SPDX-License-Identifier: GPL-2.0

//! Atomic output files, and messages.

use std::{
    ffi::OsString,
    fmt::Display,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
};

/// Writes a file under another name beside its place, and then moves it there. What is there and is
/// no file, a device or a pipe, is written to as it is.
///
/// # Errors
///
/// What writing fails with; there is no new file then, and an old one is as it was.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            let mut writer = BufWriter::new(OpenOptions::new().write(true).open(path)?);
            write(&mut writer).and_then(|()| writer.flush())
        }
        // A link stays one.
        Ok(_) => replace(&fs::canonicalize(path)?, write),
        Err(_) => replace(path, write),
    }
}

fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let unfinished = beside(path);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&unfinished)?;
    let mut writer = BufWriter::new(file);

    let written = write(&mut writer)
        .and_then(|()| writer.flush())
        .and_then(|()| writer.get_ref().sync_all())
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Prints a message. If the terminal is gone, it is dropped.
pub fn tell(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");

    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Read,
        os::unix::{
            ffi::OsStrExt,
            fs::{symlink, FileTypeExt, OpenOptionsExt},
        },
    };

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("umcg-tools-{name}-{}", process::id()));

        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_that_cannot_be_written_whole_leaves_the_old_one() {
        let folder = folder("output");
        let path = folder.join("file");

        write_whole(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_whole(&path, |file| {
            file.write_all(b"ne")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_whole(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
    #[test]
    fn a_link_to_a_file_stays_a_link() {
        let folder = folder("link");
        let (file, link) = (folder.join("file"), folder.join("link"));

        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        write_whole(&link, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), file);
        assert_eq!(fs::read(&file).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let folder = folder("pipe");
        let path = folder.join("pipe");
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();

        // SAFETY: The name ends with a zero byte.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let mut reader = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .unwrap();
        write_whole(&path, |file| file.write_all(b"new")).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "new");
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}

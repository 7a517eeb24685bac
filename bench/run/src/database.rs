// SPDX-License-Identifier: GPL-2.0

//! MariaDB, and sysbench as its client, which is not under UMCG.

use std::{
    fs,
    io::{self, Read},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The server.
pub const SERVER: &str = "/usr/sbin/mariadbd";
/// A folder of databases with the tables of `accounts.lua`, which is copied for each round.
const DATA: &str = "/bench/run/mariadb";
const COPY: &str = "/tmp/mariadb";
const SCRIPT: &str = "/bench/run/accounts.lua";
/// Messages of the server.
const LOG: &str = "/tmp/mariadb.log";

/// Each is a thread of sysbench.
const CONNECTIONS: u32 = 256;
/// For the start of the server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the server with new data at a socket, and runs sysbench for a time. Returns the results
/// in the output of sysbench.
///
/// # Errors
///
/// What failed, as a message. A wrong sum is a failure.
pub fn run(
    mut server: Command,
    socket: &Path,
    time: Duration,
    start: impl FnOnce(&mut Command) -> Result<Child, String>,
    wait: impl FnOnce(Child) -> Result<String, String>,
) -> Result<String, String> {
    copy_data().map_err(|error| format!("{COPY}: {error}"))?;
    // There is none before the first one.
    let _ = fs::remove_file(socket);
    let log = fs::File::create(LOG).map_err(|error| format!("{LOG}: {error}"))?;
    server
        .arg(format!("--datadir={COPY}"))
        .arg(format!("--socket={}", socket.display()))
        .stdout(Stdio::null())
        .stderr(log);
    let mut server = start(&mut server)?;
    let result = wait_for(socket, &mut server).and_then(|()| {
        sysbench(socket, time)
            .spawn()
            .map_err(|error| format!("sysbench: {error}"))
            .and_then(wait)
    });
    let ended = server.try_wait().map_err(|error| error.to_string())?;

    server.kill().map_err(|error| error.to_string())?;
    server.wait().map_err(|error| error.to_string())?;
    match (result, ended) {
        (Ok(text), None) => results(&text),
        (Ok(_), Some(status)) => Err(format!("the server has ended: {status}: {}", last_words())),
        (Err(error), _) => Err(format!("{error}; the server: {}", last_words())),
    }
}

fn copy_data() -> io::Result<()> {
    // There is none before the first round.
    let _ = fs::remove_dir_all(COPY);
    copy(Path::new(DATA), Path::new(COPY))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());

        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Waits until the server greets a client.
fn wait_for(socket: &Path, server: &mut Child) -> Result<(), String> {
    let begin = Instant::now();
    let greets = || -> io::Result<()> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.read_exact(&mut [0])
    };

    while let Err(error) = greets() {
        let ended = server.try_wait().map_err(|error| error.to_string())?;

        if ended.is_some() || begin.elapsed() > PATIENCE {
            return Err(format!("it does not answer: {error}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn sysbench(socket: &Path, time: Duration) -> Command {
    let mut command = Command::new("/usr/bin/sysbench");

    command
        .arg(SCRIPT)
        .arg(format!("--mysql-socket={}", socket.display()))
        .args(["--mysql-user=root", "--mysql-db=test", "--percentile=99"])
        .args(["--rand-seed=1", "--verbosity=3"])
        .arg(format!("--threads={CONNECTIONS}"))
        .arg(format!("--time={}", time.as_secs()))
        .arg("run")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The last line that the server has written.
fn last_words() -> String {
    let text = fs::read_to_string(LOG).unwrap_or_default();

    text.lines().last().unwrap_or("no message").into()
}

/// The lines "MEASURE VALUE" among what sysbench prints, and the number of scans that were torn.
fn results(text: &str) -> Result<String, String> {
    let torn = text.lines().filter(|line| line.starts_with("torn scan"));
    let lines: Vec<_> = text
        .lines()
        .filter(|line| {
            line.split_once(' ').is_some_and(|(measure, value)| {
                measure.contains('_') && value.parse::<f64>().is_ok()
            })
        })
        .collect();

    if !text.lines().any(|line| line == "reconnects 0") || lines.is_empty() {
        return Err(format!("no results, or connections were lost: {text}"));
    }
    Ok(format!("{}\ntorn_scans {}", lines.join("\n"), torn.count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_among_other_lines() {
        let text = "Threads started!\n\ntorn scan: the sum of accounts1 was 9\n\
                    transactions_per_s 12.5\nlatency_p99_us 7\nreconnects 0\n";

        assert_eq!(
            results(text).unwrap(),
            "transactions_per_s 12.5\nlatency_p99_us 7\ntorn_scans 1"
        );
    }

    #[test]
    fn lost_connections_are_no_result() {
        assert!(results("transactions_per_s 12.5\nreconnects 3\n").is_err());
        assert!(results("reconnects 0\n").is_err());
        assert!(results("").is_err());
    }

    #[test]
    fn folders_are_copied() {
        let folder = std::env::temp_dir().join(format!("copy-{}", std::process::id()));

        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/c"), "text").unwrap();
        copy(&folder.join("a"), &folder.join("d")).unwrap();
        assert_eq!(fs::read(folder.join("d/b/c")).unwrap(), b"text");
        fs::remove_dir_all(folder).unwrap();
    }
}

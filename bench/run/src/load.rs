// SPDX-License-Identifier: GPL-2.0

//! Load for servers: clients that ask, wait for the answer, and ask again.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// What a server understands.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    Redis,
    Memcached,
}

/// So many bytes are stored and fetched.
const VALUE: &str = "0123456789012345678901234567890123456789012345678901234567890123";
/// Of so many requests one stores.
const STORES: u64 = 10;
const CLIENTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
struct Client {
    stream: BufReader<UnixStream>,
    protocol: Protocol,
    line: Vec<u8>,
}

impl Client {
    fn connect(socket: &Path, protocol: Protocol) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;

        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            protocol,
            line: Vec::new(),
        })
    }

    fn request(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    fn expect(&mut self, answer: &str) -> io::Result<()> {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line)?;
        if self.line.trim_ascii_end() == answer.as_bytes() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.line).into_owned();
        Err(io::Error::other(format!("{text:?} in place of {answer:?}")))
    }

    fn store(&mut self) -> io::Result<()> {
        let size = VALUE.len();

        match self.protocol {
            Protocol::Redis => {
                self.request(&format!("SET key {VALUE}\r\n"))?;
                self.expect("+OK")
            }
            Protocol::Memcached => {
                self.request(&format!("set key 0 0 {size}\r\n{VALUE}\r\n"))?;
                self.expect("STORED")
            }
        }
    }

    fn fetch(&mut self) -> io::Result<()> {
        let size = VALUE.len();

        match self.protocol {
            Protocol::Redis => {
                self.request("GET key\r\n")?;
                self.expect(&format!("${size}"))?;
                self.expect(VALUE)
            }
            Protocol::Memcached => {
                self.request("get key\r\n")?;
                self.expect(&format!("VALUE key 0 {size}"))?;
                self.expect(VALUE)?;
                self.expect("END")
            }
        }
    }
}

fn wait_for(socket: &Path, protocol: Protocol) -> io::Result<Client> {
    let begin = Instant::now();

    loop {
        match Client::connect(socket, protocol) {
            Err(_) if begin.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}

/// Waits for the server at the socket, and has it work for a time. Returns requests per second.
///
/// # Errors
///
/// What the server has answered, or that it has not.
pub fn run(socket: &Path, protocol: Protocol, time: Duration) -> io::Result<f64> {
    wait_for(socket, protocol)?.store()?;
    let stop = AtomicBool::new(false);
    let one_client = || -> io::Result<u64> {
        let mut client = Client::connect(socket, protocol)?;
        let mut requests = 0;

        while !stop.load(Ordering::Relaxed) {
            if requests % STORES == 0 {
                client.store()?;
            } else {
                client.fetch()?;
            }
            requests += 1;
        }
        Ok(requests)
    };
    let begin = Instant::now();
    let requests: io::Result<u64> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(one_client)).collect();

        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .map(|client| {
                client
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("panic")))
            })
            .sum()
    });

    Ok(requests? as f64 / begin.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs, io::Read, os::unix::net::UnixListener, process};

    /// A server that answers each request in the same way.
    fn answers(name: &str, answer: &'static str) -> std::path::PathBuf {
        let path = env::temp_dir().join(format!("bench-run-{}-{name}", process::id()));
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();

        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut request = [0; 256];
                    while stream.read(&mut request).unwrap() != 0 {
                        if stream.write_all(answer.as_bytes()).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        path
    }

    #[test]
    fn wrong_answers_are_reported() {
        let path = answers("wrong", "-ERR\r\n");
        let error = run(&path, Protocol::Redis, Duration::from_millis(1)).unwrap_err();

        assert!(error.to_string().contains("-ERR"));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn stored_values_are_answered() {
        let path = answers("right", "STORED\r\n");
        let mut client = Client::connect(&path, Protocol::Memcached).unwrap();

        client.store().unwrap();
        assert!(client.fetch().is_err());
        fs::remove_file(path).unwrap();
    }
}

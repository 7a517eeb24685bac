// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The load of both examples, and its measurement: calibrated work whose result is checked, a slow
//! backend, and delays.

use std::{
    error::Error,
    hint::black_box,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A linear congruential generator: Knuth's, of MMIX.
const FACTOR: u64 = 6_364_136_223_846_793_005;
const ADDEND: u64 = 1_442_695_040_888_963_407;

/// How long the backend takes to answer.
const BACKEND_TIME: Duration = Duration::from_millis(3);

/// How long an example runs, and how fast a CPU computes.
#[derive(Clone, Copy)]
pub struct Load {
    pub time: Duration,
    pub loops_per_us: u32,
}

impl Load {
    /// Computes for so many microseconds of CPU time. Panics if the result is wrong.
    pub fn compute(self, us: u32, seed: u64) {
        let steps = us * self.loops_per_us;

        assert_eq!(step_by_step(seed, steps), at_once(seed, steps));
    }
}

/// The state of the generator after so many steps.
fn step_by_step(seed: u64, steps: u32) -> u64 {
    // Not known to the compiler, which would make one step of several.
    let factor = black_box(FACTOR);

    (0..steps).fold(seed, |state, _| {
        state.wrapping_mul(factor).wrapping_add(ADDEND)
    })
}

/// The same by squaring: each round doubles the number of steps.
fn at_once(seed: u64, mut steps: u32) -> u64 {
    let (mut state, mut factor, mut addend) = (seed, FACTOR, ADDEND);

    while steps != 0 {
        if steps % 2 == 1 {
            state = state.wrapping_mul(factor).wrapping_add(addend);
        }
        addend = addend.wrapping_mul(factor.wrapping_add(1));
        factor = factor.wrapping_mul(factor);
        steps /= 2;
    }
    state
}

/// A connection to a thread that answers slowly, like a database: reading the answer blocks.
pub struct Backend(UnixStream);

impl Backend {
    /// The thread ends when this is dropped.
    pub fn start() -> io::Result<Self> {
        let (here, mut there) = UnixStream::pair()?;

        thread::Builder::new().spawn(move || {
            let mut byte = [0];
            while there.read_exact(&mut byte).is_ok() {
                thread::sleep(BACKEND_TIME);
                // The caller may be gone.
                let _ = there.write_all(&[!byte[0]]);
            }
        })?;
        Ok(Self(here))
    }

    pub fn ask(&self, question: u8) -> io::Result<u8> {
        let mut answer = [0];

        (&self.0).write_all(&[question])?;
        (&self.0).read_exact(&mut answer)?;
        Ok(answer[0])
    }
}

/// Prints the median, the 99th percentile and the longest delay, in microseconds.
pub fn print_delays(name: &str, mut delays: Vec<Duration>) {
    delays.sort();
    for (measure, index) in [
        ("p50", delays.len() / 2),
        ("p99", delays.len() * 99 / 100),
        ("longest", delays.len() - 1),
    ] {
        println!("{name}_{measure}_us {}", delays[index].as_micros());
    }
}

/// Prints a rate per second.
pub fn print_rate(name: &str, count: usize, time: Duration) {
    println!("{name}_per_s {:.1}", count as f64 / time.as_secs_f64());
}

/// Prints the CPU time that was computed per second, in milliseconds. Each pair is a count, and
/// microseconds of CPU time for each.
pub fn print_work(parts: &[(usize, u32)], time: Duration) {
    let us: u64 = parts
        .iter()
        .map(|(count, us)| *count as u64 * u64::from(*us))
        .sum();

    println!("work_ms_per_s {:.1}", us as f64 / 1e3 / time.as_secs_f64());
}

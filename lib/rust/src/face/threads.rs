// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The servers and the ticker of a group. They block all signals.

use crate::{
    engine::{
        end::{self, Close, NotClosed},
        server,
        shared::Shared,
        ticker,
    },
    error::Error,
    sys::{
        errno::Errno,
        futex,
        spawn::{self, Thread},
        thread::SignalsBlocked,
    },
};
use std::{
    ffi::CString,
    io,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc, Arc,
    },
};

/// Registered threads wait for it.
#[derive(Default)]
struct Gate(AtomicU32);

const OPEN: u32 = 1;
const GIVEN_UP: u32 = 2;

impl Gate {
    fn set(&self, state: u32) {
        // Release: pairs with the acquire in `wait()`.
        self.0.store(state, Ordering::Release);
        futex::wake(&self.0, i32::MAX);
    }

    /// Returns whether the group begins.
    fn wait(&self) -> bool {
        loop {
            // Acquire: pairs with the release of `set()`.
            match self.0.load(Ordering::Acquire) {
                0 => futex::wait(&self.0, 0, None),
                state => return state == OPEN,
            }
        }
    }
}

pub(super) fn error_of(error: &io::Error) -> Error {
    error
        .raw_os_error()
        .map_or(Error::TooManyThreads, |number| Errno(number).into())
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<Thread, Errno> {
    let _blocked = SignalsBlocked::new();
    // The names of this file have no zeros.
    let name = CString::new(name).unwrap_or_default();

    spawn::spawn(name, Box::new(body))
}

/// Starts the servers and the ticker of a group: all of them, or none.
pub(super) fn start(shared: &Arc<Shared>) -> Result<Vec<Thread>, Error> {
    let gate = Arc::new(Gate::default());
    let (report, reports) = mpsc::channel();
    let mut threads = Vec::new();

    let result = start_all(shared, &gate, &report, &mut threads);
    // The channel is closed when the last of the threads has reported.
    drop(report);
    let result: Result<(), Error> =
        result.and_then(|()| reports.iter().take(threads.len()).collect());
    gate.set(if result.is_ok() { OPEN } else { GIVEN_UP });
    if let Err(error) = result {
        for thread in threads {
            thread.join();
        }
        return Err(error);
    }
    Ok(threads)
}

type Reports = mpsc::Sender<Result<(), Error>>;

fn start_all(
    shared: &Arc<Shared>,
    gate: &Arc<Gate>,
    reports: &Reports,
    threads: &mut Vec<Thread>,
) -> Result<(), Error> {
    let mut start = |name, register: Step, run: Step| -> Result<(), Error> {
        let (shared, gate, reports) = (Arc::clone(shared), Arc::clone(gate), reports.clone());
        threads.push(spawn(name, move || {
            begin(&shared, &gate, &reports, register, run);
        })?);
        Ok(())
    };

    for nr in 0..shared.servers() {
        start(
            format!("umcg-server-{nr}"),
            Box::new(move |shared| server::register(shared, nr)),
            Box::new(move |shared| {
                server::serve(shared, nr);
                Ok(())
            }),
        )?;
    }
    if let Some(slice) = shared.slice {
        start(
            "umcg-ticker".to_owned(),
            Box::new(ticker::register),
            Box::new(move |shared| {
                ticker::tick(shared, slice);
                Ok(())
            }),
        )?;
    }
    Ok(())
}

type Step = Box<dyn FnOnce(&Shared) -> Result<(), Errno> + Send>;

/// Registers, and runs when all threads have registered.
fn begin(shared: &Shared, gate: &Gate, reports: &Reports, register: Step, run: Step) {
    let registered = register(shared);

    // If it is not received, it is not needed.
    let _ = reports.send(registered.map_err(Error::from));
    if registered.is_err() {
        return;
    }
    if gate.wait() {
        // It cannot fail.
        let _ = run(shared);
    } else {
        end::unregister();
    }
}

/// Closes a group, in another thread, as the calling one may be registered.
pub(super) fn close(shared: &Arc<Shared>, how: Close) -> Result<(), NotClosed> {
    let shared = Arc::clone(shared);
    let (report, result) = mpsc::channel();
    let closer = spawn("umcg-closer".to_owned(), move || {
        // The thread that receives it waits.
        let _ = report.send(end::close(&shared, how));
    });

    closer
        .map_err(|error| NotClosed::Failed(error.into()))?
        .join();
    result
        .try_recv()
        .unwrap_or(Err(NotClosed::Failed(Error::Os(libc::EIO))))
}

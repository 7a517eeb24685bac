// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A pool of threads that need not know which of its jobs block.
//!
//! It has far more workers than servers. A job that blocks, in whatever call, leaves its place to
//! the next one; so as many jobs run as there are CPUs, and none waits for a thread that sleeps.

use std::{
    error::Error,
    sync::{
        mpsc::{self, Sender},
        Arc, Mutex,
    },
    time::Duration,
};
use umcg::{Group, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

/// Workers that take jobs from one queue.
struct Pool {
    group: Group,
    jobs: Sender<Job>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    fn new(workers: usize) -> Result<Self, umcg::Error> {
        let group = Group::new()?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));

        let workers = (0..workers).map(|_| {
            let queue = Arc::clone(&queue);
            group.spawn(move || loop {
                // A worker that waits here, for the lock or for a job, costs no server.
                let job = queue.lock().unwrap().recv();
                match job {
                    Ok(job) => job(),
                    Err(_) => return,
                }
            })
        });
        let workers = workers.collect::<Result<_, _>>()?;
        Ok(Self {
            group,
            jobs,
            workers,
        })
    }

    fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.jobs.send(Box::new(job)).unwrap();
    }

    /// Waits until all jobs are done.
    fn finish(self) -> Result<(), Box<dyn Error>> {
        drop(self.jobs);
        for worker in self.workers {
            worker.join()?;
        }
        self.group.shutdown()?;
        Ok(())
    }
}

/// Runs jobs that sleep among jobs that compute.
pub fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::new(16)?;
    let (results, sums) = mpsc::channel();

    for job in 0..64u64 {
        let results = results.clone();
        pool.run(move || {
            if job % 2 == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            results.send((0..=job).sum::<u64>()).unwrap();
        });
    }
    pool.finish()?;
    drop(results);

    let sum: u64 = sums.iter().sum();
    assert_eq!(sum, (0..64).map(|job| job * (job + 1) / 2).sum());
    println!("64 jobs, sum {sum}");
    Ok(())
}

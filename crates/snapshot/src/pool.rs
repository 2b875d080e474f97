//! [`Pool`]: threads that compress blocks while the next ones are read.
//!
//! At most a few blocks are under way, so memory is bounded whatever the target's size. Blocks come
//! back in any order. The threads end with the pool.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::Error;
use crate::bytes::checksum;

/// A block on its way.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) raw: Vec<u8>,
    /// What is to be stored: shorter than `raw`, or its equal.
    pub(crate) stored: Vec<u8>,
    pub(crate) checksum: u64,
    failed: Option<String>,
}

/// Threads that compress.
pub(crate) struct Pool {
    jobs: SyncSender<Job>,
    done: Receiver<Job>,
    /// Blocks that were given and did not come back.
    under_way: usize,
    most_under_way: usize,
    /// Buffers to be used again.
    spare: Vec<Job>,
}

impl Pool {
    /// Starts `threads` threads, at least one.
    pub(crate) fn new(threads: usize, level: i32) -> Result<Pool, Error> {
        let threads = threads.max(1);
        let most_under_way = threads * 2;
        let (jobs, given) = sync_channel::<Job>(most_under_way);
        let (back, done) = channel();
        let given = Arc::new(Mutex::new(given));
        for _ in 0..threads {
            let (given, back) = (given.clone(), back.clone());
            thread::Builder::new()
                .name("letgo-compress".to_owned())
                .spawn(move || work(&given, &back, level))
                .map_err(|error| Error::from_io("start a thread", &error))?;
        }
        Ok(Pool {
            jobs,
            done,
            under_way: 0,
            most_under_way,
            spare: Vec::new(),
        })
    }

    /// An empty buffer of a block's size.
    pub(crate) fn buffer(&mut self) -> Job {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn recycle(&mut self, mut job: Job) {
        job.raw.clear();
        job.stored.clear();
        self.spare.push(job);
    }

    /// Gives a block away. Call [`Pool::next`] until it has nothing before giving the next.
    pub(crate) fn give(&mut self, job: Job) -> Result<(), Error> {
        self.under_way += 1;
        self.jobs.send(job).map_err(|_| lost())
    }

    /// A block that is done; waits for one where `all` are wanted, or too many are under way.
    pub(crate) fn next(&mut self, all: bool) -> Result<Option<Job>, Error> {
        if self.under_way == 0 {
            return Ok(None);
        }
        let job = if all || self.under_way >= self.most_under_way {
            self.done.recv().map_err(|_| lost())?
        } else {
            match self.done.try_recv() {
                Ok(job) => job,
                Err(_) => return Ok(None),
            }
        };
        self.under_way -= 1;
        match job.failed {
            Some(reason) => Err(Error::File {
                what: "compress a block".to_owned(),
                reason,
            }),
            None => Ok(Some(job)),
        }
    }
}

fn lost() -> Error {
    Error::File {
        what: "compress a block".to_owned(),
        reason: "the threads that do it have ended".to_owned(),
    }
}

fn work(given: &Mutex<Receiver<Job>>, back: &Sender<Job>, level: i32) {
    let mut compressor = zstd::bulk::Compressor::new(level);
    loop {
        let job = given.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut job) = job else {
            return;
        };
        let done = match &mut compressor {
            Ok(compressor) => compress(compressor, &mut job),
            Err(error) => Err(std::io::Error::other(error.to_string())),
        };
        job.failed = done.err().map(|error| error.to_string());
        if back.send(job).is_err() {
            return;
        }
    }
}

fn compress(compressor: &mut zstd::bulk::Compressor<'_>, job: &mut Job) -> std::io::Result<()> {
    job.stored.clear();
    job.stored
        .reserve(zstd::zstd_safe::compress_bound(job.raw.len()));
    compressor.compress_to_buffer(&job.raw, &mut job.stored)?;
    if job.stored.len() >= job.raw.len() {
        job.stored.clear();
        job.stored.extend_from_slice(&job.raw);
    }
    job.checksum = checksum(&job.stored);
    Ok(())
}

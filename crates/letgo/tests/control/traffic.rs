//! Requests at a fixed rate, whatever the server does: each that is not answered as it should be
//! counts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an answer may take. Nothing here is about speed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Load on a server on loopback, until it is stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    senders: Vec<JoinHandle<Result<(), String>>>,
}

impl Traffic {
    /// `GET path` from each of `senders` connections, `rate` times a second each.
    pub(crate) fn start(port: u64, path: &str, senders: u32, rate: u32) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let every = Duration::from_secs(1) / rate;
        let senders = (0..senders)
            .map(|_| {
                let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
                let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
                std::thread::spawn(move || send(port, &request, every, &stop, &answered))
            })
            .collect();
        Traffic {
            stop,
            answered,
            senders,
        }
    }

    /// Stops it; what failed, and how many were answered.
    pub(crate) fn end(self) -> Result<u64, String> {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender
                .join()
                .map_err(|_| "a sender panicked".to_owned())??;
        }
        Ok(self.answered.load(Ordering::Relaxed))
    }
}

fn send(
    port: u64,
    request: &str,
    every: Duration,
    stop: &AtomicBool,
    answered: &AtomicU64,
) -> Result<(), String> {
    let told = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap()))
        .map_err(|error| told("connect", error))?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut requests = stream;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += every;
        requests
            .write_all(request.as_bytes())
            .map_err(|error| told("request", error))?;
        let status = answer(&mut answers).map_err(|error| told("answer", error))?;
        if !status.contains(" 200 ") {
            return Err(status);
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Reads one answer; its first line.
fn answer(from: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut status = String::new();
    from.read_line(&mut status)?;
    let mut len = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
    }
    from.read_exact(&mut vec![0; len])?;
    Ok(status)
}

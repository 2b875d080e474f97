//! One GET on loopback, in the plainest way.
//!
//! Not a client: no redirects, no chunks, no other host. For asking a patient to do something.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A burst takes seconds on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks for a path and waits for the whole answer.
///
/// # Errors
/// Nobody answers, or not with 200.
pub(super) fn get(port: u64, path: &str) -> Result<()> {
    let port = u16::try_from(port)?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .with_context(|| format!("nobody listens on port {port}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1);
    ensure!(status == Some("200"), "{path} is answered by {status:?}");
    Ok(())
}

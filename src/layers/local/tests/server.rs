//! An index that behaves as it is told, on a port of this machine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How one request is answered; the last behaviour of a path stays.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// The file, or the part of it that is asked for.
    File(Vec<u8>),
    /// The whole file whatever part is asked for.
    Whole(Vec<u8>),
    /// So many bytes of the file (or of the part), then the connection breaks.
    Cut(Vec<u8>, usize),
    /// A status without anything.
    Status(u16),
    /// The file, a byte now and then.
    Trickle(Vec<u8>),
    /// Nothing for a while.
    Silence(Duration),
}

/// The requests that came: path, Range, Authorization.
pub(super) type Seen = (String, Option<String>, Option<String>);

pub(super) struct Server {
    address: String,
    answers: Arc<Mutex<BTreeMap<String, Vec<Answer>>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            answers: Arc::default(),
            seen: Arc::default(),
        };
        let (answers, seen) = (server.answers.clone(), server.seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, seen) = (answers.clone(), seen.clone());
                std::thread::spawn(move || drop(serve(&stream, &answers, &seen)));
            }
        });
        server
    }

    /// Says how `path` is answered, one request after the other; gives its address.
    pub(super) fn on(&self, path: &str, answers: &[Answer]) -> String {
        let mut queued = answers.to_vec();
        queued.reverse();
        self.answers.lock().unwrap().insert(path.to_owned(), queued);
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(
    stream: &TcpStream,
    answers: &Mutex<BTreeMap<String, Vec<Answer>>>,
    seen: &Mutex<Vec<Seen>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next().transpose()?.unwrap_or_default();
    let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut range, mut authorization) = (None, None);
    for line in lines {
        let line = line?;
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => range = Some(value.to_owned()),
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(value.to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    seen.lock()
        .unwrap()
        .push((path.clone(), range.clone(), authorization));
    let answer = {
        let mut answers = answers.lock().unwrap();
        let queued = answers.get_mut(&path);
        queued.map_or(Answer::Status(404), |queued| match queued.len() {
            1 => queued[0].clone(),
            _ => queued.pop().unwrap(),
        })
    };
    let start = range
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .unwrap_or(0);
    match answer {
        Answer::File(bytes) => send(stream, &bytes, start, bytes.len()),
        Answer::Whole(bytes) => send(stream, &bytes, 0, bytes.len()),
        Answer::Cut(bytes, length) => send(stream, &bytes, start, length),
        Answer::Status(status) => {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            (&*stream).write_all(head.as_bytes())
        }
        Answer::Trickle(bytes) => {
            let mut stream = stream;
            write!(
                stream,
                "HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n",
                bytes.len()
            )?;
            for byte in bytes {
                stream.write_all(&[byte])?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Answer::Silence(time) => {
            std::thread::sleep(time);
            Ok(())
        }
    }
}

fn send(mut stream: &TcpStream, bytes: &[u8], start: usize, length: usize) -> std::io::Result<()> {
    let rest = &bytes[start..];
    let (size, count) = (bytes.len(), rest.len());
    let head = if start > 0 {
        let last = size - 1;
        format!("HTTP/1.1 206 X\r\nContent-Range: bytes {start}-{last}/{size}\r\n")
    } else {
        "HTTP/1.1 200 X\r\n".to_owned()
    };
    write!(
        stream,
        "{head}Content-Length: {count}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&rest[..length.min(count)])
}

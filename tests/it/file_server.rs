//! A file server on loopback that remembers its requests.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A request of a client.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header lines.
    pub headers: Vec<String>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = |line: &String| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.headers.iter().find(|line| value(line)).map(|line| line[name.len() + 1..].trim())
    }

    /// The decoded path: in Google's paths every special character is percent-encoded.
    pub fn path(&self) -> String {
        let path = self.target.split('?').next().unwrap();
        percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
    }
}

/// The answer to a request.
pub enum Answer {
    /// A file, of which a range may have been requested.
    File(Vec<u8>),
    /// A status and the body that explains it.
    Status(u16, String),
    /// A redirect to another address.
    Redirect(String),
}

/// A server, which ends with the test.
pub struct FileServer {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FileServer {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, seen) = (answer.clone(), seen.clone());
                // A client that disconnects is not an error of the server.
                thread::spawn(move || while let Ok(true) = serve(&stream, answer.as_ref(), &seen) {});
            }
        });
        Self { port, asked }
    }

    /// The requests so far, which are then forgotten.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Answers one request; returns whether another may follow.
fn serve(
    stream: &TcpStream,
    answer: &(impl Fn(&Asked) -> Answer + ?Sized),
    seen: &Mutex<Vec<Asked>>,
) -> std::io::Result<bool> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(false);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = Asked { method, target, headers: Vec::new() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => asked.headers.push(line.to_owned()),
        }
    }
    let length: u64 = asked.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    seen.lock().unwrap().push(asked.clone());
    let (head, body) = reply(answer(&asked), asked.header("range"));
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    if asked.method != "HEAD" {
        stream.write_all(&body)?;
    }
    Ok(true)
}

fn reply(answer: Answer, range: Option<&str>) -> (String, Vec<u8>) {
    let (status, extra, body) = match answer {
        Answer::Status(status, body) => (status, String::new(), body.into_bytes()),
        Answer::Redirect(to) => (302, format!("Location: {to}\r\n"), Vec::new()),
        Answer::File(bytes) => {
            let dated = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nETag: \"x\"\r\n".to_owned();
            match range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) {
                None => (200, dated, bytes),
                Some((from, to)) => {
                    let last = bytes.len() - 1;
                    let (from, to) = match (from.parse::<usize>(), to.parse::<usize>()) {
                        (Ok(from), to) => (from, to.unwrap_or(last).min(last)),
                        (Err(_), tail) => (bytes.len() - tail.unwrap(), last),
                    };
                    let part = format!("{dated}Content-Range: bytes {from}-{to}/{}\r\n", bytes.len());
                    (206, part, bytes[from..=to].to_vec())
                }
            }
        }
    };
    (format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{extra}\r\n", body.len()), body)
}

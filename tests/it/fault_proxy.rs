//! A proxy on loopback in front of a store's server, which disturbs requests as a bad network and a busy server do.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::SockRef;

/// Maximum time for any request.
const LIMIT: Duration = Duration::from_mins(1);

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is answered by the server.
    Pass,
    /// It is not forwarded, and answered with this status.
    Refuse(u16),
    /// It is forwarded, and the answer is this status.
    PassThenRefuse(u16),
    /// It is not forwarded, and the connection is reset.
    Reset,
    /// It is forwarded, and then the connection is reset.
    PassThenReset,
    /// Half of the answer's body is sent, and then the connection is reset.
    Cut,
}

/// A request, as it is passed to rules.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its number, from zero.
    pub number: usize,
    /// `GET /stars/in/stars.parquet?…`
    pub line: String,
    head: Vec<u8>,
    body: Vec<u8>,
}

type Rule = Box<dyn Fn(&Request) -> Action + Send + Sync>;

struct Shared {
    upstream: u16,
    rule: Mutex<Arc<Rule>>,
    number: AtomicUsize,
    journal: Mutex<Vec<String>>,
    ended: AtomicBool,
}

/// A proxy, which ends with the test.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy in front of a server on loopback.
    pub fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let rule: Rule = Box::new(|_| Action::Pass);
        let shared = Arc::new(Shared {
            upstream,
            rule: Mutex::new(Arc::new(rule)),
            number: AtomicUsize::new(0),
            journal: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = shared.clone();
        let listening = Some(thread::spawn(move || listen(&listener, &serving)));
        Self { port, shared, listening }
    }

    /// From now on requests are counted from zero, and `rule` decides what happens to each.
    pub fn set(&self, rule: impl Fn(&Request) -> Action + Send + Sync + 'static) {
        *self.shared.rule.lock().unwrap() = Arc::new(Box::new(rule));
        self.shared.journal.lock().unwrap().clear();
        self.shared.number.store(0, Ordering::SeqCst);
    }

    /// Number of requests since the rule was set.
    pub fn requests(&self) -> usize {
        self.shared.number.load(Ordering::SeqCst)
    }

    /// The requests since the rule was set, and what happened to them.
    pub fn journal(&self) -> Vec<String> {
        self.shared.journal.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // This wakes the listener, which then notices that it must end.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.listening.take().map(JoinHandle::join);
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = shared.clone();
        // A client that is killed breaks its connection off; this is not reported.
        thread::spawn(move || {
            let _ = serve(stream, &shared);
        });
    }
}

/// Serves one request; every request needs a new connection.
fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    let Some(request) = read(&stream, shared)? else { return Ok(()) };
    let rule = shared.rule.lock().unwrap().clone();
    let action = rule(&request);
    shared.journal.lock().unwrap().push(format!("{} {action:?}", request.line));
    match action {
        Action::Pass => answer(stream, &forward(&request, shared)?),
        Action::Refuse(status) => answer(stream, &refusal(&request, status)),
        Action::PassThenRefuse(status) => {
            forward(&request, shared)?;
            answer(stream, &refusal(&request, status))
        }
        Action::Reset => reset(&stream),
        Action::PassThenReset => {
            forward(&request, shared)?;
            reset(&stream)
        }
        Action::Cut => {
            let whole = forward(&request, shared)?;
            let body = whole.windows(4).position(|four| four == b"\r\n\r\n").map_or(whole.len(), |at| at + 4);
            (&stream).write_all(&whole[..body + (whole.len() - body) / 2])?;
            // A reset that arrives earlier would discard what was written.
            thread::sleep(Duration::from_millis(5));
            reset(&stream)
        }
    }
}

/// Reads a request; `None` if the connection has none.
fn read(stream: &TcpStream, shared: &Shared) -> io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut line, mut length) = (Vec::new(), String::new(), 0);
    loop {
        let mut text = String::new();
        if reader.read_line(&mut text)? == 0 {
            return Ok(None);
        }
        let lower = text.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            text.trim_end().trim_end_matches(" HTTP/1.1").clone_into(&mut line);
        }
        if text == "\r\n" {
            break;
        }
        if !lower.starts_with("connection:") {
            head.extend_from_slice(text.as_bytes());
        }
    }
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { number: shared.number.fetch_add(1, Ordering::SeqCst), line, head, body }))
}

/// The complete answer of the server.
fn forward(request: &Request, shared: &Shared) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", shared.upstream))?;
    server.set_read_timeout(Some(LIMIT))?;
    server.write_all(&[request.head.as_slice(), &request.body].concat())?;
    let mut whole = Vec::new();
    server.read_to_end(&mut whole)?;
    Ok(whole)
}

fn refusal(request: &Request, status: u16) -> Vec<u8> {
    let code = if status == 429 || status == 503 { "SlowDown" } else { "InternalError" };
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>");
    let shown = if request.line.starts_with("HEAD") { "" } else { body.as_str() };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Injected\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: \
         close\r\n\r\n{shown}"
    )
    .into_bytes()
}

fn answer(mut stream: TcpStream, whole: &[u8]) -> io::Result<()> {
    stream.write_all(whole)?;
    stream.shutdown(Shutdown::Write)
}

/// Ends the connection with a reset.
fn reset(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

//! Workers of a cluster, as processes of their own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::program;

/// A worker, which is killed when it is dropped.
pub struct Worker {
    child: Child,
    /// Where it listens.
    pub address: String,
}

impl Worker {
    /// Starts a worker in `folder` with further arguments, on a port that is free.
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        Self::listening(folder, "127.0.0.1:0", args)
    }

    /// Starts a worker that listens on `address`.
    pub fn listening(folder: &Path, address: &str, args: &[&str]) -> Self {
        let mut command = program::lamcat(folder);
        command.args(["cluster", "worker", "--threads", "1", "--listen", address]).args(args);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let mut all = String::new();
        while !line.contains("listens on") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the worker did not start: {all}");
            all += &line;
        }
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        std::thread::spawn(move || said.lines().map_while(Result::ok).for_each(|line| eprintln!("worker: {line}")));
        Self { child, address }
    }

    /// Sends a signal, such as `STOP` or `KILL`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

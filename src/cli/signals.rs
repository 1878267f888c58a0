//! Signals that end the program: Ctrl-C (SIGINT), SIGTERM, and SIGHUP unless it is ignored.
//!
//! A separate thread receives them: an operator that computes for long blocks the threads of queries, and process 1 of
//! a container, which signals do not end by default, must react to them too. The first signal cancels what is running:
//! its unfinished outputs are removed and its uploads aborted. A second signal ends the program at once.

use std::{
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lamcat_core::outputs;
use tokio::sync::watch;

/// Time for the program to cancel what is running; a thread that is computing may not notice within this time.
const GRACE: Duration = Duration::from_millis(1500);

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Interrupt,
    Terminate,
    HangUp,
}

impl Signal {
    /// The exit code of a program that it ended, in the convention of shells.
    pub(super) fn exit_code(self) -> u8 {
        128 + match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }

    /// Its name for use in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HangUp => "SIGHUP",
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// How signals are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// The command is cancelled.
    LetGo,
    /// The command ends by itself, within this time.
    ByItself(Duration),
    /// Interrupts concern what runs at the prompt; all other signals end the prompt.
    Prompt,
}

impl Manner {
    /// The time from the first signal to the end of the program.
    fn patience(self) -> Duration {
        match self {
            Self::LetGo | Self::Prompt => GRACE,
            Self::ByItself(patience) => patience,
        }
    }
}

/// The signals received so far.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// The signal that ends the program.
    end: Option<Signal>,
    /// Number of interrupts at the prompt.
    interrupts: u64,
}

static HEARD: LazyLock<watch::Sender<Heard>> = LazyLock::new(|| watch::Sender::new(Heard::default()));
static MANNER: Mutex<Manner> = Mutex::new(Manner::LetGo);

fn manner() -> MutexGuard<'static, Manner> {
    MANNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Another way of handling signals, until it is dropped.
#[must_use]
pub(super) struct Taken(());

impl Drop for Taken {
    fn drop(&mut self) {
        *manner() = Manner::LetGo;
    }
}

/// The command ends by itself at [`ended`], within `patience`.
pub(super) fn ends_by_itself(patience: Duration) -> Taken {
    *manner() = Manner::ByItself(patience);
    Taken(())
}

/// Interrupts are left to the prompt, which waits for them with [`interrupted`].
pub(super) fn at_prompt() -> Taken {
    *manner() = Manner::Prompt;
    Taken(())
}

/// The signal that ends the program, if there was one.
pub(super) fn heard() -> Option<Signal> {
    HEARD.borrow().end
}

/// The command has ended by itself as requested, so its own exit code counts.
pub(super) fn obeyed() {
    HEARD.send_modify(|heard| heard.end = None);
}

/// Waits for a signal that ends the program.
pub(super) async fn ended() -> Signal {
    let mut heard = HEARD.subscribe();
    let end = match heard.wait_for(|heard| heard.end.is_some()).await {
        Ok(heard) => heard.end,
        Err(_) => None,
    };
    match end {
        Some(signal) => signal,
        None => std::future::pending().await,
    }
}

/// Waits for a signal that cancels the command; never returns for a command that ends by itself.
pub(super) async fn lets_go() -> Signal {
    let signal = ended().await;
    let by_itself = matches!(*manner(), Manner::ByItself(_));
    if by_itself { std::future::pending().await } else { signal }
}

/// Waits for the next interrupt at the prompt.
pub(super) async fn interrupted() {
    let mut heard = HEARD.subscribe();
    let before = heard.borrow().interrupts;
    if heard.wait_for(|heard| heard.interrupts > before).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Starts to listen. If that fails, signals end the program as they end any other.
pub(super) fn listen() {
    let listening = std::thread::Builder::new().name("signals".to_owned()).spawn(|| {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(hear());
        }
    });
    if let Err(e) = listening {
        tracing::warn!("signals are not listened to: {e}");
    }
}

#[cfg(unix)]
async fn hear() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    let mut hang_up = if ignores_hang_up() { None } else { signal(SignalKind::hangup()).ok() };
    loop {
        let terminal_gone = async {
            match &mut hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        let signal = tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
            _ = terminal_gone => Signal::HangUp,
            () = late() => end_now(heard().unwrap_or(Signal::Terminate)),
        };
        note(signal);
    }
}

#[cfg(not(unix))]
async fn hear() {
    loop {
        tokio::select! {
            heard = tokio::signal::ctrl_c() => match heard {
                Ok(()) => note(Signal::Interrupt),
                Err(_) => return,
            },
            () = late() => end_now(Signal::Interrupt),
        }
    }
}

/// Whether the program was started to outlive its terminal, as by `nohup`.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Waits until the program should have ended after a signal.
async fn late() {
    ended().await;
    let mut since = Instant::now();
    loop {
        if heard().is_none() {
            ended().await;
            since = Instant::now();
        }
        let patience = manner().patience();
        if since.elapsed() >= patience {
            return;
        }
        // The patience may change in the meantime, so it is read again.
        tokio::time::sleep(GRACE.min(patience.saturating_sub(since.elapsed()))).await;
    }
}

fn note(signal: Signal) {
    if signal == Signal::Interrupt && *manner() == Manner::Prompt {
        return HEARD.send_modify(|heard| heard.interrupts += 1);
    }
    if heard().is_some() {
        end_now(signal);
    }
    HEARD.send_modify(|heard| heard.end = Some(signal));
}

/// Ends the program, after removing its unfinished files.
fn end_now(signal: Signal) -> ! {
    outputs::abandon_all();
    std::process::exit(signal.exit_code().into())
}

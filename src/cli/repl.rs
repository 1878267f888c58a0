//! The prompt of `lamcat sql`: history, completion, and statements over several lines.

use std::{path::PathBuf, time::Duration};

use lamcat_core::error::without_secrets;
use lamcat_sql::{functions, session::Session};
use rustyline::{
    Context, Editor, Helper, Highlighter, Hinter, Validator,
    completion::{Completer, Pair},
    error::ReadlineError,
    history::{FileHistory, History},
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};

use super::{describe, display::Display, signals};

const KEYWORDS: [&str; 24] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "JOIN",
    "ON",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IS NULL",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "EXPLAIN ANALYZE",
    "COPY",
    "SHOW TABLES",
    "CREATE VIEW",
    "SET",
];

const HELP: &str = "\
End a statement with a semicolon. \\q leaves, \\d lists tables, \\f lists functions, \\h shows this.
A file is a table: SELECT * FROM 'stars/*.parquet' LIMIT 3;";

pub(super) async fn run(session: &Session, display: &Display) -> anyhow::Result<()> {
    let _taken = signals::at_prompt();
    let mut workers = Workers::start()?;
    let mut editor: Editor<SqlHelper, FileHistory> = Editor::new()?;
    editor.set_helper(Some(SqlHelper { words: words(session) }));
    let history = history_path();
    if let Some(path) = &history {
        // In the first session there is no history yet.
        let _ = editor.load_history(path);
    }
    eprintln!("lamcat {}; \\h for help, \\q to leave", env!("CARGO_PKG_VERSION"));
    let mut buffer = String::new();
    loop {
        let prompt = if buffer.is_empty() { "lamcat> " } else { "     -> " };
        match editor.readline(prompt) {
            Ok(line) => {
                if buffer.is_empty() && line.trim().starts_with('\\') {
                    if !command(&mut workers, session, display, line.trim()).await {
                        break;
                    }
                    continue;
                }
                buffer.push_str(&line);
                buffer.push('\n');
                if buffer.trim_end().ends_with(';') {
                    let text = std::mem::take(&mut buffer);
                    editor.add_history_entry(text.trim())?;
                    execute(&mut workers, session, display, &text).await;
                } else if buffer.trim().is_empty() {
                    buffer.clear();
                }
            }
            Err(ReadlineError::Interrupted) => buffer.clear(),
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(e.into()),
        }
    }
    if let Some(path) = &history {
        discreet(editor.history())?.save(path)?;
    }
    Ok(())
}

/// The history in the form in which it may be written to a file: secrets that were typed are kept only in this session.
fn discreet(history: &FileHistory) -> anyhow::Result<FileHistory> {
    let mut saved = FileHistory::new();
    for line in history.iter() {
        saved.add(&without_secrets(line))?;
    }
    Ok(saved)
}

/// Runs a backslash command; returns false to leave the prompt.
async fn command(workers: &mut Workers, session: &Session, display: &Display, line: &str) -> bool {
    match line {
        "\\q" => return false,
        "\\d" => execute(workers, session, display, "SHOW TABLES").await,
        "\\f" => {
            for function in functions::specs() {
                println!("{}", function.name);
            }
        }
        _ => eprintln!("{HELP}"),
    }
    true
}

/// Runs statements; Ctrl-C cancels them. Errors are shown, and the prompt continues.
async fn execute(workers: &mut Workers, session: &Session, display: &Display, text: &str) {
    let (session, display, text) = (session.clone(), *display, text.to_owned());
    let mut work = workers.run(async move {
        for statement in session.parse(&text)? {
            display.show(&session, statement).await?;
        }
        anyhow::Ok(())
    });
    let result = tokio::select! {
        result = &mut work => result.map_err(anyhow::Error::from).and_then(|result| result),
        () = signals::interrupted() => {
            workers.cancel(work).await;
            eprintln!("cancelled");
            Ok(())
        }
    };
    if let Err(e) = result {
        eprintln!("error: {}", describe(&e));
    }
}

/// Time for a cancelled statement to end.
const PAUSE: Duration = Duration::from_millis(300);

/// The threads on which statements run.
struct Workers(Option<Runtime>);

impl Workers {
    fn start() -> anyhow::Result<Self> {
        Ok(Self(Some(Builder::new_multi_thread().enable_all().build()?)))
    }

    fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        match &self.0 {
            Some(runtime) => runtime.spawn(work),
            // There is always a runtime, except while this is dropped.
            None => Handle::current().spawn(work),
        }
    }

    /// Cancels a statement. An operator that computes for long notices this only at its next pause, and holds its
    /// thread until then, so the next statement gets other threads.
    async fn cancel<T>(&mut self, work: JoinHandle<T>) {
        work.abort();
        if tokio::time::timeout(PAUSE, work).await.is_ok() {
            return;
        }
        if let Ok(fresh) = Self::start() {
            *self = fresh;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn words(session: &Session) -> Vec<String> {
    let state = session.context().state();
    let mut words: Vec<String> = KEYWORDS.iter().map(|k| (*k).to_owned()).collect();
    words.extend(state.scalar_functions().keys().map(|f| format!("{f}(")));
    words.extend(state.aggregate_functions().keys().map(|f| format!("{f}(")));
    for model in session.engine().models() {
        words.extend(model.vocabulary().tokens().iter().map(|t| format!("'{}'", t.name)));
    }
    words.sort();
    words.dedup();
    words
}

fn history_path() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".lamcat_history"))
}

#[derive(Helper, Highlighter, Hinter, Validator)]
struct SqlHelper {
    words: Vec<String>,
}

impl Completer for SqlHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, typed) = word_before(line, pos);
        let typed = typed.to_lowercase();
        if typed.is_empty() {
            return Ok((start, Vec::new()));
        }
        let matches = self.words.iter().filter(|w| w.to_lowercase().starts_with(&typed));
        Ok((start, matches.map(|w| Pair { display: w.clone(), replacement: w.clone() }).collect()))
    }
}

/// The word that ends at a position, and its start.
fn word_before(line: &str, pos: usize) -> (usize, &str) {
    let before = &line[..pos];
    let word = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '\'');
    (word.len(), &before[word.len()..])
}

#[cfg(test)]
mod tests {
    use rustyline::history::DefaultHistory;

    use super::*;

    #[test]
    fn tokens_functions_and_keywords_complete() {
        let helper = SqlHelper { words: vec!["lam_infer(".into(), "'teff'".into(), "SELECT".into()] };
        let history = DefaultHistory::new();
        let context = Context::new(&history);
        let complete = |line: &str| {
            let (start, found) = helper.complete(line, line.len(), &context).unwrap();
            (start, found.into_iter().map(|p| p.replacement).collect::<Vec<_>>())
        };
        assert_eq!(complete("sel"), (0, vec!["SELECT".to_owned()]));
        assert_eq!(complete("SELECT lam_"), (7, vec!["lam_infer(".to_owned()]));
        assert_eq!(complete("SELECT lam_infer(xp, 'te"), (21, vec!["'teff'".to_owned()]));
        for separator in ['…', '“', '\u{a0}', '≤', '\u{3000}', '🔭'] {
            let line = format!("{separator}sel");
            assert_eq!(complete(&line), (separator.len_utf8(), vec!["SELECT".to_owned()]), "after {separator:?}");
        }
        assert_eq!(complete("é"), (0, vec![]));
    }
}

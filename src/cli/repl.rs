//! The prompt of `lamcat sql`: history, completion, statements over several lines.

use std::path::PathBuf;

use rustyline::{
    Context, Editor, Helper, Highlighter, Hinter, Validator,
    completion::{Completer, Pair},
    error::ReadlineError,
    history::FileHistory,
};

use super::{describe, sql::Display};
use crate::{functions, session::Session};

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
    let mut editor: Editor<SqlHelper, FileHistory> = Editor::new()?;
    editor.set_helper(Some(SqlHelper { words: words(session) }));
    let history = history_path();
    if let Some(path) = &history {
        // The first session has no history yet.
        let _ = editor.load_history(path);
    }
    eprintln!("lamcat {}; \\h for help, \\q to leave", env!("CARGO_PKG_VERSION"));
    let mut buffer = String::new();
    loop {
        let prompt = if buffer.is_empty() { "lamcat> " } else { "     -> " };
        match editor.readline(prompt) {
            Ok(line) => {
                if buffer.is_empty() && line.trim().starts_with('\\') {
                    if !command(session, display, line.trim()).await {
                        break;
                    }
                    continue;
                }
                buffer.push_str(&line);
                buffer.push('\n');
                if buffer.trim_end().ends_with(';') {
                    let text = std::mem::take(&mut buffer);
                    editor.add_history_entry(text.trim())?;
                    execute(session, display, &text).await;
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
        editor.save_history(path)?;
    }
    Ok(())
}

/// Runs a backslash command; false to leave.
async fn command(session: &Session, display: &Display, line: &str) -> bool {
    match line {
        "\\q" => return false,
        "\\d" => execute(session, display, "SHOW TABLES").await,
        "\\f" => {
            for f in functions::all(session.engine()) {
                println!("{}", f.name());
            }
        }
        _ => eprintln!("{HELP}"),
    }
    true
}

/// Runs statements; Ctrl-C cancels them. Errors are shown and the prompt goes on.
async fn execute(session: &Session, display: &Display, text: &str) {
    let work = async {
        for statement in session.parse(text)? {
            display.show(session, statement).await?;
        }
        anyhow::Ok(())
    };
    let result = tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("cancelled");
            Ok(())
        }
    };
    if let Err(e) = result {
        eprintln!("error: {}", describe(&e));
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
        let start = line[..pos].rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\'')).map_or(0, |i| i + 1);
        let typed = line[start..pos].to_lowercase();
        if typed.is_empty() {
            return Ok((start, Vec::new()));
        }
        let matches = self.words.iter().filter(|w| w.to_lowercase().starts_with(&typed));
        Ok((start, matches.map(|w| Pair { display: w.clone(), replacement: w.clone() }).collect()))
    }
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
    }
}

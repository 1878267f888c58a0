//! Limits how deeply the operations of a statement are nested: copying and computing them uses stack space in
//! proportion.

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement};
use lamcat_core::error::{Error, ErrorKind, Result};
use sqlparser::ast::{Expr, Query, Visit, Visitor};

/// The stack of every thread has room for this many levels.
const MOST_LEVELS: usize = 1000;

/// Returns an error for a statement that would overflow the stack.
///
/// # Errors
/// If its operations are nested too deeply.
pub(super) fn check(statement: &Statement) -> Result<()> {
    let mut levels = Levels(0);
    let flow = match statement {
        Statement::Statement(statement) => statement.visit(&mut levels),
        Statement::CopyTo(copy) => match &copy.source {
            CopyToSource::Query(query) => query.visit(&mut levels),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::Explain(explain) => return check(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    };
    if flow.is_continue() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Plan, format!("more than {MOST_LEVELS} operations of the statement lie in each other"))
        .hint("in place of many comparisons write x IN (1, 2), or join a table of the values"))
}

struct Levels(usize);

impl Levels {
    fn enter(&mut self) -> ControlFlow<()> {
        self.0 += 1;
        if self.0 > MOST_LEVELS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn leave(&mut self) -> ControlFlow<()> {
        self.0 -= 1;
        ControlFlow::Continue(())
    }
}

impl Visitor for Levels {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.enter()
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.leave()
    }

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.enter()
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.leave()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParserBuilder;

    use super::*;

    #[test]
    fn long_chains_of_operators_are_refused_and_long_lists_are_not() {
        let checked = |sql: String| {
            let mut statements = DFParserBuilder::new(sql.as_str()).build().unwrap().parse_statements().unwrap();
            check(&statements.pop_front().unwrap())
        };
        assert!(checked(format!("SELECT {}1", "1 + ".repeat(900))).is_ok());
        for deep in [format!("SELECT {}1", "1 + ".repeat(3000)), format!("EXPLAIN SELECT {}''", "'a' || ".repeat(3000))]
        {
            let e = checked(deep).unwrap_err().to_string();
            assert!(e.contains("more than 1000 operations") && e.contains("hint: "), "{e}");
        }
        assert!(checked(format!("SELECT 1 IN ({}1)", "1, ".repeat(5000))).is_ok());
    }
}

//! Pairs with arbitrary names, as in `lam_context(xp, bprp => x)`. DataFusion's named arguments cannot be left out in
//! the middle, so each pair becomes two positional arguments: the name as a literal, and the value.

use std::ops::ControlFlow;

use datafusion::{
    common::Result,
    sql::parser::{CopyToSource, Statement},
};
use lamcat_core::error::{Error, ErrorKind};
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value, VisitMut, visit_expressions_mut,
};

use crate::functions;

/// Rewrites every call of a function that takes pairs with arbitrary names.
pub(super) fn rewrite(statement: &mut Statement) -> Result<()> {
    match statement {
        Statement::Statement(s) => rewrite_expressions(s.as_mut()),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => rewrite_expressions(query.as_mut()),
            CopyToSource::Relation(_) => Ok(()),
        },
        Statement::Explain(explain) => rewrite(&mut explain.statement),
        _ => Ok(()),
    }
}

fn rewrite_expressions(node: &mut impl VisitMut) -> Result<()> {
    let flow = visit_expressions_mut(node, |expr| match expr {
        Expr::Function(call) if functions::takes_pairs(&call.name.to_string()) => match rewrite_call(call) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => ControlFlow::Break(e),
        },
        _ => ControlFlow::Continue(()),
    });
    match flow {
        ControlFlow::Break(e) => Err(e.into()),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn rewrite_call(call: &mut Function) -> Result<(), Error> {
    let FunctionArguments::List(list) = &mut call.args else { return Ok(()) };
    let mut args = Vec::with_capacity(list.args.len());
    for arg in std::mem::take(&mut list.args) {
        match arg {
            FunctionArg::Named { name, arg, .. } | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => {
                push_pair(&mut args, &name, arg);
            }
            FunctionArg::ExprNamed { name, .. } => {
                return Err(Error::new(ErrorKind::Plan, format!("'{name}' is not a token name"))
                    .hint("write e.g. lam_context(xp, bprp => bp_rp)"));
            }
            unnamed @ FunctionArg::Unnamed(_) => args.push(unnamed),
        }
    }
    list.args = args;
    Ok(())
}

fn push_pair(args: &mut Vec<FunctionArg>, name: &Ident, arg: FunctionArgExpr) {
    // Unquoted identifiers are case-insensitive in SQL, and tokens are lower case.
    let name = if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
    let literal = Expr::Value(Value::SingleQuotedString(name).into());
    args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(literal)));
    args.push(FunctionArg::Unnamed(arg));
}

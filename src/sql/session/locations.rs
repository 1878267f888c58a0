//! Removes secrets from the URLs in statements before a plan is made, since plans are shown, become column names and
//! are written to files.

use std::ops::ControlFlow;

use datafusion::{
    common::Result,
    sql::parser::{CopyToSource, Statement},
};
use lamcat_core::error::Error;
use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Select, SelectItem, SelectItemQualifiedWildcardKind, VisitMut, VisitorMut,
};

use super::stores::{LazyStores, has_secret};

/// Replaces URLs that name tables or places to write to by public URLs.
///
/// # Errors
/// If a place to write to, or a place that a table is created from, is a URL that does not belong to any store.
pub(super) fn make_public(stores: &LazyStores, statement: &mut Statement) -> Result<()> {
    let mut names = Names { stores };
    match statement {
        Statement::Statement(statement) => {
            let _: ControlFlow<()> = statement.visit(&mut names);
        }
        Statement::CopyTo(copy) => {
            let _: ControlFlow<()> = match &mut copy.source {
                CopyToSource::Query(query) => query.visit(&mut names),
                CopyToSource::Relation(name) => names.pre_visit_relation(name),
            };
            copy.target = public_name(stores, &copy.target)?;
        }
        Statement::CreateExternalTable(table) => {
            for location in &mut table.locations {
                *location = public_name(stores, location)?;
            }
        }
        Statement::Explain(explain) => make_public(stores, &mut explain.statement)?,
        Statement::Reset(_) => {}
    }
    Ok(())
}

/// The text that replaces a path or URL in plans: the path itself, or the URL without its secrets.
pub(super) fn public_name(stores: &LazyStores, name: &str) -> Result<String, Error> {
    let public = stores.public_url(name)?;
    Ok(public.map_or_else(|| name.to_owned(), |(url, glob)| String::from(url) + &glob.unwrap_or_default()))
}

struct Names<'a> {
    stores: &'a LazyStores,
}

impl Names<'_> {
    /// A name that is not a URL contains no secret, and a URL that does not belong to any store is refused when it is
    /// looked up.
    fn identifier(&self, name: &mut Ident) {
        if has_secret(&name.value)
            && let Ok(public) = public_name(self.stores, &name.value)
        {
            name.value = public;
        }
    }

    fn object(&self, name: &mut ObjectName) {
        for part in &mut name.0 {
            if let ObjectNamePart::Identifier(name) = part {
                self.identifier(name);
            }
        }
    }
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        self.object(name);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item {
                self.object(name);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundIdentifier(names) => names.iter_mut().for_each(|name| self.identifier(name)),
            Expr::QualifiedWildcard(name, _) => self.object(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    #[test]
    fn no_place_of_a_statement_keeps_a_secret() {
        let stores = LazyStores::default();
        let url = "http://me:hunter2@h/a,b(1).csv?sig=SASSECRET";
        let other = "http://me:hunter2@h/a,b(1).csv?sig=SASOTHER";
        for text in [
            format!("SELECT \"{url}\".x, \"{url}\".* FROM \"{url}\" JOIN '{other}' ON \"{url}\".x = \"{other}\".x"),
            format!("WITH t AS (SELECT * FROM '{url}') SELECT (SELECT max(x) FROM '{other}') FROM t"),
            format!("SELECT x FROM t WHERE x IN (SELECT x FROM '{url}') UNION ALL SELECT x FROM '{other}'"),
            format!("CREATE VIEW v AS SELECT * FROM '{url}'"),
            format!("CREATE TABLE v AS SELECT * FROM '{url}'"),
            format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{url}'"),
            format!("COPY (SELECT * FROM '{url}') TO '{other}'"),
            format!("COPY \"{url}\" TO '{other}'"),
            format!("INSERT INTO '{url}' SELECT * FROM '{other}'"),
            format!("EXPLAIN VERBOSE SELECT * FROM '{url}'"),
            format!("EXPLAIN COPY (SELECT 1) TO '{url}'"),
            format!("DESCRIBE '{url}'"),
            format!("PREPARE p AS SELECT * FROM '{url}'"),
        ] {
            let mut statement = DFParser::parse_sql(&text).unwrap().pop_front().unwrap();
            make_public(&stores, &mut statement).unwrap();
            let public = statement.to_string();
            assert!(!["hunter2", "SASSECRET", "SASOTHER"].iter().any(|secret| public.contains(secret)), "{public}");
            assert!(public.contains("http://hidden-1@h/a,b(1).csv"), "{public}");
            assert_eq!(text.contains("SASOTHER"), public.contains("hidden-2"), "{public}");
        }
    }

    #[test]
    fn values_and_plain_names_stay() {
        let stores = LazyStores::default();
        let text =
            "SELECT 'http://me:pw@h/x?sig=1' AS link, t.x FROM 's3://b/a-?.csv' AS t WHERE y = 'https://h/?id=5'";
        let mut statement = DFParser::parse_sql(text).unwrap().pop_front().unwrap();
        make_public(&stores, &mut statement).unwrap();
        assert_eq!(statement.to_string(), text);
    }
}

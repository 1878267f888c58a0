//! The SQL query of one file.

use arrow::datatypes::Schema;
use datafusion::{common::Result, dataframe::DataFrame};
use lamcat_core::{
    error::{Error, ErrorKind},
    schema::nearest,
    survey,
};
use lamcat_sql::session::{Session, identifier_advice, quoted_path};

use super::job::{FileJob, IngestOptions};

/// The column that identifies a source in every table of Gaia; the outputs are sorted by it.
pub(super) const KEY: &str = "source_id";
/// Marks rows that found no partner in the join; such rows are counted, and the column is dropped before writing.
pub(super) const UNMATCHED: &str = "__lamcat_unmatched";

/// Plans the query for the rows of a file, sorted by [`KEY`] if `sorted`.
pub(super) async fn plan(session: &Session, job: &FileJob, options: &IngestOptions, sorted: bool) -> Result<DataFrame> {
    let input = columns(session, &job.input.url).await?;
    let partner = match &job.partner {
        Some(partner) => Some((partner.url.as_str(), columns(session, &partner.url).await?)),
        None => None,
    };
    let sql = sql(&job.input.url, &input, partner.as_ref().map(|(url, s)| (*url, s)), options, sorted)?;
    session.sql(&sql).await
}

async fn columns(session: &Session, url: &str) -> Result<Schema> {
    let frame = session.sql(&format!("SELECT * FROM {}", literal(url))).await?;
    Ok(frame.schema().as_arrow().clone())
}

fn sql(
    url: &str,
    input: &Schema,
    partner: Option<(&str, &Schema)>,
    options: &IngestOptions,
    sorted: bool,
) -> Result<String, Error> {
    let mut columns: Vec<String> = input.fields().iter().map(|f| f.name().clone()).collect();
    let mut inner = format!("SELECT * FROM {}", literal(url));
    if let Some((partner, other)) = partner {
        let taken = joined_columns(input, other, options)?;
        let own = columns.iter().map(|c| format!("x.{}", quoted(c)));
        let all: Vec<_> = own.chain(taken.iter().map(|c| format!("g.{}", quoted(c)))).collect();
        // The left side is held in memory; the right side is streamed in its order.
        inner = format!(
            "SELECT {}, g.{KEY} IS NULL AS {UNMATCHED} FROM {} AS g RIGHT JOIN {} AS x ON g.{KEY} = x.{KEY}",
            all.join(", "),
            literal(partner),
            literal(url)
        );
        columns.extend(taken);
    }
    let mut chosen = chosen_columns(&columns, options)?;
    if partner.is_some() {
        chosen.push(UNMATCHED.to_owned());
    }
    let chosen: Vec<_> = chosen.iter().map(|c| quoted(c)).collect();
    let condition = options.condition.as_ref().map(|c| format!(" WHERE ({c}\n)")).unwrap_or_default();
    let order = if sorted { format!(" ORDER BY {KEY}") } else { String::new() };
    Ok(format!("SELECT {} FROM ({inner}) AS t{condition}{order}", chosen.join(", ")))
}

/// The columns of `--columns`; the name of a numbered series stands for all columns of the series.
fn chosen_columns(columns: &[String], options: &IngestOptions) -> Result<Vec<String>, Error> {
    if options.columns.is_empty() {
        return Ok(columns.to_vec());
    }
    let mut chosen = Vec::new();
    for wanted in &options.columns {
        if chosen.contains(wanted) {
            return Err(Error::new(ErrorKind::Config, format!("column '{wanted}' is asked for twice")));
        }
        if columns.contains(wanted) {
            chosen.push(wanted.clone());
            continue;
        }
        let of_series = |c: &&String| {
            c.strip_prefix(wanted.as_str())
                .and_then(|rest| rest.strip_prefix('_'))
                .is_some_and(|n| n.parse::<u32>().is_ok())
        };
        let series: Vec<_> = columns.iter().filter(of_series).cloned().collect();
        if series.is_empty() {
            return Err(no_column(wanted, columns));
        }
        chosen.extend(series);
    }
    Ok(chosen)
}

fn joined_columns(input: &Schema, partner: &Schema, options: &IngestOptions) -> Result<Vec<String>, Error> {
    for (schema, what) in [(input, "the input"), (partner, "the table to join")] {
        let key = schema.field_with_name(KEY).ok();
        if !key.is_some_and(|f| f.data_type().is_integer()) {
            let message = format!("{what} has no column {KEY} of integers to join by");
            let advice = key.and_then(|f| identifier_advice(KEY, f.data_type()));
            return Err(
                Error::new(ErrorKind::Input, message).hint(advice.unwrap_or_else(|| "leave --join out".to_owned()))
            );
        }
    }
    if options.join_columns.is_empty() {
        let there = |c: &&&str| partner.index_of(c).is_ok() && input.index_of(c).is_err();
        return Ok(survey::joined_columns().filter(there).map(|c| (*c).to_owned()).collect());
    }
    let names: Vec<String> = partner.fields().iter().map(|f| f.name().clone()).collect();
    match options.join_columns.iter().find(|c| !names.contains(c)) {
        Some(missing) => Err(no_column(missing, &names)),
        None => Ok(options.join_columns.iter().filter(|c| input.index_of(c).is_err()).cloned().collect()),
    }
}

fn no_column(wanted: &str, columns: &[String]) -> Error {
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let near = nearest(wanted, &names).map(|c| format!("did you mean '{c}'?"));
    let hint = near.unwrap_or_else(|| format!("the columns are {}", names.join(", ")));
    Error::new(ErrorKind::Config, format!("there is no column '{wanted}'")).hint(hint)
}

/// A path as a table name, with its special characters taken literally.
fn literal(path: &str) -> String {
    let plain = |c: char| if "[?*".contains(c) { format!("[{c}]") } else { c.to_string() };
    // The host part of a URL may contain brackets of its own.
    let end = path.find("://").and_then(|at| Some(at + 3 + path[at + 3..].find('/')?));
    let (server, path) = path.split_at(end.unwrap_or(0));
    quoted_path(&(server.to_owned() + &path.chars().map(plain).collect::<String>()))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    // Its columns are known where its crate is linked.
    use arrow::datatypes::{DataType, Field};
    use lamcat_gaia as _;

    use super::*;

    fn schema(names: &[&str]) -> Schema {
        let data_type = |n: &str| if n == KEY { DataType::Int64 } else { DataType::Float64 };
        Schema::new(names.iter().map(|n| Field::new(*n, data_type(n), true)).collect::<Vec<_>>())
    }

    #[test]
    fn columns_condition_join_and_order_stand_in_the_sql() {
        let options = IngestOptions {
            columns: ["source_id", "bp_coeff", "ra"].map(str::to_owned).to_vec(),
            condition: Some("ra > 1".to_owned()),
            ..IngestOptions::default()
        };
        let input = schema(&["source_id", "bp_coeff_0", "bp_coeff_1", "bp_coeff_x"]);
        let partner = schema(&["source_id", "ra", "dec", "other"]);
        let sql = sql("/a'b.fits", &input, Some(("g.csv", &partner)), &options, true).unwrap();
        assert_eq!(
            sql,
            "SELECT \"source_id\", \"bp_coeff_0\", \"bp_coeff_1\", \"ra\", \"__lamcat_unmatched\" FROM (SELECT \
             x.\"source_id\", x.\"bp_coeff_0\", x.\"bp_coeff_1\", x.\"bp_coeff_x\", g.\"ra\", g.\"dec\", g.source_id IS \
             NULL AS __lamcat_unmatched FROM 'g.csv' AS g RIGHT JOIN '/a''b.fits' AS x ON g.source_id = x.source_id) \
             AS t WHERE (ra > 1\n) ORDER BY source_id"
        );
    }

    #[test]
    fn unknown_columns_suggest_a_near_one() {
        let options = IngestOptions { columns: vec!["paralax".to_owned()], ..IngestOptions::default() };
        let e = sql("a", &schema(&["parallax", "x"]), None, &options, false).unwrap_err().to_string();
        assert_eq!(e, "there is no column 'paralax'\nhint: did you mean 'parallax'?");
    }
}

//! Detects identifiers that were not stored as integers.

use arrow::datatypes::{DataType, Schema};
use lamcat_formats::remark;

/// Whether a column holds Gaia identifiers, judging by its name.
pub(super) fn is_identifier(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "source_id" || name.ends_with("_source_id") || name == "solution_id"
}

/// Advice for identifiers of a type; `None` if they are integers.
#[must_use]
pub fn advice(name: &str, data_type: &DataType) -> Option<String> {
    if data_type.is_floating() {
        return Some(format!(
            "{name} is a float, which holds 15 to 17 digits of the 19 that an identifier has: the last ones are lost, and a CAST does \
             not bring them back; get the table anew with {name} as an integer (of 64 bits)"
        ));
    }
    data_type.is_string().then(|| {
        format!(
            "{name} is text: joins and comparisons with integers find nothing; where it is written 'Gaia DR3 123' write \
             CAST(split_part({name}, ' ', 3) AS BIGINT)"
        )
    })
}

/// Logs advice for the identifiers of a table that are not integers.
pub(super) fn remark_on(table: &str, schema: &Schema) {
    for field in schema.fields().iter().filter(|field| is_identifier(field.name())) {
        if let Some(advice) = advice(field.name(), field.data_type()) {
            remark(format!("{table}: {advice}"));
        }
    }
}

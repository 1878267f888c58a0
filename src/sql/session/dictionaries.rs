//! Removes dictionaries from data that is written to Arrow files: a file has one dictionary for each column, while
//! every batch of a query has its own.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{Column, Result},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, dml::CopyTo},
};

/// Changes a plan that writes Arrow files so that it writes values instead of dictionaries; any other plan is left
/// unchanged.
pub(super) fn decoded_in_files(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Copy(copy) if ["arrow", "feather"].contains(&copy.file_type.get_ext().as_str()) => {
            let input = Arc::new(without_dictionaries(copy.input.as_ref().clone())?);
            Ok(LogicalPlan::Copy(CopyTo { input, ..copy }))
        }
        plan => Ok(plan),
    }
}

/// The same rows with values instead of dictionaries.
///
/// # Errors
/// If the plan cannot be built.
pub fn without_dictionaries(plan: LogicalPlan) -> Result<LogicalPlan> {
    if plan.schema().fields().iter().all(|field| decoded(field.data_type()).is_none()) {
        return Ok(plan);
    }
    let columns = plan.schema().iter().map(|(table, field)| {
        let column = Expr::Column(Column::new(table.cloned(), field.name()));
        match decoded(field.data_type()) {
            Some(data_type) => cast(column, data_type).alias_qualified(table.cloned(), field.name()),
            None => column,
        }
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// The type without the dictionaries in it; `None` if it contains none.
fn decoded(data_type: &DataType) -> Option<DataType> {
    let of_item = |item: &FieldRef| Some(Arc::new(item.as_ref().clone().with_data_type(decoded(item.data_type())?)));
    match data_type {
        DataType::Dictionary(_, value) => Some(decoded(value).unwrap_or_else(|| value.as_ref().clone())),
        DataType::List(item) => of_item(item).map(DataType::List),
        DataType::LargeList(item) => of_item(item).map(DataType::LargeList),
        DataType::FixedSizeList(item, n) => of_item(item).map(|item| DataType::FixedSizeList(item, *n)),
        DataType::Struct(fields) if fields.iter().any(|f| of_item(f).is_some()) => {
            let fields = fields.iter().map(|f| of_item(f).unwrap_or_else(|| f.clone()));
            Some(DataType::Struct(fields.collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn types_have_values_in_the_place_of_dictionaries() {
        let words = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
        let structs = |word: &DataType| {
            let fields = [Field::new("a", DataType::Int64, true), Field::new("b", word.clone(), true)];
            DataType::Struct(fields.into_iter().collect())
        };
        assert_eq!(decoded(&words), Some(DataType::Utf8));
        assert_eq!(
            decoded(&DataType::new_list(structs(&words), true)),
            Some(DataType::new_list(structs(&DataType::Utf8), true))
        );
        assert_eq!(decoded(&structs(&DataType::Utf8)), None);
    }
}

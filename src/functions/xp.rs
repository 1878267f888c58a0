//! `xp`: Gaia's BP and RP coefficients as one G-normalised list.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float32Builder},
    buffer::NullBuffer,
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Int64Type},
};
use datafusion::{
    common::Result,
    logical_expr::{ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
};

use super::reference::SECTION_XP;
use crate::{
    error::{Error, ErrorKind},
    xp::{COEFFICIENTS_PER_BAND, XP_LEN, normalise},
};

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Xp {
    signature: Signature,
    documentation: Documentation,
}

impl Xp {
    pub(super) fn new() -> Self {
        Self { signature: signature(), documentation: documentation() }
    }
}

fn signature() -> Signature {
    let mut signature = Signature::user_defined(Volatility::Immutable);
    let names = ["bp_coefficients", "rp_coefficients", "phot_g_mean_mag", "bp_n_relevant_bases", "rp_n_relevant_bases"];
    signature.parameter_names = Some(names.map(str::to_owned).to_vec());
    signature
}

fn return_type() -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float32, true)), XP_LEN as i32)
}

impl ScalarUDFImpl for Xp {
    fn name(&self) -> &'static str {
        "xp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(return_type())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() < 2 || types.len() > 5 {
            return Err(Error::new(ErrorKind::Plan, format!("xp takes 2 to 5 arguments, not {}", types.len()))
                .hint("write xp(bp_coefficients, rp_coefficients, phot_g_mean_mag)")
                .into());
        }
        let list = |t: &DataType| t.is_list() || t.is_null();
        let number = |t: &DataType| t.is_numeric() || t.is_null();
        for (t, name) in types.iter().zip(["bp_coefficients", "rp_coefficients"]) {
            if !list(t) {
                return Err(Error::new(ErrorKind::Plan, format!("{name} of xp must be a list of numbers, not {t}"))
                    .hint("FITS tables with one column per coefficient: `lamcat ingest` folds them into lists")
                    .into());
            }
            if let DataType::FixedSizeList(_, n) = t
                && *n as usize > COEFFICIENTS_PER_BAND
            {
                let message = format!("{name} has {n} coefficients; a band has {COEFFICIENTS_PER_BAND}");
                return Err(Error::new(ErrorKind::Plan, message)
                    .hint("give one band's coefficients to each argument: xp(bp_coefficients, rp_coefficients)")
                    .into());
            }
        }
        if let Some(t) = types[2..].iter().find(|t| !number(t)) {
            return Err(Error::new(ErrorKind::Plan, format!("an argument of xp must be a number, not {t}")).into());
        }
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(xp_column(rows, &arrays)?))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The `xp` column of a batch.
fn xp_column(rows: usize, arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let bp = BandLists::new(&arrays[0])?;
    let rp = BandLists::new(&arrays[1])?;
    let mag = arrays.get(2).map(|a| cast(a, &DataType::Float64)).transpose()?;
    let relevant = [3, 4]
        .map(|i| arrays.get(i).map(|a| cast(a, &DataType::Int64)).transpose())
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let mut values = Float32Builder::with_capacity(rows * XP_LEN);
    let mut valid = Vec::with_capacity(rows);
    let mut out = [f32::NAN; XP_LEN];
    let (mut bp_row, mut rp_row) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let bp = bp.read(row, &mut bp_row);
        let rp = rp.read(row, &mut rp_row);
        let mag = mag.as_ref().filter(|a| a.is_valid(row)).map(|a| a.as_primitive::<Float64Type>().value(row));
        let relevant = [0, 1].map(|i| {
            let array = relevant[i].as_ref().filter(|a| a.is_valid(row))?;
            usize::try_from(array.as_primitive::<Int64Type>().value(row)).ok()
        });
        valid.push(normalise(bp, rp, mag, relevant, &mut out));
        for v in out {
            values.append_option(v.is_finite().then_some(v));
        }
    }
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let nulls = NullBuffer::from(valid);
    Ok(Arc::new(FixedSizeListArray::try_new(item, XP_LEN as i32, Arc::new(values.finish()), Some(nulls))?))
}

/// The coefficient lists of one band.
struct BandLists {
    /// `None` for an untyped NULL column.
    lists: Option<ArrayRef>,
}

impl BandLists {
    fn new(array: &ArrayRef) -> Result<Self> {
        if array.data_type().is_null() {
            return Ok(Self { lists: None });
        }
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        Ok(Self { lists: Some(cast(array, &DataType::LargeList(item))?) })
    }

    /// Reads a row's coefficients into `buffer`, NULL elements as NaN; `None` where the list is NULL, empty or too long.
    fn read<'b>(&self, row: usize, buffer: &'b mut Vec<f64>) -> Option<&'b [f64]> {
        let lists = self.lists.as_ref().filter(|l| l.is_valid(row))?;
        let list = lists.as_list::<i64>().value(row);
        if list.len() > COEFFICIENTS_PER_BAND {
            return None;
        }
        buffer.clear();
        buffer.extend(list.as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)));
        (!buffer.is_empty()).then_some(buffer.as_slice())
    }
}

fn documentation() -> Documentation {
    Documentation::builder(
        SECTION_XP,
        "The XP coefficients of a source as the model wants them: 55 BP, then 55 RP, over the G flux in e-/s. \
         Coefficients beyond bp_n_relevant_bases and rp_n_relevant_bases are NULL, and so are those of a band that is \
         NULL or has more than 55. Without a magnitude, G follows from the coefficients by synthetic photometry; where that is impossible \
         the result is NULL. FixedSizeList of 110 Float32.",
        "xp(bp_coefficients, rp_coefficients [, phot_g_mean_mag [, bp_n_relevant_bases, rp_n_relevant_bases]])",
    )
    .with_sql_example("SELECT source_id, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM stars")
    .with_argument("bp_coefficients", "List of up to 55 BP coefficients as the Gaia archive gives them, or NULL.")
    .with_argument("rp_coefficients", "List of up to 55 RP coefficients, or NULL.")
    .with_argument("phot_g_mean_mag", "Gaia G magnitude; NULL or left out: synthetic G.")
    .with_argument("bp_n_relevant_bases", "How many BP coefficients are significant; NULL or left out: all.")
    .with_argument("rp_n_relevant_bases", "How many RP coefficients are significant; NULL or left out: all.")
    .build()
}

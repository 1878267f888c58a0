//! Converts numbers as stored in FITS and VOTable, most significant byte first, to Arrow arrays.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, UInt64Array},
    datatypes::DataType,
};

/// The stored type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Logical,
    Byte,
    Short,
    Int,
    Long,
    Char,
    Float,
    Double,
}

impl Element {
    /// Returns the TZERO with which the standard stores unsigned integers, or signed bytes, in this type (section
    /// 5.2.5).
    pub(super) fn unsigned_offset(self) -> Option<f64> {
        match self {
            Self::Byte => Some(-128.0),
            Self::Short => Some(32_768.0),
            Self::Int => Some(2_147_483_648.0),
            Self::Long => Some(9_223_372_036_854_775_808.0),
            _ => None,
        }
    }

    /// Size of an element in bytes.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Logical | Self::Byte | Self::Char => 1,
            Self::Short => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double => 8,
        }
    }
}

/// Linear scaling of a column, `zero + scale * stored`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scaling {
    pub(super) scale: f64,
    pub(super) zero: f64,
}

impl Scaling {
    pub(super) const NONE: Self = Self { scale: 1.0, zero: 0.0 };
}

/// Type and meaning of the elements of a column.
#[derive(Debug, Clone)]
pub(super) struct Elements {
    pub(super) element: Element,
    /// The integer that means NULL.
    pub(super) null: Option<i64>,
    /// The float that means NULL.
    pub(super) null_float: Option<f64>,
    /// Whether the integers have the other signedness and are stored with FITS's offset.
    pub(super) unsigned: bool,
    pub(super) scaling: Option<Scaling>,
}

impl Elements {
    /// Arrow type of one value.
    pub(super) fn item_type(&self) -> DataType {
        match (self.element, self.scaling) {
            (Element::Logical, _) => DataType::Boolean,
            (Element::Char, _) => DataType::Utf8,
            (Element::Double, _) | (_, Some(_)) => DataType::Float64,
            (Element::Float, None) => DataType::Float32,
            (Element::Long, None) if self.unsigned => DataType::UInt64,
            (Element::Int, None) if self.unsigned => DataType::Int64,
            (Element::Short, None) if self.unsigned => DataType::Int32,
            (Element::Byte | Element::Short, None) => DataType::Int16,
            (Element::Int, None) => DataType::Int32,
            (Element::Long, None) => DataType::Int64,
        }
    }

    /// Converts elements, given one by one, to an array.
    pub(super) fn items<'a>(&self, items: impl Iterator<Item = &'a [u8]>) -> ArrayRef {
        if let Some(s) = self.scaling {
            return Arc::new(items.map(|b| self.stored(b).map(|v| s.zero + s.scale * v)).collect::<Float64Array>());
        }
        match self.item_type() {
            DataType::Boolean => Arc::new(
                items
                    .map(|b| match b[0] {
                        b'T' | b't' | b'1' => Some(true),
                        b'F' | b'f' | b'0' => Some(false),
                        _ => None,
                    })
                    .collect::<BooleanArray>(),
            ),
            DataType::Int16 => Arc::new(items.map(|b| self.integer(b).map(|v| v as i16)).collect::<Int16Array>()),
            DataType::Int32 => Arc::new(items.map(|b| self.integer(b).map(|v| v as i32)).collect::<Int32Array>()),
            DataType::Int64 => Arc::new(items.map(|b| self.integer(b)).collect::<Int64Array>()),
            // Adding 2^63 to a stored integer flips its sign bit.
            DataType::UInt64 => {
                Arc::new(items.map(|b| self.integer(b).map(|v| v as u64 ^ (1 << 63))).collect::<UInt64Array>())
            }
            DataType::Float32 => Arc::new(items.map(|b| self.stored(b).map(|v| v as f32)).collect::<Float32Array>()),
            _ => Arc::new(items.map(|b| self.stored(b)).collect::<Float64Array>()),
        }
    }

    /// Returns the stored integer; `None` if it is the column's null value.
    fn integer(&self, bytes: &[u8]) -> Option<i64> {
        let value = match (self.element, bytes) {
            (Element::Short, &[a, b]) => i64::from(i16::from_be_bytes([a, b])),
            (Element::Int, &[a, b, c, d]) => i64::from(i32::from_be_bytes([a, b, c, d])),
            (Element::Long, bytes) => i64::from_be_bytes(bytes.try_into().ok()?),
            (_, bytes) => i64::from(*bytes.first()?),
        };
        if Some(value) == self.null {
            return None;
        }
        let offset = match self.element.unsigned_offset() {
            Some(zero) if self.unsigned && self.element != Element::Long => zero as i64,
            _ => 0,
        };
        Some(value + offset)
    }

    /// Returns the stored number; `None` if it is NaN or the column's null value.
    fn stored(&self, bytes: &[u8]) -> Option<f64> {
        match self.element {
            Element::Float => Some(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
            Element::Double => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
            _ => self.integer(bytes).map(|v| v as f64),
        }
        .filter(|v| !v.is_nan() && Some(*v) != self.null_float)
    }
}

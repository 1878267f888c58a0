//! The columns of a VOTable: names, types, units, UCDs, and null values.

use std::{borrow::Cow, collections::HashMap};

use arrow::datatypes::{DataType, Field};
use lamcat_core::error::{Error, ErrorKind, Result};
use quick_xml::{encoding::Decoder, events::BytesStart};

use crate::{
    big_endian::{Element, Elements},
    cells::list_of,
};

/// The number of elements in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    Fixed(usize),
    Variable,
    /// Several dimensions, one of them variable; writers differ in how they count its length in binary rows.
    Ragged,
}

/// The kind of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number or a logical.
    Value,
    /// A character of one or two bytes.
    Text {
        wide: bool,
    },
    Bit,
    /// A content without a type in Arrow, with the size of an element in bytes; `None` if it is not known.
    Unread(Option<usize>),
}

/// A column of the table.
#[derive(Debug, Clone)]
pub(super) struct VoField {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) elements: Elements,
    pub(super) shape: Shape,
    /// The text that means NULL.
    pub(super) null_text: Option<String>,
    /// Its type as written in the file.
    pub(super) type_name: String,
    pub(super) metadata: HashMap<String, String>,
}

impl VoField {
    /// Reads a FIELD's attributes.
    pub(super) fn new(tag: &BytesStart, decoder: Decoder, position: usize) -> Result<Self> {
        let attributes = attributes(tag, decoder)?;
        let get = |key: &str| attributes.get(key).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let name = get("name").or_else(|| get("ID")).unwrap_or_else(|| format!("col{position}"));
        let written = get("datatype").unwrap_or_default();
        let datatype = standard(&written);
        let arraysize = get("arraysize");
        let shape = shape(arraysize.as_deref());
        let strings = arraysize.as_deref().is_some_and(|a| a.contains('x'));
        let (kind, element) = match datatype {
            "char" | "unicodeChar" if strings => (Kind::Unread(Some(datatype.len() / "char".len())), Element::Char),
            "char" => (Kind::Text { wide: false }, Element::Char),
            "unicodeChar" => (Kind::Text { wide: true }, Element::Char),
            "bit" => (Kind::Bit, Element::Logical),
            "floatComplex" => (Kind::Unread(Some(8)), Element::Byte),
            "doubleComplex" => (Kind::Unread(Some(16)), Element::Byte),
            other => element(other).map_or((Kind::Unread(None), Element::Byte), |element| (Kind::Value, element)),
        };
        let (kind, shape) = match shape {
            Some(shape) => (kind, shape),
            None => (Kind::Unread(None), Shape::One),
        };
        let metadata = ["unit", "ucd"].into_iter().filter_map(|key| Some((key.to_owned(), get(key)?))).collect();
        let elements = Elements { element, null: None, null_float: None, unsigned: false, scaling: None };
        let type_name = arraysize.map_or_else(|| format!("'{written}'"), |a| format!("'{written}', arraysize '{a}'"));
        Ok(Self { name, kind, elements, shape, null_text: None, type_name, metadata })
    }

    /// Takes the null value from a VALUES element, which has the column's type.
    pub(super) fn set_null(&mut self, null: String) {
        match self.elements.element {
            Element::Char => self.null_text = Some(null),
            Element::Float => self.elements.null_float = null.trim().parse().ok().map(|v: f32| f64::from(v)),
            Element::Double => self.elements.null_float = null.trim().parse().ok(),
            _ => self.elements.null = integer(&null),
        }
    }

    /// Returns the size in bytes of `count` elements in binary rows; `None` if it is too large or not known.
    pub(super) fn bytes(&self, count: usize) -> Option<usize> {
        match self.kind {
            Kind::Bit => Some(count.div_ceil(8)),
            Kind::Text { wide } => count.checked_mul(if wide { 2 } else { 1 }),
            Kind::Value => count.checked_mul(self.elements.element.bytes()),
            Kind::Unread(width) => count.checked_mul(width?),
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text { .. })
    }

    pub(super) fn is_read(&self) -> bool {
        !matches!(self.kind, Kind::Unread(_))
    }

    /// Returns an error if the column can neither be read nor skipped in binary rows.
    pub(super) fn check_binary(&self) -> Result<()> {
        if self.shape != Shape::Ragged && self.bytes(1).is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Input, format!("the column has a type lamcat does not read: {}", self.type_name))
            .at("column", &self.name)
            .hint("its binary rows cannot be stepped over: write the table anew without it, e.g. with TOPCAT"))
    }

    pub(super) fn field(&self) -> Field {
        let item = self.elements.item_type();
        let data_type = match self.shape {
            _ if !matches!(self.kind, Kind::Value | Kind::Bit) => DataType::Utf8,
            Shape::One => item,
            Shape::Variable | Shape::Ragged => DataType::new_list(item, true),
            Shape::Fixed(n) => list_of(item, n),
        };
        Field::new(&self.name, data_type, true).with_metadata(self.metadata.clone())
    }
}

/// Parses an integer, which is decimal or, after `0x`, hexadecimal (VOTable 1.4, section 6).
pub(super) fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Returns a tag's attributes by name, without their namespaces.
pub(super) fn attributes(tag: &BytesStart, decoder: Decoder) -> Result<HashMap<String, String>> {
    let bad =
        |e: quick_xml::Error| Error::new(ErrorKind::Input, "an attribute of the VOTable cannot be read").source(e);
    tag.attributes()
        .map(|attribute| {
            let attribute = attribute.map_err(|e| bad(e.into()))?;
            let value: Cow<str> = attribute.decode_and_unescape_value(decoder).map_err(bad)?;
            Ok((String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned(), value.into_owned()))
        })
        .collect()
}

/// Returns the standard's name of a type for which services use another name.
fn standard(datatype: &str) -> &str {
    match datatype {
        "string" => "char",
        "unicodeString" => "unicodeChar",
        "int16" => "short",
        "int32" | "unsignedShort" => "int",
        "int64" | "unsignedInt" => "long",
        "float32" => "float",
        "float64" => "double",
        other => other,
    }
}

fn element(datatype: &str) -> Option<Element> {
    Some(match datatype {
        "boolean" => Element::Logical,
        "unsignedByte" => Element::Byte,
        "short" => Element::Short,
        "int" => Element::Int,
        "long" => Element::Long,
        "float" => Element::Float,
        "double" => Element::Double,
        _ => return None,
    })
}

/// Parses a shape: `55`, `*`, `55*`, `5x11`, `5x*`; `None` if it is not valid.
fn shape(arraysize: Option<&str>) -> Option<Shape> {
    let Some(text) = arraysize else { return Some(Shape::One) };
    if text.ends_with('*') {
        return Some(if text.contains('x') { Shape::Ragged } else { Shape::Variable });
    }
    let length = text.split('x').try_fold(1usize, |n, part| n.checked_mul(part.trim().parse().ok()?))?;
    match length {
        1 => Some(Shape::One),
        n if n > 0 && i32::try_from(n).is_ok() => Some(Shape::Fixed(n)),
        _ => None,
    }
}

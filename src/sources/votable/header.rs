//! The FIELDs of a VOTable: names, types, units, UCDs.

use std::{borrow::Cow, collections::HashMap, io::BufRead};

use arrow::datatypes::{DataType, Field};
use quick_xml::{
    Reader,
    encoding::Decoder,
    events::{BytesStart, Event},
};

use super::{Serialisation, bad, table_data::append_text};

use crate::{
    error::{Error, ErrorKind, Result},
    sources::big_endian::{Element, Elements},
};

/// How many elements a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    Fixed(usize),
    Variable,
}

/// A column of the table.
#[derive(Debug, Clone)]
pub(super) struct VoField {
    pub(super) name: String,
    pub(super) elements: Elements,
    /// Characters of two bytes.
    pub(super) wide: bool,
    pub(super) shape: Shape,
    pub(super) metadata: HashMap<String, String>,
}

impl VoField {
    /// Reads a FIELD's attributes.
    pub(super) fn new(tag: &BytesStart, decoder: Decoder, position: usize) -> Result<Self> {
        let attributes = attributes(tag, decoder)?;
        let get = |key: &str| attributes.get(key).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let name = get("name").or_else(|| get("ID")).unwrap_or_else(|| format!("col{position}"));
        let datatype = get("datatype").unwrap_or_default();
        let arraysize = get("arraysize");
        let unsupported = || {
            let arraysize = arraysize.as_deref().map(|a| format!(", arraysize '{a}'")).unwrap_or_default();
            Error::new(ErrorKind::Input, format!("the column has a type lamcat does not read: '{datatype}'{arraysize}"))
                .at("column", &name)
                .hint("remove the column first, e.g. with astropy or TOPCAT")
        };
        let element = element(&datatype).ok_or_else(unsupported)?;
        let shape = shape(arraysize.as_deref()).ok_or_else(unsupported)?;
        let logical_list = element == Element::Logical && shape != Shape::One;
        if logical_list || element == Element::Char && arraysize.as_deref().is_some_and(|a| a.contains('x')) {
            return Err(unsupported());
        }
        let metadata = ["unit", "ucd"].into_iter().filter_map(|key| Some((key.to_owned(), get(key)?))).collect();
        let elements = Elements { element, null: None, unsigned: false, scaling: None };
        Ok(Self { name, elements, wide: datatype == "unicodeChar", shape, metadata })
    }

    /// Reads a VALUES element's null.
    pub(super) fn values(&mut self, tag: &BytesStart, decoder: Decoder) -> Result<()> {
        self.elements.null = attributes(tag, decoder)?.get("null").and_then(|v| v.trim().parse().ok());
        Ok(())
    }

    /// Bytes of an element.
    pub(super) fn width(&self) -> usize {
        if self.wide { 2 } else { self.elements.element.bytes() }
    }

    pub(super) fn is_text(&self) -> bool {
        self.elements.element == Element::Char
    }

    pub(super) fn field(&self) -> Field {
        let item = self.elements.item_type();
        let data_type = match self.shape {
            _ if self.is_text() => DataType::Utf8,
            Shape::One => item,
            Shape::Variable => DataType::new_list(item, true),
            Shape::Fixed(n) => DataType::new_fixed_size_list(item, n as i32, true),
        };
        Field::new(&self.name, data_type, true).with_metadata(self.metadata.clone())
    }
}

/// A tag's attributes by name, without their namespaces.
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

fn element(datatype: &str) -> Option<Element> {
    Some(match datatype {
        "boolean" => Element::Logical,
        "unsignedByte" => Element::Byte,
        "short" => Element::Short,
        "int" => Element::Int,
        "long" => Element::Long,
        "char" | "unicodeChar" => Element::Char,
        "float" => Element::Float,
        "double" => Element::Double,
        _ => return None,
    })
}

/// The shape of `55`, `*`, `55*`, `5x11`, `5x*`.
fn shape(arraysize: Option<&str>) -> Option<Shape> {
    let Some(text) = arraysize else { return Some(Shape::One) };
    if text.ends_with('*') {
        // Writers differ in what they count of arrays of several dimensions.
        if text.contains('x') {
            return None;
        }
        return Some(Shape::Variable);
    }
    let length = text.split('x').try_fold(1usize, |n, part| n.checked_mul(part.trim().parse().ok()?))?;
    match length {
        1 => Some(Shape::One),
        n if n > 0 && i32::try_from(n).is_ok() => Some(Shape::Fixed(n)),
        _ => None,
    }
}

/// Reads up to the rows of the first table.
pub(super) fn read_header(xml: &mut Reader<impl BufRead>) -> Result<(Vec<VoField>, Serialisation)> {
    let mut fields: Vec<VoField> = Vec::new();
    let (mut in_table, mut in_field, mut root) = (false, false, false);
    let mut description: Option<String> = None;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = xml.read_event_into(&mut buffer).map_err(|e| malformed(xml, &e))?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                b"VOTABLE" => root = true,
                _ if !root => {
                    return Err(bad("its first element is not VOTABLE")
                        .hint("is this an error page saved under the table's name?"));
                }
                b"TABLE" => in_table = true,
                b"FIELD" if in_table => {
                    fields.push(VoField::new(tag, xml.decoder(), fields.len() + 1)?);
                    in_field = matches!(event, Event::Start(_));
                }
                b"VALUES" if in_field => {
                    if let Some(field) = fields.last_mut() {
                        field.values(tag, xml.decoder())?;
                    }
                }
                b"DESCRIPTION" if in_field => description = Some(String::new()),
                b"TABLEDATA" => return Ok((fields, Serialisation::TableData)),
                b"BINARY" => return binary_stream(xml, fields, Serialisation::Binary),
                b"BINARY2" => return binary_stream(xml, fields, Serialisation::Binary2),
                b"FITS" => return Err(bad("its data are FITS").hint("open the FITS file itself")),
                _ => {}
            },
            Event::End(tag) => match tag.local_name().as_ref() {
                b"DESCRIPTION" => {
                    let text = description.take().map(|d| d.split_whitespace().collect::<Vec<_>>().join(" "));
                    if let (Some(text), Some(field)) = (text.filter(|t| !t.is_empty()), fields.last_mut()) {
                        field.metadata.insert("description".to_owned(), text);
                    }
                }
                b"FIELD" => in_field = false,
                b"TABLE" => return Ok((fields, Serialisation::Empty)),
                _ => {}
            },
            Event::Eof if in_table => {
                return Err(bad("the file ends within it").hint("it is truncated: fetch it again"));
            }
            Event::Eof => return Err(bad("it holds no table").hint("is this a VOTable?")),
            other => {
                if let Some(description) = &mut description {
                    append_text(description, other)?;
                }
            }
        }
    }
}

/// Goes to the text of a STREAM.
fn binary_stream(
    xml: &mut Reader<impl BufRead>,
    fields: Vec<VoField>,
    serialisation: Serialisation,
) -> Result<(Vec<VoField>, Serialisation)> {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer).map_err(|e| malformed(xml, &e))? {
            Event::Start(tag) if tag.local_name().as_ref() == b"STREAM" => {
                let attributes = attributes(&tag, xml.decoder())?;
                let encoding = attributes.get("encoding").map_or("base64", |e| e.trim());
                if attributes.contains_key("href") || encoding != "base64" {
                    return Err(bad("its rows are not base64 text within the file")
                        .hint("write it anew with astropy or TOPCAT"));
                }
                return Ok((fields, serialisation));
            }
            Event::Empty(_) | Event::End(_) => return Ok((fields, Serialisation::Empty)),
            Event::Eof => return Err(bad("the file ends within it").hint("it is truncated: fetch it again")),
            _ => {}
        }
    }
}

/// An error of the XML reader, with its place.
pub(super) fn malformed<R>(xml: &Reader<R>, e: &quick_xml::Error) -> Error {
    bad("its XML is not well formed")
        .at("byte", xml.error_position())
        .source(e.to_string())
        .hint("the file is truncated or damaged: fetch it again")
}

//! Describes the columns of a leaf as a VOTable (VOParquet 1.0): units, UCDs and descriptions, where astropy, TOPCAT
//! and other readers look for them.

use arrow::datatypes::{DataType, Field, Schema};
use lamcat_core::error::{Error, ErrorKind, Result};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

use super::catalogue::{Catalogue, POSITION_COLUMNS};

/// The footer key for the version of VOParquet, and that version.
pub const VERSION: (&str, &str) = ("IVOA.VOTable-Parquet.version", "1.0");
/// The footer key for the document.
pub const CONTENT_KEY: &str = "IVOA.VOTable-Parquet.content";

const NAMESPACE: &str = "http://www.ivoa.net/xml/VOTable/v1.3";
/// Identifier of the coordinate system within the document.
const COOSYS: &str = "icrs";
/// The description of a cut's condition.
const CUT: &str = "Rows pass this cut where the condition, in SQL, is true";
/// Epoch of Gaia DR3's positions.
const EPOCH: &str = "J2016.0";

/// The key-value metadata in the footer of every leaf, for the columns of `schema`.
///
/// # Errors
/// If a column has a type that VOTable does not have.
pub fn footer(catalogue: &Catalogue, schema: &Schema) -> Result<[(&'static str, String); 2]> {
    Ok([(VERSION.0, VERSION.1.to_owned()), (CONTENT_KEY, document(catalogue, schema)?)])
}

/// The document for the columns of `schema`, in its order.
///
/// # Errors
/// If a column has a type that VOTable does not have.
pub fn document(catalogue: &Catalogue, schema: &Schema) -> Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    write(&mut writer, catalogue, schema)?;
    String::from_utf8(writer.into_inner()).map_err(|e| bad(&e.to_string()))
}

/// How a document differs from the columns of `schema` in names, types, units, UCDs and order; `None` if it does not.
#[must_use]
pub fn differs(document: &str, schema: &Schema) -> Option<String> {
    let told = match fields(document) {
        Ok(told) => told,
        Err(e) => return Some(e.to_string()),
    };
    if told.len() != schema.fields().len() {
        return Some(format!("the VOTable has {} fields for {} columns", told.len(), schema.fields().len()));
    }
    let mut pairs = told.iter().zip(schema.fields());
    let other = pairs.find(|(told, field)| Some(*told) != attributes(field).ok().as_ref());
    other.map(|(_, field)| format!("the VOTable's field of the column {} is not as the column", field.name()))
}

/// The attributes of every FIELD of a document.
fn fields(document: &str) -> Result<Vec<Vec<(String, String)>>> {
    let mut reader = quick_xml::Reader::from_str(document);
    let mut fields = Vec::new();
    loop {
        match reader.read_event().map_err(|e| bad(&e.to_string()))? {
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == b"FIELD" => {
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.map_err(|e| bad(&e.to_string()))?;
                    let value = attribute.unescape_value().map_err(|e| bad(&e.to_string()))?;
                    Ok((String::from_utf8_lossy(attribute.key.as_ref()).into_owned(), value.into_owned()))
                });
                fields.push(attributes.collect::<Result<_>>()?);
            }
            Event::Eof => return Ok(fields),
            _ => {}
        }
    }
}

fn write(writer: &mut Writer<Vec<u8>>, catalogue: &Catalogue, schema: &Schema) -> Result<()> {
    let mut event = |event: Event<'_>| writer.write_event(event).map_err(|e| bad(&e.to_string()));
    event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    event(Event::Start(BytesStart::new("VOTABLE").with_attributes([("version", "1.4"), ("xmlns", NAMESPACE)])))?;
    event(Event::Start(BytesStart::new("RESOURCE").with_attributes([("type", "results")])))?;
    let coosys = [("ID", COOSYS), ("system", "ICRS"), ("epoch", EPOCH)];
    event(Event::Empty(BytesStart::new("COOSYS").with_attributes(coosys)))?;
    event(Event::Start(BytesStart::new("TABLE").with_attributes([("name", catalogue.name.as_str()), ("nrows", "0")])))?;
    event(Event::Start(BytesStart::new("DESCRIPTION")))?;
    event(Event::Text(BytesText::new(&catalogue.title)))?;
    event(Event::End(BytesEnd::new("DESCRIPTION")))?;
    for (name, condition) in &catalogue.cuts {
        let length = condition.chars().count().to_string();
        let attributes = [
            ("name", format!("cut_{name}")),
            ("datatype", "unicodeChar".to_owned()),
            ("arraysize", length),
            ("ucd", "meta.code.qual".to_owned()),
            ("value", condition.clone()),
        ];
        let attributes = attributes.iter().map(|(key, value)| (*key, value.as_str()));
        event(Event::Start(BytesStart::new("PARAM").with_attributes(attributes)))?;
        event(Event::Start(BytesStart::new("DESCRIPTION")))?;
        event(Event::Text(BytesText::new(CUT)))?;
        event(Event::End(BytesEnd::new("DESCRIPTION")))?;
        event(Event::End(BytesEnd::new("PARAM")))?;
    }
    for field in schema.fields() {
        let described = |key: &str| field.metadata().get(key).filter(|v| !v.is_empty());
        event(Event::Start(field_tag(field)?))?;
        if let Some(text) = described("description") {
            event(Event::Start(BytesStart::new("DESCRIPTION")))?;
            event(Event::Text(BytesText::new(text)))?;
            event(Event::End(BytesEnd::new("DESCRIPTION")))?;
        }
        event(Event::End(BytesEnd::new("FIELD")))?;
    }
    event(Event::Start(BytesStart::new("DATA")))?;
    event(Event::Empty(BytesStart::new("PARQUET").with_attributes([("type", "Parquet-local-XML")])))?;
    for end in ["DATA", "TABLE", "RESOURCE", "VOTABLE"] {
        event(Event::End(BytesEnd::new(end)))?;
    }
    Ok(())
}

fn field_tag(field: &Field) -> Result<BytesStart<'static>> {
    let attributes = attributes(field)?;
    Ok(BytesStart::new("FIELD").with_attributes(attributes.iter().map(|(k, v)| (k.as_str(), v.as_str()))))
}

/// The attributes of a column's FIELD.
fn attributes(field: &Field) -> Result<Vec<(String, String)>> {
    let (datatype, arraysize) = votable_type(field)?;
    let mut attributes = vec![("name", field.name().clone()), ("datatype", datatype.to_owned())];
    attributes.extend(arraysize.map(|size| ("arraysize", size)));
    for key in ["unit", "ucd"] {
        let value = field.metadata().get(key).filter(|v| !v.is_empty());
        attributes.extend(value.map(|value| (key, value.clone())));
    }
    if POSITION_COLUMNS.contains(&field.name().as_str()) {
        attributes.push(("ref", COOSYS.to_owned()));
    }
    Ok(attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The VOTable name of a type, and the size of an array.
fn votable_type(field: &Field) -> Result<(&'static str, Option<String>)> {
    let (data_type, size) = match field.data_type() {
        DataType::FixedSizeList(item, length) => (item.data_type(), Some(length.to_string())),
        other => (other, None),
    };
    let name = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int16 => "short",
        DataType::Int32 => "int",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        // astropy cannot read "*" from Parquet; the length itself has no effect.
        DataType::Utf8 if size.is_none() => return Ok(("unicodeChar", Some("64*".to_owned()))),
        other => {
            let error = Error::new(ErrorKind::Plan, format!("a catalogue cannot have a column of type {other}"));
            return Err(error.at("column", field.name()).hint(
                "cast it, as in arrow_cast(x, 'Float32'): Int16, Int32, Int64, Float32, Float64, Boolean, Utf8 and \
                 fixed-size lists of floats can be",
            ));
        }
    };
    Ok((name, size))
}

fn bad(why: &str) -> Error {
    Error::new(ErrorKind::Plan, "the columns cannot be described as a VOTable").source(why.to_owned())
}

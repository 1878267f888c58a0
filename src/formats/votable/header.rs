//! The part of a VOTable before the rows of a table, and the service's status of the query.

use std::collections::HashMap;

use lamcat_core::error::{Error, ErrorKind, Result};
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{
    MOST_COLUMNS, ROW_BYTES, Serialisation, Text, bad,
    field::{VoField, attributes},
    text::append_text,
};

/// The status that a service reports for the query (DALI 1.1, section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    value: String,
    text: String,
}

impl Status {
    /// Returns the error that the service reports, if any.
    pub(super) fn check(&self) -> Result<()> {
        if self.value != "ERROR" {
            return Ok(());
        }
        let said = if self.text.is_empty() { "it does not say which" } else { self.text.as_str() };
        Err(Error::new(ErrorKind::Input, format!("the file holds a service's error instead of its answer: {said}"))
            .hint("mend the query and ask the service again"))
    }

    /// Returns a warning about rows that the service left out, if any.
    pub(super) fn overflow(&self) -> Option<String> {
        let said = if self.text.is_empty() { String::new() } else { format!(": {}", self.text) };
        (self.value == "OVERFLOW")
            .then(|| format!("the service cut its answer short (OVERFLOW): there are more rows{said}"))
    }
}

/// A table up to its rows.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) name: Option<String>,
    pub(super) fields: Vec<VoField>,
    pub(super) serialisation: Serialisation,
}

/// The information that has been read from a document outside its tables.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// Whether the first element was VOTABLE.
    pub(super) root: bool,
    pub(super) status: Option<Status>,
    /// The columns of tables that others may refer to, by ID.
    described: HashMap<String, Vec<VoField>>,
    /// Null values, by the IDs of VALUES elements.
    nulls: HashMap<String, String>,
}

impl Around {
    /// Returns a table's own columns or, if it has none, those of the table that it refers to.
    fn columns(&mut self, place: &Place, own: Vec<VoField>) -> Vec<VoField> {
        if own.is_empty() {
            return place.refers_to.as_ref().and_then(|id| self.described.get(id)).cloned().unwrap_or_default();
        }
        if let Some(id) = &place.id {
            self.described.insert(id.clone(), own.clone());
        }
        own
    }

    /// Returns the null value of a VALUES element, or of the one that it refers to.
    fn null(&mut self, mut values: HashMap<String, String>) -> Option<String> {
        let null = values.remove("null").or_else(|| self.nulls.get(values.get("ref")?).cloned())?;
        if let Some(id) = values.remove("ID") {
            self.nulls.insert(id, null.clone());
        }
        Some(null)
    }
}

/// The attributes of a TABLE's tag.
#[derive(Debug, Default)]
struct Place {
    name: Option<String>,
    id: Option<String>,
    refers_to: Option<String>,
}

impl Place {
    fn new(mut attributes: HashMap<String, String>) -> Self {
        let id = attributes.remove("ID");
        Self { name: attributes.remove("name").or_else(|| id.clone()), id, refers_to: attributes.remove("ref") }
    }

    fn header(self, around: &mut Around, own: Vec<VoField>, serialisation: Serialisation) -> Header {
        let fields = around.columns(&self, own);
        Header { name: self.name, fields, serialisation }
    }
}

/// Reads up to the rows of the next table; `None` if there is no further table.
pub(super) fn read_header(xml: &mut Reader<Text>, around: &mut Around) -> Result<Option<Header>> {
    let mut fields: Vec<VoField> = Vec::new();
    let (mut in_table, mut in_field, mut in_info) = (false, false, false);
    let mut place = Place::default();
    let mut description: Option<String> = None;
    let mut buffer = Vec::new();
    xml.get_mut().allow_row();
    loop {
        buffer.clear();
        let event = xml.read_event_into(&mut buffer).map_err(|e| malformed(xml, &e))?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                b"VOTABLE" => around.root = true,
                _ if !around.root => {
                    return Err(bad("its first element is not VOTABLE")
                        .hint("is this an error page saved under the table's name?"));
                }
                b"TABLE" => {
                    in_table = true;
                    place = Place::new(attributes(tag, xml.decoder())?);
                    if matches!(event, Event::Empty(_)) {
                        return Ok(Some(place.header(around, fields, Serialisation::Empty)));
                    }
                }
                b"INFO" => {
                    let status = status(&attributes(tag, xml.decoder())?);
                    in_info = status.is_some() && matches!(event, Event::Start(_));
                    around.status = status.or(around.status.take());
                }
                b"FIELD" if in_table && fields.len() == MOST_COLUMNS => {
                    return Err(bad(&format!("its table has more than {MOST_COLUMNS} columns")));
                }
                b"FIELD" if in_table => {
                    fields.push(VoField::new(tag, xml.decoder(), fields.len() + 1)?);
                    in_field = matches!(event, Event::Start(_));
                }
                b"VALUES" if in_field => {
                    let null = around.null(attributes(tag, xml.decoder())?);
                    if let (Some(field), Some(null)) = (fields.last_mut(), null) {
                        field.set_null(null);
                    }
                }
                b"DESCRIPTION" if in_field => description = Some(String::new()),
                b"TABLEDATA" => return Ok(Some(place.header(around, fields, table_data(&event)))),
                b"BINARY" | b"BINARY2" if matches!(event, Event::Start(_)) => {
                    let second = tag.local_name().as_ref() == b"BINARY2";
                    let binary = if second { Serialisation::Binary2 } else { Serialisation::Binary };
                    let serialisation = if at_stream(xml)? { binary } else { Serialisation::Empty };
                    return Ok(Some(place.header(around, fields, serialisation)));
                }
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
                b"INFO" => {
                    if let Some(status) = around.status.as_mut().filter(|_| in_info) {
                        status.text = status.text.split_whitespace().collect::<Vec<_>>().join(" ");
                    }
                    in_info = false;
                }
                b"TABLE" if in_table => {
                    return Ok(Some(place.header(around, fields, Serialisation::Empty)));
                }
                _ => {}
            },
            Event::Eof if in_table => {
                return Err(bad("the file ends within it").hint("it is truncated: fetch it again"));
            }
            Event::Eof => return Ok(None),
            other => {
                if let Some(description) = &mut description {
                    append_text(description, other)?;
                } else if let Some(status) = around.status.as_mut().filter(|_| in_info) {
                    append_text(&mut status.text, other)?;
                }
            }
        }
    }
}

fn status(info: &HashMap<String, String>) -> Option<Status> {
    let is_status = info.get("name").is_some_and(|name| name.trim().eq_ignore_ascii_case("QUERY_STATUS"));
    let value = info.get("value").filter(|_| is_status)?.trim().to_uppercase();
    Some(Status { value, text: String::new() })
}

fn table_data(event: &Event) -> Serialisation {
    if matches!(event, Event::Empty(_)) { Serialisation::Empty } else { Serialisation::TableData }
}

/// Moves to the text of a STREAM; returns false if there is none.
fn at_stream(xml: &mut Reader<Text>) -> Result<bool> {
    let is_stream = |tag: &BytesStart| tag.local_name().as_ref() == b"STREAM";
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer).map_err(|e| malformed(xml, &e))? {
            Event::Start(tag) if is_stream(&tag) => {
                let attributes = attributes(&tag, xml.decoder())?;
                let encoding = attributes.get("encoding").map_or("base64", |e| e.trim());
                if attributes.contains_key("href") || encoding != "base64" {
                    return Err(bad("its rows are not base64 text within the file")
                        .hint("write it anew with astropy or TOPCAT"));
                }
                return Ok(true);
            }
            Event::Empty(_) | Event::End(_) => return Ok(false),
            Event::Eof => return Err(bad("the file ends within it").hint("it is truncated: fetch it again")),
            _ => {}
        }
    }
}

/// Returns an error of the XML reader with its position.
pub(super) fn malformed<R>(xml: &Reader<R>, e: &quick_xml::Error) -> Error {
    if matches!(e, quick_xml::Error::Io(e) if e.kind() == std::io::ErrorKind::FileTooLarge) {
        let message = format!("a row, or what is before the rows, is longer than {} MiB", ROW_BYTES >> 20);
        return bad(&message).hint("is this a VOTable?");
    }
    bad("its XML is not well formed")
        .at("byte", xml.error_position())
        .source_of(e)
        .hint("the file is truncated or damaged: fetch it again")
}

//! The text of XML elements.

use lamcat_core::error::Result;
use quick_xml::{escape::resolve_predefined_entity, events::Event};

use super::bad;

/// Appends the text of an event: characters, references, CDATA.
pub(super) fn append_text(text: &mut String, event: &Event) -> Result<()> {
    let unreadable = |e: quick_xml::Error| bad("its text cannot be decoded").source(e.to_string());
    match event {
        Event::Text(t) => text.push_str(&t.xml_content().map_err(|e| unreadable(e.into()))?),
        Event::CData(t) => text.push_str(&t.decode().map_err(|e| unreadable(e.into()))?),
        Event::GeneralRef(r) => {
            if let Some(c) = r.resolve_char_ref().map_err(unreadable)? {
                text.push(c);
            } else {
                let name = r.decode().map_err(|e| unreadable(e.into()))?;
                let known = resolve_predefined_entity(&name);
                text.push_str(known.ok_or_else(|| bad(&format!("it refers to '{name}', which XML does not define")))?);
            }
        }
        _ => {}
    }
    Ok(())
}

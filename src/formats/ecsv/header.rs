//! The header of an ECSV table (Enhanced Character-Separated Values 1.0, Astropy Proposal for Enhancement 6): YAML in
//! comment lines, then a line of names.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field};
use lamcat_core::{error::Result, survey};
use yaml_rust2::Yaml;

use super::{
    chunks::{Chunk, Chunks, bad_header},
    scan::{Comments, MOST_COLUMNS, Scan, split},
    yaml,
};
use crate::cells::list_of;

/// Maximum length of the YAML part.
const YAML_BYTES: usize = 16 << 20;
/// Possible delimiters of plain CSV, the most likely first.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The part of a table before the records.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The delimiter between cells: a comma or a space; in plain CSV a comma, tab, semicolon or bar.
    pub delimiter: u8,
    /// Names of the columns, in order.
    pub names: Vec<String>,
    /// The columns as the header describes them; `None` for plain CSV.
    pub fields: Option<Vec<Field>>,
    /// Whether every line that begins with `#` is a comment. Otherwise only those are whose number of cells differs
    /// from the number of columns.
    pub comments: bool,
}

impl Header {
    /// Iterates over the cells in the text of the table's records.
    pub(super) fn scan<'a>(&self, text: &'a [u8]) -> Scan<'a> {
        let comments = if self.comments { Comments::All } else { Comments::UnlessCells(self.names.len()) };
        Scan::new(text, self.delimiter, comments)
    }

    /// Reads the header and leaves `chunks` at the first record.
    ///
    /// # Errors
    /// If there is no line of names, or the YAML part cannot be read or does not fit the names.
    pub fn read(chunks: &mut Chunks) -> Result<Self> {
        let mut yaml = String::new();
        let names = loop {
            let first = chunks.line() == 1;
            let line = chunks.header_line()?;
            let Some(line) = line.map(|l| if first { l.trim_start_matches('\u{feff}').to_owned() } else { l }) else {
                return Err(bad_header("the file ends before the line of column names", chunks.line())
                    .hint("the file is empty or truncated: fetch it again"));
            };
            match line.strip_prefix('#') {
                Some(comment) => {
                    yaml.push_str(comment.strip_prefix(' ').unwrap_or(comment));
                    yaml.push('\n');
                }
                None if line.trim().is_empty() => {}
                None => break line,
            }
            if yaml.len() > YAML_BYTES {
                return Err(bad_header("it is longer than 16 MiB", chunks.line()));
            }
        };
        let line = chunks.line() - 1;
        let header = match yaml.strip_prefix("%ECSV") {
            Some(rest) => ecsv(rest, &names, line),
            None => plain(&yaml, names, line, chunks),
        }?;
        chunks.set_delimiter(header.delimiter);
        Ok(header)
    }
}

/// Parses the header of plain CSV: a line of names, which some programs write as a comment.
fn plain(comments: &str, line: String, number: u64, chunks: &mut Chunks) -> Result<Header> {
    let delimiter = delimiter(&line);
    let mut names = split(&line, delimiter);
    let last = comments.lines().last();
    if let Some(commented) = last.and_then(|comment| commented_names(comment, &names, delimiter)) {
        names = commented;
        chunks.put_back(Chunk { first_line: number, text: (line + "\n").into_bytes() });
    }
    let names = names.into_iter().map(|name| name.trim().to_owned()).collect();
    Ok(Header { delimiter, names: unique(names, number)?, fields: None, comments: !comments.is_empty() })
}

/// Returns the delimiter between names: the most likely one that occurs outside of quotes, or otherwise anywhere.
fn delimiter(line: &str) -> u8 {
    let bare: String = line.split('"').step_by(2).collect();
    let found = |text: &str| DELIMITERS.into_iter().find(|d| text.as_bytes().contains(d));
    found(&bare).or_else(|| found(line)).unwrap_or(b',')
}

/// Returns the names in the last comment, if it holds names: it then has as many of them as the `first` line after it
/// has cells, at least one of which is a value. The last condition is needed because a remark may have as many commas
/// as there are columns.
fn commented_names(comment: &str, first: &[String], delimiter: u8) -> Option<Vec<String>> {
    let names = split(comment.trim(), delimiter);
    let is_value = |cell: &String| {
        let cell = cell.trim();
        cell.is_empty() || cell.starts_with(['[', '(']) || fast_float2::parse::<f64, _>(cell).is_ok()
    };
    let fits = names.len() > 1 && names.len() == first.len() && !names.iter().any(is_value);
    (fits && first.iter().any(is_value)).then_some(names)
}

fn ecsv(version_and_yaml: &str, names: &str, line: u64) -> Result<Header> {
    let bad = |why: &str| bad_header(why, 1).hint("see the ECSV description, Astropy Proposal for Enhancement 6");
    let part = version_and_yaml.split_once('\n').map_or("", |(_, part)| part);
    let documents = yaml::load(&table_part(part)).map_err(|e| bad("its YAML is not well formed").source(e))?;
    let document = documents.first().ok_or_else(|| bad("it has no YAML part"))?;
    let delimiter = match document["delimiter"].as_str() {
        None | Some(" ") => b' ',
        Some(",") => b',',
        Some(other) => return Err(bad(&format!("the delimiter is '{other}'; ECSV has ',' or ' '"))),
    };
    let columns = document["datatype"].as_vec().ok_or_else(|| bad("it has no list 'datatype' of columns"))?;
    let fields = columns.iter().map(field).collect::<Result<Vec<_>>>()?;
    let names = unique(split(names, delimiter), line)?;
    let described: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
    if described != names {
        let at = described.iter().zip(&names).take_while(|(d, n)| **d == n.as_str()).count();
        let name = |list: &[&str]| list.get(at).map_or_else(|| "nothing".to_owned(), |n| format!("'{n}'"));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let why = format!("column {} is {} in the YAML part and {} here", at + 1, name(&described), name(&names));
        return Err(bad_header(&why, line));
    }
    Ok(Header { delimiter, names, fields: Some(fields), comments: true })
}

/// Returns the lines of the header that describe the columns. The `meta` part is not needed, and the Gaia archive
/// stores queries there in YAML that not every reader accepts.
fn table_part(yaml: &str) -> String {
    let mut wanted = true;
    let mut part = String::with_capacity(yaml.len());
    for line in yaml.lines() {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) && line.contains(':') {
            wanted = line.starts_with("delimiter:") || line.starts_with("datatype:");
        }
        if wanted {
            part.push_str(line);
            part.push('\n');
        }
    }
    part
}

fn unique(names: Vec<String>, line: u64) -> Result<Vec<String>> {
    if names.len() > MOST_COLUMNS {
        return Err(bad_header(&format!("there are more than {MOST_COLUMNS} columns"), line));
    }
    let mut seen = std::collections::HashSet::new();
    match names.iter().find(|n| !seen.insert(n.as_str())) {
        Some(name) => Err(bad_header(&format!("two columns are named '{name}'"), line)),
        None => Ok(names),
    }
}

fn field(column: &Yaml) -> Result<Field> {
    let bad = |why: &str| bad_header(why, 1);
    let name = scalar(&column["name"]).ok_or_else(|| bad("a column has no name"))?;
    let type_name = scalar(&column["datatype"]).ok_or_else(|| bad(&format!("column '{name}' has no datatype")))?;
    let subtype = scalar(&column["subtype"]);
    // Types that lamcat does not have, such as complex numbers, are read as text.
    let data_type = data_type(&type_name, subtype.as_deref()).unwrap_or(DataType::Utf8);
    let unit = scalar(&column["unit"]).or_else(|| scalar(&column["unit"]["unit"]));
    let metadata: HashMap<String, String> = [
        ("unit", unit),
        ("ucd", meta(&column["meta"], "ucd")),
        ("description", scalar(&column["description"]).map(|d| d.trim().to_owned())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value.filter(|v| !v.is_empty())?)))
    .collect();
    Ok(Field::new(name, data_type, true).with_metadata(metadata))
}

/// Returns the column of a survey with this name.
pub(super) fn archive_field(name: &str) -> Option<Field> {
    let column = survey::column(name)?;
    let data_type = list(column.type_name).or_else(|| scalar_type(column.type_name))?;
    let metadata = [("unit", column.unit), ("ucd", column.ucd)].into_iter().filter(|(_, value)| !value.is_empty());
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Some(Field::new(name, data_type, true).with_metadata(metadata))
}

fn scalar(yaml: &Yaml) -> Option<String> {
    match yaml {
        Yaml::String(s) | Yaml::Real(s) => Some(s.clone()),
        Yaml::Integer(i) => Some(i.to_string()),
        Yaml::Boolean(b) => Some(b.to_string()),
        _ => None,
    }
}

/// Returns an entry of a mapping or of a list of one-entry mappings (`!!omap`), by its name in upper or lower case.
fn meta(yaml: &Yaml, name: &str) -> Option<String> {
    if let Some(list) = yaml.as_vec() {
        return list.iter().find_map(|entry| meta(entry, name));
    }
    let entries = yaml.as_hash()?;
    let entry = entries.iter().find(|(key, _)| key.as_str().is_some_and(|k| k.eq_ignore_ascii_case(name)))?;
    scalar(entry.1)
}

fn data_type(datatype: &str, subtype: Option<&str>) -> Option<DataType> {
    match (datatype, subtype) {
        ("string", Some(subtype)) => Some(list(subtype).unwrap_or(DataType::Utf8)),
        _ => scalar_type(datatype),
    }
}

/// Returns the type for `float64[null]` (any length) or `float64[55]`; other shapes stay text.
fn list(subtype: &str) -> Option<DataType> {
    let (item, shape) = subtype.strip_suffix(']')?.split_once('[')?;
    let item = scalar_type(item).filter(DataType::is_numeric)?;
    if shape == "null" {
        return Some(DataType::new_list(item, true));
    }
    let length: usize = shape.parse().ok().filter(|n| *n > 0)?;
    Some(list_of(item, length))
}

fn scalar_type(name: &str) -> Option<DataType> {
    Some(match name {
        "bool" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float16" | "float32" => DataType::Float32,
        "float64" | "float128" => DataType::Float64,
        "string" => DataType::Utf8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header> {
        Header::read(&mut Chunks::new(std::io::Cursor::new(text.as_bytes().to_vec())).unwrap())
    }

    const TABLE: &str = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n\
        # - {name: id, datatype: int64, meta: {ucd: meta.id}}\n\
        # - name: x\n#   datatype: string\n#   subtype: 'float32[null]'\n#   unit: mas\n#   description: |\n#     Some\n\
        # - {name: y, datatype: string, subtype: 'float64[3]', meta: !!omap [{UCD: pos}]}\n\
        # - {name: s, datatype: string, subtype: json}\n\
        # meta:\n#   QUERY: \n#   |\n#    SELECT: [\n";

    #[test]
    fn types_units_and_ucds_are_read() {
        let header = header(&format!("{TABLE}id,x,y,s\n1,,,\n")).unwrap();
        let fields = header.fields.unwrap();
        let types: Vec<_> = fields.iter().map(|f| f.data_type().to_string()).collect();
        assert_eq!(types[0], "Int64");
        assert_eq!(fields[1].data_type(), &DataType::new_list(DataType::Float32, true));
        assert!(matches!(fields[2].data_type(), DataType::FixedSizeList(_, 3)));
        assert_eq!(fields[3].data_type(), &DataType::Utf8);
        assert_eq!(fields[0].metadata()["ucd"], "meta.id");
        assert_eq!(fields[1].metadata()["unit"], "mas");
        assert_eq!(fields[1].metadata()["description"], "Some");
        assert_eq!(fields[2].metadata()["ucd"], "pos");
    }

    #[test]
    fn columns_of_types_that_arrow_lacks_are_text() {
        let complex = TABLE.replace("int64", "complex64");
        let fields = header(&format!("{complex}id,x,y,s\n")).unwrap().fields.unwrap();
        assert_eq!(fields[0].data_type(), &DataType::Utf8);
    }

    #[test]
    fn a_remark_is_not_the_names_and_commented_names_are() {
        let names = |text: &str| header(text).unwrap().names;
        assert_eq!(names("# Gaia DR3, by A. Nobody\nsource_id,teff\n1,2\n"), ["source_id", "teff"]);
        assert_eq!(names("# Gaia, DR3\nname,type\nSirius,A\n"), ["name", "type"]);
        assert_eq!(names("# a, b\n1,2\n"), ["a", "b"]);
        assert_eq!(names("# made 2020, 1.5\nid,x\n1,2\n"), ["id", "x"]);
        assert_eq!(names("a;b\n1;2\n"), ["a", "b"]);
        assert_eq!(names("\"a, b\"|\"c;\"\"d\"\n1|2\n"), ["a, b", "c;\"d"]);
        assert_eq!(names("a\tb,c\n1\t2\n").len(), 2);
    }

    #[test]
    fn bad_headers_say_what_is_wrong() {
        let message = |text: &str| header(text).unwrap_err().to_string();
        assert!(message("").contains("ends before the line of column names"));
        assert!(message("# %ECSV 1.0\n# ---\n").contains("ends before the line of column names"));
        assert!(message("# %ECSV 1.0\n# ---\n# datatype: [\nid\n").contains("not well formed"));
        assert!(message("# %ECSV 1.0\n# ---\n# delimiter: ','\nid\n").contains("no list 'datatype'"));
        assert!(message("# %ECSV 1.0\n# ---\n# delimiter: ';'\nid\n").contains("the delimiter is ';'"));
        assert!(
            message(&format!("{TABLE}id,x,z,s\n")).contains("column 3 is 'y' in the YAML part and 'z' here (line ")
        );
        assert!(message(&format!("{TABLE}id,x,y\n")).contains("column 4 is 's' in the YAML part and nothing here"));
        assert!(message("a,b,a\n").contains("two columns are named 'a'"));
        assert!(message("a\0b\n").contains("NUL bytes (line 1)"));
        let utf16 = Chunks::new(std::io::Cursor::new(b"\xff\xfea\0\n\0".to_vec()));
        let e = Header::read(&mut utf16.unwrap()).unwrap_err().to_string();
        assert!(e.contains("it is UTF-16 text") && e.contains("iconv"), "{e}");
    }
}

//! Loads YAML after checking that it cannot overflow the stack or the memory: a named value may be repeated, even
//! within other named values, so a short text may stand for more than the memory can hold.

use std::collections::HashMap;

use yaml_rust2::{Event, Yaml, YamlLoader, parser::Parser};

/// Maximum nesting depth of values. Those of a table's header are nested six deep.
const MOST_LEVELS: usize = 64;
/// Maximum number of values; a repeated value counts every time.
const MOST_VALUES: usize = 1 << 20;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Returns the documents in a text.
pub(super) fn load(text: &str) -> Result<Vec<Yaml>, Problem> {
    check(text)?;
    Ok(YamlLoader::load_from_str(text)?)
}

fn check(text: &str) -> Result<(), Problem> {
    let mut parser = Parser::new_from_str(text);
    // `open` has the name of each unfinished value and the count before it; `named` has the number of values in each
    // named value.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut named: HashMap<usize, usize> = HashMap::new();
    let mut values = 0usize;
    loop {
        match parser.next_token()?.0 {
            Event::StreamEnd => return Ok(()),
            Event::Alias(name) => values = values.saturating_add(named.get(&name).copied().unwrap_or(1)),
            // The loader keeps a copy of a named value; the name 0 means that it has none.
            Event::Scalar(_, _, name, _) if name > 0 => {
                named.insert(name, 1);
                values += 2;
            }
            Event::Scalar(..) => values += 1,
            Event::SequenceStart(name, _) | Event::MappingStart(name, _) => {
                open.push((name, values));
                values += 1;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((name, before)) = open.pop().filter(|(name, _)| *name > 0) {
                    named.insert(name, values - before);
                    values = values.saturating_add(values - before);
                }
            }
            _ => {}
        }
        if open.len() > MOST_LEVELS {
            return Err(format!("its values lie more than {MOST_LEVELS} deep in each other").into());
        }
        if values > MOST_VALUES {
            return Err(format!("it stands for more than {MOST_VALUES} values").into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        load(text).unwrap_err().to_string()
    }

    #[test]
    fn what_would_overflow_the_stack_or_the_memory_is_refused() {
        assert!(refused(&"- ".repeat(100_000)).contains("deep"));
        let laughs = |i: usize| format!("- &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
        let laughs = (1..10).map(laughs).collect::<String>();
        assert!(
            refused(&format!("- &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n{laughs}")).contains("more than 1048576 values")
        );
    }

    #[test]
    fn a_value_may_be_named_and_repeated() {
        let yaml = load("- &a {b: 1}\n- *a\n- &c 2\n- *c\n").unwrap();
        assert_eq!(yaml[0][1]["b"].as_i64(), Some(1));
        assert_eq!(yaml[0][3].as_i64(), Some(2));
    }
}

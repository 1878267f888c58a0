//! Reads the part of Python's pickle format in which PyTorch's checkpoints are written. Nothing is executed, and the
//! input is bounded: by the number of values, by their nesting depth, and by the memory that copies of them would need.

use std::{collections::HashMap, rc::Rc};

/// Maximum size of a pickle in bytes. The pickle of a model with a thousand weights, without their numbers, has a tenth
/// of it.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Maximum nesting depth of values. Those of a checkpoint are nested ten deep.
const MOST_LEVELS: u16 = 64;
/// Maximum number of list elements that may be copied.
const MOST_COPIES: usize = 1 << 20;

/// The error describes what is wrong with a pickle.
pub(super) type Result<T> = std::result::Result<T, String>;

/// A value, shared by all its users.
pub(super) type Shared = Rc<Node>;

/// A value and its nesting depth.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    levels: u16,
}

/// A Python value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A qualified name, such as `torch._utils._rebuild_tensor_v2`.
    Global(String),
    Integer(i64),
    Text(String),
    /// A tuple or a list.
    List(Vec<Shared>),
    Dict(Vec<(Shared, Shared)>),
    /// The result of calling the first value with the second as its arguments.
    Call(Shared, Shared),
    /// An object that the checkpoint stores elsewhere.
    Stored(Shared),
    /// The marker on the stack at which a list begins.
    Mark,
    /// A value that is not needed here: None, a truth value, or a number with a decimal point.
    Other,
}

impl Value {
    /// The elements, if the value is a tuple or list.
    pub(super) fn list(&self) -> Option<&[Shared]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The integer, if the value is a valid size or position.
    pub(super) fn size(&self) -> Option<usize> {
        if let Self::Integer(n) = self { usize::try_from(*n).ok() } else { None }
    }
}

/// Reads the value in a pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Shared> {
    if bytes.len() > MOST_BYTES {
        return Err(format!("its description has {} bytes: a model's has at most {MOST_BYTES}", bytes.len()));
    }
    let mut reader = Reader { bytes, stack: Vec::new(), memo: HashMap::new(), copies: 0 };
    while reader.step()? {}
    reader.pop()
}

struct Reader<'a> {
    bytes: &'a [u8],
    stack: Vec<Shared>,
    memo: HashMap<u32, Shared>,
    copies: usize,
}

/// Makes a node from a value that may contain others.
fn node(value: Value) -> Result<Shared> {
    let levels = match &value {
        Value::List(items) => around(0, items.iter().map(|item| item.levels)),
        Value::Dict(pairs) => around(0, pairs.iter().map(|(key, value)| key.levels.max(value.levels))),
        Value::Call(callable, args) => around(callable.levels, [args.levels]),
        Value::Stored(id) => around(id.levels, []),
        _ => Ok(1),
    }?;
    Ok(Rc::new(Node { value, levels }))
}

/// Returns the nesting depth of a value whose elements have the depths `deepest` and `others`.
fn around(deepest: u16, others: impl IntoIterator<Item = u16>) -> Result<u16> {
    let levels = others.into_iter().fold(deepest, u16::max) + 1;
    if levels > MOST_LEVELS {
        return Err(format!("its values lie more than {MOST_LEVELS} deep in each other"));
    }
    Ok(levels)
}

impl Reader<'_> {
    /// Executes one operation; returns false at the end.
    fn step(&mut self) -> Result<bool> {
        let [code] = self.take()?;
        match code {
            0x80 => drop(self.take::<1>()?),
            b'.' => return Ok(false),
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global(format!("{module}.{name}")))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.take()?);
                self.push(Value::Integer(number.into()))?;
            }
            b'K' => {
                let [number] = self.take()?;
                self.push(Value::Integer(number.into()))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.take()?);
                self.push(Value::Integer(number.into()))?;
            }
            0x8a => self.long()?,
            b'G' => {
                self.take::<8>()?;
                self.push(Value::Other)?;
            }
            b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
            b'X' => {
                let length = u32::from_le_bytes(self.take()?);
                let text = self.slice(length as usize)?;
                let text = std::str::from_utf8(text).map_err(|_| "a text in it is not UTF-8")?.to_owned();
                self.push(Value::Text(text))?;
            }
            b'(' => self.push(Value::Mark)?,
            b')' | b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b't' | b'l' => {
                let items = self.marked()?;
                self.push(Value::List(items))?;
            }
            b'd' => {
                let items = self.marked()?;
                self.push(Value::Dict(pairs(items)?))?;
            }
            0x85..=0x87 => {
                let items = self.top(usize::from(code - 0x84))?;
                self.push(Value::List(items))?;
            }
            _ => self.combine(code)?,
        }
        Ok(true)
    }

    /// Operations on the values on the stack.
    fn combine(&mut self, code: u8) -> Result<()> {
        match code {
            b'a' => {
                let items = self.top(1)?;
                self.extend(items)
            }
            b'e' => {
                let items = self.marked()?;
                self.extend(items)
            }
            b's' => {
                let items = self.top(2)?;
                self.insert(pairs(items)?)
            }
            b'u' => {
                let items = self.marked()?;
                self.insert(pairs(items)?)
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                match &callable.value {
                    Value::Global(name)
                        if ["collections.OrderedDict", "collections.defaultdict"].contains(&name.as_str()) =>
                    {
                        self.push(Value::Dict(Vec::new()))
                    }
                    _ => self.push(Value::Call(callable, args)),
                }
            }
            // Attributes of an object, which weights do not have.
            b'b' => self.pop().map(drop),
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Stored(id))
            }
            b'q' => {
                let [at] = self.take()?;
                self.remember(at.into())
            }
            b'r' => {
                let at = u32::from_le_bytes(self.take()?);
                self.remember(at)
            }
            b'h' => {
                let [at] = self.take()?;
                self.recall(at.into())
            }
            b'j' => {
                let at = u32::from_le_bytes(self.take()?);
                self.recall(at)
            }
            other => Err(format!("it has an operation that checkpoints do not need: 0x{other:02x}")),
        }
    }

    fn slice(&mut self, length: usize) -> Result<&[u8]> {
        let (slice, rest) = self.bytes.split_at_checked(length).ok_or("it ends early")?;
        self.bytes = rest;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or("it ends early")?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn line(&mut self) -> Result<String> {
        let length = memchr::memchr(b'\n', self.bytes).ok_or("it ends early")?;
        let line = String::from_utf8_lossy(self.slice(length)?).trim_end_matches('\r').to_owned();
        self.slice(1)?;
        Ok(line)
    }

    /// Reads an integer of up to eight bytes.
    fn long(&mut self) -> Result<()> {
        let [length] = self.take()?;
        let digits = self.slice(length.into())?;
        let negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        let place = whole.get_mut(..digits.len()).ok_or("a number in it is too large")?;
        place.copy_from_slice(digits);
        self.push(Value::Integer(i64::from_le_bytes(whole)))
    }

    fn push(&mut self, value: Value) -> Result<()> {
        self.stack.push(node(value)?);
        Ok(())
    }

    fn pop(&mut self) -> Result<Shared> {
        self.stack.pop().ok_or_else(|| "it takes a value that is not there".to_owned())
    }

    /// Takes `count` values from the top.
    fn top(&mut self, count: usize) -> Result<Vec<Shared>> {
        let first = self.stack.len().checked_sub(count).ok_or("it takes a value that is not there")?;
        Ok(self.stack.split_off(first))
    }

    /// Takes the values above the last mark, and removes the mark.
    fn marked(&mut self) -> Result<Vec<Shared>> {
        let mark = self.stack.iter().rposition(|node| matches!(node.value, Value::Mark));
        let mark = mark.ok_or("a list in it has no beginning")?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    /// Takes the container at the top; if it is used elsewhere too, takes a copy.
    fn container(&mut self) -> Result<Node> {
        let top = self.pop()?;
        if Rc::strong_count(&top) > 1 {
            self.copies += match &top.value {
                Value::List(items) => items.len(),
                Value::Dict(pairs) => pairs.len(),
                _ => 0,
            };
            if self.copies > MOST_COPIES {
                return Err("its lists grow after they were used".to_owned());
            }
        }
        Ok(Rc::unwrap_or_clone(top))
    }

    fn extend(&mut self, items: Vec<Shared>) -> Result<()> {
        let Node { value: Value::List(mut list), levels } = self.container()? else {
            return Err("it adds to what is no list".to_owned());
        };
        let levels = around(levels - 1, items.iter().map(|item| item.levels))?;
        list.extend(items);
        self.stack.push(Rc::new(Node { value: Value::List(list), levels }));
        Ok(())
    }

    fn insert(&mut self, pairs: Vec<(Shared, Shared)>) -> Result<()> {
        let Node { value: Value::Dict(mut dict), levels } = self.container()? else {
            return Err("it adds to what is no dict".to_owned());
        };
        let levels = around(levels - 1, pairs.iter().map(|(key, value)| key.levels.max(value.levels)))?;
        dict.extend(pairs);
        self.stack.push(Rc::new(Node { value: Value::Dict(dict), levels }));
        Ok(())
    }

    fn remember(&mut self, at: u32) -> Result<()> {
        let top = self.stack.last().ok_or("it remembers what is not there")?;
        self.memo.insert(at, top.clone());
        Ok(())
    }

    fn recall(&mut self, at: u32) -> Result<()> {
        let known = self.memo.get(&at).ok_or("it recalls what is not there")?;
        self.stack.push(known.clone());
        Ok(())
    }
}

fn pairs(items: Vec<Shared>) -> Result<Vec<(Shared, Shared)>> {
    if !items.len().is_multiple_of(2) {
        return Err("a key in it has no value".to_owned());
    }
    let mut items = items.into_iter();
    Ok(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(bytes: &[u8]) -> String {
        read(bytes).unwrap_err()
    }

    #[test]
    fn values_are_those_that_python_wrote() {
        // pickle.dumps({"a": (1, [2, -3]), "b": 70000}, 2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01]q\x02(K\x02J\xfd\xff\xff\xffe\x86q\x03\
                      X\x01\x00\x00\x00bq\x04Jp\x11\x01\x00u.";
        let whole = read(bytes).unwrap();
        let Value::Dict(pairs) = &whole.value else { panic!("{whole:?}") };
        let [(a, tuple), (_, b)] = &pairs[..] else { panic!("{pairs:?}") };
        let tuple = tuple.value.list().unwrap();
        assert_eq!((a.value.text(), tuple[0].value.size(), b.value.size()), (Some("a"), Some(1), Some(70_000)));
        let list = tuple[1].value.list().unwrap();
        assert!(matches!((&list[0].value, &list[1].value), (Value::Integer(2), Value::Integer(-3))));
    }

    #[test]
    fn what_would_overflow_the_stack_or_the_memory_is_refused() {
        let nested = [b"]".repeat(2_000_000), b"a".repeat(1_999_999), b".".to_vec()].concat();
        assert!(refused(&nested).contains("deep"));
        assert!(refused(&[b"N".to_vec(), vec![0x85; 3_000_000], b".".to_vec()].concat()).contains("deep"));
        assert!(refused(&b"N".repeat(MOST_BYTES + 1)).contains("bytes"));
        assert!(refused(b"X\xff\xff\xff\xffa.").contains("ends early"));
        // A list that is memoised after each of its elements.
        let growing = [b"]".to_vec(), b"q\x00Na".repeat(100_000), b".".to_vec()].concat();
        assert!(refused(&growing).contains("grow"));
        // A tuple of a value with itself, nested many times, needs no more memory than a single copy.
        let doubled = [b"N".to_vec(), b"q\x00h\x00\x86".repeat(60), b".".to_vec()].concat();
        assert!(read(&doubled).is_ok());
        assert!(refused(b"\x8a\x09aaaaaaaaa.").contains("large"));
        assert!(refused(b"(N0.").contains("0x30"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_an_error(codes in prop::collection::vec(
            prop::sample::select(b"()]}tldaesuRbQqhjrNKJMXGc.\n\x80\x81\x85\x86\x87\x88\x8a\x00\x01".to_vec()), 0..400,
        )) {
            let _ = read(&codes);
        }
    }
}

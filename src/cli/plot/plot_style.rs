//! The style of a plot, from options of the command line or from hints in the SQL text.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use clap::{Args, Parser, ValueEnum};
use sqlparser::{
    dialect::GenericDialect,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace},
};

/// The start of a line with a hint.
const HINT: &str = "-- plot:";

/// What is drawn and where.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct PlotStyle {
    /// Column of the horizontal axis [default: the first with numbers].
    #[arg(long, value_name = "COLUMN")]
    pub(super) x: Option<String>,
    /// Columns of the vertical axis [default: the others with numbers]. Repeatable, or with commas.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub(super) y: Vec<String>,
    /// Columns of the band's lower and upper edge, a pair for each --y [default: those of y named <y>_lower and
    /// <y>_upper, or y more and less <y>_error]. Repeatable, or with commas.
    #[arg(long, value_name = "LOWER,UPPER", value_delimiter = ',')]
    pub(super) band: Vec<String>,
    /// Column whose every value is a series of its own [default: the only one with text, if rows share its values].
    #[arg(long, value_name = "COLUMN", conflicts_with = "no_group")]
    pub(super) group: Option<String>,
    /// One series of all rows.
    #[arg(long)]
    pub(super) no_group: bool,
    /// What to draw [default: lines where x only grows, points where it does not, a histogram of a single column].
    #[arg(long, value_enum)]
    pub(super) kind: Option<Kind>,
    /// Column that colours points and heat maps.
    #[arg(long, alias = "colour", value_name = "COLUMN")]
    pub(super) color: Option<String>,
    /// Logarithmic x axis.
    #[arg(long)]
    pub(super) log_x: bool,
    /// Logarithmic y axis.
    #[arg(long)]
    pub(super) log_y: bool,
    /// Let x grow to the left.
    #[arg(long)]
    pub(super) invert_x: bool,
    /// Let y grow downwards.
    #[arg(long)]
    pub(super) invert_y: bool,
    /// Heading.
    #[arg(long, value_name = "TEXT")]
    pub(super) title: Option<String>,
    /// Label of the x axis [default: the column's name and unit].
    #[arg(long, value_name = "TEXT")]
    pub(super) x_label: Option<String>,
    /// Label of the y axis [default: the columns' names and unit].
    #[arg(long, value_name = "TEXT")]
    pub(super) y_label: Option<String>,
}

/// A way of drawing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// A line through the rows in their order.
    Line,
    /// A dot for each row.
    Points,
    /// How many rows have values about x.
    Histogram,
    /// A coloured cell for each row.
    Heatmap,
}

/// The options of a hint.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Hint {
    #[command(flatten)]
    style: PlotStyle,
}

impl PlotStyle {
    /// Reads `kind=line x=wavelength title='A curve' log-x`: the options of the command line without their dashes.
    pub(super) fn from_hint(text: &str) -> anyhow::Result<Self> {
        let options = words(text)?.into_iter().map(|w| format!("--{w}"));
        let hint = Hint::try_parse_from(options).map_err(|e| {
            let first = e.to_string().lines().next().unwrap_or_default().replace("error: ", "");
            anyhow::anyhow!(
                "'-- plot:{text}' cannot be read: {first}\n\
                 hint: write options as in --help without dashes, e.g. -- plot: kind=line x=wavelength y=flux"
            )
        })?;
        Ok(hint.style)
    }

    /// Checks that a plot of a kind can show everything that the options request.
    ///
    /// # Errors
    /// If it cannot; the error says which kind can.
    pub(super) fn fits(&self, kind: Kind) -> anyhow::Result<()> {
        match kind {
            Kind::Heatmap if self.color.is_none() => {
                bail!("a heat map needs a column for its colours\nhint: name it with --color COLUMN")
            }
            Kind::Line if self.color.is_some() => {
                bail!("a line has one colour\nhint: --group draws a line for each value; --color is for points")
            }
            Kind::Histogram if self.color.is_some() => {
                bail!("a histogram has no colours of its rows\nhint: --group draws one for each value of a column")
            }
            Kind::Histogram if !self.y.is_empty() => {
                bail!("a histogram counts rows and takes no --y\nhint: name its column with --x {}", self.y[0])
            }
            Kind::Points | Kind::Histogram | Kind::Heatmap if !self.band.is_empty() => {
                bail!("a band belongs to a line\nhint: draw one with --kind line, or leave out --band")
            }
            _ => Ok(()),
        }
    }

    /// These options, completed by those of `other`.
    pub(super) fn or(self, other: &Self) -> Self {
        let list = |own: Vec<String>, other: &[String]| if own.is_empty() { other.to_vec() } else { own };
        // A different kind discards the options that it cannot have, and different columns discard the bands and the
        // labels of the former columns.
        let kind = self.kind.or(other.kind);
        let same = self.kind.is_none() || self.kind == other.kind;
        let (may_colour, may_band) = (same || coloured(kind), same || kind == Some(Kind::Line));
        let same_y = self.y.is_empty() && (same || kind != Some(Kind::Histogram));
        let ys: &[String] = if same_y { &other.y } else { &[] };
        let bands: &[String] = if same_y && may_band { &other.band } else { &[] };
        let x_label = other.x_label.as_ref().filter(|_| self.x.is_none());
        let y_label = other.y_label.as_ref().filter(|_| same_y);
        Self {
            x: self.x.or_else(|| other.x.clone()),
            band: list(self.band, bands),
            y: list(self.y, ys),
            no_group: self.no_group || (other.no_group && self.group.is_none()),
            group: self.group.or_else(|| other.group.clone().filter(|_| !self.no_group)),
            kind,
            color: self.color.or_else(|| other.color.clone().filter(|_| may_colour)),
            log_x: self.log_x || other.log_x,
            log_y: self.log_y || other.log_y,
            invert_x: self.invert_x || other.invert_x,
            invert_y: self.invert_y || other.invert_y,
            title: self.title.or_else(|| other.title.clone()),
            x_label: self.x_label.or_else(|| x_label.cloned()),
            y_label: self.y_label.or_else(|| y_label.cloned()),
        }
    }
}

fn coloured(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Points | Kind::Heatmap))
}

/// Splits a text at blanks outside single or double quotes, and removes the quotes.
fn words(text: &str) -> anyhow::Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(q) = quote {
        bail!("'-- plot:{text}' has an open quote\nhint: close it with {q}");
    }
    words.extend(word);
    Ok(words)
}

/// A piece of SQL text, and the plot of its first statement.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    /// The style of the plot, if the piece begins with a hint.
    pub(super) hint: Option<PlotStyle>,
    /// The comment below the hint.
    pub(super) caption: String,
    /// The statements.
    pub(super) sql: String,
}

/// Cuts SQL text before each hint: lines that begin with `-- plot:`, unless they are in a string or another comment.
pub(super) fn parts(text: &str) -> anyhow::Result<Vec<Part>> {
    let comments = comment_lines(text);
    let mut parts = vec![(None::<String>, Vec::new())];
    for (n, line) in text.lines().enumerate() {
        let hint = line.trim_start().strip_prefix(HINT).filter(|_| comments.as_ref().is_none_or(|c| c.contains(&n)));
        match (hint, parts.last_mut()) {
            // Hints on consecutive lines of their own are joined into one.
            (Some(more), Some((Some(hint), lines))) if lines.is_empty() => {
                hint.push(' ');
                hint.push_str(more);
            }
            (Some(new), _) => parts.push((Some(new.to_owned()), Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    let read = |(hint, lines): (Option<String>, Vec<&str>)| {
        let comment = lines.iter().map_while(|l| l.trim_start().strip_prefix("--"));
        let caption = comment.map(str::trim).collect::<Vec<_>>().join("\n");
        let hint = hint.map(|h| PlotStyle::from_hint(&h)).transpose().context("a hint for a picture is wrong")?;
        Ok(Part { hint, caption, sql: lines.join("\n") })
    };
    parts.into_iter().map(read).collect()
}

/// The lines, counted from 0, on which a comment begins with `--`; none if the text is no SQL.
fn comment_lines(text: &str) -> Option<BTreeSet<usize>> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location().ok()?;
    let comment = |t: &TokenWithSpan| matches!(t.token, Token::Whitespace(Whitespace::SingleLineComment { .. }));
    Some(tokens.iter().filter(|t| comment(t)).map(|t| t.span.start.line as usize - 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_the_options_without_dashes() {
        let style =
            PlotStyle::from_hint(" kind=line x=nm y=a,b band=lo,hi title='A curve, \"its\" band' log-x").unwrap();
        assert_eq!(style.kind, Some(Kind::Line));
        assert_eq!((style.x.as_deref(), style.y), (Some("nm"), vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(style.band, ["lo", "hi"]);
        assert_eq!(style.title.as_deref(), Some("A curve, \"its\" band"));
        assert!(style.log_x && !style.log_y);
        let e = |text: &str| format!("{:#}", PlotStyle::from_hint(text).unwrap_err());
        assert!(e(" kind=pie").contains("'pie'") && e(" kind=pie").contains("hint:"), "{}", e(" kind=pie"));
        assert!(e(" width=3").contains("--width"), "{}", e(" width=3"));
        assert!(e(" title='open").contains("open quote"));
    }

    #[test]
    fn what_was_typed_goes_before_the_hint() {
        let hint = PlotStyle::from_hint("x=nm y=flux band=lo,hi kind=line").unwrap();
        let typed = PlotStyle::from_hint("y=other log-y").unwrap();
        let both = typed.or(&hint);
        assert_eq!((both.x.as_deref(), both.y.as_slice()), (Some("nm"), &["other".to_owned()][..]));
        assert!(both.band.is_empty() && both.log_y && both.kind == Some(Kind::Line));
        assert_eq!(PlotStyle::default().or(&hint), hint);
    }

    #[test]
    fn what_no_longer_fits_is_dropped_from_the_hint() {
        let or =
            |typed: &str, hint: &str| PlotStyle::from_hint(typed).unwrap().or(&PlotStyle::from_hint(hint).unwrap());
        let labels = "x=nm y=flux x-label=wavelength y-label=light";
        assert_eq!(or("x=pixel", labels), PlotStyle::from_hint("x=pixel y=flux y-label=light").unwrap());
        assert_eq!(or("y=g y-label=G", labels), PlotStyle::from_hint("x=nm y=g x-label=wavelength y-label=G").unwrap());
        assert_eq!(
            or("kind=histogram", labels),
            PlotStyle::from_hint("kind=histogram x=nm x-label=wavelength").unwrap()
        );
        assert_eq!(or("kind=points", "kind=line y=a band=b,c"), PlotStyle::from_hint("kind=points y=a").unwrap());
        assert_eq!(or("kind=line", "kind=points color=z"), PlotStyle::from_hint("kind=line").unwrap());
        assert_eq!(or("no-group", "group=a"), PlotStyle::from_hint("no-group").unwrap());
        assert_eq!(or("group=a", "no-group"), PlotStyle::from_hint("group=a").unwrap());
    }

    #[test]
    fn text_is_cut_at_the_hints() {
        let text = "-- About.\nCREATE VIEW v AS SELECT 1;\n-- plot: x=a\n-- plot: y=b\n-- First\n-- line.\nSELECT a, b;\n\
                    -- plot: kind=histogram\nSELECT c";
        let parts = parts(text).unwrap();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0].hint, None);
        assert!(parts[0].sql.contains("CREATE VIEW"));
        assert_eq!(parts[1].hint, Some(PlotStyle::from_hint("x=a y=b").unwrap()));
        assert_eq!(parts[1].caption, "First\nline.");
        assert_eq!(parts[2].hint.as_ref().unwrap().kind, Some(Kind::Histogram));
    }

    #[test]
    fn hints_are_whole_words_and_comments() {
        let joined = parts("-- plot:x=a\n  -- plot:y=b\nSELECT a, b").unwrap();
        assert_eq!(joined[1].hint, Some(PlotStyle::from_hint("x=a y=b").unwrap()));
        let text = "SELECT '\n-- plot: kind=line\n' AS note /*\n-- plot: kind=pie */";
        assert_eq!(parts(text).unwrap(), [Part { hint: None, caption: String::new(), sql: text.to_owned() }]);
    }
}

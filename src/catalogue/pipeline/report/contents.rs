//! Decides from the columns of a release what its page can show.

use arrow::datatypes::{DataType, Field, Schema};
use lamcat_plot::Axis;
use lamcat_release::summary::FLAGS_COLUMN;

use super::quantity::Quantity;

/// Names that the column with the true values of a label may have.
const TRUTHS: [fn(&str) -> String; 3] =
    [|name| format!("{name}_true"), |name| format!("true_{name}"), |name| format!("{name}_truth")];
/// Column of the score that says how unlike the training stars a source is.
const SCORE: &str = "ood_score";

/// The parts that the page about a release can have.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Columns that have predicted errors.
    pub(super) labels: Vec<Label>,
    /// Surface gravity against effective temperature.
    pub(super) kiel: Option<Diagram>,
    /// Luminosity against temperature, or quantities that stand for them.
    pub(super) hertzsprung_russell: Option<Diagram>,
    /// The score that says how unlike the training stars a source is, if there is one.
    pub(super) score: Option<Label>,
    /// Whether the release has flags.
    pub(super) flags: bool,
}

/// A column of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) description: String,
    /// Column of its predicted errors.
    pub(super) error: Option<String>,
    /// Column of its true values.
    pub(super) truth: Option<String>,
}

/// Two quantities plotted against each other.
#[derive(Debug)]
pub(super) struct Diagram {
    pub(super) heading: &'static str,
    /// A sentence that is added below the diagram; empty for none.
    pub(super) note: &'static str,
    pub(super) x: (Quantity, Axis),
    pub(super) y: (Quantity, Axis),
}

impl Label {
    /// The name, followed by the unit in brackets.
    pub(super) fn with_unit(&self) -> String {
        with_unit(&self.name, &self.unit)
    }

    /// The values as a quantity.
    pub(super) fn quantity(&self) -> Quantity {
        Quantity::Column(self.name.clone())
    }

    /// The predicted errors as a quantity, if there are any.
    pub(super) fn errors(&self) -> Option<Quantity> {
        self.error.clone().map(Quantity::Column)
    }

    /// The deviation from the truth divided by the predicted error, if the truth is known.
    pub(super) fn pull(&self) -> Option<Quantity> {
        let (truth, error) = (self.truth.clone()?, self.error.clone()?);
        Some(Quantity::Pull { value: self.name.clone(), truth, error })
    }
}

impl Diagram {
    /// The two quantities.
    pub(super) fn pair(&self) -> [Quantity; 2] {
        [self.x.0.clone(), self.y.0.clone()]
    }
}

impl Contents {
    /// The parts that the page about a release with these columns can have.
    pub(super) fn of(schema: &Schema) -> Self {
        let float = |name: &str| schema.field_with_name(name).ok().filter(|field| field.data_type().is_floating());
        let label = |field: &Field| {
            let name = field.name().clone();
            let error = Some(format!("{name}_error")).filter(|error| float(error).is_some());
            let truth = TRUTHS.iter().map(|truth| truth(&name)).find(|truth| float(truth).is_some());
            Label { unit: text(field, "unit"), description: text(field, "description"), name, error, truth }
        };
        let labels = schema.fields().iter().filter(|field| field.data_type().is_floating());
        let labels = labels.map(|field| label(field)).filter(|label| label.error.is_some()).collect();
        let axis = |name: &str, inverted: bool| {
            let field = float(name)?;
            let label = with_unit(name, &text(field, "unit"));
            Some((Quantity::Column(name.to_owned()), Axis { inverted, ..Axis::new(label) }))
        };
        let kiel = axis("teff", true).zip(axis("logg", true)).map(|(x, y)| Diagram {
            heading: "Kiel diagram",
            note: "",
            x,
            y,
        });
        let absolute = float("phot_g_mean_mag").zip(float("distance")).map(|(magnitude, distance)| {
            let (magnitude, distance) = (magnitude.name().clone(), distance.name().clone());
            let label = "G - 5 log₁₀(distance / 10 pc) [mag]";
            (Quantity::AbsoluteMagnitude { magnitude, distance }, Axis { inverted: true, ..Axis::new(label) })
        });
        let luminosity = axis("luminosity", false).map(|(l, axis)| (l, Axis { log: true, ..axis }));
        let colour = axis("bp_rp", false).map(|x| (x, "Colour-magnitude diagram"));
        let x = colour.or_else(|| Some((axis("teff", true)?, "Hertzsprung-Russell diagram")));
        let y = absolute.or_else(|| axis("absmag", true)).or(luminosity);
        Self {
            labels,
            kiel,
            hertzsprung_russell: x.zip(y).map(|((x, heading), y)| Diagram {
                heading,
                note: " Extinction is not removed.",
                x,
                y,
            }),
            score: float(SCORE).map(label),
            flags: schema.field_with_name(FLAGS_COLUMN).is_ok_and(|field| *field.data_type() == DataType::Int32),
        }
    }
}

fn text(field: &Field, key: &str) -> String {
    field.metadata().get(key).cloned().unwrap_or_default()
}

fn with_unit(name: &str, unit: &str) -> String {
    if unit.is_empty() { name.to_owned() } else { format!("{name} [{unit}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(names: &[&str]) -> Schema {
        let field = |name: &&str| match *name {
            "quality_flags" => Field::new(*name, DataType::Int32, true),
            "designation" | "designation_error" => Field::new(*name, DataType::Utf8, true),
            name => {
                let unit = if name.starts_with("teff") { "K" } else { "" };
                Field::new(name, DataType::Float32, true).with_metadata([("unit".to_owned(), unit.to_owned())].into())
            }
        };
        Schema::new(names.iter().map(field).collect::<Vec<_>>())
    }

    #[test]
    fn sections_follow_from_the_columns() {
        let all = Contents::of(&schema(&[
            "ra",
            "teff",
            "teff_error",
            "teff_true",
            "logg",
            "designation",
            "designation_error",
            "bp_rp",
            "phot_g_mean_mag",
            "distance",
            "distance_error",
            "quality_flags",
            "ood_score",
        ]));
        let names: Vec<String> = all.labels.iter().map(Label::with_unit).collect();
        assert_eq!(names, ["teff [K]", "distance"]);
        assert_eq!(all.labels[0].truth.as_deref(), Some("teff_true"));
        assert!(all.labels[0].pull().is_some() && all.labels[1].pull().is_none());
        assert!(all.kiel.is_some() && all.score.is_some() && all.flags);
        let hr = all.hertzsprung_russell.unwrap();
        assert_eq!(hr.x.0, Quantity::Column("bp_rp".into()));
        assert_eq!(hr.y.0.columns(), ["phot_g_mean_mag", "distance"]);
        assert!(hr.y.1.inverted && !hr.x.1.inverted);
        let few = Contents::of(&schema(&["ra", "dec", "logg"]));
        assert!(few.labels.is_empty() && few.kiel.is_none() && few.hertzsprung_russell.is_none() && !few.flags);
        let luminous = Contents::of(&schema(&["teff", "luminosity"])).hertzsprung_russell.unwrap();
        assert!(luminous.y.1.log && luminous.x.1.inverted && luminous.heading.starts_with("Hertzsprung"));
    }
}

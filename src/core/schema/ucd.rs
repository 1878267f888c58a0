//! UCD1+: the IVOA's vocabulary for the meaning of a quantity.

use std::{collections::HashMap, sync::LazyLock};

use super::nearest;

/// The allowed position of each word, by the word in lower case.
static WORDS: LazyLock<HashMap<String, (&str, &str)>> = LazyLock::new(|| {
    let rows = include_str!("ucd1p_words.txt").lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| row.split_once(' ')).map(|(place, word)| (word.to_lowercase(), (place, word))).collect()
});

/// Checks that a UCD consists of known words in an allowed order: words separated by semicolons, of which the first is
/// a word that may come first, such as `stat.error`, and the others are words that may follow, such as `em.opt.B`.
///
/// # Errors
/// A description of what is wrong with it.
pub fn check_ucd(ucd: &str) -> Result<(), String> {
    for (i, word) in ucd.split(';').enumerate() {
        let Some((place, _)) = WORDS.get(&word.trim().to_lowercase()) else {
            let mut known: Vec<&str> = WORDS.values().map(|(_, word)| *word).collect();
            known.sort_unstable();
            let near = nearest(word, &known).map_or_else(String::new, |near| format!(", did you mean '{near}'?"));
            return Err(format!("'{word}' is not a word of UCD1+{near}"));
        };
        match (i, *place) {
            (0, "S") => return Err(format!("'{word}' cannot be the first word of a UCD")),
            (1.., "P") => return Err(format!("'{word}' can only be the first word of a UCD")),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Vocabulary;

    #[test]
    fn words_and_their_order_are_checked() {
        for good in ["phys.gravity", "stat.error;phys.gravity", "phot.color;em.opt.B;em.opt.R", "POS.EQ.RA;META.MAIN"] {
            assert_eq!(check_ucd(good), Ok(()), "{good}");
        }
        for (bad, problem) in [
            ("", "'' is not a word"),
            ("phys.gravty", "did you mean 'phys.gravity'?"),
            ("em.opt.B", "cannot be the first"),
            ("phys.gravity;stat.error", "can only be the first"),
        ] {
            assert!(check_ucd(bad).unwrap_err().contains(problem), "{bad}");
        }
    }

    #[test]
    fn every_token_has_a_ucd_that_is_one() {
        let vocabulary = Vocabulary::leung_bovy_2023();
        for id in 1..=vocabulary.len() as u32 {
            assert_eq!(check_ucd(&vocabulary.described(id).ucd), Ok(()), "{}", vocabulary.token(id).name);
        }
    }
}

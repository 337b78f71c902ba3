//! Words that source files must not use.

use std::collections::BTreeSet;

/// Question words. A module's docs begin with a noun phrase or a verb.
const QUESTIONS: [&str; 5] = ["What", "How", "Where", "Which", "When"];

/// Words as a beginning and possible endings. In pieces, so that a search of the repository for these words does not
/// find this list.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    ("h", &["ill", "ills"]),
    ("bel", &["ief", "iefs", "ieve", "ieved", "ieves", "ieving"]),
    ("err", &["and", "ands"]),
    ("ru", &["ng", "ngs"]),
    ("cl", &["imb", "imbs", "imbed", "imber", "imbers", "imbing"]),
    ("he", &["ed", "eds", "eded", "eding", "edful"]),
    ("we", &["igh", "ighs", "ighed", "ighing"]),
    ("id", &["le", "ler", "ling"]),
    ("fol", &["lower", "lowers"]),
];

/// Forbidden names of several words, in pieces too.
const FORBIDDEN_NAMES: [(&str, &str); 4] =
    [("nothing", "_instead"), ("standing", "_beside"), ("take", "_turns"), ("up_the", "_ladder")];

/// The first line, if it begins with a question word.
pub(crate) fn first_line(file: &str, text: &str) -> Option<String> {
    let first = text.lines().next()?.strip_prefix("//!")?.split_whitespace().next()?;
    let word: &str = first.split(|c: char| !c.is_alphabetic()).next()?;
    QUESTIONS
        .contains(&word)
        .then(|| format!("{file}:1: the docs begin with `{word}`, not with a noun phrase or a verb"))
}

/// Forbidden words, also as parts of identifiers.
pub(crate) fn forbidden_words(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let names = FORBIDDEN_NAMES.map(|(start, end)| format!("{start}{end}"));
        let names = names.into_iter().filter(|name| lower.contains(name));
        let words: BTreeSet<String> = words(line).into_iter().filter(|word| is_forbidden(word)).chain(names).collect();
        found.extend(words.iter().map(|word| format!("{file}:{}: forbidden word `{word}`", index + 1)));
    }
    found
}

fn is_forbidden(word: &str) -> bool {
    let has_ending =
        |(stem, endings): &(&str, &[&str])| word.strip_prefix(stem).is_some_and(|ending| endings.contains(&ending));
    FORBIDDEN.iter().any(has_ending)
}

/// The words of a line in lower case; identifiers are split at underscores and capital letters.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in line.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.iter_mut().last().into_iter().for_each(|word| word.extend(c.to_lowercase()));
        }
        after_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::{first_line, forbidden_words, words};

    #[test]
    fn identifiers_are_split() {
        assert_eq!(words("fn take_Two(HalfNormal x1)"), ["fn", "take", "two", "half", "normal", "x"]);
    }

    #[test]
    fn forbidden_words_are_found_in_any_form() {
        let stem = ["cli", "mb"].concat();
        let capital = ["Cli", "mb"].concat();
        for text in [format!("// {stem}s"), format!("let {stem}_all = 1;"), format!("struct New{capital}er;")] {
            let found = forbidden_words("a.rs", &format!("\n{text}"));
            assert!(found.len() == 1 && found[0].starts_with("a.rs:2: forbidden word"), "{text}: {found:?}");
        }
        assert_eq!(forbidden_words("a.rs", &["take", "turns"].join("_")).len(), 1);
        for text in ["weight", "weights", "the following", "ellipsoid", "invalid", "need", "wrung"] {
            assert!(forbidden_words("a.rs", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_module_begins_with_a_noun_phrase_or_a_verb() {
        assert!(first_line("a.rs", "//! Where it starts.").is_some_and(|text| text.contains("`Where`")));
        for text in ["//! Whatever.", "//! Sums.\n//! Where", "// What", ""] {
            assert!(first_line("a.rs", text).is_none(), "{text}");
        }
    }
}

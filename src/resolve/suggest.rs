//! "Did you mean": the known name that is nearest to a misspelt one.

/// The nearest of `known` to `name`, if it is near enough (a third of the name's length in edits, at least one). Case
/// only decides between names that are equally near; a letter is never meant for another one.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    let lower = name.to_lowercase();
    let distances = |candidate: &'a str| {
        let without_case = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        (without_case, strsim::damerau_levenshtein(name, candidate), candidate)
    };
    let letters = |candidate: &str| name.chars().count() == 1 && candidate.chars().count() == 1;
    known
        .into_iter()
        .map(distances)
        .filter(|(distance, _, candidate)| *distance <= limit * usize::from(!letters(candidate)))
        .min()
        .map(|(_, _, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_nearest_name() {
        assert_eq!(nearest("tahn", ["tanh", "sin"]), Some("tanh"));
        assert_eq!(nearest("loss1", ["loss", "f"]), Some("loss"));
        assert_eq!(nearest("q", ["xs", "ys"]), None);
    }

    #[test]
    fn case_comes_last_and_letters_are_never_meant_for_others() {
        assert_eq!(nearest("Relu", ["gelu", "relu"]), Some("relu"));
        assert_eq!(nearest("NTP", ["mup", "ntp"]), Some("ntp"));
        assert_eq!(nearest("q", ["x", "y"]), None);
        assert_eq!(nearest("w", ["W", "x"]), Some("W"));
        assert_eq!(nearest("Ab", ["AB", "ab"]), Some("AB"));
    }
}

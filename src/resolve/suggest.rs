//! "Did you mean": the known name that is nearest to a misspelt one.

/// The nearest of `known` to `name`, if it is near enough (a third of the name's length in edits, at least one).
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
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
}

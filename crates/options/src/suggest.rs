//! Finds the name the user probably meant.

/// Longer names are compared by their start only, which bounds the work for hostile input.
const LONGEST_NAME: usize = 64;

/// Finds the name nearest to `wrong`, or `None` if nothing is near enough to be helpful.
///
/// Names are full names (`module:name`), compared without regard to case. The same name in
/// another module counts as near.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = fold(wrong);
    let wrong_tail = tail(&wrong);
    let limit = (wrong.len() / 4).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        let candidate = fold(name);
        let mut distance = distance(&wrong, &candidate);
        if distance > limit && wrong_tail.is_some() && wrong_tail == tail(&candidate) {
            distance = limit;
        }
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

fn fold(name: &str) -> Vec<char> {
    let lower = name.chars().flat_map(char::to_lowercase);
    lower.take(LONGEST_NAME).collect()
}

fn tail(name: &[char]) -> Option<&[char]> {
    let colon = name.iter().position(|c| *c == ':')?;
    name.get(colon + 1..).filter(|tail| !tail.is_empty())
}

/// The Levenshtein distance: insertions, deletions and replacements that turn one into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let above = *cell;
            left = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["win:fullScreen", "win:size", "egl:scale", "app:shmFile"];

    fn near(wrong: &str) -> Option<&'static str> {
        nearest(wrong, NAMES.into_iter())
    }

    #[test]
    fn distance_counts_single_letter_edits() {
        let count = |a, b| distance(&fold(a), &fold(b));
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("abc", ""), 3);
        assert_eq!(count("Same", "sAME"), 0);
    }

    #[test]
    fn misspelt_names_find_their_neighbour() {
        assert_eq!(near("win:fulscreen"), Some("win:fullScreen"));
        assert_eq!(near("win:siez"), Some("win:size"));
        assert_eq!(near("app:shm-file"), Some("app:shmFile"));
    }

    #[test]
    fn right_name_in_the_wrong_module_is_found() {
        assert_eq!(near("win:scale"), Some("egl:scale"));
    }

    #[test]
    fn far_names_find_nothing() {
        assert_eq!(near("audio:volume"), None);
        assert_eq!(near(""), None);
        assert_eq!(near(":"), None);
    }
}

//! Small words of messages.

/// `1 step`, `2 steps`.
pub(crate) fn plural(count: usize, one: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn one_is_not_many() {
        assert_eq!([plural(1, "step"), plural(0, "step")], ["1 step", "0 steps"]);
    }
}

//! Text that cannot act: what would steer a terminal or hide from the eye is shown in letters.

/// The text in one line for prose: line breaks and tabs become a space, see [`visible`] for the rest.
pub fn clean(text: &str) -> String {
    let words = text.split(['\n', '\r', '\t']).filter(|part| !part.is_empty());
    visible(&words.collect::<Vec<_>>().join(" "))
}

/// The text with every letter that has no shape of its own written as its escape.
///
/// Such are control characters (a terminal obeys them), marks that turn the direction of reading, and
/// spaces of no width: `\u{1b}`, `\n`, `\u{202e}`.
pub fn visible(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_visible(letter) {
            shown.push(letter);
        } else {
            shown.extend(letter.escape_debug());
        }
    }
    shown
}

/// What [`str::escape_debug`] takes for printable after another letter; quotes and backslashes too.
fn is_visible(letter: char) -> bool {
    match letter {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        _ => format!("a{letter}").escape_debug().count() == 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        assert_eq!(clean("bad\u{1b}[2Jname\r\nnext\u{9b}31m"), "bad\\u{1b}[2Jname next\\u{9b}31m");
        assert_eq!(visible("a\tb\nc\u{7}\u{8}"), "a\\tb\\nc\\u{7}\\u{8}");
    }

    #[test]
    fn a_text_cannot_be_read_the_wrong_way() {
        assert_eq!(visible("user\u{202e}nimda\u{200b}"), "user\\u{202e}nimda\\u{200b}");
    }

    #[test]
    fn letters_of_all_scripts_and_quotes_stay() {
        for text in ["naïve e\u{301} 作业 ⚠ नमस्ते", "a \"b\" 'c' \\d"] {
            assert_eq!(visible(text), text);
        }
    }
}

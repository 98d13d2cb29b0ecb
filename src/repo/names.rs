//! Which names of files and folders are taken: those that mean the same everywhere.

/// The longest name that every file system can hold, in bytes.
const LONGEST: usize = 255;

/// Takes a name, or says why it is odd.
///
/// A Git tree may hold any bytes as a name. Refused is what could lead out of the tree, into a `.git`
/// folder on some file system, or look like another name.
pub(super) fn check(name: &[u8]) -> Result<&str, &'static str> {
    let name = std::str::from_utf8(name).map_err(|_| "the name is not UTF-8")?;
    if name.is_empty() || name == "." || name == ".." {
        return Err("the name means another folder");
    }
    if name.len() > LONGEST {
        return Err("the name is longer than 255 bytes");
    }
    if name.contains('/') || name.contains('\\') {
        return Err("the name holds a path separator");
    }
    if name.chars().any(is_invisible) {
        return Err("the name holds a control or invisible character");
    }
    if name.ends_with('.') || name.ends_with(' ') {
        return Err("the name ends in a dot or a space");
    }
    if name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1") {
        return Err("the name is Git's own");
    }
    Ok(name)
}

/// Control characters, and those that reorder or hide text.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn ordinary_names_are_taken() {
        for name in
            ["job.yaml", ".gitignore", ".hidden", "a b", "größe.sql", "..a", "-x", "%2e%2e", ".github", "C:"]
        {
            assert_eq!(check(name.as_bytes()), Ok(name));
        }
    }

    #[test]
    fn odd_names_are_refused() {
        let odd: [&[u8]; 16] = [
            b"",
            b".",
            b"..",
            b"a/b",
            b"../x",
            b"/etc",
            b"a\\b",
            b"a\0b",
            b"a\nb",
            b"a.",
            b"a ",
            b".git",
            b".GIT",
            b".gIt",
            b"GIT~1",
            b"\xff\xfe",
        ];
        for name in odd {
            assert!(check(name).is_err(), "{name:?} was taken");
        }
        assert!(check(".g\u{200c}it".as_bytes()).is_err());
        assert!(check("a\u{202e}lmay".as_bytes()).is_err());
        assert!(check(&[b'a'; 256]).is_err());
    }
}

//! A comment that never grows beyond what a code host takes, and says what it had to leave out.

use crate::report::text::count;

/// Bytes of a whole comment. GitHub takes 65,536 characters; whoever posts it may add a line of their own.
const LONGEST: usize = 64_000;
/// Bytes kept for what is said at the end about what was left out.
const ENDING: usize = 1_000;

/// The text so far.
pub(super) struct Comment {
    text: String,
    left_out: Vec<String>,
}

impl Comment {
    /// Begins with an invisible line, by which a CI job finds the comment it wrote before, and a title:
    /// `<!-- flinkops:plan:orders:prod -->`.
    pub fn new(what: &str, names: &[&str], title: &str) -> Self {
        let mut marker = format!("flinkops:{what}");
        for name in names {
            let kept = |letter: &char| letter.is_ascii_alphanumeric() || "-._".contains(*letter);
            marker.push(':');
            marker.extend(name.chars().filter(kept).take(100));
        }
        Self { text: format!("<!-- {marker} -->\n### {title}\n\n"), left_out: Vec::new() }
    }

    /// Adds what must not be missing, and is known to be short.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a head and as many items below it as fit into half of the room left, so that what comes after
    /// has room too; none without the other. The rest is counted as `what` at the end: the first to come
    /// are the last to go.
    pub fn list(&mut self, what: &str, head: &str, items: impl ExactSizeIterator<Item = String>) {
        self.fill(self.room() / 2, what, head, items);
    }

    /// The same into all of the room left.
    pub fn last_list(&mut self, what: &str, head: &str, items: impl ExactSizeIterator<Item = String>) {
        self.fill(self.room(), what, head, items);
    }

    fn room(&self) -> usize {
        (LONGEST - ENDING).saturating_sub(self.text.len())
    }

    fn fill(&mut self, room: usize, what: &str, head: &str, items: impl ExactSizeIterator<Item = String>) {
        let all = items.len();
        let (mut taken, mut list) = (0, head.to_owned());
        for item in items {
            if list.len() + item.len() > room {
                break;
            }
            list.push_str(&item);
            taken += 1;
        }
        if taken > 0 {
            self.text.push_str(&list);
        }
        if taken < all {
            self.left_out.push(count(all - taken, what));
        }
    }

    /// Ends with what was left out, and the command that prints all of it.
    pub fn finish(mut self, command: &str) -> String {
        if !self.left_out.is_empty() {
            let left_out = self.left_out.join(", ");
            let ending =
                format!("\n**Left out, to fit into a comment:** {left_out}. `{command}` prints all of it.\n");
            self.text.push_str(&ending);
        }
        self.text
    }
}

//! [`Page`]: text for a terminal of a given width, in colour or not, in UTF-8 or ASCII.
//!
//! Every piece of text passes [`Page::line`], which makes harmless what a target could have put
//! into its names: control characters and characters that change the direction of writing are
//! shown as escapes. Escape sequences come from here and nowhere else.
//!
//! Does not know reports; see [`crate::text`].

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How text is to look. The caller finds out what the terminal can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Columns; at least [`Look::NARROWEST`] is assumed.
    pub width: usize,
    /// Escape sequences for colour.
    pub color: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
    /// Nothing is cut to fit the columns: they are no more than where text is wrapped.
    pub whole: bool,
}

impl Look {
    /// Fewer columns than this are treated as this.
    pub const NARROWEST: usize = 60;

    /// 80 columns of plain ASCII: what any place can show.
    pub const PLAIN: Look = Look {
        width: 80,
        color: false,
        unicode: false,
        whole: false,
    };
}

/// What a piece of text is drawn with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ink {
    /// As the terminal has it.
    Plain,
    /// Stands out.
    Bold,
    /// Steps back.
    Dim,
    /// Bad.
    Red,
    /// Mind this.
    Yellow,
    /// Good.
    Green,
    /// Can be typed.
    Cyan,
}

impl Ink {
    fn style(self) -> Style {
        let style = Style::new();
        match self {
            Ink::Plain => style,
            Ink::Bold => style.bold(),
            Ink::Dim => style.dimmed(),
            Ink::Red => style.bold().fg_color(Some(AnsiColor::Red.into())),
            Ink::Yellow => style.fg_color(Some(AnsiColor::Yellow.into())),
            Ink::Green => style.fg_color(Some(AnsiColor::Green.into())),
            Ink::Cyan => style.fg_color(Some(AnsiColor::Cyan.into())),
        }
    }
}

/// A line in the making: pieces of text, each with its ink.
#[derive(Clone, Default, Debug)]
pub struct Line {
    pieces: Vec<(Ink, String)>,
    width: usize,
}

impl Line {
    /// An empty line.
    pub fn new() -> Line {
        Line::default()
    }

    /// Adds text.
    #[must_use]
    pub fn add(mut self, ink: Ink, text: impl AsRef<str>) -> Line {
        self.push(ink, text);
        self
    }

    /// Adds text at the end.
    pub fn push(&mut self, ink: Ink, text: impl AsRef<str>) {
        let text = harmless(text.as_ref());
        self.width += text.width();
        self.pieces.push((ink, text));
    }

    /// Adds spaces until the line is `column` wide; none where it already is.
    #[must_use]
    pub fn pad_to(self, column: usize) -> Line {
        let missing = column.saturating_sub(self.width);
        self.add(Ink::Plain, " ".repeat(missing))
    }

    /// Adds text so that it ends at `column`, after at least one space.
    #[must_use]
    pub fn right(self, column: usize, ink: Ink, text: &str) -> Line {
        let start = column.saturating_sub(text.width()).max(self.width + 1);
        self.pad_to(start).add(ink, text)
    }

    /// Columns taken.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// Text in the making.
#[derive(Debug)]
pub struct Page {
    look: Look,
    out: String,
}

impl Page {
    /// An empty page.
    pub fn new(look: Look) -> Page {
        let width = look.width.max(Look::NARROWEST);
        let look = Look { width, ..look };
        let out = String::new();
        Page { look, out }
    }

    /// How it looks.
    pub fn look(&self) -> Look {
        self.look
    }

    /// Columns to fill.
    pub fn width(&self) -> usize {
        self.look.width
    }

    /// Writes a line; spaces at its end are dropped.
    pub fn line(&mut self, line: Line) {
        let mut pieces = line.pieces;
        while let Some((_, text)) = pieces.last_mut() {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                break;
            }
            pieces.pop();
        }
        for (ink, text) in &pieces {
            self.paint(*ink, text);
        }
        self.out.push('\n');
    }

    /// Writes text of one ink, wrapped, each line indented by `indent` columns.
    pub fn wrapped(&mut self, indent: usize, ink: Ink, text: &str) {
        for part in wrap(&harmless(text), self.width().saturating_sub(indent)) {
            self.line(Line::new().pad_to(indent).add(ink, part));
        }
    }

    /// Writes an empty line.
    pub fn gap(&mut self) {
        self.out.push('\n');
    }

    /// The text.
    pub fn finish(self) -> String {
        self.out
    }

    fn paint(&mut self, ink: Ink, text: &str) {
        let text = if self.look.unicode {
            text.to_string()
        } else {
            text.chars().map(ascii).collect()
        };
        if self.look.color && ink != Ink::Plain && !text.trim().is_empty() {
            let style = ink.style();
            let _ = write!(self.out, "{style}{text}{style:#}");
        } else {
            self.out.push_str(&text);
        }
    }
}

/// A bar for `part` of `whole` where the whole is `cells` wide, in eighths of a cell.
///
/// What is not zero has at least one eighth. In ASCII a cell is drawn when it is half full.
pub fn bar(look: Look, part: u64, whole: u64, cells: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    if part == 0 || whole == 0 {
        return String::new();
    }
    let all = u128::from(part.min(whole)) * cells as u128 * 8;
    let eighths = usize::try_from((all / u128::from(whole)).max(1)).unwrap_or(0);
    let (full, rest) = (eighths / 8, eighths % 8);
    if !look.unicode {
        return "#".repeat(full + usize::from(rest >= 4));
    }
    let mut bar = "█".repeat(full);
    if rest > 0 {
        bar.extend(EIGHTHS.get(rest));
    }
    bar
}

/// Cuts `text` to `width` columns; what was cut is shown as an ellipsis.
///
/// A cut at a comma is preferred, since what stands before it is whole.
pub fn trim(look: Look, text: &str, width: usize) -> String {
    if look.whole || text.width() <= width {
        return text.to_string();
    }
    let comma = text.match_indices(", ").map(|(at, _)| at);
    let head = |at: usize| text.get(..at).unwrap_or_default();
    if let Some(at) = comma.filter(|at| head(*at).width() <= width).last() {
        return head(at).to_string();
    }
    let dots = if look.unicode { "…" } else { ".." };
    let room = width.saturating_sub(dots.width());
    let mut out = take_width(text, room);
    out.truncate(out.trim_end().len());
    out + dots
}

/// Cuts the start of `text` away where it is wider than `width`: the end of a path says more.
pub fn trim_start(look: Look, text: &str, width: usize) -> String {
    if look.whole || text.width() <= width {
        return text.to_string();
    }
    let dots = if look.unicode { "…" } else { ".." };
    let room = width.saturating_sub(dots.width());
    let mut tail: Vec<char> = Vec::new();
    let mut taken = 0;
    for char in text.chars().rev() {
        taken += char.width().unwrap_or(0);
        if taken > room {
            break;
        }
        tail.push(char);
    }
    dots.chars().chain(tail.into_iter().rev()).collect()
}

/// Splits text at spaces into lines of at most `width` columns; a longer word is cut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_string();
        let used = lines.last().map_or(0, |line| line.width());
        if used > 0 && used + 1 + word.width() > width {
            lines.push(String::new());
        }
        while word.width() > width {
            let head = take_width(&word, width);
            word = word.split_off(head.len());
            lines.push(head);
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn take_width(text: &str, width: usize) -> String {
    let mut taken = 0;
    text.chars()
        .take_while(|char| {
            taken += char.width().unwrap_or(0);
            taken <= width
        })
        .collect()
}

/// Shows what could act on a terminal, or mislead a reader, as escapes.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        let acts = char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if acts {
            out.extend(char.escape_default());
        } else {
            out.push(char);
        }
    }
    out
}

fn ascii(char: char) -> char {
    match char {
        '█'..='▏' => '#',
        '·' | '–' | '—' => '-',
        _ if char.is_ascii() => char,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Look = Look {
        width: 80,
        color: false,
        unicode: true,
        whole: false,
    };

    #[test]
    fn names_from_a_target_cannot_act_on_the_terminal() {
        let mut page = Page::new(WIDE);
        let evil = "srv\x1b]0;owned\x07\n\u{202e}exe";
        page.line(Line::new().add(Ink::Bold, evil));
        let text = page.finish();
        assert_eq!(text, "srv\\u{1b}]0;owned\\u{7}\\n\\u{202e}exe\n");
    }

    #[test]
    fn bars_have_eighths_and_never_vanish() {
        assert_eq!(bar(WIDE, 69, 100, 20), "█████████████▊");
        assert_eq!(bar(WIDE, 1, 1_000_000, 20), "▏");
        assert_eq!(bar(WIDE, 0, 100, 20), "");
        assert_eq!(bar(WIDE, u64::MAX, 1, 4), "████");
        assert_eq!(bar(Look::PLAIN, 69, 100, 20), "##############");
    }

    #[test]
    fn wrapping_keeps_every_word_and_the_width() {
        let text = "the runtime would give it back in about 5 min if idle";
        let lines = wrap(text, 20);
        assert!(lines.iter().all(|line| line.width() <= 20), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        let cut = wrap("aaaaaaaaaaaaaaaaaaaaaaaaa b", 10);
        assert_eq!(cut, ["aaaaaaaaaa", "aaaaaaaaaa", "aaaaa b"]);
    }

    #[test]
    fn trimming_prefers_a_comma_and_a_path_keeps_its_end() {
        let hint = "worst: 1152 B class, 31 % used";
        assert_eq!(trim(WIDE, hint, 22), "worst: 1152 B class");
        assert_eq!(trim(WIDE, hint, 10), "worst: 11…");
        assert_eq!(trim_start(WIDE, "/opt/very/long/srv", 9), "…long/srv");
        let whole = Look {
            whole: true,
            ..WIDE
        };
        assert_eq!(trim(whole, hint, 10), hint);
        assert_eq!(trim_start(whole, hint, 10), hint);
    }

    #[test]
    fn ascii_has_no_other_characters() {
        let mut page = Page::new(Look::PLAIN);
        page.line(Line::new().add(Ink::Plain, "/srv/naïve · x"));
        assert_eq!(page.finish(), "/srv/na?ve - x\n");
    }
}

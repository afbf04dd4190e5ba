//! Reads the table of malformed and ambiguous messages in `verdicts.txt`.

use std::collections::BTreeSet;

const TABLE: &str = include_str!("verdicts.txt");
const GET: &str = r"GET /a HTTP/1.1\r\nhost: a\r\n\r\n";

/// One line of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) statuses: Vec<u16>,
    pub(crate) message: Vec<u8>,
    /// Whether the client closes its sending side behind the message.
    pub(crate) is_cut: bool,
}

impl Case {
    /// How many of its requests the service reads to their end.
    pub(crate) fn good(&self) -> usize {
        self.statuses
            .iter()
            .filter(|status| **status == 200)
            .count()
    }
}

/// The whole table, in which no name and no message stands twice.
pub(crate) fn cases() -> Vec<Case> {
    let mut section = "";
    let mut cases = Vec::new();
    for line in TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let mut columns = line.splitn(3, '|');
        let mut column = || columns.next().unwrap().trim();
        let (name, statuses, content) = (column(), column(), column());
        let statuses = statuses
            .split(' ')
            .map(|status| status.parse().unwrap())
            .collect();
        let message = bytes(&framed(section, content));
        cases.push(Case {
            name,
            statuses,
            message,
            is_cut: section == "[cut]",
        });
    }
    let (mut names, mut messages) = (BTreeSet::new(), BTreeSet::new());
    for case in &cases {
        assert!(names.insert(case.name), "{} stands there twice", case.name);
        let is_new = messages.insert((&case.message, case.is_cut));
        assert!(is_new, "{}: this message has another name, too", case.name);
    }
    cases
}

/// Puts around a message what its section says.
fn framed(section: &str, content: &str) -> String {
    let get = "GET /a HTTP/1.1";
    let post = r"POST /a HTTP/1.1\r\nhost: a\r\n";
    match section {
        "[line]" => format!(r"{content}\r\nhost: a\r\n\r\n"),
        "[host]" => format!(r"{get}\r\nhost: {content}\r\n\r\n"),
        "[fields]" => format!(r"{get}\r\nhost: a\r\n{content}\r\n\r\n"),
        "[post]" => {
            let (fields, body) = content.split_once('|').unwrap();
            format!(r"{post}{}\r\n\r\n{}", fields.trim(), body.trim())
        }
        "[chunked]" => format!(r"{post}transfer-encoding: chunked\r\n\r\n{content}"),
        "[whole]" | "[cut]" => content.to_owned(),
        _ => panic!("no section {section}"),
    }
}

/// Resolves the table's placeholders and escapes.
fn bytes(text: &str) -> Vec<u8> {
    let text = text
        .replace("{GET}", GET)
        .replace("{1K}", &"a".repeat(1024))
        .replace("{4K}", &"a".repeat(4 * 1024))
        .replace("{8K}", &"a".repeat(8 * 1024))
        .replace("{16K}", &"a".repeat(16 * 1024))
        .replace("{16K0}", &"0".repeat(16 * 1024))
        .replace("{16KB}", &" ".repeat(16 * 1024))
        .replace("{FIELDS}", &r"x: a\r\n".repeat(100));
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (kind, mut rest) = part.split_at(1);
        bytes.push(match kind {
            "r" => b'\r',
            "n" => b'\n',
            "t" => b'\t',
            "x" => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(digits, 16).unwrap()
            }
            _ => panic!("no escape {part:?}"),
        });
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

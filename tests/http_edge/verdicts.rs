//! Runs the table of malformed and ambiguous messages in `verdicts.txt`.

use super::harness::{Client, Server, wide};

const TABLE: &str = include_str!("verdicts.txt");
const GET: &str = r"GET /a HTTP/1.1\r\nhost: a\r\n\r\n";

/// One line of the table.
struct Case {
    name: &'static str,
    statuses: Vec<u16>,
    message: Vec<u8>,
}

fn cases() -> Vec<Case> {
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
        });
    }
    cases
}

/// Puts around a message what its section says.
fn framed(section: &str, content: &str) -> String {
    let post = r"POST /a HTTP/1.1\r\nhost: a\r\n";
    match section {
        "[line]" => format!(r"{content}\r\nhost: a\r\n\r\n"),
        "[fields]" => format!(r"GET /a HTTP/1.1\r\nhost: a\r\n{content}\r\n\r\n"),
        "[post]" => {
            let (fields, body) = content.split_once('|').unwrap();
            format!(r"{post}{}\r\n\r\n{}", fields.trim(), body.trim())
        }
        "[chunked]" => format!(r"{post}transfer-encoding: chunked\r\n\r\n{content}"),
        "[whole]" => content.to_owned(),
        _ => panic!("no section {section}"),
    }
}

/// Resolves the table's placeholders and escapes.
fn bytes(text: &str) -> Vec<u8> {
    let text = text
        .replace("{GET}", GET)
        .replace("{16K}", &"a".repeat(16 * 1024))
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

/// What is wrong with the answers to `case`, if anything.
async fn judge(case: &Case, client: &mut Client) -> Option<String> {
    let mut found = Vec::new();
    for _ in &case.statuses {
        let Some(answer) = client.answer().await else {
            break;
        };
        found.push(answer.status);
        if answer.status == 200 {
            continue;
        }
        // 413 is the service's own.
        if answer.status != 413 && !answer.body.starts_with("[{\"refused\":") {
            return Some(format!(
                "{}: not the port owner's body: {answer:?}",
                case.name
            ));
        }
        if !(answer.closes() && client.ends().await) {
            return Some(format!("{}: no clean close after {answer:?}", case.name));
        }
    }
    (found != case.statuses)
        .then(|| format!("{}: {found:?} instead of {:?}", case.name, case.statuses))
}

/// Sends each message as `send` does, and compares what comes back.
async fn check(send: impl AsyncFn(&mut Client, &[u8])) {
    let server = Server::start(wide()).await;
    let cases = cases();
    assert!(
        cases.len() >= 80,
        "the table has only {} cases",
        cases.len()
    );
    let mut wrong = Vec::new();
    for case in &cases {
        let mut client = server.connect().await;
        send(&mut client, &case.message).await;
        wrong.extend(judge(case, &mut client).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What was refused has reached nobody.
    let good = cases
        .iter()
        .flat_map(|case| &case.statuses)
        .filter(|status| **status == 200);
    assert_eq!(server.echo.answered(), good.count());
}

#[tokio::test]
async fn every_message_gets_its_verdict() {
    check(async |client, message| client.send(message).await).await;
}

#[tokio::test]
async fn verdicts_are_the_same_byte_by_byte() {
    check(async |client, message| {
        client.0.set_nodelay(true).unwrap();
        for byte in message {
            client.send([*byte]).await;
        }
    })
    .await;
}

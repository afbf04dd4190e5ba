//! The statuses in what a program has said until it closed.

/// All statuses in order; `none` for silence, `other` for what is no HTTP/1.
pub(crate) fn statuses(mut said: &[u8]) -> String {
    let mut found = Vec::new();
    while !said.is_empty() {
        let Some((status, length)) = answer(said) else {
            found.push("other".to_owned());
            break;
        };
        found.push(status);
        said = &said[length.min(said.len())..];
    }
    if found.is_empty() {
        found.push("none".to_owned());
    }
    found.join(" ")
}

/// Status and length of the first answer, whose body ends where its length says or with the connection.
fn answer(said: &[u8]) -> Option<(String, usize)> {
    let end = said.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&said[..end]).to_ascii_lowercase();
    let status = head.strip_prefix("http/1.")?.split(' ').nth(1)?.trim();
    let length = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length:"));
    let body = match length {
        Some(length) => length.trim().parse().ok()?,
        None if status.starts_with('1') => 0,
        None => said.len(),
    };
    Some((status.to_owned(), end.saturating_add(body)))
}

#[test]
fn statuses_are_read_off_until_the_end() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    let both = format!("HTTP/1.1 100 Continue\r\n\r\n{ok}{ok}");
    assert_eq!(statuses(both.as_bytes()), "100 200 200");
    let to_the_end = format!("{ok}HTTP/1.0 400 Bad\r\n\r\n{ok}");
    assert_eq!(statuses(to_the_end.as_bytes()), "200 400");
    assert_eq!(statuses(b"\0\0\x04"), "other");
    assert_eq!(statuses(b""), "none");
}

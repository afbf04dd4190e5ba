//! Just enough of Rust's lexical rules to tell code from comments and literals.

/// The code with every comment and every literal's content blanked; lines stay where they are.
pub(crate) fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment(&chars, at);
        if end > at {
            for char in &chars[at..end] {
                out.push(if *char == '\n' { '\n' } else { ' ' });
            }
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where the literal or comment that begins at `at` ends; `at` if none begins there.
fn literal_or_comment(chars: &[char], at: usize) -> usize {
    let next = |ahead: usize| chars.get(at + ahead).copied().unwrap_or(' ');
    let in_word = at > 0 && is_word(chars[at - 1]);
    match (chars[at], next(1)) {
        ('/', '/') => find(chars, at, |rest| rest[0] == '\n'),
        ('/', '*') => end_of_block_comment(chars, at),
        ('"', _) => end_of_string(chars, at + 1),
        ('r', '"' | '#') if !in_word || chars[at - 1] == 'b' => end_of_raw_string(chars, at),
        ('\'', '\\') => find(chars, at + 3, |rest| rest[0] == '\'') + 1,
        // A lifetime has no second quote.
        ('\'', _) if next(2) == '\'' => at + 3,
        _ => at,
    }
}

fn find(chars: &[char], from: usize, is_end: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len())
        .find(|at| is_end(&chars[*at..]))
        .unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    loop {
        match chars.get(at..at + 2) {
            Some(['/', '*']) => (at, depth) = (at + 2, depth + 1),
            Some(['*', '/']) => (at, depth) = (at + 2, depth - 1),
            Some(_) => at += 1,
            None => return chars.len(),
        }
        if depth == 0 {
            return at;
        }
    }
}

fn end_of_string(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while let Some(char) = chars.get(at) {
        match char {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// A raw string, or `at` for a raw identifier.
fn end_of_raw_string(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..]
        .iter()
        .take_while(|char| **char == '#')
        .count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let end: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let found = find(chars, at + 2 + hashes, |rest| rest.starts_with(&end));
    (found + end.len()).min(chars.len())
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Words, `::`, and every other character that is no blank.
pub(crate) fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for char in code.chars() {
        if is_word(char) {
            match tokens.last_mut() {
                Some(word) if in_word => word.push(char),
                _ => tokens.push(char.to_string()),
            }
            in_word = true;
            continue;
        }
        let follows_colon = !in_word && char == ':' && tokens.last().is_some_and(|t| t == ":");
        if follows_colon {
            tokens.pop();
            tokens.push("::".to_owned());
        } else if !char.is_whitespace() {
            tokens.push(char.to_string());
        }
        in_word = false;
    }
    tokens
}

/// Splits code into what ships and the inline test module, which stands last in a file.
pub(crate) fn split(code: &str) -> (&str, &str) {
    let inline = code.match_indices("#[cfg(test)]").find(|(at, marker)| {
        let after = tokens(&code[at + marker.len()..]);
        after.first().is_some_and(|t| t == "mod") && after.get(2).is_some_and(|t| t == "{")
    });
    inline.map_or((code, ""), |(at, _)| code.split_at(at))
}

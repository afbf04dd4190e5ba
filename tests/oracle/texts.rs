//! Random and damaged texts: base58 values and bodies of sign requests.

use proptest::prelude::*;

use super::digits::{KINDS, Kind, read, write};
use super::{base58, route, sign_body, wire};

fn kinds() -> impl Strategy<Value = Kind> {
    // tz5 keys and signatures are long and cost much time; they have their turn below.
    let short: Vec<_> = KINDS.into_iter().filter(|kind| kind.length < 100).collect();
    prop::sample::select(short)
}

/// A value with its prefix, damaged or not.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 100);
    (kinds(), body, -1..=1_isize, any::<bool>()).prop_map(|(kind, mut body, more, whole)| {
        let len = if whole {
            kind.length
        } else {
            kind.length.saturating_add_signed(more)
        };
        body.truncate(len);
        [kind.prefix, &body].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn texts_of_values_are_read_alike(value in values()) {
        base58::check(&value);
        base58::check(write(&value).as_bytes());
    }

    #[test]
    fn mistyped_texts_are_read_alike(
        value in values(),
        at in any::<prop::sample::Index>(),
        char in "[1-9A-HJ-NP-Za-km-z0OIl ]",
        insert in any::<bool>(),
    ) {
        let mut text = write(&value);
        let at = at.index(text.len());
        text.replace_range(at..at + usize::from(!insert), &char);
        base58::check(text.as_bytes());
    }

    #[test]
    fn any_text_is_read_alike(text in "[1-9A-HJ-NP-Za-km-z]{0,60}|.{0,40}") {
        base58::check(text.as_bytes());
    }

    #[test]
    fn bodies_of_sign_requests_are_read_alike(
        body in "[ \t\r\n]{0,2}\"?([0-9a-fA-F]{2}|\\\\u00[346][0-9a-fA-F]|\\\\[un/\"]|[0-9a-gA-G\"]){0,12}\"?[ \t\n\u{b}\u{feff}]{0,2}"
    ) {
        wire::check(body.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_alike(body in prop::collection::vec(any::<u8>(), 0..80)) {
        wire::check(&body);
        base58::check(&body);
    }

    #[test]
    fn any_request_line_is_read_in_every_spelling(
        line in "(GET|POST|PUT) (/|//|/a/){0,2}(keys|%6beys|known_keys|authorized_keys|bls_prove_possession)?/{0,2}\
                 (tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx|tz1|.{0,10})/?\
                 (\\?(version=[0-4%]{1,2}|&|authentication=[a-z%]{0,3}|x){0,4})?"
    ) {
        route::check(line.as_bytes());
    }
}

#[test]
fn values_of_every_kind_are_read_alike_at_both_ends_of_their_range() {
    for kind in KINDS {
        for fill in [0x00, 0x01, 0x7f, 0xff] {
            base58::check(&vec![fill; kind.length]);
        }
        for length in [kind.length - 1, kind.length + 1] {
            base58::check(&[kind.prefix, &vec![0; length]].concat());
        }
    }
}

/// The second reader is no echo: these texts are published ones.
#[test]
fn the_second_reader_of_base58_knows_published_texts() {
    for (text, name, body) in [
        ("NetXdQprcVkpaWU", "Net", "7a06a770"),
        (
            "tz1KqTpEZ7Yob7QbPE4Hy4Wo8fHG8LhKxZSx",
            "tz1",
            "02298c03ed7d454a101eb7022bc95f7e5f41ac78",
        ),
    ] {
        let (kind, read_body) = read(text).unwrap();
        assert_eq!(
            (kind.name, hex::encode(&read_body)),
            (name, body.to_owned())
        );
        assert_eq!(write(&[kind.prefix, &read_body].concat()), text);
    }
    assert_eq!(read("NetXdQprcVkpaWV"), None);
    assert_eq!(read("1NetXdQprcVkpaWU"), None);
}

#[test]
fn the_second_reader_of_bodies_knows_json() {
    let cases: [(&[u8], Option<&[u8]>); 8] = [
        (b"\"13ed\"", Some(b"\x13\xed")),
        (b" \"\"\n", Some(b"")),
        (b"\"\\u0031\\u0033Ed\"", Some(b"\x13\xed")),
        (b"\"13e\"", None),
        (b"13ed", None),
        (b"\"13\"\"ed\"", None),
        (b"\"", None),
        (b"\"0x13\"", None),
    ];
    for (body, bytes) in cases {
        assert_eq!(sign_body::read(body).as_deref(), bytes, "{body:?}");
    }
}

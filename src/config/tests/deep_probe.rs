//! `signer.deep-probe`.

use std::time::Duration;

use super::{lines_of, read};
use crate::config::from_text;

fn with(deep_probe: &str) -> String {
    format!(
        "[state]\ndirectory = \"/x\"\n[[signer]]\nname = \"a\"\ndeep-probe = {deep_probe}\n\
         [[signer.path]]\nurl = \"http://127.0.0.1:8443\"\n"
    )
}

#[test]
fn it_has_a_period_of_its_own_and_comes_back_from_the_effective_text() {
    let loaded = read(&with("{ path = \"/statusz/{key}?ledger_url=x\" }")).unwrap();
    let deep = loaded.settings.signers[0].deep_probe.clone().unwrap();
    assert_eq!(deep.path, "/statusz/{key}?ledger_url=x");
    assert_eq!(deep.period, Duration::from_secs(15));
    let again = read(&loaded.effective).unwrap();
    assert_eq!(again.settings.signers[0].deep_probe, Some(deep));
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_remedy() {
    for (value, problem) in [
        ("{ period = \"15s\" }", "deep-probe.path: is required"),
        ("{ path = \"statusz\" }", "does not start with a slash"),
        ("{ path = \"/a b\" }", "has characters that do not belong"),
        ("{ path = \"/{ledger}\" }", "braces around another word"),
        ("{ path = \"/x\", period = \"1s\" }", "write 15s to 1h"),
        ("{ path = \"/x\", often = true }", "unknown key"),
        ("\"/x\"", "a table is needed"),
    ] {
        let lines = lines_of(&read(&with(value)));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(problem), "{problem}: {lines:?}");
    }
}

#[test]
fn no_variable_sets_it() {
    let name = "SIGNER_PROXY__SIGNER__DEEP_PROBE".to_owned();
    let text = with("{ path = \"/x\" }");
    let found = from_text("t", &text, std::iter::once((name, "/y".to_owned())));
    assert_eq!(lines_of(&found).len(), 1);
}

//! The verdict over everything that all signers of a test received and signed.

use std::path::PathBuf;

use signer_proxy::dev_signer::log::{Conflict, Summary, check};

use super::signer::Signer;

/// Reads the logs of `signers`.
pub(crate) fn judge(signers: &[&Signer]) -> Result<Summary, Vec<Conflict>> {
    let files: Vec<PathBuf> = signers
        .iter()
        .map(|signer| signer.log().to_owned())
        .collect();
    check(&files)
}

/// Fails on two payloads for one slot, on a line that cannot be read, and on fewer than `signed`
/// signatures, because an empty log proves nothing.
pub(crate) fn assert_clean(signers: &[&Signer], signed: usize) {
    match judge(signers) {
        Ok(summary) => assert!(summary.signed >= signed, "{summary:?}, wanted {signed}"),
        Err(conflicts) => panic!("{conflicts:#?}"),
    }
}

#[cfg(test)]
mod tests {
    use signer_proxy::tezos::Curve;

    use super::super::baker::Baker;
    use super::super::payload::attestation;
    use super::super::scene::Scene;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_checker_reports_two_payloads_for_one_slot_at_two_signers() {
        let scene = Scene::new();
        let a = Signer::start(&scene, "a", &[]).await;
        let b = Signer::start(&scene, "b", &[]).await;
        let key = a.key(Curve::Ed25519);
        for (signer, fill) in [(&a, 1), (&b, 2)] {
            let baker = Baker::new(signer.address(), signer.keys());
            let bytes = attestation(5).bytes(Curve::Ed25519, fill);
            baker.sign(&key, &bytes).await.signature();
        }
        let conflicts = judge(&[&a, &b]).unwrap_err();
        assert!(
            matches!(conflicts[..], [Conflict::TwoPayloads { .. }, ..]),
            "{conflicts:?}"
        );
        assert_clean(&[&a], 1);
        assert_clean(&[&b], 1);
    }
}

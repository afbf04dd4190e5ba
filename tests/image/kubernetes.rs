//! The manifests of config/kubernetes, as far as they can be judged by what they say of the program.

use signer_proxy::settings::{Settings, Store};

use super::{image, text, understood};

fn settings(overlay: &str) -> Settings {
    let file = format!("config/kubernetes/{overlay}/config.toml");
    let loaded = signer_proxy::config::from_text(&file, &text(&file), std::iter::empty());
    loaded.unwrap_or_else(|report| panic!("{report}")).settings
}

fn base() -> String {
    text("config/kubernetes/base/statefulset.yaml")
}

#[test]
fn one_pod_has_a_store_of_its_own_and_several_share_one() {
    assert!(matches!(settings("one").store, Store::Embedded));
    assert!(matches!(settings("several").store, Store::Etcd(_)));
    // Nothing makes two of the pod with the embedded store, in no moment of an update.
    assert!(base().contains("kind: StatefulSet") && base().contains("\n  replicas: 1\n"));
    assert!(base().contains("accessModes: [\"ReadWriteOncePod\"]"));
    assert!(!text("config/kubernetes/one/kustomization.yaml").contains("patches"));
    let several = text("config/kubernetes/several/replicas.yaml");
    assert!(several.contains("\n  replicas: 3\n") && several.contains("podAntiAffinity"));
}

#[test]
fn what_the_pods_run_is_the_program_of_the_image() {
    let arguments = base()
        .lines()
        .find_map(|line| line.trim().strip_prefix("args: ").map(str::to_owned))
        .unwrap();
    let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
    assert!(understood(&arguments), "{arguments:?}");
    let user = image().last("USER");
    for id in user.split(':') {
        assert!(base().contains(&format!(": {id}\n")), "{id}");
    }
    for overlay in ["one", "several"] {
        let settings = settings(overlay);
        let mounts = format!("mountPath: {}\n", settings.state.directory.display());
        assert!(base().contains(&mounts), "{mounts}");
        for (port, name) in [
            (settings.listen.http.port(), "bakers"),
            (settings.admin.listen.unwrap().port(), "admin"),
        ] {
            let port = format!("- name: {name}\n              containerPort: {port}\n");
            assert!(base().contains(&port), "{port}");
        }
    }
}

#[test]
fn nobody_but_bakers_reaches_the_port_that_signs() {
    let policy = text("config/kubernetes/base/network-policy.yaml");
    // An empty selector is every pod of the namespace.
    assert!(!policy.contains("{}"), "{policy}");
    assert!(policy.contains("signer-proxy/baker: \"true\""));
    // One that is added to every selector is demanded of bakers too.
    let base = text("config/kubernetes/base/kustomization.yaml");
    assert!(!base.contains("includeSelectors"));
}

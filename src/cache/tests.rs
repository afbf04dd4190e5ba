//! The verified copy: what bakers are told, and what survives a restart.

mod events;

use proptest::prelude::*;

use crate::fixture::secret;
use crate::settings::{Path as PathSettings, Repeat, Signer as SignerSettings, SignerUrl};
use crate::signer::Roster;
use crate::telemetry::Metrics;
use crate::tezos::{Curve, wire::AuthorizedKeys};

use super::*;

/// The hash of a baker.
fn baker(nth: u8) -> PublicKeyHash {
    secret(Curve::Ed25519, nth).public_key().hash()
}

fn list(bakers: &[u8]) -> AuthorizedKeys {
    AuthorizedKeys::Keys(bakers.iter().copied().map(baker).collect())
}

const NONE: AuthorizedKeys = AuthorizedKeys::NotRequired;

struct Home {
    folder: tempfile::TempDir,
    settings: Settings,
    roster: Roster,
}

impl Home {
    /// A cache of three signers, the first preferred, which learns its keys.
    fn new() -> Self {
        let folder = crate::fixture::folder();
        let names = ["a", "b", "c"];
        let signer = |name: &&str| SignerSettings {
            name: (*name).to_owned(),
            priority: 1,
            capacity: 1,
            repeat: Repeat::Replay,
            shared_watermark: false,
            deep_probe: None,
            auth_key: None,
            paths: vec![PathSettings {
                name: "1".to_owned(),
                url: SignerUrl::Http {
                    host: "127.0.0.1".to_owned(),
                    port: 1,
                },
                prefix: String::new(),
                max_connections: 1,
                tls: crate::settings::PathTls::default(),
            }],
        };
        let signers: Vec<_> = names.iter().map(signer).collect();
        let settings = Settings {
            file: folder.path().join("metadata.json"),
            keys: Vec::new(),
            pinned: Vec::new(),
            signers: names.map(str::to_owned).to_vec(),
            bakers: Vec::new(),
            own: false,
        };
        let roster = Roster::new(&signers, &Tasks::new(), Arc::new(Metrics::new()));
        Self {
            folder,
            settings,
            roster,
        }
    }

    fn load(&self) -> Arc<MetadataCache> {
        Arc::new(MetadataCache::load(self.settings.clone()))
    }

    /// Lets a signer answer `/authorized_keys`.
    fn say(&self, cache: &MetadataCache, name: &str, answer: AuthorizedKeys) {
        let mut signers = self.roster.signers().iter();
        let signer = signers.find(|signer| signer.name() == name).unwrap();
        cache.authorized_keys(signer, answer);
    }

    /// What bakers are told after these answers: the list, and who says so.
    fn told(
        &self,
        answers: &[(&str, AuthorizedKeys)],
    ) -> Option<(Option<Vec<PublicKeyHash>>, String)> {
        let cache = self.load();
        for (name, answer) in answers {
            self.say(&cache, name, answer.clone());
        }
        cache.authorized().map(|told| (told.keys, told.source))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.settings.file).unwrap()
    }

    /// Writes the file anew with `from` replaced by `to`.
    fn tamper(&self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "{text}");
        std::fs::write(&self.settings.file, text.replacen(from, to, 1)).unwrap();
    }
}

#[expect(clippy::unnecessary_wraps, reason = "compared with options")]
fn shown(bakers: &[u8], source: &str) -> Option<(Option<Vec<PublicKeyHash>>, String)> {
    let keys = bakers.iter().copied().map(baker).collect();
    Some((Some(keys), source.to_owned()))
}

/// Writes what the cache holds, as at the end of a run.
async fn save(cache: &Arc<MetadataCache>) {
    let tasks = Tasks::new();
    cache.start(&tasks);
    tasks.begin_shutdown();
    tasks.finished().await;
}

#[test]
fn nothing_is_told_while_no_signer_has_said_anything() {
    assert_eq!(Home::new().told(&[]), None);
}

#[test]
fn without_any_demand_no_authentication_is_wanted() {
    let told = Home::new().told(&[("b", NONE), ("c", NONE)]);
    assert_eq!(told, Some((None, "b".to_owned())));
}

#[test]
fn a_list_beats_no_list_whoever_is_preferred() {
    let home = Home::new();
    assert_eq!(
        home.told(&[("a", NONE), ("b", list(&[1]))]),
        shown(&[1], "b")
    );
    assert_eq!(
        home.told(&[("b", NONE), ("a", list(&[1]))]),
        shown(&[1], "a")
    );
}

#[test]
fn where_lists_disagree_the_preferred_signers_is_shown_and_they_are_not_mixed() {
    let home = Home::new();
    let answers = [("c", list(&[3])), ("b", list(&[2, 1])), ("a", NONE)];
    assert_eq!(home.told(&answers), shown(&[2, 1], "b"));
}

#[test]
fn an_empty_list_is_never_shown() {
    let home = Home::new();
    assert_eq!(home.told(&[("a", list(&[]))]), None);
    assert_eq!(
        home.told(&[("a", list(&[])), ("b", list(&[2]))]),
        shown(&[2], "b")
    );
}

#[test]
fn the_newest_answer_of_a_signer_counts() {
    let home = Home::new();
    let answers = [("a", list(&[1])), ("a", list(&[2])), ("b", list(&[3]))];
    assert_eq!(home.told(&answers), shown(&[2], "a"));
    assert_eq!(
        home.told(&[("a", list(&[1])), ("a", NONE)]),
        Some((None, "a".to_owned()))
    );
}

#[test]
fn of_the_proxys_own_bakers_those_are_shown_that_the_signer_accepts_too() {
    let mut home = Home::new();
    home.settings.bakers = [1, 2].map(baker).to_vec();
    let own = shown(&[1, 2], "configuration");
    assert_eq!(home.told(&[]), own);
    assert_eq!(home.told(&[("a", NONE)]), own);
    assert_eq!(
        home.told(&[("a", list(&[2, 3]))]),
        shown(&[2], "configuration")
    );
    // None in common would be an empty list.
    assert_eq!(home.told(&[("a", list(&[3]))]), own);
}

#[test]
fn a_refusal_for_want_of_authentication_counts_as_a_demand() {
    let home = Home::new();
    let cache = home.load();
    assert_eq!(cache.demanding_signer(), None);
    home.say(&cache, "b", NONE);
    assert_eq!(cache.demanding_signer(), None);
    cache.note_demand("b");
    assert_eq!(cache.demanding_signer(), Some("b".to_owned()));
    // It does not forget a list that is known.
    home.say(&cache, "b", list(&[1]));
    cache.note_demand("b");
    assert_eq!(cache.authorized().unwrap().keys, Some(vec![baker(1)]));
}

#[test]
fn who_waits_is_told_of_news_and_only_of_news() {
    let home = Home::new();
    let cache = home.load();
    let mut news = cache.news();
    home.say(&cache, "a", list(&[1]));
    assert!(news.has_changed().unwrap());
    news.borrow_and_update();
    home.say(&cache, "a", list(&[1]));
    assert!(!news.has_changed().unwrap());
    let key = secret(Curve::P256, 1).public_key().clone();
    cache.learned(key.hash(), key.clone());
    assert!(news.has_changed().unwrap());
    assert_eq!(cache.public_key(key.hash()), Some(key));
}

#[tokio::test]
async fn keys_proofs_and_lists_survive_a_restart() {
    let home = Home::new();
    let cache = home.load();
    let secret = secret(Curve::Bls, 1);
    let key = secret.public_key().clone();
    cache.learned(key.hash(), key.clone());
    cache.keep_proof(key.hash(), None, secret.prove_possession(None));
    home.say(&cache, "a", list(&[1]));
    home.say(&cache, "b", NONE);
    save(&cache).await;
    let again = home.load();
    assert_eq!(again.public_key(key.hash()), Some(key.clone()));
    assert_eq!(
        again.proof(key.hash(), None),
        Some(secret.prove_possession(None))
    );
    let (told, before) = (again.authorized().unwrap(), cache.authorized().unwrap());
    assert_eq!((told.keys, told.source), (before.keys, before.source));
    assert!(again.demands("b").is_some() && again.demands("c").is_none());
    assert_eq!(again.demanding_signer(), Some("a".to_owned()));
}

#[tokio::test]
async fn what_is_no_longer_configured_is_not_served_from_an_old_copy() {
    let mut home = Home::new();
    let cache = home.load();
    let old = secret(Curve::Bls, 1);
    cache.learned(old.public_key().hash(), old.public_key().clone());
    cache.keep_proof(old.public_key().hash(), None, old.prove_possession(None));
    home.say(&cache, "a", list(&[1]));
    save(&cache).await;
    let pinned = secret(Curve::Ed25519, 2).public_key().clone();
    home.settings.keys = vec![pinned.hash()];
    home.settings.pinned = vec![pinned.clone()];
    home.settings.signers = vec!["b".to_owned()];
    let again = home.load();
    assert_eq!(again.known_keys(), [pinned.hash()]);
    assert_eq!(again.served_keys(), [pinned.hash()]);
    assert!(again.is_served(pinned.hash()) && !again.is_served(old.public_key().hash()));
    assert_eq!(again.proof(old.public_key().hash(), None), None);
    assert_eq!(again.authorized(), None);
}

#[tokio::test]
async fn a_copy_that_somebody_else_changed_is_ignored_as_a_whole() {
    let home = Home::new();
    let cache = home.load();
    let (one, two) = (secret(Curve::Bls, 1), secret(Curve::Bls, 2));
    let key = one.public_key().clone();
    cache.learned(key.hash(), key.clone());
    cache.keep_proof(key.hash(), None, one.prove_possession(None));
    home.say(&cache, "a", list(&[1]));
    save(&cache).await;
    let whole = home.text();
    let proof = one.prove_possession(None).encode(Curve::Bls);
    let other_proof = two.prove_possession(None).encode(Curve::Bls);
    let changes = [
        // The key of another under this hash.
        (
            format!("\": \"{key}\""),
            format!("\": \"{}\"", two.public_key()),
        ),
        // A proof that another key made.
        (proof.clone(), other_proof),
        (proof, "nonsense".to_owned()),
        ("\"format\": 1".to_owned(), "\"format\": 2".to_owned()),
        ("{".to_owned(), "[".to_owned()),
    ];
    for (from, to) in changes {
        std::fs::write(&home.settings.file, &whole).unwrap();
        home.tamper(&from, &to);
        let again = home.load();
        assert_eq!(again.known_keys(), [], "{from} -> {to}");
        assert_eq!(again.proof(key.hash(), None), None, "{from} -> {to}");
        assert_eq!(again.authorized(), None, "{from} -> {to}");
    }
}

#[tokio::test]
async fn a_proof_whose_key_is_not_in_the_copy_cannot_be_checked_and_is_not_served() {
    let home = Home::new();
    let cache = home.load();
    let (one, two) = (secret(Curve::Bls, 1), secret(Curve::Bls, 2));
    // As if somebody had put it there: proofs are kept after their keys only.
    cache.keep_proof(one.public_key().hash(), None, two.prove_possession(None));
    save(&cache).await;
    assert_eq!(home.load().proof(one.public_key().hash(), None), None);
}

#[tokio::test]
async fn the_copy_is_readable_by_its_owner_alone_and_nothing_lies_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    save(&home.load()).await;
    let mode = std::fs::metadata(&home.settings.file)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(home.folder.path()).unwrap().count(), 1);
}

#[test]
fn pinned_keys_are_there_from_the_start_and_nothing_displaces_them() {
    let mut home = Home::new();
    let pinned = secret(Curve::P256, 3).public_key().clone();
    home.settings.keys = vec![pinned.hash()];
    home.settings.pinned = vec![pinned.clone()];
    let cache = home.load();
    let other = secret(Curve::P256, 4).public_key().clone();
    cache.learned(pinned.hash(), other);
    assert_eq!(cache.public_key(pinned.hash()), Some(pinned));
}

#[test]
fn requests_for_unknown_keys_do_not_fill_memory() {
    let cache = Home::new().load();
    for nth in 0..1_000_u32 {
        let tagged = [&[0_u8][..], &nth.to_be_bytes(), &[0; 16]].concat();
        cache.want(PublicKeyHash::from_tagged(&tagged).unwrap());
    }
    assert_eq!(cache.keys().len(), LEARNT_KEYS);
}

proptest! {
    #[test]
    fn whatever_signers_say_an_empty_list_is_never_shown(
        answers in prop::collection::vec((0_usize..3, prop::option::of(prop::collection::vec(1_u8..4, 0..3))), 0..8),
        own in prop::collection::vec(1_u8..4, 0..3),
    ) {
        let mut home = Home::new();
        home.settings.bakers = own.iter().copied().map(baker).collect();
        let cache = home.load();
        for (signer, answer) in answers {
            let answer = answer.map_or(NONE, |bakers| list(&bakers));
            home.say(&cache, ["a", "b", "c"][signer], answer);
        }
        if let Some(told) = cache.authorized() {
            prop_assert_ne!(&told.keys, &Some(Vec::new()));
            // With bakers of our own nobody else is ever shown.
            if !own.is_empty() {
                prop_assert!(told.keys.unwrap().iter().all(|key| home.settings.bakers.contains(key)));
            }
        }
    }
}

//! Members that answer what they are told to.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::settings::{PathTls, SignerUrl};

use super::*;

const DONE: &str = r#"{"header":{"cluster_id":"1","revision":"5"},"succeeded":true}"#;

/// A member that gives each request the same answer.
async fn member(status: u16, body: String, serving: &mut JoinSet<()>) -> SignerUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            // To the end of its body, an object: what is not read when it closes would take the answer with it.
            while !(request.windows(4).any(|four| four == b"\r\n\r\n") && request.ends_with(b"}")) {
                if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
                    break;
                }
            }
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    SignerUrl::Http {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

/// What comes of a transaction at members that answer so, asked in this order.
async fn outcome_of(answers: &[(u16, &str)]) -> Result<Outcome, CallError> {
    let mut serving = JoinSet::new();
    let mut endpoints = Vec::new();
    for (status, words) in answers {
        let body = match status {
            200 => DONE.to_owned(),
            _ => json!({"error": words, "message": words}).to_string(),
        };
        endpoints.push(member(*status, body, &mut serving).await);
    }
    let gateway = gateway(endpoints, Duration::from_secs(30));
    gateway.transact(&Txn::default()).await
}

#[tokio::test]
async fn what_may_have_been_done_is_no_refusal_and_the_next_member_is_asked() {
    for (status, words) in [
        (408, "context canceled"),
        (409, "etcdserver: anything"),
        (412, "etcdserver: leader changed"),
        (429, "etcdserver: mvcc: database space exceeded"),
        (403, "etcdserver: mvcc: database space exceeded"),
        (429, "etcdserver: too many requests"),
        (400, "what no version that is known says"),
        (503, "etcdserver: request timed out"),
    ] {
        let alone = outcome_of(&[(status, words)]).await;
        assert!(
            matches!(alone, Err(CallError::Unknown(_))),
            "{words}: {alone:?}"
        );
        let next = outcome_of(&[(status, words), (200, "")]).await;
        assert!(next.is_ok(), "{words}: {next:?}");
    }
}

#[tokio::test]
async fn what_is_refused_before_it_is_done_is_refused_unless_another_may_have_done_it() {
    let refused = (400, "etcdserver: too many operations in txn request");
    let once = outcome_of(&[refused, (200, "")]).await;
    assert!(matches!(once, Err(CallError::Refused(_))), "{once:?}");
    let after = outcome_of(&[(408, "context canceled"), refused]).await;
    assert!(matches!(after, Err(CallError::Unknown(_))), "{after:?}");
}

#[test]
fn an_old_token_is_replaced() {
    for words in [
        "etcdserver: invalid auth token",
        "etcdserver: revision of auth store is old",
    ] {
        assert!(is_about_tokens(words), "{words}");
    }
    assert!(!is_about_tokens("etcdserver: permission denied"));
}

/// A member that takes every request and never says anything.
async fn silent(serving: &mut JoinSet<()>) -> SignerUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    serving.spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    SignerUrl::Http {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

fn gateway(endpoints: Vec<SignerUrl>, limit: Duration) -> Gateway {
    let settings = EtcdSettings {
        endpoints,
        prefix: "/p".to_owned(),
        tls: PathTls::default(),
        user: None,
        password_file: None,
        timeout: limit,
    };
    Gateway::new(&settings, None, &Tasks::new())
}

#[tokio::test]
async fn a_member_that_is_silent_is_not_waited_for_alone_and_not_asked_first_again() {
    let mut serving = JoinSet::new();
    let endpoints = vec![
        silent(&mut serving).await,
        member(200, DONE.to_owned(), &mut serving).await,
    ];
    // Far longer than this test may take.
    let gateway = gateway(endpoints, Duration::from_mins(10));
    gateway.transact(&Txn::default()).await.unwrap();
    assert_eq!(gateway.0.preferred.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_one_refuses_while_another_was_asked_is_not_known() {
    let mut serving = JoinSet::new();
    let refused = json!({"error": "etcdserver: permission denied"}).to_string();
    let endpoints = vec![
        silent(&mut serving).await,
        member(403, refused, &mut serving).await,
    ];
    let gateway = gateway(endpoints, Duration::from_secs(1));
    let outcome = gateway.transact(&Txn::default()).await;
    let Err(CallError::Unknown(words)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        words.contains("refuses") && words.contains("does not answer"),
        "{words}"
    );
}

#[tokio::test]
async fn a_new_leader_is_told_once_and_its_member_is_asked_first() {
    let mut serving = JoinSet::new();
    let status = |leader: &str, term: u64| {
        json!({"header": {"raft_term": term.to_string()}, "leader": leader}).to_string()
    };
    let endpoints = vec![
        silent(&mut serving).await,
        member(200, status("0", 9), &mut serving).await,
        member(200, status("81", 8), &mut serving).await,
    ];
    let gateway = gateway(endpoints, Duration::from_secs(1));
    let mut leaders = gateway.leaders();
    gateway.look_for_leader().await;
    assert!(leaders.has_changed().unwrap());
    leaders.mark_unchanged();
    assert_eq!(gateway.0.preferred.load(Ordering::Relaxed), 2);
    gateway.look_for_leader().await;
    assert!(!leaders.has_changed().unwrap());
    // One that was out of reach, and a later one than was heard of last, are news again.
    gateway.0.reach.store(LOST, Ordering::Relaxed);
    gateway.look_for_leader().await;
    assert!(leaders.has_changed().unwrap());
    leaders.mark_unchanged();
    gateway.0.term.store(7, Ordering::Relaxed);
    gateway.look_for_leader().await;
    assert!(leaders.has_changed().unwrap());
}

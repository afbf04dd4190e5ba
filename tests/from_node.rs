//! `watermark init --from-node`: only a node of the right chain, in sync and with a fresh head counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is to be loud"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use signer_proxy::node::watch_head;
use signer_proxy::settings::Node as Settings;
use signer_proxy::task::Tasks;
use signer_proxy::tezos::ChainId;

const KEY: &str = "tz1VSUr8wwNhLAzempoch5d6hLRiTh8Cjcjb";

/// What a node says.
#[derive(Clone)]
struct Node {
    chain: String,
    sync_state: &'static str,
    head_age_seconds: i64,
}

impl Node {
    fn well() -> Self {
        Self {
            chain: ChainId::MAINNET.to_string(),
            sync_state: "synced",
            head_age_seconds: 2,
        }
    }

    fn answer(&self, path: &str) -> String {
        match path {
            "/chains/main/chain_id" => format!("{:?}", self.chain),
            "/chains/main/is_bootstrapped" => {
                format!(
                    r#"{{"bootstrapped":true,"sync_state":"{}"}}"#,
                    self.sync_state
                )
            }
            "/chains/main/blocks/head/header" => {
                let age = SignedDuration::from_secs(self.head_age_seconds);
                let at = Timestamp::now().checked_sub(age).unwrap();
                format!(r#"{{"protocol":"Ps","level":5000000,"timestamp":"{at}","proto":25}}"#)
            }
            other => panic!("unexpected question {other}"),
        }
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        let mut byte = [0; 1];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let Some(path) = head.split(' ').nth(1) else {
            return;
        };
        let body = self.answer(path);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: \
             close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    }

    /// Answers until the test process ends.
    fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                self.serve(stream.unwrap());
            }
        });
        url
    }
}

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_signer-proxy");
    Command::new(program).args(arguments).output().unwrap()
}

fn init(node: Node) -> (Output, String) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = folder.path().join("config.toml");
    let text = format!(
        "[state]\ndirectory = \"{}\"\n[[key]]\nhash = \"{KEY}\"\n[[signer]]\nname = \"a\"\n[[signer.path]]\n\
         url = \"http://127.0.0.1:1\"\n",
        folder.path().join("state").display()
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let url = node.start();
    let output = run(&[
        "watermark",
        "init",
        "--config",
        config,
        "--key",
        KEY,
        "--from-node",
        &url,
    ]);
    let shown = run(&["watermark", "show", "--config", config]);
    (output, String::from_utf8_lossy(&shown.stdout).into_owned())
}

fn refused(node: Node, reason: &str) {
    let (output, shown) = init(node);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(reason), "{reason:?} is missing in {said}");
    assert!(!shown.contains("level"), "a watermark was set: {shown}");
}

#[test]
fn the_floor_is_ten_above_the_head() {
    let (output, shown) = init(Node::well());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        shown.matches("level 5000010 all rounds").count(),
        5,
        "{shown}"
    );
}

#[test]
fn a_node_of_another_chain_is_refused() {
    let node = Node {
        chain: "NetXxkAx4woPLyu".to_owned(),
        ..Node::well()
    };
    refused(node, "is on chain NetXxkAx4woPLyu, not on NetXdQprcVkpaWU");
}

#[test]
fn a_node_that_is_not_in_sync_is_refused() {
    refused(
        Node {
            sync_state: "stuck",
            ..Node::well()
        },
        "is not in sync (state \"stuck\")",
    );
}

#[test]
fn a_head_older_than_two_block_times_is_refused() {
    refused(
        Node {
            head_age_seconds: 15,
            ..Node::well()
        },
        "more than two block times (12s)",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_head_is_told_with_the_chain_it_is_on() {
    let chain = "NetXxkAx4woPLyu";
    let node = Node {
        chain: chain.to_owned(),
        ..Node::well()
    };
    let url = signer_proxy::config::http_url(&node.start()).unwrap();
    let (head, mut told) = tokio::sync::watch::channel(None);
    let tasks = Tasks::new();
    watch_head(&Settings { url }, &tasks, head);
    let (of, level) = told.wait_for(Option::is_some).await.unwrap().unwrap();
    assert_eq!((of.to_string().as_str(), level.get()), (chain, 5_000_000));
    tasks.begin_shutdown();
}

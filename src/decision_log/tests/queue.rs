//! The queue when the writer is slow and when somebody asks for nonsense without end.

use tokio::time::{Instant, advance};

use super::super::queue::{CAPACITY, COUNTED, LISTED, OVERFLOW, WINDOW};
use super::*;

fn queue() -> (Queue, Metrics) {
    let metrics = Metrics::new();
    (Queue::new(metrics.decision_log_dropped.clone()), metrics)
}

fn taken(queue: &Queue) -> Vec<Entry> {
    queue.take(Some(Instant::now()), true).entries.into()
}

#[test]
fn what_a_full_queue_cannot_take_is_a_gap_in_its_very_place() {
    let (queue, metrics) = queue();
    let capacity = u32::try_from(CAPACITY).unwrap();
    for level in 0..capacity + 7 {
        queue.push(entry(level));
    }
    let first = taken(&queue);
    queue.push(entry(capacity + 7));
    let second = taken(&queue);
    assert_eq!(levels(&first), (0..capacity).collect::<Vec<_>>());
    let gap = first.last().unwrap();
    assert_eq!((gap.event, gap.count), (Event::Gap, Some(7)));
    assert_eq!(gap.reason.as_deref(), Some(OVERFLOW));
    assert_eq!(first.len(), CAPACITY + 1);
    assert_eq!(levels(&second), [capacity + 7]);
    assert_eq!(metrics.decision_log_dropped.get(), 7);
}

#[test]
fn entries_stay_while_the_writer_wants_none() {
    let (queue, _) = queue();
    queue.push(entry(1));
    assert_eq!(queue.take(Some(Instant::now()), false).entries.len(), 0);
    assert_eq!(levels(&taken(&queue)), [1]);
    queue.push(entry(2));
    queue.close();
    let last = queue.take(None, false);
    assert_eq!((last.entries.len(), last.closing), (1, true));
}

#[tokio::test(start_paused = true)]
async fn of_refusals_that_anybody_can_cause_some_are_listed_and_the_others_counted() {
    let (queue, _) = queue();
    for level in 0..100 {
        queue.push_limited("policy", entry(level));
        queue.push_limited("auth", entry(level));
    }
    queue.push(entry(1_000));
    let listed = taken(&queue);
    assert_eq!(listed.len() as u64, 2 * LISTED + 1);
    assert_eq!(
        listed.last().unwrap().level,
        Some(1_000),
        "claims are never limited"
    );

    advance(WINDOW).await;
    let counted = taken(&queue);
    let told: Vec<_> = counted
        .iter()
        .map(|entry| (entry.event, entry.code.as_deref().unwrap(), entry.count))
        .collect();
    let rest = Some(100 - LISTED);
    assert_eq!(
        told,
        [(Event::Gap, "auth", rest), (Event::Gap, "policy", rest)]
    );
    assert_eq!(counted[0].reason.as_deref(), Some(COUNTED));

    // And the next window lists again.
    queue.push_limited("policy", entry(7));
    assert_eq!(levels(&taken(&queue)), [7]);
}

#[tokio::test(start_paused = true)]
async fn a_count_is_said_when_its_window_ends_whoever_looks_first() {
    let (queue, _) = queue();
    queue.count("malformed");
    queue.count("malformed");
    assert_eq!(taken(&queue), []);
    advance(WINDOW).await;
    queue.push_limited("malformed", entry(3));
    let entries = taken(&queue);
    assert_eq!(events(&entries), [Event::Gap, Event::Claimed]);
    assert_eq!(entries[0].count, Some(2));
    // At the end of the process nobody waits for the end of a window.
    queue.count("malformed");
    queue.close();
    let last = queue.take(None, true);
    assert_eq!(last.entries[0].count, Some(1));
}

#[test]
fn a_count_wakes_a_writer_that_sleeps_without_end() {
    let (queue, _) = queue();
    let queue = Arc::new(queue);
    let writer = {
        let queue = Arc::clone(&queue);
        std::thread::spawn(move || queue.take(None, true))
    };
    queue.count("malformed");
    queue.push(entry(1));
    assert_eq!(levels(&Vec::from(writer.join().unwrap().entries)), [1]);
}

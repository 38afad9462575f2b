//! Keys alone, with answers that are nothing but their length.

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const PRINT: Fingerprint = [7; 32];

fn keys(keys_max: usize, bytes_max: usize, ttl: Duration) -> Arc<Keys> {
    Keys::new(KeyBounds { keys_max, bytes_max, ttl })
}

fn answer(bytes: usize) -> Answer {
    Answer { status: 200, headers: Vec::new(), body: Bytes::from(vec![b'1'; bytes]) }
}

fn claim(keys: &Arc<Keys>, key: &str) -> ClaimGuard {
    let Claim::First(claim, _) = keys.begin(key, PRINT) else { panic!("{key} is new") };
    claim
}

fn stored_bytes(keys: &Arc<Keys>, key: &str) -> Option<usize> {
    let Claim::Answered(stored) = keys.begin(key, PRINT) else { panic!("{key} was answered") };
    match stored {
        StoredAnswer::Answer(answer) => Some(answer.body.len()),
        StoredAnswer::Expired => None,
        StoredAnswer::Lost => panic!("{key} is lost"),
    }
}

#[tokio::test]
async fn the_second_waits_for_the_first_and_another_request_is_told() {
    let keys = keys(10, 1 << 20, DAY);
    let first = claim(&keys, "k");
    assert!(matches!(keys.begin("k", [8; 32]), Claim::Mismatch));
    let Claim::Running(pending) = keys.begin("k", PRINT) else { panic!("it runs") };
    let (_, stored) = tokio::join!(async { first.settle(answer(3), Some(DAY)) }, pending.answer());
    assert!(matches!(stored, StoredAnswer::Answer(answer) if answer.body.len() == 3));
    assert_eq!(stored_bytes(&keys, "k"), Some(3));
    assert!(matches!(keys.begin("k", [8; 32]), Claim::Mismatch), "answered or not");
}

#[tokio::test]
async fn what_ran_nothing_leaves_the_key_free() {
    let keys = keys(10, 1 << 20, DAY);
    let first = claim(&keys, "k");
    let Claim::Running(pending) = keys.begin("k", PRINT) else { panic!("it runs") };
    first.settle(answer(3), None);
    assert!(matches!(pending.answer().await, StoredAnswer::Answer(_)), "who waited is told the same");
    assert!(matches!(keys.begin("k", [8; 32]), Claim::First(..)));
}

#[tokio::test]
async fn a_lost_answer_is_never_run_again() {
    let keys = keys(10, 1 << 20, DAY);
    let first = claim(&keys, "k");
    let Claim::Running(pending) = keys.begin("k", PRINT) else { panic!("it runs") };
    drop(first);
    assert!(matches!(pending.answer().await, StoredAnswer::Lost));
    assert!(matches!(keys.begin("k", PRINT), Claim::Answered(StoredAnswer::Lost)));
}

#[test]
fn of_several_threads_one_is_the_first() {
    let keys = keys(1_000, 1 << 20, DAY);
    let (begin, firsts) = (std::sync::Barrier::new(4), std::sync::atomic::AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                begin.wait();
                for number in 0..500 {
                    match keys.begin(&number.to_string(), PRINT) {
                        Claim::First(claim, _) => {
                            firsts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            claim.settle(answer(5_000), Some(DAY));
                        }
                        Claim::Running(_) | Claim::Answered(_) => {}
                        other @ (Claim::Mismatch | Claim::Full(_)) => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    assert_eq!(firsts.into_inner(), 500);
    let tables = keys.tables.lock();
    let answer_bytes = |entry: &Entry| match &entry.state {
        State::Settled(StoredAnswer::Answer(answer)) => answer.bytes(),
        State::Settled(StoredAnswer::Expired | StoredAnswer::Lost) | State::Running(_) | State::Job(_) => 0,
    };
    let kept = tables.entries.values().map(answer_bytes).sum::<usize>();
    let key_bytes = tables.entries.keys().map(|key| key_bytes(key)).sum::<usize>();
    assert_eq!((tables.answers.bytes(), tables.key_bytes), (kept, key_bytes));
    assert_eq!(tables.settled.len(), 500);
}

#[test]
fn a_full_table_takes_no_more_and_forgets_nothing() {
    let keys = keys(2, 1 << 20, DAY);
    claim(&keys, "a").settle(answer(1), Some(DAY));
    let running = claim(&keys, "b");
    assert!(matches!(keys.begin("c", PRINT), Claim::Full(KeysFull::Keys(_))));
    assert_eq!(stored_bytes(&keys, "a"), Some(1));
    running.settle(answer(1), None);
    claim(&keys, "c").settle(answer(1), Some(DAY));
}

#[test]
fn large_answers_go_first_and_small_ones_never() {
    let keys = keys(100, 25_000, DAY);
    claim(&keys, "small").settle(answer(100), Some(DAY));
    claim(&keys, "old").settle(answer(9_000), Some(DAY));
    claim(&keys, "new").settle(answer(9_000), Some(DAY));
    claim(&keys, "newest").settle(answer(9_000), Some(DAY));
    let kept = ["small", "old", "new", "newest"].map(|key| stored_bytes(&keys, key));
    assert_eq!(kept, [Some(100), None, Some(9_000), Some(9_000)]);
    for number in 0..5 {
        claim(&keys, &number.to_string()).settle(answer(4_000), Some(DAY));
    }
    assert!(
        matches!(keys.begin("more", PRINT), Claim::Full(KeysFull::Bytes(_))),
        "small ones fill it for good"
    );
    assert_eq!(stored_bytes(&keys, "newest"), None);
    assert_eq!(stored_bytes(&keys, "small"), Some(100));
}

#[test]
fn a_key_outlives_its_answer_and_ends_with_its_time() {
    let keys = keys(10, 1 << 20, Duration::from_secs(1));
    claim(&keys, "k").settle(answer(10), Some(Duration::ZERO));
    assert_eq!(stored_bytes(&keys, "k"), None);
    std::thread::sleep(Duration::from_millis(1_100));
    keys.expire();
    let tables = keys.tables.lock();
    assert_eq!((tables.bytes(), tables.settled.len(), tables.answers.len()), (0, 0, 0));
    drop(tables);
    assert!(matches!(keys.begin("k", [8; 32]), Claim::First(..)));
}

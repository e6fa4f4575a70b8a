//! The original ElkMQ as a process of its own, for the tests: `elk-mq-interop COMMAND URL QUEUE …`.
//! Writes one JSON value a line.

use elk_mq::{EventQueue, EventQueueError, ServiceEvent};
use serde_json::{json, Value};
use std::env;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The test has closed the standard input: what is in hand is finished, and nothing more is taken.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// 100 KiB, which every two hundredth message carries.
const LONG: &str = "0123456789abcdef";
const LONG_TIMES: usize = 6400;

const ACTION_OF_EVENTS: &str = "note";
const ACTION_OF_REQUESTS: &str = "ask";

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["produce", url, queue, first, count, timeout] => {
            produce(url, queue, number(first), number(count), number(timeout) as u16)
        }
        ["request", url, queue, first, count, timeout] => {
            request(url, queue, number(first), number(count), number(timeout) as u16)
        }
        ["consume", url, queue, patience] => {
            take(url, queue, number(patience), |_, _| Ok(()))
        }
        ["serve", url, queue, patience] => take(url, queue, number(patience), echo),
        _ => panic!("no such command: {:?}", args),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number was expected")
}

/// Enqueues `count` events. Every second payload is no JSON, and some events have none.
fn produce(url: &str, queue: &str, first: u64, count: u64, timeout: u16) {
    let mut queue = EventQueue::new(queue, url);
    for id in first..first + count {
        let payload = if id % 50 == 49 { None } else { Some(payload(id, id % 2 == 0)) };
        let event = ServiceEvent::new(timeout, ACTION_OF_EVENTS, payload);
        queue.enqueue(&event).expect("the event is stored");
    }
    println!("{}", json!({ "produced": count }));
}

/// Sends `count` requests, one after the other, and compares the payload of each answer with its own.
fn request(url: &str, queue: &str, first: u64, count: u64, timeout: u16) {
    let mut queue = EventQueue::new(queue, url);
    let mut problems: Vec<String> = vec![];
    let mut answered = 0;
    for id in first..first + count {
        let request = ServiceEvent::new(timeout, ACTION_OF_REQUESTS, Some(payload(id, true)));
        match queue.await_response(&request) {
            Ok(answer) if is_same(answer.event().payload(), request.payload()) => answered += 1,
            Ok(answer) => problems.push(format!("{} was answered with {:?}", id, answer.event().payload())),
            Err(error) => problems.push(format!("{}: {:?}", id, error)),
        }
    }
    println!("{}", json!({ "answered": answered, "problems": problems }));
}

/// Takes events until none has come for `patience` seconds or it is stopped, does `work` with each, and prints them.
fn take(
    url: &str,
    queue: &str,
    patience: u64,
    work: fn(&mut EventQueue, &ServiceEvent) -> Result<(), EventQueueError>,
) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        STOPPED.store(true, Ordering::SeqCst);
    });
    let mut queue = EventQueue::new(queue, url);
    let mut idle_since = Instant::now();
    while !STOPPED.load(Ordering::SeqCst) {
        match queue.dequeue_blocking(1) {
            Ok(taken) => {
                idle_since = Instant::now();
                let event = taken.event();
                let problem = work(&mut queue, event).err().map(|error| format!("{:?}", error));
                println!(
                    "{}",
                    json!({
                        "timestamp": taken.timestamp(),
                        "uuid": event.uuid().to_string(),
                        "timeout": event.timeout(),
                        "action": event.action(),
                        "payload": event.payload(),
                        "problem": problem,
                    })
                );
            }
            Err(EventQueueError::EmptyQueue) if idle_since.elapsed() >= Duration::from_secs(patience) => return,
            Err(EventQueueError::EmptyQueue) => {}
            Err(error) => println!("{}", json!({ "problem": format!("{:?}", error) })),
        }
    }
}

fn echo(queue: &mut EventQueue, request: &ServiceEvent) -> Result<(), EventQueueError> {
    if request.action() != ACTION_OF_REQUESTS {
        return Ok(());
    }
    let response = ServiceEvent::new_response(request, ACTION_OF_REQUESTS, request.payload());
    queue.enqueue_response(&response)
}

/// What is hard to carry as it is.
fn texts() -> &'static [String] {
    static TEXTS: OnceLock<Vec<String>> = OnceLock::new();
    TEXTS.get_or_init(|| serde_json::from_str(include_str!("../../texts.json")).expect("texts in JSON"))
}

fn payload(id: u64, is_json: bool) -> String {
    let long = LONG.repeat(LONG_TIMES);
    let texts = texts();
    let text = if id % 200 == 7 { &long } else { &texts[id as usize % texts.len()] };
    if is_json {
        json!({ "id": id, "text": text }).to_string()
    } else {
        // Not only digits: those would be JSON.
        format!("#{} {}", id, text)
    }
}

/// The same JSON, however it is written.
fn is_same(one: Option<String>, other: Option<String>) -> bool {
    let value = |payload: Option<String>| payload.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let one = value(one);
    one.is_some() && one == value(other)
}

//! Client and worker of the original ElkMQ: `elk-mq-bench ROLE URL ECHO EVENT PAYLOAD`. A line of JSON on the standard
//! input is a command, a line on the standard output its answer. The end of the input ends the process.

use elk_mq::{EventQueue, EventQueueError, ServiceEvent};
use serde_json::{json, Value};
use std::env;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const QUEUE: &str = "bench";
const TIMEOUT_S: u16 = 60;
const BLOCK_S: u16 = 1;

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.as_slice() {
        [role, url, echo, _, _] if role == "worker" => work(url, echo),
        [role, url, echo, event, payload] if role == "client" => send(url, echo, event, payload),
        _ => panic!("no such command: {:?}", args),
    }
}

/// One thread, since a queue of the original is used by one.
fn work(url: &str, echo: &str) {
    let (events, at, stopped) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counted, last, stop) = (events.clone(), at.clone(), stopped.clone());
    let (url, echo) = (url.to_string(), echo.to_string());
    let worker = thread::spawn(move || {
        let mut queue = EventQueue::new(QUEUE, &url);
        while !stop.load(Ordering::SeqCst) {
            match queue.dequeue_blocking(BLOCK_S) {
                Ok(taken) => {
                    let message = taken.event();
                    if message.action() == echo {
                        let reply = ServiceEvent::new_response(message, &echo, message.payload());
                        queue.enqueue_response(&reply).expect("the reply is stored");
                    } else {
                        last.store(now_us(), Ordering::SeqCst);
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                }
                Err(EventQueueError::EmptyQueue) => {}
                Err(error) => panic!("{:?}", error),
            }
        }
    });
    answer_each(
        |_| json!({ "events": events.load(Ordering::SeqCst), "at": at.load(Ordering::SeqCst) as f64 / 1e3 }),
    );
    stopped.store(true, Ordering::SeqCst);
    worker.join().expect("the worker ends");
}

/// A thread with a connection of its own for each message in flight.
fn send(url: &str, echo: &str, event: &str, payload: &str) {
    answer_each(|load| {
        let (lead_in, measure) = (millis(&load["leadInMs"]), millis(&load["measureMs"]));
        let is_emitting = load["isEmitting"] == true;
        let started_at = now_us() as f64 / 1e3;
        let begin = Instant::now() + lead_in;
        let end = begin + measure;
        let places: Vec<_> = (0..load["inFlight"].as_u64().unwrap_or(1))
            .map(|_| {
                let (url, payload) = (url.to_string(), payload.to_string());
                let action = if is_emitting { event } else { echo }.to_string();
                thread::spawn(move || keep_busy(&url, &action, &payload, is_emitting, begin, end))
            })
            .collect();
        let (mut total, mut latencies) = (0, vec![]);
        for place in places {
            let (sent, measured) = place.join().expect("a place ends");
            total += sent;
            latencies.extend(measured);
        }
        latencies.sort_by(f64::total_cmp);
        let percentile = |part: f64| {
            latencies
                .get((latencies.len() as f64 * part) as usize)
                .copied()
                .unwrap_or(0.0)
        };
        json!({
            "total": total,
            "startedAt": started_at,
            "requestsPerSecond": latencies.len() as f64 / measure.as_secs_f64(),
            "p50Ms": percentile(0.5),
            "p99Ms": percentile(0.99),
            "p999Ms": percentile(0.999),
        })
    });
}

/// Returns how many were sent, and the times in ms of those that were answered between `begin` and `end`.
fn keep_busy(
    url: &str,
    action: &str,
    payload: &str,
    is_emitting: bool,
    begin: Instant,
    end: Instant,
) -> (u64, Vec<f64>) {
    let mut queue = EventQueue::new(QUEUE, url);
    let (mut sent, mut latencies) = (0, vec![]);
    while Instant::now() < end {
        let sent_at = Instant::now();
        let message = ServiceEvent::new(TIMEOUT_S, action, Some(payload.to_string()));
        if is_emitting {
            queue.enqueue(&message).expect("the event is stored");
        } else {
            queue
                .await_response(&message)
                .expect("the request is answered");
        }
        sent += 1;
        let now = Instant::now();
        if now >= begin && now < end {
            latencies.push((now - sent_at).as_secs_f64() * 1e3);
        }
    }
    (sent, latencies)
}

fn answer_each(mut answer: impl FnMut(Value) -> Value) {
    println!("{}", json!("ready"));
    for line in std::io::stdin().lock().lines() {
        let command =
            serde_json::from_str(&line.expect("a line is read")).expect("a command in JSON");
        println!("{}", answer(command));
    }
}

fn millis(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap_or(0))
}

fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time after 1970")
        .as_micros() as u64
}

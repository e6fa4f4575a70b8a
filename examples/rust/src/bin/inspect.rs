//! Asks the demo's workers, in whatever language, about packages: `cargo run --bin inspect -- node_modules/rxjs …`

use elk_mq::{EventQueue, ServiceEvent};
use serde_json::json;
use std::env;

const TIMEOUT_SECONDS: u16 = 10;

fn main() {
    let url = env::var("REDIS_URL").unwrap_or("redis://127.0.0.1:6379".to_string());
    let mut packages = EventQueue::new("packages", &url);
    for path in env::args().skip(1) {
        let payload = json!({ "path": path }).to_string();
        let request = ServiceEvent::new(TIMEOUT_SECONDS, "package.inspect", Some(payload));
        match packages.await_response(&request) {
            Ok(response) => println!("{}", response.event().payload().unwrap_or_default()),
            Err(error) => eprintln!("{}: {:?}", path, error),
        }
    }
}

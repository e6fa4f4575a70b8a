//! A worker of the demo beside the Nest ones, for packages of the folder it is started in. The two apps must know that it
//! is there: start them with LEGACY_CONSUMERS=1.

use elk_mq::{EventQueue, EventQueueError, ServiceEvent};
use serde_json::{json, Value};
use std::path::Path;
use std::{env, fs};

const PATIENCE_SECONDS: u16 = 5;

fn main() {
    let url = env::var("REDIS_URL").unwrap_or("redis://127.0.0.1:6379".to_string());
    let mut packages = EventQueue::new("packages", &url);
    loop {
        let taken = match packages.dequeue_blocking(PATIENCE_SECONDS) {
            Ok(taken) => taken,
            Err(EventQueueError::EmptyQueue) => continue,
            Err(error) => {
                eprintln!("{:?}", error);
                std::thread::sleep(std::time::Duration::from_secs(1));
                continue;
            }
        };
        let request = taken.event();
        let found = inspect(&request.payload().unwrap_or_default());
        println!("{}", found);
        let response = ServiceEvent::new_response(request, request.action(), Some(found.to_string()));
        if let Err(error) = packages.enqueue_response(&response) {
            eprintln!("{:?}", error);
        }
    }
}

/// What the demo calls a finding; or, as the original knows no errors, an answer that says what went wrong.
fn inspect(payload: &str) -> Value {
    let asked: Value = serde_json::from_str(payload).unwrap_or_default();
    let path = asked["path"].as_str().unwrap_or_default();
    if !path.starts_with("node_modules/") || path.contains("..") {
        return json!({ "status": "error", "code": "NOT_A_PACKAGE", "message": "not a folder within node_modules" });
    }
    let manifest = fs::read_to_string(Path::new(path).join("package.json")).unwrap_or_default();
    let manifest: Value = serde_json::from_str(&manifest).unwrap_or_default();
    let (files, bytes) = size_of(Path::new(path));
    json!({
        "path": path,
        "name": manifest["name"],
        "version": manifest["version"],
        "licence": manifest["license"],
        "licenceFile": null,
        "files": files,
        "bytes": bytes,
        "worker": format!("rust-{}", std::process::id()),
    })
}

fn size_of(folder: &Path) -> (u64, u64) {
    let mut total = (0, 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (files, bytes) = match entry.file_type() {
            Ok(kind) if kind.is_dir() => size_of(&entry.path()),
            Ok(kind) if kind.is_file() => (1, entry.metadata().map_or(0, |data| data.len())),
            _ => (0, 0),
        };
        total = (total.0 + files, total.1 + bytes);
    }
    total
}

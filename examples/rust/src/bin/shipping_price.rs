use elk_mq::{EventQueue, ServiceEvent};

fn main() {
    let url = std::env::var("REDIS_URL").unwrap_or("redis://127.0.0.1:6379".to_string());
    let mut shipping = EventQueue::new("shipping", &url);
    loop {
        let Ok(taken) = shipping.dequeue_blocking(5) else { continue };
        let event = taken.event();
        println!("{} {:?}", event.action(), event.payload());
        if event.action() == "shipping.price" {
            let response = ServiceEvent::new_response(event, "shipping.price", Some("12.5".to_string()));
            shipping.enqueue_response(&response).expect("the response is stored");
        }
    }
}

use elk_mq::{EventQueue, ServiceEvent};

fn main() {
    let url = std::env::var("REDIS_URL").unwrap_or("redis://127.0.0.1:6379".to_string());
    let mut orders = EventQueue::new("orders", &url);
    let request = ServiceEvent::new(60, "order.total", Some("[20, 15]".to_string()));
    match orders.await_response(&request) {
        Ok(response) => println!("{:?}", response.event().payload()), // Some("35")
        Err(error) => eprintln!("{:?}", error),
    }
}

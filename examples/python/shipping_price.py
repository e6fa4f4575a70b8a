import os
from elk_mq import EventQueue, ServiceEvent

shipping = EventQueue("shipping", os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
while True:
    try:
        timestamp, event = shipping.dequeue_blocking(5)
    except RuntimeError:  # EmptyQueue: nothing has come in 5 seconds
        continue
    print(event.action(), event.payload(), flush=True)
    if event.action() == "shipping.price":
        shipping.enqueue_response(ServiceEvent.create_response(event, "shipping.price", "12.5"))

import os
from elk_mq import EventQueue, ServiceEvent

orders = EventQueue("orders", os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
try:
    timestamp, response = orders.await_response(ServiceEvent(60, "order.total", "[20, 15]"))
    print(response.payload())  # 35
except RuntimeError as error:  # TimeoutExpired, for one
    print(error)

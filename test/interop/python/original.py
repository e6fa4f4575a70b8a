"""The original's Python module as a process of its own, for the tests: `original.py COMMAND URL QUEUE …`.

It has the commands of the program in ../rust, and writes one JSON value a line, too.
"""

import json
import pathlib
import select
import sys
import time

from elk_mq import EventQueue, ServiceEvent

ACTION_OF_EVENTS = "note"
ACTION_OF_REQUESTS = "ask"
LONG = "0123456789abcdef" * 6400
TEXTS = json.loads((pathlib.Path(__file__).parent.parent / "texts.json").read_text("utf-8"))


def tell(value):
    print(json.dumps(value), flush=True)


def produce(url, queue_name, first, count, timeout):
    """Enqueues `count` events. Every second payload is no JSON, and some events have none."""
    queue = EventQueue(queue_name, url)
    for number in range(first, first + count):
        payload = None if number % 50 == 49 else payload_of(number, number % 2 == 0)
        queue.enqueue(ServiceEvent(timeout, ACTION_OF_EVENTS, payload))
    tell({"produced": count})


def request(url, queue_name, first, count, timeout):
    """Sends `count` requests, one after the other, and compares the payload of each answer with its own."""
    queue = EventQueue(queue_name, url)
    answered, problems = 0, []
    for number in range(first, first + count):
        payload = payload_of(number, True)
        try:
            _, answer = queue.await_response(ServiceEvent(timeout, ACTION_OF_REQUESTS, payload))
        except RuntimeError as error:
            problems.append(f"{number}: {error}")
            continue
        if json.loads(answer.payload()) == json.loads(payload):
            answered += 1
        else:
            problems.append(f"{number} was answered with {answer.payload()}")
    tell({"answered": answered, "problems": problems})


def take(url, queue_name, patience, work):
    """Takes events until none has come for `patience` seconds or standard input is closed, and does `work` with each."""
    queue = EventQueue(queue_name, url)
    idle_since = time.monotonic()
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            timestamp, event = queue.dequeue_blocking(1)
        except RuntimeError as error:
            if str(error) != "EmptyQueue":
                tell({"problem": str(error)})
            elif time.monotonic() - idle_since >= patience:
                return
            continue
        idle_since = time.monotonic()
        problem = None
        try:
            work(queue, event)
        except RuntimeError as error:
            problem = str(error)
        tell({"timestamp": timestamp, **event.to_dict(), "problem": problem})


def echo(queue, event):
    if event.action() == ACTION_OF_REQUESTS:
        queue.enqueue_response(ServiceEvent.create_response(event, ACTION_OF_REQUESTS, event.payload()))


def payload_of(number, is_json):
    text = LONG if number % 200 == 7 else TEXTS[number % len(TEXTS)]
    # Not only digits: those would be JSON.
    return json.dumps({"id": number, "text": text}) if is_json else f"#{number} {text}"


def main(command, url, queue_name, *numbers):
    numbers = [int(number) for number in numbers]
    if command == "produce":
        produce(url, queue_name, *numbers)
    elif command == "request":
        request(url, queue_name, *numbers)
    elif command == "consume":
        take(url, queue_name, *numbers, lambda queue, event: None)
    elif command == "serve":
        take(url, queue_name, *numbers, echo)
    else:
        sys.exit(f"no such command: {command}")


main(*sys.argv[1:])

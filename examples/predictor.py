"""A predictor of one's own behind Lockstep's contract: GET /ping, POST /invocations, JSON. Needs nothing but Python.

It expects what most often followed on the last kind of event, with the key of that event and the payload that this kind
had last. docs/PREDICTION.md tells the contract.
"""

import json
import os
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MIN_SEEN = 5

followed = defaultdict(Counter)
payloads = {}
exact = defaultdict(lambda: [0, 0])


def kind_of(event):
    return (event["stream"], event["type"])


def payload_of(event):
    return {name: event[name] for name in ("data", "dataBase64") if name in event}


def learn(transaction):
    last = None
    for event in transaction["events"]:
        kind = kind_of(event)
        followed[last][kind] += 1
        exact[kind][0] += payloads.get(kind) == payload_of(event)
        exact[kind][1] += 1
        payloads[kind] = payload_of(event)
        last = kind
    followed[last][None] += 1


def foresee(context):
    last = context["events"][-1] if context["events"] else None
    counts = followed[kind_of(last) if last else None]
    total = sum(counts.values())
    if last is None or total < MIN_SEEN:
        return []
    candidates = []
    for kind, count in counts.most_common(3):
        if kind is None or kind[0] not in context["streams"]:
            continue
        hits, trials = exact[kind]
        # Two more trials that failed make a low bound of a share, roughly.
        probability = count / (total + 2) * hits / (trials + 2)
        candidates.append(
            {"stream": kind[0], "type": kind[1], "key": last["key"], **payloads[kind], "step": 1, "probability": probability}
        )
    return sorted(candidates, key=lambda each: -each["probability"])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404, {})

    def do_POST(self):
        try:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            for transaction in request.get("finished", []):
                learn(transaction)
            self.answer(200, {"version": "example", "candidates": [foresee(each) for each in request["contexts"]]})
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, {"error": str(error)})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    host = os.environ.get("LOCKSTEP_HOST", "0.0.0.0")
    server = ThreadingHTTPServer((host, int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))), Handler)
    print(f"serving on port {server.server_address[1]}", flush=True)
    server.serve_forever()

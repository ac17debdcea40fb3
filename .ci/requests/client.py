"""Sends each request that a line of standard input describes with requests,
the way the Python agent does, and prints what came back as a line."""

import json
import sys

import requests


def send(case):
    arguments = {"headers": case["headers"] or {}, "timeout": 5, "verify": case["verify"]}
    if case["query"]:
        arguments["params"] = case["query"]
    if case["form"]:
        arguments["data"] = case["body"]
    elif case["text"]:
        arguments["data"] = case["body"].encode()
    elif case["hasBody"]:
        arguments["json"] = case["body"]
    try:
        answer = requests.request(case["method"], case["url"], **arguments)
    except Exception as e:
        return {"outcome": "failed", "detail": f"{type(e).__name__}: {e}"[:200]}
    result = {"outcome": f"answered {answer.status_code}", "text": answer.text}
    try:
        result["json"] = json.dumps(answer.json(), sort_keys=True)
    except ValueError:
        pass
    return result


for line in sys.stdin:
    print(json.dumps(send(json.loads(line))), flush=True)

"""Ask a reflective model through OpenAI's client: start the service, ask whole and streamed, and look at what it cost.

    pip install 'reflectgen[serve]' openai
    python examples/openai_client.py

Where a service runs already, only `client` and what follows are of interest.
"""

import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

from openai import OpenAI

QUESTION = (
    "Mia has 33 pens. On Monday, 2 children take 2 each. On Tuesday, 7 are gone. "
    "On Wednesday, the pile becomes 2 times as big. How many pens are there in the end?"
)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(address: str, service: subprocess.Popen[bytes]) -> None:
    """Return when the service takes requests."""
    while service.poll() is None:
        try:
            with urlopen(f"{address}/readyz"):
                return
        except URLError:
            time.sleep(0.2)
    raise SystemExit("The service did not start.")


port = free_port()
service = subprocess.Popen(
    [sys.executable, "-m", "reflectgen", "serve", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
try:
    wait_until_ready(f"http://127.0.0.1:{port}", service)
    client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
    asked = {"model": "tiny", "messages": [{"role": "user", "content": QUESTION}], "reasoning_effort": "medium"}

    answer = client.chat.completions.create(**asked)
    message = answer.choices[0].message
    print("thinking:", message.reasoning_content.strip().splitlines()[-1])
    print("answer:  ", message.content.strip())
    print(
        "tokens:  ",
        answer.usage.completion_tokens,
        "of which",
        answer.usage.completion_tokens_details.reasoning_tokens,
        "thought",
    )

    print("\nEvery step of every thinking, as it is graded:")
    for chunk in client.chat.completions.create(**asked, stream=True, extra_body={"reflectgen": {"stream_steps": True}}):
        event = getattr(chunk, "reflectgen", None)
        if event and event["type"] == "step":
            print(f"  thinking {event['branch']}: {event['score']:.2f}  {event['text'].strip()}")
        elif event and event["type"] == "chosen":
            print(f"chosen: thinking {event['branch']}, answer {event['answer']}")
finally:
    service.terminate()
    service.wait()

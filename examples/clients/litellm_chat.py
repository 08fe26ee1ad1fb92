"""A reflective model through LiteLLM, which knows the service by the prefix `openai/`.

    pip install litellm
    python examples/clients/litellm_chat.py [ADDRESS]

A service must run there, by default at http://127.0.0.1:8000/v1 (`reflectgen serve`).
"""

import sys

import litellm

QUESTION = "Leo has 8 cards. On Monday, Leo buys 6 pairs. How many cards is that?"
address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1"
asked = {
    "model": "openai/tiny",
    "api_base": address,
    "api_key": "none",
    "messages": [{"role": "user", "content": QUESTION}],
    "extra_body": {"reasoning_effort": "low", "reflectgen": {"select": "sprm"}},
}

answer = litellm.completion(**asked)
print("thinking:", answer.choices[0].message.reasoning_content.strip().splitlines()[-1])
print("answer:", answer.choices[0].message.content.strip())

stream = litellm.completion(**asked, stream=True)
print("stream:", "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices).strip())

"""A reflective model in LangChain: a chat model like any other, asked whole and streamed.

    pip install langchain-openai
    python examples/clients/langchain_chat.py [ADDRESS]

A service must run there, by default at http://127.0.0.1:8000/v1 (`reflectgen serve`).
"""

import sys

from langchain_openai import ChatOpenAI

QUESTION = "Leo has 8 cards. On Monday, Leo buys 6 pairs. How many cards is that?"
address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1"

model = ChatOpenAI(model="tiny", base_url=address, api_key="none", reasoning_effort="low", seed=1)

answer = model.invoke(QUESTION)
print("answer:", answer.content.strip())
print("tokens:", answer.usage_metadata["output_tokens"], "of all branches")

print("stream:", "".join(chunk.content for chunk in model.stream(QUESTION)).strip())

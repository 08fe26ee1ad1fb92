"""Many questions at once through OpenAI's asynchronous client, each streamed: thinking and answer as they come.

    python examples/clients/openai_async.py [ADDRESS]

A service must run there, by default at http://127.0.0.1:8000/v1 (`reflectgen serve`).
"""

import asyncio
import sys

from openai import AsyncOpenAI

QUESTIONS = (
    "Leo has 8 cards. On Monday, Leo buys 6 pairs. How many cards is that?",
    "Mia has 33 pens. On Monday, 2 children take 2 each. How many pens are there in the end?",
)


async def ask(client: AsyncOpenAI, model: str, question: str) -> str:
    thinking = answer = ""
    stream = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], reasoning_effort="low", seed=1, stream=True
    )
    async for chunk in stream:
        for choice in chunk.choices:
            thinking += getattr(choice.delta, "reasoning_content", None) or ""
            answer += choice.delta.content or ""
    return f"{question}\n  {len(thinking.split())} words of thinking, then: {answer.strip()}"


async def main(address: str = "http://127.0.0.1:8000/v1") -> None:
    async with AsyncOpenAI(base_url=address, api_key="none") as client:
        model = (await client.models.list()).data[0].id
        for told in await asyncio.gather(*(ask(client, model, question) for question in QUESTIONS)):
            print(told)


asyncio.run(main(*sys.argv[1:]))

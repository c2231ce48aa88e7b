# Asks the gateway with OpenAI's client for Python: its address and an API key of the gateway's are all that changes.
# `max_retries=0`, since the gateway retries and falls back to other providers itself, under one deadline.
# Run: pip install -r examples/requirements.txt, then GATEWAY_KEY=gwk_… python examples/openai_client.py
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("GATEWAY_URL", "http://127.0.0.1:8000") + "/v1",
    api_key=os.environ["GATEWAY_KEY"],
    max_retries=0,
)

answer = client.chat.completions.with_raw_response.create(
    model="auto", messages=[{"role": "user", "content": "Say hello"}], max_tokens=20
)
print(answer.parse().choices[0].message.content)
print(f"answered by {answer.headers['x-gateway-provider']} for ${answer.headers['x-gateway-cost']}")

stream = client.chat.completions.create(
    model="auto", messages=[{"role": "user", "content": "Say hello, slowly"}], stream=True
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="")
print()
